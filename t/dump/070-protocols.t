#!/usr/bin/perl

# Every endpoint, with clients of every protocol connected: idle, in a request,
# and closing.  Nothing dies, and each client is reported as what it is.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Dump;
use Http3;
use Modules qw(built);
use Profile;
use Site;

my @endpoints = (
    (map { "/api/profiling/$_" }
         qw(metrics metrics/history memory gc goroutines goroutines?limit=0
            runtime health locations)),
    (map { "/debug/pprof/$_" }
         '', qw(goroutine goroutine?debug=1 goroutine?debug=2 heap allocs
                block mutex threadcreate cmdline profile?seconds=1
                trace?seconds=0.2)),
    '/metrics',
);

my ($no_http3) = Http3::missing();

# which of these it has built in, which it can load
my $modules = '/usr/lib/nginx/modules';
my %have = map { $_ => built($_)
                       || -e Modules::other("$modules/ngx_${_}_module.so") }
           qw(stream mail);
my @load = map { "$modules/ngx_${_}_module.so" }
           grep { $have{$_} && !built($_) } qw(stream mail);

my $main = '';

$main .= <<'END' if $have{stream};
stream {
    server { listen 127.0.0.1:PORT3; proxy_pass 127.0.0.1:PORT6; }
    server { listen 127.0.0.1:PORT3 udp; proxy_pass 127.0.0.1:PORT6; }
}
END

$main .= <<'END' if $have{mail};
mail {
    timeout 600s;
    auth_http_timeout 600s;
    auth_http 127.0.0.1:PORT6/auth;
    server { listen 127.0.0.1:PORT4; protocol imap; }
}
END

my $site = Site->new(
    modules  => [@load],
    main     => $main,
    handlers => $Profile::handlers,
    http     => <<'END' . (built('http2') ? <<'TWO' : ''),
    profiling_interval 100ms;
    profiling_heap_rate 1; profiling_budget off;
    client_header_timeout 600s;
    keepalive_timeout 600s;
    proxy_read_timeout 600s;
    proxy_send_timeout 600s;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
    upstream kept {
        server 127.0.0.1:PORT;
        keepalive 4;
        keepalive_timeout 600s;
    }
END
    server {
        listen 127.0.0.1:PORT2 http2;
        server_name two;
        location /slow { proxy_pass http://127.0.0.1:PORT6; }
    }
TWO
    server   => ($no_http3 ? '' : "        listen 127.0.0.1:PORT1 quic;\n")
                . <<'END');
        listen 127.0.0.1:PORT5 ssl;
        location = /ok { return 200 "ok\n"; }
        location = /kept {
            proxy_pass http://kept/ok;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
        location /slow { proxy_pass http://127.0.0.1:PORT6; }
        location /upgrade {
            proxy_pass http://127.0.0.1:PORT7;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }
        location /large {
            client_max_body_size 1;
            lingering_time 600s;
            lingering_timeout 600s;
        }
END

my $quiet = Dump::quiet($site->port(6));
my $upgrade = Dump::quiet($site->port(7));
my $udp = IO::Socket::INET->new(Proto => 'udp',
                                LocalAddr => '127.0.0.1:' . $site->port(6))
          or die "cannot bind: $!\n";

Profile::certificate($site);
$site->start;

my @workers = $site->workers;
my %open;
my %want;       # kind => connections of it, at least

my @steps = (
    ['HTTP/1.1', '', sub {
        $open{fresh} = opened($site);
        $open{header} = opened($site, "GET /ok HTTP/1.1\r\nX");
        $open{slow} = opened($site, get('/slow'));
        $open{idle} = opened($site, get('/kept'));
        read_head($open{idle});
        $open{large} = opened($site, "POST /large HTTP/1.1\r\nHost: main\r\n"
                                     . "Content-Length: 100\r\n\r\nx");
        $open{upgraded} = upgraded();
        $want{client} += 6;
        $want{upstream} += 2;
        $want{keepalive} = 1;
    }],
    ['TLS', '', sub {
        my $to = '127.0.0.1:' . $site->port(5);

        # the first bytes of a handshake that goes no further
        $open{tls} = opened($site, "\x16\x03\x01", to => $to);
        $want{client}++;
    }],
    ['HTTP/2', built('http2') ? '' : 'nginx was built without http2', sub {
        my $to = '127.0.0.1:' . $site->port(2);

        $open{none} = h2($to, 0, '');
        $open{streams} = h2($to, 3, '/slow/*');
        $want{client} += 2;
        $want{'http2 stream'} = 3;
        $want{upstream} += 3;
    }],
    ['stream', $have{stream} ? '' : 'no stream module', sub {
        my $to = '127.0.0.1:' . $site->port(3);

        $open{stream} = opened($site, 'x', to => $to);
        $open{udp} = IO::Socket::INET->new(Proto => 'udp', PeerAddr => $to);
        send $open{udp}, 'x', 0;
        $want{other} += 2;
        $want{upstream} += 2;
    }],
    ['mail', $have{mail} ? '' : 'no mail module', sub {
        my $to = '127.0.0.1:' . $site->port(4);

        $open{mail} = opened($site, undef, to => $to);
        $open{login} = opened($site, "a LOGIN somebody secret\r\n", to => $to);
        $want{other} += 2;
        $want{upstream}++;
    }],
    ['HTTP/3', $no_http3 && "$no_http3; t/build/030-source.t builds an nginx "
                            . 'that has it', sub {
        my $at = $site->port(1);

        $open{h3_none} = Http3::opened($at);
        $open{h3_idle} = Http3::opened($at, '/ok');
        $open{h3_slow} = Http3::opened($at, '/slow/1', '/slow/2');
        $open{h3_bye} = Http3::opened($at, '/slow/3');
        $open{h3_gone} = Http3::opened($at, '/slow/4');
        $want{client} += 5;
        $want{'http3 stream'} = 4;
        $want{upstream} += 4;
    }],
);

for (@steps) {
    my ($name, $missing, $open) = @$_;

  SKIP: {
    skip("$name: $missing", 1) if $missing;

    $open->();
    told($name);
  }
}

answered('idle, and in requests');

# each of the upstreams that were waited for has a place that is right

my $dump = dump_of($site);
is_dump($dump, 'all of them');
is(scalar(() = find($dump, kind => 'upstream', location => '/slow',
                    state => 'waiting for response')),
   1 + ($want{'http2 stream'} // 0) + ($want{'http3 stream'} // 0),
   'upstreams of clients of HTTP have their locations');
is(scalar(() = find($dump, kind => 'http3 stream', server => 'main',
                    location => '/slow', method => 'GET',
                    uri => qr{^/slow/\d$})),
   $want{'http3 stream'} // 0, 'so have streams of HTTP/3');
is(scalar(() = find($dump, state => 'lingering')), 1,
   'one is read to its end');

# closing: some leave without a word while they are asked for

for my $name (sort keys %open) {
    my $client = delete $open{$name};

    if (ref $client eq 'Http3') {
        $client->end($name eq 'h3_gone' ? 'KILL' : 'INT');

    } else {
        close $client;
    }

    $site->request('/api/profiling/goroutines');
}

answered('closing, and closed');

# there are still: who asks, the other end of what is kept to the upstream, and
# those that nginx waits for: of UDP, of HTTP/3 that was killed, and of mail
# whose login is being asked for

my %left = (client => $no_http3 ? 2 : 3,
            other => ($have{stream} ? 1 : 0) + ($have{mail} ? 1 : 0),
            'http3 stream' => $no_http3 ? 0 : 1, 'http2 stream' => 0);
my $by;

ok(until_true(60, sub {
       $by = dump_of($site)->{by_kind};
       return !grep { ($by->{$_} // 0) > $left{$_} } keys %left;
   }), 'they are gone') or diag(explain($by));

is_deeply([ $site->workers ], \@workers, 'the worker has lived');
$site->stop;

done_testing;


sub get { return "GET $_[0] HTTP/1.1\r\nHost: main\r\n\r\n" }


sub upgraded {
    my $s = opened($site, "GET /upgrade HTTP/1.1\r\nHost: main\r\n"
                          . "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n");
    my $peer = $upgrade->accept;

    read_head($peer);
    send_to($peer, "HTTP/1.1 101 Switching Protocols\r\n"
                   . "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n");
    read_head($s);
    $open{peer} = $peer;

    return $s;
}


sub told {
    my $name = shift;

    my $by;

    ok(until_true(60, sub {
        $by = dump_of($site)->{by_kind};
        return !grep { ($by->{$_} // 0) < $want{$_} } keys %want;
    }), "$name: all are told") or diag(explain($by, \%want));
}


sub answered {
    my $name = shift;

    # an encoder that waits for a processor comes to the end of its time
    my @bad = grep {
        my $path = $_;
        !until_true(60, sub {
            return $site->request($path, seconds => 60)->{status} == 200;
        });
    } @endpoints;

    is("@bad", '', "$name: every endpoint answers");
}
