#!/usr/bin/perl

# TLS handshakes by protocol, key, resumption and result: against what the
# access log and the client say of each.

use strict;
use warnings;

use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Modules;
use Profile;
use Site;

my $dir = tempdir(CLEANUP => 1);
my %key = (2048 => 'rsa:2048', 4096 => 'rsa:4096', 256 => 'ec');

for my $name (sort keys %key) {
    system('openssl req -x509 -nodes -days 2 -subj /CN=main '
           . ($key{$name} eq 'ec'
              ? '-newkey ec -pkeyopt ec_paramgen_curve:P-256 '
              : "-newkey $key{$name} ")
           . "-keyout $dir/$name.key -out $dir/$name.crt 2>/dev/null") == 0
        or die "openssl failed\n";
}

my @ports = (2048 => 1, 4096 => 2, 256 => 3);
my %port = @ports;

my $site = Site->new(
    workers  => 1,
    noise    => qr/SSL_do_handshake|upstream/,
    http     => <<'END' . join('', map { server($_) } sort keys %port),
    profiling_interval 100ms;
    ssl_session_cache shared:tls:1m;
    ssl_protocols TLSv1.2 TLSv1.3;
    log_format tls '$server_port $ssl_protocol $ssl_session_reused';
END
    server   => <<'END')->start;
        location = /up { proxy_pass https://127.0.0.1:PORT1/;
                         proxy_ssl_session_reuse off; }
END

handshakes();
failures();
upstream();
metrics_agree();

$site->stop;
done_testing;


sub server {
    my $name = shift;

    return <<"END";
    server {
        listen 127.0.0.1:PORT$port{$name} ssl;
        ssl_certificate $dir/$name.crt;
        ssl_certificate_key $dir/$name.key;
        access_log DIR/tls.log tls;
        location / { return 200 "here"; }
    }
END
}


sub handshakes {
    for my $name (sort keys %port) {
        client($name, '-tls1_2') for 1 .. 3;
        client($name, '-tls1_3') for 1 .. 4;
        resumed($name, '-tls1_2');
        resumed($name, '-tls1_3');
    }

    my %logged;

    for (split /\n/, slurp($site->dir . '/tls.log')) {
        my ($port, $protocol, $reused) = split / /;
        my ($name) = grep { $site->port($port{$_}) == $port } keys %port;
        my $key = $name == 256 ? 'P-256' : "RSA $name";

        $logged{"$protocol $key " . ($reused eq 'r' ? 1 : 0)}++;
    }

    my (%got, %cpu);

    for my $row (rows('client', 'ok')) {
        my $name = "$row->{protocol} $row->{key} " . ($row->{resumed} ? 1 : 0);

        $got{$name} += $row->{handshakes};
        $cpu{$name} = $row->{cpu}{sum} / $row->{cpu}{count};

        is($row->{$_}{count}, $row->{handshakes}, "$name: each has its $_")
            for qw(wall cpu);
        cmp_ok($row->{cpu}{sum}, '>', 0, '... which is some');
    }

    is_deeply(\%got, \%logged, 'handshakes by protocol, key and resumption');
    is(scalar keys %got, 12, '... of all kinds');

    # of the same protocol, the larger the key the more work, by far

    for my $v (qw(TLSv1.2 TLSv1.3)) {
        cmp_ok($cpu{"$v RSA 4096 0"}, '>', 2 * $cpu{"$v RSA 2048 0"},
               "$v: RSA 4096 takes more CPU time than RSA 2048");
    }

    cmp_ok($cpu{"TLSv1.2 RSA 4096 0"}, '>', 2 * $cpu{"TLSv1.2 RSA 4096 1"},
           '... and than one that is resumed');

    # all of it was spent by the worker

    my $tls = $site->json('tls');
    my $cpu = $site->json('metrics')->{metrics}{cpu};

    cmp_ok($tls->{cpu_seconds}, '>', 0, 'CPU time of all handshakes');
    cmp_ok($tls->{cpu_seconds}, '<=',
           $cpu->{user_seconds} + $cpu->{system_seconds} + 0.1,
           '... is no more than the worker used');
    is($tls->{failed}, 0, 'none has failed');
    cmp_ok($tls->{resumed_ratio}, '>', 0, '... some were resumed');
}


sub failures {
    my $to = '127.0.0.1:' . $site->port(1);

    client(2048, '-tls1_1 -cipher ALL:@SECLEVEL=0');
    client(2048, '-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256');

    my $s = IO::Socket::INET->new($to);

    print $s "\x16\x03\x01\x00\x05junk!";
    $s->flush;
    Site::read_all($s, 5);

    # one that leaves in the middle

    my $hello = client_hello();
    $s = IO::Socket::INET->new($to);
    syswrite $s, substr $hello, 0, 20;
    close $s;

    ok(until_true(60, sub { $site->json('tls')->{failed} == 4 }),
       'each handshake that failed is counted');

    my %results;

    $results{ $_->{result} } += $_->{handshakes}
        for grep { $_->{result} ne 'ok' } rows('client');

    # the words are those of nginx's log

    my $log = $site->log;

    for my $result (sort grep { !/closed|abandoned/ } keys %results) {
        like($log, qr/SSL_do_handshake\(\) failed.*\Q$result\E/, "... $result");
    }

    ok($results{'unsupported protocol'} && $results{'no shared cipher'},
       '... for their reasons');
    is(($results{'connection closed'} || 0) + ($results{abandoned} || 0), 1,
       '... one closed the connection');
}


sub upstream {
    is($site->request('/up')->{status}, 200, 'an upstream by TLS') for 1 .. 3;

    my $n = 0;
    $n += $_->{handshakes} for rows('upstream', 'ok');

    is($n, 3, '... its handshakes are told apart');
}


sub metrics_agree {
    my %metrics = $site->request('/metrics')->{body}
                  =~ /^nginx_profiling_(\S+?\{.*?\}) (\S+)$/mg;

    for my $row (rows()) {
        my $labels = sprintf '{side="%s",resumed="%s",protocol="%s",key="%s",'
                             . 'result="%s"}', $row->{side},
                             $row->{resumed} ? 'yes' : 'no',
                             @$row{qw(protocol key result)};

        is($metrics{"tls_handshakes_total$labels"}, $row->{handshakes},
           "/metrics: $labels");
        is($metrics{"tls_handshake_cpu_seconds_count$labels"},
           $row->{cpu}{count}, '... with the times');
    }
}


sub rows {
    my ($side, $result) = @_;

    return grep { (!$side || $_->{side} eq $side)
                  && (!$result || $_->{result} eq $result) }
           @{ $site->json('tls')->{handshakes} };
}


sub client {
    my ($name, $options) = @_;

    my $port = $site->port($port{$name});

    return run('sh', '-c', "(printf 'GET / HTTP/1.0\\r\\nHost: main\\r\\n\\r\\n'; "
               . "sleep 0.1) | timeout 20 openssl s_client $options -ign_eof "
               . "-connect 127.0.0.1:$port 2>&1");
}


sub resumed {
    my ($name, $options) = @_;

    client($name, "$options -sess_out $dir/session");
    like(client($name, "$options -sess_in $dir/session"), qr/^Reused,/m,
         "$name $options: it is resumed");
}


sub client_hello { return "\x16\x03\x01\x02\x00\x01\x00\x01\xfc" . 'x' x 400 }
