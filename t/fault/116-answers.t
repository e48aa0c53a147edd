#!/usr/bin/perl

# What answers hold in a worker has a limit: those that nobody reads, and
# differences that are open; beyond it there is 503.  An answer that is not
# taken within send_timeout is dropped, however often some bytes of it are.  A
# large one is sent in parts: it may be larger than all that may be held.

use strict;
use warnings;

use Dump qw(h2);
use Fault;
use IO::Socket::INET;
use Json;
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Sound;
use Test::More;

use Modules qw(built);

# so many that an answer does not fit into what a socket holds
my $locations = join '', map {
    "location /a/location/with/a/rather/long/name/number/$_ { return 200; }\n"
} 1 .. 400;

my $large = '/metrics?histograms=all';

unread();
open_deltas();
sipped();
parts();

done_testing();


sub site {
    my ($name, %o) = @_;

    my $two = built('http2')
              ? 'listen 127.0.0.1:PORT2 sndbuf=8k http2;' : '';
    my $n = Fault->new(name => $name, workers => 1, ports => 3,
                       connections => 4000, server => <<"END", %o);
        listen 127.0.0.1:PORT1 sndbuf=8k;
        $two
        location ^~ /debug/pprof/ { profiling_pprof; }
        $locations
END

    $n->start;
    $n->get("/a/location/with/a/rather/long/name/number/$_") for 1 .. 400;
    $n->ticked;

    return $n;
}


# a client whose kernel takes little of an answer

sub asked {
    my ($n, $path) = @_;

    my $s = IO::Socket::INET->new(Proto => 'tcp') or die "socket(): $!\n";

    setsockopt($s, SOL_SOCKET, SO_RCVBUF, pack 'i', 2048);
    connect $s, Socket::pack_sockaddr_in($n->port(1),
                                         Socket::inet_aton('127.0.0.1'))
        or die "connect() failed: $!\n";

    syswrite $s, "GET $path HTTP/1.1\r\nHost: main\r\n"
                 . "Connection: close\r\n\r\n";

    return $s;
}


# the status of an answer of which nothing else is read

sub status {
    my $s = shift;

    my $in = '';
    vec($in, fileno($s), 1) = 1;
    return 'none' unless select $in, undef, undef, 60;

    sysread $s, my $got, 12;

    return $got =~ m{^HTTP/1\.1 (\d+)} ? $1 : "not $got";
}


sub resident {
    my ($worker) = $_[0]->workers;

    return proc_status($worker)->{VmRSS} =~ s/ kB//r;
}


sub unread {
    my $n = site('unread', profiling => 'profiling_interval 100ms;'
                                        . 'profiling_answer_memory 4m;',
                 http => 'send_timeout 600s;');
    my $size = length $n->get($large)->{body};
    my $before = usage($n);
    my $kb = resident($n);

    cmp_ok($size, '>', 256 * 1024, 'the answer is large');

    # each has a part of 256 KB, or more
    my $most = 16;
    my @asked = map { asked($n, $large) } 1 .. 100;
    my %status;
    $status{ status($_) }++ for @asked;

    is(($status{200} || 0) + ($status{503} || 0), 100,
       '100 clients that read nothing have an answer, or none for now')
        or diag(explain(\%status));
    cmp_ok($status{200}, '<=', $most, '... not more than find room');
    cmp_ok($status{200}, '>', 0, '... but some');
    cmp_ok(resident($n) - $kb, '<', 16 * 1024, '... in few MB');

    # every tree says so in its own words

    my $wants = sub {
        my ($path, $body) = @_;
        my $r = $n->get($path);

        is($r->{status}, 503, "$path: 503");
        like($r->{head}, qr/^Retry-After: 5\r?$/m, '... for now');
        like($r->{body}, $body, '... and why');
    };
    my $why = 'answers hold all of profiling_answer_memory';

    # what is left is less than an answer, and may be more than a small one
    push @asked, map { asked($n, '/api/profiling/locations') } 1 .. 100;
    status($_) for @asked[100 .. $#asked];

    $wants->('/api/profiling/locations',
             qr/^\{"error":\{"status":503,"message":"$why"\}\}/);
    $wants->($large, qr/^$why\n\z/);

    is($n->get('/empty')->{status}, 200, 'others are served');

    @asked = ();
    nothing_left($n, $before, 'when they have gone');
    is($n->get($_)->{status}, 200, "$_ is answered again")
        for $large, '/api/profiling/locations', '/debug/pprof/heap';

    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
}


# a difference keeps what it was first

sub open_deltas {
    my $n = site('deltas', profiling => 'profiling_interval 100ms;'
                                        . 'profiling_heap_rate 1k; profiling_budget off;'
                                        . 'profiling_answer_memory 1m;');
    my $before = usage($n);
    my @open;

    # one that is refused is answered at once

    ok(wait_for(60, sub {
        push @open, map { asked($n, '/debug/pprof/heap?seconds=300') } 1 .. 50
            if @open < 3500;
        return grep { readable($_) } @open;
    }), 'differences that are open take all room');

    my ($refused) = grep { readable($_) } @open;

    my $answer = '';
    1 while sysread $refused, $answer, 65536, length $answer;

    like($answer, qr{^HTTP/1\.1 503 .*^Retry-After: 5\r$}ms,
         '... then there is 503');
    like($answer, qr/^X-Go-Pprof: 1\r\n.*memory\n\z/ms, '... in words of Go');
    is($n->get('/empty')->{status}, 200, '... and others are served');

    @open = ();
    $refused = undef;

    nothing_left($n, $before, 'when they have gone');
    ok(wait_for(60, sub {
        return ($n->get('/debug/pprof/heap')->{status} || 0) == 200;
    }), '... there is room again');
    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
}


sub readable {
    my $s = shift;

    my $in = '';
    vec($in, fileno($s), 1) = 1;

    return select $in, undef, undef, 0;
}


# Some bytes at a time: less than the whole in any time.

sub sipped {
    my $n = site('sipped', http => 'send_timeout 4s;');
    my $size = length $n->get($large)->{body};
    my $before = usage($n);
    my $s = asked($n, $large);

    is(status($s), 200, 'an answer that is sipped');
    ok(sip($n, $s, $size), '... is dropped');

  SKIP: {
    skip('nginx was built without http2', 2) unless built('http2');

    my $to = '127.0.0.1:' . $n->port(2);

    # the window of the stream keeps the rest back
    $s = h2($to, 1, $large);
    ok(wait_for(60, sub {
        sysread $s, my $got, 65536;
        return $got =~ /\x00\x00\x04\x03\x00\x00\x00\x00\x01/;
    }), 'a stream that waits for its window is reset');

    # nginx has sent all, and the client's kernel takes it bit by bit
    $s = h2($to, 1, $large, window => 0x7fffffff, buffer => 2048);
    ok(sip($n, $s, $size), 'a connection with an answer that is sipped is closed');
  }

    undef $s;
    nothing_left($n, $before, 'when they were dropped');
    is($n->get('/empty')->{status}, 200, 'others are served');
    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
}


# Answers of more than 1 MB, when 1 MB may be held.

sub parts {
    my $many = join '', map {
        "location /many/of/these/with/a/rather/long/name/$_ { return 200; }\n"
    } 1 .. 2300;
    my $n = site('parts', server => <<"END", profiling => <<'MORE');
        listen 127.0.0.1:PORT1 sndbuf=8k;
        location ^~ /debug/pprof/ { profiling_pprof; }
        location = /return { return 200 "x"; }
        $many
END
        profiling_interval 100ms;
        profiling_answer_memory 1m;
MORE
    my $before = usage($n);
    my $most = 1024 * 1024;

    $n->get("/many/of/these/with/a/rather/long/name/$_") for 1 .. 2300;
    $n->ticked;

    for my $path ($large, '/api/profiling/locations') {
        my ($head, $body) = slowly($n, $path);

        cmp_ok(length $body, '>', $most, "$path is larger");
        is(invalid($path, 200, $head, $body), '', '... and whole');
        like($head, qr/^Transfer-Encoding: chunked\r?$/m, '... without length');
    }

    my $stop = $n->dir . '/stop';
    my $load = background(sub {
        until (-e $stop) { $n->get('/return') for 1 .. 20 }
        return 0;
    });
    my ($head, $body);

    ok(wait_for(60, sub {
        ($head, $body) = slowly($n, '/debug/pprof/trace?seconds=4'
                                    . '&format=perfetto');
        return length $body > $most;
    }), 'a trace is larger');

    Fault::spew($stop, '');
    reap($load);

    ok(eval { decode_json($body) }, '... and whole')
        or diag($@);
    like($head, qr/^Content-Disposition: attachment; filename="trace.json"/m,
         '... with its headers');

    # the first part of one, and no more

    for my $path ($large, '/api/profiling/locations') {
        my $s = asked($n, $path);
        is(status($s), 200, "$path begins, and its client leaves");
        close $s;
    }

    nothing_left($n, $before, 'after all');
    is($n->get($large)->{status}, 200, 'there is room again');

    # an older client could not tell a part from the whole
    is(status(old($n, $large)), 503, 'HTTP/1.0 has no parts');

    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
}


sub slowly {
    my ($n, $path) = @_;

    my ($got, $some, $s) = ('', '', asked($n, $path));

    while (sysread $s, $some, 65536) {
        $got .= $some;
    }

    my ($head, $body) = split /\r\n\r\n/, $got, 2;

    return ($head, Fault::dechunk($body // '') // '');
}


sub old {
    my ($n, $path) = @_;

    my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port);

    syswrite $s, "GET $path HTTP/1.0\r\nHost: main\r\n\r\n";

    return $s;
}


# until it is told to have had its time; then what is on its way comes to an end
# before the answer does

sub sip {
    my ($n, $s, $size) = @_;

    my $got = 0;
    my $told = late($n);

    wait_for(60, sub {
        $got += sysread($s, my $some, 256) || 0 if readable($s);
        return late($n) > $told;
    }) or return;

    while (my $read = sysread $s, my $rest, 65536) {
        $got += $read;
    }

    return $got < $size;
}


sub late {
    return scalar(() = $_[0]->log =~ /client did not take its answer/g);
}
