#!/usr/bin/perl

# profiling_access over HTTP/3, where a pseudo-header is the host in force: what
# 060-access.t asks over HTTP/1.1 and 2, of pages of others, rebound names and
# claims of proxies.

use strict;
use warnings;

use Test::More;
use Http3;
use Profile;
use Site;

my ($missing) = Http3::missing();
plan(skip_all => "$missing; t/build/030-source.t builds an nginx that has it")
    if $missing;

my $site = Site->new(handlers => $Profile::handlers,
                     http => <<'END', server => <<'END');
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
END
    listen 127.0.0.1:PORT1 quic;
    location /any/ { profiling_access any; profiling_api; }
END

Profile::certificate($site);
$site->start;

my $host = '127.0.0.1:' . $site->port(1);

for ([200], ["Origin: https://$host", 200], ["Origin: http://$host", 200],
     ["Origin: https://$host", 'Sec-Fetch-Site: same-origin', 200],
     ['Sec-Fetch-Site: none', 200], ['Sec-Fetch-Site: same-site', 403],
     ['Sec-Fetch-Site: cross-site', 403], ['Origin: null', 403],
     ['Origin: https://evil', 403], ['Origin: https://127.0.0.1:1', 403],
     ["Origin: https://$host", 'Sec-Fetch-Site: cross-site', 403],
     ['Origin: https://evil', 'Sec-Fetch-Site: same-origin', 403],
     ['Origin: https://main', 403])
{
    my ($status, @headers) = reverse @$_;

    for my $path ('/api/profiling/gc', '/metrics', '/any/gc') {
        is(status($path, @headers), $status, "$path: $status, @headers");
    }
}

# what is refused is not done

my $forced = $site->json('gc')->{forced};
is(status('/debug/pprof/heap?gc=1', 'Sec-Fetch-Site: cross-site'), 403,
   'nothing is forced by a page of others');
is($site->json('gc')->{forced}, $forced, '... and was not');

# names

for (['localhost', 200], ['main', 200], ['evil.test', 403],
     ['localhost.evil.test', 403])
{
    my ($name, $status) = @$_;
    my $uri = "https://$name:" . $site->port(1);

    for my $path ('/api/profiling/gc', '/any/gc') {
        is(status("$uri$path"), $status, "$name: $status, $path");
        is(status("$uri$path", "Origin: $uri"), $status, '... a page of it');
        is(status("$uri$path", 'Origin: https://main:1'), 403,
           '... of another one');
    }
}

# claims

for (['X-Forwarded-For: 8.8.8.8', 403], ['Forwarded: for=8.8.8.8', 403],
     ['X-Real-IP: 8.8.8.8', 403], ['X-Forwarded-For: ::1', 200])
{
    my ($header, $status) = @$_;

    is(status('/api/profiling/gc', $header), $status, "$status, $header");
    is(status('/any/gc', $header), 200, "profiling_access any, $header");
}

$site->stop;
done_testing;


sub status {
    my $client = Http3::asked($site->port(1), @_);
    my $status = $client->status;

    $client->end('INT');

    return $status;
}
