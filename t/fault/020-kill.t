#!/usr/bin/perl

# kill -9 of each worker in turn under load: counters never fall, gauges
# return to the truth, the history goes on, and clients see no kind of error
# that they do not see without the module.

use strict;
use warnings;

use Fault;
use Test::More;

my $kills = 20;

my $with = Fault->new(name => 'with',
                      profiling => 'profiling_interval 100ms;');
my $without = Fault->new(name => 'without', module => 0);

my %kinds;

for my $n ($with, $without) {
    $n->start;

    my $poller = $n->{module} ? $n->poller : undef;
    my $prober = $n->prober;
    my $wrk = background($n->dir . '/wrk', 'wrk', '-t1', '-c10', '-d60s',
                         'http://127.0.0.1:' . $n->port . '/empty');

    my @killed;

    for (1 .. $kills) {
        my @workers = $n->workers;

        # the one that lives longest: each in turn
        my ($victim) = sort { $a <=> $b } @workers;
        kill 'KILL', $victim;
        push @killed, $victim;

        my $back = wait_for(10, sub {
            my @now = $n->workers;
            return @now == 2 && !grep { $_ == $victim } @now;
        });

        ok($back, "$n->{name}: worker $victim was killed and came back")
            or last;

        next unless $n->{module};

        # it has been at work: its timer has ticked, not only its start
        my %before = map { $_ => 1 } @workers;
        $n->until('metrics', 10, sub {
            return grep {
                !$before{ $_->{pid} }
                && Fault::stamp($_->{collected})
                   > Fault::stamp($_->{started}) + 0.06
            } @{ $_[0]{workers} };
        })->{met} or fail('the new worker is seen');
    }

    reap($wrk, 'TERM');

    $kinds{ $n->{name} } = $n->prober_result($prober);

    if (!$n->{module}) {
        $n->stop;
        next;
    }

    my $seen = $n->poller_result($poller);

    cmp_ok($seen->{answers}, '>', 100, 'metrics were polled all the time');
    is_deeply($seen->{fallen}, [], 'no counter ever fell')
        or diag(explain([ @{ $seen->{fallen} }[0 .. 5] ]));
    is_deeply($seen->{odd}, [], 'no answer but 200 with JSON')
        or diag(explain($seen->{odd}));

    delete @{ $seen->{errors} }{qw(reset closed)};
    is_deeply($seen->{errors}, {}, 'no failure but a connection reset');

    # nothing is left of the killed

    my $m = $n->until('metrics', 10, sub {
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
    ok($n->until('health', 10, sub { $_[0]{status} eq 'healthy' })->{met},
       'nothing is held against them');

    my $total = 0;
    $total += $_->{requests} for @{ $n->api('locations')->{locations} };
    is($total, $m->{metrics}{requests}{total},
       'the locations have as many requests as the whole');

    my $samples = $n->api('metrics/history?count=1000')->{samples};
    my @gaps = grep {
        Fault::stamp($samples->[$_]{timestamp})
        - Fault::stamp($samples->[$_ - 1]{timestamp}) > 1
    } 1 .. $#$samples;

    cmp_ok(@$samples, '>', 10, 'the history covers it');
    is(@gaps, 0, '... without a gap') or diag("@gaps");

    my $log = $n->log;
    unlike($log, qr/\[(?:emerg|crit|error)\]/, 'no error in the log');
    my @alerts = grep { !/exited on signal 9/ } $log =~ /^.*\[alert\].*$/mg;
    is_deeply(\@alerts, [], '... and no alert but of the kills');

    $n->stop;
}

# "closed" and "reset" are the same thing, told by chance: whether the
# kernel had something unread when the worker was killed

for my $kind (grep { !/^(?:200|reset|closed)$/ } keys %{ $kinds{with} }) {
    ok($kinds{without}{$kind}, "clients see \"$kind\" without the module too");
}

cmp_ok($kinds{with}{200}, '>', 100, 'clients were served all the time');

my ($lost, $usual) = map {
    ($kinds{$_}{reset} || 0) + ($kinds{$_}{closed} || 0)
} qw(with without);

# one client at a time: at most one connection a kill
cmp_ok($lost, '<=', $kills, "$lost resets with the module, $usual without");

done_testing();
