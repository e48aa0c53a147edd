#!/usr/bin/perl

# Upstreams of subrequests are counted, with their time, at the location of the
# subrequest: against the access log of the upstream; and tries for which no
# peer was alive, against nginx's error log.  Over HTTP/1.1, 2 and 3.

use strict;
use warnings;

use Test::More;
use Http3;
use Modules;
use Profile;
use Site;

Modules::skip_unbuilt('auth_request', 1) unless Modules::built('auth_request');

my $http3 = !Http3::missing();
my @lua = Modules::static() ? () : Profile::lua_modules();

# what is asked for, and the location that has the upstream
my %of = (
    'auth_request'       => ['/auth/page', '= /sub/auth'],
    'a nested one'       => ['/ssi/outer', '= /sub/inner'],
    'SSI'                => ['/ssi/ssi', '= /sub/ssi'],
    'addition'           => ['/added/page', '= /sub/added'],
    'a mirror'           => ['/mirror/page', '= /sub/mirror'],
    'slices'             => ['/sub/slice', '= /sub/slice'],
    'Lua'                => ['/lua', '= /sub/lua'],
    'an upstream by variable' => ['/variable/page', '= /sub/variable'],
    'a request itself'   => ['/sub/main', '= /sub/main'],
);

my $site = Site->new(
    workers  => 1,
    modules  => \@lua,
    noise    => qr/no live upstreams|Connection refused|directive is deprecated/,
    http     => <<'END',
    log_format upstream '$request_uri $request_time';
    proxy_cache_path DIR/cache keys_zone=cache:1m;
    keepalive_requests 100000;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
    upstream dead {
        server 127.0.0.1:PORT8 fail_timeout=600s;
        server 127.0.0.1:PORT9 fail_timeout=600s;
    }
    upstream shared {
        zone shared 64k;
        server 127.0.0.1:PORT8 fail_timeout=600s;
        server 127.0.0.1:PORT9 fail_timeout=600s;
    }
    server {
        listen 127.0.0.1:PORT1;
        access_log DIR/upstream.log upstream;
        # 20 ms for each piece but the last
        location / { rewrite ^ /slow break; root DIR/html;
                     limit_rate 100k; sendfile_max_chunk 2k; }
        location = /sub/slice { alias DIR/html/large; }
    }
END
    server   => "listen 127.0.0.1:PORT2 http2;"
                . ($http3 ? 'listen 127.0.0.1:PORT5 quic;' : '')
                . <<'END' . (@lua ? <<'END' : ''));
        location /sub/ { internal; proxy_pass http://127.0.0.1:PORT1; }
        location = /sub/auth { proxy_pass http://127.0.0.1:PORT1; }
        location = /sub/inner { proxy_pass http://127.0.0.1:PORT1; }
        location = /sub/ssi { proxy_pass http://127.0.0.1:PORT1; }
        location = /sub/added { proxy_pass http://127.0.0.1:PORT1; }
        location = /sub/mirror { proxy_pass http://127.0.0.1:PORT1; }
        location = /sub/lua { proxy_pass http://127.0.0.1:PORT1; }
        location = /sub/main { proxy_pass http://127.0.0.1:PORT1; }
        location = /sub/variable {
            set $to 127.0.0.1:PORT1;
            proxy_pass http://$to/sub/variable;
        }
        location = /sub/slice {
            slice 64k;
            proxy_set_header Range $slice_range;
            proxy_pass http://127.0.0.1:PORT1;
        }
        location = /sub/updated {
            proxy_pass http://127.0.0.1:PORT1;
            proxy_cache cache;
            proxy_cache_valid 200 1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
        }

        location /auth/ { auth_request /sub/auth; alias DIR/html/; }
        location /ssi/ { ssi on; ssi_types *; alias DIR/html/; }
        location /added/ { add_before_body /sub/added;
                           add_after_body /sub/added; addition_types *;
                           alias DIR/html/; }
        location /mirror/ { mirror /sub/mirror; alias DIR/html/; }
        location /variable/ { auth_request /sub/variable; alias DIR/html/; }
        location = /dead { auth_request /sub/dead; alias DIR/html/page; }
        location = /sub/dead { proxy_pass http://dead; }
        location = /alone { proxy_pass http://dead; }
        location = /shared { proxy_pass http://shared; }
END
        location = /lua { content_by_lua_block {
            ngx.location.capture("/sub/lua")
            ngx.location.capture_multi({{"/sub/lua"}, {"/sub/lua"}})
            ngx.say("here") } }
END

Profile::certificate($site);
spew($site->dir . '/html/page', "page\n");
spew($site->dir . '/html/slow', 's' x 5000);
spew($site->dir . '/html/ssi', join '', map {
    '<!--# include virtual="/sub/ssi" -->' } 1 .. 3);
spew($site->dir . '/html/outer', '<!--# include virtual="/ssi/inner" -->');
spew($site->dir . '/html/inner', '<!--# include virtual="/sub/inner" -->');
spew($site->dir . '/html/large', 'l' x 300_000);
$site->start;

for my $name (sort keys %of) {
    next if $name eq 'Lua' && !@lua;

    my ($path, $place) = @{ $of{$name} };

    for my $protocol (1 .. ($http3 ? 3 : 2)) {

        # Lua has no subrequests of a stream
        next if $name eq 'Lua' && $protocol > 1;

        my $before = upstream($place)->{n};

        is(status($protocol, $path), 200, "$name, HTTP/$protocol: it is served")
            for 1 .. 3;
        same("$name, HTTP/$protocol", $place, $before + 3);
    }
}

# nginx counts the time that a cache is valid in whole seconds

for my $protocol (1 .. ($http3 ? 3 : 2)) {
    my $before = upstream('= /sub/updated')->{n};

    sleep 3 if $before;
    status($protocol, '/sub/updated');
    sleep 3 if !$before;
    status($protocol, '/sub/updated') if !$before;
    same("an update in the background, HTTP/$protocol", '= /sub/updated',
         $before + 1);
}

is(told('/auth/')->{requests}, 0,
   'a location that authorizes has no upstream');

# no peer is alive

for (['/alone', '= /alone'], ['/dead', '= /sub/dead'], ['/shared', '= /shared'])
{
    my ($path, $place) = @$_;
    my $before = none();

    for my $protocol (1 .. ($http3 ? 3 : 2)) {
        status($protocol, $path) for 1 .. 3;
    }

    cmp_ok(none() - $before, '>', 0, "$path: no upstream is live");
    is(told($place)->{no_live}, none() - $before, "$path: ... as it is told");
}

is(told('= /alone')->{requests}, 1, 'a refused connection is a try');
is(told('= /sub/dead')->{requests}, 0, 'without a live peer there is none');

like($site->request('/metrics')->{body},
     qr/^nginx_profiling_upstream_duration_seconds_count\{
        server="main",location="=\ \/sub\/auth"\}\ @{[ $http3 ? 9 : 6 ]}$/mx,
     'Prometheus has upstreams of a location without requests');

$site->stop;

done_testing;


sub told {
    my $found = $site->location('main', $_[0]);

    return $found->{upstream} // { requests => 0, seconds => 0, no_live => 0 };
}


sub status {
    my ($protocol, $path) = @_;

    return $site->request($path)->{status} if $protocol == 1;

    return run('curl', '-s', '-m', 60, '--http2-prior-knowledge', '-o',
               '/dev/null', '-w', '%{http_code}',
               'http://127.0.0.1:' . $site->port(2) . $path) if $protocol == 2;

    my $client = Http3::opened($site->port(5), $path);
    my $status = $client->status;

    $client->end('INT');

    return $status;
}


sub upstream {
    my ($uri) = $_[0] =~ /= (.*)/;

    my @times = slurp($site->dir . '/upstream.log') =~ /^\Q$uri\E (\S+)$/mg;
    my $sum = 0;
    $sum += $_ for @times;

    return { n => scalar @times, seconds => $sum };
}


sub none { return scalar(() = $site->log =~ /no live upstreams/g) }


# Both sides know times in milliseconds.

sub same {
    my ($name, $place, $least) = @_;

    my ($told, $is);

    # the upstream logs when it has answered, the request when it has ended
    until_true(60, sub {
        ($told, $is) = (told($place), upstream($place));
        return $is->{n} >= $least && $told->{requests} == $is->{n};
    });

    cmp_ok($is->{n}, '>=', $least, "$name: the upstream is asked");
    is($told->{requests}, $is->{n}, "$name: its upstreams are at $place");
    cmp_ok($told->{seconds}, '>=', $is->{seconds} - 0.01 * $is->{n},
           "$name: ... with their time");
}
