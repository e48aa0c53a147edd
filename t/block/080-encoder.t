#!/usr/bin/perl

# The end of an encoder is no signal to its worker, which may wait in a call of
# another module by then: it would be broken off.

use strict;
use warnings;

use Test::More;
use Site;
use Profile;

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    server   => 'location = /wait { profiling_test wait_timed 1500 recv; }',
);

$site->start;

# the encoder is started, and the worker waits while it ends

my @clients = map { $site->connect } 1 .. 2;

print { $clients[0] } "GET /debug/pprof/heap HTTP/1.1\r\nHost: main\r\n"
                      . "Connection: close\r\n\r\n";
$clients[0]->flush;

print { $clients[1] } "GET /wait HTTP/1.1\r\nHost: main\r\n"
                      . "Connection: close\r\n\r\n";
$clients[1]->flush;

like(Site::read_all($_, 60), qr{^HTTP/1\.1 200 }, 'the client is answered')
    for @clients;

my $log = $site->log;

like($log, qr/waited by recv: whole$/m, 'the call lasted its time');
unlike($log, qr/SIGCHLD/, '... and there was no signal');

$site->stop;

done_testing();
