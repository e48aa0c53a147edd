#!/usr/bin/perl

# Slow requests: which are kept, by what they waited for, and that their parts
# are all of their time.

use strict;
use warnings;

use List::Util qw(max sum0);
use Test::More;
use Time::HiRes qw(sleep);
use Profile;
use Site;

my $site = Site->new(
    workers => 2,
    modules => ['/usr/lib/nginx/modules/ngx_http_echo_module.so'],
    handlers => $Profile::handlers,
    access  => 'DIR/slow.log slow',
    http    => <<'END',
    profiling_interval 100ms;
    profiling_slow 100ms rate=65536 keep=16;
    log_format slow '$uri $profiling_slow_id';

    server {
        listen 127.0.0.1:PORT1;
        profiling_slow off;
        location / { echo_sleep 0.15; echo x; }
    }
END
    server  => <<'END')->start;
        location = /fast { return 200 "x"; }
        location = /doze { echo_sleep 0.15; echo x; }
        location = /long { echo_sleep 0.6; echo x; }
        location = /block { echo_blocking_sleep 0.15; echo x; }
        location = /up { proxy_pass http://127.0.0.1:PORT1; }
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

# the slowest stays when many others come

$site->request('/long');
background(sub { $site->request('/doze') for 1 .. 8; '' }) for 1 .. 3;

my $answer;
until_true(60, sub {
    $answer = $site->json('/api/profiling/slow');
    return $answer->{total} >= 6 + 24;
});

cmp_ok(scalar(@{ $answer->{requests} }), '<=', 16, 'no more than are kept');
ok(scalar(grep { $_->{uri} eq '/long' } @{ $answer->{requests} }),
   'the slowest one is among them');
is(max(map { $_->{id} } @{ $answer->{requests} }), $answer->{total},
   '... and the latest');

# beyond the rate they are counted

$site->request('/once') for 1 .. 20;
$answer = $site->json('/api/profiling/slow');
is($answer->{total} + $answer->{dropped}, 6 + 24 + 20, 'all are counted');
cmp_ok($answer->{dropped}, '>', 0, 'some are not kept');

$site->stop;
done_testing;


sub list {
    my $n = shift;
    my @all;

    until_true(60, sub {
        @all = @{ $site->json('/api/profiling/slow')->{requests} };
        return @all >= $n;
    });

    return @all;
}


# a body in two parts

sub slowly {
    my $s = $site->connect;

    syswrite $s, "POST $_[0] HTTP/1.1\r\nHost: main\r\nContent-Length: 2\r\n\r\na";
    sleep .3;
    syswrite $s, 'b';
    Profile::receive($s);
}
