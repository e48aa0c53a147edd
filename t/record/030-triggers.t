#!/usr/bin/perl

# What raises an incident, beside 020-incidents.t: memory and connections beyond
# their bounds, each once as long as it lasts; a storm of deaths, of which one a
# minute is kept and the others are counted and told; and nothing where nothing
# goes wrong.

use strict;
use warnings;

use Test::More;
use Profile;
use Site;

my @reasons = qw(stall stuck memory errors crash capacity);

quiet();
memory();
connections();
storm();

done_testing();


sub counts {
    my ($site, $what) = @_;

    return $site->json('incidents')->{$what};
}


# so many times all workers have been looked at
sub ticks {
    my ($site, $n) = @_;

    my $before = $site->json('metrics')->{overhead}{samples};

    until_true(120, sub {
        return $site->json('metrics')->{overhead}{samples} >= $before + $n;
    }) or die "no ticks\n";
}


# A pass may take long where others have the processor: that is a stall, and
# none of what is asked for here.
sub quiet {
    my $site = Site->new(
        workers => 2,
        noise   => qr/stuck|held up/,
        server  => 'location = /good { return 200; } '
                   . 'location = /bad { return 500; }',
    )->start;

    $site->request('/good') for 1 .. 100;

    # of 20 requests or more it is 5% at most
    $site->request('/bad');
    ticks($site, 40);

    my $total = counts($site, 'total');

    is_deeply([ sort keys %$total ], [ sort @reasons ], 'all reasons are told');
    is_deeply([ grep { $total->{$_} } qw(memory errors crash capacity) ], [],
              'nothing goes wrong: no incident');

    $site->stop;
}


sub memory {
    my $site = Site->new(
        workers => 2,
        noise   => qr/stuck|held up/,
        http    => 'profiling_interval 100ms; profiling_memory_limit 1m; '
                   . 'profiling_memory_critical 80;',
    )->start;

    my $incident = wait_for($site, 'memory');

    like($incident->{message}, qr/^the workers hold (\d+)% of the memory limit$/,
         'memory beyond its bound is told');
    cmp_ok(($incident->{message} // '') =~ /(\d+)%/ ? $1 : 0, '>=', 80,
           '... with how much it is');
    is($incident->{worker}, undef, '... of all workers');
    is($incident->{location}, undef, '... of no location');

    ticks($site, 20);
    is(counts($site, 'total')->{memory}, 1, '... once, as long as it lasts');
    is(counts($site, 'suppressed')->{memory}, 0, '... and nothing is left out');

    $site->stop;
}


sub connections {
    my $site = Site->new(
        workers     => 1,
        connections => 256,
        noise       => qr/stuck|held up|worker_connections/,
    )->start;

    my ($pid) = $site->workers;
    my @held = map { $site->connect } 1 .. 150;

    ticks($site, 10);
    is(counts($site, 'total')->{capacity}, 0, 'connections below their bound');

    push @held, map { $site->connect } 1 .. 86;

    my $incident = wait_for($site, 'capacity');

    like($incident->{message},
         qr/^worker $pid has (?:9\d|100)% of its connections in use$/,
         'connections beyond their bound are told');
    is($incident->{worker}, $pid, '... with their worker');
    cmp_ok($site->json("incidents/$incident->{id}")->{connections}{active},
           '>=', 220, '... and the connections of then');

    ticks($site, 20);
    is(counts($site, 'total')->{capacity}, 1, '... once, as long as it lasts');

    # it is over, and comes back within the minute
    close $_ for splice @held, 100;

    until_true(60, sub {
        return $site->json('metrics')->{metrics}{connections}{active} < 120;
    });
    ticks($site, 10);

    push @held, map { $site->connect } 1 .. 136;

    ok(until_true(60, sub { counts($site, 'suppressed')->{capacity} }),
       'what comes back within the minute is not kept, but counted');
    ticks($site, 10);
    is(counts($site, 'suppressed')->{capacity}, 1, '... once');

    close $_ for @held;
    $site->stop;
}


sub storm {
    my $site = Site->new(
        workers => 2,
        noise   => qr/stuck|held up|exited on signal|was killed by SIGKILL/,
    )->start;

    my $killed = 0;
    my $kept = bytes($site);

    until_true(240, sub {
        for my $pid ($site->workers) {
            $killed += kill 'KILL', $pid;
        }

        my $told = counts($site, 'suppressed')->{crash};

        return $told && $told >= 30;
    });

    my $health;

    ok(until_true(60, sub {
        $health = join "\n", @{ $site->json('health')->{issues} };
        return $health =~ /further incidents \(crash\)/;
    }), 'health tells of a storm')
        or diag($health);
    like($health, qr/^\d+\ further\ incidents\ \(crash\)\ since\ the\ one\ of
                      \ \d+\ s\ ago:\ one\ a\ minute\ is\ kept$/mx,
         '... how many, and since when');

    # a storm may be longer than a minute
    my ($total, $suppressed) = map { counts($site, $_)->{crash} }
                               qw(total suppressed);

    cmp_ok($total, '<=', 6, 'of a storm one a minute is kept');
    cmp_ok($total + $suppressed, '<=', $killed,
           '... each death is counted at most once');
    cmp_ok($total + $suppressed, '>', 30, '... and the others are counted');

    is(bytes($site), $kept, '... in memory that does not grow');

    my $told = $site->request('/metrics')->{body};

    like($told, qr/^nginx_profiling_incidents_suppressed_total
                    \{reason="crash"\}\ [1-9]/mx,
         'Prometheus: those that are not kept');

    $site->stop;
}


# what the master has mapped, but for its heap
sub bytes {
    my $site = shift;

    my $sum = 0;

    for (split /\n/, slurp("/proc/$site->{pid}/maps")) {
        $sum += hex($2) - hex($1)
            if /^(\w+)-(\w+) .s/;
    }

    return $sum;
}


sub wait_for {
    my ($site, $reason) = @_;

    my $found;

    until_true(120, sub {
        ($found) = grep { $_->{reason} eq $reason }
                   @{ $site->json('incidents')->{incidents} };
        return $found;
    });

    return $found || {};
}
