#!/usr/bin/perl

# Other modules' calls are not interrupted.  The end of an encoder sends its
# worker a signal, in whatever call the worker waits at that moment.

use strict;
use warnings;

use Fcntl;
use IO::Select;
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep);
use Site;
use Profile;

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    server   => 'location = /read { profiling_test wait_read 0 DIR/fifo; }',
);

my $fifo = $site->dir . '/fifo';

mkfifo($fifo, 0666);
chmod 0666, $fifo;

$site->start;

my ($pid) = $site->workers;

ok(length Profile::bytes($site, path => '/debug/pprof/block'),
   'there was an encoder');

my $s = $site->connect;
my $write;

print $s "GET /read HTTP/1.1\r\nHost: main\r\nConnection: close\r\n\r\n";
$s->flush;

ok(until_true(60, sub {
    return sysopen $write, $fifo, O_WRONLY|O_NONBLOCK;
}), 'the worker reads from a pipe, in which there is nothing');

# what the end of an encoder sends, more often than there may be encoders

for (1 .. 100) {
    kill 'CHLD', $pid;
    sleep 0.001;
}

ok(!IO::Select->new($s)->can_read(0), '... it goes on with it');

syswrite $write, 'x';
like(Site::read_all($s, 60), qr/done/, '... until there is something');

$site->stop;

done_testing();
