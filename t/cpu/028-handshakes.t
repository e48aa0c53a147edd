#!/usr/bin/perl

# TLS handshakes have the server that answers them: of several on a socket the
# one that the client names, or the socket's own if it names none or another
# one; with a certificate of its own each, over TCP and, where nginx has HTTP/3,
# QUIC.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep);
use Http3;
use Modules;
use Profile;
use Sampled;
use Site;

my $quic = Modules::built('http3');

# the port, the name that the client sends, the server that answers
my @cases = (
    ['the first server, by its name', 1, 'first.test', 'first.test'],
    ['another server, by its name', 1, 'second.test', 'second.test'],
    ['a server by a part of its name', 1, 'www.wild.test', '*.wild.test'],
    ['no name', 1, undef, 'first.test'],
    ['a name of no server', 1, 'third.test', 'first.test'],
    ['one server alone, by its name', 2, 'alone.test', 'alone.test'],
    ['one server alone, no name', 2, undef, 'alone.test'],
);

my $site = Site->new(
    workers  => 1,
    handlers => $Profile::handlers,
    http     => <<'END' . join('', map { server(@$_) }
    profiling_cpu_rate 1000;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
    ssl_session_cache off;
    ssl_session_tickets off;
END
        [1, 'first.test'], [1, 'second.test'], [1, '*.wild.test'],
        [2, 'alone.test']),
);

# the server has more to do than its client
Profile::certificate($site, 4096);
$site->start;

require IO::Socket::SSL;
my $context = IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0);

for (@cases) {
    my ($name, $port, $sent, $server) = @$_;

    answered($name, $server, sub { client($site->port($port), $sent) });
}

SKIP: {
    my ($missing) = Http3::missing();
    skip("$missing; t/build/030-source.t builds an nginx that has it", 1)
        if $missing;

    for (@cases) {
        my ($name, $port, $sent, $server) = @$_;

        answered("$name, QUIC", $server, sub {
            Http3::named($site->port($port), $sent)->end('INT');
        });
    }
}

$site->stop;

done_testing;


sub server {
    my ($port, $name) = @_;

    my $default = $name eq 'first.test' ? ' default_server' : '';

    return "server { server_name $name; listen 127.0.0.1:PORT$port ssl$default;"
           . ($quic ? " listen 127.0.0.1:PORT$port quic$default;" : '')
           . " location / { return 200; } }\n";
}


sub client {
    my ($port, $name) = @_;

    my $s = IO::Socket::SSL->new(PeerAddr => "127.0.0.1:$port",
                                 SSL_reuse_ctx => $context,
                                 SSL_hostname => $name // '');
    close $s if $s;
}


# One case at a time: whatever handshake is sampled, it is of that server, but
# for the last ones of the case before.

sub answered {
    my ($name, $server, $client) = @_;

    # a pause leaves the processor to whoever else needs it
    my $load = Profile::repeat(sub { $client->(); sleep 0.01 });
    my $shakes = has('ngx_prof_tls_handshake');
    my $p = Profile::take_until($site, sub { sum($_[0], $shakes) > 0.1e9 },
                                seconds => 1);

    Profile::end($load);

    is_mostly($p, 0.98, "$name: it has its server", $shakes,
              labelled(state => 'tls', server => $server))
        or wrong($p, $shakes);
}
