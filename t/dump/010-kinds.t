#!/usr/bin/perl

# Connections of every kind, each in a known state: the dump reports their
# state, place, peer, and how long they have been waiting.

use strict;
use warnings;

use Fcntl qw(F_SETFL O_NONBLOCK);
use Socket;
use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Modules qw(built skip_unbuilt thread_pool);
use Profile;
use Dump;

my @lua = Profile::lua_modules();
my $no_lua = join ' ', Modules::missing(@lua);

@lua = () if $no_lua;

my $two = <<'END';
    server {
        listen 127.0.0.1:PORT2 http2;
        server_name two;
        location /stream/ { proxy_pass http://quiet; }
    }
END

# what not every nginx has

my %locations = (
    threads      => 'location /doze { profiling_test doze 6000; }',
    auth_request => <<'END',
        location /auth { auth_request /check; root DIR/html; }
        location = /check { internal; proxy_pass http://quiet; }
END
    lua          => <<'END',
        location /cosocket {
            content_by_lua_block {
                local s = ngx.socket.tcp()
                s:connect("127.0.0.1", PORT3)
                s:receive("*l")
            }
        }
END
);

my $more = join "\n", map { $locations{$_} }
           (@lua ? 'lua' : ()), grep { built($_) } qw(threads auth_request);

my $site = Site->new(
    modules  => [ Profile::test_module(), @lua ],
    handlers => $Profile::handlers,
    main     => thread_pool(4),
    http     => <<'END' . (built('http2') ? $two : ''),
    profiling_interval 100ms;
    client_header_timeout 500s;
    client_body_timeout 400s;
    keepalive_timeout 700s;
    proxy_http_version 1.1;
    proxy_connect_timeout 550s;
    proxy_read_timeout 450s;
    limit_req_zone $server_name zone=slow:1m rate=1r/m;

    upstream quiet { server 127.0.0.1:PORT3; }
    upstream kept  { server 127.0.0.1:PORT1; keepalive 4; }

    server {
        listen 127.0.0.1:PORT1;
        server_name backend;
        location / { return 200 "ok"; }
    }
END
    server   => $more . <<'END',
        location / { return 200 "ok"; }
        location /body { proxy_pass http://quiet; }
        location /quiet/ { proxy_pass http://quiet; }
        location /kept { proxy_pass http://kept; proxy_set_header Connection ""; }
        location /connect { proxy_pass http://127.0.0.1:PORT4; }
        location /upgrade {
            proxy_pass http://127.0.0.1:PORT5;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }
        location /resolve {
            resolver 127.0.0.1:PORT6;
            set $name quiet.example.com;
            proxy_pass http://$name;
        }
        location /ssi/ { ssi on; ssi_types text/plain; alias DIR/html/; }
        location /part { proxy_pass http://quiet; }
        location /delayed { limit_req zone=slow burst=5; }
        location /big { alias DIR/html/big; }
END
);

# nothing is accepted: the kernel takes the connections, and the bytes
my $quiet = Dump::quiet($site->port(3));
my $upgrade = Dump::quiet($site->port(5));
my $names = IO::Socket::INET->new(Proto => 'udp',
                                  LocalAddr => '127.0.0.1:' . $site->port(6));
my ($full, @fill) = full($site->port(4));

spew($site->dir . '/html/page', '<!--#include virtual="/part?x=1" --> end');
spew($site->dir . '/html/big', 'x' x 20e6);

$site->start;

my $get = sub { "GET $_[0] HTTP/1.1\r\nHost: main\r\n\r\n" };
my $started = time();
my %c = (
    fresh   => opened($site),
    header  => opened($site, "GET /slow?secret HTTP/1.1\r\nHo"),
    body    => opened($site, "POST /body?x HTTP/1.1\r\nHost: main\r\n"
                             . "Content-Length: 100\r\n\r\n0123456789"),
    idle    => opened($site, $get->('/')),
    quiet   => opened($site, $get->('/quiet/a?secret=1')),
    kept    => opened($site, $get->('/kept')),
    connect => opened($site, $get->('/connect')),
    upgrade => opened($site, "GET /upgrade HTTP/1.1\r\nHost: main\r\n"
                             . "Upgrade: websocket\r\n"
                             . "Connection: upgrade\r\n\r\n"),
    resolve => opened($site, $get->('/resolve')),
    ssi     => opened($site, $get->('/ssi/page')),
    big     => opened($site, $get->('/big')),
);

$c{doze} = opened($site, $get->('/doze')) if built('threads');
$c{auth} = opened($site, $get->('/auth')) if built('auth_request');
$c{lua} = opened($site, $get->('/cosocket')) if @lua;

# the first one is let through
my @delayed = map { opened($site, $get->('/delayed/none')) } 1, 2;

my $switched = $upgrade->accept;
read_head($switched);
Dump::send_to($switched, "HTTP/1.1 101 Switching Protocols\r\n"
                         . "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n");
read_head($c{upgrade});

my $streams;
my $upstreams = 4 + (@lua ? 1 : 0) + (built('auth_request') ? 1 : 0);

if (built('http2')) {
    $streams = h2('127.0.0.1:' . $site->port(2), 100, '/stream/*?q');
    $upstreams += 100;
}

ok(until_true(60, sub {
       return (dump_of($site)->{by_kind}{upstream} // 0) >= $upstreams;
   }),
   'all connections are there');

my $begin = time();
sleep 3;
my $asked = time();
my $dump = dump_of($site);

# since all of them are there at least, since the first one at most
my @waiting = ($asked - $begin, time() - $started);

is_dump($dump, 'all kinds');

my %kinds = %{ $dump->{by_kind} };
is($kinds{'http2 stream'} // 0, $streams ? 100 : 0, 'streams are counted');
is($kinds{'thread task'} // 0, $c{doze} ? 1 : 0, 'the thread task is');
is($kinds{keepalive}, 1, 'the connection kept alive is');
is($kinds{resolver}, 1, 'the connection of the resolver is');

my $g = one($dump, 'accepted, nothing came', state => 'waiting');
is($g->{timer}, 'client_header_timeout', '... with its timer');
is($g->{server}, 'main', '... and the server that it came to');
is($g->{location}, undef, '... but no location');
within($g, \@waiting, '... waits as long as it should');

$g = one($dump, 'slow headers', state => 'reading header');
is($g->{uri}, '/slow', '... the path is known');
is($g->{kind}, 'client', '... a client');
is($g->{client}, '127.0.0.1', '... from here');
is($g->{timer}, 'client_header_timeout', '... with its timer');
within({ wait_seconds => 500 - $g->{timer_seconds} }, \@waiting,
       '... which runs');
within($g, \@waiting, '... waits as long as it should');

$g = one($dump, 'slow body', state => 'reading body');
is($g->{location}, '/body', '... location');
is($g->{method}, 'POST', '... method');
is($g->{uri}, '/body', '... uri without its query');
is($g->{timer}, 'client_body_timeout', '... timer');
within($g, \@waiting, '... waits as long as it should');

my @idle = find($dump, state => 'keepalive', server => 'main');
is(scalar @idle, 3, 'clients kept alive');

for $g (@idle) {
    is($g->{timer}, 'keepalive_timeout', '... timer');
    is($g->{uri}, undef, '... no request');
    within($g, \@waiting, '... waits as long as it should');
}

$g = one($dump, 'client of a slow upstream', kind => 'client',
         location => '/quiet/');
is($g->{state}, 'waiting for response', '... state');
is($g->{uri}, '/quiet/a', '... uri without its query');
is($g->{method}, 'GET', '... method');
is($g->{upstream}, '127.0.0.1:' . $site->port(3), '... peer');
is($g->{upstream_name}, 'quiet', '... upstream');
is($g->{timer}, 'upstream_read_timeout', '... timer');
within({ wait_seconds => 450 - $g->{timer_seconds} }, \@waiting,
       '... which runs');
within($g, \@waiting, '... waits as long as it should');
cmp_ok($g->{pool_bytes}, '>=', 4096, '... holds pools');
is($g->{stack}[-1], '[client]', '... below the root of its kind');
is(scalar grep({ $_ eq 'ngx_http_request_empty_handler' } @{ $g->{stack} }),
   0, '... with its handlers');
cmp_ok(scalar @{ $g->{stack} }, '>=', 4, '... several');

$g = one($dump, 'its upstream', kind => 'upstream', location => '/quiet/');
is($g->{state}, 'waiting for response', '... state');
is($g->{uri}, '/quiet/a', '... uri');
is($g->{client}, '127.0.0.1', '... client');
cmp_ok($g->{bytes_out}, '>', 20, '... the request was sent');
is($g->{bytes_in}, 0, '... nothing came');
within($g, \@waiting, '... waits as long as it should');

$g = one($dump, 'connection kept alive', kind => 'keepalive');
is($g->{state}, 'idle', '... state');
is($g->{upstream}, '127.0.0.1:' . $site->port(1), '... peer');
is($g->{timer}, 'keepalive_timeout', '... timer');
within($g, \@waiting, '... waits as long as it should');

$g = one($dump, 'client of an upstream that does not accept',
         kind => 'client', location => '/connect');
is($g->{state}, 'connecting', '... state');
is($g->{timer}, 'upstream_connect_timeout', '... timer');
within($g, \@waiting, '... waits as long as it should');

for my $kind (qw(client upstream)) {
    $g = one($dump, "upgraded: $kind", kind => $kind, location => '/upgrade');
    is($g->{state}, 'upgraded', '... state');
    within($g, \@waiting, '... waits as long as it should');
}

SKIP: {
    skip("no $no_lua: tools/install-deps test installs it", 6) if $no_lua;

    $g = one($dump, 'client of a cosocket', kind => 'client',
             location => '/cosocket');
    is($g->{state}, 'processing', '... state');
    within($g, \@waiting, '... waits as long as it should');

    $g = one($dump, 'the cosocket', kind => 'upstream',
             location => '/cosocket');
    is($g->{upstream}, '127.0.0.1:' . $site->port(3), '... its peer');
    is($g->{uri}, '/cosocket', '... and the uri of its client');
}

$g = one($dump, 'client of a name', kind => 'client', location => '/resolve');
is($g->{state}, 'resolving', '... state');
within($g, \@waiting, '... waits as long as it should');

$g = one($dump, 'the resolver', kind => 'resolver');
is($g->{upstream}, '127.0.0.1:' . $site->port(6), '... its server');

SKIP: {
    skip_unbuilt('auth_request', 7);

    $g = one($dump, 'client of a subrequest', kind => 'client',
             location => '/auth');
    is($g->{state}, 'waiting for response', '... waits for it');
    is($g->{uri}, '/auth', '... its own uri');
    within($g, \@waiting, '... waits as long as it should');

    $g = one($dump, 'subrequest', kind => 'upstream', location => '= /check');
    is($g->{uri}, '/check', '... uri');
    within($g, \@waiting, '... waits as long as it should');
}

$g = one($dump, 'client of a postponed subrequest', kind => 'client',
         location => '/ssi/');
is($g->{state}, 'waiting for response', '... waits for it');
$g = one($dump, 'postponed subrequest', kind => 'upstream',
         location => '/part');
is($g->{uri}, '/part', '... uri without its query');

SKIP: {
    skip_unbuilt('threads', 4);

    $g = one($dump, 'thread task', kind => 'thread task');
    is($g->{state}, 'thread-pool', '... state');
    is($g->{location}, '/doze', '... location');
    within($g, \@waiting, '... waits as long as it should');
}

$g = one($dump, 'delayed', state => 'delayed');
is($g->{location}, '/delayed', '... location');
within($g, \@waiting, '... waits as long as it should');

$g = one($dump, 'client that does not read', state => 'sending');
is($g->{location}, '/big', '... location');
is($g->{timer}, 'send_timeout', '... timer');
cmp_ok($g->{bytes_out}, '>', 10000, '... what it took');
within($g, \@waiting, '... waits as long as it should');

SKIP: {
    skip_unbuilt('http2', 8);

    $g = one($dump, 'the connection of streams', state => 'streams');
    is($g->{kind}, 'client', '... kind');
    is($g->{server}, 'two', '... server');

    my @streams = find($dump, kind => 'http2 stream', server => 'two',
                       location => '/stream/', method => 'GET',
                       state => 'waiting for response');

    is(scalar @streams, 100, '100 streams, each with its place and state');
    is(join(' ', sort { $a <=> $b } map { $_->{uri} =~ m{^/stream/(\d+)$} }
                 @streams), join(' ', 1 .. 100), '... and its uri');
    within($_, \@waiting, '... waits as long as it should')
        for $streams[0], $streams[99];

    is(scalar(() = find($dump, kind => 'upstream', location => '/stream/')),
       100, 'and their upstreams');
}

# metrics say the same; asked on one connection, which both of them count

my $same = opened($site);

ok(until_true(60, sub {
       my ($dumped, $metrics) = map { ask($same, "/api/profiling/$_") }
                                qw(goroutines?limit=0 metrics);
       return $dumped->{count} == $metrics->{metrics}{goroutines};
   }), 'metrics count the same');

$site->{noise} = qr/no live upstreams|could not be resolved/;
close $_ for values %c, @delayed, grep { $_ } $streams;

ok(until_true(60, sub { ($dump = dump_of($site))->{by_kind}{client} <= 4 }),
   'clients that left are gone');

$site->stop;

done_testing();


# a server whose queue of connections is full: it answers no more SYN

sub full {
    my $port = shift;

    my $s = Dump::quiet($port, backlog => 1);
    my @fill;

    for (1 .. 5) {
        socket my $c, PF_INET, SOCK_STREAM, 0 or die "socket() failed: $!\n";
        fcntl $c, F_SETFL, O_NONBLOCK;
        connect $c, pack_sockaddr_in($port, inet_aton('127.0.0.1'));
        push @fill, $c;
    }

    return ($s, @fill);
}
