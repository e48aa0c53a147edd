#!/usr/bin/perl

# kill -9 of each worker in turn under load: counters never fall, gauges return
# to the truth, the history continues, and clients see only errors that they
# also see without the module.

use strict;
use warnings;

use Fault;
use Health;
use Load;
use Test::More;

my $kills = 20;

my $with = Fault->new(name => 'with',
                      profiling => 'profiling_interval 100ms;');
my $without = Fault->new(name => 'without', module => 0);

my (%saw, @ticking);

for my $n ($with, $without) {
    $n->start;

    $saw{ $n->{name} } = under_load($n, sub { kill_each($n) });

    after_kills($n) if $n->{module};

    $n->stop;
}

# one client at a time: at most one connection a kill
is_no_worse(@saw{qw(with without)}, $kills);

done_testing();


# kills the worker that lives longest, again and again: each in turn

sub kill_each {
    my $n = shift;

    for (1 .. $kills) {
        my @workers = $n->workers;

        my ($victim) = sort { $a <=> $b } @workers;
        kill 'KILL', $victim;

        my $back = wait_for(60, sub {
            my @now = $n->workers;
            return @now == 2 && !grep { $_ == $victim } @now;
        });

        ok($back, "$n->{name}: worker $victim was killed and came back")
            or last;

        next unless $n->{module};

        # it has been at work: its timer has ticked, not only its start
        my %before = map { $_ => 1 } @workers;
        $n->until('metrics', 60, sub {
            return grep {
                !$before{ $_->{pid} }
                && Fault::stamp($_->{collected})
                   > Fault::stamp($_->{started}) + 0.06
            } @{ $_[0]{workers} };
        })->{met} or fail('the new worker is seen');

        push @ticking, ticking($n);
    }
}


sub after_kills {
    my $n = shift;

    nothing_fell($saw{with}{polled});

    # nothing is left of the killed

    my $m = $n->until('metrics', 60, sub {
        my $c = $_[0]{metrics}{connections};
        return $c->{active} + $c->{upstream} == 0
               && @{ $_[0]{workers} } == 2;
    });

    ok($m->{met}, 'no connection is left over')
        or diag(explain($m->{metrics}{connections}, $m->{workers}));
    is_deeply([ sort { $a <=> $b } map { $_->{pid} } @{ $m->{workers} } ],
              [ sort { $a <=> $b } $n->workers ], 'two workers are shown');
    is_deeply([ sort map { $_->{slot} } @{ $m->{workers} } ], [ 0, 1 ],
              'slots of the killed are used again');
    is($m->{overhead}{unprofiled_workers}, 0, 'no worker was left without');
    ok($n->until('health', 60, sub {
        return !grep { !/was killed by SIGKILL|died in the last minute/ }
               @{ ailments($_[0]) };
    })->{met}, 'health tells of the kills, and of nothing else');

    adds_up($n, $m->{metrics}{requests}{total});

    my $samples = $n->api('metrics/history?count=1000')->{samples};
    no_gap($samples, 0.1, @ticking);

    my $log = $n->log;
    unlike($log, qr/\[(?:emerg|crit|error)\]/, 'no error in the log');
    my @alerts = grep { !/exited on signal 9|was killed by SIGKILL/ } $log =~ /^.*\[alert\].*$/mg;
    is_deeply(\@alerts, [], '... and no alert but of the kills');
}
