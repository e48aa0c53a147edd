#!/usr/bin/perl

# kill -9 of workers at any instruction: while every allocation is recorded,
# every millisecond of CPU time sampled, everything traced and connections
# dumped; and while one holds the mutexes of all zones.  What remains is
# consistent, and other clients lose no more than without the module.
#
# KILLS in the environment: another number than 20.

use strict;
use warnings;

use Fault;
use JSON::PP;
use Load ();
use Profile;
use Sound;
use Test::More;

my $kills = $ENV{KILLS} || 20;

my %o = (main => 'load_module ' . Profile::test_module() . ';',
         http => <<'END', server => <<'END2',
    gzip_types text/plain;
    limit_req_zone $uri zone=limit:1m rate=10000r/s;
END
        limit_req zone=limit burst=100000 nodelay;
        location = /work { gzip on; gzip_min_length 1;
                           profiling_test small 200; }
        location = /hold { profiling_test hold 0; }
END2
         profiling => 'profiling_interval 100ms; profiling_cpu_rate 1000;
                       profiling_heap_rate 1; profiling_budget off; profiling_block_rate 1ms;
                       profiling_trace_buffer 1m;');

my $with = Fault->new(name => 'with', %o, server => "$o{server}\n"
                      . 'location ^~ /debug/pprof/ { profiling_pprof; }');
my $without = Fault->new(name => 'without', %o, module => 0);

my %saw;

for my $n ($with, $without) {
    $n->start;

    # the pages of its own that an answer needs
    all_answers_valid($n, 'before') if $n->{module};

    my $before = usage($n);

    $saw{ $n->{name} } = killed($n);

    nothing_left($n, $before, "$n->{name}: after the kills");
    holders($n);
    nothing_left($n, $before, "$n->{name}: after the kills of holders");

    if ($n->{module}) {
        $n->{killed} = 1;
        adds_up($n);
        all_answers_valid($n, 'after');
        ok($n->reload, '... and a reload');
        all_answers_valid($n, 'after the reload');
    }

    is_sound($n, 9 => 10_000,
             expected => qr/shared memory zone "\w+" was locked by \d+/);
    ok($n->stop('QUIT'), "$n->{name}: nginx ends");
}

Load::is_no_worse(@saw{qw(with without)}, $kills);

done_testing();


# One worker after the other, the longest living first.

sub killed {
    my $n = shift;

    my @askers = !$n->{module} ? () : map { asker($n, $_) } (
        '/debug/pprof/profile?seconds=1', '/debug/pprof/trace?seconds=0.2',
        '/debug/pprof/heap', '/api/profiling/goroutines',
        '/api/profiling/metrics', '/debug/pprof/mutex');
    my $poller = $n->{module} ? $n->poller : undef;
    my $prober = $n->prober;
    my $wrk = Fault::background($n->dir . '/wrk', 'wrk', '-t1', '-c10',
                                '-d100s', 'http://127.0.0.1:' . $n->port
                                . '/work');
    my $done = 0;

    for (1 .. $kills) {
        my ($victim) = sort { $a <=> $b } $n->workers;

        kill 'KILL', $victim;

        wait_for(60, sub {
            my @now = $n->workers;
            return @now == 2 && !grep { $_ == $victim } @now;
        }) or last;

        # until the new one serves
        $done++ if wait_for(60, sub { !$n->get('/empty')->{error} });
    }

    is($done, $kills, "$n->{name}: $kills workers were killed and replaced");

    Fault::reap($wrk, 'TERM');

    my @bad = map { @{ told($_)->{bad} } } @askers;
    is(scalar @bad, 0, 'no answer meanwhile was wrong')
        or diag(map { substr($_, 0, 300) . "\n" } @bad);

    if ($poller) {
        my $polled = $n->poller_result($poller);

        cmp_ok($polled->{answers}, '>', 0, 'metrics were polled meanwhile');
        is_deeply($polled->{fallen}, [], '... no counter ever fell');
        is_deeply($polled->{odd}, [], '... no answer but 200 with JSON');
    }

    return { clients => $n->prober_result($prober) };
}


my $files = 0;

# Asks for one thing until it is told to end.

sub asker {
    my ($n, $path) = @_;

    my $file = $n->dir . '/asker' . $files++;

    my $pid = Fault::background(sub {
        my @bad;
        my $end;

        $SIG{TERM} = sub { $end = 1 };

        until ($end) {
            my $r = $n->get($path, timeout => 60);

            # its own worker may have been killed
            next if $r->{error};

            my $wrong = invalid($path, @$r{qw(status head body)})
                        || ($r->{status} == 200 ? '' : told_busy($r));

            push @bad, "$path: $wrong" if $wrong;
        }

        Fault::spew($file, encode_json({ bad => \@bad }));
    });

    return [$pid, $file];
}


sub told_busy {
    my $r = shift;

    return $r->{body} =~ /already (?:in use|enabled)/
           ? '' : "$r->{status} $r->{body}";
}


sub told {
    my ($pid, $file) = @{ $_[0] };

    Fault::reap($pid, 'TERM');

    return decode_json(slurp($file));
}


# A worker that has the mutexes, ours too, and dies.

sub holders {
    my $n = shift;

    for my $round (1 .. 3) {
        my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port);
        syswrite $s, "GET /hold HTTP/1.1\r\nHost: main\r\n\r\n";

        my $holder;

        wait_for(60, sub {
            ($holder) = grep {
                slurp("/proc/$_/syscall") =~ /^34 /
            } $n->workers;
        }) or return fail('a worker holds the mutexes');

        kill 'KILL', $holder;

        ok(wait_for(60, sub {
            my @now = $n->workers;
            return @now == 2 && !grep { $_ == $holder } @now;
        }), "$n->{name}: one that held the mutexes was killed");

        my @served = map { $n->get('/empty')->{status} // '-' } 1 .. 20;
        is("@served", join(' ', (200) x 20), '... and all are served');
    }
}


sub adds_up {
    my $n = shift;

    # a request that a killed worker was at is nobody's
    my $sum = 0;
    $sum += $_->{requests} for @{ $n->api('locations')->{locations} };

    is($sum, $n->ticked->{metrics}{requests}{total},
       'the locations have as many requests as the whole');
}
