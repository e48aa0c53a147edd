#!/usr/bin/perl

# Slow requests: which are kept, by what they waited for, that their parts are
# all of their time; those that go on; the list narrowed, sorted, as a trace.

use strict;
use warnings;

use File::Temp qw(tempdir);
use List::Util qw(max sum0);
use Test::More;
use Time::HiRes qw(sleep);
use Profile;
use Site;

# directives of http, see 058-billed.t
our $also //= '';

my $keys = tempdir(CLEANUP => 1);

system('openssl req -x509 -nodes -days 2 -subj /CN=main -newkey ec -pkeyopt '
       . "ec_paramgen_curve:P-256 -keyout $keys/key -out $keys/crt "
       . '2>/dev/null') == 0
    or die "openssl failed\n";

my $site = Site->new(
    workers => 2,
    modules => [Profile::lua_modules(),
                '/usr/lib/nginx/modules/ngx_http_echo_module.so'],
    handlers => $Profile::handlers,
    access  => 'DIR/slow.log slow',
    http    => <<"END",
    profiling_interval 100ms;
    profiling_slow 100ms rate=65536 keep=16;
    $also
    proxy_cache_path DIR/cache keys_zone=cache:1m;
    log_format slow '\$uri \$profiling_slow_id';

    server {
        listen 127.0.0.1:PORT1;
        profiling_slow off;
        location / { echo_sleep 0.15; echo x; }
        location = /hung { content_by_lua_block {
            while not io.open("DIR/go") do ngx.sleep(0.02) end
            ngx.say("x") } }
    }
    server {
        listen 127.0.0.1:PORT2 ssl;
        ssl_certificate $keys/crt;
        ssl_certificate_key $keys/key;
        location / { echo x; echo_flush; echo_sleep 0.15; echo y; }
    }
END
    server  => <<'END')->start;
        location = /hung { proxy_pass http://127.0.0.1:PORT1; }
        location = /fast { profiling_slow 1h; return 200 "x"; }
        location = /doze { echo_sleep 0.15; echo x; }
        location = /long { echo_sleep 0.6; echo x; }
        location = /block { echo_blocking_sleep 0.15; echo x; }
        location = /up { proxy_pass http://127.0.0.1:PORT1; }
        location = /stale {
            proxy_pass http://127.0.0.1:PORT1;
            proxy_cache cache;
            proxy_cache_valid 200 1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
            add_header X-Cache $upstream_cache_status;
        }
        location = /two { echo_location /doze; echo_location /block; }
        location = /once { profiling_slow 1ms rate=1; echo_blocking_sleep 0.01; echo x; }
        location = /never { profiling_slow off; echo_sleep 0.15; echo x; }
END

$site->request("/$_") for qw(fast doze?secret=1 block up never two);
slowly('/up');

my @list = list(5);

is_deeply([map { $_->{uri} } @list], [qw(/up /two /up /block /doze)],
          'the slow ones, the latest first, without their queries');
is_deeply([map { [@$_{qw(server location)}] } @list],
          [map { ['main', "= $_->{uri}"] } @list], '... by location');

for my $slow (@list) {
    my $one = $site->json("/api/profiling/slow/$slow->{id}");
    my $name = "$slow->{uri} ($slow->{id})";
    my @parts = @{ $one->{parts} };
    my $end = 0;
    my @gaps = grep {
        my $gap = abs($_->{start_seconds} - $end);
        $end = $_->{start_seconds} + $_->{seconds};
        $gap > 1e-4;
    } @parts;

    cmp_ok(abs(sum0(values %{ $slow->{by} }) - $slow->{seconds}), '<', .001,
           "$name: what it waited for is all of its time");
    cmp_ok(abs(sum0(map { $_->{seconds} } @parts) - $slow->{seconds}), '<',
           .001, '... as its parts are');
    is(scalar(@gaps), 0, '... one behind the other');
    is_deeply([@$one{qw(id uri seconds)}], [@$slow{qw(id uri seconds)}],
              '... and it is the same one');
    is($slow->{status}, 200, '... with its status');
    is($slow->{method}, $slow == $list[0] ? 'POST' : 'GET', '... and method');
    cmp_ok($slow->{cpu_seconds}, '<=', $slow->{by}{loop}, '... and its cost');
}

my ($late, $two, $up, $block, $doze) = @list;

cmp_ok($doze->{by}{timer}, '>=', .14, 'a timer was waited for');
cmp_ok($block->{by}{loop}, '>=', .15, 'a call held the loop');
cmp_ok($block->{blocked_seconds}, '>=', .15, '... and was blocked');
cmp_ok($up->{by}{upstream}, '>=', .14, 'an upstream was waited for');
cmp_ok($late->{by}{client}, '>=', .28, 'a client that sends slowly, too');
cmp_ok($two->{by}{timer}, '>=', .14, 'what subrequests wait for is its own');
cmp_ok($two->{by}{loop}, '>=', .15, '... and what they do');

# the log has the number, of those that are kept

my %logged = map { reverse split / / }
             grep { !/ -$/ } split /\n/, slurp($site->dir . '/slow.log');

is_deeply(\%logged, { map { $_->{id} => $_->{uri} } @list },
          'the log has their numbers');

is($site->request('/api/profiling/slow/4711')->{status}, 404,
   'another number is not there');

# the list, narrowed and sorted

is_deeply(uris('?location=%3D%20/up'), ['/up', '/up'], 'of one location');
is_deeply(uris('?server=other'), [], '... of another server');
is_deeply(uris('?server=main&limit=2'), ['/up', '/two'],
          '... of one server, two of them');
is_deeply(uris('?sort=client&limit=1'), ['/up'], 'sorted by what it waited for');
is_deeply([sort @{ uris('?sort=blocked&limit=2') }], ['/block', '/two'],
          '... by what blocked');

my @seconds = map { $_->{seconds} }
              @{ $site->json('/api/profiling/slow?sort=seconds')->{requests} };
is_deeply(\@seconds, [sort { $b <=> $a } @seconds], '... by their times');

for (['sort=age' => qr/^sort must be time, seconds,.*, not "age"$/],
     ['limit=0' => qr/^limit must be an integer from 1 to 1000, not "0"$/],
     ['limit=x' => qr/^limit must be/],
     ['format=go' => qr/^format must be json or perfetto, not "go"$/])
{
    my ($query, $message) = @$_;
    my $got = $site->json("/api/profiling/slow?$query");

    is($got->{error}{status}, 400, "$query: 400");
    like($got->{error}{message}, $message, '... and why');
}

# what nginx has noted of its upstreams

my ($try) = @{ $site->json("/api/profiling/slow/$up->{id}")->{tries} };

is($try->{peer}, '127.0.0.1:' . $site->port(1), 'a try has its peer');
is($try->{status}, 200, '... its status');
cmp_ok($try->{response_seconds}, '>=', .14, '... and its times');
cmp_ok($up->{bytes_out}, '>', 0, 'it has sent bytes');

is($try->{connect_seconds} <= $try->{header_seconds}, 1, '... in their order');
cmp_ok($try->{start_seconds}, '>=', 0, '... from where it began');
cmp_ok($try->{start_seconds} + $try->{response_seconds}, '<=',
       $up->{seconds} + .002, '... in the time of the request');

# what each has come to, in that order; a body that comes late is none of it

for my $slow ($late, $up, $doze) {
    my $at = $site->json("/api/profiling/slow/$slow->{id}")->{at};
    my @order = map { $at->{$_} } qw(accepted header first_sent last_sent);

    is(scalar(grep { !defined } @order), 0, "$slow->{uri}: all are known");
    is_deeply(\@order, [sort { $a <=> $b } @order], '... one after the other');
    cmp_ok($at->{accepted}, '<=', 0, '... accepted before it began');
    cmp_ok($at->{last_sent}, '<=', $slow->{seconds}, '... and sent in its time');
    is($at->{tls}, undef, '... without TLS');
}

my $came = $site->json("/api/profiling/slow/$late->{id}")->{at};

cmp_ok($came->{first_sent} - $came->{header}, '>=', .28,
       'the body came later than the header');

my $later = $site->json("/api/profiling/slow/$doze->{id}");

cmp_ok($later->{at}{first_sent} , '>=', .14, 'nothing is sent until a timer is due');

# as a trace: each request above its parts

for my $path ("slow/$late->{id}", 'slow') {
    my $trace = $site->json("/api/profiling/$path?format=perfetto");
    my @events = @{ $trace->{traceEvents} };
    my ($whole) = grep { ($_->{args}{id} // 0) == $late->{id} } @events;
    my @parts = grep { $_->{tid} == $late->{id} && $_->{ph} eq 'X'
                       && !$_->{args}{id} } @events;

    is($whole->{pid}, $late->{worker}, "$path: a request in its worker");
    is($whole->{name}, '= /up', '... by its location');
    cmp_ok(abs($whole->{dur} - 1e6 * $late->{seconds}), '<', 1,
           '... with its time');
    cmp_ok(abs($whole->{dur} - sum0(map { $_->{dur} } @parts)), '<', 1000,
           '... which is that of its parts');
    is(scalar(grep { $_->{ts} < $whole->{ts} - 1
                     || $_->{ts} + $_->{dur} > $whole->{ts} + $whole->{dur} + 1 }
              @parts), 0, '... that lie in it');
}

# those that go on

my $hung = background(sub { $site->request('/hung')->{body} });
my $live;

until_true(60, sub {
    ($live) = grep { $_->{live} }
              @{ $site->json('/api/profiling/slow')->{requests} };
    return $live && $live->{seconds} >= .3;
});

is($live->{uri}, '/hung', 'one that goes on is listed');
is($live->{id}, undef, '... without a number');
cmp_ok($live->{by}{upstream}, '>=', .29, '... with what it waits for');
cmp_ok(abs(sum0(map { $_->{seconds} } @{ $live->{parts} }) - $live->{seconds}),
       '<', .001, '... part by part');
is($live->{tries}[0]{response_seconds}, undef, '... and its upstream so far');

spew($site->dir . '/go', '');
finish($hung);

until_true(60, sub {
    ($live) = grep { $_->{uri} eq '/hung' }
              @{ $site->json('/api/profiling/slow')->{requests} };
    return $live && !$live->{live};
});

ok($live->{id}, 'then it has ended, with a number');
is(scalar(grep { $_->{uri} eq '/hung' }
          @{ $site->json('/api/profiling/slow')->{requests} }), 1,
   '... and is listed once');

# the slowest stays when many others come

$site->request('/long');
background(sub { $site->request('/doze') for 1 .. 8; '' }) for 1 .. 3;

my $answer;
until_true(60, sub {
    $answer = $site->json('/api/profiling/slow');
    return $answer->{total} >= 7 + 24;
});

cmp_ok(scalar(@{ $answer->{requests} }), '<=', 16, 'no more than are kept');
ok(scalar(grep { $_->{uri} eq '/long' } @{ $answer->{requests} }),
   'the slowest one is among them');
is(max(map { $_->{id} } @{ $answer->{requests} }), $answer->{total},
   '... and the latest');

# beyond the rate they are counted

$site->request('/once') for 1 .. 20;
$answer = $site->json('/api/profiling/slow');
is($answer->{total} + $answer->{dropped}, 7 + 24 + 20, 'all are counted');
cmp_ok($answer->{dropped}, '>', 0, 'some are not kept');

# the first request after a handshake, and the next one over the connection

my $url = 'https://127.0.0.1:' . $site->port(2);

run('curl', '-sk', '-m', 60, "$url/first", "$url/next");

my %secure;

until_true(60, sub {
    %secure = map { $_->{uri} => $_ } grep { !$_->{live} }
              @{ $site->json('/api/profiling/slow')->{requests} };
    return $secure{'/first'} && $secure{'/next'};
});

my ($first, $next) = map { $site->json("/api/profiling/slow/$_->{id}") }
                     @secure{qw(/first /next)};

ok(defined $first->{at}{tls}, 'when the handshake had ended is known');
cmp_ok($first->{at}{accepted}, '<=', $first->{at}{tls},
       '... after the accept');
cmp_ok($first->{at}{tls}, '<=', 0, '... and before the request began');
cmp_ok($first->{at}{last_sent} - $first->{at}{first_sent}, '>=', .14,
       '... whose response was sent in two parts');
is_deeply([@{ $next->{at} }{qw(accepted tls)}], [undef, undef],
          'a later request has neither');
like($next->{unavailable}{"at.$_"}, qr/has had requests before/, "... $_: why")
    for qw(accepted tls);

# what updates a cache behind an answer is the request's that began it

my $filled = ($site->request('/stale'), updated(0));

ok(until_true(60, sub {
    ($site->request('/stale')->{headers}{'x-cache'} // '') eq 'STALE';
}), 'an old answer is given');

cmp_ok(updated($filled), '>', $filled, 'an update in the background is told');

$site->stop;
done_testing;


# that have ended: an answer comes before its request is logged

sub list {
    my $n = shift;
    my @all;

    until_true(60, sub {
        @all = grep { !$_->{live} }
               @{ $site->json('/api/profiling/slow')->{requests} };
        return @all >= $n;
    });

    return @all;
}


# the number of a later request that has waited for the cache's upstream

sub updated {
    my $since = shift;
    my $id = 0;

    until_true(60, sub {
        ($id) = map { $_->{id} }
                grep { $_->{uri} eq '/stale' && !$_->{live} && $_->{id} > $since
                       && $_->{by}{upstream} >= .14 }
                @{ $site->json('/api/profiling/slow')->{requests} };
    });

    return $id // 0;
}


sub uris {
    return [map { $_->{uri} }
            @{ $site->json("/api/profiling/slow$_[0]")->{requests} }];
}


# a body in two parts, the second after the worker has seen the first

sub slowly {
    my $uri = shift;
    my $s = $site->connect;

    syswrite $s, "POST $uri HTTP/1.1\r\nHost: main\r\nContent-Length: 2\r\n\r\na";

    until_true(60, sub {
        grep { $_->{live} && $_->{uri} eq $uri }
        @{ $site->json('/api/profiling/slow')->{requests} };
    });

    sleep .3;
    syswrite $s, 'b';
    Profile::receive($s);
}
