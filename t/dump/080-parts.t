#!/usr/bin/perl

# Details of more connections than the area of a worker has room for come part
# by part: each connection once, for several readers at a time, and no sum
# counts one twice.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Dump;
use Modules;
use Profile;
use Site;

Modules::skip_unbuilt('http2', 1) unless Modules::built('http2');

# 64 KB of each worker are for a dump of 4000 connections
my $site = Site->new(
    workers  => 2,
    handlers => $Profile::handlers,
    connections => 6000,
    http     => <<'END',
    profiling_zone zone=small:4m slots=4;
    upstream quiet { server 127.0.0.1:PORT3; }
    server {
        listen 127.0.0.1:PORT2 http2;
        server_name two;
        location / { proxy_pass http://quiet; proxy_read_timeout 600s; }
    }
END
);

my $quiet = Dump::quiet($site->port(3), backlog => 4096);
$site->start;

my $path = '/*/' . 'long' x 25;
my @clients = map { h2('127.0.0.1:' . $site->port(2), 100, $path) } 1 .. 20;
my $dump;

ok(until_true(60, sub {
       my $kinds = dump_of($site, 'limit=0')->{by_kind};
       return 2000 == ($kinds->{'http2 stream'} // 0)
              && 2000 == ($kinds->{upstream} // 0);
   }), 'all connections are there');

# who asks has a connection as well

for my $limit (10_000, 1500, 0) {
    $dump = asked($limit);
    is_whole($dump, $limit ? $limit < 4021 ? $limit : 4021 : 0, "limit=$limit");
    is_dump($dump, "limit=$limit");
}

# a dump for one may answer another, who wants more of it

my @limits = (1000, (1) x 8, 10_000, (10) x 8, 10_000, 2000, (1) x 8);
my @readers = map {
    my $limit = $_;

    Profile::background(sub { JSON::PP->new->encode(asked($limit)) })
} @limits;

# that of another reader may open or close between two parts

my %stay = ('http2 stream' => 2000, upstream => 2000);

for my $limit (@limits) {
    my $got = JSON::PP->new->decode(Profile::finish(shift @readers));
    my $name = "limit=$limit of one of many at once";

    if ($limit < 4000) {
        is_whole($got, $limit, $name);
        next;
    }

    my $n = @{ $got->{goroutines} };
    my %kinds = is_whole($got, $n, $name);

    is_deeply({ map { $_ => $kinds{$_} } keys %stay }, \%stay, '... all');
    cmp_ok($kinds{client}, '>=', 20, '... of all kinds');
    ok(!$got->{truncated}, '... and it says so');
}

$site->stop;
done_testing();


# a worker that others keep from the CPU counts as one that is stuck

sub asked {
    my $limit = shift;

    my $got;

    until_true(60, sub {
        $got = dump_of($site, "limit=$limit");
        return !grep { $_->{answer} ne 'answered' } @{ $got->{workers} };
    }) or die "no whole answer\n";

    return $got;
}


sub is_whole {
    my ($dump, $n, $name) = @_;

    my (%ids, %kinds, $sum);

    for my $g (@{ $dump->{goroutines} }) {
        $ids{"$g->{worker} $g->{id}"}++;
        $kinds{$g->{kind}}++;
    }

    $sum += $_ for values %{ $dump->{by_kind} };

    is(scalar @{ $dump->{goroutines} }, $n, "$name: $n are listed");
    is(scalar keys %ids, $n, '... each once');
    is($sum, $dump->{count}, '... all are counted once');
    ok($dump->{truncated}, '... and it says that there are more')
        if $n < 4000;

    return %kinds;
}
