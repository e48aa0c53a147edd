#!/usr/bin/perl

# The module linked into an nginx built from source: the next release's, from
# Debian's source package, with few modules but every protocol.  It serves
# every endpoint (010-endpoints.t runs with it), and the tests of HTTP/3 run.
# make matrix does the same with many configurations.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use Sanitized;
use Test::More;

my $build = $ENV{BUILD} or plan(skip_all => 'run this by make test');

# its directory is no build of the makefile's, which would become one
plan(skip_all => 'this is make matrix itself, make test has it') if $ENV{INSTALLED};

skip_all_sanitized('its run-time library has to come first');

# none of the run that we are part of
delete @ENV{grep { /^(?:TEST_|LINK$|INSTALLED$|BINARY$|MODULES_|OTHER_)/ }
            keys %ENV};

$ENV{MATRIX_TESTS} = join ' ', qw(t/build/010-endpoints.t t/046-http3.t
                                  t/053-response.t t/054-received.t
                                  t/056-upstreams.t t/062-access-http3.t
                                  t/cpu/027-http3.t t/cpu/028-handshakes.t
                                  t/crash/050-http3.t
                                  t/dump/070-protocols.t);

# half of the time goes into optimising
$ENV{MODULE_CFLAGS} = '-O0 -fPIC -Wall -Wextra -Wno-unused-parameter -Werror';
$ENV{CC} = abs_path('t/lib/cc');
$ENV{CC_HEADERS} = tempdir(CLEANUP => 1);

my $said = `tools/matrix '$build' source 2>&1`;
my $status = $?;

plan(skip_all => "$1: it takes the sources of a mirror of Debian")
    if $said =~ /^not ok source: .*(no sources of nginx in \w+)/m;

is($status, 0, 'nginx is built with the module, and serves its endpoints')
    or diag($said);

my ($version, $passed) =
    $said =~ m{^ok source: nginx/(\S+), static, (\d+) passed, 0 failed}m;

cmp_ok($passed // 0, '>', 30, 'nginx ' . ($version // 'none'));

done_testing;
