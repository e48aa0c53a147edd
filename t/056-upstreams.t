#!/usr/bin/perl

# Upstreams of subrequests are counted, with their time, at the location of the
# subrequest: against the access log of the upstream; and tries for which no
# peer was alive, against nginx's error log.

use strict;
use warnings;

use Test::More;
use Modules;
use Profile;
use Site;

my $echo = '/usr/lib/nginx/modules/ngx_http_echo_module.so';

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
    modules  => [ Profile::lua_modules(), $echo ],
    noise    => qr/no live upstreams|Connection refused/,
    http     => <<'END',
    log_format upstream '$uri $request_time';
    proxy_cache_path DIR/cache keys_zone=cache:1m;
    keepalive_requests 100000;
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
        location / { echo_sleep 0.02; echo here; }
        location = /sub/slice { alias DIR/html/large; }
    }
END
    server   => <<'END');
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
        location = /lua { content_by_lua_block {
            ngx.location.capture("/sub/lua")
            ngx.location.capture_multi({{"/sub/lua"}, {"/sub/lua"}})
            ngx.say("here") } }

        location = /dead { auth_request /sub/dead; alias DIR/html/page; }
        location = /sub/dead { proxy_pass http://dead; }
        location = /alone { proxy_pass http://dead; }
        location = /shared { proxy_pass http://shared; }
END

spew($site->dir . '/html/page', "page\n");
spew($site->dir . '/html/ssi', join '', map {
    '<!--# include virtual="/sub/ssi" -->' } 1 .. 3);
spew($site->dir . '/html/outer', '<!--# include virtual="/ssi/inner" -->');
spew($site->dir . '/html/inner', '<!--# include virtual="/sub/inner" -->');
spew($site->dir . '/html/large', 'l' x 300_000);
$site->start;

for my $name (sort keys %of) {
    my ($path, $place) = @{ $of{$name} };

    is($site->request($path)->{status}, 200, "$name: it is served") for 1 .. 5;
    same($name, $place);
}

# nginx counts the time that a cache is valid in whole seconds

$site->request('/sub/updated');
sleep 3;
$site->request('/sub/updated');
until_true(60, sub { upstream('/sub/updated')->{n} == 2 });
same('an update in the background', '= /sub/updated');

is(told('/auth/')->{requests}, 0,
   'a location that authorizes has no upstream');

# no peer is alive

for (['/alone', '= /alone'], ['/dead', '= /sub/dead'], ['/shared', '= /shared'])
{
    my ($path, $place) = @$_;
    my $before = none();

    $site->request($path) for 1 .. 5;

    cmp_ok(none() - $before, '>', 0, "$path: no upstream is live");
    is(told($place)->{no_live}, none() - $before, "$path: ... as it is told");
}

is(told('= /alone')->{requests}, 1, 'a refused connection is a try');
is(told('= /sub/dead')->{requests}, 0, 'without a live peer there is none');

like($site->request('/metrics')->{body},
     qr/^nginx_profiling_upstream_duration_seconds_count\{
        server="main",location="=\ \/sub\/auth"\}\ 5$/mx,
     'Prometheus has upstreams of a location without requests');

$site->stop;

done_testing;


sub told {
    my $found = $site->location('main', $_[0]);

    return $found->{upstream} // { requests => 0, seconds => 0, no_live => 0 };
}


sub upstream {
    my $uri = shift;

    my @times = slurp($site->dir . '/upstream.log') =~ /^\Q$uri\E (\S+)$/mg;
    my $sum = 0;
    $sum += $_ for @times;

    return { n => scalar @times, seconds => $sum };
}


sub none { return scalar(() = $site->log =~ /no live upstreams/g) }


# Both sides know times in milliseconds.

sub same {
    my ($name, $place) = @_;

    my ($uri) = $place =~ /= (.*)/;
    my ($told, $is);

    # the upstream logs when it has answered, the request when it has ended
    until_true(60, sub {
        ($told, $is) = (told($place), upstream($uri));
        return $told->{requests} && $told->{requests} == $is->{n};
    });

    cmp_ok($is->{n}, '>', 0, "$name: the upstream is asked");
    is($told->{requests}, $is->{n}, "$name: its upstreams are at $place");
    cmp_ok($told->{seconds}, '>=', $is->{seconds} - 0.01 * $is->{n},
           "$name: ... with their time");
}
