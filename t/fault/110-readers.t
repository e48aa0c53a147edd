#!/usr/bin/perl

# Readers of every endpoint that are slow, that stop, and that disappear
# before, during and after the answer, all at once: the slow ones get whole
# answers, the others hold nobody up, and nothing is left of them.

use strict;
use warnings;

use Fault;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);
use Sound;
use Test::More;

my $rounds = 4;

# so many that an answer does not fit into the buffers of a socket
my $locations = join '', map {
    "location /a/location/with/a/rather/long/name/number/$_ { return 200; }\n"
} 1 .. 300;

my $n = Fault->new(name => 'readers', workers => 2,
                   profiling => 'profiling_interval 100ms;',
                   http => 'send_timeout 60s;',
                   server => $locations . <<'END');
        location ^~ /debug/pprof/ { profiling_pprof; }
END

my @all = (@endpoints, '/api/profiling/metrics/history?count=1000',
           '/debug/pprof/trace?seconds=60', '/debug/pprof/profile?seconds=60',
           '/debug/pprof/heap?seconds=60', '/debug/pprof/block?seconds=60',
           '/debug/pprof/goroutine?seconds=60');
my @whole = grep { !/=60$/ } @all;

$n->start;
$n->get("/a/location/with/a/rather/long/name/number/$_") for 1 .. 300;
$n->ticked;
all_answers_valid($n, 'before');

my $before = usage($n);
my $prober = $n->prober;
my ($answered, @bad, @stopped) = (0);

for my $round (1 .. $rounds) {

    # they ask, read nothing, and stay until the end

    push @stopped, map { asked($_) } @all if $round == 1;

    vanish($round);
    slow();
}

@stopped = ();

my $clients = $n->prober_result($prober);

is_deeply([ keys %$clients ], [ 200 ], 'no other client noticed')
    or diag(explain($clients));
is($answered, $rounds * @whole, 'all slow readers had an answer');
is(scalar @bad, 0, '... that is whole') or diag(@bad);

nothing_left($n, $before, 'when all have gone');
all_answers_valid($n, 'after');
is_sound($n);
ok($n->stop('QUIT'), 'nginx ends');

done_testing();


sub asked {
    my ($path, %o) = @_;

    my $s = IO::Socket::INET->new(Proto => 'tcp') or die "socket(): $!\n";

    setsockopt($s, SOL_SOCKET, SO_RCVBUF, pack 'i', 2048);
    connect $s, Socket::pack_sockaddr_in($n->port,
                                         Socket::inet_aton('127.0.0.1'))
        or die "connect() failed: $!\n";

    syswrite $s, "GET $path HTTP/1.1\r\nHost: main\r\n"
                 . ($o{more} // "Connection: close\r\n") . "\r\n";

    return $s;
}


# Gone at once, by a reset, in the middle, with the next request on its way.

sub vanish {
    my $round = shift;

    my @open;

    for my $path (@all) {
        close asked($path);

        my $reset = asked($path);
        setsockopt($reset, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
        close $reset;

        my $half = asked($path);
        shutdown $half, 1;
        push @open, $half;

        push @open, asked($path, more => '') if $round == 2;
    }

    # the answers of those that take no minute have begun

    for my $s (map { asked($_) } @whole) {
        sysread $s, my $some, 1 + rand 200;
        setsockopt($s, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0) if rand() < 0.5;
        close $s;
    }

    for my $s (@open) {
        syswrite $s, "GET /empty HTTP/1.1\r\nHost: main\r\n\r\n";
        close $s;
    }
}


# All at once, some bytes at a time in turn.

sub slow {
    Fault::in_turn(1400, \&judge, map { [ asked($_), $_ ] } @whole);
}


sub judge {
    my ($path, $got) = @_;

    my ($head, $body) = split /\r\n\r\n/, $got, 2;
    my ($status) = ($head // '') =~ m{^HTTP/1\.1 (\d+)};

    $body = Fault::dechunk($body // '')
        if ($head // '') =~ /^Transfer-Encoding: chunked/mi;

    my $short = ($head // '') =~ /^Content-Length: (\d+)/mi
                && length($body // '') != $1;

    # captures of the vanished may still be taken for running
    my $busy = ($status // 0) == 500
               && $body =~ /already in use|already enabled/
               || ($status // 0) == 503
               && $body =~ /too many profiles are being encoded/;

    my $wrong = !defined $status || $short || !defined $body ? 'cut short'
              : $busy ? '' : $status != 200 ? "$status $body"
              : invalid($path, $status, $head, $body);

    $answered++;
    push @bad, "$path: $wrong\n" if $wrong;
}
