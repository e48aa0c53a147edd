#!/usr/bin/perl

# Locations and workers that come and go: memory goes with use, names that no
# configuration has any more give their room back, and each worker has a slot.

use strict;
use warnings;

use Fault;
use Health;
use IO::Socket::INET;
use Test::More;

my $page = 2112;


# sites that nobody asks for

my $idle = Fault->new(name => 'idle', workers => 2,
                      profiling => 'profiling_interval 100ms; '
                                   . 'profiling_record off;',
                      http => 'server_names_hash_max_size 65536;'
                              . sites(1 .. 5000));

$idle->start(seconds => 60);
$idle->ticked;

my $before = zone_resident($idle);

$idle->get('/metrics');
$idle->api('locations');

# what the answer itself touches is of one place, that which serves it

my $grown = zone_resident($idle) - $before;
cmp_ok($grown, '<', 1024, 'a scrape of 5,000 idle sites touches none of them')
    or diag("$grown KB");

my ($used) = pages($idle);
cmp_ok($used, '<=', 8, '... and none has a page');

# one request each: two pages at most until there are histograms

asked($idle, "s$_.test") for 1 .. 200;
my ($after) = pages($idle);
cmp_ok($after - $used, '<=', 200 * 2, '200 that were asked have some');
cmp_ok(($after - $used) * $page / 200, '<', 4096 + $page, '... 4 KB each');
is_deeply(ailments($idle->api('health')), [], '... and health is well');

$idle->stop;


# 20 deploys, each with 12 names of its own, into a zone that holds few

my $deploys = Fault->new(name => 'deploys', workers => 2,
                         http => deploy(0),
                         profiling => 'profiling_interval 100ms;
                                       profiling_history 10;
                                       profiling_zone zone=d:4m slots=8;');

$deploys->start;

for my $n (1 .. 20) {
    $deploys->reload(http => deploy($n)) or fail("reload $n");
    asked($deploys, "d$n-$_.test") for 1 .. 12;
}

my $text = $deploys->get('/metrics')->{body};

is(scalar(() = $text =~ /^nginx_profiling_requests_total
                          \{server="d20-\d+\.test",location="\/",
                          status="2xx"\}\ 1$/mgx),
   12, 'the latest names are counted');
like($text, qr/^nginx_profiling_locations_lost_total 0$/m, '... none was lost');
unlike($text, qr/server="d(?:[1-9]|1[0-7])-/, '... series of earlier ones end');
unlike($text, qr/\(other\)/, '... and nothing went to the others');
is_deeply(ailments($deploys->api('health')), [], '... health is well');
$deploys->stop;


# no series twice, whatever locations are called

my $same = Fault->new(name => 'same', workers => 1,
                      http => 'server { listen 127.0.0.1:PORT1; server_name e;
                          if ($arg_a) { set $b 1; }
                          if ($arg_a) { set $b 2; }
                          location "" { return 200 x; }
                          location /x { if ($arg_a) { return 200 a; }
                                        if ($arg_a) { return 200 b; }
                                        return 200 c; } }');

$same->start;
request($same->port(1), "http://e$_") for '/', '/x', '/x?a=1', '/%00';
my %seen;
my @twice = grep { $seen{$_}++ }
            $same->get('/metrics')->{body} =~ /^(nginx_profiling_\S+\{.*\}) /mg;
is("@twice", '', 'no series comes twice');
$same->stop;


# histograms of the 500 with the most requests, totals of all

my $busy = Fault->new(name => 'busy', workers => 1,
                      server => 'location /debug/pprof/ { profiling_pprof; }',
                      http => 'server_names_hash_max_size 4096;'
                              . sites(1 .. 600));

$busy->start;
asked($busy, "s$_.test") for 1 .. 600, 101 .. 600;

for my $case (['', 500, 600], ['?histograms=busy', 500, 600],
              ['?histograms=all', 600, 600], ['?histograms=none', 0, 600])
{
    my ($args, $histograms, $totals) = @$case;
    my $text = $busy->get("/metrics$args")->{body};

    my @of = $text =~ /^nginx_profiling_request_duration_seconds_count
                        \{server="s(\d+)\.test"/mgx;
    is(@of, $histograms, "'$args': histograms of $histograms");
    is(scalar(grep { $_ <= 100 } @of), $histograms == 600 ? 100 : 0,
       '... of the busiest');
    is(scalar(() = $text =~ /^nginx_profiling_requests_total
                              \{server="s\d+\.test",[^}]*"2xx"\}\ [12]$/mgx),
       $totals, "... totals of $totals");
}

# a profile has the names of all places, written in several steps

my @held = map {
    my $s = IO::Socket::INET->new('127.0.0.1:' . $busy->port(1));
    syswrite $s, "POST http://s$_.test/ HTTP/1.1\r\nHost: s$_.test\r\n"
                 . "Content-Length: 9\r\n\r\n";
    $s
} 3, 257, 600;

my %names;
ok(wait_for(60, sub {
    %names = map { $_ => 1 } $busy->get('/debug/pprof/goroutine?debug=1')->{body}
                 =~ /"server":"(s\d+\.test)"/g;
    return keys %names == 3;
}), 'a profile of connections names their servers') or diag(explain(\%names));
is_deeply([ sort keys %names ], [ map { "s$_.test" } 257, 3, 600 ],
          '... rightly');
@held = ();

is($busy->get('/metrics?histograms=some')->{status}, 400,
   'another word is refused');
$busy->stop;


# from one worker to 32 by a reload, while the first one drains

my $more = Fault->new(name => 'more', workers => 1,
                      profiling => 'profiling_interval 100ms;',
                      server => 'location /slow { limit_rate 1;
                                     return 200 "$request_id$request_id"; }');

$more->start;

my $slow = IO::Socket::INET->new('127.0.0.1:' . $more->port);
syswrite $slow, "GET /slow HTTP/1.0\r\n\r\n";
$more->until('metrics', 60, sub { $_[0]{metrics}{connections}{writing} });

$more->reload(workers => 32);

my $m = $more->until('metrics', 60, sub {
    return 32 == grep { $_->{state} eq 'running' } @{ $_[0]{workers} };
});
ok($m->{met}, 'each of 32 new workers has a slot');
is($m->{overhead}{unprofiled_workers}, 0, '... none was refused');
is_deeply(ailments($more->api('health')), [], '... health is well');

close $slow;
ok($more->stop('QUIT'), 'nginx ends');
unlike($more->log, qr/\[(?:alert|crit|emerg)\]|signal 11/, 'no alert');

done_testing();


sub sites {
    return join '', map {
        "server { listen 127.0.0.1:PORT1; server_name s$_.test;
                  location / { return 200 x; } }\n"
    } @_;
}


sub deploy {
    my ($n) = @_;

    return join '', map {
        "server { listen 127.0.0.1:PORT1; server_name d$n-$_.test;
                  location / { return 200 x; } }\n"
    } 1 .. 12;
}


sub asked {
    my ($n, $host) = @_;

    my $r = request($n->port(1), "http://$host/");
    ($r->{status} // 0) == 200 or fail("$host: " . explain($r));
}


# pages of places, used and free

sub pages {
    my ($n) = @_;

    my $text = $n->get('/metrics')->{body};

    return map {
        ($text =~ /^nginx_profiling_zone_pages\{state="$_"\} (\d+)$/m)[0]
    } 'used', 'free';
}


# KB of shared memory that master and workers have touched, each page once:
# pages that another process has touched already, and this one reads, add none

sub zone_resident {
    my ($n) = @_;

    my $kb = 0;

    for my $pid ($n->{pid}, $n->running) {
        my $shared = 0;

        for (split /\n/, slurp("/proc/$pid/smaps")) {
            $shared = $1 eq 's' if /^[0-9a-f]+-[0-9a-f]+ ...([sp]) /;
            $kb += $1 if $shared && /^Pss:\s+(\d+)/;
        }
    }

    return $kb;
}
