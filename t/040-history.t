#!/usr/bin/perl

# /api/profiling/metrics/history: the samples of all workers line up.

use strict;
use warnings;

use Sanitized;
use Test::More;
use Time::HiRes qw(time);
use Site;

my $began = time();
my $site = Site->new(workers => 2, http => <<'END', server => <<'END')->start;
    profiling_interval 100ms;
    profiling_history 30;
END
    location = /ok { return 200; }
    location = /bad { return 500; }
END

my $started = time();


sub history { return $site->json('metrics/history' . ($_[0] // '')) }


# traffic all the time, until there is enough of it

my ($sent, $bad) = (0, 0);

ok(until_true(60, sub {
    $site->request('/ok');
    $sent++;
    $bad += !!$site->request('/bad') if $sent % 3 == 0;
    return $sent > 100 && history('?count=12')->{count} == 12;
}), 'samples come by themselves');

my $asked = time();
my $h = history('?count=12');
my $told = time();
my @samples = @{ $h->{samples} };

is($h->{count}, scalar @samples, 'count is their number');
is($h->{interval_ms}, 100, 'the interval is told');
ok($h->{uptime} >= $asked - $started - 0.1 && $h->{uptime} <= $told - $began + 0.1,
   'and the uptime')
    or diag("$h->{uptime}: ", $asked - $started, ' to ', $told - $began);

my @times = map { epoch($_->{timestamp}) } @samples;

is(scalar(grep { !defined } @times), 0, 'timestamps are RFC 3339');
is_deeply(\@times, [sort { $a <=> $b } @times], 'from the oldest on');
cmp_ok($times[-1], '<=', $told, 'the last one has been');
ok(until_true(60, sub {
    return epoch(history('?count=1')->{samples}[0]{timestamp}) > $told;
}), 'and others come');

my @steps = map { $times[$_] - $times[$_ - 1] } 1 .. $#times;
is(scalar(grep { $times[$_] - $times[0] < ($_ - 1) * 0.1 - 0.002 } 1 .. $#times),
   0, 'at most one an interval') or diag(explain(\@times));

# a machine that is busy misses some; out of line they would be two entries, of
# one worker each

ok(until_true(60, sub {
    my @six = @{ history('?count=6')->{samples} };

    return epoch($six[-1]{timestamp}) - epoch($six[0]{timestamp}) < 0.75
           && 6 == grep { $_->{workers} == 2 } @six;
}), 'one an interval, and the samples of both workers are in one');
is(scalar(grep { $_ <= 0 } @steps), 0, 'no tick comes twice')
    or diag("@steps");

for my $field (qw(requests errors)) {
    my @values = map { $_->{$field} } @samples;
    is_deeply(\@values, [sort { $a <=> $b } @values], "$field never fall");
}

ok(until_true(60, sub {
    my $last = history('?count=1')->{samples}[-1];
    return $last->{requests} == $sent + $bad && $last->{errors} == $bad;
}), 'requests and errors are those that were sent');

# rates are differences

@samples = @{ history('?count=25')->{samples} };
my $wrong = 0;

for my $i (1 .. $#samples) {
    my ($a, $b) = @samples[$i - 1, $i];
    my $seconds = epoch($b->{timestamp}) - epoch($a->{timestamp});
    my $rate = ($b->{requests} - $a->{requests}) / $seconds;

    $wrong++ if abs($rate - $b->{request_rate}) > 0.001 * $rate + 0.01;
}

is($wrong, 0, 'request_rate is the difference to the sample before');
cmp_ok((sort { $b <=> $a } map { $_->{request_rate} // 0 } @samples)[0], '>',
       0, 'and there was traffic');

cmp_ok($samples[-1]{memory}{sys}, '>', 1e6, 'memory');

SKIP: {
    skip_sanitized('its allocator has no figures', 1);

    is($samples[-1]{memory}{heap_sys},
       $samples[-1]{memory}{heap_inuse} + $samples[-1]{memory}{heap_idle},
       'the heap of a sample');
}

# count

ok(until_true(60, sub { history('?count=7')->{count} == 7 }),
   'there are seven samples');

for my $count (1, 2, 7) {
    my $h = history("?count=$count");
    is("$h->{count} " . @{ $h->{samples} }, "$count $count", "count=$count");
}

# since: only what is later

my ($since, @later);

ok(until_true(60, sub {
    $since = history('?count=3')->{samples}[0]{timestamp};
    @later = @{ history("?since=$since")->{samples} };
    return @later >= 2;
}), 'since gives what came later');
is(scalar(grep { epoch($_->{timestamp}) <= epoch($since) } @later), 0,
   'and nothing else');
is(history("?since=$since&count=1")->{count}, 1, 'since and count');
is(history('?since=2099-01-01T00:00:00Z')->{count}, 0, 'nothing yet');
is_deeply(history('?since=2099-01-01T00:00:00Z')->{samples}, [],
          'is an empty list');

# the ring goes round

my $most = 0;

ok(until_true(60, sub {
    $h = history();
    $most = $h->{count} if $h->{count} > $most;
    return $h->{count} >= 27 && epoch($h->{samples}[0]{timestamp}) > $told;
}), 'old ones go, and as many are kept');
cmp_ok($most, '<=', 30, 'but no more than profiling_history');

@times = map { epoch($_->{timestamp}) } @{ $h->{samples} };
is_deeply(\@times, [sort { $a <=> $b } @times], 'still in order');

# one worker

my ($pid) = $site->workers;
$h = history("?worker=$pid&count=5");
is(join(' ', map { $_->{workers} } @{ $h->{samples} }), '1 1 1 1 1',
   'samples of one worker');

my %requests;
for my $pid ($site->workers) {
    $requests{$pid} = history("?worker=$pid&count=1")->{samples}[0]{requests};
}
my $sum = 0;
$sum += $_ for values %requests;
is($sum, $sent + $bad, 'the workers\' requests add up');

# a worker that is gone: its counts stay in the history

kill 'KILL', $pid;
ok(until_true(60, sub {
    my @now = $site->workers;
    return @now == 2 && !grep { $_ == $pid } @now;
}), 'a worker is killed and replaced');

ok(until_true(60, sub { history('?count=1')->{samples}[0]{workers} == 2 }),
   'the new one has samples');

my @requests = map { $_->{requests} } @{ history()->{samples} };
is_deeply(\@requests, [sort { $a <=> $b } @requests],
          'requests never fall, over a kill either');
is($requests[-1], $sent + $bad, 'none is lost');

# a reload keeps it

# which holds three seconds: a machine that is busy may take as long for a reload

my $generation = 1;

ok(until_true(60, sub {
    my $before = history()->{samples}[-1]{timestamp};

    $generation++;
    kill 'HUP', $site->{pid};
    until_true(60, sub {
        $site->json('runtime')->{generation} == $generation;
    }) or return;

    return grep { $_->{timestamp} eq $before } @{ history()->{samples} };
}), 'a reload, over which the history stays');
ok(until_true(60, sub {
    my @workers = @{ $site->json('runtime')->{workers} };
    return @workers == 2 && !grep { $_->{generation} != $generation } @workers;
}), 'the new workers are there');
is($site->json('runtime')->{request_count}, $sent + $bad, 'so do the counts');
$asked = time();
cmp_ok($site->json('runtime')->{uptime_seconds}, '>=', $asked - $started - 0.1,
       'and the uptime');

$site->{noise} = qr/exited on signal 9|was killed by SIGKILL/;
$site->stop;
done_testing;
