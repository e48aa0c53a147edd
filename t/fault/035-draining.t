#!/usr/bin/perl

# A worker that was told to exit still answers what it has accepted, as nginx
# does.  nginx lets a worker exit when no timer is left, so an answer in
# progress must have one in each of its steps.  Captures that have begun end with
# what they have.

use strict;
use warnings;

use Fault;
use IO::Socket::INET;
use Sound;
use Test::More;

my $n = Fault->new(name => 'draining', workers => 1,
                   profiling => 'profiling_interval 100ms;',
                   server => join "\n", 'location /debug/pprof/ '
                                        . '{ profiling_pprof; }',
                                        map { "location /many/$_/ { }" }
                                            1 .. 2000);

$n->start(seconds => 60);

# a tick for each kind of figure
$n->ticked;

my @paths = (
    map({ "/api/profiling/$_" }
        qw(metrics metrics/history memory gc goroutines runtime health
           locations heap-dump cpu-profile?duration=1)),
    '/metrics',
    map({ "/debug/pprof/$_" }
        qw(profile?seconds=1 heap heap?debug=1 heap?seconds=1
           allocs goroutine goroutine?debug=1 goroutine?debug=2
           goroutine?seconds=1 threadcreate block block?seconds=1 mutex
           trace?seconds=1 cmdline symbol)),
);

my @lost = grep { defined } map { lost('GET', $_) } @paths;

push @lost, grep { defined } map { lost('POST', $_) }
            '/api/profiling/force-gc', '/debug/pprof/heap?gc=1';

is(join('; ', @lost), '', 'a draining worker answers every request');

captures();

# the answer is given, and the worker does not wait for anything more

ok(wait_for(60, sub { $n->workers == 1 }), 'workers that have answered end');

unlike($n->log, qr/open socket|\[(?:alert|emerg|crit)\]/,
       'none left a connection behind');

ok($n->stop('QUIT'), 'nginx ends');

done_testing();


# Sends half of the request to the worker, has it told to exit, and sends the
# rest: how the answer failed, or nothing.

sub lost {
    my ($method, $path) = @_;

    my ($pid) = $n->running;
    my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port)
            or return "$path: no connection";

    syswrite $s, "$method $path HTTP/1.1\r\nHost: main\r\n";

    wait_for(60, sub { accepted($s, $pid) })
        or return "$path: not accepted by $pid";

    $n->reload or return "$path: no reload";

    wait_for(60, sub { slurp("/proc/$pid/cmdline") =~ /shutting down/ })
        or return "$path: worker $pid is not draining";

    syswrite $s, "Content-Length: 0\r\nConnection: close\r\n\r\n";

    my $got = '';

    while (1) {
        my $read = sysread $s, $got, 65536, length $got;
        return "$path: $!" unless defined $read;
        last unless $read;
    }

    return "$path: no answer" if $got eq '';
    return if $got =~ m{^HTTP/1\.1 200 };
    return "$path: " . substr $got, 0, 60;
}


# Each would hold the worker for minutes.

sub captures {
    my @paths = ('/api/profiling/cpu-profile?duration=300',
                 map { "/debug/pprof/$_" }
                     qw(profile?seconds=300 heap?seconds=300 block?seconds=300
                        allocs?seconds=300 mutex?seconds=300
                        goroutine?seconds=300 trace?seconds=60));
    my ($pid) = $n->running;
    my %asked;

    for my $path (@paths) {
        my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port);

        syswrite $s, "GET $path HTTP/1.1\r\nHost: main\r\n"
                     . "Connection: close\r\n\r\n";
        $asked{$path} = $s;
    }

    # those that are shown as requests have begun
    $n->until('goroutines', 60, sub {
        return @paths <= grep { ($_->{uri} // '') =~ m{cpu-pro|/debug/} }
                         @{ $_[0]{goroutines} };
    });

    my $start = time;

    $n->reload;

    for my $path (sort keys %asked) {
        my ($got, $s) = ('', $asked{$path});

        1 while sysread $s, $got, 65536, length $got;

        my ($head, $body) = split /\r\n\r\n/, $got, 2;
        my ($status) = ($head // '') =~ m{^HTTP/1\.1 (\d+)};

        is($status, 200, "$path is answered");
        is(invalid($path, $status, $head, $body), '',
           '... with what there is');
    }

    ok(wait_for(60, sub { !kill 0, $pid }), 'the worker is gone');
    cmp_ok(time - $start, '<', 300, '... before they would be over');
}


# does this process have the other end? by ss(8)

sub accepted {
    my ($s, $pid) = @_;

    return run_command('ss', '-Htnp', 'state', 'established',
                       '( sport = :' . $n->port . ' and dport = :'
                       . $s->sockport . ' )') =~ /\bpid=$pid,/;
}
