#!/usr/bin/perl

# profiling_access: who may ask.  The machine's own addresses play the other
# machines: a connection to such an address also comes from it.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Site;

my @own = map { m{^\d+: (\S+)\s+inet6? ([^ /]+)/\d+ .*scope global} ? $2 : () }
          grep { !/ tentative| dadfailed/ }
          split /\n/, run('ip', '-o', 'addr');
my ($own) = grep { !/:/ } @own;
my ($own6) = grep { /:/ } @own;

my $listen = $own ? "listen $own:PORT1;" : '';
$listen .= $own6 ? "listen [$own6]:PORT1;" : '';

my $handlers = <<'END';
    location /api/profiling/ { profiling_api; }
    location = /metrics { profiling_prometheus; }
    location /debug/pprof/ { profiling_pprof; }
    location /any/ { profiling_access any; profiling_api; }
    location /any/local/ { profiling_access local; profiling_api; }
    location /basic/ { auth_basic x; auth_basic_user_file DIR/users;
                       profiling_access any; profiling_api; }
END

my $site = Site->new(
    handlers => $handlers,
    http => $Site::fast . <<'END',
    set_real_ip_from 0.0.0.0/0;
    set_real_ip_from ::/0;
    set_real_ip_from unix:;
    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
    log_format peer '$remote_addr';
    access_log DIR/peers.log peer;
    server { listen 127.0.0.1:PORT5; root DIR/html; }
END
    access => 'DIR/peers.log peer',
    server => "server_name *.wild.test .dot.test tail.* ~^regex;"
              . "listen [::1]:PORT2; listen unix:DIR/socket;"
              . "listen 127.0.0.1:PORT4 http2;"
              . "listen [::]:PORT3 ipv6only=off; $listen")->start;

my %to = (
    v4     => '127.0.0.1:' . $site->port,
    v6     => '[::1]:' . $site->port(2),
    unix   => $site->dir . '/socket',
    mapped => '127.0.0.1:' . $site->port(3),
    double => '[::1]:' . $site->port(3),
);


sub status {
    my ($to, $path, @headers) = @_;

    return $site->request($path, to => $to, headers => \@headers)->{status};
}


# nothing is reachable where no location has it

for my $path (qw(/api/profiling/ /api/profiling/metrics /api/profiling/gc
                 /metrics /debug/pprof/ /debug/pprof/heap /profiling/))
{
    is(status('127.0.0.1:' . $site->port(5), $path), 404, "no location: $path");
}

# loopback, with whatever a header makes of it

for my $name (sort keys %to) {
    is(status($to{$name}, '/api/profiling/gc'), 200, "$name: allowed");

    for my $forged (qw(8.8.8.8 127.0.0.1 2001:db8::1 ::1), '10.0.0.1, 8.8.8.8',
                    '8.8.8.8, 127.0.0.1', '127.0.0.1, 127.0.0.2')
    {
        my $status = $forged =~ /^(?:::1|(?:127\.0\.0\.\d(?:, )?)+)$/ ? 200 : 403;

        is(status($to{$name}, '/api/profiling/gc',
                  "X-Forwarded-For: $forged"), $status,
           "$name: $status, X-Forwarded-For: $forged");
    }

    like(slurp($site->dir . '/peers.log'), qr/^8\.8\.8\.8$/m,
         'realip did its work') if $name eq 'v4';
}

my $s = IO::Socket::INET->new(PeerAddr => $to{v4}, LocalAddr => '127.3.2.1');
print $s "GET /api/profiling/gc HTTP/1.0\r\n\r\n";
$s->flush;
like(Site::read_all($s, 60), qr{^HTTP/1.1 200}, 'all of 127/8');

# what a proxy on this machine says may only reduce what is allowed

for (
    ['X-Real-IP: 127.0.0.1', 200], ['X-Real-IP: ::1', 200],
    ['X-Real-IP: ::ffff:127.0.0.1', 200], ['X-Real-IP: unix:', 200],
    ['X-Real-IP: ', 200], ['X-Real-IP: 127.0.0.1:80', 200],
    ['X-Real-IP: [::1]', 200], ['X-Real-IP: [::1]:80', 200],
    ['X-Real-IP: 8.8.8.8', 403], ['X-Real-IP: ::ffff:8.8.8.8', 403],
    ['X-Real-IP: [2001:db8::1]:80', 403], ['X-Real-IP: 8.8.8.8:80', 403],
    ['X-Real-IP: localhost', 403], ['X-Real-IP: unknown', 403],
    ['X-Real-IP: 127.0.0.1x', 403], ['X-Real-IP: 127.1', 403],
    ['X-Real-IP: 0.0.0.0', 403], ['X-Real-IP: 127.0.0.1:80:80', 403],
    ['X-Real-IP: :80', 403], ['X-Real-IP: []', 403], ['X-Real-IP: [', 403],
    ["X-Real-IP: 127.0.0.1\r\nX-Real-IP: 8.8.8.8", 403],
    ['x-real-ip: 8.8.8.8', 403],
    ['Forwarded: for=127.0.0.1', 200], ['Forwarded: FOR=127.0.0.1', 200],
    ['Forwarded: for="[::1]:80"; proto=http;by=203.0.113.1', 200],
    ['Forwarded: by=8.8.8.8;for=127.0.0.1, for="127.0.0.2"', 200],
    ['Forwarded: host="a,b;for=8.8.8.8"', 200],
    ['Forwarded: host="\";for=8.8.8.8"', 200],
    ['Forwarded: proto=http', 200], ['Forwarded: ', 200],
    ['Forwarded: for=8.8.8.8', 403], ['forwarded: For="8.8.8.8:80"', 403],
    ['Forwarded: for=127.0.0.1, for=8.8.8.8', 403],
    ['Forwarded: for=127.0.0.1;for=8.8.8.8', 403],
    ['Forwarded: proto=http;for="[2001:db8::1]"', 403],
    ['Forwarded: for=_hidden', 403], ['Forwarded: for=unknown', 403],
    ['Forwarded: for', 403], ['Forwarded: for="127.0.0.1', 403],
    ['Forwarded: host="\\";for=8.8.8.8', 403],
    ['Forwarded: host="x"for=8.8.8.8', 403],
    ["Forwarded: for=127.0.0.1\r\nForwarded: for=8.8.8.8", 403],
)
{
    my ($header, $status) = @$_;
    my $name = $header =~ s/\r\n/, /gr;

    for my $to (qw(v4 v6 unix)) {
        my $got = $site->request('/api/profiling/gc', to => $to{$to},
                                 headers => [$header]);

        is($got->{status}, $status, "$to: $name");
        is(eval { decode_json($got->{body})->{error}{message} },
           'a proxy says that the client is not local '
           . '(profiling_access local)', 'it says why') if $status == 403;
    }

    is(status($to{v4}, '/any/gc', $header), 200, 'profiling_access any');
}

# a name that its owner lets point to this machine (DNS rebinding): only what
# can be no one else's, and what the server block names

my $port = $site->port;

for (
    ['localhost', 200], ["localhost:$port", 200], ['LocalHost', 200],
    ['localhost.', 200], ['127.0.0.1', 200], ["127.0.0.1:$port", 200],
    ['127.8.9.1', 200], ['[::1]', 200], ["[::1]:$port", 200],
    ['[::ffff:127.0.0.1]', 200], ['main', 200], ["MAIN:$port", 200],
    ['a.wild.test', 200], ['a.b.wild.test:1', 200], ['dot.test', 200],
    ['a.dot.test', 200],
    ['evil.test', 403], ["evil.test:$port", 403], ['localhost.evil.test', 403],
    ['evil-localhost', 403], ['localhos', 403], ['127.0.0.1.evil.test', 403],
    ['127.0.0.1x', 403], ['127.1', 403], ['2130706433', 403],
    ['0.0.0.0', 403], ['[::]', 403], ['10.0.0.1', 403], ['[2001:db8::1]', 403],
    ['main.evil.test', 403], ['notmain', 403], ['mai', 403],
    ['wild.test', 403], ['xwild.test', 403], ['a.wild.test.evil.test', 403],
    ['adot.test', 403], ['tail.evil.test', 403], ['regex.evil.test', 403],
    ['*.wild.test', 200], ['.dot.test', 200],
)
{
    my ($host, $status) = @$_;
    my $any = $host =~ /^[\d.]+\.[\d.]+\.[\d.]+$|^\[/ ? 200 : $status;

    my $got = $site->request('/api/profiling/gc', headers => ["Host: $host"]);

    is($got->{status}, $status, "Host: $host");
    is(eval { decode_json($got->{body})->{error}{message} },
       'this host is neither localhost nor a server_name here',
       'it says why') if $status == 403;

    # a page of that name, which is its own origin
    is($site->request('/metrics', headers => ["Host: $host",
                                              "Origin: http://$host",
                                              'Sec-Fetch-Site: same-origin'])
            ->{status}, $status, 'a page of it');

    is(status($to{unix}, '/api/profiling/gc', "Host: $host"), $status,
       'over a unix socket too, where a proxy may ask');
    is(status($to{v4}, '/any/gc', "Host: $host"), $any,
       "profiling_access any: $any");
}

is(status($to{v6}, '/api/profiling/gc', 'Host: evil.test'), 403,
   'over IPv6 too');
is(status($to{mapped}, '/api/profiling/gc', 'Host: evil.test'), 403,
   'and mapped');
is($site->request('/api/profiling/force-gc', method => 'POST',
                  headers => ['Host: evil.test'])->{status}, 403,
   'nothing can be forced');

for my $line ("GET http://evil.test/api/profiling/gc HTTP/1.1\r\nHost: main",
              "GET http://evil.test/api/profiling/gc HTTP/1.0")
{
    is(Site::parse($site->raw("$line\r\nConnection: close\r\n\r\n"))
           ->{status}, 403, 'nor by a whole URI');
}

# other addresses

SKIP: {
    skip 'no address but loopback: it takes a network', 1 unless @own;

    my @foreign = ((map { "$own:" . $site->port($_) } $own ? (1, 3) : ()),
                   (map { "[$own6]:" . $site->port($_) } $own6 ? (1, 3) : ()));

    my $forced = $site->json('gc')->{forced};

    for my $to (@foreign) {
        for my $headers ([], ['X-Forwarded-For: 127.0.0.1'],
                         ['X-Forwarded-For: ::1'],
                         ['X-Forwarded-For: unix:'],
                         ['X-Real-IP: 127.0.0.1', 'Forwarded: for=127.0.0.1'])
        {
            my $got = $site->request('/api/profiling/gc', to => $to,
                                     headers => $headers);

            is($got->{status}, 403, "$to: 403, @$headers");
            is_deeply(eval { decode_json($got->{body}) },
                      { error => { status => 403,
                                   message => 'only local clients may ask '
                                              . '(profiling_access local)' } },
                      'it says why');
            is($got->{headers}{'cache-control'}, 'no-store', 'not cached');
        }

        for my $path (qw(/api/profiling/metrics /api/profiling/nothing
                         /api/profiling/metrics/history?count=x
                         /api/profiling/ /metrics /debug/pprof/
                         /debug/pprof/cmdline /debug/pprof/profile?seconds=1
                         /any/local/gc))
        {
            my $got = $site->request($path, to => $to);
            is($got->{status}, 403, "$to: $path is a 403");
            unlike($got->{body}, qr/nginx_profiling|"metrics"|"num_gc"/,
                   'and tells nothing');
        }

        is($site->request('/api/profiling/force-gc', method => 'POST',
                          to => $to)->{status}, 403, 'nor may it force');

        is(status($to, '/any/gc'), 200, "$to: profiling_access any lets it");
        is(status($to, '/any/gc', "Host: $to"), 200, '... by its address');
        is(status($to, '/any/gc', 'Host: evil.test'), 403,
           '... by no name but its own');
        is(status($to, '/any/gc', $_), 403, "... $_")
            for 'Sec-Fetch-Site: cross-site', 'Origin: http://evil';
    }

    is($site->json('gc')->{forced}, $forced, 'what is refused is not done');
}

# pages of others, in a browser of this machine

for (
    ['Sec-Fetch-Site: none', 200], ['Sec-Fetch-Site: same-origin', 200],
    ['Sec-Fetch-Site: SAME-ORIGIN', 200],
    ['Sec-Fetch-Site: same-site', 403], ['Sec-Fetch-Site: cross-site', 403],
    ['sec-fetch-site: cross-site', 403], ['Sec-Fetch-Site: ', 403],
    ['Sec-Fetch-Site: nonesuch', 403],
    ["Origin: http://localhost:$port", 200, "localhost:$port"],
    ["Origin: https://localhost:$port", 200, "localhost:$port"],
    ["Origin: http://LOCALHOST:$port", 200, "localhost:$port"],
    ['Origin: http://localhost', 403, "localhost:$port"],
    ["Origin: http://127.0.0.1:$port", 403, "localhost:$port"],
    ['Origin: http://localhost:1', 403, "localhost:$port"],
    ["Origin: http://localhost:${port}0", 403, "localhost:$port"],
    ["Origin: http://evil/localhost:$port", 403, "localhost:$port"],
    ["Origin: http://evil.localhost:$port", 403, "localhost:$port"],
    ["Origin: http://evil://localhost:$port", 403, "localhost:$port"],
    ['Origin: null', 403], ['Origin: ', 403], ['Origin: main', 403],
    ['Origin: ://main', 403], ['Origin: http://main', 200],
    ["Origin: http://main\r\nSec-Fetch-Site: same-origin", 200],
    ["Origin: http://main\r\nSec-Fetch-Site: cross-site", 403],
    ["Origin: http://evil\r\nSec-Fetch-Site: same-origin", 403],
    ["Origin: http://main\r\nOrigin: http://evil", 403],
    ["Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site", 403],
)
{
    my ($header, $status, $host) = @$_;
    my @host = $host ? ("Host: $host") : ();
    my $name = $header =~ s/\r\n/, /gr;

    my $got = $site->request('/api/profiling/gc',
                             headers => [$header, @host]);

    is($got->{status}, $status, "$name" . ($host ? " to $host" : ''));
    is(eval { decode_json($got->{body})->{error}{message} },
       'pages of other sites may not ask', 'it says why') if $status == 403;

    is($site->request('/metrics', headers => [$header, @host])->{status},
       $status, 'the same for /metrics');
    is($site->request('/any/gc', headers => [$header, @host])->{status},
       $status, 'and for profiling_access any');
}

my $forced = $site->json('gc')->{forced};
is($site->request('/api/profiling/force-gc', method => 'POST',
                  headers => ['Sec-Fetch-Site: cross-site'])->{status}, 403,
   'a form of another site');
is($site->json('gc')->{forced}, $forced, 'forces nothing');

# HTTP/2, where a pseudo-header is the host in force

my $h2 = '127.0.0.1:' . $site->port(4);

for ([200], ["Origin: http://$h2", 200], ['Origin: http://evil', 403],
     ['Host: evil.test', 403], ['Sec-Fetch-Site: cross-site', 403],
     ['X-Forwarded-For: 8.8.8.8', 403], ['Forwarded: for=8.8.8.8', 403],
     ['X-Forwarded-For: ::1', 200])
{
    my ($status, @header) = reverse @$_;

    is(run('curl', '-s', '-m', 60, '--http2-prior-knowledge', '-o', '/dev/null',
           '-w', '%{http_version} %{http_code}', map({ ('-H', $_) } @header),
           "http://$h2/api/profiling/gc"), "2 $status", "HTTP/2: @header");
}

# with a password that the browser remembers

spew($site->dir . '/users', "me:{PLAIN}secret\n");

for (['Sec-Fetch-Site: cross-site', 403], ['Origin: http://evil', 403],
     ['Host: evil.test', 403], ['Sec-Fetch-Site: same-origin', 200])
{
    my ($header, $status) = @$_;
    my @auth = ('Authorization: Basic bWU6c2VjcmV0', $header);

    is($site->request('/basic/force-gc', method => 'POST', headers => \@auth)
            ->{status}, $status, "auth_basic, POST with $header: $status");
}

is($site->request('/basic/force-gc', method => 'POST')->{status}, 401,
   'and nobody without it');

# the host in force is that of a whole URI

for (['main', "http://main:$port", "main:$port", 200],
     ["main:$port", "http://main:$port", 'evil.test', 403],
     ["main:$port", "http://main:$port", "main:1", 403],
     ['evil.test', 'http://main', "main:$port", 403],
     ["x:$port", 'http://main', 'main', 200])
{
    my ($host, $origin, $uri, $status) = @$_;

    is(Site::parse($site->raw("GET http://$uri/api/profiling/gc HTTP/1.1\r\n"
                              . "Host: $host\r\nOrigin: $origin\r\n"
                              . "Connection: close\r\n\r\n"))->{status},
       $status, "http://$uri with Host: $host from $origin");
}

is(Site::parse($site->raw("GET /api/profiling/gc HTTP/1.0\r\n"
                          . "Origin: http://a\r\n\r\n"))->{status}, 403,
   'an origin without a host');

$site->stop;
done_testing;
