#!/usr/bin/perl

# Twenty reloads under load: totals and history are kept, old workers appear as
# draining and then go, slots are reused.

use strict;
use warnings;

use Fault;
use Health;
use IO::Socket::INET;
use Load;
use Test::More;

my $reloads = 20;

my $with = Fault->new(name => 'with',
                      profiling => 'profiling_interval 300ms;',
                      server => <<'END');
        location /slow {
            set $long $request_id$request_id$request_id$request_id;
            limit_rate 100;
            return 200 $long$long$long$long$long$long;
        }
END
my $without = Fault->new(name => 'without', module => 0);

my %saw;
my ($since, $began, @ticking);

for my $n ($with, $without) {
    $n->start;
    $since = time if $n->{module};

    $saw{ $n->{name} } = under_load($n, sub { reload_often($n) });

    $n->{module} ? after_reloads($n) : $n->stop;
}

is_no_worse(@saw{qw(with without)}, $reloads);


sub reload_often {
    my $n = shift;

    my $start = $n->{module} ? $n->api('runtime')->{start_time} : '';

    wait_for(60, sub { $n->api('metrics/history')->{count} > 3 })
        if $n->{module};
    $began = time;

    for my $i (1 .. $reloads) {
        ok($n->reload, "$n->{name}: reload $i");

        next unless $n->{module};

        my $m = $n->until('metrics', 60, sub {
            my @new = grep { $_->{generation} == $i + 1 } @{ $_[0]{workers} };
            return @new == 2;
        });

        ok($m->{met}, "... both workers of generation " . ($i + 1));
        push @ticking, ticking($n);
    }

    return unless $n->{module};

    my $runtime = $n->api('runtime');

    is($runtime->{generation}, $reloads + 1, 'the generation is counted');
    is($runtime->{start_time}, $start, 'the start is not reset');
    cmp_ok(Fault::stamp($runtime->{reload_time}), '>', $since,
           'reload_time is set');
    cmp_ok(Fault::stamp($runtime->{reload_time}), '<=', time,
           '... to a time that has been');
}


sub after_reloads {
    my $n = shift;

    my $seen = $saw{with}{polled};

    nothing_fell($seen);

    my ($highest) = sort { $b <=> $a } keys %{ $seen->{slots} };
    cmp_ok($highest, '<', 8, 'slots are used again');
    ok(!$seen->{states}{stuck}, 'no worker seemed stuck');

    my $m = $n->until('metrics', 60, sub {
        my $c = $_[0]{metrics}{connections};
        return $c->{active} == 0 && @{ $_[0]{workers} } == 2;
    });

    ok($m->{met}, 'two workers and no connection are left')
        or diag(explain($m->{metrics}{connections}, $m->{workers}));

    adds_up($n, $m->{metrics}{requests}{total});

    my $samples = $n->api('metrics/history?count=1000')->{samples};
    cmp_ok(Fault::stamp($samples->[0]{timestamp}), '<=', $began,
           'the history goes back to the start');
    no_gap($samples, 0.3, @ticking);

    unlike($n->log, qr/\[(?:alert|emerg|crit|error)\]/, 'no error in the log');
}


# a draining worker, for as long as its client reads

my $slow = IO::Socket::INET->new('127.0.0.1:' . $with->port);
syswrite $slow, "GET /slow HTTP/1.0\r\n\r\n";

my $m = $with->until('metrics', 60, sub {
    return $_[0]{metrics}{connections}{writing} == 1;
});
ok($m->{met}, 'a slow client is being served');

my ($busy) = grep { $_->{connections}{writing} } @{ $m->{workers} };
my $before = $m->{metrics}{requests}{total};

ok($with->reload, 'reload');

$m = $with->until('metrics', 60, sub {
    my ($old) = grep { $_->{pid} == $busy->{pid} } @{ $_[0]{workers} };
    return $old && $old->{state} eq 'draining' && @{ $_[0]{workers} } == 3;
});

ok($m->{met}, 'its worker is shown as draining, beside the two new ones');
ok($with->until('health', 60, sub { !@{ ailments($_[0]) } })->{met},
   '... which is healthy');

# it goes on ticking
my ($old) = grep { $_->{pid} == $busy->{pid} } @{ $m->{workers} };
$m = $with->until('metrics', 60, sub {
    my ($now) = grep { $_->{pid} == $busy->{pid} } @{ $_[0]{workers} };
    return $now && $now->{collected} gt $old->{collected};
});
ok($m->{met}, '... and still collects its figures');

undef $slow;

$m = $with->until('metrics', 60, sub {
    return !grep { $_->{pid} == $busy->{pid} } @{ $_[0]{workers} };
});

ok($m->{met}, 'it is gone when its client is gone');
$m = $with->until('metrics', 60, sub {
    return $_[0]{metrics}{requests}{total} == $before + 1;
});
ok($m->{met}, '... and its last request is counted')
    or diag($before, explain($m->{metrics}{requests}));


# worker_shutdown_timeout ends what drains too long

$with->reload(main => 'worker_shutdown_timeout 1s;');

my $silent = IO::Socket::INET->new('127.0.0.1:' . $with->port);
syswrite $silent, "GET /slow HTTP/1.0\r\n\r\n";

$with->until('metrics', 60, sub {
    return $_[0]{metrics}{connections}{writing} == 1;
});

ok($with->reload, 'reload with worker_shutdown_timeout');

$m = $with->until('metrics', 60, sub {
    return @{ $_[0]{workers} } == 2
           && $_[0]{metrics}{connections}{active} == 0;
});

ok($m->{met}, 'a worker that was cut short leaves nothing behind')
    or diag(explain($m->{metrics}{connections}));

ok($with->stop('QUIT'), 'nginx ends');

done_testing();
