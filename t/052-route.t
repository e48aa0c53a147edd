#!/usr/bin/perl

# Which location counts a request that goes through several: the one that
# failed if error_page replaced its response, else the one that answered.
# Every request is counted once; each client's own count is the truth.

use strict;
use warnings;

use Test::More;
use Site;

my $http = <<'END';
    profiling_interval 100ms;

    server {
        listen 127.0.0.1:PORT1;
        location /to/ { add_header X-Accel-Redirect /kept/x; return 200; }
        location /named/ { add_header X-Accel-Redirect @kept; return 200; }
        location /fails/ { add_header X-Accel-Redirect /fail/x; return 200; }
        location /broken/ { return 503 "broken"; }
        location / { return 200 "fine"; }
    }

    server {
        listen 127.0.0.1:PORT2 http2;
        server_name two;
        recursive_error_pages off;
        include DIR/shared;
    }

    server {
        listen 127.0.0.1:PORT3;
        server_name early;
        error_page 503 @late;
        if ($arg_x) { return 503; }
        location / { return 200 "x"; }
        location @late { return 200 "late"; }
    }
END

my $shared = <<'END';
    location /kept/ { internal; return 200 "kept"; }
    location @kept { return 200 "kept"; }
    location /fail/ { internal; error_page 404 /page; return 404; }
    location = /page { return 200 "page"; }
    location @page { return 200 "page"; }
    location @try { try_files /none /answer; }
    location /answer { return 200 "answer"; }

    location /plain/ { return 200 "x"; }
    location /e/ { error_page 404 /page; return 404; }
    location /e200/ { error_page 404 =200 /page; return 404; }
    location /drop/ { error_page 404 = /page; return 404; }
    location /at/ { error_page 404 @page; return 404; }
    location /url/ { error_page 404 http://127.0.0.1/x; return 404; }
    location /other/ { error_page 500 /page; return 404; }
    location /proxied/ { error_page 404 = @up; return 404; }
    location /down/ { error_page 502 /page; proxy_pass http://127.0.0.1:PORT9; }
    location /caught/ {
        proxy_intercept_errors on;
        error_page 503 /page;
        proxy_pass http://127.0.0.1:PORT1/broken/;
    }
    location @up { proxy_pass http://127.0.0.1:PORT1; }
    location /twice/ { error_page 404 @try; return 404; }

    location /r404/ { recursive_error_pages on; error_page 404 /again/; return 404; }
    location /again/ { recursive_error_pages on; error_page 404 = @page; return 404; }
    location /rdrop/ { recursive_error_pages on; error_page 404 = /page; return 404; }
    location /rat/ { recursive_error_pages on; error_page 404 = @page; return 404; }
    location /rtry/ {
        recursive_error_pages on;
        error_page 404 = @page;
        try_files /none /answer;
    }

    location /try/ { try_files /none /answer; }
    location /trynamed/ { try_files /none @kept; }
    location /rewritten/ { rewrite ^ /answer last; }
    location /chain/ { rewrite ^ /try/ last; }
    location /accel/ { proxy_pass http://127.0.0.1:PORT1/to/; }
    location /accelnamed/ { proxy_pass http://127.0.0.1:PORT1/named/; }
    location /accelfails/ { proxy_pass http://127.0.0.1:PORT1/fails/; }
    location /dir/ { index index.html; root DIR/html; }
    location = /dir/index.html { root DIR/html; }
    location /own/ { index index.html; root DIR/html; }
    location /after/ { post_action /answer; return 200 "x"; }
    location /large/ { client_max_body_size 1; error_page 413 /page; }
    location /inside/ { internal; error_page 404 = /page; }
    location /args/ { error_page 404 /shown?a=b; return 404; }
    location /vars/ {
        recursive_error_pages on;
        set $to /shown?a=b;
        error_page 404 = $to;
        return 404;
    }
    location = /shown { return 200 "$uri $args"; }
    location /off/ { profiling off; error_page 404 /page; return 404; }
END

# a request, the location that counts it, its status and what others tell
my @cases = (
    ['/plain/', '/plain/', 200],
    ['/page', '= /page', 200],
    ['/e/', '/e/', 404, internal => '= /page'],
    ['/e200/', '/e200/', 200, internal => '= /page'],
    ['/drop/', '/drop/', 200, internal => '= /page'],
    ['/at/', '/at/', 404, internal => '@page'],
    ['/url/', '/url/', 302],
    ['/other/', '/other/', 404],
    ['/proxied/', '/proxied/', 200, internal => '@up'],
    ['/down/', '/down/', 502, internal => '= /page'],
    ['/caught/', '/caught/', 503, internal => '= /page'],
    ['/twice/', '/twice/', 404, internal => '@try', internal => '/answer'],
    ['/r404/', '/r404/', 200, internal => '/again/', internal => '@page'],
    ['/rdrop/', '/rdrop/', 200, internal => '= /page'],
    ['/rat/', '/rat/', 200, internal => '@page'],
    ['/rtry/', '/answer', 200, handed_over => '/rtry/'],
    ['/try/', '/answer', 200, handed_over => '/try/'],
    ['/trynamed/', '@kept', 200, handed_over => '/trynamed/'],
    ['/rewritten/', '/answer', 200, handed_over => '/rewritten/'],
    ['/chain/', '/answer', 200, handed_over => '/chain/',
     handed_over => '/try/'],
    ['/accel/', '/kept/', 200, handed_over => '/accel/'],
    ['/accelnamed/', '@kept', 200, handed_over => '/accelnamed/'],
    ['/accelfails/', '/fail/', 404, handed_over => '/accelfails/',
     internal => '= /page'],
    ['/dir/', '= /dir/index.html', 200, handed_over => '/dir/'],
    ['/own/', '/own/', 200],
    ['/after/', '/after/', 200],
    ['/large/', '/large/', 413, internal => '= /page'],
    ['/inside/', '/inside/', 200, internal => '= /page'],
    ['/args/', '/args/', 404, internal => '= /shown'],
    ['/vars/', '/vars/', 200, internal => '= /shown'],
    ['/off/', undef, 404, internal => '= /page'],
);

my $site = Site->new(http => $http, server => $shared);

spew($site->dir . "/html/$_/index.html", 'x')
    for map { mkdir $site->dir . "/html/$_"; $_ } qw(dir own);
spew($site->dir . '/shared', $site->expand($shared));

$site->start;

for my $case (@cases) {
    my ($path, $place, $status, @told) = @$case;

    my $body = $path eq '/large/' ? 'xx' : '';

    for (['main', $site->request($path, body => $body)->{status},
          'over HTTP/1.1'],
         ['two', status2($path, $body), 'over HTTP/2'])
    {
        my ($server, $got, $how) = @$_;

        # curl may be told that the stream ends before it reads the response
        is($got, $status, "$path is answered $status $how")
            unless $got eq '000' && $body;
        is_deeply(changed($server), expected($place, $status, @told),
                  "... and counted where it belongs");
    }
}

# before any location was found, the server is what failed

$site->request($_, to => '127.0.0.1:' . $site->port(3)) for '/?x=1', '/';
is_deeply(changed('early'),
          { requests => { '-' => 1, '/' => 1 }, '5xx' => { '-' => 1 },
            '2xx' => { '/' => 1 }, internal => { '@late' => 1 } },
          'a server that failed counts its error');

# what the upstream of a replaced response took is told where it failed

is($site->location('main', $_)->{upstream}{requests}, 1,
   "$_ has its upstream's time") for '/caught/', '/down/', '/proxied/';
is($site->location('main', '= /page')->{upstream}{requests}, 0,
   'and the error page has none');

my $metrics = $site->request('/metrics')->{body};

like($metrics, qr/^nginx_profiling_requests_\Q$_\E$/m, "metrics: $_")
    for 'handed_over_total{server="main",location="/chain/"} 1',
        'internal_total{server="main",location="/again/"} 1';

$site->stop;

done_testing;


# what the latest requests changed, kind by kind; post_action is waited for

sub changed {
    my $server = shift;
    my %now;

    our %before;

    for my $row (grep { $_->{server} && $_->{server} eq $server }
                     @{ $site->json('locations')->{locations} })
    {
        my $name = $row->{location} // '-';

        $now{$_}{$name} = $row->{$_} for qw(requests internal handed_over);
        $now{$_}{$name} = $row->{by_status}{$_} // 0 for qw(2xx 3xx 4xx 5xx);
    }

    my %delta;

    for my $kind (keys %now) {
        for my $name (keys %{ $now{$kind} }) {
            my $n = $now{$kind}{$name} - ($before{$server}{$kind}{$name} || 0);
            $delta{$kind}{$name} = $n if $n;
        }
    }

    $before{$server} = \%now;

    return \%delta;
}


sub expected {
    my ($place, $status, @told) = @_;
    my %expected;

    if (defined $place) {
        $expected{requests}{$place} = 1;
        $expected{ substr($status, 0, 1) . 'xx' }{$place} = 1;
    }

    while (my ($kind, $name) = splice @told, 0, 2) {
        $expected{$kind}{$name}++;
    }

    return \%expected;
}


sub status2 {
    my ($path, $body) = @_;

    my $code = run('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}',
                   '--http2-prior-knowledge', $body ? ('-d', $body) : (),
                   'http://127.0.0.1:' . $site->port(2) . $path);

    return $code;
}
