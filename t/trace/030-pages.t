#!/usr/bin/perl

# /debug/pprof/trace as Go serves it: headers, parameters, errors; and nothing
# is left of a trace after its end.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;
use Trace qw(read_trace requests traced);

my $site = Site->new(
    workers  => 1,
    handlers => $Profile::handlers,
    access   => 'DIR/access.log',
    http     => 'profiling_interval 100ms; profiling_trace_buffer 1m;',
    server   => 'location = /return { return 200 "hello\n"; }',
)->start;

my $trace = '/debug/pprof/trace';

headers();
parameters();
busy();
nothing_left();
$site->stop;

settings();
single();

done_testing();


sub get { return $site->request($trace . shift, seconds => 60, @_) }


sub headers {
    my $start = time;
    my $got = get('');

    cmp_ok(time - $start, '>=', 0.95, 'a trace lasts a second by itself');
    is($got->{status}, 200, '... and is an answer');
    is($got->{headers}{'content-type'}, 'application/octet-stream',
       '... of no type');
    is($got->{headers}{'content-disposition'},
       'attachment; filename="trace"', '... a file');
    is($got->{headers}{'x-content-type-options'}, 'nosniff', '... no guesses');
    is($got->{headers}{'cache-control'}, 'no-store', '... not kept');
    ok(eval { read_trace($got->{body}) }, '... an empty one is valid')
        or diag($@);
    like($got->{body}, qr/^go 1\.22 trace\0\0\0/, '... of version 2');

    $got = get('?seconds=60', method => 'HEAD', seconds => 50);

    is($got->{status}, 200, 'HEAD is answered at once');
    is($got->{headers}{'content-disposition'},
       'attachment; filename="trace"', '... as GET would be');

    is(get('', method => 'PUT')->{status}, 405, 'PUT is not allowed');
    like($site->request('/debug/pprof/')->{body}, qr/trace\?debug=1/,
         'the index has it');
}


sub parameters {
    for my $case (['?seconds=0.25', 0.25], ['?seconds=0', 1],
                  ['?seconds=-3', 1], ['?seconds=abc', 1],
                  ['?seconds=nan', 1], ['?seconds=1e-1', 0.1])
    {
        my ($query, $seconds) = @$case;

        my ($least, $status);

        # what else the machine does may make it longer
        ok(until_true(60, sub {
            my $start = time;

            $status = get($query)->{status};

            my $took = time - $start;
            $least = $took if !defined $least || $took < $least;

            return $took < $seconds + 0.7;
        }), "$query: not longer than $seconds s");

        cmp_ok($least, '>', 0.95 * $seconds, '... nor shorter');
        is($status, 200, '... an answer');
    }

    like(get('?seconds=0.1&version=2')->{body}, qr/^go 1\.22 trace\0\0\0/,
         'version 2');

    my $got = get('?seconds=0.1&format=perfetto');
    like($got->{body}, qr/^\{"displayTimeUnit".*\]\}\n\z/s, 'perfetto');
    like($got->{headers}{'content-disposition'}, qr/"trace\.json"/,
         '... is a file of its own');

    for my $case (['?seconds=61', 'trace duration exceeds'],
                  ['?seconds=inf', 'trace duration exceeds'],
                  ['?version=1', 'version must be 2, which Go 1.22'],
                  ['?version=3', 'version must be'],
                  ['?format=xml', 'format must be'],
                  ['?min_ms=x', 'min_ms must be'],
                  ['?worker=x', 'worker must be'],
                  ['?worker=1', 'there is no worker'])
    {
        my ($query, $says) = @$case;
        my $got = get($query);

        ok($got->{status} == 400 || $got->{status} == 404, "$query is refused");
        like($got->{body}, qr/^\Q$says\E.*\n\z/, '... and why');
        is($got->{headers}{'x-go-pprof'}, 1, '... as Go tells errors');
    }

    my ($worker) = $site->workers;
    my ($data) = traced($site, "seconds=1&worker=$worker",
                        sub { $site->request('/return') });
    is(scalar(requests(read_trace($data), 'GET = /return')), 1, 'a worker');
}


sub busy {
    my $b = Profile::background(sub { get('?seconds=2')->{status} });

    my $got;
    until_true(60, sub {
        sleep 0.2;
        $got = get('?seconds=0.001');
        $got->{status} != 200;
    });

    is($got->{status}, 500, 'a second trace is refused');
    is($got->{body}, "Could not enable tracing: "
                     . "runtime error: tracing is already enabled\n",
       '... in Go\'s words');
    is($got->{headers}{'x-go-pprof'}, 1, '... with its header');
    is($site->request('/debug/pprof/profile?seconds=1', seconds => 60)
            ->{status}, 200, '... but not a profile');
    is(Profile::finish($b), 200, '... and the first goes on');
}


# bytes of the rings that the kernel has given pages to

sub rings {
    my ($worker) = $site->workers;
    my $kb = 0;

    for my $map (split /^(?=[0-9a-f]+-[0-9a-f]+ )/m,
                 Site::slurp("/proc/$worker/smaps"))
    {
        $kb += $1 if $map =~ m{^\S+ rw-s \S+ \S+ \S+\s+/dev/zero}
                     && $map =~ /^Size:\s+(\d+)/m && $1 == 16 * 1024
                     && $map =~ /^Rss:\s+(\d+)/m;
    }

    return $kb;
}


sub nothing_left {
    my $load = load($site, '/return');
    my $seconds = 1;

    ok(until_true(60, sub {
        my ($data) = traced($site, "seconds=$seconds", sub { });

        $seconds *= 2;
        return requests(read_trace($data), 'GET = /return') > 100;
    }), 'a trace under load');

    Profile::end($load);
    cmp_ok(rings(), '<', 150, '... gives its memory back');

    # one event a time while a trace runs, as many as there are otherwise
    my ($worker) = $site->workers;
    my $burst = sub {
        my @s = map { $site->connect } 1 .. 40;
        kill 'STOP', $worker;
        for (@s) {
            print $_ "GET /return HTTP/1.1\r\nHost: main\r\n\r\n";
            $_->flush;
        }
        kill 'CONT', $worker;
        sysread $_, my $got, 100 for @s;
    };
    my $loop = sub {
        my ($l) = $site->json('/api/profiling/metrics')->{metrics}{event_loop};
        return $l->{events} / $l->{iterations};
    };

    $burst->();
    my $before = $loop->();
    $burst->() for 1 .. 40;
    cmp_ok($loop->(), '>', $before, 'passes serve many events again');
}


sub settings {
    my $t = sub {
        my $s = Site->new(http => "profiling_trace_buffer $_[0];",
                          noise => qr/profiling_trace_buffer/);
        $s->write;
        return run(($ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx'), '-t', '-c',
                   $s->dir . '/nginx.conf', '-p', $s->dir);
    };

    like($t->('100k'), qr/profiling_trace_buffer.*nginx\.conf:\d+/s,
         'a buffer that is too small is an error');
    like($t->('2g'), qr/profiling_trace_buffer.*nginx\.conf:\d+/s,
         '... or too large');
    like($t->('8m'), qr/syntax is ok/, 'one that is neither is none');
}


# without a master; a reload then takes its connections from it

sub single {
    $site = Site->new(workers => 0, handlers => $Profile::handlers,
                      http => 'profiling_interval 100ms;',
                      access => 'DIR/access.log',
                      server => 'location = /return { return 200 "x"; }')
            ->start;

    my ($data) = traced($site, 'seconds=1.5', sub {
        $site->request('/return') for 1 .. 5;
    });
    is(scalar(requests(read_trace($data), 'GET = /return')), 5,
       'a single process');

    my $s = $site->connect;

    print $s "GET ${trace}?seconds=2 HTTP/1.1\r\nHost: main\r\n"
             . "Connection: close\r\n\r\n";
    $s->flush;
    was_read($s);
    $site->request('/return') for 1 .. 5;
    kill 'HUP', $site->{pid};
    ok(until_true(60, sub { $site->request("/api/profiling/runtime")->{body}
                              =~ /"generation":\s*2\b/ }),
       '... that reloads in a trace');
    $site->request('/return') for 1 .. 5;
    Site::read_all($s, 60);

    is($site->request('/return')->{status}, 200, '... goes on');

    $site->stop;
}
