#!/usr/bin/perl

# Profiles of a range of the past: the CPU time of the workers in it, by
# location, with nobody capturing; ranges that follow each other add up; waits,
# locks and allocations; times and their errors; workers that have gone.
#
# RECORD_DEATHS: how often one is killed, and all are reloaded; 1.

use strict;
use warnings;

use List::Util qw(sum0);
use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Modules;
use Profile;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    noise    => qr/exited on signal 9|was killed by SIGKILL/,
    http     => 'profiling_interval 500ms; profiling_heap_rate 16k;',
    server   => <<'END',
        location = /one { profiling_test one 8000000; }
        location = /three { profiling_test three 8000000; }
        location = /sleep { profiling_test wait_usleep 30; }
        location = /mutex { profiling_test wait_mutex 30; }
        location = /text { gzip on; gzip_types *; gzip_min_length 1;
                           root html; try_files /none /index.html =200; }
END
)->start;

my @workers = $site->workers;
my $deaths = $ENV{RECORD_DEATHS} || 1;

nothing_yet();

my $load = load($site, '/one', '/three');
my @times = map { settled($_); time() } 1 .. 4;
my %cpu;

whole();
parts();
capture_beside();

Profile::end($load);

waits();
allocations();
gone();
tool();
errors();
dropped();

$site->stop;
done_testing();


# some intervals of the load have ended
sub settled {
    my $before = cpu_ns(@workers);

    until_true(240, sub { cpu_ns(@workers) - $before > 3e9 })
        or die "the workers have no CPU time\n";
}


# an interval that was open in a range is written once it has ended
sub written {
    my $until = shift;

    until_true(60, sub {
        my $t = $site->json(sprintf 'timeline?from=%.3f', $until - 1);
        return time() - $until > 5 && $t;
    });
}


sub past {
    my ($from, $until, %o) = @_;

    my $path = sprintf '%s?from=%.3f&until=%.3f%s',
               $o{path} // '/debug/pprof/profile', $from, $until,
               $o{args} // '';

    return Profile::take($site, path => $path);
}


sub nothing_yet {
    my $p = Profile::take($site, path => '/debug/pprof/profile?from=-1h');

    like(join("\n", @{ $p->{comments} }), qr/the recording begins at 20\d\d-/,
         'a range from before the start tells where the recording begins');
}


# what /proc says of the workers, from before to after
sub whole {
    my ($from, $until) = (time(), undef);
    my $before = cpu_ns(@workers);

    settled();

    $until = time();
    my $spent = cpu_ns(@workers) - $before;

    written($until);

    my $p = past($from, $until);

    is_valid($p, 'of a range');

    # the ends of the range lie within intervals, which are shared out evenly
    my $bound = 0.05 * $spent + 0.1e9;

    cmp_ok(abs($p->{cpu} - $spent), '<', $bound,
           'a range has the CPU time of the workers')
        or diag(sprintf 'profile %.3f s, workers %.3f s', $p->{cpu} / 1e9,
                $spent / 1e9);

    cmp_ok(share($p, has(qr/^profiling_test_(?:one|three)/)), '>', 0.9,
           '... in the functions that burn it');

    for my $what (qw(one three)) {
        cmp_ok(share($p, has("profiling_test_${what}_cfi"),
                     labelled(server => 'main', location => "= /$what")),
               '>', 0.98, "... $what() at its location");
    }

    my %pids = map { $_->{labels}{pid} => 1 } @{ $p->{samples} };

    is_deeply([ grep { my $pid = $_; !grep { $_ == $pid } @workers }
                sort keys %pids ], [], '... of these workers');

    cmp_ok(abs($p->{decoded}{time} / 1e9 - $from), '<', 0.01,
           'the time is the begin of the range');
    cmp_ok(abs($p->{decoded}{duration} / 1e9 - ($until - $from)), '<', 0.01,
           '... and the duration that of the range');
    is($p->{decoded}{period}, int(1e9 / 49), '... and the period the rate');

    my ($pid) = sort keys %pids;
    my $own = past($from, $until, args => "&worker=$pid");

    is($own->{cpu}, sum($p, labelled(pid => $pid)),
       'a range of one worker has its part');
}


# by stack and labels, in all its numbers
sub by_key {
    my %sum;

    for my $p (@_) {
        for my $s (@{ $p->{samples} }) {
            my $key = join ';', @{ $s->{frames} }, '', map {
                          "$_=$s->{labels}{$_}" } sort keys %{ $s->{labels} };

            $sum{$key}[$_] += $s->{values}[$_] for 0 .. $#{ $s->{values} };
        }
    }

    return \%sum;
}


sub parts {
    written($times[3]);

    my $all = past($times[0], $times[3]);
    my @parts = map { past($times[$_], $times[$_ + 1]) } 0 .. 2;

    is(sum0(map { $_->{cpu} } @parts), $all->{cpu},
       'the CPU time of ranges that follow each other adds up');
    is(sum0(map { $_->{count} } @parts), $all->{count}, '... and the counts');
    is_deeply(by_key(@parts), by_key($all), '... of each stack and label');
}


# a capture at a higher rate changes no sum
sub capture_beside {
    my $from = time();
    my $before = cpu_ns(@workers);

    my $c = Profile::take($site, seconds => 3);

    my $until = time();
    my $spent = cpu_ns(@workers) - $before;

    written($until);

    my $p = past($from, $until);

    cmp_ok(abs($p->{cpu} - $spent), '<', 0.05 * $spent + 0.1e9,
           'while a capture runs a range has the CPU time of the workers');
    cmp_ok($p->{count}, '>', 0.8 * $c->{count},
           '... by the samples of the capture');
}


# A time around which nothing is gained for an interval: what is gained in one
# may have been so anywhere in it.
sub quiet {
    sleep 3;
    my $time = time();
    sleep 3;

    return $time;
}


sub is_sound {
    my ($p, $name) = @_;

    is_deeply([ Encoder::check_profile($p->{decoded}) ], [],
              "$name: is a valid profile");
}


sub waits {
    my $from = quiet();
    my %before = map { $_ => Profile::take($site, path => "/debug/pprof/$_") }
                 qw(block mutex);

    $site->request('/sleep') for 1 .. 10;
    $site->request('/mutex') for 1 .. 10;

    my %after = map { $_ => Profile::take($site, path => "/debug/pprof/$_") }
                qw(block mutex);

    for my $what (qw(block mutex)) {
        my $function = has($what eq 'block' ? 'profiling_test_usleep'
                                            : qr/^profiling_test.*mutex/);
        my $p = Profile::take($site, path => sprintf '/debug/pprof/%s?from=%.3f',
                                                $what, $from);
        my $gained = sum($after{$what}, $function)
                     - sum($before{$what}, $function);

        is_sound($p, "$what of a range");
        cmp_ok($gained, '>', 0, "$what has gained");
        cmp_ok(abs(sum($p, $function) - $gained), '<=', 10 * 1024 + 1e6,
               '... which the range has')
            or diag(sum($p, $function), ' of ', $gained);
        cmp_ok($p->{decoded}{duration}, '>', 0, '... with a duration');

        my $none = past($from - 1, $from - 0.5, path => "/debug/pprof/$what");
        is(sum($none, $function), 0, '... and not the one before');

        my $text = $site->request(sprintf '/debug/pprof/%s?debug=1&from=%.3f',
                                  $what, $from);
        is($text->{status}, 200, '... in text, too');
    }
}


sub allocations {
    my $from = quiet();
    my $space = sub { sum0(map { $_->{values}[1] } @{ $_[0]{samples} }) };
    my $before = Profile::take($site, path => '/debug/pprof/allocs');

    $site->request('/one') for 1 .. 5;
    $site->request('/text', headers => [ 'Accept-Encoding: gzip' ]) for 1 .. 50;

    my $after = Profile::take($site, path => '/debug/pprof/allocs');
    my $until = time();

    # these intervals are longer
    until_true(60, sub { time() - $until > 12 });

    my $all = past($from - 60, $until + 11, path => '/debug/pprof/allocs');
    my $gained = $space->($after) - $space->($before);

    is_sound($all, 'allocs of a range');
    cmp_ok($gained, '>', 0, 'memory was allocated');
    cmp_ok($space->($all), '>=', $gained, '... which the range has');
    is(sum0(map { abs $_->{values}[2] } @{ $all->{samples} }), 0,
       '... and nothing in use');
}


# what a worker has recorded outlives it, with its pid and its names
sub gone {
    my ($from, $until) = @times[0, 3];
    my $before = by_key(past($from, $until));

    for (1 .. $deaths) {
        my ($victim) = $site->workers;

        kill 'KILL', $victim;

        ok(until_true(60, sub { my @w = $site->workers;
                                @w == 2 && !grep { $_ == $victim } @w }),
           'a worker was killed and replaced');
    }

    is_deeply(by_key(past($from, $until)), $before,
              '... the range before is the same');

    for (1 .. $deaths) {
        my %old = map { $_ => 1 } $site->workers;

        kill 'HUP', $site->{pid};

        ok(until_true(60, sub { my @w = $site->workers;
                                @w == 2 && !grep { $old{$_} } @w }),
           'all workers were replaced by a reload');
    }

    is_deeply(by_key(past($from, $until)), $before,
              '... the range before is the same');
}


# a reload drops the module: its code is mapped nowhere any more
sub dropped {
    my ($from, $until) = @times[0, 3];
    my $p = past($from, $until);
    my $burnt = sum($p, has(qr/^profiling_test_(?:one|three)_cfi/));

    cmp_ok($burnt, '>', 0, 'a module has used CPU time');

    my %old = map { $_ => 1 } $site->workers;

    $site->write(modules => [], server => '');
    kill 'HUP', $site->{pid};

    ok(until_true(60, sub { my @w = $site->workers;
                            @w == 2 && !grep { $old{$_} } @w }),
       '... a reload has dropped it');
    ok(!(grep { slurp("/proc/$_/maps") =~ /profiling_test_module/ }
         $site->workers), '... and no worker has it');
    is(sum(past($from, $until),
           has(qr/^profiling_test_(?:one|three)_cfi/)), $burnt,
       '... its names are there all the same');
}


sub tool {
    my $url = sprintf 'http://127.0.0.1:%d/debug/pprof/profile?from=-10m'
                      . '&until=-5s', $site->port;

    like(go('-top', $url), qr/profiling_test_(?:one|three)_cfi/,
         'go tool pprof takes a range, with names');
}


sub errors {
    my $now = time();

    my @wrong = (
        [ 'from=yesterday', qr/^from must be a time/ ],
        [ 'from=', qr/^from must be a time/ ],
        [ 'from=-', qr/^from must be a time/ ],
        [ 'from=-10x', qr/^from must be a time/ ],
        [ 'from=1.2.3', qr/^from must be a time/ ],
        [ 'from=12345678901234567890123', qr/^from must be a time/ ],
        [ 'from=2026-02-30T00:00:00Z', qr/^from must be a time/ ],
        [ 'from=-10m&until=later', qr/^until must be a time/ ],
        [ 'until=-5m', qr/^until needs from/ ],
        [ 'from=-5m&until=-10m', qr/^from must be before until/ ],
        [ 'from=-5m&until=-5m', qr/^from must be before until/ ],
        [ sprintf('from=%d', $now + 60), qr/^from is in the future/ ],
        [ sprintf('from=-5m&until=%d', $now + 60),
          qr/^until is in the future/ ],
        [ 'from=2999-01-01T00:00:00Z', qr/^from is in the future/ ],
        [ 'from=-5m&seconds=5', qr/^from and seconds params are incompat/ ],
    );

    for my $what (qw(profile block mutex allocs)) {
        for my $case (@wrong) {
            my $got = $site->request("/debug/pprof/$what?$case->[0]");

            is($got->{status}, 400, "$what?$case->[0]");
            like($got->{body}, $case->[1], '... says why');
        }
    }

    my $got = $site->request('/api/profiling/cpu-profile?from=-5m&duration=5');

    is($got->{status}, 400, 'cpu-profile: a range and a duration');
    like($got->{body}, qr/"from and duration params are incompatible"/,
         '... says why');

    $got = $site->request('/api/profiling/cpu-profile?from=-1m',
                          seconds => 120);
    is($got->{status}, 200, 'cpu-profile of a range');
    like($got->{body}, qr/\A\x1f\x8b/, '... is a profile');

    # what is right, in all forms

    my @at = gmtime $now - 60;
    my $day = sprintf '%04d-%02d-%02dT%02d:%02d:%02d', $at[5] + 1900,
              $at[4] + 1, @at[3, 2, 1, 0];

    for my $from ('-1m', '-60s', "${day}Z", "$day.5Z", "$day%2B00:00",
                  int($now - 60), sprintf('%.3f', $now - 60))
    {
        is($site->request("/debug/pprof/profile?from=$from",
                          method => 'HEAD')->{status}, 200, "from=$from");
    }
}
