#!/usr/bin/perl

# Encoders are few, whoever asks: so many at a time in a worker and in the
# zone, a short queue, and 503 for the rest; none where descriptors or
# connections are scarce.  Told to end, they end with exit code 0: nginx's
# master, where it is whose children orphans become, has no complaint.

use strict;
use warnings;

use Fault;
use File::Copy qw(copy);
use IO::Socket::INET;
use IO::Uncompress::Gunzip qw(gunzip);
use POSIX qw(EPERM uname);
use Sound;
use Test::More;

my $handlers = 'location ^~ /debug/pprof/ { profiling_pprof; }';
my @instant = map { "/debug/pprof/$_" }
                  qw(heap allocs block mutex goroutine threadcreate
                     symbol?0x401000);

# what stands in the source
my ($own, $zone, $queue) = (2, 4, 32);

queue();
first();
held();
zone();
low();
few();
few('use poll;');
adopted();

done_testing();


# An encoder that tells of itself and of what it reads, and waits until there is
# a file "go".

sub gated {
    my %o = @_;

    my $n = Fault->new(%o);
    my $dir = $n->dir . '/modules';

    mkdir $dir;
    chmod 0755, $dir;
    chmod 0777, $n->dir;
    copy($ENV{TEST_NGINX_LOAD_MODULES}, "$dir/module.so") or die "$!\n";

    my $encoder = "$dir/ngx_http_profiling_encoder";

    Fault::spew($encoder, join "\n", '#!/bin/sh',
        'cat > ' . $n->dir . '/raw.$$',
        'echo $$ >> ' . $n->dir . '/order',
        'echo > ' . $n->dir . '/began.$$',
        'until [ -e ' . $n->dir . '/go ]; do sleep 0.02; done',
        "exec $ENV{ENCODER} \"\$@\" < " . $n->dir . '/raw.$$', '');
    chmod 0755, $encoder;

    $n->{module} = "$dir/module.so";

    # an encoder that usage() had asked for would wait as well
    $n->{learnt} = 0;
    $n->start;

    return $n;
}


sub began { return scalar(() = glob $_[0]->dir . '/began.*') }


# those that run

sub encoders {
    my $n = shift;

    return grep { index(eval { slurp($_) } // '', $n->dir . '/modules/') >= 0 }
           glob '/proc/[0-9]*/cmdline';
}


sub asked {
    my ($n, $path, $port) = @_;

    my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port($port))
            or die "connect() failed: $!\n";

    syswrite $s, "GET $path HTTP/1.1\r\nHost: main\r\n"
                 . "Connection: close\r\n\r\n";

    return $s;
}


sub answer {
    my $s = shift;

    my $got = '';
    1 while sysread $s, $got, 65536, length $got;

    return $got;
}


# the sockets that have something to read

sub ready {
    my $in = '';

    vec($in, fileno($_), 1) = 1 for @_;
    select $in, undef, undef, 0;

    return grep { vec($in, fileno($_), 1) } @_;
}


sub queue {
    my $n = gated(name => 'queue', workers => 1, server => $handlers);
    my $before = usage($n);
    my $refused = 100 - $own - $queue;
    my @asked;

    # on a machine that stands still, they have waited too long by then

    for (1 .. 5) {
        @asked = ();
        unlink glob $n->dir . '/began.*';
        wait_for(60, sub { !encoders($n) });

        @asked = map { asked($n, $instant[$_ % @instant]) } 1 .. 100;

        last if wait_for(10, sub {
            return ready(@asked) == $refused && began($n) == $own;
        });
    }

    is(ready(@asked) . ' ' . began($n), "$refused $own",
       "of 100 at once $own run, $queue wait, $refused are refused");

    my %refused = map { $_ => answer($_) } ready(@asked);

    is(scalar(grep { m{^HTTP/1\.1 503 } && /^Retry-After: 5\r$/m }
              values %refused), $refused, '... with 503, for later');
    is(scalar(grep { /^profile not encoded: too many profiles/m }
              values %refused), $refused, '... and why');

    for my $path (qw(health gc goroutines metrics)) {
        is($n->get("/api/profiling/$path")->{status}, 200,
           "... $path is answered all the same");
    }

    is(began($n), $own, '... no other has been started');

    Fault::spew($n->dir . '/go', '');

    # a machine that stands still makes some wait for too long

    my %waited;
    $waited{ answer($_) =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'none' }++
        for grep { !$refused{$_} } @asked;

    cmp_ok($waited{200} // 0, '>', $own, '... who has waited has an answer');
    is(($waited{200} // 0) + ($waited{503} // 0), $own + $queue,
       '... or is told so') or diag(explain(\%waited));

    # who waits for too long is told so, while those before it go on

    unlink $n->dir . '/go', glob $n->dir . '/began.*';
    @asked = map { asked($n, $instant[0]) } 1 .. $own + 2;

    ok(wait_for(60, sub { ready(@asked) == @asked }), 'nobody waits for ever');
    my %late;
    $late{ answer($_) =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'none' }++ for @asked;
    is(($late{500} || 0) + ($late{503} || 0), $own + 2,
       '... neither for an encoder nor for a place') or diag(explain(\%late));
    Fault::spew($n->dir . '/go', '');

    # who leaves is in no queue any more

    unlink $n->dir . '/go', glob $n->dir . '/began.*';
    @asked = map { asked($n, $instant[$_ % @instant]) } 1 .. 100;
    wait_for(60, sub { ready(@asked) == $refused });
    @asked = ();
    Fault::spew($n->dir . '/go', '');

    is($n->get('/debug/pprof/heap', timeout => 60)->{status}, 200,
       'those who leave make room');
    nothing_left($n, $before, 'after both');
    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
}


# A capture follows those that run, whatever waits before it.

sub first {
    my $n = gated(name => 'first', workers => 1, server => $handlers);
    my ($order, @asked) = ($n->dir . '/order');

    # on a machine that stands still the capture is too late

    my $at = 0;

    for my $wait (1 .. 5) {
        unlink $order, $n->dir . '/go', glob $n->dir . '/{began,raw}.*';

        push @asked, asked($n, '/debug/pprof/heap') for 1 .. $own + 8;
        wait_for(60, sub { began($n) == $own });
        push @asked, asked($n, '/debug/pprof/profile?seconds=1');

        select undef, undef, undef, 1 + $wait;
        Fault::spew($n->dir . '/go', '');

        answer($_) for splice @asked;

        # 1 is CPU time

        my @kinds = map { `$ENV{ENCODER} --dump < ${\$n->dir}/raw.$_`
                          =~ / kind (\d)/ ? $1 : 0 }
                    split ' ', slurp($order);

        ($at) = (grep({ $kinds[$_ - 1] == 1 } 1 .. @kinds), 0);

        last if $at && $at <= $own + 2;
    }

    # two begin at once
    cmp_ok($at, '<=', $own + 2, 'a capture is encoded before what waits')
        and isnt($at, 0, '... and encoded');

    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
}


# A worker that cannot tell how long it has worked counts as busy: a few take no
# notice of the others, the rest keeps the pace, and says what that costs.

sub held {
  SKIP: {
    skip('the number of the call is that of x86_64', 1)
        if (uname())[4] ne 'x86_64';

    # 228 is clock_gettime(), which is called for CPU time alone
    my $n = gated(name => 'held', workers => 1, server => $handlers,
                  wrapper => [ 't/lib/filtered', EPERM, 228 ]);

    my @asked = map { asked($n, '/debug/pprof/heap') } 1 .. $own + $queue;

    Fault::spew($n->dir . '/go', '');

    my ($said, %got) = (qr/lines and inlined calls left out: others wait/);

    for (map { answer($_) } @asked) {
        my ($head, $body) = split /\r\n\r\n/, $_, 2;
        my $profile = '';

        gunzip(\$body, \$profile) if $head =~ m{^HTTP/1\.1 200 };

        $got{ !$profile ? 'none' : $profile =~ $said ? 'brief' : 'full' }++;
    }

    cmp_ok($got{full} // 0, '>=', $own, 'some profiles have all there is')
        or diag(explain(\%got));
    cmp_ok($got{brief} // 0, '>', 0, '... those that were held say that not')
        or diag(explain(\%got));

    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
  }
}


# 100 at four workers: each has asked for more than may run.

sub zone {
    my $n = gated(name => 'zone', workers => 4, ports => 2,
                  server => "listen 127.0.0.1:PORT1 reuseport; $handlers");
    my $before = usage($n);
    my @asked = map { asked($n, $instant[$_ % @instant], 1) } 1 .. 100;

    ok(wait_for(60, sub { began($n) >= $zone }), "$zone run for all workers");

    # all of them have been read, and who waits has looked for its turn
    $n->ticked for 1 .. 3;
    is(began($n), $zone, '... and no more');

    Fault::spew($n->dir . '/go', '');

    my %status;
    $status{ answer($_) =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'none' }++ for @asked;

    cmp_ok($status{200}, '>', $zone, 'those that wait follow');
    is(($status{200} || 0) + ($status{503} || 0) + ($status{500} || 0), 100,
       '... the rest is told') or diag(explain(\%status));

    # a worker that is killed keeps nobody waiting

    unlink $n->dir . '/go', glob $n->dir . '/began.*';
    @asked = map { asked($n, $instant[0], 1) } 1 .. 30;
    wait_for(60, sub { began($n) >= $zone });
    kill 'KILL', $n->workers;
    @asked = ();
    Fault::spew($n->dir . '/go', '');

    ok(wait_for(60, sub {
        ($n->get('/debug/pprof/heap', timeout => 60)->{status} || 0) == 200;
    }), 'the places of workers that were killed are free');

    nothing_left($n, $before, 'after both');
    is_sound($n, 9 => 4);
    ok($n->stop('QUIT'), 'nginx ends');
}


# An eighth of each is left to requests.

sub low {
    my $n = Fault->new(name => 'descriptors', workers => 1,
                       main => 'worker_rlimit_nofile 80;',
                       server => $handlers);

    $n->start;

    scarce($n, 'descriptors', sub {
        my ($worker) = $n->workers;
        return scalar(() = glob "/proc/$worker/fd/*") >= 72;
    });
}


# What is free, or an idle client's, is no eighth.

sub few {
  SKIP: {
    my $n = Fault->new(name => 'connections', workers => 1,
                       events => shift // '', connections => 64,
                       server => $handlers);

    skip('this nginx has no poll: build it --with-poll_module', 1)
        if ($n->test)[0];

    $n->start;

    scarce($n, 'connections', sub {
        return $n->api('metrics')->{metrics}{connections}{free} <= 7;
    }, 55);
  }
}


sub scarce {
    my ($n, $what, $few, $most) = @_;

    my @held;

    # what a busy worker tells lags behind, and no more than are needed are held

    ok(wait_for(60, sub {
        if (@held < ($most // 80)) {
            push @held, IO::Socket::INET->new('127.0.0.1:' . $n->port);
            syswrite $held[-1], "GET / HTTP/1.1\r\nX";
        }

        $n->get('/empty');
        return $few->();
    }), "$what become scarce");

    for my $path (@instant) {
        my $r = $n->get($path);

        is($r->{status}, 503, "$path is refused") or diag($r->{error});
        like($r->{head}, qr/^Retry-After: 5\r?$/m, '... for now');
        like($r->{body}, qr/(?:$what|descriptors or connections) are scarce/,
             '... and why');
    }

    is($n->get('/empty')->{status}, 200, '... others are served');

    @held = ();

    ok(wait_for(60, sub {
        return ($n->get('/debug/pprof/heap')->{status} || 0) == 200;
    }), "... until there are $what again");

    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
}


# Clients that leave at all times of an encoder's life.  The master adopts
# orphans, as the first process of a container does.

sub adopted {
    my $n = Fault->new(name => 'adopted', workers => 2, server => $handlers,
                       wrapper => [ $^X, '-e',
                                    'syscall(157, 36, 1, 0, 0, 0) == 0'
                                    . ' or die; exec @ARGV' ]);

    $n->start;

    my $ended = sub { return scalar(() = $n->log =~ /unknown process/g) };

    for my $round (1 .. 40) {
        my @asked = map { asked($n, $_) } @instant;

        select undef, undef, undef, rand(0.15);
        setsockopt($_, Socket::SOL_SOCKET, Socket::SO_LINGER,
                   pack 'ii', 1, 0) for @asked;
        @asked = ();
    }

    # those whose client stays
    is($n->get($_, timeout => 60)->{status}, 200, "$_ is answered")
        for @instant;

    cmp_ok($ended->(), '>', @instant, 'the master has adopted encoders');
    is(join('', $n->log =~ /^.*exited on signal.*\n/mg), '',
       '... that no signal has ended');
    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
}
