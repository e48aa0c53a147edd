#!/usr/bin/perl

# The wall clock is set a day ahead, two days back, an hour ahead, and to 1971,
# during a profile, a trace and trims: captures keep their length, uptime and
# counters continue, ages are right, and nothing is locked until the clock
# catches up.
#
# The clock is the one of the processes of nginx alone: a library answers for
# it.  Time namespaces do not have this clock, and setting the machine's is
# not for a test.

use strict;
use warnings;

use Fault;
use Health;
use IO::Socket::INET;
use Profile;
use Sound;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $n = Fault->new(name => 'clock', profiling => 'profiling_interval 100ms;',
                   server => <<'END');
        location ^~ /debug/pprof/ { profiling_pprof; }
END

my $offset = $n->dir . '/offset';
Fault::spew($offset, pack 'q', 0);

$n->{env} = { OFFSET => $offset, LD_PRELOAD => preload($n->dir, <<'END') };
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long zero, *offset = &zero;

static __attribute__((constructor)) void
start(void)
{
    int    fd = open(getenv("OFFSET") ? getenv("OFFSET") : "", O_RDONLY);
    void  *p = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);

    if (p != MAP_FAILED) {
        offset = p;
    }

    close(fd);
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
    int  rc = (int) syscall(SYS_clock_gettime, clock, ts);

    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        ts->tv_sec += *(volatile long *) offset;
    }

    return rc;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}

time_t
time(time_t *t)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
END

$n->start;

my $started = clock_gettime(CLOCK_MONOTONIC);

$n->get('/empty') for 1 .. 5;
$n->ticked;
all_answers_valid($n, 'before');

my $before = usage($n);
my $prober = $n->prober;
my $m = $n->api('metrics');

for my $step (['a day ahead', 86400], ['two days back', -86400],
              ['an hour ahead', 3600], ['to 1971', 40e6 - time],
              ['back to the truth', 0])
{
    stepped(@$step);
}

is_deeply([ keys %{ $n->prober_result($prober) } ], [ 200 ],
          'no other client noticed');
nothing_left($n, $before, 'after all');
ok($n->reload, 'a reload');
all_answers_valid($n, 'after it');
is_sound($n);
ok($n->stop('QUIT'), 'nginx ends');

done_testing();


sub stepped {
    my ($name, $seconds) = @_;

    my @running = map { captured($_) } '/debug/pprof/profile?seconds=3',
                                       '/debug/pprof/trace?seconds=3',
                                       '/debug/pprof/block?seconds=3';

    # they have begun
    ok($n->until('goroutines', 60, sub {
        return 3 == grep { ($_->{uri} // '') =~ m{^/debug/pprof/} }
                    @{ $_[0]{goroutines} };
    })->{met}, "$name: captures run");

    # a request that has begun, and ends after the step
    my $slow = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$n->{port}")
        or die "connect() failed: $!\n";
    syswrite $slow, "GET /empty HTTP/1.1\r\nHost: a\r\n";

    ok($n->until('goroutines', 60, sub {
        return grep { $_->{state} eq 'reading header' }
               @{ $_[0]{goroutines} };
    })->{met}, '... and a request is being read');

    open my $fh, '+<', $offset or die "open() failed: $!\n";
    syswrite $fh, pack 'q', $seconds;
    close $fh;

    for my $running (@running) {
        my ($path, $answer) = @$running;
        my ($status, $body) = split /\n/, Profile::finish($answer), 2;

        is($status, 200, "$name: $path is answered");
        is(invalid($path, $status,
                   "Content-Type: application/octet-stream\r\n", $body), '',
           '... rightly');
    }

    my $now;
    ok(wait_for(60, sub {
        $now = $n->api('metrics');
        return 2 == grep {
            $_->{state} eq 'running'
                && abs(Fault::stamp($_->{collected}) - time - $seconds) < 5
        } @{ $now->{workers} };
    }), "$name: the workers run, and tell the new time")
        or diag(explain($now));

    is_deeply([ monotonic_errors($m, $now) ], [], '... no counter fell');
    cmp_ok($now->{uptime} - $m->{uptime}, '<', 120, '... nor leapt the uptime');
    ok($n->until('health', 60, sub { !@{ ailments($_[0]) } })->{met},
       '... all are healthy');

    ok(wait_for(60, sub {
        return $n->get('/api/profiling/force-gc', method => 'POST',
                       body => '')->{status} == 200;
    }), '... collections are possible');

    syswrite $slow, "Connection: close\r\n\r\n";
    like(do { local $/; <$slow> }, qr/^HTTP.1.1 200 /,
         '... the slow request is answered');

    in_order($seconds);
    no_longer_than_this();
    $m = $now;
}


# The history: timestamps are those of the new clock, each later than the one
# before; rates are of the time that has passed.

sub in_order {
    my $seconds = shift;

    my ($samples, @times);

    ok(wait_for(60, sub {
        $samples = $n->api('metrics/history?count=1000')->{samples};
        @times = map { Fault::stamp($_->{timestamp}) } @$samples;

        return @times > 2 && abs($times[-1] - time - $seconds) < 5;
    }), '... the history has the new time');

    is(scalar(grep { $times[$_] <= $times[$_ - 1] } 1 .. $#times), 0,
       '... its samples are in order');

    my @wrong = grep {
        my ($a, $b) = @$samples[$_ - 1, $_];
        my $rate = ($b->{requests} - $a->{requests})
                   / ($times[$_] - $times[$_ - 1]);

        defined $b->{request_rate}
            && abs($b->{request_rate} - $rate) > 0.05 * $rate + 0.1;
    } 1 .. $#times;

    is_deeply([@$samples[@wrong]], [], '... with rates by the time between');
}


# No request, connection or pause took longer than nginx has lived.

sub no_longer_than_this {
    my $most = clock_gettime(CLOCK_MONOTONIC) - $started + 1;

    my %took = (
        requests => $n->api('metrics')->{metrics}{requests}{latency}{max},
        map({ ("$_->{location}" => $_->{latency}{max}) }
            grep { defined $_->{location} }
            @{ $n->api('locations')->{locations} }),
        map({ ("$_->{kind} $_->{id}" => $_->{wait_seconds}) }
            @{ $n->api('goroutines')->{goroutines} }),
    );

    is_deeply([ map { "$_: $took{$_}" }
                grep { defined $took{$_}
                       && ($took{$_} < 0 || $took{$_} > $most) } keys %took ],
              [], '... nothing lasted longer than nginx');

    my @ends = map { Fault::stamp($_->{time}) } @{ $n->api('gc')->{recent} };

    is_deeply(\@ends, [sort { $b <=> $a } @ends], '... pauses are in order');
}


sub captured {
    my $path = shift;

    return [$path, Profile::background(sub {
        my $r = $n->get($path, timeout => 60);
        return ($r->{status} // $r->{error}) . "\n" . ($r->{body} // '');
    })];
}
