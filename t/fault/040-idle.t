#!/usr/bin/perl

# An idle worker wakes up at most once per interval; without the module it
# would not wake up at all.

use strict;
use warnings;

use Fault;
use IO::Socket::INET;
use Test::More;

my $n = Fault->new(name => 'idle',
                   profiling => 'profiling_interval 100ms;');

$n->start;

# once used, so that whatever begins with the first request has begun

$n->get("/api/profiling/$_")
    for qw(metrics metrics/history memory gc health runtime goroutines);
$n->get('/api/profiling/force-gc', method => 'POST');
$n->get('/empty');
$n->ticked;

quiet('an idle worker', $n->workers);

# with clients that are connected and silent

my @clients = map { IO::Socket::INET->new('127.0.0.1:' . $n->port) } 1 .. 20;
for (@clients) {
    syswrite $_, "GET /empty HTTP/1.1\r\nHost: main\r\n\r\n";
    sysread $_, my $answer, 4096;
}

$n->ticked;
quiet('a worker with idle clients', $n->workers);

ok($n->stop('QUIT'), 'nginx ends');

done_testing();


# The switches of at least 25 ticks, against the intervals that the clock had
# meanwhile: a tick costs one.  The kernel may count a switch or two more, for a
# lock of its own.

sub quiet {
    my ($name, @pids) = @_;

    my $start = time;
    my %before = map { $_ => switches($_) } @pids;

    ok(wait_for(60, sub {
        return !grep { switches($_) - $before{$_} < 25 } @pids;
    }), "$name ticks");

    for my $pid (@pids) {
        my $woken = switches($pid) - $before{$pid};
        my $intervals = (time - $start) / 0.1;

        cmp_ok($woken, '<=', $intervals + 2,
               sprintf('%s: %d wake-ups in %.1f intervals', $name, $woken,
                       $intervals));
    }
}


sub switches {
    return proc_status(shift)->{voluntary_ctxt_switches};
}
