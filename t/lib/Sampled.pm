package Sampled;

# What chance does to counts of samples, so that a test fails for a wrong
# figure only: what should be is measured beside (burnt), and the bound comes
# from the number of samples, at five standard deviations, which chance goes
# beyond once in 1.7 million checks.
#
#   is_near($is, $should, $sigma, 'a count', part => 0.01);
#   is_mostly($p, 0.99, 'has its location', has('f'), labelled(...));
#   my $burnt = burnt($p, "$dir/burnt");
#   is_burnt($p, $burnt, "= /one", has('f'));
#   is_all_cpu($p, 'the sum');
#   is_counted($p, 'a sample stands for a period');
#
# $p of the last three is of Profile::take_measured().

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max min sum0);
use Profile;
use Site;
use Test::More ();
use Time::HiRes qw(clock_getres);

our @EXPORT = qw(is_near is_mostly is_burnt is_all_cpu is_counted burnt);

my $sigmas = 5;

# CLOCK_MONOTONIC_COARSE: CPU timers expire with the ticks of the kernel
my $tick = 1e9 * clock_getres(6);


# Within five standard deviations; part: and that part of it, for what is not
# by chance; more: and so much.

sub is_near {
    my ($is, $should, $sigma, $name, %o) = @_;

    my $bound = $sigmas * $sigma + ($o{part} // 0) * abs($should)
                + ($o{more} // 0);
    my $said = sprintf '%s: %.4g, should be %.4g +- %.3g (%.1f%%), of which '
                       . 'chance has %.1f sigma', $name, $is, $should, $bound,
                       100 * $bound / (abs($should) || 1),
                       $sigma ? ($is - $should) / $sigma : 0;

    Test::More::note($said);

    return Test::More::ok(abs($is - $should) <= $bound, $name)
           || told($said);
}


# Of the samples that fulfil the first condition, the others hold in no less
# than a part: what fewer samples than that may be by chance is let pass.

sub is_mostly {
    my ($p, $least, $name, $of, @conditions) = @_;

    my ($all, $right) = (0, 0);

    for my $s (grep { $of->($_) } @{ $p->{samples} }) {
        $all += $s->{count};
        $right += $s->{count} unless grep { !$_->($s) } @conditions;
    }

    # a sample that comes late stands for several periods: those are one
    my $each = $p->{each} // max(1, $tick / $p->{decoded}{period});
    my $n = $all / $each;
    my $bound = $least * $n - $sigmas * sqrt($n * $least * (1 - $least));

    return Test::More::ok($n > 0 && $right / $each >= $bound, $name)
           || told(sprintf '%s: %.0f of %.0f samples, should be %.1f%%, at '
                           . 'least %.1f', $name, $right / $each, $n,
                           100 * $least, $bound);
}


sub told {
    Test::More::diag(@_);
    return 0;
}


# What profiling_test has written: ns of CPU time of each location during the
# capture, {least} and {most} by the clocks that were read, and in how many
# calls, {calls}.  A worker that has to arm its timers does so after the call
# that it is in, {late}, ns of all of them, or is seen to be stuck in it before.
# To be asked while the load goes on.

sub burnt {
    my ($p, $file) = @_;

    my @lines = lines($p, $file);
    my (%least, %most, %calls);
    my $late = 0;

    for my $pid (keys %{ $p->{had} }) {
        my ($early, $from, $to) = @{ $p->{had}{$pid} };
        my @own = grep { $_->[0] == $pid } @lines;

        if (!$p->{armed}) {
            my $armed = ended($from, @own);

            $late += $armed - $from;
            $from = $armed;
        }

        for (@own) {
            my (undef, $begin, $end, $what) = @$_;
            my $most = min($end, $p->{told}{$pid}) - max($begin, $early);

            next if $most <= 0;

            $least{$what} += max(0, min($end, $to) - max($begin, $from));
            $most{$what} += $most;
            $calls{$what}++;
        }
    }

    return { least => \%least, most => \%most, calls => \%calls,
             late => $late };
}


# when the call of that moment ended

sub ended {
    my ($time, @calls) = @_;

    my ($in) = grep { $_->[1] < $time && $_->[2] > $time } @calls;

    return $in ? $in->[2] : $time;
}


# A call is told when it ends: once those of the capture have, or a worker
# waits, which it never does in one.

sub lines {
    my ($p, $file) = @_;

    my @lines;

    until_true(60, sub {
        my %waits = map { $_ => slurp("/proc/$_/stat") !~ /\) R / }
                    keys %{ $p->{had} };
        my %last;

        @lines = map { [ split ' ', $_, 4 ] } split /\n/, slurp($file);
        $last{ $_->[0] } = $_->[2] for @lines;

        return !grep { !$waits{$_} && ($last{$_} // 0) < $p->{told}{$_} }
                keys %waits;
    });

    return @lines;
}


# The samples of a function have the CPU time that it took, in one location or
# several.
#
# What is between two samples counts for where the second one is: a call gets
# what passed before it since the last sample, and lacks what passes behind its
# last sample.  Both are up to the time between samples, evenly, since calls
# come in any order and take times that are no multiples: a variance of a sixth
# of that time's square for each call.  A busy machine makes the time between
# samples uneven, and them exponential at worst, which is a variance of two.

sub is_burnt {
    my ($p, $burnt, $what, @conditions) = @_;

    my @locations = split ' ', $what;
    my $is = sum($p, @conditions);
    my ($least, $most, $calls) =
        map { my $of = $_; sum0(map { $burnt->{$of}{$_} // 0 } @locations) }
        qw(least most calls);
    my $should = min(max($is, $least), $most);
    my $sigma = $p->{gap} * sqrt($calls / 2);

    Test::More::ok($most > 0, "$what was called");

    return is_near($is / 1e6, $should / 1e6, $sigma / 1e6,
                   "$what: the samples have its CPU time, ms", part => 0.005);
}


# The sum is the CPU time of the workers, or of one, `pid`.  At either end of
# the capture it is not known of a thread what passed since its last sample: a
# period and the tick that looks at it, and others that did not meet the thread.
# Where others share its processor each tick of its CPU time meets it by chance,
# and misses it as if those were exponential: of two threads more than eight are
# missed once in a million.
# When timers have to be armed first, workers are late by up to `late` ns of
# their own, all together.  Half a percent is what a machine may do besides.  A
# virtual processor that does not run at one of the ends has its `ticks` late.

sub is_all_cpu {
    my ($p, $name, %o) = @_;

    my @pids = $o{pid} || keys %{ $p->{range} };
    my $is = $o{pid} ? sum($p, labelled(pid => $o{pid})) : $p->{cpu};
    my $least = sum0(map { $p->{range}{$_}[0] } @pids);
    my $most = sum0(map { $p->{range}{$_}[1] } @pids);
    my $late = $o{late} // 0;
    my $edge = ($o{threads} // @pids)
               * ($p->{decoded}{period} + ($o{ticks} // 8) * $tick);
    my $part = 0.005 * $most;
    my $said = sprintf '%s: %.1f ms, should be %.1f to %.1f ms, less up to '
                       . '%.1f ms to be late, +- %.1f ms at the ends, '
                       . '+- %.1f ms', $name, map { $_ / 1e6 }
                       $is, $least, $most, $late, $edge, $part;

    Test::More::note($said);

    return Test::More::ok($is >= $least - $late - $edge - $part
                          && $is <= $most + $edge + $part, $name)
           || told($said);
}


# Each period is counted, but for the one that a thread is in.

sub is_counted {
    my ($p, $name, %o) = @_;

    my $period = $p->{decoded}{period};

    return is_near($p->{count} * $period / 1e6, $p->{cpu} / 1e6, 0,
                   "$name, ms", part => 0.001,
                   more => ($o{threads} // keys %{ $p->{range} }) * ($period + 8 * $tick) / 1e6);
}


1;
