#!/usr/bin/perl

# What is nearly full is told by name, in health, /api/profiling/capacity and
# /metrics, and since when: against what the kernel, nginx and Lua say of the
# same things.

use strict;
use warnings;

use Health;
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Socket qw(pack_sockaddr_in inet_aton SOL_SOCKET SO_ERROR);
use Test::More;
use Modules;
use Profile;
use Site;
use Time::HiRes qw(sleep time);

my @held;

queues();
slots();
descriptors();
zones();
drains();
waits();
at_once();
next_tick();

done_testing;


# Each worker has a queue of its own; one worker stands still.

sub queues {
    my $site = Site->new(
        workers => 2,
        noise   => qr/stuck/,
        http    => <<'END')->start;
    profiling_interval 100ms;
    server {
        listen 127.0.0.1:PORT1 reuseport backlog=8;
        listen unix:DIR/socket;
        location / { return 200 "here"; }
    }
END

    my $to = '127.0.0.1:' . $site->port(1);
    my $rows = settled($site, $to);

    is(scalar @$rows, 2, 'a listener has a row for each socket');
    is($_->{queue}{limit}, 8, "... $_->{listen}: its limit") for @$rows;
    is($_->{queue}{since}, undef, '... which is not nearly full') for @$rows;

    my ($unix) = grep { $_->{listen} =~ /^unix:/ }
                 @{ ask($site, 'capacity')->{listeners} };

    is($unix->{queue}, undef, 'a unix socket: null');
    like($unix->{unavailable}{queue}, qr/unix socket/, '... with the reason');

    my $still = second($site);

    kill 'STOP', $still;

    push @held, map { unanswered($site->port(1)) } 1 .. 64;

    my $health = until_true(60, sub {
        my $h = ask($site, 'health');
        return grep({ /accept queue of listener \Q$to\E of worker 1/ }
                    @{ $h->{issues} }) == 2 && $h;
    });

    ok($health, 'health names the queue that is full and that has dropped');
    is($health->{status}, 'unhealthy', '... which is critical');
    ok(until_true(60, sub {
        return "@{ ask($site, 'health')->{issues} }" !~ /worker 0 has held/;
    }), '... and no other');

    my ($row) = grep { $_->{listen} =~ /worker 1/ } @{ rows($site, $to) };

    is_deeply([sort { $a <=> $b } map { $_->{queue}{used} } @{ rows($site, $to) }],
              [sort { $a <=> $b } kernel_queues($site->port(1))],
              'what waits is what /proc/net/tcp says');
    cmp_ok($row->{dropped}, '>', 0, 'drops are counted');
    ok($row->{queue}{since} && $row->{last_drop}, '... with their times');

    my %metrics = metrics($site);
    my $name = qq({listen="$row->{listen}"});

    is($metrics{"listen_queue$name"}, $row->{queue}{used}, '/metrics: queue');
    is($metrics{"listen_queue_limit$name"}, 8, '... limit');
    cmp_ok($metrics{"listen_drops_total$name"}, '>=', $row->{dropped},
           '... drops');

    @held = ();
    kill 'CONT', $still;

    ok(until_true(60, sub {
        my ($r) = grep { $_->{listen} =~ /worker 1/ } @{ rows($site, $to) };
        return !defined $r->{queue}{since} && $r->{queue}{used} == 0;
    }), 'a queue that is empty again is not told any more');

    inherited($site, $to, $row->{dropped});
    $site->stop;
}


# A reload keeps the sockets: what they dropped stays, and is no news.

sub inherited {
    my ($site, $to, $dropped) = @_;

    my %old = map { $_ => 1 } $site->workers;

    kill 'HUP', $site->{pid};
    until_true(60, sub { 2 == grep { !$old{$_} } $site->workers });

    my ($row) = grep { $_->{listen} =~ /worker 1/ } @{ settled($site, $to) };

    cmp_ok($row->{dropped}, '>=', $dropped, 'a reload keeps the count of drops');
}


sub slots {
    my $site = Site->new(workers => 1, connections => 64,
                         noise => qr/worker_connections/)->start;

    my $pid = ($site->workers)[0];
    my $free = one($site)->{connections};

    is($free->{limit}, 64, 'worker_connections is the limit');
    is($free->{since}, undef, '... and far away');

    my $before = $free->{used};

    push @held, map { $site->connect } 1 .. 46;

    # who asks was connected at the worker's tick, or was not

    ok(until_true(60, sub {
        return abs(one($site)->{connections}{used} - $before - 46) <= 1;
    }), 'each connection that is open counts');

    my $health = until_true(60, sub {
        my $h = $site->json('health');
        return "@{ $h->{issues} }" =~ /worker $pid has used/ && $h;
    });

    is($health->{status}, 'degraded', 'a warning');

    push @held, map { $site->connect } 1 .. 10;

    $health = until_true(60, sub {
        my $h = $site->json('health');
        return $h->{status} eq 'unhealthy' && $h;
    });

    like("@{ $health->{issues} }",
         qr/worker $pid has used \d+ of its 64 worker_connections for \d+ s/,
         'health: at 90 percent it is critical');

    my ($full) = grep { $_->{kind} eq 'connections' }
                 @{ $site->json('capacity')->{full} };

    is($full->{level}, 'critical', 'the list of what is full has it');
    is($full->{pid}, $pid, '... by pid');
    ok($full->{since}, '... and since when');

    @held = ();

    ok(until_true(60, sub { !@{ ailments($site->json('health')) } }),
       'free again, all is well');
    $site->stop;
}


sub descriptors {
    my $site = Site->new(workers => 1, connections => 500,
                         main => 'worker_rlimit_nofile 60;',
                         noise => qr/Too many open files|worker_connections/)
               ->start;

    my $pid = ($site->workers)[0];

  SKIP: {
        skip 'the kernel does not count descriptors', 3
            unless -s "/proc/$pid/fd";

        push @held, map { $site->connect } 1 .. 40;

        my $told = until_true(60, sub {
            my $d = one($site)->{descriptors};
            return $d->{since} && $d;
        });

        # the asker's connection was open when the worker looked, or was not

        my @open = glob "/proc/$pid/fd/*";

        cmp_ok(abs($told->{used} - @open), '<=', 1, 'descriptors that are open');
        is($told->{limit}, 60, '... of the limit');
        like("@{ $site->json('health')->{issues} }",
             qr/worker $pid has opened \d+ of its 60 descriptors/, 'health');
    }

    @held = ();
    $site->stop;
}


sub zones {
    my $site = Site->new(
        workers => 1,
        modules => [ Profile::lua_modules() ],
        http    => <<'END',
    profiling_interval 100ms;
    lua_shared_dict filled 256k;
END
        server  => <<'END')->start;
        location = /fill { content_by_lua_block {
            local d = ngx.shared.filled
            for i = 1, 60 do
                d:safe_set(i, string.rep("x", 4000))
            end
            ngx.say(d:free_space()) } }
        location = /free { content_by_lua_block {
            ngx.say(ngx.shared.filled:free_space()) } }
END

    my $row = zone($site, 'filled');

    is($row->{pages}{since}, undef, 'a zone that has room');
    is(4096 * ($row->{pages}{limit} - $row->{pages}{used}),
       $site->request('/free')->{body} + 0, '... as much as Lua says');

    my $left = $site->request('/fill')->{body};

    my $health = until_true(60, sub {
        my $h = $site->json('health');
        return "@{ $h->{issues} }" =~ /zone "filled"/ && $h;
    });

    is($health->{status}, 'degraded', 'a zone that is full is no reason to '
                                      . 'take the server out of service');

    $row = zone($site, 'filled');
    is(4096 * ($row->{pages}{limit} - $row->{pages}{used}), $left + 0,
       '... it has as little left as Lua says');
    ok($row->{pages}{since}, '... and since when');
    ok(!zone($site, 'profiling'), "the module's own zone is not among them");

    my %metrics = metrics($site);

    is($metrics{'shared_zone_pages_used{zone="filled"}'}, $row->{pages}{used},
       '/metrics: pages in use');
    $site->stop;
}


# Ten clients have gone over to another protocol, two are in a download.

sub drains {
    my $server = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
                                       LocalAddr => '127.0.0.1:0') or die;
    my $to = $server->sockport;

    my $site = Site->new(workers => 1, server => <<"END")->start;
        proxy_read_timeout 1h;
        location /ws {
            proxy_pass http://127.0.0.1:$to;
            proxy_http_version 1.1;
            proxy_set_header Upgrade \$http_upgrade;
            proxy_set_header Connection upgrade;
        }
        location /slow { proxy_pass http://127.0.0.1:$to; }
END

    my @pairs = map { talk($site, $server, $_ <= 10 ? '/ws' : '/slow') } 1 .. 12;
    my ($old) = $site->workers;

    kill 'HUP', $site->{pid};

    my $row = until_true(60, sub {
        my ($r) = grep { $_->{pid} == $old && $_->{draining} }
                  @{ $site->json('capacity')->{workers} };
        return $r && $r->{draining};
    });

    is($row->{clients}, 12, 'a worker that drains: its clients');
    is($row->{upgraded}, 10, '... those that went over to another protocol');
    is($row->{location}, '/ws', '... where most of them are');
    is($row->{at_location}, 10, '... how many');
    ok($row->{oldest_request}, '... since when');

    my ($full) = grep { $_->{kind} eq 'draining' }
                 @{ $site->json('capacity')->{full} };

    like($full->{text}, qr{^worker\ $old\ drains\ for\ \d+\ s:\ 12\ connections,
                           \ 10\ of\ them\ upgraded\ at\ /ws\ of
                           \ server\ main$}x,
         '... as a sentence');
    is_deeply(ailments($site->json('health')), [],
              '... which is nothing to worry about yet');

    my %metrics = metrics($site);
    my ($slot) = map { $_->{slot} } grep { $_->{pid} == $old }
                 @{ $site->json('capacity')->{workers} };

    cmp_ok($metrics{qq(draining_seconds{slot="$slot"})}, '>', 0, '/metrics');

    # one after the other goes

    @pairs = @pairs[0 .. 1, 10 .. 11];

    ok(until_true(60, sub {
        my ($r) = grep { $_->{pid} == $old } @{ $site->json('capacity')->{workers} };
        return $r->{draining}{clients} == 4 && $r->{draining}{upgraded} == 2;
    }), 'the count follows');

    @pairs = ();
    $site->stop;
}


sub talk {
    my ($site, $server, $path) = @_;

    my $client = $site->connect;

    print $client "GET $path HTTP/1.1\r\nHost: main\r\n"
                  . ($path eq '/ws' ? "Upgrade: x\r\nConnection: upgrade\r\n"
                                    : '') . "\r\n";
    $client->flush;

    my $peer = $server->accept;
    sysread $peer, my $request, 4096;

    syswrite $peer, $path eq '/ws'
                    ? "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n"
                      . "Connection: upgrade\r\n\r\n"
                    : "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx";
    sysread $client, my $answer, 4096 if $path eq '/ws';

    return [$client, $peer];
}


# A worker that stands still lets clients wait.

sub waits {
    my $site = Site->new(workers => 1, noise => qr/stuck/,
                         http => 'profiling_interval 1s;')->start;

    my ($pid) = $site->workers;

    kill 'STOP', $pid;

    my $client = $site->connect;
    my $begun = time;

    sleep 0.5;
    my $least = time - $begun;
    kill 'CONT', $pid;

    my $waited = until_true(60, sub {
        my $w = one($site)->{accept_wait_seconds};
        return $w >= $least - 0.02 && $w;
    });

    cmp_ok($waited, '<', time - $begun, 'how long a client waited to be accepted');
    $site->stop;
}


# A queue that overflows is in the first answer after it, long before the next
# tick.

sub at_once {
    my $site = Site->new(
        workers => 2,
        noise   => qr/stuck/,
        http    => <<'END')->start;
    profiling_interval 60s;
    server {
        listen 127.0.0.1:PORT1 reuseport backlog=8;
        location / { return 200 "here"; }
    }
END

    my $to = '127.0.0.1:' . $site->port(1);

    settled($site, $to);
    is_deeply(ailments(ask($site, 'health')), [], 'all is well');

    my $still = second($site);
    my $before = overflows();

    kill 'STOP', $still;
    push @held, map { unanswered($site->port(1)) } 1 .. 64;
    until_true(60, sub { overflows() > $before });

    like("@{ ask($site, 'health')->{issues} }",
         qr/accept queue of listener \Q$to\E of worker 1/,
         'the first answer after it names a queue that overflows');

    @held = ();
    kill 'CONT', $still;
    $site->stop;
}


# What a worker finds at a tick is told by every answer from then on.

sub next_tick {
    my $site = Site->new(workers => 1, connections => 64,
                         http  => 'profiling_interval 2s;',
                         main  => 'worker_rlimit_nofile 80;',
                         noise => qr/worker_connections/)->start;

    my ($pid) = $site->workers;
    my $before = accepted($site);

    push @held, map { $site->connect } 1 .. 58;
    until_true(60, sub { accepted($site) >= $before + 58 });

    my $open = time;
    my $health = until_true(60, sub {
        my $h = $site->json('health');
        return epoch($h->{workers}[0]{collected}) > $open && $h;
    });

    like("@{ $health->{issues} }", qr/worker $pid has used \d+ of its 64/,
         'slots that are nearly used up: from the first tick on');
    like("@{ $health->{issues} }", qr/worker $pid has opened \d+ of its 80/,
         '... as are descriptors') if -s "/proc/$pid/fd";

    @held = ();
    $site->stop;
}


sub accepted {
    return $_[0]->json('metrics')->{metrics}{connections}{accepted};
}


# queues that have overflowed, by the kernel's count of all

sub overflows {
    my ($names, $values) = slurp('/proc/net/netstat') =~ /^TcpExt: (.*)/mg;
    my %of;

    @of{ split ' ', $names } = split ' ', $values;

    return $of{ListenOverflows};
}


# a client that the kernel has not connected, perhaps never will

sub unanswered {
    my $port = shift;

    my $s = IO::Socket::INET->new(Proto => 'tcp', Blocking => 0) or die;
    connect $s, pack_sockaddr_in($port, inet_aton('127.0.0.1'));

    return $s;
}


# A connection may wake the worker that stands still, and no other: then another
# one asks.

sub ask {
    my ($site, $what) = @_;

    $what = "/api/profiling/$what" if $what !~ m{^/};

    my $body = until_true(60, sub {
        return $site->request($what, seconds => 1)->{body};
    });

    return $what eq '/metrics' ? $body : decode_json($body);
}


sub rows {
    my ($site, $to) = @_;

    return [ grep { $_->{listen} =~ /^\Q$to\E(?: |$)/ }
             @{ ask($site, 'capacity')->{listeners} } ];
}


sub settled {
    my ($site, $to) = @_;

    return until_true(60, sub {
        my $rows = rows($site, $to);
        return !grep({ !$_->{queue} } @$rows) && $rows;
    });
}


# pid of the second worker, which may begin later than the first one answers

sub second {
    my $site = shift;

    return until_true(60, sub {
        my ($row) = grep { $_->{worker} == 1 }
                    @{ ask($site, 'capacity')->{workers} };
        return $row && $row->{pid};
    });
}


sub one { return $_[0]->json('capacity')->{workers}[0] }


sub zone {
    my ($site, $name) = @_;

    my ($row) = grep { $_->{name} eq $name } @{ $site->json('capacity')->{zones} };
    return $row;
}


# rx_queue of sockets that listen on a port

sub kernel_queues {
    my $port = sprintf '%04X', shift;

    return map { hex } slurp('/proc/net/tcp')
                       =~ /^\s*\d+: 0100007F:$port \S+ 0A \w+:(\w+)/mg;
}


sub metrics {
    my $site = shift;

    return ask($site, '/metrics')
           =~ /^nginx_profiling_(\S+|\S+\{.*?\}) (\S+)$/mg;
}
