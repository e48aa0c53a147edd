#!/usr/bin/perl

# The tarball: `make dist` packs everything that git has, and the built
# dashboard.  Module and dashboard are built and installed from it alone,
# without node and npm; nginx runs with them, and `make uninstall` leaves
# nothing.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Sanitized;
use Test::More;

skip_all_sanitized('what is built here is not');

plan(skip_all => 'make test has it, with the nginx of the system')
    if ($ENV{LINK} // 'stock') ne 'stock';

plan(skip_all => 'no git: it takes a checkout')
    if system('git rev-parse -q --verify HEAD > /dev/null 2>&1') != 0;

# what npm has fetched already
my $npm = "$ENV{BUILD}/npm";

# none of the make that we are part of
delete @ENV{grep { /^(?:MAKE|MFLAGS|BUILD$|MODULE_|COVERAGE$)/ } keys %ENV};

my $dir = tempdir(CLEANUP => 1);

chmod 0755, $dir;
symlink $npm, "$dir/npm" or die "symlink() failed: $!\n";
is(system("make -s dist DEPS=no BUILD=$dir"), 0, 'a tarball is made');

my ($tarball) = glob "$dir/*.tar.gz";
my ($name) = ($tarball // '') =~ m{/([^/]+-\d[\d.]+)\.tar\.gz$};

is($name, 'ngx_http_profiling_module-' . version(), '... of that version');
is(system('tar', '-xzf', $tarball, '-C', $dir), 0, '... that can be read');

my @has = map { s{^[^/]+/}{}r } grep { !m{/$} }
          split /\n/, run_quietly('tar', '-tzf', $tarball);

my %built = map { $_ => 1 } map { m{^html/built/(.*)} ? $1 : () } @has;

is_deeply([ sort grep { !m{^html/built/} } @has ],
          [ sort split /\n/, run_quietly('git', 'ls-tree', '-r',
                                         '--name-only', 'HEAD') ],
          '... with every file that git has');

is_deeply([ grep { !$built{$_} } qw(index.html page.js page.css profiles.js
                                    speedscope/index.html LICENSES.txt) ],
          [], '... and the dashboard, built');

# node and npm that must not be called

mkdir "$dir/bin";

for my $tool (qw(node npm)) {
    open my $fh, '>', "$dir/bin/$tool" or die "open() failed: $!\n";
    print $fh "#!/bin/sh\necho \"\$0 was called\" | tee -a $dir/called\nexit 1\n";
    close $fh;
    chmod 0755, "$dir/bin/$tool";
}

$ENV{PATH} = "$dir/bin:$ENV{PATH}";

# a checkout says what it would do; the module's own makefile is not there yet

for my $goal (qw(all html)) {
    my $would = qx(make -nk $goal DEPS=no BUILD=$dir/plain 2> $dir/said);

    is($would =~ /\b(?:node|npm) / ? 'node' : 'no node',
       $goal eq 'html' ? 'node' : 'no node', "what make $goal needs");
    is(qx(make -n $goal DEPS= BUILD=$dir/plain 2> $dir/said)
       =~ /^tools\/install-deps (.*\w)/m ? $1 : '',
       $goal eq 'html' ? 'build html' : 'build', '... and would install');
}

# without what optimising and symbols take
my @make = (qw(env -C), "$dir/$name", qw(make -s DEPS=no), 'optimise=-O0 -g0',
            "BUILD=$dir/build", map { "${_}_DIR=$dir/root/\L$_" }
                                    qw(MODULES SHARE CONF MAN));
my $made = run_quietly(@make, 'install');

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

my $pages = "$dir/root/share/html/profiling";

is_deeply([ grep { !-e "$pages/$_" } sort keys %built ], [],
          'the dashboard is installed');
ok(!-e "$dir/called", '... without node and npm');

# a snippet that was edited is somebody's work
my $snippet = "$dir/root/conf/snippets/profiling.conf";

ok(-s $snippet, 'there is a snippet to include');
run_quietly(@make, 'uninstall');
is(run_quietly('find', "$dir/root", '!', '-type', 'd'), '',
   'make uninstall removes all that was installed');

run_quietly(@make, 'install');
open my $edited, '>>', $snippet or die "open() failed: $!\n";
print $edited "# mine\n";
close $edited;

like(run_quietly(@make, 'uninstall') // '', qr/snippet.* was edited: it stays/,
     '... but a snippet that was edited');
is(run_quietly('find', "$dir/root", '!', '-type', 'd'), "$snippet\n",
   '... and nothing else');

done_testing();


# as nginx itself would tell it

sub version {
    my $header = 'ngx_http_profiling_module/base/ngx_prof_base.h';

    open my $fh, '<', $header or die "open() \"$header\" failed: $!\n";

    while (<$fh>) {
        return $1 if /PROF_VERSION\s+"(.*)"/;
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
