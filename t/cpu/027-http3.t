#!/usr/bin/perl

# The labels of CPU time and pauses of streams of HTTP/3: several on a
# connection, with subrequests and upstreams, by functions that only one
# location calls.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);
use Http3;
use Profile;
use Sampled;
use Site;

my ($missing) = Http3::missing();
plan(skip_all => "$missing; t/build/030-source.t builds an nginx that has it")
    if $missing;

my %place = (
    one_cfi   => '= /one',
    three_cfi => '= /three',
    deep_cfi  => '= /mirrored',
    one_fp    => '= /upstream',
);

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => <<'END', server => <<'END');
    profiling_cpu_rate 1000;
    profiling_pause_threshold 2ms;
    keepalive_requests 1000000;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
    server {
        listen 127.0.0.1:PORT2;
        server_name behind;
        location = /upstream { profiling_test one_fp 3000000; }
    }
END
        listen 127.0.0.1:PORT1 quic;
        location = /one { profiling_test one 3000000; }
        location = /three { mirror /mirrored; profiling_test three 3000000; }
        location = /mirrored { internal; profiling_test deep 3000000; }
        location = /proxied { proxy_pass http://127.0.0.1:PORT2/upstream; }
END

Profile::certificate($site);
$site->start;

my $began = time();
my $load = Profile::background(sub {
    my @paths = map { ('/one', '/three', '/proxied') } 1 .. 8;

    while (1) {
        my $client = Http3::opened($site->port(1), @paths);
        until_true(60, sub { $client->answers >= @paths });
        $client->end('INT');
    }
});

my $p = Profile::take_until($site, sub {
    my $p = shift;
    return !grep { sum($p, has("profiling_test_$_")) < 0.16e9 } keys %place;
}, seconds => 2);

my $recent;

until_true(60, sub {
    $recent = [ grep { epoch($_->{time}) >= $began
                       && grep { /profiling_test_/ } @{ $_->{stack} } }
                @{ $site->json('gc')->{recent} } ];
    return @$recent >= 20;
});

Profile::end($load);

for my $f (sort keys %place) {
    my $has = has("profiling_test_$f");

    is_mostly($p, 0.98, "$f: CPU time of $place{$f}", $has,
              labelled(server => $f eq 'one_fp' ? 'behind' : 'main',
                       location => $place{$f})) or wrong($p, $has);
}

# By what has called the handler, since the stacks of pauses have no names of
# inlined functions.  Those of a deep recursion end within it; a filter of HTTP/3
# is in the way of all responses.

my @wrong = grep {
    my $stack = join ' ', @{ $_->{stack} };
    my $is = $stack =~ /ngx_http_mirror_handler/ ? '= /three'
             : $stack =~ /ngx_http_run_posted_requests|_test_descend_/
               ? '= /mirrored'
             : $stack =~ /ngx_http_v3_(?:process|wait)_/ ? '= /one'
             : '= /upstream';

    ($_->{location} // '') ne $is;
} @$recent;

cmp_ok(scalar @$recent, '>', 0, 'there are pauses');
cmp_ok(scalar @wrong, '<=', 0.02 * @$recent, '... each of its location')
    or diag(explain(\@wrong));

$site->stop;

done_testing;
