#!/usr/bin/perl

# The gauges of connections by kind and state, against what this script has
# opened: each kind alone, entries of the table that pass from one kind to
# another, and many of all kinds at random.  Then again with a module that
# takes entries of the table that are no connections.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Site;

my $seed = $ENV{TEST_SEED} || time();
srand($seed);
diag("TEST_SEED=$seed") if $ENV{TEST_SEED};

# upstreams that accept and never answer
my ($silent, $mute);

my $site;
my %open;

# what a connection of a kind adds to which gauge
my %kinds = (
    idle    => { waiting => 1 },
    reading => { reading => 1 },
    kept    => { waiting => 1 },
    writing => { writing => 1 },
    proxied => { writing => 1, upstream => 1 },
    stream  => { other => 1, upstream => 1 },
);

my $lua = '/usr/lib/nginx/modules/ngx_http_lua_module.so';

run_all('of nginx itself', '', ());

SKIP: {
    skip('no Lua: install libnginx-mod-http-lua', 1) unless -e Modules::other($lua);

    # a timer that is running has a connection without a descriptor
    run_all('beside a running timer of Lua', <<'END',
    init_worker_by_lua_block {
        ngx.timer.at(0, function () while true do ngx.sleep(0.5) end end)
    }
END
            '/usr/lib/nginx/modules/ndk_http_module.so', $lua);
}

done_testing;


sub run_all {
    my ($name, $http, @modules) = @_;

    $site = Site->new(
        modules => ['/usr/lib/nginx/modules/ngx_http_echo_module.so',
                    '/usr/lib/nginx/modules/ngx_stream_module.so', @modules],
        main    => 'stream { server { listen 127.0.0.1:PORT4;
                                      proxy_pass 127.0.0.1:PORT6; } }',
        http    => $Site::fast . <<'END' . $http,
    client_header_timeout 60s;
    upstream kept { server 127.0.0.1:PORT; keepalive 8; }
END
        server  => <<'END');
        location = /ok { return 200; }
        location = /slow {
            set $long $request_id$request_id$request_id$request_id;
            limit_rate 10;
            return 200 $long$long$long$long;
        }
        listen 127.0.0.1:PORT7 deferred;
        location = /sleep { echo_sleep 60; echo ok; }
        location = /silent { proxy_pass http://127.0.0.1:PORT5/; }
        location = /kept {
            proxy_pass http://kept/ok;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
END

    ($silent, $mute) = map {
        IO::Socket::INET->new(Listen => 1000, ReuseAddr => 1,
                              LocalAddr => '127.0.0.1:' . $site->port($_))
            or die "cannot listen: $!\n";
    } 5, 6;

    %open = map { $_ => [] } keys %kinds;
    $site->start;

    gauges("$name: nothing but what it began with");

    for my $kind (sort keys %kinds) {
        connections($kind, 3);
        gauges("$name: three $kind");
    }

    # the places that are free now are taken by others

    for my $pair (['reading', 'proxied'], ['proxied', 'reading'],
                  ['stream', 'idle'], ['idle', 'stream'])
    {
        my ($from, $to) = @$pair;

        connections($from, 0);
        connections($to, 6);
        gauges("$name: no $from, six $to");
    }

    for my $round (1 .. 4) {
        for (1 .. 60) {
            my $kind = (sort keys %kinds)[rand keys %kinds];
            connections($kind, int rand 12);
        }

        gauges("$name: at random, $round");
    }

    connections($_, 0) for keys %kinds;
    gauges("$name: none is left");

    waits_for_nothing($name);

    close $_ for $silent, $mute;
    $site->stop;
}


sub waits_for_nothing {
    my $name = shift;

    # an upstream connection that is kept: its other end is our client

    is($site->request('/kept')->{status}, 200, "$name: by a kept connection");
    gauges("$name: which is idle", upstream_idle => 1, waiting => 1);

    # a client whose request was there before it was accepted, and who is
    # waited for by a timer only, was never added to the event method

    my $hidden = $site->connect('127.0.0.1:' . $site->port(7));
    syswrite $hidden, "GET /sleep HTTP/1.1\r\nHost: main\r\n\r\n";
    gauges("$name: a client that waits for no event",
           upstream_idle => 1, waiting => 1, writing => 1);
}


# Opens or closes connections of a kind until there are so many.

sub connections {
    my ($kind, $number) = @_;

    my $list = $open{$kind};

    close splice(@$list, rand @$list, 1) while @$list > $number;

    while (@$list < $number) {
        my $s = $site->connect($kind eq 'stream'
                               ? '127.0.0.1:' . $site->port(4) : undef)
                or die "cannot connect: $!\n";

        my $send = {
            reading => "GET /ok HTTP/1.1\r\nX",
            kept    => "GET /ok HTTP/1.1\r\nHost: main\r\n\r\n",
            writing => "GET /slow HTTP/1.1\r\nHost: main\r\n\r\n",
            proxied => "GET /silent HTTP/1.1\r\nHost: main\r\n\r\n",
        }->{$kind};

        syswrite $s, $send if $send;

        # the answer is here: the connection waits for the next request
        sysread $s, my $answer, 4096 if $kind eq 'kept';

        push @$list, $s;
    }
}


# Until a tick tells what is open; the question itself may be in it.

sub gauges {
    my ($name, %more) = @_;

    my %want = map { $_ => $more{$_} || 0 }
               qw(reading writing waiting upstream other upstream_idle);

    for my $kind (keys %kinds) {
        $want{$_} += $kinds{$kind}{$_} * @{ $open{$kind} }
            for keys %{ $kinds{$kind} };
    }

    $want{active} = $want{reading} + $want{writing} + $want{waiting};

    my (%got, $m);

    my $met = until_true(60, sub {
        $m = $site->json('metrics')->{metrics};
        %got = map { $_ => $m->{connections}{$_} } keys %want;

        return !grep { $got{$_} != $want{$_} } keys %want;
    });

    is_deeply(\%got, \%want, $name);
    is($m->{goroutines}, $want{active} + $want{upstream} + $want{other}
                         + $want{upstream_idle}, '... together') if $met;
}
