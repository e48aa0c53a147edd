#!/usr/bin/perl

# Every endpoint of the module, with any nginx: the module linked or loaded,
# with as few of nginx's own modules as possible.  The expected requests,
# status, bytes and pids are known.

use strict;
use warnings;

use Health;
use JSON::PP;
use Sanitized;
use Test::More;
use Profile;
use Site;

my $site = Site->new(
    workers  => 2,
    handlers => $Profile::handlers,
    http     => 'profiling_interval 100ms; profiling_heap_rate 1; profiling_budget off;',
    server   => <<'END');
        location = /two { return 200 "two"; }
        location = /five { return 503; }
        location /file/ { alias DIR/html/; }
END

spew($site->dir . '/html/page', 'x' x 100_000);
$site->start;

my @workers = $site->workers;

ask();
counted('as they were asked', 1);
views();
profiles();
text();
replaced();

$site->stop;

done_testing;


sub ask {
    for (1 .. 20) {
        $site->request('/two');
        $site->request('/five');
    }

    is(length $site->request('/file/page')->{body}, 100_000,
       'a file is sent whole');
}


sub counted {
    my ($name, $rounds) = @_;

    my %want = ('= /two' => 20 * $rounds, '= /five' => 20 * $rounds,
                '/file/' => $rounds);

    ok(until_true(10, sub {
        eq_hash($site->counts, \%want);
    }), "requests are counted, $name") or diag(explain($site->counts));

    my $requests = $site->json('metrics')->{metrics}{requests};

    is($requests->{total}, 41 * $rounds, '... all of them');
    is($requests->{by_status}{'5xx'}, 20 * $rounds, '... by their status');
}


sub views {
    for my $view (qw(metrics metrics/history memory gc goroutines runtime
                     health locations))
    {
        my $got = $site->request("/api/profiling/$view");
        my $data = eval { JSON::PP->new->utf8->decode($got->{body}) };

        is("$got->{status} " . ref $data, '200 HASH', "$view is JSON");
    }

    my $metrics;

    # a share is not known before the first interval has passed
    until_true(60, sub {
        $metrics = $site->json('metrics');
        return @{ $metrics->{workers} } == @workers
               && !grep { /event_loop/ } keys %{ $metrics->{unavailable} };
    });

    is_deeply([ sort map { $_->{pid} } @{ $metrics->{workers} } ],
              [ sort @workers ], 'both workers tell of themselves');
    cmp_ok($metrics->{metrics}{memory}{sys}, '>', 1e6, 'memory is measured');
    cmp_ok($metrics->{metrics}{event_loop}{iterations}, '>', 41,
           'passes of the event loop are counted');
    is_deeply([ grep { /event_loop/ } keys %{ $metrics->{unavailable} } ], [],
              '... which is watched');

    my ($said) = run($ENV{TEST_NGINX_BINARY}, '-v') =~ m{(nginx/\S+)};
    is($site->json('runtime')->{go_version}, $said, 'nginx is named');

    ok(until_true(240, sub { !@{ ailments($site->json('health')) } }),
       'all is well') or diag(explain($site->json('health')));


  SKIP: {
    skip_sanitized('its allocator gives nothing back', 1);

    my $got = $site->request('/api/profiling/force-gc', method => 'POST');
    is(eval { decode_json($got->{body})->{success} }, JSON::PP::true,
       'free memory is given back');
  }
}


sub profiles {
    my $load = load($site, '/two', '/file/page');
    my $p;

    # a machine that is busy gives the workers little of a second
    until_true(240, sub {
        $p = Profile::take($site, seconds => 1);
        return @{ $p->{samples} } >= 20;
    });

    is_valid($p, 'a CPU profile');
    cmp_ok(share($p, labelled(server => 'main')) // 0, '>', 0,
           '... has the server as a label');
    cmp_ok(share($p, has(qr/main$/)) // 0, '>', 0.9,
           '... and stacks that reach main()');

    for my $name (qw(heap allocs block mutex goroutine threadcreate)) {
        my $taken = eval { Profile::take($site, path => "/debug/pprof/$name") };
        ok($taken, "$name can be read") or diag($@);
    }

    my $heap = Profile::take($site, path => '/debug/pprof/allocs');
    cmp_ok(scalar @{ $heap->{samples} }, '>', 10, 'allocations have stacks');

    my $trace = $site->request('/debug/pprof/trace?seconds=0.5');
    is("$trace->{status} " . substr($trace->{body}, 0, 13),
       '200 go 1.22 trace', 'a trace');

    Profile::end($load);
}


sub text {
    my $got = $site->request('/metrics');

    is($got->{status}, 200, 'the text for Prometheus');
    like($got->{body}, qr/^nginx_profiling_requests_total\{/m,
         '... has requests');
    is($site->request('/debug/pprof/')->{status}, 200, 'the index');
}


# a worker dies, nginx is reloaded: nothing is forgotten

sub replaced {
    my $before = $site->json('metrics')->{metrics}{requests}{total};

    kill 'KILL', $workers[0];
    ok(until_true(60, sub { my @now = $site->workers;
                            @now == 2 && !grep { $_ == $workers[0] } @now }),
       'a killed worker is replaced');
    cmp_ok($site->json('metrics')->{metrics}{requests}{total}, '>=', $before,
           '... its requests are kept');

    $site->{noise} = qr/worker process $workers[0] (?:exited on signal 9|was killed by SIGKILL)/;

    kill 'HUP', $site->{pid};
    ok(until_true(60, sub { $site->json('runtime')->{generation} == 2
                            && @{ [ $site->workers ] } == 2 }),
       'a reload');
    cmp_ok($site->json('metrics')->{metrics}{requests}{total}, '>=', $before,
           '... nor does it forget');
    ok(eval { Profile::bytes($site, path => '/debug/pprof/heap') },
       '... and it still finds its encoder') or diag($@);
}
