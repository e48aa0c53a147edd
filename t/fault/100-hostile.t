#!/usr/bin/perl

# Thousands of random requests to every endpoint: methods, paths, parameters,
# headers, encodings, HTTP/1.0, 1.1 and 2, whole and cut off, from a fixed
# seed, while connections with hostile contents wait to be listed.  Every
# answer is valid or a refusal, nothing is left behind, and no other client
# loses a request, as without the module.
#
# SEED and REQUESTS in the environment: others, and more.

use strict;
use warnings;

use Fault;
use IO::Select;
use IO::Socket::INET;
use Sound;
use Test::More;

my $seed = $ENV{SEED} || 20261123;
my $requests = $ENV{REQUESTS} || 2000;

diag("seed $seed, $requests requests");

my @slow = grep { /=1$/ && !/debug/ } @endpoints;
my @encoded = grep { m{heap|/allocs|/goroutine$|create|block|mutex|trace} }
              @endpoints;
my %heavy = map { $_ => 1 } @slow, @encoded;
my @light = grep { !$heavy{$_} } @endpoints;

# names that no text format may be led astray by
my $odd = "\x{22}\\\x01<\x{2f}script>\xff\xc3\x28{}%0a";

my %o = (ports => 3, server => <<'CONF', http => <<'CONF2');
        listen 127.0.0.1:PORT1 http2;
        location /hold/ { proxy_pass http://127.0.0.1:PORT2; }
        location "/odd\"\\<b>ÿ{}" { return 200 "odd"; }
CONF
    keepalive_requests 1000000;
    client_header_timeout 20s;
    large_client_header_buffers 4 16k;
CONF2

my $pprof = 'location ^~ /debug/pprof/ { profiling_pprof; }';
my $with = Fault->new(name => 'with', %o, server => "$o{server} $pprof",
                      profiling => 'profiling_interval 100ms;');
my $without = Fault->new(name => 'without', %o, module => 0);

my %saw;

for my $n ($with, $without) {
    srand $seed;
    $saw{ $n->{name} } = attack($n);
}

is_deeply([ keys %{ $saw{with} } ], [ 200 ],
          'no other client was refused or cut off')
    or diag(explain(\%saw));
is_deeply([ keys %{ $saw{without} } ], [ 200 ], '... nor without the module');

done_testing();


sub attack {
    my $n = shift;

    # takes connections and never says anything
    my $quiet = IO::Socket::INET->new(Listen => 100, ReuseAddr => 1,
                                      LocalAddr => '127.0.0.1:' . $n->port(2))
        or die "listen() failed: $!\n";

    $n->start;

    if ($n->{module}) {
        all_answers_valid($n, 'before');
        batch($n, 200);
        $n->ticked;
    }

    my $before = usage($n);
    my $heap = heap($n);
    my $prober = $n->prober;
    my @held = held($n);

    my $seen = batch($n, $requests);

    @held = ();
    my $clients = $n->prober_result($prober);

    $n->signal(0) or fail("$n->{name}: it is still there");
    nothing_left($n, $before, "$n->{name}: after them");

    if ($n->{module}) {
        judge($seen);

        # what one request leaves, all leave: 16 bytes of each would be seen
        my $now;
        ok(wait_for(60, sub {
            $now = heap($n);
            return $now - $heap < 16 * $requests;
        }), 'they leave no memory behind') or diag("$heap, then $now");

        all_answers_valid($n, 'after');
        h2_garbage($n);
        is($n->get('/empty')->{status}, 200, 'HTTP/2 garbage is survived');
    }

    is_sound($n);
    ok($n->stop('QUIT'), "$n->{name}: nginx ends");

    return $clients;
}


# bytes that the workers' allocators have handed out

sub heap {
    my $n = shift;

    return 0 if !$n->{module};

    # a tick reckons by samples, this asks the allocators; once a second
    wait_for(60, sub {
        my $got = $n->get('/api/profiling/force-gc', method => 'POST');
        return ($got->{status} // 0) == 200;
    }) or die "the allocators are not asked\n";

    my $heap = 0;
    $heap += $_->{memory}{heap_alloc} for @{ $n->ticked->{workers} };

    return $heap;
}


# Connections for the dump of connections: what they ask for is not text.

sub held {
    my $n = shift;

    return map {
        my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port);
        syswrite $s, "GET /hold/$odd$_ HTTP/1.1\r\nHost: $odd\r\n"
                     . "X-Forwarded-For: $odd\r\n\r\n";
        $s;
    } 1 .. 20;
}


sub judge {
    my $seen = shift;

    my @bad = @{ $seen->{bad} };

    diag(join ', ', map { "$_: $seen->{status}{$_}" }
                    sort keys %{ $seen->{status} });

    is(scalar @bad, 0, 'every answer is valid')
        or diag(map { substr($_, 0, 600) . "\n" }
                @bad[0 .. ($#bad < 9 ? $#bad : 9)]);

    cmp_ok($seen->{status}{200}, '>', $requests / 10, 'many were answered');
    cmp_ok($seen->{status}{400}, '>', $requests / 10, '... and many refused');
    cmp_ok($seen->{status}{$_} || 0, '>', 0, "... some by $_")
        for 403, 404, 405;
}


# So many requests, up to 24 at a time.

sub batch {
    my ($n, $number) = @_;

    my %seen = (bad => [], status => {});
    my $select = IO::Select->new;
    my %open;
    my $end = time + 200 + $number / 20;

    while (($number > 0 || %open) && time < $end) {
        while ($number > 0 && keys %open < 24) {
            $number--;
            begin($n, $select, \%open);
        }

        for my $s ($select->can_read(1)) {
            my $c = $open{$s};

            next if sysread($s, $c->{got}, 65536, length $c->{got})
                    && !($c->{h2} && h2_ended($c));

            $select->remove($s);
            delete $open{$s};
            close $s;
            finish($n, $c, \%seen);
        }
    }

    push @{ $seen{bad} }, "no end: $_->{bytes}" for values %open;

    return \%seen;
}


sub begin {
    my ($n, $select, $open) = @_;

    my $h2 = rand() < 0.15;
    my $c = $h2 ? h2_request() : h1_request();
    my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port($h2 ? 1 : 0))
        or die "connect() failed: $!\n";

    syswrite $s, $c->{bytes};

    # gone before there is an answer
    return close $s if $c->{gone};

    # to nginx this looks as if the client had gone
    shutdown $s, 1 if $c->{cut};

    $c->{got} = '';
    $c->{h2} = $h2;
    $open->{$s} = $c;
    $select->add($s);
}


sub finish {
    my ($n, $c, $seen) = @_;

    return h2_finish($c, $seen) if $c->{h2};

    $c->{got} =~ s{^HTTP/1\.1 100 Continue\r\n\r\n}{};

    my ($head, $body) = split /\r\n\r\n/, $c->{got}, 2;

    if (!defined $body) {
        # nginx says nothing to half a request
        push @{ $seen->{bad} }, "half an answer to $c->{bytes}: $c->{got}"
            if length $c->{got} && $c->{got} =~ m{^HTTP/};
        $seen->{status}{none}++;
        return;
    }

    my ($status) = $head =~ m{^HTTP/1\.1 (\d+)};

    $seen->{status}{ $status // 'odd' }++;

    return if !$n->{module};

    my $wrong = !defined $status ? 'no status line'
              : $status == 500 && $body !~ /already in use|tracing/
                ? 'it failed'
              : $status > 500 && $status !~ /^50[135]$/ ? 'it failed'
              : '';

    if (!$wrong && $c->{method} ne 'HEAD') {
        $body = Fault::dechunk($body)
            if $head =~ /^Transfer-Encoding: chunked/mi;
        $wrong = defined $body ? invalid($c->{path}, $status, $head, $body)
                               : 'cut short';
    }

    push @{ $seen->{bad} }, "$wrong: $c->{bytes} -> $head $body" if $wrong;
}


# --- what is asked

sub one_of { return $_[rand @_] }

sub noise {
    my $most = shift;
    return join '', map { chr rand 256 } 1 .. rand $most;
}


sub value {
    return one_of(0, 1, -1, 2, 10, 1000, 1001, 9_999_999_999, '0.001', '1e3',
                  '0x10', '%31', '+1', '1 ', '', 'abc', 'NaN', '1;2', '00001',
                  18446744073709551615, '18446744073709551616', '1.', '.1',
                  '2026-01-01T00:00:00Z', '1' x 300, '%00', '%', '%zz', '%ff',
                  "'\"<>", '../../etc/passwd', '%2e%2e%2f', noise(20) =~
                  s/[\s#?]//gr, $$, 1);
}


sub path {
    my $long;
    my $dice = rand;

    # those that take a second, or a process, are asked less often
    my $path = $dice < 0.02 ? one_of(@slow) : $dice < 0.12 ? one_of(@encoded)
             : one_of(@light, @light, @light,
                      '/api/profiling/', '/api/profiling/force-gc',
                      '/api/profiling/nothing', '/debug/pprof/symbol?0x1+0x2+zz',
                      '/debug/pprof/../pprof/cmdline', '/metrics/x',
                      '/api/profiling//metrics', '/api/profiling/%6detrics',
                      '/odd"\\<b>');

    my @names = qw(worker worker count since limit seconds duration debug gc
                   format version server location min_ms sample_index x);

    for (1 .. one_of((0) x 6, 1, 1, 2, 8, 40)) {
        my ($name, $value) = (one_of(@names), value());

        # at most one of two ends is tried: a wrong one, a short one
        if ($name =~ /^(?:seconds|duration)$/
            && $value =~ /^0*[1-9.]\d*/ && $value !~ /^1$/)
        {
            $long = 1;
        }

        $path .= ($path =~ /\?/ ? one_of('&', '&', ';', '&&') : '?')
                 . $name . one_of('=', '=', '=', '', '==') . $value;
    }

    $path =~ s/[\r\n\0]//g;
    $path =~ s/ /%20/g;

    # nobody waits for these
    return ($path, $long);
}


sub header {
    return one_of(
        'Accept-Encoding: gzip', 'Accept-Encoding: gzip;q=0, *', 'Accept: */*',
        'Accept: application/openmetrics-text; version=1.0.0',
        'Accept: ' . 'a/b,' x 500, 'Range: bytes=0-10',
        'Range: bytes=5-1,-1,99999999999999999999-', 'If-None-Match: *',
        'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT',
        'Origin: http://evil', 'Origin: ' . noise(40), 'Origin: null',
        'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Site: same-origin',
        'Content-Length: 5', 'Content-Length: -1', 'Content-Length: 0',
        'Content-Length: 99999999999999999999', 'Transfer-Encoding: chunked',
        'Transfer-Encoding: gzip', 'Expect: 100-continue',
        'X-Forwarded-For: ' . noise(30), 'Upgrade: h2c', 'TE: trailers',
        'Cookie: ' . 'c' x rand 9000, 'X: ' . 'x' x rand 20000,
        noise(10) . ': ' . noise(30), 'User-Agent: ' . noise(200),
    ) =~ s/[\r\n]//gr;
}


sub h1_request {
    my ($path, $long) = path();
    my $method = one_of(('GET') x 16, qw(HEAD POST POST PUT DELETE OPTIONS
                        TRACE PATCH get GARBAGE), noise(12) =~ s/\s//gr);
    my $version = one_of(('HTTP/1.1') x 6, 'HTTP/1.0', 'HTTP/1.0', 'HTTP/0.9',
                         'HTTP/1.2', 'HTTP/2.0', 'HTTX', '');

    my $text = "$method $path" . ($version eq '' ? '' : " $version") . "\r\n"
               . one_of(("Host: main\r\n") x 16, '', "Host: evil.test\r\n",
                        "Host: main\r\nHost: main\r\n", "Host: \xff\r\n")
               . join('', map { header() . "\r\n" }
                          1 .. one_of(0, 0, 0, 1, 2, 6))
               . "Connection: close\r\n\r\n";

    $text .= noise(2000) if rand() < 0.1;

    my $cut = rand() < 0.05;
    $text = substr $text, 0, rand length $text if $cut;

    if (rand() < 0.05) {
        substr($text, rand length $text, 1) = chr rand 256;
        $cut = 1;
    }

    # "GET path" alone is answered without a header
    my $bare = $version eq '' || $version eq 'HTTP/0.9';

    return { bytes => $text, path => $path, method => $method, cut => $cut,
             gone => $long || $bare || rand() < 0.03 };
}


# Some streams on one connection, by literal names without Huffman.

sub h2_request {
    # windows as large as can be
    my $bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                . frame(4, 0, 0, pack 'nN', 4, 0x7fffffff)
                . frame(8, 0, 0, pack 'N', 0x7fff0000);
    my ($gone, %awaited);

    for my $i (1 .. 1 + int rand 5) {
        my ($path, $long) = path();
        my $method = one_of(('GET') x 6, qw(HEAD POST PUT), noise(6));

        $gone ||= $long;

        my $block = literal(':method', $method) . "\x86"
                    . literal(':path', $path) . literal(':authority', 'main')
                    . join('', map { literal(split /: /, header(), 2) }
                               1 .. one_of(0, 0, 1, 3));

        # header blocks are not continued here
        $block = literal(':method', 'GET') if length $block > 16000;

        $bytes .= frame(1, 5, 2 * $i - 1, $block);

        if (rand() < 0.1) {
            $bytes .= frame(3, 0, 2 * $i - 1, pack 'N', 8);

        } else {
            $awaited{2 * $i - 1} = 1;
        }
    }

    return { bytes => $bytes, awaited => \%awaited,
             gone => $gone || rand() < 0.1 };
}


# Each stream that was not given up has ended, or the server has had enough.

sub h2_ended {
    my $c = shift;

    while (length $c->{got} >= ($c->{at} ||= 0) + 9) {
        my ($high, $low, $type, $flags, $id) =
            unpack "x$c->{at}CnCCN", $c->{got};
        my $length = $high << 16 | $low;

        last if length $c->{got} < $c->{at} + 9 + $length;
        $c->{at} += 9 + $length;

        return 1 if $type == 7;

        # one that has ended may be reset as well: its body was not read
        delete $c->{awaited}{$id} if $type == 3 || $type <= 1 && $flags & 1;
    }

    return !%{ $c->{awaited} };
}


sub literal {
    my ($name, $value) = @_;

    return "\0" . prefixed(lc $name) . prefixed($value // '');
}


sub prefixed {
    my $text = shift;

    my $n = length $text;
    return chr($n) . $text if $n < 127;

    my $length = "\x7f";
    for ($n -= 127; $n >= 128; $n >>= 7) {
        $length .= chr($n & 127 | 128);
    }

    return $length . chr($n) . $text;
}


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}


# Bodies are told apart by their streams; what they are, by how they begin.

sub h2_finish {
    my ($c, $seen) = @_;

    my %body;
    my $got = $c->{got};

    while (length $got >= 9) {
        my ($high, $low, $type, undef, $stream) = unpack 'CnCCN', $got;
        my $length = $high << 16 | $low;

        last if length $got < 9 + $length;
        $body{$stream} .= substr $got, 9, $length if $type == 0;
        substr($got, 0, 9 + $length) = '';
    }

    $seen->{status}{h2}++;

    for my $body (values %body) {
        my $type = $body =~ /^\{/ ? 'application/json' : 'text/plain';
        next if $type eq 'text/plain';

        my $error = $body =~ /^\{"error":\{"status":(\d+)/ ? $1 : 200;
        my $wrong = invalid('', $error, "Content-Type: $type", $body);

        push @{ $seen->{bad} }, "HTTP/2: $wrong: $body" if $wrong;
    }
}


# What is no HTTP/2 at all, after a true beginning.

sub h2_garbage {
    my $n = shift;

    for (1 .. 200) {
        my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port(1)) or next;

        syswrite $s, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, '')
                     . frame(1, 5, 1, literal(':method', 'GET') . "\x86"
                                      . literal(':path', path())
                                      . literal(':authority', 'main'))
                     . noise(400);
        close $s;
    }
}
