#!/usr/bin/perl

# An encoder that the workers' user cannot reach or execute is a warning when
# nginx starts, with the path that bars it; what can be reached is none.

use strict;
use warnings;

use File::Copy qw(copy);
use Test::More;
use Site;

plan skip_all => 'workers have a user of their own if root starts nginx'
    if $>;

my $module = $ENV{TEST_NGINX_LOAD_MODULES};

plan skip_all => 'the module is linked into nginx' unless $module;

my ($encoder) = "$module" =~ m{^(.*/)} ? "$1ngx_http_profiling_encoder" : '';

bars('a directory above it', 'shut', sub { chmod 0700, "$_[0]/shut" });
bars('its own directory', 'shut/modules',
     sub { chmod 0700, "$_[0]/shut/modules" });
bars('its mode', 'shut/modules/ngx_http_profiling_encoder',
     sub { chmod 0700, "$_[0]/shut/modules/ngx_http_profiling_encoder" });
bars('that it is not there', 'shut/modules/ngx_http_profiling_encoder',
     sub { unlink "$_[0]/shut/modules/ngx_http_profiling_encoder" });
bars('nothing', undef, sub { });

done_testing();


sub bars {
    my ($name, $path, $do) = @_;

    my $site = Site->new(
        main     => 'user nobody nogroup;',
        module   => 0,
        handlers => $Site::handlers
                    . 'location /debug/pprof/ { profiling_pprof; }',
        noise    => qr/profiles cannot be encoded|profile not encoded|execve/,
    );
    my $dir = $site->dir;

    # the sites of all runs are below the same directories
    mkdir "$dir/shut";
    mkdir "$dir/shut/modules";
    chmod 0755, "$dir/shut", "$dir/shut/modules";

    copy($module, "$dir/shut/modules/module.so") or die $!;
    copy($encoder, "$dir/shut/modules/ngx_http_profiling_encoder") or die $!;
    chmod 0755, "$dir/shut/modules/ngx_http_profiling_encoder";

    $site->{modules} = [ "$dir/shut/modules/module.so" ];
    $do->($dir);
    $site->start;

    my @said = $site->log =~ /\[warn\].*(profiles cannot be encoded: .*)/g;

    if ($path) {
        is(@said, 1, "$name bars it: one warning");
        like($said[0] // '', qr/user, "\Q$dir\/$path\E" bars it/,
             '... with the path');

    } else {
        is_deeply(\@said, [], 'nothing bars it: no warning');
    }

    is($site->request('/debug/pprof/heap')->{status}, $path ? 500 : 200,
       '... and a profile is as was told');

    $site->stop;
}
