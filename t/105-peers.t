#!/usr/bin/perl

# Tries of upstreams by peer: against the log of each peer, and against what
# nginx itself says of each try in $upstream_addr, $upstream_status and
# $upstream_bytes_received; through kills and reloads.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Modules;
use Profile;
use Site;
use Time::HiRes qw(sleep time);

my $echo = '/usr/lib/nginx/modules/ngx_http_echo_module.so';
my $silent = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
                                   LocalAddr => '127.0.0.1:0') or die;
my $still = $silent->sockport;
my $garbage = pid_of_garbage();

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::lua_modules(), $echo ],
    noise    => qr/upstream|exited on signal|SIGKILL|no live/,
    http     => <<"END",
    profiling_interval 100ms;
    log_format tries '\$uri|\$upstream_addr|\$upstream_status|'
                     '\$upstream_bytes_received|\$upstream_bytes_sent';
    log_format peer '\$server_port \$connection \$status \$uri';
    keepalive_requests 100000;

    upstream pair {
        server 127.0.0.1:PORT1;
        server 127.0.0.1:PORT2;
        keepalive 8;
    }
    upstream half {
        server 127.0.0.1:PORT8 max_fails=0;
        server 127.0.0.1:PORT1 backup;
    }
    upstream failing {
        server 127.0.0.1:PORT3 max_fails=0;
        server 127.0.0.1:PORT1 backup;
    }
    upstream silent {
        server 127.0.0.1:$still max_fails=0;
        server 127.0.0.1:PORT1 backup;
    }
    upstream garbage {
        server 127.0.0.1:$garbage->[1] max_fails=0;
        server 127.0.0.1:PORT1 backup;
    }
    upstream big { server 127.0.0.1:PORT1 max_fails=0; }
    upstream local { server unix:DIR/peer; }
    upstream dead {
        server 127.0.0.1:PORT8 fail_timeout=600s;
        server 127.0.0.1:PORT9 fail_timeout=600s;
    }
    upstream lua {
        server 0.0.0.1;
        balancer_by_lua_block {
            require("ngx.balancer").set_current_peer("127.0.0.1", PORT1)
        }
    }
    upstream crowd {
        @{[ map { "server 127.1.1.$_:PORT8;" } 1 .. 250 ]}
        @{[ map { "server 127.1.2.$_:PORT8;" } 1 .. 50 ]}
    }
    server {
        listen 127.0.0.1:PORT1; listen 127.0.0.1:PORT2; listen unix:DIR/peer;
        access_log DIR/peer.log peer;
        location / { return 200 "here"; }
        location /big { add_header X "@{[ 'x' x 1500 ]}"; return 200 "here"; }
        location /sleep { echo_sleep 0.2; echo here; }
        location /large { alias DIR/html/large; }
    }
    server {
        listen 127.0.0.1:PORT3;
        access_log DIR/peer.log peer;
        location / { return 503 "busy"; }
    }
END
    access   => "DIR/tries.log tries",
    handlers => <<'END',
        location /api/profiling/ { access_log off; profiling_api; }
        location = /metrics { access_log off; profiling_prometheus; }
END
    server   => <<'END');
        proxy_next_upstream error timeout invalid_header http_503;
        location /pair { proxy_pass http://pair; proxy_http_version 1.1;
                         proxy_set_header Connection ""; }
        location /half { proxy_pass http://half; }
        location /failing { proxy_pass http://failing; }
        location /silent { proxy_pass http://silent; proxy_read_timeout 100ms; }
        location /held { proxy_pass http://silent; proxy_read_timeout 1h;
                         proxy_ignore_client_abort on; }
        location /garbage { proxy_pass http://garbage; }
        location /big { proxy_pass http://big; proxy_buffer_size 1k; }
        location /local { proxy_pass http://local; }
        location /dead { proxy_pass http://dead; }
        location /lua { proxy_pass http://lua; }
        location /sleep { proxy_pass http://pair; }
        location /large { proxy_pass http://pair; proxy_buffers 2 4k;
                          proxy_buffer_size 4k; proxy_busy_buffers_size 4k; }
        location /variable { set $to 127.0.0.1:PORT2;
                             proxy_pass http://$to/variable; }
        location /uncounted { profiling off; proxy_pass http://pair; }
        location /crowd { proxy_pass http://crowd; }
END

spew($site->dir . '/html/large', 'l' x 8_000_000);
$site->start;

my ($p1, $p2, $p3, $p8) = map { '127.0.0.1:' . $site->port($_) } 1, 2, 3, 8;

counts();
durations();
temporary();
survives();
in_flight();
crowd();

kill 'KILL', $garbage->[0];
waitpid $garbage->[0], 0;
$site->stop;
done_testing;


# what each try of nginx's own record came to

sub counts {
    my %want = ('/pair' => 40, '/half' => 5, '/failing' => 5, '/silent' => 3,
                '/garbage' => 4, '/big' => 3, '/local' => 5, '/lua' => 5, '/variable' => 5,
                '/dead' => 3, '/uncounted' => 4);

    for my $path (sort keys %want) {
        $site->request($path) for 1 .. $want{$path};
    }

    agrees('each kind of upstream');

    my $dead = row('dead', undef);

    # of these nginx logs the upstream's name as the peer

    my $none = () = slurp($site->dir . '/tries.log')
                    =~ m{^/dead\|(?:.*, )?dead\|}mg;

    cmp_ok($none, '>', 0, 'there were tries that found no live peer');
    is($dead->{results}{no_live}, $none, '... all of them are counted');
    is(row('half', $p8)->{retries}{error}, 5, 'retries: of an error');
    is(row('failing', $p3)->{retries}{http_503}, 5, '... of a status');
    is(row('silent', "127.0.0.1:$still")->{retries}{timeout}, 3,
       '... of a timeout');
    is(row('garbage', "127.0.0.1:$garbage->[1]")->{retries}{invalid_header}, 4,
       '... of a header that is none');
    is(row('big', $p1)->{results}{invalid_header}, 3,
       'results: a header that is too big for nginx');
    ok(row('local', 'unix:' . $site->dir . '/peer'), 'a unix socket is a peer');
    is(row('lua', $p1)->{tries}, 5, "Lua's choice is a peer");
    is(row(undef, $p2)->{tries}, 5, 'a peer that was found by name');

    # each connection that was opened, by the peer's own numbers

    my (%opened, $served);

    for (grep { $_->[3] eq '/pair' && $_->[0] == $site->port(1) } peer_log()) {
        $opened{ $_->[1] } = 1;
        $served++;
    }

    my $one = row('pair', $p1);

    is($one->{tries}, $served, 'as many tries as the peer logged');
    is($one->{reused}, $served - keys %opened,
       '... over as many connections that were kept alive');
    is($one->{connect}{count}, $one->{tries} - $one->{reused},
       '... those that are not have a time to connect');
    is(row('local', 'unix:' . $site->dir . '/peer')->{reused}, 0,
       '... without keepalive none are');

    my %metrics = metrics();

    my $half = qq(upstream="half",peer="$p8");
    my $pair = qq(upstream="pair",peer="$p1");

    is($metrics{qq(upstream_tries_total{$half,result="error"})}, 5,
       '/metrics: tries');
    is($metrics{qq(upstream_retries_total{$half,reason="error"})}, 5,
       '... retries');
    is($metrics{qq(upstream_connections_total{$pair,reused="yes"})},
       $one->{reused}, '... reuse');
    is($metrics{"upstream_response_seconds_count{$pair}"},
       $one->{last_byte}{count}, '... times');
}


# A peer's 200 ms lie within ours, and ours within what the client saw.

sub durations {
    my $before = row('pair', $p1)->{first_byte}{sum}
                 + row('pair', $p2)->{first_byte}{sum};
    my $begun = time;

    $site->request('/sleep') for 1 .. 5;

    my $seen = time - $begun;
    my $took = (row('pair', $p1)->{first_byte}{sum}
                + row('pair', $p2)->{first_byte}{sum} - $before) / 1e6;

    cmp_ok($took, '>=', 0.99, 'time until the first byte: the sleep of the peer');
    cmp_ok($took, '<=', $seen, '... and less than the client saw');
    cmp_ok($_->{last_byte}{sum}, '>=', $_->{first_byte}{sum},
           'the last byte comes after the first')
        for row('pair', $p1), row('pair', $p2);
}


# A client that does not read: the response goes to a temporary file.

sub temporary {
    my $before = row('pair', $p1)->{temporary_files}
                 + row('pair', $p2)->{temporary_files};
    my $client = $site->connect;

    print $client "GET /large HTTP/1.1\r\nHost: main\r\nConnection: close\r\n\r\n";
    $client->flush;
    sleep 0.5;

    my $got = Site::read_all($client, 60);

    cmp_ok(length $got, '>', 8_000_000, 'a large response');

    my @rows = (row('pair', $p1), row('pair', $p2));

    is($rows[0]{temporary_files} + $rows[1]{temporary_files} - $before, 1,
       '... went through a temporary file');
    cmp_ok($rows[0]{temporary_file_bytes} + $rows[1]{temporary_file_bytes},
           '>', 100_000, '... with its bytes');
    agrees('a response in a file');
}


sub survives {
    for my $turn (1 .. 3) {
        my @old = $site->workers;

        if ($turn == 2) {
            kill 'HUP', $site->{pid};

        } else {
            kill 'KILL', $old[0];
        }

        my %old = map { $_ => 1 } $turn == 2 ? @old : $old[0];

        until_true(60, sub {
            my @now = $site->workers;
            return @now == 2 && !grep { $old{$_} } @now;
        });

        for my $n (1 .. 10) {
            until_true(60, sub {
                return $site->request('/pair', seconds => 5)->{status} == 200;
            });
        }
    }

    agrees('after a kill, a reload and a kill');
}


sub in_flight {
    my $name = "127.0.0.1:$still";

    is(row('silent', $name)->{in_flight}, 0, 'no try is going on');

    my $client = $site->connect;

    print $client "GET /held HTTP/1.1\r\nHost: main\r\n\r\n";
    $client->flush;

    ok(until_true(60, sub { row('silent', $name)->{in_flight} == 1 }),
       'a try that goes on is in flight');
    is({ metrics() }->{qq(upstream_in_flight{upstream="silent",peer="$name"})},
       1, '... in /metrics, too');

    my ($holds) = grep {
        my $pid = $_;
        my $rows = $site->json("upstreams?worker=$pid")->{peers};
        grep { ($_->{peer} // '') eq $name && $_->{in_flight} } @$rows;
    } $site->workers;

    ok($holds, '... of one worker');
    kill 'KILL', $holds;

    ok(until_true(60, sub { row('silent', $name)->{in_flight} == 0 }),
       'a worker that is killed holds none');
}


# 300 peers that refuse, in one request: there is room for 256

sub crowd {
    my $before = $site->json('upstreams');
    my @known = grep { ($_->{upstream} // '') ne '(other)' } @{ $before->{peers} };

    $site->request('/crowd');

    my $after = $site->json('upstreams');
    my ($other) = grep { ($_->{peer} // '') eq '(other)' } @{ $after->{peers} };
    my @crowd = grep { ($_->{upstream} // '') eq 'crowd' } @{ $after->{peers} };

    is(@crowd + @known, 256, '256 peers have rows of their own');
    is($other->{tries} + @crowd, 300, '... the others share one');
    is($other->{results}{error}, $other->{tries}, '... with what they came to');
    is($after->{lost}, 0, 'nothing is lost');
}


# what nginx says of each try: by peer and result; and of bytes

sub agrees {
    my $what = shift;

    my (%tries, %received, %sent);

    # what is logged is counted by then

    for (split /\n/, slurp($site->dir . '/tries.log')) {
        my ($uri, @of) = split /\|/, $_, -1;

        next if $uri =~ m{^/(?:uncounted|held|crowd)};
        my ($addr, $status, $received, $sent) = map { [split /, | : /] } @of;

        for my $i (0 .. $#$addr) {
            next if $addr->[$i] !~ /:/;
            $tries{ $addr->[$i] }++;
            $received{ $addr->[$i] } += $received->[$i];
            $sent{ $addr->[$i] } += $sent->[$i];
        }
    }

    my (%got, %in, %out);

    for (grep { defined $_->{peer} && $_->{upstream} // '' ne 'crowd' }
         @{ $site->json('upstreams')->{peers} })
    {
        $got{ $_->{peer} } += $_->{tries};
        $in{ $_->{peer} } += $_->{bytes_received};
        $out{ $_->{peer} } += $_->{bytes_sent};

        my $ended = 0;
        $ended += $_ for values %{ $_->{results} };
        is($ended + $_->{in_flight}, $_->{tries},
           "$what, $_->{peer}: each try has a result");
    }

    is_deeply(\%got, \%tries, "$what: as many tries as nginx logged");
    is_deeply(\%in, \%received, '... as many bytes from each peer');
    is_deeply(\%out, \%sent, '... and to it');
}


sub peer_log {
    return map { [split / /] } split /\n/, slurp($site->dir . '/peer.log');
}


sub row {
    my ($upstream, $peer) = @_;

    my ($row) = grep { ($_->{upstream} // '') eq ($upstream // '')
                       && ($_->{peer} // '') eq ($peer // '') }
                @{ $site->json('upstreams')->{peers} };

    return $row;
}


sub metrics {
    return $site->request('/metrics')->{body}
           =~ /^nginx_profiling_(\S+?\{.*?\}) (\S+)$/mg;
}


# a peer that does not speak HTTP

sub pid_of_garbage {
    my $server = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
                                       LocalAddr => '127.0.0.1:0') or die;
    my $pid = fork() // die;

    if (!$pid) {
        while (my $s = $server->accept) {
            sysread $s, my $request, 4096;
            syswrite $s, "HTTP/1.1 200 OK\r\n\x01\x02: \x00\r\n\r\n";
        }

        exit 0;
    }

    return [$pid, $server->sockport];
}
