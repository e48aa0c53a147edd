#!/usr/bin/perl

# Names and requests of arbitrary bytes: JSON and exposition stay valid, and
# each location keeps a series of its own.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Site;
use Time::HiRes qw(sleep);
use Profile;

my @names = (
    q{quote"s}, q{back\\\\slash}, "tab\tand\nnewline", "\x01\x1f\x7f",
    "\xff", "\xfe", "\xc3\x28", "\xe2\x82", "\xed\xa0\x80", "\xf8\x88",
    "caf\xc3\xa9", "\xf0\x9f\x98\x80", '<script>alert(1)</script>',
    q{</script><!--}, q{{"a":1}}, '%n%s%x', q{'single'}, "\xe2\x80\xa8",
    ('l' x 380) . 1, ('l' x 380) . 2, ('m' x 372), "\xc3" x 200,
    # the cut falls into a sequence
    ('n' x 368) . "\xc3\xa9\xc3\xa9\xc3\xa9",
    # controls of C1, and what comes after them
    "\xc2\x80\xc2\x9b31m\xc2\x9f\xc2\xa0",
);

my $controls = qr/[\x00-\x1f\x7f]|\xc2[\x80-\x9f]/;


# as nginx's parser reads them from a quoted parameter

sub quoted {
    my $name = shift;

    $name =~ s/(["\\])/\\$1/g;

    return qq{"$name"};
}


# nginx itself confuses long names of static locations: regexes then

my $locations = join "\n", map {
    length > 200 ? 'location ~ ' . quoted("^/$_\$") . ' { return 200; }'
                 : 'location ' . quoted("/$_") . ' { return 200; }'
} @names;

my @servers = (q{a"b}, "\xff\xfe", 'x' x 200 . 1, 'x' x 200 . 2, 'a\\\\b',
               "new\nline", '<b>');

my $servers = join "\n", map {
    "server { listen 127.0.0.1:PORT1; server_name " . quoted($servers[$_])
    . " n$_; location / { return 200; } }"
} 0 .. $#servers;

my $zone = quoted("zone=z\"o\\\\n\xff\ne:64k");

# what the log tells of
my $long = "/long\x1b[31m\t\xc2\x9b\xff\xc3\xa9";

my $site = Site->new(http => <<"END", modules => [ Profile::test_module() ],
    profiling_interval 100ms;
    profiling_pause_threshold 5ms;
    server_names_hash_bucket_size 1024;
    server_names_hash_max_size 4096;
    map_hash_bucket_size 256;
    limit_req_zone \$uri $zone rate=1r/s;
    $servers
END
                     handlers => $Profile::handlers,
                     server => $locations . 'location ' . quoted($long)
                               . ' { profiling_test three 3000000; }')->start;


sub escaped {
    return join '', map { sprintf '%%%02x', ord } split //, $_[0];
}


# one request more each, so that counts tell them apart

for my $i (0 .. $#names) {
    $site->request('/' . escaped($names[$i])) for 0 .. $i;
}

for my $i (0 .. $#servers) {
    $site->request('/', to => '127.0.0.1:' . $site->port(1),
                   headers => ["Host: n$i"]) for 0 .. $i;
}

my $got = $site->request('/api/profiling/locations');
my $data = eval { Json::decode_json($got->{body}) };

ok($data, 'it is JSON in UTF-8') or diag($@);

my %counts = map { $_->{requests} => $_ }
             grep { ($_->{server} // '') eq 'main' } @{ $data->{locations} };

is_deeply([sort { $a <=> $b } grep { $_ } keys %counts],
          [1 .. @names], 'each location has its own count');

my %expected = (
    1 => '/quote"s', 2 => '/back\\\\slash', 3 => "/tab\tand\nnewline",
    4 => "/\x01\x1f\x7f", 7 => "/\x{fffd}(", 9 => "/\x{fffd}" . "\x{fffd}" x 2,
    11 => "/caf\xe9", 12 => "/\x{1f600}", 13 => '/<script>alert(1)</script>',
    16 => '/%n%s%x', 24 => "/\x80\x9b31m\x9f\xa0",
);

for (sort { $a <=> $b } keys %expected) {
    is($counts{$_}{location}, $expected{$_}, "the name of location $_");
}

unlike($got->{body}, $controls, 'no control character in it');

my %servers = map { $_->{requests} => $_->{server} }
              grep { $_->{requests} && $_->{server} ne 'main' }
              @{ $data->{locations} };
is(scalar keys %servers, scalar @servers, 'each server has its own count');
is($servers{1}, 'a"b', 'the name of a server');
is($servers{2}, "\x{fffd}\x{fffd}", 'one that is not UTF-8');

my ($z) = grep { $_->{size} == 65536 } @{ $site->json('memory')->{zones} };
is($z->{name}, "z\"o\\\\n\x{fffd}\ne", 'the name of a zone');

for my $path (qw(metrics memory gc goroutines runtime health
                 metrics/history))
{
    ok($site->json($path), "$path is JSON");
}

# the exposition: promtool reads it, and no series comes twice

for my $accept ('text/plain',
                'application/openmetrics-text; version=1.0.0')
{
    my $text = $site->request('/metrics',
                              headers => ["Accept: $accept"])->{body};
    my %series;

    $series{$_}++ for map { s/ [^ ]+$//r } grep { !/^#/ } split /\n/, $text;

    is_deeply([grep { $series{$_} > 1 } keys %series], [],
              "$accept: no series comes twice");

    my $valid = $text;
    ok(utf8::decode($valid), "$accept: it is UTF-8");

    # what has answered, and 5xx, which is there before the first one
    my %statuses;

    $statuses{$_}++ for $text =~ /^nginx_profiling_requests_total\{server="main",
                                 .*status="(\dxx)"\}/mgx;

    is_deeply(\%statuses, { '2xx' => scalar @names, '5xx' => scalar @names },
              "$accept: the series of each location") or diag(explain(\%statuses));

    unlike($text =~ s/\n//gr, $controls, "$accept: no control character");

    next if $accept ne 'text/plain';

    spew($site->dir . '/metrics.txt', $text);
    is(run('sh', '-c', 'promtool check metrics < "$0"',
           $site->dir . '/metrics.txt'), '', 'promtool finds no fault');
}

# the log, which tells of some pauses a minute

ok(until_true(60, sub {
    $site->request(escaped($long) =~ s/^%2f/\//r);
    return $site->log =~ m{the event loop was held up.*location /long};
}), 'a pause is logged') or diag($site->log);

my ($line) = $site->log =~ m{^(.*the event loop was held up.*location /long.*)$}m;

unlike($line, $controls, '... without control characters');
like($line, qr/location \/long\\x1b\[31m\\x09\\xc2\\x9b\\xff\xc3\xa9$/,
     '... which are told');

# texts and traces

for my $path (qw(trace?seconds=2&format=perfetto block?debug=1
                 goroutine?debug=1 goroutine?debug=2 mutex?debug=1))
{
    my $b = Profile::background(sub {
        return $site->request("/debug/pprof/$path", seconds => 60)->{body};
    });

    for (1 .. 30) {
        $site->request(escaped($long) =~ s/^%2f/\//r);
        sleep 0.05 if $path =~ /trace/;
    }

    unlike(Profile::finish($b) =~ s/[\n\t]//gr, $controls,
           "$path: no control character");
}

# requests of hostile bytes, served by the module itself and by others

my @requests = (
    "GET /api/profiling/\xff\"<script> HTTP/1.1\r\nHost: a\r\n",
    "GET /api/profiling/%22%5c%00 HTTP/1.1\r\nHost: a\r\n",
    "GET /api/profiling/%22%5c%0a HTTP/1.1\r\nHost: a\r\n",
    "GET /api/profiling/gc?worker=%22%5c%0a%ff HTTP/1.1\r\nHost: a\r\n",
    "GET /api/profiling/gc?worker=\xff\"\\ HTTP/1.1\r\nHost: a\r\n",
    "GET /api/profiling/metrics/history?count=%ff%fe\" HTTP/1.1\r\nHost: a\r\n",
    "GET /api/profiling/metrics/history?since=%e2%82%22 HTTP/1.1\r\nHost: a\r\n",
    "GET /api/profiling/gc HTTP/1.1\r\nHost: \"<\xff\r\n",
    "GET /api/profiling/gc HTTP/1.1\r\nHost: a\r\nX-\"y: \xff\"\\\r\n",
    "GET /api/profiling/gc HTTP/1.1\r\nHost: a\r\nUser-Agent: \"}]\xfe\r\n",
    "A\"B /api/profiling/gc HTTP/1.1\r\nHost: a\r\n",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-" . 'A' x 600
        . " /api/profiling/gc HTTP/1.1\r\nHost: a\r\n",
    "DELETE /api/profiling/gc HTTP/1.1\r\nHost: a\r\n",
);

for (@requests) {
    my $got = Site::parse($site->raw("${_}Connection: close\r\n\r\n"));
    my ($type) = ($got->{headers}{'content-type'} || '') =~ /^([^;]+)/;

    # what nginx itself refuses is not ours
    next if ($type || '') eq 'text/html';

    is($type, 'application/json', 'JSON: ' . JSON::PP->new->allow_nonref
                                    ->ascii->encode(substr $_, 0, 60));
    my $data = eval { Json::decode_json($got->{body}) };
    ok($data, 'is valid') or diag($got->{body});
    is($data->{error}{status}, $got->{status}, 'and tells the status')
        if $got->{status} != 200;
    unlike($got->{body}, qr/[\x00-\x1f\x7f]/, 'without control characters');
}

$site->stop;
done_testing;
