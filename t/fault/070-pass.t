#!/usr/bin/perl

# Whatever is asked of the API: no pass of the event loop takes longer than
# 1 ms by our doing.  The histogram of passes is the module's own; the worker
# serves nothing but the API.

use strict;
use warnings;

use Fault;
use Sanitized;
use Test::More;

my $locations = join "\n", map {
    "        location /of/the/site/number/$_/ { return 200 \"$_\"; }"
} 1 .. 300;

# nothing but the scheduler of real time keeps others off the processor

my @chrt = ('chrt', '-f', '1');
run_command(@chrt, 'true');
@chrt = () if $?;

my $n = Fault->new(name => 'pass', workers => 1, wrapper => [@chrt],
                   profiling => 'profiling_interval 100ms;
                                 profiling_pause_threshold 1ms;',
                   server => $locations);

my @endpoints = (map({ "/api/profiling/$_" }
                     qw(metrics metrics/history?count=1000 memory gc
                        goroutines runtime health locations)), '/metrics');

$n->start;

# each location has counts of its own to be added up

for my $i (1 .. 300) {
    $n->get("/of/the/site/number/$i/") for 1 .. 2;
}

$n->ticked;
is(scalar(grep { $_->{requests} } @{ $n->api('locations')->{locations} }),
   300, 'three hundred locations have been used');

my $h = $n->until('metrics/history?count=1000', 30, sub {
    return $_[0]{count} >= 60;
});
ok($h->{met}, 'the history has sixty samples');

my ($best, $w);

# A machine with others on it may take the processor away all the same: one
# good worker out of four shows what is by our doing.

for my $try (1 .. 4) {
    ok($n->reload, 'a fresh worker, that begins with an empty histogram');

    $n->until('metrics', 10, sub { @{ $_[0]{workers} } == 1 });

    my %sizes;

    for (1 .. 60) {
        for my $endpoint (@endpoints) {
            my $r = $n->get($endpoint);
            $sizes{$endpoint} = length($r->{body} // '');
        }
    }

    my $m = $n->ticked;
    my $latency = $m->{workers}[0]{event_loop}{latency};
    my $cpu = $m->{workers}[0]{cpu};

    note(sprintf('passes: p50 %.0f us, p99 %.0f us, p999 %.0f us, max %.0f us;'
                 . ' %d involuntary switches',
                 map({ $latency->{$_} * 1e6 } qw(p50 p99 p999 max)),
                 $cpu->{involuntary_switches}));
    note(join ', ', map { "$_: $sizes{$_}" } sort keys %sizes) if $try == 1;

    if (!$best || $latency->{max} < $best->{max}) {
        $best = $latency;
    }

    last if $best->{max} < 0.001;
}


SKIP: {
    skip_sanitized('its code is slower', 3);

    cmp_ok($best->{p99}, '<', 0.001, 'p99 of the passes is below 1 ms');
    cmp_ok($best->{p999}, '<', 0.001, '... p999 too');
    cmp_ok($best->{max}, '<', 0.001, '... and the longest');
}

ok($n->stop('QUIT'), 'nginx ends');

done_testing();
