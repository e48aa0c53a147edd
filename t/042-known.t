#!/usr/bin/perl

# What is not known yet is null, with its reason: rates after a start and a
# reload.  What a worker does that hangs, or has done that was killed, is what
# the kernel has counted.

use strict;
use warnings;

use Profile;
use Test::More;
use Site;

# the slot of a worker knows its CPU time to so many seconds, and a tick of
# /proc/PID/stat
my $most = 0.1 + 0.01;

my @rates = qw(request_rate error_rate cpu.usage_percent
               event_loop.utilization);

rates_are_known_after_an_interval();
hung_worker();
killed_worker();
means();

done_testing;


# No tick comes in this test's time: a worker has never lived for an interval.

sub rates_are_known_after_an_interval {
    my $site = Site->new(workers => 2, http => 'profiling_interval 3600s;',
                         server => 'location = /ok { return 200; }')->start;

    $site->request('/ok') for 1 .. 20;
    is_null($site->json('metrics'), 'after a start');

    # the other worker may begin later than the first one answers
    until_true(60, sub { @{ $site->json('metrics')->{workers} } == 2 });

    my ($pid) = $site->workers;
    my $one = $site->json("metrics?worker=$pid");

    is_null($one, '... of one worker');
    is(scalar(keys %{ $one->{workers}[0]{requests} }) > 0, 1,
       '... whose counters are known');

    reload($site, 2);
    $site->request('/ok') for 1 .. 20;
    is_null($site->json('metrics'), 'after a reload');
    is($site->json('metrics')->{metrics}{requests}{total}, 40,
       '... counters are known');
    is_deeply($site->json('metrics/history')->{samples}, [],
              '... the history has no sample between two ticks');
    $site->stop;

    # A worker that has lived for less than half an interval has no rate, nor
    # has any sum that it is part of.

    $site = Site->new(workers => 2, http => 'profiling_interval 200ms;',
                      server => 'location = /ok { return 200; }')->start;

    my $generation = 1;
    my %seen = (null => 0, early => 0, known => 0);

    ok(until_true(60, sub {
        $site->request('/ok') for 1 .. 20;

        my $m = $site->json('metrics');
        my $rate = $m->{metrics}{request_rate};

        my $now = epoch($m->{timestamp});
        my $young = grep { $now - epoch($_->{started}) < 0.09 }
                    @{ $m->{workers} };

        $seen{ !defined $rate ? 'null' : $young ? 'early' : 'known' }++;

        if (defined $rate && $generation < 4) {
            reload($site, ++$generation);
        }

        return $generation == 4 && $seen{known} > 5;
    }), 'rates become known after each of three reloads');

    is($seen{early}, 0, '... and are never told before')
        or diag(explain(\%seen));
    cmp_ok($seen{null}, '>', 2, '... but null in between');
    is(scalar(grep { my $r = $_; grep { $r =~ /^\Q$_/ } @rates }
              keys %{ $site->json('metrics')->{unavailable} }), 0,
       '... and then no reason is told');

    $site->stop;
}


sub reload {
    my ($site, $generation) = @_;

    kill 'HUP', $site->{pid};

    ok(until_true(60, sub {
        my @workers = @{ $site->json('runtime')->{workers} };
        return @workers == 2
               && !grep { $_->{generation} != $generation } @workers;
    }), "generation $generation");
}


sub is_null {
    my ($m, $name) = @_;

    for my $rate (@rates) {
        my $value = $m->{metrics};
        $value = $value->{$_} for split /\./, $rate;

        is($value, undef, "$name: $rate is null");
        like($m->{unavailable}{$rate}, qr/not known yet/, '... and says why');
    }
}


# Its CPU time is that of the kernel, its share that of the time since its
# latest tick: idle intervals before that do not hide what it does.

sub hung_worker {
    my $site = spinning('profiling_interval 500ms;');
    my @workers = $site->workers;

    ok(until_true(60, sub {
        return defined $site->json('metrics')->{metrics}{request_rate};
    }), 'two idle workers');

    my ($pid, $before, $m, $w, $after) = spin($site, 2);

    ok(until_true(60, sub {
        $before = cpu($pid);
        $m = $site->json('metrics');
        $after = cpu($pid);
        ($w) = grep { $_->{pid} == $pid } @{ $m->{workers} };

        return $w && $w->{state} eq 'stuck';
    }), 'a worker spins until it is stuck');

    my $told = $w->{cpu}{user_seconds} + $w->{cpu}{system_seconds};

    cmp_ok($told, '>=', $before - $most, 'its CPU time is known');
    cmp_ok($told, '<=', $after + $most, '... and true');

    # since its latest tick, which is later than what was read before it spun:
    # half of it, where others keep it from the processor in between
    my $passed = epoch($m->{timestamp}) - epoch($w->{collected}) + 0.002;

    my $spun = ($told - $site->{spent}) / 2;

    cmp_ok($w->{cpu}{usage_percent} / 100 * $passed, '>=', $spun,
           '... its share too');
    cmp_ok($w->{event_loop}{utilization}, '<=', 1, '... its loop is busy');
    cmp_ok($w->{event_loop}{utilization} * $passed, '>=',
           $spun, '... all the time');
    is_deeply([ grep { !defined $w->{$_} } qw(request_rate error_rate) ], [],
              '... it is known that no request has ended');

    # what its samples would tell is missing in the sums

    my $h;

    ok(until_true(60, sub {
        $h = $site->json('metrics/history?count=3');
        return $h->{count} == 3 && !grep { $_->{workers} != 1 }
                                        @{ $h->{samples} };
    }), 'samples of the history that one worker alone has written');

    for my $sample (@{ $h->{samples} }) {
        is_deeply([ map { defined } @{ $sample->{memory} }{ qw(sys heap_alloc
                                                               mallocs) },
                                    @$sample{ qw(goroutines requests) } ],
                  [ '', '', '', '', 1 ], '... do not tell of both');
    }

    like($h->{unavailable}{'memory.sys'}, qr/did not return/,
         '... and say why');

    kill 'KILL', $pid;
    $site->{noise} = qr/exited on signal 9|was killed by SIGKILL/;
    $site->stop;
}


# One that is killed before it has had a tick.

sub killed_worker {
    my $site = spinning('profiling_interval 3600s;');
    my ($pid) = spin($site, 2);
    my $before = $site->{all};
    my $kernel;

    ok(until_true(60, sub {
        $kernel = cpu($pid);
        return $kernel - $site->{spent} > 1;
    }), 'a worker takes a second of CPU time');

    kill 'KILL', $pid;

    my $told;

    ok(until_true(60, sub {
        my $m = $site->json('metrics');

        $told = seconds($m);
        return 2 == @{ $m->{workers} }
               && !grep { $_->{pid} == $pid } @{ $m->{workers} };
    }), '... is killed and replaced');

    cmp_ok($told - $before, '>=', $kernel - $site->{spent} - $most,
           '... nothing but a tenth of a second is lost');

    $site->{noise} = qr/exited on signal 9|was killed by SIGKILL/;
    $site->stop;
}


# Of the whole life, by one name everywhere; runtime has it by that of the
# original too, which is the latest interval's in metrics.

sub means {
    my $site = Site->new(workers => 2, http => 'profiling_interval 100ms;',
                         server => <<'END')->start;
        location = /ok { return 200; }
        location = /bad { return 500; }
END

    $site->request('/ok') for 1 .. 60;
    $site->request('/bad') for 1 .. 20;

    my ($m, $r);

    ok(until_true(60, sub {
        $m = $site->json('metrics');
        $r = $site->json('runtime');

        return ($m->{metrics}{request_rate} // -1) == 0;
    }), 'an interval without requests');

    my $runtime = $r->{uptime_seconds};

    for ([$m->{metrics}, $m->{uptime}, 'metrics'], [$r, $runtime, 'runtime']) {
        my ($answer, $uptime, $name) = @$_;

        is(sprintf('%.1f', $answer->{request_rate_mean} * $uptime), '80.0',
           "$name: request_rate_mean");
        is(sprintf('%.1f', $answer->{error_rate_mean} * $uptime), '20.0',
           "$name: error_rate_mean");
    }

    is($r->{request_rate}, $r->{request_rate_mean},
       'runtime: request_rate is the mean');
    is($r->{error_rate}, $r->{error_rate_mean}, '... so is error_rate');

    my $sum = 0;

    for my $w (@{ $m->{workers} }) {
        my $lived = epoch($m->{timestamp}) - epoch($w->{started});
        my $all = $w->{requests}{total};

        # milliseconds of two timestamps, and of both clocks
        cmp_ok(abs($w->{request_rate_mean} - $all / $lived), '<=',
               $all / ($lived - 0.05) - $all / $lived + 0.001,
               'a worker has its own');
        $sum += $all;
    }

    is($sum, 80, '... of its own requests');
    $site->stop;
}


sub spinning {
    return Site->new(
        workers => 2,
        modules => [ Profile::test_module() ],
        http    => shift,
        server  => 'location = /spin { profiling_test spin 0; }',
    )->start;
}


# Makes a worker spin: its pid.  Notes the CPU time that it had before, and
# what all had by their own account.

sub spin {
    my $site = shift;

    my %had = map { $_ => cpu($_) } $site->workers;

    $site->{all} = seconds($site->json('metrics'));

    push @{ $site->{open} }, my $s = $site->connect;
    print $s "GET /spin HTTP/1.1\r\nHost: main\r\n\r\n";
    $s->flush;

    my $pid;

    until_true(60, sub {
        ($pid) = grep { cpu($_) - $had{$_} > 0.3 } keys %had;
        return $pid;
    });

    $site->{spent} = $had{$pid};

    return $pid;
}


sub seconds {
    my $cpu = $_[0]{metrics}{cpu};

    return $cpu->{user_seconds} + $cpu->{system_seconds};
}


# seconds of CPU time, by the kernel, to a tick of 10 ms

sub cpu {
    my $pid = shift;

    my @field = split ' ', slurp("/proc/$pid/stat") =~ s/.*\)//sr;

    return ($field[11] + $field[12]) / 100;
}
