#!/usr/bin/perl

# Many connections in one worker: all are counted, no step holds the loop up,
# and the details keep to their limit.  100,000 are put into the table of
# connections without descriptors; as many real ones as the machine allows
# come from several addresses, up to PROFILING_CONNECTIONS, 20000.

use strict;
use warnings;

use Socket;
use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;
use Dump;

my $handlers = <<'END';
        location / { return 200 "ok"; }
        location /slow { proxy_pass http://quiet; }
END

my $http = <<'END';
    profiling_interval 1s;
    profiling_goroutine_warning 900000;
    profiling_goroutine_critical 1000000;
    keepalive_timeout 600s;
    client_header_timeout 600s;
    upstream quiet { server 127.0.0.1:PORT3; }
END

crowd(100_000);
real($ENV{PROFILING_CONNECTIONS} || 20_000);

done_testing();


sub crowd {
    my $n = shift;

    my $site = Site->new(
        workers  => 1,
        handlers => $Profile::handlers,
        modules  => [ Profile::test_module() ],
        connections => int($n * 1.1),
        http     => $http,
        server   => "$handlers location = /crowd { profiling_test crowd $n; }",
    );
    my $quiet = Dump::quiet($site->port(3));

    $site->start;
    $site->request('/crowd');

    checked($site, $n, 'crowd');

    $site->stop;
}


sub real {
    my $wanted = shift;

    # of each process; the client has as many as nginx, which needs some more,
    # and an eighth that no encoder takes
    my ($files) = slurp('/proc/self/limits') =~ /^Max open files\s+(\d+)/m;
    my $spare = int($files * 7 / 8) - 500;
    my $n = $wanted < $spare ? $wanted : $spare;

    SKIP: {
        skip "only $files descriptors: raise ulimit -Hn", 1 if $n < 2000;

        diag("$n connections: of $files descriptors") if $n < $wanted;

        # nginx closes connections that wait when few are left
        my $site = Site->new(
            port     => $ENV{TEST_NGINX_PORT} + 5,
            workers  => 1,
            handlers => $Profile::handlers,
            listen   => '127.0.0.1:PORT backlog=8192',
            connections => int($n * 1.2),
            http     => $http,
            server   => $handlers,
        );
        my $quiet = Dump::quiet($site->port(3));

        $site->start;

        my @clients = clients($site, $n);

        checked($site, $n, 'real');

        $site->stop;
    }
}


sub checked {
    my ($site, $n, $name) = @_;

    my @slow = map { opened($site, "GET /slow?$_ HTTP/1.1\r\nHost: main\r\n\r\n") }
               1 .. 50;
    my $dump;

    ok(until_true(60, sub {
           $dump = dump_of($site, 'limit=0');
           return $dump->{count} == $n + 101;
       }), "$name: $n connections are there") or diag("$dump->{count}");

    my $before = $site->json('metrics')->{overhead}{dumps};
    my $began = time();
    my $got = $site->request('/api/profiling/goroutines?limit=4000',
                             seconds => 60);
    my $took = time() - $began;

    $dump = Json::decode_json($got->{body});

    my $after = $site->json('metrics')->{overhead}{dumps};

    is_dump($dump, $name);
    is($dump->{by_state}{waiting}, $n, '... all are counted');
    is($dump->{by_kind}{upstream}, 50, '... the few others as well');
    ok($dump->{truncated}, '... the details are not all');
    is(scalar @{ $dump->{goroutines} }, 4000, '... but up to the limit');

    my $steps = $after->{steps} - $before->{steps};

    # how long they take is a figure of bench/dumps
    cmp_ok($steps, '>', 1, '... made in steps');

    my $first = $after->{cpu_ns} - $before->{cpu_ns};
    $site->json('goroutines?limit=0');
    my $second = $site->json('metrics')->{overhead}{dumps}{cpu_ns}
                 - $after->{cpu_ns};

    diag(sprintf('%s: %d connections in %d steps, the longest %d us; %.1f ms '
                 . 'of CPU time with %d details, %.1f ms without; answer in '
                 . '%.2f s', $name, $n, $steps,
                 $after->{longest_step_ns} / 1000, $first / 1e6,
                 scalar @{ $dump->{goroutines} }, $second / 1e6, $took));

    my $p = Profile::decode(
                $site->request('/debug/pprof/goroutine')->{body});
    my $sum = 0;

    $sum += $_->{count}
        for grep { $_->{labels}{state} eq 'waiting' } @{ $p->{samples} };
    is($sum, $n, '... the profile counts all of them');

    my ($server) = grep { ($_->{server} // '') eq 'main'
                          && !defined $_->{location} }
                   @{ $site->json('memory')->{pools}{locations} };

    cmp_ok($server->{connections}, '>=', $n, '... and memory their pools');
    cmp_ok($server->{connection_bytes}, '>=', 512 * $n, '... with the bytes');
}


sub clients {
    my ($site, $n) = @_;

    my $to = pack_sockaddr_in($site->port, inet_aton('127.0.0.1'));
    my @clients;

    for my $i (1 .. $n) {
        socket my $s, PF_INET, SOCK_STREAM, 0 or die "socket() failed: $!\n";
        my $from = '127.0.0.' . (2 + int($i / 10_000));

        # IP_BIND_ADDRESS_NO_PORT: the port is chosen with the other end
        setsockopt $s, Socket::IPPROTO_IP, 24, pack('i', 1);
        bind $s, pack_sockaddr_in(0, inet_aton($from))
            or die "bind() failed: $!\n";
        connect $s, $to or die "connect() failed: $!\n";

        push @clients, $s;
    }

    return @clients;
}
