#!/usr/bin/perl

# Floods: more captures, traces, trims and dumps than allowed, all at once,
# over and over; a zone with hardly any room, so that tables, lists and slots
# are full.  Each refusal is the right one, each answer is valid, other clients
# do not notice, and nothing is left behind.

use strict;
use warnings;

use Fault;
use IO::Socket::INET;
use Profile;
use Sound;
use Sanitized;
use Test::More;

my $rounds = 2;

my %o = (main => 'load_module ' . Profile::test_module() . ';',
         server => <<'END');
        location ^~ /debug/pprof/ { profiling_pprof; }
        location = /mixed { profiling_test malloc 300; }
        location = /deep { profiling_test deep_fp 20000; }
        location = /wait { profiling_test wait_usleep 2; }
END

my @flood = (
    ('/debug/pprof/profile?seconds=1') x 40,
    ('/api/profiling/cpu-profile?duration=1') x 20,
    ('/debug/pprof/trace?seconds=0.2') x 20,
    ('POST /debug/pprof/heap?gc=1', '/debug/pprof/allocs',
     '/debug/pprof/goroutine', '/debug/pprof/block', '/debug/pprof/mutex',
     '/api/profiling/goroutines?limit=10000', '/api/profiling/metrics',
     '/metrics') x 3,
    ('POST /api/profiling/force-gc') x 60,
);

# what may be said by 500 and 429, and nothing else
my %refused = (
    profile       => qr/^Could not enable CPU profiling: .*already in use/,
    'cpu-profile' => qr/cpu profiling already in use/,
    trace         => qr/^Could not enable tracing: .*already enabled/,
    'force-gc'    => qr/"status":429/,
);

flooded('roomy', 'profiling_interval 100ms;');
flooded('full', 'profiling_interval 100ms; profiling_heap_rate 64; profiling_budget off;
                 profiling_block_rate 1ms; profiling_history 10;
                 profiling_trace_buffer 256k;
                 profiling_zone zone=prof:' . smallest() . ' slots=3;');

done_testing();


# the size below which there is no room for the slots

sub smallest {
    my $n = Fault->new(name => 'smallest', %o);

    my ($low, $high) = (64, 4096);                  # of 4 Kbytes

    while ($low < $high) {
        my $middle = int(($low + $high) / 2);
        my $bytes = 4096 * $middle;
        my (undef, $said) = $n->test(profiling =>
            "profiling_history 10; profiling_zone zone=prof:$bytes slots=3;");

        ($low, $high) = $said =~ /has room for/ ? ($middle + 1, $high)
                                                : ($low, $middle);
    }

    return 4096 * $low if $low < 4096;

    die "no size is enough\n";
}


sub flooded {
    my ($name, $profiling) = @_;

    my $n = Fault->new(name => $name, %o, profiling => $profiling,
                       workers => 3);
    $n->start;
    $n->ticked;

    # what there is no room for at all is said so
    my $dumps = $n->get('/debug/pprof/goroutine')->{status} == 200;
    all_answers_valid($n, "$name: before") if $dumps;

    my $before = usage($n);
    my $prober = $n->prober;
    my @loads = map { busy($n, $_) } qw(/mixed /deep /wait);
    my %seen = (bad => []);

    ask($n, $dumps, \%seen) for 1 .. $rounds;

    Fault::reap($_, 'TERM') for @loads;
    my $clients = $n->prober_result($prober);

    is_deeply([ keys %$clients ], [ 200 ], "$name: no other client noticed")
        or diag(explain($clients));
    is(scalar @{ $seen{bad} }, 0, '... and no answer was wrong')
        or diag(map { substr($_, 0, 300) . "\n" } @{ $seen{bad} });

    my $all = $rounds * @flood;
    is($seen{answered} + $seen{refused}, $all, "... all $all were answered");
    cmp_ok($seen{$_}, '>', 0, "... some $_") for qw(answered refused);

    nothing_left($n, $before, "$name: when it is over");
    all_answers_valid($n, "$name: after") if $dumps;

    ok($n->reload, '... a reload');

    my $m = $n->ticked;
    diag("$name: unprofiled workers: $m->{overhead}{unprofiled_workers}");
    is_sound($n);
    ok($n->stop('QUIT'), "$name: nginx ends");
}


sub busy {
    my ($n, $path) = @_;

    return Fault::background(sub { $n->get($path) while getppid() != 1 });
}


# all at once

sub ask {
    my ($n, $dumps, $seen) = @_;

    my @asked;

    for my $ask (@flood) {
        my ($method, $path) = $ask =~ /^(?:(POST) )?(.*)/;
        my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port)
            or die "connect() failed: $!\n";

        syswrite $s, ($method || 'GET') . " $path HTTP/1.1\r\nHost: main\r\n"
                     . ($method ? "Content-Length: 0\r\n" : '')
                     . "Connection: close\r\n\r\n";

        push @asked, [ $s, $path ];
    }

    Fault::in_turn(65536, sub { judge(@_, $dumps, $seen) }, @asked);
}


sub judge {
    my ($path, $got, $dumps, $seen) = @_;

    my ($head, $body) = split /\r\n\r\n/, $got, 2;
    my ($status) = ($head // '') =~ m{^HTTP/1\.1 (\d+)}
        or return push @{ $seen->{bad} }, "$path: no answer";

    my ($name) = $path =~ m{([\w-]+)(?:\?|$)};

    if ($status != 200) {
        my $may = $refused{$name};
        my $slow = sanitized() && $status == 500
                   && $body =~ /time limit exceeded|took too long/;
        my $crowd = $status == 503 && $head =~ /^Retry-After: \d+\r?$/mi
                    && $body =~ /too many profiles are being encoded/;
        my $full = !$dumps && $status == 503 && $body =~ /no room for dumps/;

        push @{ $seen->{bad} }, "$path: $status $body"
            if !$full && !$crowd && !$slow && (!$may || $body !~ $may);

        return $seen->{refused}++;
    }

    my $wrong = invalid($path, $status, $head, $body);

    push @{ $seen->{bad} }, "$path: $wrong" if $wrong;
    $seen->{answered}++;
}
