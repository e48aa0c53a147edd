#!/usr/bin/perl

# A profile has all the CPU time of the time that it says it is of, from its
# begin on, also of a worker that does not return to its loop: the kernel's
# clock of that worker is read all the time beside it.

use strict;
use warnings;

use Profile;
use Test::More;
use Time::HiRes qw(clock_getres sleep time);
use Site;

# what a sample is of: one begins before the profile and one ends behind it.
# The kernel's ticks tell that it is due, of which eight may miss a thread that
# shares its processor; 6 is CLOCK_MONOTONIC_COARSE.
my $most = 2 * (0.01 + 8 * clock_getres(6));

for my $threshold ('10ms', '60s') {
    my $site = Site->new(
        workers => 2,
        modules => [ Profile::test_module() ],
        http    => "profiling_pause_threshold $threshold;",
        server  => <<'END',
        location = /spin { profiling_test spin 0; }
        location ^~ /debug/pprof/ { profiling_pprof; }
END
    )->start;

    my $s = $site->connect;
    print $s "GET /spin HTTP/1.1\r\nHost: main\r\n\r\n";
    $s->flush;

    my $pid;

    ok(until_true(60, sub {
        ($pid) = grep { cpu($_) > 0.2 } $site->workers;
        return $pid;
    }), "$threshold: a worker spins");

    for my $seconds (1, 1, 2) {
        my $running = Profile::background(sub {
            return Profile::bytes($site, seconds => $seconds);
        });

        my @read;

        until (slurp("/proc/$running->{pid}/stat") =~ /\) Z /) {
            push @read, [ time(), cpu($pid) ];
            sleep 0.002;
        }

        my $p = Profile::decode(Profile::finish($running));
        my $begin = $p->{decoded}{time} / 1e9;
        my $end = $begin + $p->{decoded}{duration} / 1e9;

        cmp_ok($end - $begin, '>=', $seconds - 0.001, '... for the time asked');

        # the times are in milliseconds

        my ($least, $all) = between(\@read, $begin, $end);
        my $told = Profile::sum($p, sub {
            return ($_[0]{labels}{pid} // 0) == $pid;
        }) / 1e9;

        cmp_ok($told, '>=', $least - $most, '... and is told as such');
        cmp_ok($told, '<=', $all + $most, '... and nothing else');
    }

    kill 'KILL', $pid;
    $site->{noise} = qr/exited on signal 9|was killed by SIGKILL/;
    $site->stop;
}

done_testing;


# CPU time that surely is of this time, and that may be of it.

sub between {
    my ($read, $begin, $end) = @_;

    my ($before) = reverse grep { $_->[0] <= $begin - 0.001 } @$read;
    my ($first) = grep { $_->[0] >= $begin + 0.001 } @$read;
    my ($last) = reverse grep { $_->[0] <= $end - 0.001 } @$read;
    my ($after) = grep { $_->[0] >= $end + 0.001 } @$read;

    return ($last->[1] - $first->[1],
            ($after // $read->[-1])->[1] - ($before // $read->[0])->[1]);
}


# seconds, by the scheduler

sub cpu {
    my ($ns) = slurp("/proc/$_[0]/schedstat") =~ /^(\d+)/;

    return $ns / 1e9;
}
