#!/usr/bin/perl

# The figures of metrics against other sources: requests against the access log
# and the clients' own counts, CPU time and resident memory against /proc,
# connections against ss.

use strict;
use warnings;

use Fault;
use IO::Socket::INET;
use Modules qw(built skip_unbuilt);
use Test::More;

my $text = join '', map { "line $_ of a page that compresses\n" } 1 .. 400;

my $gzip = built('gzip') ? 'gzip on; gzip_types text/plain;' : '';
my $http2 = built('http2') ? 'listen 127.0.0.1:PORT2 http2;' : '';

my $n = Fault->new(name => 'truth', ports => 4,
                   access_log => 'DIR/access.log', http => $gzip . <<'END',
    keepalive_requests 1000000;
    keepalive_timeout 120s;

    # its samples touch pages between two readings of memory
    profiling_record off;

    upstream back { server 127.0.0.1:PORT1; keepalive 8; }

    server {
        listen 127.0.0.1:PORT1;
        profiling off;
        access_log off;
        location / { return 200 "from behind\n"; }
    }
END
    server => $http2 . <<'END');
        location /static/ { alias DIR/html/; }
        location /gzip/ { alias DIR/html/; }
        location /silent/ { proxy_pass http://127.0.0.1:PORT3; }
        location /proxy/ {
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
END

Fault::spew($n->dir . '/html/page.txt', $text);

# takes connections and never answers
my $silent = IO::Socket::INET->new(Listen => 128, ReuseAddr => 1,
                                   LocalAddr => '127.0.0.1:' . $n->port(3))
    or die "listen() failed: $!\n";

$n->start;

my $total = 0;
my @gzip = ('-H', 'Accept-Encoding: gzip');

for my $load (['static', '/static/page.txt', 'http/1.1', 6000, 8, ()],
              ['gzip', '/gzip/page.txt', 'http/1.1', 3000, 8, @gzip],
              ['proxied', '/proxy/x', 'http/1.1', 3000, 8, ()],
              ['static over HTTP/2', '/static/page.txt', 'h2c', 6000, 4, ()],
              ['proxied over HTTP/2', '/proxy/x', 'h2c', 3000, 4, ()],
              ['404', '/static/none', 'http/1.1', 1000, 4, ()])
{
    my ($name, $path, $protocol, $number, $clients, @more) = @$load;

  SKIP: {
    skip_unbuilt('gzip', 1) if $name eq 'gzip';
    skip_unbuilt('http2', 1) if $protocol eq 'h2c';

    my $port = $n->port($protocol eq 'h2c' ? 2 : 0);
    my $said = run_command('h2load', '-n', $number, '-c', $clients,
                           $protocol eq 'h2c' ? ('-m', 10) : '--h1', @more,
                           "http://127.0.0.1:$port$path");

    my ($done) = $said =~ /(\d+) done/;
    is($done, $number, "$name: h2load has made its requests") or diag($said);

    $total += $number;
  }
}

my $m = $n->ticked;

is($m->{metrics}{requests}{total}, $total, 'as many requests as h2load made');
is($m->{metrics}{requests}{by_status}{404}, 1000, '... of them 404');
is($m->{metrics}{requests}{by_status}{200}, $total - 1000, '... and 200');
is(lines(), $total, '... and the access log has as many');

my $sum = 0;
$sum += $_->{requests}{total}
    for @{ $m->{workers} };
is($sum, $total, '... and the workers have them together');

my $bytes = 0;
$bytes += $_ for Fault::slurp($n->dir . '/access.log') =~ /" \d+ (\d+) "/g;
cmp_ok($m->{metrics}{requests}{bytes_out}, '>=', $bytes,
       'bytes sent are at least the bodies of the access log');


# wrk drops what is under way when its time is over

my $connections = 16;
my $said = run_command('wrk', '-t1', "-c$connections", '-d2s',
                       'http://127.0.0.1:' . $n->port . '/static/page.txt');
my ($wrk) = $said =~ /(\d+) requests in/;

$m = $n->ticked;

my $counted = $m->{metrics}{requests}{total} - $total;

is($counted, lines() - $total, 'as many requests as the access log has');
cmp_ok($counted, '>=', $wrk, '... at least those that wrk counted');
cmp_ok($counted, '<=', $wrk + $connections,
       '... and no more than were under way when it ended');

my $by_location = 0;
$by_location += $_->{requests}
    for @{ $n->api('locations')->{locations} };
is($by_location, lines(), 'the locations have all of them together');


# CPU time and memory: nothing runs but our own question

# An answer touches pages of shared memory, after the tick that it tells of:
# one that has touched nothing new.

$m = $n->until('metrics', 60, sub {
    return !grep {
        my $status = proc_status($_->{pid});
        abs($_->{memory}{shared} - $status->{RssShmem} * 1024)
        > $status->{RssShmem} * 1024 / 100
    } @{ $_[0]{workers} };
});

# what they have run for is told at a tick between two readings

my %least = map { $_ => schedstat($_) / 1e9 } $n->workers;

$m = $n->ticked;

my %most = map { $_ => schedstat($_) / 1e9 } $n->workers;
my %stat = map { $_ => Fault::slurp("/proc/$_/stat") } $n->workers;
my @workers = sort { $a->{pid} <=> $b->{pid} } @{ $m->{workers} };
is_deeply([ map { $_->{pid} } @workers ],
          [ sort { $a <=> $b } $n->workers ], 'workers are named by pid');

my $cpu = 0;

for my $w (@workers) {
    my $own = $w->{cpu}{user_seconds} + $w->{cpu}{system_seconds};
    my ($least, $most) = ($least{ $w->{pid} }, $most{ $w->{pid} });

    $cpu += $own;

    ok($own >= 0.99 * $least && $own <= 1.01 * $most,
       "CPU seconds of worker $w->{pid} and schedstat")
        or diag("$own, in truth $least to $most");

    # clock ticks of 10 ms
    my @stat = split ' ', $stat{ $w->{pid} };
    my $tick = 1 / POSIX::sysconf(POSIX::_SC_CLK_TCK());

    cmp_ok(abs($own - ($stat[13] + $stat[14]) * $tick), '<=',
           2 * $tick + $own / 100 + $most - $least,
           '... and /proc/<pid>/stat');

    my $status = proc_status($w->{pid});

    close_to($w->{memory}{anonymous} + $w->{memory}{inherited}, $status->{RssAnon} * 1024,
             "anonymous memory of worker $w->{pid}");
    close_to($w->{memory}{shared}, $status->{RssShmem} * 1024,
             "shared memory of worker $w->{pid}");
}

cmp_ok($cpu, '>', 0.2, 'the workers have worked');
cmp_ok(abs($m->{metrics}{cpu}{user_seconds} + $m->{metrics}{cpu}{system_seconds}
           - $cpu), '<=', 1e-5, 'CPU seconds of all workers');


# connections by state

my @waiting = map { client("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n") } 1 .. 7;
my @reading = map { client("GET /empty HTTP/1.1\r\nHost: ") } 1 .. 5;
my @writing = map { client("GET /silent/ HTTP/1.1\r\nHost: a\r\n\r\n") }
              1 .. 4;

sysread $_, my $answer, 4096 for @waiting;

# the kept-alive connections to the server behind are clients of it

my $behind = connections('sport', $n->port(1));

$m = $n->until('metrics', 60, sub {
    my $c = $_[0]{metrics}{connections};
    return $c->{active} == 16 + $behind && $c->{waiting} == 7 + $behind
           && $c->{reading} == 5 && $c->{writing} == 4 && $c->{upstream} == 4;
});

ok($m->{met}, 'waiting, reading, writing and upstream connections')
    or diag(explain($m->{metrics}{connections}));

is(connections('sport', $n->port), 16, '... and ss has as many clients');
is(connections('dport', $n->port(3)), 4, '... and upstream connections');

my $open = $m->{metrics}{connections};
is($open->{active} + $open->{upstream} + $open->{upstream_idle}
   + $open->{other}, $m->{metrics}{goroutines}, 'goroutines are all of them');
is($open->{upstream_idle}, $behind,
   'kept-alive upstream connections as ss has them');

@waiting = @reading = @writing = ();

$m = $n->until('metrics', 60, sub {
    my $c = $_[0]{metrics}{connections};
    return $c->{active} == $behind && $c->{upstream} == 0;
});

ok($m->{met}, 'all are gone when they are closed')
    or diag(explain($m->{metrics}{connections}));

ok($n->stop('QUIT'), 'nginx ends');
unlike($n->log, qr/\[(?:alert|emerg|crit)\]/, 'no alert in the log');

done_testing();


sub lines {
    my $log = Fault::slurp($n->dir . '/access.log');
    return scalar(() = $log =~ /\n/g);
}


sub client {
    my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port)
        or die "connect() failed: $!\n";

    syswrite $s, shift;

    return $s;
}


# memory: a page may have been touched since

sub close_to {
    my ($got, $true, $name) = @_;

    cmp_ok(abs($got - $true), '<=', $true / 100 + POSIX::sysconf(POSIX::_SC_PAGESIZE()),
           sprintf('%s: %s, %s in truth', $name, $got, $true));
}
