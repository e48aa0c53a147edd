#!/usr/bin/perl

# What is given away: `make dist` puts all that git has into a tarball, the
# module is built from that alone, and nginx takes it.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Sanitized;
use Test::More;

skip_all_sanitized('what is built here is not');

plan(skip_all => 'another nginx has the module in it, or its own')
    if ($ENV{LINK} // 'stock') ne 'stock';

plan(skip_all => 'this is no checkout of git')
    if system('git rev-parse -q --verify HEAD > /dev/null 2>&1') != 0;

# none of the make that we are part of
delete @ENV{grep { /^(?:MAKE|MFLAGS|BUILD$|MODULE_|COVERAGE$)/ } keys %ENV};

my $dir = tempdir(CLEANUP => 1);

chmod 0755, $dir;
is(system("make -s dist BUILD=$dir"), 0, 'a tarball is made');

my ($tarball) = glob "$dir/*.tar.gz";
my ($name) = ($tarball // '') =~ m{/([^/]+-\d[\d.]+)\.tar\.gz$};

is($name, 'ngx_http_profiling_module-' . version(), '... of that version');
is(system('tar', '-xzf', $tarball, '-C', $dir), 0, '... that can be read');

my @has = map { s{^[^/]+/}{}r } grep { !m{/$} }
          split /\n/, run_quietly('tar', '-tzf', $tarball);

is_deeply([ sort @has ],
          [ sort split /\n/, run_quietly('git', 'ls-tree', '-r',
                                         '--name-only', 'HEAD') ],
          '... with every file that git has');

# of the module alone, without what optimising takes
my $made = run_quietly(qw(env -C), "$dir/$name", qw(make -s DEPS=no DEBUG=1),
                       "BUILD=$dir/build",
                       "$dir/build/ngx_http_profiling_module.so");

ok(-s "$dir/build/ngx_http_profiling_module.so", 'the module is built of it')
    or diag($made // 'make has failed');

open my $conf, '>', "$dir/nginx.conf" or die "open() failed: $!\n";
print $conf <<"END";
load_module $dir/build/ngx_http_profiling_module.so;
pid $dir/nginx.pid;
error_log stderr;
events {}
http { server { location /api/profiling/ { profiling_api; } } }
END
close $conf;

like(run_quietly($ENV{TEST_NGINX_BINARY}, '-t', '-c', "$dir/nginx.conf") // '',
     qr/test is successful/, '... and nginx takes it');

done_testing();


# as nginx itself would tell it

sub version {
    my $header = 'ngx_http_profiling_module/ngx_http_profiling_module.h';

    open my $fh, '<', $header or die "open() \"$header\" failed: $!\n";

    while (<$fh>) {
        return $1 if /PROFILING_VERSION\s+"(.*)"/;
    }
}


# what a command printed, or undef if it failed

sub run_quietly {
    my @command = @_;

    open my $fh, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command
        or return undef;

    my $said = do { local $/; <$fh> } // '';

    return $said if close $fh;

    diag($said);
    return undef;
}
