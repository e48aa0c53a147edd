#!/usr/bin/perl

# Upstreams and zones of shared memory have their whole names, with the port
# that tells two of them apart, also where there are more than a thousand.
# What finds no room is told.

use strict;
use warnings;

use Health;
use IO::Socket::INET;
use Profile;
use Site;
use Test::More;

my $long = 'backend-' . 'x' x 180;

# servers that accept and never answer
my @deaf = map { IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1')
                     || die "listen: $!\n" } 1 .. 3;
my @ports = map { $_->sockport } @deaf;

my $site = site(
    many   => 1100,
    zones  => 300,
    http   => "upstream $long { server 127.0.0.1:$ports[0]; }
               upstream zzz { server 127.0.0.1:$ports[0]; }",
    server => "location /long { proxy_pass http://$long; }
               location /last { proxy_pass http://zzz; }
               location /one { proxy_pass http://127.0.0.1:$ports[1]; }
               location /two { proxy_pass http://127.0.0.1:$ports[2]; }");

my @clients;

for (['/long', $long], ['/last', 'zzz'], ['/one', "127.0.0.1:$ports[1]"],
     ['/two', "127.0.0.1:$ports[2]"])
{
    my ($path, $name) = @$_;
    my $client = $site->connect;

    print $client "GET $path HTTP/1.1\r\nHost: main\r\n\r\n";
    $client->flush;
    push @clients, $client;

    ok(until_true(60, sub { grep { $_ eq $name } upstreams() }),
       "the upstream of $path has its whole name")
        or diag(join ' ', upstreams());
}

is_deeply(ailments($site->json('health')), [], 'all of them have room');
is(lost(), 0, '... and none is lost');

# a reload of the same names finds them; nothing holds the old worker

@clients = ();
kill 'HUP', $site->{pid};
until_true(60, sub { $site->json('runtime')->{generation} == 2 });
is(lost(), 0, 'a reload takes no more room');

$site->stop;

# more than there is room for

$site = site(many => 4200, zones => 1, http => '', server => '');

is(lost(), 4200 - 4094, 'what has no room is told');

my $health = $site->json('health');

is($health->{status}, 'degraded', '... by health');
like("@{ $health->{issues} }", qr/tables of names have no room for: 106/,
     '... with its number');

$site->stop;

done_testing;


sub site {
    my %o = @_;

    my $more = join "\n",
        (map { "upstream u$_ { server 127.0.0.1:1; }" } 1 .. $o{many}),
        (map { "limit_req_zone \$uri zone=z$_:32k rate=1r/s;" }
             1 .. $o{zones});

    return Site->new(workers => 1, server => $o{server},
                     http => "profiling_interval 100ms; $more $o{http}")->start;
}


sub upstreams {
    return grep { defined } map { $_->{upstream_name} }
                @{ $site->json('goroutines')->{goroutines} };
}


sub lost {
    my ($n) = $site->request('/metrics')->{body}
              =~ /^nginx_profiling_names_lost (\S+)$/m;

    return $n;
}
