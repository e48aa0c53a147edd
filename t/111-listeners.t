#!/usr/bin/perl

# Thousands of listeners, of which one overflows; and what becomes of its figures
# when another nginx has taken all of them over: against the kernel's own count of
# overflows, and the number of listening sockets in /proc/net/tcp.

use strict;
use warnings;

use Health;
use IO::Socket::INET;
use Fault;
use Socket qw(pack_sockaddr_in inet_aton);
use Test::More;

my $count = 2000;
my @held;

sub address { return sprintf '127.2.%d.%d', $_[0] / 250, $_[0] % 250 + 1 }

my $n = Fault->new(
    name => 'listeners', workers => 2, ports => 2, daemon => 'on',
    connections => 3 * $count,
    main => 'worker_rlimit_nofile 10000;',
    http => 'server {' . join('', map {
        'listen ' . address($_) . ':PORT1' . ($_ == 1234 ? ' backlog=8' : '')
        . ";\n"
    } 0 .. $count - 1) . 'location / { return 200 here; } }');

my ($most) = `sh -c 'ulimit -Hn'` =~ /(\d+)/;

plan(skip_all => 'too few descriptors may be open')
    if defined $most && $most < 10000;

$n->start;

my $to = address(1234) . ':' . $n->port(1);
my $rows = known();

is(scalar @$rows, $count, 'each listener has a row');
is(scalar @$rows, listening($n->port(1)), '... as many as the kernel has');
is_deeply([ grep { $_->{queue}{since} } @$rows ], [], '... none is nearly full');
is(row($rows)->{queue}{limit}, 8, 'the one that has a limit of its own');
is_deeply(ailments($n->api('health')), [], '... all is well');

my $before = overflow();

is_deeply(named($n->api('health')), [$to], 'one that has dropped is named');

$rows = known();

is(row($rows)->{dropped}, kernel($before), '... as many as the kernel says');
is(scalar(grep { $_->{dropped} } @$rows), 1, '... and no other');

my @told = $n->get('/metrics')->{body}
           =~ /^nginx_profiling_listen_drops_total\{listen="([^"]+)"\}/mg;

cmp_ok(scalar @told, '<', 300, '/metrics tells of those that matter');
ok((grep { $_ eq $to } @told), '... of this one');

upgrade();

$rows = known();
is(scalar @$rows, $count, 'another nginx has them all');
is(row($rows)->{queue}{limit}, 8, '... with their limits');
cmp_ok(row($rows)->{dropped}, '>', 0, '... and what they have dropped');
is(row($rows)->{last_drop}, undef, '... which is no news');
is_deeply(named($n->api('health')), [], '... nor an issue');

overflow();
is_deeply(named($n->api('health')), [$to], 'what is dropped from now on is');

ok($n->stop('QUIT'), 'nginx ends');
unlike($n->log, qr/\[(?:alert|emerg)\]|signal 11/, 'no alert');
done_testing;


# both workers stand still, and more clients come than the queue has room for

sub overflow {
    my @workers = $n->running;
    my $dropped = row(known())->{dropped};
    my $before = overflows();

    kill 'STOP', @workers;
    push @held, map { unanswered() } 1 .. 64;
    ok(wait_for(60, sub { overflows() > $before + 1 }), 'a queue overflows');
    @held = ();
    kill 'CONT', @workers;

    ok(wait_for(60, sub {
        return row(known())->{dropped} > $dropped && @{ named($n->api('health')) };
    }), '... which is told');

    return $before;
}


# what the kernel has counted since

sub kernel { return overflows() - $_[0] }


sub overflows {
    my ($names, $values) = slurp('/proc/net/netstat') =~ /^TcpExt: (.*)/mg;
    my %of;

    @of{ split ' ', $names } = split ' ', $values;

    return $of{ListenOverflows};
}


sub known {
    my $got = $n->until('capacity', 120, sub {
        return !grep { !$_->{queue} } mine($_[0]);
    });

    return [ mine($got) ];
}


sub mine {
    return grep { $_->{listen} =~ /^127\.2\./ } @{ $_[0]{listeners} };
}


sub row { return (grep { $_->{listen} =~ /^\Q$to\E/ } @{ $_[0] })[0] }


# once each: a queue may be seen when it is full, too

sub named {
    my %once = map { ($_ => 1) } map { /listener ([^\s,]+)/ } @{ $_[0]{issues} };

    return [ sort keys %once ];
}


sub listening {
    my $port = sprintf '%04X', $_[0];

    return scalar(() = slurp('/proc/net/tcp') =~ /^\s*\d+: \w+:$port \S+ 0A /mg);
}


sub unanswered {
    my $s = IO::Socket::INET->new(Proto => 'tcp', Blocking => 0) or die;

    connect $s, pack_sockaddr_in($n->port(1), inet_aton(address(1234)));

    return $s;
}


sub upgrade {
    my $old = $n->{pid};

    $n->signal('USR2');

    my $new = wait_for(60, sub {
        my ($pid) = slurp($n->dir . '/nginx.pid') =~ /(\d+)/;
        return $pid && $pid != $old && $n->workers($pid) == 2 && $pid;
    });

    ok($new, 'a second master');
    kill 'QUIT', $old;
    ok(wait_for(60, sub { !kill 0, $old }), '... the first one ends');
    $n->{pid} = $new;
}
