#!/usr/bin/perl

# Bytes that came for a request, against what this client has sent: also those
# that nginx discards, drops, cannot parse, or hands to an upstream after an
# upgrade.  Of a stream of HTTP/2 or 3, what comes until its request ends.

use strict;
use warnings;

use IO::Select;
use Test::More;
use Dump qw(frame send_to);
use Http3;
use Profile;
use Site;

my $http3 = !Http3::missing();

my $site = Site->new(
    workers => 1,
    noise   => qr/directive is deprecated/,
    http    => <<'END',
    client_max_body_size 100k;
    client_header_buffer_size 1k;
    large_client_header_buffers 2 1k;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
END
    server  => ($http3 ? "listen 127.0.0.1:PORT3 quic;\n" : '') . <<'END');
        listen 127.0.0.1:PORT2 http2;
        listen 127.0.0.1:PORT3 ssl;
        keepalive_timeout 600s;
        location = /returns { return 200 "here\n"; }
        location = /fails { return 403; }
        location = /slowly { limit_rate 2; return 200 "here\n"; }
        location = /file { alias DIR/html/file; }
        location = /reads { proxy_pass http://127.0.0.1:PORT5/; }
        location = /socket {
            proxy_pass http://127.0.0.1:PORT4;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }
        listen 127.0.0.1:PORT5;
        location = / { return 200 "read\n"; }
END

spew($site->dir . '/html/file', "file\n");
Profile::certificate($site);

my $back = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
                                 LocalAddr => '127.0.0.1:' . $site->port(4))
           or die "cannot listen: $!\n";

$site->start;

my $body = 'x' x 3000;
my $length = "Content-Length: 3000\r\n";
my $chunked = "Transfer-Encoding: chunked\r\n";
my $chunks = "bb8\r\n$body\r\n0\r\n\r\n";

for my $tls (0, 1) {
    my $over = $tls ? ', over TLS' : '';

    for my $path ('/returns', '/fails', '/file', '/reads') {
        came("a body for $path$over", "= $path", $tls,
             post($path, $length) . $body);
        came("a body for $path, on a connection that stays$over", "= $path",
             $tls, (post($path, $length) . $body) x 2);
    }

    came("no body$over", '= /returns', $tls, post('/returns'));
    came("a URI that is too long$over", undef, $tls, 'GET /' . 'u' x 1019);
    came("no request$over", undef, $tls, "nothing\r\n\r\n");
    came("a header that is too large$over", undef, $tls,
         "GET / HTTP/1.1\r\nHost: main\r\nX: " . 'x' x 1021);
}

came('chunks that are discarded', '= /returns', 0,
     post('/returns', $chunked) . $chunks);
came('chunks that are read', '= /reads', 0, post('/reads', $chunked) . $chunks);
came('a URI that is much too long', undef, 0, 'GET /' . 'u' x 30000);
came('a body that is too large', '= /reads', 0,
     post('/reads', "Content-Length: 1000000\r\n") . 'x' x 200000);

# streams

for my $path ('/returns', '/fails', '/file', '/reads') {
    stream("HTTP/2: a body for $path", $path, $body,
           "\x0f\x0d\x043000");
    stream("HTTP/2: a body of no known length for $path", $path, $body);
}

stream('HTTP/2: no body', '/returns', '');
stream('HTTP/2: a body that is too large', '/reads', 'x' x 60000,
       "\x0f\x0d\x06200000");

SKIP: {
    skip(Http3::missing()
         . '; t/build/030-source.t builds an nginx that has it', 1)
        unless $http3;

    spew($site->dir . '/body', $body);

    for my $path ('/slowly', '/reads') {
        my $before = bytes("= $path");
        my $client = Http3::posted($site->port(3), $site->dir . '/body', $path);
        my $told = told("= $path", $before);

        cmp_ok($client->sent, '>', 3000, "HTTP/3: a body for $path is sent");
        is($told, $client->sent, "HTTP/3: ... and comes");
        $client->end('INT');
    }
}

# an upgrade

my $before = bytes('= /socket');
my $s = connected(0);
my $request = "GET /socket HTTP/1.1\r\nHost: main\r\nUpgrade: raw\r\n"
              . "Connection: upgrade\r\n\r\n";
print $s $request;
$s->flush;
IO::Select->new($back)->can_read(60) or die "nothing came\n";
my $up = $back->accept;
sysread $up, my $got, 65536;
print $up "HTTP/1.1 101 Go\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\n";
$up->flush;
sysread $s, $got, 65536;
print $s 'w' x 1_000_000;
$s->flush;
my $read = 0;
while ($read < 1_000_000) {
    $read += sysread($up, $got, 65536) || last;
}
is($read, 1_000_000, 'an upgraded connection: the upstream has it all');
close $up;
close $s;
is(told('= /socket', $before), length($request) + 1_000_000,
   'an upgraded connection: all of it came');

$site->stop;

done_testing;


sub post {
    my ($path, $header) = @_;

    return "POST $path HTTP/1.1\r\nHost: main\r\n" . ($header // '') . "\r\n";
}


sub connected {
    my $tls = shift;

    return $site->connect unless $tls;

    require IO::Socket::SSL;
    return IO::Socket::SSL->new(PeerAddr => '127.0.0.1:' . $site->port(3),
                                SSL_verify_mode => 0);
}


sub bytes {
    my $found = $site->location('main', $_[0]);

    return { in => $found->{bytes_in} // 0, n => $found->{requests} // 0 };
}


sub told {
    my ($place, $before, $n) = @_;

    my $now;
    until_true(60, sub {
        $now = bytes($place);
        return $now->{n} >= $before->{n} + ($n // 1);
    });

    return $now->{in} - $before->{in};
}


# A stream with a body in frames, whose response waits for the client until all
# of it has come, as the answer to a PING says.

sub stream {
    my ($name, $path, $body, $header) = @_;

    # :method POST, :scheme http, :path, :authority: RFC 7541, A
    my $block = "\x83\x86\x04" . chr(length $path) . $path . "\x01\x04main"
                . ($header // '');
    my @parts = $body =~ /.{1,1000}/gs;
    my $last = pop @parts;
    my $before = bytes("= $path");
    my $s = $site->connect("127.0.0.1:" . $site->port(2));

    send_to($s, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                . frame(4, 0, 0, pack 'nN', 4, 0)
                . frame(1, defined $last ? 4 : 5, 1, $block)
                . join('', map { frame(0, 0, 1, $_) } @parts)
                . (defined $last ? frame(0, 1, 1, $last) : '')
                . frame(6, 0, 0, 'received'));

    my $got = '';
    until_true(60, sub {
        sysread $s, $got, 65536, length $got;
        return $got =~ /\0\0\x08\x06\x01\0\0\0\0received/;
    }) or diag("no answer to a PING");

    send_to($s, frame(8, 0, 1, pack 'N', 100000));
    is(told("= $path", $before), length($block) + length($body), $name);
    close $s;
}


# All are sent at once, then the client waits for the first bytes of an answer
# and closes its side: nginx reads what has come before it sees that.

sub came {
    my ($name, $place, $tls, @requests) = @_;

    my $before = bytes($place);
    my $s = connected($tls);
    my $sent = 0;

    for my $request (@requests) {
        print $s $request;
        $s->flush;
        $sent += length $request;
        sysread $s, my $got, 65536;
    }

    $tls ? close $s : shutdown $s, 1;

    is(told($place, $before, scalar @requests), $sent, $name);
}
