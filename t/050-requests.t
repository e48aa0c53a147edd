#!/usr/bin/perl

# What is counted, where, and with which figures: against the access log of the
# same nginx, and against clients that measure for themselves.

use strict;
use warnings;

use List::Util qw(sum0);
use Test::More;
use Time::HiRes qw(time);
use Site;

my $echo = '/usr/lib/nginx/modules/ngx_http_echo_module.so';

my $codes = join "\n", map { "location = /code/$_ { return $_; }" }
    200, 201, 204, 301, 302, 307, 308, 400, 401, 403, 404, 405, 410, 418, 429,
    444, 451, 499, 500, 501, 502, 503, 504, 507, 599, 600, 999;

my $http = <<'END';
    profiling_interval 100ms;
    log_format figures '$status $request_length $bytes_sent $request_time '
                       '$server_protocol';
    large_client_header_buffers 2 1k;

    server {
        listen 127.0.0.1:PORT1;
        location / { echo_sleep 0.1; echo slept; }
        location = /fast { return 200 "fast\n"; }
    }

    server {
        listen unix:DIR/unix.sock;
        location / { return 200; }
    }

    server {
        listen 127.0.0.1:PORT2;
        server_name off;
        profiling off;
        access_log off;
        location / { return 200; }
        location = /on {
            profiling on;
            access_log DIR/access.log figures;
            return 200;
        }
    }

    server {
        listen 127.0.0.1:PORT3 http2;
        server_name h2;
        http2_max_concurrent_streams 256;
        location = /h2 { return 200 "h2"; }
        location = /sleep { echo_sleep 0.3; echo slept; }
    }

    server {
        listen 127.0.0.1:PORT4;
        server_name first second;
        location / { return 200; }
    }

    server {
        listen 127.0.0.1:PORT4;
        server_name third;
    }

    server {
        listen 127.0.0.1:PORT5;
        server_name hurry;
        client_header_timeout 200ms;
    }
END

my $handlers = <<'END';
    location /api/profiling/ { profiling_api; access_log off; }
    location = /metrics { profiling_prometheus; access_log off; }
END

my $server = <<"END" . <<'END';
    $codes
END
    location / { }
    location = /exact { return 200; }
    location /prefix { return 200; }
    location /outer/ {
        location /outer/inner/ { return 200; }
        location ~ /deep/.*\.x$ { return 200; }
    }
    location ^~ /caret/ { return 200; }
    location ~ \.lower$ { return 200; }
    location ~* \.any$ { return 200; }
    location =/tight { return 200; }
    location "/quo ted" { return 200; }

    location /try/ { try_files /nothing @named; }
    location @named { return 200; }
    location /fallback/ { try_files /nothing /exact; }

    location /err/ { error_page 404 /handled; }
    location /err200/ { error_page 404 =200 /handled; }
    location /errnamed/ { error_page 404 @named; }
    location /handled { internal; return 200; }

    location /old/ { rewrite ^ /exact last; }
    location /stay/ { rewrite ^ /file.txt break; }
    location /redirect/ { rewrite ^ /exact redirect; }

    location /if/ {
        if ($arg_a) { return 202; }
        if ($arg_file) { rewrite ^ /file.txt break; }
        return 200;
    }

    location /limit/ {
        limit_except GET { deny all; }
        alias DIR/html/;
    }

    location /off/ { profiling off; access_log off; alias DIR/html/; }
    location /off/again/ { return 200; }
    location /offout/ {
        profiling off;
        access_log off;
        location /offout/in/ { return 200; }
        location /offout/on/ {
            profiling on;
            access_log DIR/access.log figures;
            return 200;
        }
        return 200;
    }

    location /subrequests { echo_location /fine; echo_location /exact; }
    location /fine { return 200 "fine"; }
    location /addition/ {
        add_before_body /fine;
        addition_types *;
        alias DIR/html/;
    }
    location /auth/ { auth_request /fine; alias DIR/html/; }
    location /mirror/ { mirror /fine; alias DIR/html/; }

    location = /sleep { echo_sleep 0.05; echo slept; }
    location = /upstream { proxy_pass http://127.0.0.1:PORT1/; }
    location = /aborted { proxy_pass http://127.0.0.1:PORT1/; }
    location = /none { proxy_pass http://127.0.0.1:PORT9/; }
    location = /timeout {
        proxy_pass http://127.0.0.1:PORT1/;
        proxy_read_timeout 20ms;
    }
    location = /again {
        proxy_pass http://retried;
        proxy_next_upstream error timeout;
    }
    location = /post { proxy_pass http://127.0.0.1:PORT1/fast; }
    location = /limited { limit_rate 20k; root DIR/html; }
    location = /big.bin { sendfile on; }
END

$http .= <<'END';
    upstream retried {
        server 127.0.0.1:PORT9 max_fails=0;
        server 127.0.0.1:PORT1 backup;
    }
END

my $site = Site->new(http => $http, server => $server, modules => [$echo],
                     handlers => $handlers,
                     access => 'DIR/access.log figures');

spew($site->dir . '/html/file.txt', "file\n");
spew($site->dir . '/html/limited', 'x' x 4096);
spew($site->dir . '/html/big.bin', 'b' x 3_000_000);

$site->start;


# one worker's latest tick

sub tick {
    my $m = $site->json('metrics');

    return { collected => epoch($m->{workers}[0]{collected}),
             goroutines => $m->{metrics}{cpu}{num_goroutine},
             active => $m->{metrics}{connections}{active} };
}


sub longest_pass {
    return $site->json('metrics')->{metrics}{event_loop}{latency}{max};
}


# 12 streams on a connection, and the ticks that see all of them

sub streams {
    my @seen;
    my $start = time();
    my $pid = fork() // die;

    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        exec('h2load', '-n', 12, '-c', 1, '-m', 12,
             "http://127.0.0.1:" . $site->port(3) . '/sleep');
    }

    until_true(60, sub {
        my $tick = tick();

        push @seen, $tick
            if $tick->{collected} > $start && $tick->{goroutines} >= 12;

        return waitpid($pid, 1) > 0;
    }) or kill 'KILL', $pid;

    return @seen;
}


# what changed, place by place

sub deltas {
    my ($before, $after) = @_;

    my %delta;

    for (keys %$after) {
        my $n = $after->{$_} - ($before->{$_} || 0);
        $delta{$_} = $n if $n;
    }

    return \%delta;
}


sub counted {
    my ($path, $expected, %o) = @_;

    my $before = $site->counts;
    my $got = exists $o{raw} ? Site::parse($site->raw($o{raw}, to => $o{to}))
              : $site->request($path, %o);
    my $delta = deltas($before, $site->counts);

    my $name = ($o{method} || 'GET') . ' '
               . ($o{name} || $path =~ s/[\r\n].*//sr);

    is_deeply($delta, $expected, "$name is counted where it belongs")
        or diag(explain($delta));
    is($got->{status}, $o{status}, "$name is answered $o{status}")
        if defined $o{status};
}


# the right location

for (['/nothing', '/', 404], ['/file.txt', '/', 200],
     ['/exact', '= /exact', 200], ['/exactly', '/', 404],
     ['/prefix', '/prefix', 200], ['/prefixed/x', '/prefix', 200],
     ['/outer/', '/outer/', 404], ['/outer/inner/x', '/outer/inner/', 200],
     ['/outer/deep/1.x', '~ /deep/.*\.x$', 200],
     ['/caret/a.lower', '^~ /caret/', 200],
     ['/a.lower', '~ \.lower$', 200], ['/a.LOWER', '/', 404],
     ['/a.any', '~* \.any$', 200], ['/A.AnY', '~* \.any$', 200],
     ['/tight', '=/tight', 200], ['/quo%20ted', '/quo ted', 200],
     ['/try/1', '@named', 200], ['/fallback/1', '= /exact', 200],
     ['/err/1', '/err/', 404], ['/err200/1', '/err200/', 200],
     ['/errnamed/1', '/errnamed/', 404], ['/handled', '/handled', 404],
     ['/old/1', '= /exact', 200], ['/stay/1', '/stay/', 200],
     ['/redirect/1', '/redirect/', 302],
     ['/if/', '/if/', 200], ['/if/?a=1', '/if/', 202],
     ['/if/?file=1', '/if/', 200], ['/limit/file.txt', '/limit/', 200],
     ['/offout/on/', '/offout/on/', 200],
     ['/subrequests', '/subrequests', 200],
     ['/addition/file.txt', '/addition/', 200],
     ['/auth/file.txt', '/auth/', 200],
     ['/mirror/file.txt', '/mirror/', 200])
{
    counted($_->[0], { $_->[1] => 1 }, status => $_->[2]);
}

counted('/limit/file.txt', { '/limit/' => 1 }, method => 'POST',
        status => 403);

# none at all

for (['/off/file.txt', 200], ['/offout/', 200], ['/offout/in/', 200],
     ['/api/profiling/metrics', 200], ['/api/profiling/nothing', 404],
     ['/metrics', 200])
{
    counted($_->[0], {}, status => $_->[1]);
}

counted('/off/again/', { '/off/again/' => 1 }, status => 200);
counted('/api/profiling/gc', {}, method => 'DELETE', status => 405);

# before a location is found

my @early = (
    ['a request line that is none', "GARBAGE\r\n\r\n", 400],
    ['a header that is none', "GET /exact HTTP/1.1\r\nHost: a\r\n\x01: b\r\n\r\n", 400],
    ['no host', "GET /exact HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
    ['two hosts', "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
    ['a bad length',
     "POST /exact HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400],
    ['a line that is too long', 'GET /' . 'x' x 3000 . " HTTP/1.1\r\n\r\n",
     414],
    ['headers that are too large',
     "GET / HTTP/1.1\r\nHost: a\r\nX: " . 'x' x 3000 . "\r\n\r\n", 400],
    ['headers that never end', "GET / HTTP/1.1\r\nHost: a\r\n", undef, 5],
    ['TRACE', "TRACE /exact HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
     405],
    ['a version of the future', "GET / HTTP/9.9\r\n\r\n", 505],
    ['a URI outside of the root',
     "GET /../../x HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ['TLS', "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
);

for (@early) {
    my ($name, $bytes, $status, $port) = @$_;

    counted('', { '-' => 1 }, name => $name, raw => $bytes,
            status => $status, to => '127.0.0.1:' . $site->port($port));
}

ok(!defined $site->location('main', undef)->{location},
   'their location is null');
is($site->location('hurry', undef)->{by_status}{408}, 1,
   'headers that never end are a 408');

counted('', {}, name => 'a connection without a byte', raw => '',
        to => '127.0.0.1:' . $site->port(5))
    if $site->connect->close;

# versions, methods, connections

counted('', { '= /exact' => 1 }, name => 'HTTP/1.0', status => 200,
        raw => "GET /exact HTTP/1.0\r\n\r\n");
counted('', { '= /exact' => 1 }, name => 'HTTP/0.9',
        raw => "GET /exact\r\n");
counted('/exact', { '= /exact' => 1 }, method => 'HEAD', status => 200);
counted('/exact', { '= /exact' => 1 }, method => 'POST', body => 'x' x 5000,
        status => 200);
counted('/post', { '= /post' => 1, '= /fast' => 1 }, method => 'POST',
        body => 'x' x 100_000, status => 200);
counted('', { '= /exact' => 5, '/prefix' => 2 }, name => 'pipelined',
        status => 200,
        raw => join '', (map { "GET $_ HTTP/1.1\r\nHost: a\r\n\r\n" }
                         '/exact', '/prefix', ('/exact') x 3, '/prefix'),
                        "GET /exact HTTP/1.1\r\nHost: a\r\n"
                        . "Connection: close\r\n\r\n");

# statuses

for my $code ($codes =~ m{/code/(\d+) }g) {
    counted("/code/$code", { "= /code/$code" => 1 });

    my $by = $site->location('main', "= /code/$code")->{by_status};
    my $class = $code < 600 ? substr($code, 0, 1) . 'xx' : '5xx';
    my %sum = map { $_ => $by->{$_} } grep { $by->{$_} } keys %$by;

    # those without a name of their own are in their class only
    delete $sum{$code};

    is_deeply(\%sum, { $class => 1 },
              "$code is counted by its class") or diag(explain($by));
    is($by->{$code}, 1, "$code is counted by itself")
        if $code =~ /^(?:20[014]|30[1278]|40[01345]|410|429|444|499|50[0-4])$/;
}

# upstreams

counted('/none', { '= /none' => 1 }, status => 502);

my %took;

for (['/upstream', 200], ['/timeout', 504], ['/again', 200]) {
    my ($path, $status) = @$_;
    my $start = time();

    is($site->request($path)->{status}, $status, "$path is answered $status");
    $took{$path} = time() - $start;
    is($site->location('main', "= $path")->{requests}, 1,
       "$path is counted once");
}

# once more, where others keep the client from that until it is answered

ok(until_true(60, sub {
    my $aborted = sub { return $site->location('main', '= /aborted') };
    my $before = $aborted->()->{requests};
    my $client = $site->connect;

    print $client "GET /aborted HTTP/1.1\r\nHost: a\r\n\r\n";
    $client->flush;
    was_read($client);
    close $client;

    until_true(60, sub { $aborted->()->{requests} > $before });
    return $aborted->()->{by_status}{499};
}), 'a client that goes away is a 499');

# servers

my @servers = ([1, '127.0.0.1:' . $site->port(1)], [4, 'first']);

for (@servers) {
    my ($n, $name) = @$_;
    $site->request('/', to => '127.0.0.1:' . $site->port($n),
                   headers => ['Host: second']);
    ok($site->location($name, '/')->{requests}, "the server is called $name");
}

$site->request('/', to => '127.0.0.1:' . $site->port(4),
               headers => ['Host: third']);
is($site->location('third', undef)->{requests}, 1,
   'a server without a location');

my $socket = 'unix:' . $site->dir . '/unix.sock';
$site->request('/', to => $site->dir . '/unix.sock');
is($site->location($socket, '/')->{requests}, 1,
   'a server on a unix socket is called by it');

$site->request($_, to => '127.0.0.1:' . $site->port(2)) for '/', '/', '/on';
is($site->location('off', '/'), undef, 'profiling off in a server');
is($site->location('off', '= /on')->{requests}, 1,
   'and on in a location of it');

# latency

my @times;

for (1 .. 10) {
    my $start = time();
    $site->request('/sleep');
    push @times, time() - $start;
}

@times = sort { $a <=> $b } @times;

# nginx's clock stands still in a pass of the event loop: a timer that is set by
# it may be early by the longest one, which others make longer

my $early = longest_pass();
my $sleep = $site->location('main', '= /sleep');

cmp_ok($sleep->{latency}{p50}, '>=', 0.97 * (0.05 - $early),
       'p50 is no less than slept');
cmp_ok($sleep->{latency}{p50}, '<=', $times[5] * 1.03,
       'p50 is no more than the clients saw');
cmp_ok($sleep->{latency}{max}, '<=', $times[-1], 'nor is the maximum');
cmp_ok($sleep->{latency}{p999}, '<=', $sleep->{latency}{max} * 1.03,
       'quantiles ascend');
cmp_ok($sleep->{seconds}, '>=', 0.98 * 10 * (0.05 - $early),
       'the sum is no less than slept');
cmp_ok($sleep->{seconds}, '<=', sum0(@times), '... nor more than was seen');
is($sleep->{latency}{unit}, 'seconds', 'the unit is told');

my $start = time();
is(length $site->request('/limited')->{body}, 4096, 'a limited rate');
my $limited = $site->location('main', '= /limited')->{latency}{max};
cmp_ok($limited, '<=', time() - $start, 'time of sending is less than seen');

my $up = $site->location('main', '= /upstream')->{upstream};
is($up->{requests}, 1, 'one request with an upstream');
cmp_ok($up->{seconds}, '>=', 0.97 * (0.1 - $early),
       'its time is the upstream\'s');
cmp_ok($up->{seconds}, '<=', $took{'/upstream'},
       '... no more than its client saw');
is($site->location('main', '= /sleep')->{upstream}{requests}, 0,
   'no upstream, no time of one');
is($site->location('main', '= /sleep')->{upstream}{latency}{p50}, undef,
   'and its quantiles are null');

is(length $site->request('/big.bin')->{body}, 3_000_000, 'a large file');
cmp_ok($site->location('main', '= /big.bin')->{bytes_out}, '>', 3_000_000,
       'its bytes are counted');

# HTTP/2

my $h2 = '127.0.0.1:' . $site->port(3);

like(run('h2load', '-n', 200, '-c', 4, '-m', 20, "http://$h2/h2"),
     qr/200 succeeded, 0 failed/, 'HTTP/2 requests');
is($site->location('h2', '= /h2')->{requests}, 200, 'all are counted, once');

# Open connections are told as they were at the latest tick, which may be one
# that has seen the clients before.  What counts is a tick after they have gone
# that sees all of the streams: what is open beside them are their connection,
# and this client's if it was asking just then.

my $gone = time();

ok(until_true(60, sub {
    my $tick = tick();
    return $tick->{collected} > $gone && $tick->{goroutines} <= 1;
}), 'their connections are closed');

my @seen;
my $rounds = 0;
my $longest = 0;

until_true(60, sub {
    my $start = time();

    $rounds++;
    push @seen, streams();
    $longest = time() - $start if time() - $start > $longest;

    return scalar @seen;
});

cmp_ok(scalar @seen, '>', 0, '12 streams are seen');
is_deeply([ grep { $_->{active} != 1 && $_->{active} != 2 } @seen ], [],
          '... on one connection, beside which this client may have another');
is_deeply([ grep { $_->{goroutines} != $_->{active} + 12 } @seen ], [],
          '... and each of them is one of its own');

my $h2sleep = $site->location('h2', '= /sleep');
is($h2sleep->{requests}, 12 * $rounds, '12 streams are 12 requests');
cmp_ok($h2sleep->{latency}{p50}, '>=', 0.97 * (0.3 - longest_pass()),
       'that took as long as they took');
cmp_ok($h2sleep->{latency}{max}, '<=', $longest, '... no longer than was seen');

is(run('curl', '-s', '--http2-prior-knowledge', '-m', 10, '-o', '/dev/null',
       '-w', '%{http_code} %{http_version}', "http://$h2/none"),
   '404 2', 'HTTP/2, not found');
is($site->location('h2', undef)->{by_status}{404}, 1,
   'is counted at the server');

# against the log of the same nginx

my (%log, %status);

for (split /\n/, slurp($site->dir . '/access.log')) {
    my ($status, $in, $out, $seconds, $protocol) = split ' ';

    $log{requests}++;
    $log{in} += $in;
    $log{out} += $out;
    $log{one}++, $log{seconds} += $seconds if $protocol ne 'HTTP/2.0';
    $status{$status}++;
}

my $requests = $site->json('metrics')->{metrics}{requests};
my $sum = { requests => 0, in => 0, out => 0, seconds => 0 };

for (@{ $site->json('locations')->{locations} }) {
    $sum->{requests} += $_->{requests};
    $sum->{in} += $_->{bytes_in};
    $sum->{out} += $_->{bytes_out};
    $sum->{seconds} += $_->{seconds} if ($_->{server} // '') ne 'h2';
}

is_deeply([@$sum{qw(requests in out)}],
          [$requests->{total}, $requests->{bytes_in}, $requests->{bytes_out}],
          'locations add up to the totals');

is($requests->{total}, $log{requests}, 'requests are those of the log');
# it lacks what nginx has discarded: t/054-received.t
cmp_ok($requests->{bytes_in}, '>=', $log{in},
       'bytes_in are $request_length at least');
is($requests->{bytes_out}, $log{out}, 'bytes_out are $bytes_sent');

for my $class (1 .. 5) {
    my $n = 0;
    $n += $status{$_} for grep { /^$class\d\d$/ || $class == 5 && $_ > 599 }
                          keys %status;
    is($requests->{by_status}{"${class}xx"}, $n, "${class}xx are the log's");
}

# nginx takes the time at the begin of a pass of the event loop: what it takes of
# a request that begins or ends in one is a part of that pass.  One request at a
# time, so all of them together are no more than what the loop was busy twice.

my $after = time();
my $loop;

until_true(60, sub {
    my $m = $site->json('metrics');

    $loop = $m->{metrics}{event_loop};
    return !grep { epoch($_->{collected}) <= $after } @{ $m->{workers} };
});

cmp_ok(abs($sum->{seconds} - $log{seconds}), '<',
       0.002 * $log{one} + 2 * $loop->{busy_seconds},
       'seconds are $request_time, but finer');

my $runtime = $site->json('runtime');
is($runtime->{request_count}, $requests->{total}, 'runtime counts the same');
is($runtime->{error_count}, $requests->{by_status}{'5xx'}, 'errors are 5xx, and what is above');
is($runtime->{client_error_count}, $requests->{by_status}{'4xx'},
   'client errors are 4xx');

$site->stop;
done_testing;
