#!/usr/bin/perl

# When a response is over: what a request does after it, held until the client
# has its response and half a second has passed, is told as after_response and
# not as latency; against the client's own clock.

use strict;
use warnings;

use IO::Select;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC sleep);
use Http3;
use Modules;
use Profile;
use Site;

my $hold = 0.5;
my $http3 = !Http3::missing();
my @lua = Modules::static() ? () : Profile::lua_modules();

my $site = Site->new(
    workers  => 1,
    modules  => \@lua,
    handlers => $Profile::handlers,
    noise    => qr/upstream prematurely closed|directive is deprecated/,
    http     => <<'END',
    proxy_cache_path DIR/cache keys_zone=cache:1m;
    client_max_body_size 1k;
    proxy_read_timeout 600s;
    lingering_time 600s;
    lingering_timeout 600s;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
END
    server   => ($http3 ? "listen 127.0.0.1:PORT5 quic;\n" : '')
                . <<'END' . (@lua ? <<'END' : ''));
        listen 127.0.0.1:PORT2 http2;
        listen 127.0.0.1:PORT3 ssl;

        location /held { proxy_pass http://127.0.0.1:PORT4; }
        location = /files/empty { mirror /held; alias DIR/html/empty; }
        location /files/ { mirror /held; alias DIR/html/; }
        location /nothing/ { mirror /held; alias DIR/html/;
                             if_modified_since before; }
        location = /updated {
            proxy_pass http://127.0.0.1:PORT4;
            proxy_cache cache;
            proxy_cache_valid 200 1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
        }
        location = /acts { post_action /held; alias DIR/html/page; }
        location = /discards { return 200 "here\n"; }
        location = /large { return 200 "never\n"; }
        location = /part { proxy_pass http://127.0.0.1:PORT4;
                           proxy_buffering off; }
        location = /slow { alias DIR/html/big; }
END
        location = /eof { content_by_lua_block {
            ngx.say("here"); ngx.eof(); ngx.location.capture("/held") } }
        location = /busy { content_by_lua_block {
            ngx.say("here"); ngx.eof();
            local now = ngx.now
            ngx.update_time()
            local till = now() + 0.5
            while now() < till do ngx.update_time() end } }
        location = /logs { alias DIR/html/page; log_by_lua_block {
            local now = ngx.now
            ngx.update_time()
            local till = now() + 0.5
            while now() < till do ngx.update_time() end } }
END

spew($site->dir . '/html/page', "page\n");
spew($site->dir . '/html/empty', '');
spew($site->dir . '/html/big', 'b' x 20_000_000);
Profile::certificate($site);

my $back = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
                                 LocalAddr => '127.0.0.1:' . $site->port(4))
           or die "cannot listen: $!\n";

$site->start;

# HTTP/1.1, and over TLS

for my $tls (0, 1) {
    my $over = $tls ? ' over TLS' : '';

    after("a mirror$over", '/files/', tls => $tls, asks => '/files/page');
}

after('a mirror of an empty file', '= /files/empty', asks => '/files/empty');
after('a mirror of a HEAD', '/files/', method => 'HEAD',
      asks => '/files/page');
after('a mirror of what is not modified', '/nothing/', asks => '/nothing/page',
      headers => 'If-Modified-Since: Fri, 31 Dec 2038 00:00:00 GMT');
after('a mirror of what is not found', '/files/', asks => '/files/none');
after('a post_action', '= /acts', asks => '/acts');

# the cache is filled, and grows stale: nginx counts in whole seconds
my $s = sent('/updated');
answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nold\n");
like(response($s), qr/old/, 'a cache is filled');
sleep 3;
after('an update in the background', '= /updated', asks => '/updated');

SKIP: {
    skip('no Lua: install libnginx-mod-http-lua', 1) unless @lua;

    after('work after ngx.eof()', '= /eof', asks => '/eof');
    after('a busy loop after ngx.eof()', '= /busy', asks => '/busy', alone => 1);
    after('log_by_lua', '= /logs', asks => '/logs', alone => 1);
}

# the client holds these

after('a body that is discarded', '= /discards', method => 'POST',
      asks => '/discards', headers => 'Content-Length: 100', then => 'x' x 100);
after('a body that is too large', '= /large', method => 'POST',
      asks => '/large', headers => 'Content-Length: 100000',
      then => 'x' x 1000);
after('a URI that is too long', undef, asks => '/' . 'u' x 40000,
      then => 'x' x 1000);

# many streams on a connection that stays

streams('HTTP/2', sub {
    my $pid = fork() // die;

    if (!$pid) {
        open STDOUT, '>', $site->dir . '/nghttp';
        exec('nghttp', '-v', map { 'http://127.0.0.1:' . $site->port(2) . $_ }
                                 @_) or POSIX::_exit(127);
    }

    return $pid;
}, sub { return slurp($site->dir . '/nghttp') });

SKIP: {
    skip(Http3::missing()
         . '; t/build/030-source.t builds an nginx that has it', 1)
        unless $http3;

    my $client;
    streams('HTTP/3', sub {
        $client = Http3::opened($site->port(5), @_);
    }, sub { return $client->said });
}

# responses that were not over

during('a response whose rest does not come', '= /part', sub {
    my $s = sent('/part');
    my $up = answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart", 1);
    until_true(60, sub { IO::Select->new($s)->can_read(1) });
    sleep $hold;
    close $up;
    Site::read_all($s, 60);
});

during('a client that reads slowly', '= /slow', sub {
    my $s = $site->connect;
    request($s, '/slow');
    sleep $hold;
    like(Site::read_all($s, 60), qr/b{1000}\z/, 'a client reads slowly');
});

$site->stop;

done_testing;


sub now { return clock_gettime(CLOCK_MONOTONIC) }


sub request {
    my ($s, $path, %o) = @_;

    print $s join "\r\n", ($o{method} // 'GET') . " $path HTTP/1.1",
                  'Host: main', $o{headers} // (), 'Connection: close', '', '';
    $s->flush;
}


sub sent {
    my ($path, %o) = @_;

    my $s = $o{tls} ? do {
        require IO::Socket::SSL;
        IO::Socket::SSL->new(PeerAddr => '127.0.0.1:' . $site->port(3),
                             SSL_verify_mode => 0);
    } : $site->connect;

    request($s, $path, %o);

    return $s;
}


# what has come when nothing more does: the connection may stay open

sub response {
    my $s = shift;

    my $got = '';
    until_true(60, sub {
        sysread $s, $got, 65536, length $got;
        return $got =~ /\r\n\r\n/;
    });

    return $got;
}


# the next connection to the upstream; kept: it is not closed

sub answer {
    my ($text, $kept) = @_;

    IO::Select->new($back)->can_read(60) or die "nothing came";
    my $up = $back->accept;
    sysread $up, my $got, 65536;
    syswrite $up, $text;

    return $kept ? $up : undef;
}


sub released { answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }


sub counted {
    my $place = shift;

    my $found = $site->location('main', $place);

    return { requests => $found->{requests} // 0,
             seconds => $found->{seconds} // 0,
             after => $found->{after_response}{requests} // 0,
             later => $found->{after_response}{seconds} // 0 };
}


# Half of the time that something is held is what a client's clock and ours may
# be apart.

sub after {
    my ($name, $place, %o) = @_;

    my $before = counted($place);
    my $start = now();
    my $s = sent($o{asks}, %o);

    like(response($s), qr{^HTTP/1\.1 \d}, "$name: the response comes");
    my $took = now() - $start;

    if (!$o{alone}) {
        sleep $hold;

        if ($o{then}) {
            print $s $o{then};
            $s->flush;

        } else {
            released();
        }
    }

    close $s;

    told($name, $place, $before, $took, 1);
}


sub told {
    my ($name, $place, $before, $took, $n) = @_;

    my $now;
    until_true(60, sub {
        $now = counted($place);
        return $now->{requests} >= $before->{requests} + $n;
    });

    is($now->{requests} - $before->{requests}, $n, "$name: counted once");
    cmp_ok($now->{seconds} - $before->{seconds}, '<', $took + $n * $hold / 2,
           "$name: the latency is the client's");
    is($now->{after} - $before->{after}, $n, "$name: after the response");
    cmp_ok($now->{later} - $before->{later}, '>', $n * $hold / 2,
           "$name: ... for as long as it was held");
}


sub streams {
    my ($name, $opened, $said) = @_;

    my @paths = ('/files/page', '/nothing/page', '/acts');
    my %before = map { $_ => counted($_) } '/files/', '/nothing/', '= /acts';
    my $start = now();
    my $client = $opened->(@paths, '/held');

    until_true(60, sub {
        return (() = $said->() =~ /:status: 200/g) >= @paths;
    }) or diag($said->());
    my $took = now() - $start;

    sleep $hold;
    released() for @paths, '/held';

    told("$name, $_", $_, $before{$_}, $took, 1) for sort keys %before;

    if (ref $client) {
        $client->end('INT');
    } else {
        waitpid $client, 0;
    }
}


sub during {
    my ($name, $place, $code) = @_;

    my $before = counted($place);

    $code->();

    my $now;
    until_true(60, sub {
        $now = counted($place);
        return $now->{requests} > $before->{requests};
    });

    cmp_ok($now->{seconds} - $before->{seconds}, '>=', $hold,
           "$name: the latency is all of it");
    is($now->{after}, $before->{after}, "$name: nothing is after it");
}
