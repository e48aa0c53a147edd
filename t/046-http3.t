#!/usr/bin/perl

# The gauges and counters of connections with clients of HTTP/3 and UDP,
# against what this script has opened, nginx's own stub_status, and its access
# log.

use strict;
use warnings;

use Socket;
use Test::More;
use Dump;
use Http3;
use Modules qw(built);
use Profile;
use Site;

my ($missing) = Http3::missing();
plan(skip_all => "$missing; t/build/030-source.t builds an nginx that has it")
    if $missing;

my $site = Site->new(
    modules => built('stream') ? [] :
               ['/usr/lib/nginx/modules/ngx_stream_module.so'],
    main    => 'stream { server { listen 127.0.0.1:PORT2 udp;
                                  proxy_pass 127.0.0.1:PORT3; } }',
    access  => 'DIR/access.log',
    http    => $Site::fast . <<'END',
    keepalive_timeout 600s;
    proxy_read_timeout 600s;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
END
    server  => <<'END');
        listen 127.0.0.1:PORT1 quic;
        location = /stub { stub_status; }
        location = /ok { return 200 "ok\n"; }
        location /slow { proxy_pass http://127.0.0.1:PORT4; }
END

my $quiet = Dump::quiet($site->port(4));
my $udp = IO::Socket::INET->new(Proto => 'udp',
                                LocalAddr => '127.0.0.1:' . $site->port(3))
          or die "cannot bind: $!\n";

Profile::certificate($site);
$site->start;
my @workers = $site->workers;

# this script's own connections: one each, of HTTP/1.1
my $at = $site->port(1);
my %want = (reading => 0, writing => 0, waiting => 0, other => 0,
            upstream => 0);

gauges('nothing');

my @idle = map { Http3::opened($at) } 1, 2;
$want{waiting} += 2;
gauges('two idle clients that have asked for nothing');

my @kept = map { Http3::opened($at, '/ok', '/ok', '/ok') } 1, 2;
until_true(60, sub { !grep { $_->answers != 3 } @kept });
$want{waiting} += 2;
gauges('two more, with three answers each');

my @slow = map { Http3::opened($at, '/slow', '/slow') } 1 .. 3;
$want{writing} += 3;
$want{upstream} += 6;
gauges('three more, with two requests each that are served', 6);

my @udp = map { IO::Socket::INET->new(Proto => 'udp',
                    PeerAddr => '127.0.0.1:' . $site->port(2)) } 1 .. 4;
send $_, 'x', 0 for @udp;
$want{other} += 4;
$want{upstream} += 4;
gauges('and four of UDP', 6);

# counters, asked for by a connection that is there already

my $same = opened($site);
my ($stub, $told);

ok(until_true(20, sub {
    ($stub) = ask_text('/stub') =~ /^ (\d+ \d+) /m;
    $told = ask($same, '/api/profiling/metrics')->{metrics}{connections};

    return "$told->{accepted} $told->{handled}" eq $stub;
}), 'accepted and handled are what nginx has counted')
    or diag(explain($stub, $told));

is($told->{accepted} >= 2 + 2 + 3 + 4, 1, '... with those of UDP');
close $same;

$_->end('INT') for @slow;
$want{writing} -= 3;
$want{upstream} -= 6;
gauges('clients that have said goodbye are gone');

my %logged;

ok(until_true(20, sub {
    my %counts = %{ $site->counts };
    my @lines = slurp($site->dir . '/access.log') =~ m{"GET (\S+) HTTP/3}g;

    %logged = ();
    $logged{ m{^/ok} ? '= /ok' : '/slow' }++ for @lines;

    return $logged{'= /ok'} == 6 && ($logged{'/slow'} // 0) == 6
           && !grep { ($counts{$_} // 0) != $logged{$_} } keys %logged;
}), 'each request is counted once, as it is logged')
    or diag(explain($site->counts, \%logged));

is_deeply([ $site->workers ], \@workers, 'the worker has lived');
$site->stop;

done_testing;


# of the connection above

sub ask_text {
    my $path = shift;

    send_to($same, "GET $path HTTP/1.1\r\nHost: main\r\n\r\n");

    my ($length) = read_head($same) =~ /^Content-Length: (\d+)/mi;
    sysread $same, my $body, $length or die "read() failed: $!\n";

    return $body;
}


# Until a tick tells what is open; the question itself may be in it.

sub gauges {
    my ($name, $streams) = @_;

    my %all = (%want, active => $want{reading} + $want{writing}
                                + $want{waiting});
    my ($m, %got);

    my $met = until_true(30, sub {
        $m = $site->json('metrics')->{metrics};
        %got = map { $_ => $m->{connections}{$_} } keys %all;

        return !grep { $got{$_} != $all{$_} } keys %all;
    });

    is_deeply(\%got, \%all, $name);
    is($m->{goroutines}, $all{active} + $all{other} + $all{upstream}
                         + ($streams // 0), '... together') if $met;
}
