#!/usr/bin/perl

# /debug/pprof/latency: its sum is that of the requests' times, as nginx logs
# them, by location, part and peer.

use strict;
use warnings;

use IO::Socket::INET;
use List::Util qw(sum0);
use Test::More;
use Time::HiRes qw(sleep);
use Profile;
use Site;

my $silent = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
                                   LocalAddr => '127.0.0.1:0') or die;
my $still = $silent->sockport;

my $site = Site->new(
    workers => 2,
    modules => ['/usr/lib/nginx/modules/ngx_http_echo_module.so'],
    handlers => $Profile::handlers,
    access  => 'DIR/times.log times',
    noise   => qr/upstream timed out/,
    http    => <<"END",
    profiling_interval 100ms;
    profiling_slow 100ms;
    profiling_expensive cpu=1h;
    log_format times '\$request_time \$uri';
    limit_req_zone \$server_name zone=one:1m rate=5r/s;

    upstream pair { server 127.0.0.1:$still max_fails=0; server 127.0.0.1:PORT1 backup; }

    server {
        listen 127.0.0.1:PORT1;
        profiling off;
        access_log off;
        location / { echo_sleep 0.15; echo x; }
        location /parts { echo a; echo_flush; echo_sleep 0.2; echo x; }
    }
END
    server  => <<"END")->start;
        location = /nothing { return 200 "x"; }
        location = /doze { echo_sleep 0.1; echo x; }
        location = /block { echo_blocking_sleep 0.1; echo x; }
        location = /up { proxy_pass http://127.0.0.1:PORT1/; }
        location = /parts { proxy_pass http://127.0.0.1:PORT1/parts; }
        location = /named {
            resolver 127.0.0.1;
            set \$to 127.0.0.1:PORT1;
            proxy_pass http://\$to/;
        }
        location = /pair { proxy_read_timeout 200ms; proxy_pass http://pair; }
        location = /limited { limit_req zone=one burst=9; echo x; }
        location = /two { echo_location /doze; echo_location /block; }
END

my $port = $site->port(1);
my $made = 0;
my @uris = qw(nothing doze block up parts named pair limited two);

for my $uri (@uris) {
    $site->request("/$uri") for 1 .. 3;
}

slowly('/up');
$made = 3 * @uris + 1;

my %time = times_of();
my $whole = latency();

is_deeply([Encoder::check_profile($whole->{decoded})], [], 'a valid profile');
is("@{ $whole->{decoded}{types} }", 'requests/count time/nanoseconds',
   '... of requests and of time');

# nginx has times in ms, of a clock that stands still while the loop is held: it
# sees all waits, and none or all of the rest

for my $uri (map { "/$_" } @uris) {
    my $of = labelled(server => 'main', location => "= $uri");
    my $is = sum($whole, $of) / 1e9;
    my $held = sum0(map { part($uri, $_) } qw(cpu blocked preempted wait));
    my $slack = .01 * $time{$uri}{sum} + .003 * $time{$uri}{n};

    cmp_ok($is, '>=', $time{$uri}{sum} - $slack,
           "$uri: the sum is no less than that of its requests' times");
    cmp_ok($is - $held, '<=', $time{$uri}{sum} + $slack,
           '... and no more, but what nginx does not see');
    is(sum0(map { $_->{count} } grep { $of->($_) } @{ $whole->{samples} }),
       $time{$uri}{n}, '... and of as many');
}

# what a request waits for goes on while it has the loop itself, or waits for it

cmp_ok(told('/doze', 'timer'), '>=', .29, 'timers are told');
cmp_ok(part('/block', 'blocked'), '>=', .29, '... blocking calls');
cmp_ok(told('/limited', 'timer'), '>=', .19, '... a limit of the rate');
cmp_ok(part('/two', 'timer'), '>=', .29, "... subrequests' timers");
cmp_ok(part('/two', 'blocked'), '>=', .29, '... and calls');
cmp_ok(told('/up', 'client'), '>=', .28, '... a client that sends slowly');
cmp_ok(told('/up', 'upstream'), '>=', .44, '... upstreams');
cmp_ok(part('/nothing', 'cpu'), '>', 0, '... CPU time');

cmp_ok(told('/up', 'upstream', peer => "127.0.0.1:$port", step => 'first byte'),
       '>=', .44, 'a peer is told, and that its first byte is waited for');
cmp_ok(told('/parts', 'upstream', peer => "127.0.0.1:$port", step => 'body'),
       '>=', .44, '... or the rest');
cmp_ok(told('/named', 'upstream', peer => "127.0.0.1:$port"), '>=', .44,
       '... of one that is found by name, too');
cmp_ok(told('/pair', 'upstream', upstream => 'pair', peer => "127.0.0.1:$still",
            step => 'first byte'), '>=', .58,
       '... of the peer that never answers');
cmp_ok(told('/pair', 'upstream', upstream => 'pair', peer => "127.0.0.1:$port"),
       '>=', .44, '... and of the one that was tried next');

my ($sample) = grep { $_->{labels}{location} eq '= /parts'
                      && ($_->{labels}{step} // '') eq 'body' }
               @{ $whole->{samples} };
is_deeply($sample->{frames},
          ['body', "127.0.0.1:$port", '[upstream]', '= /parts', 'main'],
          'a stack is of location, part, peer and step');

# of one worker, and of some time

my @each = map { latency("?worker=$_") } $site->workers;

for my $uri (map { "/$_" } @uris) {
    my $of = labelled(server => 'main', location => "= $uri");

    is(sum($each[0], $of) + sum($each[1], $of), sum(latency(), $of),
       "$uri: both workers together have it all");
}

my $before = latency();
my $delta = background(sub {
    return $site->request('/debug/pprof/latency?seconds=3')->{body};
});

sleep 1;
$site->request('/doze') for 1 .. 2;
$made += 2;

my $during = Profile::decode(finish($delta));
my $of = labelled(server => 'main', location => '= /doze');

is(sum($during, $of), sum(latency(), $of) - sum($before, $of),
   'seconds: what has ended meanwhile');
is(sum($during, labelled(location => '= /block')), 0, '... and nothing before');
cmp_ok($during->{decoded}{duration}, '>=', 3e9, '... in that time');

like($site->request('/debug/pprof/latency?debug=1')->{body},
     qr/--- contention:.*\[upstream\]/s, 'debug: a text');
is($site->request('/debug/pprof/latency', method => 'HEAD')->{headers}
   {'content-disposition'}, 'attachment; filename="latency"', 'HEAD');
is($site->request('/debug/pprof/latency?seconds=x')->{status}, 400,
   'seconds that are none');

$site->stop;

# where nothing is measured, it says so

$site = Site->new(handlers => $Profile::handlers)->start;

my $got = $site->request('/debug/pprof/latency');
is($got->{status}, 400, 'nothing asks for it: 400');
like($got->{body}, qr/nor profiling_expensive/, '... and why');

$site->stop;
done_testing;


# when all that were made are counted, which is after they are logged

sub latency {
    my $query = shift // '';

    my ($p, $n);

    until_true(60, sub {
        $p = Profile::take($site, path => "/debug/pprof/latency$query");
        $n = sum0(map { $_->{count} }
                  grep { $_->{labels}{location} =~ m{^= /} } @{ $p->{samples} });
        return $query || $n == $made;
    }) or diag("$n of $made");

    return $p;
}


# seconds of a location in a part

sub told {
    my ($uri, @what) = @_;

    return part($uri, @what)
           + sum0(map { part($uri, $_) } qw(cpu blocked preempted wait));
}


sub part {
    my ($uri, $part, %labels) = @_;

    return sum($whole, labelled(server => 'main', location => "= $uri",
                                part => $part, %labels)) / 1e9;
}


# by URI, what nginx has logged: all requests that have been made

sub times_of {
    my %time;

    until_true(60, sub {
        %time = ();

        for (split /\n/, slurp($site->dir . '/times.log')) {
            my ($seconds, $uri) = split / /;
            $time{$uri}{sum} += $seconds;
            $time{$uri}{n}++;
        }

        return sum0(map { $time{"/$_"}{n} // 0 } @uris) == $made;
    });

    return %time;
}


# a body in two parts

sub slowly {
    my $s = $site->connect;

    syswrite $s, "POST $_[0] HTTP/1.1\r\nHost: main\r\nContent-Length: 2\r\n\r\na";
    sleep .3;
    syswrite $s, 'b';
    Profile::receive($s);
}
