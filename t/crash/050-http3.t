#!/usr/bin/perl

# A worker that dies while it serves streams of HTTP/3: whose it was, of several
# that are open, and which were before.

use strict;
use warnings;

use Http3;
use Modules;
use Profile;
use Sanitized;
use Site;
use Test::More;

skip_all_sanitized('they have handlers of their own');

my ($missing) = Http3::missing();
plan(skip_all => "$missing; t/build/030-source.t builds an nginx that has it")
    if $missing;

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    noise    => qr/signal 11|SIGSEGV|died of/,
    http     => <<'END', server => <<'END');
    profiling_interval 100ms;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
END
        listen 127.0.0.1:PORT1 quic;
        location /one { return 200 one; }
        location /two { return 200 two; }
        location /held { limit_rate 1; return 200 "$request_id$request_id"; }
        location /dies/ { profiling_test die_null 0; }
END

Profile::certificate($site);
$site->start;

my ($pid) = $site->workers;

# one after the other, then three that go on beside the one that dies

for my $n (1 .. 5) {
    my $client = Http3::opened($site->port(1), '/one', '/two', '/one', '/two');
    ok(until_true(60, sub { $client->answers == 4 }), "streams of client $n");
    $client->end('INT');
}

my $open = Http3::opened($site->port(1), ('/held') x 3);
until_true(60, sub {
    my $count = grep { ($_->{location} // '') eq '/held' }
                @{ $site->json('goroutines')->{goroutines} };
    return $count == 3;
});

my $last = Http3::begun($site->port(1), '/held', '/dies/here?token=secret');

ok(until_true(60, sub {
    my @now = $site->workers;
    return @now == 1 && $now[0] != $pid && $site->json('crashes')->{total};
}), 'the worker dies');

my $r = $site->json('crashes/1');

is($r->{worker}, $pid, 'the report is of this worker');
is($r->{function}, 'profiling_test_die_null', '... of the function');
is($r->{location}, '/dies/', '... of the location');
is($r->{request}{uri}, '/dies/here', '... of the request');
is($r->{request}{method}, 'GET', '... its method');
is($r->{request}{client}, '127.0.0.1', '... its client');

my %before;
$before{ $_->{location} // 'none' }++ for @{ $r->{before} };

cmp_ok($before{'/one'} + $before{'/two'}, '>=', 5,
       'the streams of earlier passes stand before it');
is(scalar(grep { !m{^/(?:one|two|held|api/profiling/|dies/)$} } keys %before),
   0, '... and nothing that was not') or diag(explain(\%before));

my @ages = map { $_->{seconds_before} } @{ $r->{before} };

is_deeply(\@ages, [ sort { $a <=> $b } @ages ], '... the latest first');
unlike($site->request('/api/profiling/crashes/1')->{body}, qr/secret/,
       'no arguments');

$_->end('KILL') for $open, $last;
$site->stop;
done_testing;
