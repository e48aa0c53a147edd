#!/usr/bin/perl

# Pauses of event loops, force-gc, and a worker that does not answer.

use strict;
use warnings;

use IO::Select;
use Json;
use POSIX ();
use Sanitized;
use Test::More;
use Time::HiRes qw(time);
use Profile;
use Site;

my $site = Site->new(
    workers => 2,
    noise => qr/exited on signal 9|was killed by SIGKILL/,
    modules => ['/usr/lib/nginx/modules/ngx_http_echo_module.so',
                Profile::test_module()],
    http    => <<'END',
    profiling_interval 100ms;
    profiling_pause_threshold 30ms;
    profiling_memory_limit 64g;
    profiling_heap_rate 64k;
    client_body_buffer_size 100k;
END
    server  => <<'END');
    location = /block { echo_blocking_sleep 0.06; echo ok; }
    location = /short { echo_blocking_sleep 0.005; echo ok; }
    location = /stuck { profiling_test wait_read 0 DIR/fifo; }
    location = /body { proxy_pass http://127.0.0.1:PORT9; }
    location = /ok { return 200; }
END

my $fifo = $site->dir . '/fifo';

POSIX::mkfifo($fifo, 0666);
chmod 0666, $fifo;
$site->start;

my $before;


# a sanitizer's allocator has no figures, and nothing to give back

my $gives = sanitized() ? 0 : 1;
my $unable = $gives ? undef : 'its allocator cannot give memory back';


sub gc { return $site->json('gc' . ($_[0] // '')) }

# It may be asked for once a second, over all workers.  One that others keep from
# the processor for a second is late, but for the one that has to be: then once
# more.  $before: what was told of the pauses before the last one.

sub force {
    my ($query, %o) = @_;
    my $forced;

    until_true(60, sub {
        $before = gc();

        my $got = $site->request('/api/profiling/force-gc' . ($query // ''),
                                 method => 'POST');
        return if $got->{status} == 429;

        $forced = decode_json($got->{body});
        return !grep { ($_->{error} // '') =~ /in time/
                       && $_->{pid} != ($o{late} // 0) }
                     @{ $forced->{workers} };
    });

    return $forced;
}


# Until the next one may be asked for: a second after one that was done.

sub force_is_due {
    force();

    my $done = time();
    until_true(60, sub { time() - $done > 1 });
}


# What an answer says of one heap: itself, or one of its workers.

sub heap_is_told {
    my ($heap, $name) = @_;

    for my $when (qw(before after)) {
        my $h = $heap->{$when};

        cmp_ok($h->{heap_alloc_mb}, '>', 0.1, "$name: handed out, $when");
        cmp_ok($h->{heap_sys_mb}, '>=', $h->{heap_alloc_mb},
               "$name: held, $when");
        cmp_ok($h->{anonymous_mb}, '>', 0.1, "$name: in memory, $when");
        ok(exists $h->{heap_resident_mb} && !defined $h->{heap_resident_mb},
           "$name: glibc does not tell how much of its own, $when");
    }

    is($heap->{heap_alloc_mb}, $heap->{after}{heap_alloc_mb},
       "$name: heap_alloc_mb is what is handed out now");
    cmp_ok(abs($heap->{before}{anonymous_mb} - $heap->{after}{anonymous_mb}
               - $heap->{anonymous_freed_mb}), '<', 1e-3,
           "$name: freed is the difference");
    is($heap->{heap_freed_mb}, $heap->{anonymous_freed_mb},
       "$name: which is what the heap has given back");
    is($heap->{heap_freed_by}, 'resident memory', "$name: known from /proc");
}


ok(until_true(60, sub { @{ $site->json('memory')->{workers} } == 2
                       && !grep { !$_->{memory} }
                               @{ $site->json('memory')->{workers} } }),
   'both workers have had a tick');

# pauses: passes of an event loop above the threshold

$before = gc();
is($before->{threshold_ms}, 30, 'the threshold');

for my $n (1 .. 3) {
    my $start;

    # another worker that looks at a stuck one ends a sleep

    ok(until_true(60, sub {
        $start = time();
        $site->request('/block');
        return time() - $start >= 0.06;
    }), 'a worker sleeps');

    # it is told when its pass ends, which is after its answer was sent; a
    # busy machine may add some that nobody asked for
    my $now;
    ok(until_true(60, sub {
        $now = gc();
        return $n <= grep { ($_->{location} // '') eq '= /block' }
                     @{ $now->{recent} };
    }), "$n pauses");

    my $took = time() - $start;

    my ($pause) = grep { ($_->{location} // '') eq '= /block' }
                  @{ $now->{recent} };

    ok($pause && $pause->{duration_ns} >= 58e6
       && $pause->{duration_ns} <= $took * 1e9,
       'as long as it slept, and no longer than it was seen to be')
        or diag(explain($now->{recent_pauses_ns}), "$took s");

    my $last = epoch($now->{last_gc});

    ok($last >= $start - 0.001 && $last <= time(), 'just now') or diag($last);
}

# the first pause has the passes marked that follow
ok(scalar(grep { ($_->{location} // '') eq '= /block' && $_->{connection} }
          @{ gc()->{recent} }), 'the connection is known');

# another one may come between the answers

my %workers = map { $_ => 1 } $site->workers;
my ($now, $metrics, %one);

ok(until_true(60, sub {
    $now = gc();
    $metrics = $site->json('metrics')->{metrics};
    %one = map { $_ => gc("?worker=$_") } keys %workers;

    return gc()->{num_gc} == $now->{num_gc};
}), 'answers of the same pauses');

my $sum = 0;
$sum += $_ for @{ $now->{recent_pauses_ns} };

is(scalar @{ $now->{recent_pauses_ns} }, $now->{num_gc},
   'all of them are recent');
is($now->{pause_total}, $sum, 'the total is their sum');
cmp_ok(abs($now->{pause_total_ms} - $sum / 1e6), '<', 0.001, 'also in ms');
is($now->{avg_pause_ns}, int($sum / $now->{num_gc}), 'and the average');
cmp_ok($now->{gc_cpu_fraction}, '>', 0, 'the fraction');
cmp_ok($now->{gc_cpu_fraction}, '<', 1, 'is one');

is_deeply([map { $_->{duration_ns} } @{ $now->{recent} }],
          $now->{recent_pauses_ns}, 'recent has the same');
is(scalar(grep { ($_->{cause} // '') eq 'force-gc' } @{ $now->{recent} }), 0,
   'none was forced');

is(scalar(grep { !$workers{$_->{worker}} } @{ $now->{recent} }), 0,
   'each names its worker');

is($metrics->{gc}{num_gc}, $now->{num_gc}, 'metrics tells the same');
is($metrics->{gc}{pause_total_ns}, $now->{pause_total}, 'the same total');
cmp_ok($metrics->{event_loop}{latency}{max}, '>=', 0.058,
       'the event loop has seen it');

my @sums = (0, 0);

for my $pid (keys %workers) {
    my $one = $one{$pid};
    $sums[0] += $one->{num_gc};
    $sums[1] += $one->{pause_total};
    is(scalar(grep { $_->{worker} != $pid } @{ $one->{recent} }), 0,
       'the view of a worker has its own pauses');
}

is_deeply(\@sums, [@$now{qw(num_gc pause_total)}], 'they add up');

# a busy machine may hold one up
ok(until_true(60, sub {
    my $short = gc()->{num_gc};
    $site->request('/short');
    return gc()->{num_gc} == $short;
}), 'a pass below the threshold is none');

# force-gc, with nothing to do

my $asked = time();
my $forced = force();
my $seen = time() - $asked;

is($forced->{success}, $gives, 'force-gc succeeds');
cmp_ok($forced->{gc_duration_ms}, '>', 0, 'it takes time');
cmp_ok($forced->{gc_duration_ms}, '<=', 1000 * $seen, '... no more than was seen');
cmp_ok($forced->{num_gc}, '>=', $before->{num_gc} + 2, 'it is a pause of each');

is_deeply([sort map { $_->{pid} } @{ $forced->{workers} }],
          [sort keys %workers], 'all workers answer');

SKIP: {
    skip_sanitized('its allocator has no figures', 1);

    cmp_ok($forced->{heap_alloc_mb}, '>', 0.1, 'there is a heap');
    cmp_ok($forced->{heap_freed_mb}, '>=', 0, 'nothing negative');

    is(scalar(grep { $_->{success} && defined $_->{duration_ms} }
              @{ $forced->{workers} }), 2, 'each with its time');

    heap_is_told($forced, 'all');
    heap_is_told($_, "worker $_->{pid}") for @{ $forced->{workers} };

    for my $path ([qw(before heap_alloc_mb)], [qw(after heap_sys_mb)],
                  [qw(before anonymous_mb)])
    {
        my ($when, $name) = @$path;
        my $sum = 0;

        $sum += $_->{$when}{$name} for @{ $forced->{workers} };
        cmp_ok(abs($forced->{$when}{$name} - $sum), '<', 1e-3,
               "$when.$name is the sum of the workers'");
    }

    is_deeply([keys %{ $forced->{unavailable} }], ['heap_resident_mb'],
              'what is null has its reason');
}

# once a second, whoever is asked

my ($busy, $one_busy, $counted);

ok(until_true(60, sub {
    $counted = gc()->{forced};
    my $path = '/api/profiling/force-gc';
    my $first = $site->request($path, method => 'POST');

    $busy = $site->request($path, method => 'POST');
    $one_busy = $site->request("$path?worker=" . (keys %workers)[0],
                               method => 'POST');

    return "$first->{status} $busy->{status} $one_busy->{status}"
           eq '200 429 429';
}), 'a second one at once is 429, and of one worker, too');

is($busy->{headers}{'retry-after'}, 1, 'with the time to wait');
is_deeply(decode_json($busy->{body}),
          { error => { status => 429, message =>
                       'force-gc may be requested once a second' } },
          'and says why');
is(gc()->{forced}, $counted + 2, 'and nothing was done');

is(force()->{success}, $gives, 'then it may again');

$forced = force();

$now = gc();
cmp_ok($now->{num_gc}, '>=', $forced->{num_gc}, 'the number is gc\'s');
is($now->{forced}, $before->{forced} + 2, 'they are counted');
is_deeply([sort map { $_->{worker} }
           (grep { ($_->{cause} // '') eq 'force-gc' }
                 @{ $now->{recent} })[0, 1]],
          [sort keys %workers], 'recent tells the cause');

# one worker

my ($pid) = sort keys %workers;
my $one = force("?worker=$pid");

is($one->{success}, $gives, 'force-gc of one worker');
is_deeply([map { $_->{pid} } @{ $one->{workers} }], [$pid],
          'the other is left alone');
is(gc()->{forced}, $before->{forced} + 1, 'one is counted');

# with a body, and on a connection that goes on

force_is_due();

my $answer = $site->raw("POST /api/profiling/force-gc HTTP/1.1\r\n"
                        . "Host: main\r\nContent-Length: 200000\r\n\r\n" . 'x' x 200_000
                        . "GET /ok HTTP/1.1\r\nHost: a\r\n"
                        . "Connection: close\r\n\r\n");
is(scalar(() = $answer =~ m{HTTP/1\.1 200 OK\r\n}g), 2,
   'a body is discarded, the connection goes on') or diag($answer);

# of many at once, one is done: those of one second

my %came;

ok(until_true(60, sub {
    my @clients = map { $site->connect } 1 .. 8;

    force_is_due();

    my $began = time();

    for (@clients) {
        print $_ "POST /api/profiling/force-gc HTTP/1.1\r\nHost: main\r\n"
                 . "Content-Length: 0\r\nConnection: close\r\n\r\n";
        $_->flush;
    }

    %came = ();
    $came{ Site::parse(Site::read_all($_, 60))->{status} }++ for @clients;

    return time() - $began < 1;
}), 'several at once');
is_deeply(\%came, { 200 => 1, 429 => 7 }, '... of which one is done');

SKIP: {
    skip_sanitized('its allocator has no figures', 1);

    # memory that was allocated and is free: buffers below one that stays

    my @sent = map { hold_buffer() } 1 .. 240;

    ok(until_true(60, sub {
        $site->json('memory')->{memory}{heap_inuse} > 240 * 80_000
    }), 'buffers take memory');

    # each worker has one above: the top of a heap is given back without being asked

    my %least = map { ($_->{pid} => $_->{memory}{heap_inuse} + 80_000) }
                @{ $site->json('memory')->{workers} };
    my @pins;

    ok(until_true(60, sub {
        push @pins, map { hold_buffer() } 1 .. 10;

        return 2 == grep { $_->{memory}{heap_inuse} > $least{ $_->{pid} } }
                         @{ $site->json('memory')->{workers} };
    }), 'and some more, of each worker');

    close $_ for @sent;

    my $memory;

    ok(until_true(60, sub {
        $memory = $site->json('memory')->{memory};
        return $memory->{heap_idle} > 200 * 80_000;
    }), 'they are free, and not given back') or diag(explain($memory));

    $forced = force();

    cmp_ok($forced->{heap_freed_mb}, '>', 10, 'force-gc gives them back');
    cmp_ok($forced->{before}{heap_alloc_mb} - $forced->{after}{heap_alloc_mb},
           '<', 1, 'and nothing that is in use');

    my $after;

    ok(until_true(60, sub {
        $after = $site->json('memory')->{memory};
        return $memory->{anonymous} - $after->{anonymous} > 10 * 1048576;
    }), 'and it shows') or diag(explain([$memory, $after]));

    close $_ for @pins;
}

# a worker that is stuck: the other one answers, and says so

my ($stuck, $got) = stuck();

my $health = eval { decode_json($got->{body}) }
             || {};
my ($victim) = grep { $_->{state} eq 'stuck' } @{ $health->{workers} };

is($health->{status}, 'unhealthy', 'by name');
like($health->{issues}[0],
     qr/^worker\ $victim->{pid}\ is\ stuck:\ (?:
            its\ event\ loop\ has\ not\ run\ for\ \d\.\d\ s
            | it\ has\ been\ in\ \S+\ for\ \d\.\d\ s,
              \ server\ main,\ location\ =\ \/stuck),
            \ it\ sleeps\ in\ a\ blocking\ call$/x,
     'the issue says which, for how long, and what it does');

$asked = time();
$forced = force('', late => $victim->{pid});
$seen = time() - $asked;

ok(defined $forced->{success} && !$forced->{success},
   'force-gc does not succeed');
is_deeply({ map { $_->{pid} => $_->{error} } @{ $forced->{workers} } },
          { map { $_ => $_ == $victim->{pid}
                        ? 'the worker did not answer in time'
                        : $unable } keys %workers },
          'and says whose fault it is');
is_deeply([map { $_->{pid} } grep { $_->{success} } @{ $forced->{workers} }],
          [$gives ? grep { $_ != $victim->{pid} } keys %workers : ()],
          'the other one has done it');
cmp_ok($forced->{gc_duration_ms}, '>=', 990, 'it waited for an answer');
cmp_ok($forced->{gc_duration_ms}, '<=', 1000 * $seen,
       '... no longer than was seen');
ok(!IO::Select->new($stuck)->can_read(0), 'the stuck one is still stuck');
is($forced->{before}{heap_alloc_mb},
   (grep { $_->{pid} != $victim->{pid} }
         @{ $forced->{workers} })[0]{before}{heap_alloc_mb},
   'the sum is of those that answered');

go_on();
like(Site::read_all($stuck, 60), qr/done/, '... and goes on');

ok(until_true(60, sub {
    $health = $site->json('health');
    return !grep { $_->{state} ne 'running' } @{ $health->{workers} };
}), 'all is well again') or diag(explain($health));
is(force()->{success}, $gives, 'force-gc too');

# one that ends while it is waited for, and one that takes its slot

my @failed;

ok(until_true(60, sub {
    force_is_due();
    ($stuck, $got) = stuck();

    ($victim) = grep { $_->{state} eq 'stuck' }
                @{ decode_json($got->{body})->{workers} };

    my $s = $site->connect;

    print $s "POST /api/profiling/force-gc HTTP/1.1\r\nHost: main\r\n"
             . "Content-Length: 0\r\nConnection: close\r\n\r\n";
    $s->flush;

    # while the other one waits for it, which is a second
    was_read($s);
    kill 'KILL', $victim->{pid};

    $got = Site::parse(Site::read_all($s, 60));
    $forced = decode_json($got->{body});

    @failed = grep { !$_->{success} && $_->{error} ne ($unable // '') }
              @{ $forced->{workers} };

    until_true(60, sub {
        my @workers = @{ $site->json('health')->{workers} };
        return @workers == 2 && !grep { $_->{state} ne 'running' } @workers;
    });

    return @failed && $failed[0]{error} !~ /in time/;
}), 'a worker is killed while it is waited for');

is_deeply([map { $_->{error} } @failed], ['the worker has ended'],
          '... it is told that it has ended');
is_deeply([map { $_->{pid} } @failed], [$victim->{pid}], '... and which it was');

$site->stop;
done_testing;


# a client whose body is not whole, for which a worker holds a buffer

sub hold_buffer {
    my $s = $site->connect;

    print $s "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"
             . 'x' x 80_000;
    $s->flush;

    return $s;
}


# A worker that reads from a pipe that nobody writes to: the client that waits
# for it, and the answer that tells of it.  One that the stuck worker accepts
# just before it begins is not answered.

sub stuck {
    my $s = $site->connect;
    my $got;

    print $s "GET /stuck HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    $s->flush;

    ok(until_true(60, sub {
        $got = $site->request('/api/profiling/health', seconds => 2);
        return $got->{status} == 503;
    }), 'a stuck worker is unhealthy') or diag($got->{body});

    return ($s, $got);
}


sub go_on {
    open my $pipe, '+<', $fifo or die "open() failed: $!\n";
    syswrite $pipe, 'x';

    # until it is read
    $site->{pipe} = $pipe;
}
