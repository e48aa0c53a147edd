#!/usr/bin/perl

# What other modules do as a worker begins and as it exits is in profiles and
# in the counters, wherever they are loaded; a profile that spans a reload
# tells what it could not see.

use strict;
use warnings;

use List::Util qw(sum0);
use Modules ();
use POSIX qw(sysconf _SC_CLK_TCK);
use Profile;
use Test::More;
use Time::HiRes qw(sleep);
use Site;

# CPU time in ms that the test module takes in each of both
my $ms = 100;

# what is between two samples, and what a worker does besides
my $most = 0.05;

my $module = Profile::test_module();

for my $first (0, 1) {
    next if $first && Modules::static();

    my $site = Site->new(
        workers => 2,
        modules => $first ? [] : [ $module ],
        main    => '',
        server  => "location /edges { profiling_test edges $ms; }
                    location ^~ /debug/pprof/ { profiling_pprof; }",
    );

    if ($first) {
        $site->{modules} = [ $module ];
        $site->{conf} = loaded_first($site);
    }

    $site->start;

    my $name = $first ? 'loaded before it' : 'loaded after it';

    profiled($site, $name);
    counted($site, $name);
    $site->stop;
}

done_testing;


# the same configuration, with the other module's line above ours

sub loaded_first {
    my $site = shift;

    my $text = $site->text;
    my ($line) = $text =~ /(load_module \Q$module\E;)/;

    $text =~ s/\Q$line\E//;

    return "$line\n$text";
}


# who answers drains; the other old worker exits, and two new ones begin

sub profiled {
    my ($site, $name) = @_;

    my ($p, $cut, %begun, %ended);
    my $seconds = 30;

    until_true(240, sub {
        my $s = $site->connect;

        print $s "GET /debug/pprof/profile?seconds=$seconds HTTP/1.0\r\n"
                 . "Host: main\r\n\r\n";
        $s->flush;
        was_read($s);
        sleep 0.3;
        kill 'HUP', $site->{pid};

        my $got = Site::parse(Site::read_all($s, $seconds + 60));

        return 0 if $got->{status} != 200 || Profile::late($got);

        $p = Profile::decode($got->{body});

        my $said = join "\n", @{ $p->{comments} };

        $cut = $said =~ /^the\ capture\ ended\ [\d.]+\ s\ early:
                         \ nginx\ told/mx;
        %begun = $said =~ /^worker\ (\d+):\ ([\d.]+)\ s\ of\ CPU\ time\ before
                           \ it\ could\ be\ sampled\ are\ not\ in/mgx;
        %ended = $said =~ /^worker\ (\d+):\ ([\d.]+)\ s\ of\ CPU\ time\ after
                           \ its\ last\ sample\ are\ not\ in/mgx;

        # of those before it may still be exiting

        delete @ended{grep { of($p, $_, 'deep') < $ms / 1e3 - $most }
                           keys %ended};

        return keys %begun == 2 && keys %ended
               && !grep { of($p, $_, 'one') < $ms / 1e3 - $most } keys %begun;
    });

    is(keys %begun, 2, "$name: a profile tells of two workers that began")
        or diag(explain($p->{comments}));
    cmp_ok(scalar(keys %ended), '>', 0, '... and of one that ended');
    ok($cut, '... and that it was cut short');

    for my $pid (keys %begun) {
        cmp_ok(of($p, $pid, 'one'), '>', $ms / 1e3 - $most,
               '... with what was done as it began');
        cmp_ok(of($p, $pid, 'one'), '<', $ms / 1e3 + $most, '... once');

        ok(scalar(grep { $_ eq "worker $pid began during the capture" }
                  @{ $p->{comments} }), '... and says so');
        cmp_ok($begun{$pid}, '<', $most, '... and little that it did not see');
    }

    for my $pid (keys %ended) {
        cmp_ok(of($p, $pid, 'deep'), '>', $ms / 1e3 - $most,
               '... with what was done as it exited');
        cmp_ok(of($p, $pid, 'deep'), '<', $ms / 1e3 + $most, '... once');

        ok(scalar(grep { $_ eq "worker $pid ended during the capture" }
                  @{ $p->{comments} }), '... and says so');
        cmp_ok($ended{$pid}, '<', $most, '... and little that it did not see');
    }
}


# The master knows what its children have spent: workers, and the encoders
# that these have waited for.

sub counted {
    my ($site, $name) = @_;

    my ($before, $children) = settled($site);

    for (1 .. 2) {
        my %old = map { $_ => 1 } $site->workers;

        kill 'HUP', $site->{pid};
        until_true(60, sub {
            my @new = $site->workers;
            return @new == 2 && !grep { $old{$_} } @new;
        });
    }

    my ($told, $spent);

    ok(until_true(60, sub {
        my ($now, $of) = ended($site);

        ($told, $spent) = ($now - $before, $of - $children);
        return abs($told - $spent) < $most;
    }), "$name: the CPU time of workers that ended is counted");

    # four begin, four exit
    cmp_ok($told, '>', 8 * $ms / 1e3 - $most, '... their exit, too')
        or diag("$told, $spent");
    cmp_ok($told, '<=', $spent + $most, '... and no more');
}


# The same once none is about to end: a worker that the kernel counts as ended
# between two answers is no difference of ours.

sub settled {
    my $site = shift;

    my ($same, @last) = (0, -1, -1);

    until_true(60, sub {
        my @now = ended($site);

        $same = (grep { abs($now[$_] - $last[$_]) > 0.001 } 0, 1) ? 0 : $same + 1;
        @last = @now;
        sleep 0.1;

        return $same >= 5;
    });

    return @last;
}


# CPU time of all workers that have ended, by us and by the kernel, s

sub ended {
    my $site = shift;

    until_true(60, sub { $site->workers == 2 });

    my $m = $site->json('metrics');
    my @fields = split ' ', slurp("/proc/$site->{pid}/stat") =~ s/.*\) //sr;

    return (cpu($m->{metrics}) - sum0(map { cpu($_) } @{ $m->{workers} }),
            ($fields[13] + $fields[14]) / sysconf(_SC_CLK_TCK));
}


sub cpu { return $_[0]{cpu}{user_seconds} + $_[0]{cpu}{system_seconds} }


# CPU time in s of a worker below a function of the test module

sub of {
    my ($p, $pid, $function) = @_;

    return Profile::sum($p, sub {
        return ($_[0]{labels}{pid} // 0) == $pid
               && grep { $_ eq "profiling_test_${function}_cfi" }
                       @{ $_[0]{frames} };
    }) / 1e9;
}
