#!/usr/bin/perl

# Memory held by pools is reported by worker and by location, and is as much as
# this script made them hold.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep);
use Site;
use Profile;
use Dump;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => <<'END',
    profiling_interval 100ms;
    connection_pool_size 512;
    request_pool_size 8k;
    proxy_buffering off;
    upstream quiet { server 127.0.0.1:PORT3; }
END
    server   => <<'END',
        location /small { proxy_pass http://quiet; }
        location /large {
            proxy_pass http://quiet;
            client_body_buffer_size 1m;
        }
END
);

my $quiet = Dump::quiet($site->port(3));

$site->start;

my @small = map { opened($site, "GET /small/$_ HTTP/1.1\r\nHost: main\r\n\r\n") }
            1 .. 10;

# a body that fits is kept in a buffer of the request
my @large = map { opened($site, "POST /large/$_ HTTP/1.1\r\nHost: main\r\n"
                                . "Content-Length: 900000\r\n\r\nx") } 1 .. 4;
my @fresh = map { opened($site) } 1 .. 6;

ok(until_true(60, sub { dump_of($site)->{count} == 10 * 2 + 4 + 6 + 1 }),
   'the connections are there');

# memory may be answered with a dump of up to 2 seconds ago; this one is new
my ($memory, $pools);

ok(until_true(60, sub {
       $memory = $site->json('memory');
       $pools = $memory->{pools};
       return ($pools->{connections} // 0) >= 31;
   }), 'memory knows of them') or diag(explain($pools));

my %at = map { ($_->{location} // '-') => $_ }
         grep { ($_->{server} // '') eq 'main' } @{ $pools->{locations} };

# client and upstream
is($at{'/small'}{connections}, 20, '/small: connections');
cmp_ok($at{'/small'}{request_bytes}, '>=', 10 * 8192, '... pools of requests');
cmp_ok($at{'/small'}{request_bytes}, '<', 10 * 40_000, '... not much more');
cmp_ok($at{'/small'}{connection_bytes}, '>=', 10 * 512,
       '... and of connections');

is($at{'/large'}{connections}, 4, '/large: connections');
cmp_ok($at{'/large'}{request_bytes}, '>=', 4 * 900_000,
       '... with what they keep of bodies');
cmp_ok($at{'/large'}{request_bytes}, '<', 4 * 1_150_000, '... not much more');

cmp_ok($at{'-'}{connections}, '>=', 6, 'without a location: connections');
is($at{'-'}{request_bytes}, 0, '... no requests');
cmp_ok($at{'-'}{connection_bytes}, '>=', 6 * 512, '... their own pools');

# the same by worker

my ($connections, $bytes) = (0, 0);

for my $worker (@{ $memory->{workers} }) {
    my $own = $worker->{pools};

    $connections += $own->{connections};
    $bytes += $own->{request_bytes};
    cmp_ok($own->{configuration_bytes}, '>', 10_000,
           'a worker has its configuration');
}

is($connections, $pools->{connections}, 'workers have all connections');
is($bytes, $pools->{request_bytes}, '... and all bytes of requests');
is($pools->{not_measured_whole}, 0, 'all of it was measured');

my @of = map { scalar @$_ } [ find(dump_of($site), uri => qr{^/large/},
                                   pool_bytes => qr/^\d{6,}$/) ];
is($of[0], 4, 'a dump tells it of each connection');

# one worker alone

my ($pid) = $site->workers;
my $one = $site->json("memory?worker=$pid");
is(scalar @{ $one->{workers} }, 1, 'one worker can be asked for');
is($one->{pools}{connections}, $one->{workers}[0]{pools}{connections},
   '... with its pools alone');

# what a response holds is given back

close $_ for @large, @small;

ok(until_true(60, sub {
       my $p = $site->json('memory')->{pools};
       return !grep { ($_->{location} // '') eq '/large' }
              @{ $p->{locations} };
   }), 'what is given back is no longer told');

$site->stop;

done_testing();
