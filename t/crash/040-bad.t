#!/usr/bin/perl

# Deaths under bad conditions: what the crash itself has overwritten; a handler
# that was there before and jumps out of its fault; signals to itself; a
# sanitizer; a filter of system calls.

use strict;
use warnings;

use Fault;
use POSIX qw(EPERM uname);
use Profile;
use Sanitized;
use Sound;
use Test::More;

skip_all_sanitized('they have handlers of their own');

my $server = <<'END_OF_SERVER';
        location /null { profiling_test die_null 0; }
        location /raise { profiling_test die_raise 0; }
        location /pprof/ { profiling_pprof; }
        location /ok { return 200 ok; }
END_OF_SERVER

sub site {
    my ($name, %o) = @_;

    return Fault->new(name => $name, workers => 1,
                      modules => [ Profile::test_module() ], %o,
                      server => $server . ($o{server} // ''));
}

# the report of the worker's death, once another one answers

sub dies {
    my ($n, $path) = @_;

    my $pid = $n->{worker} // ($n->workers)[0];

    isnt($n->get($path, timeout => 20)->{status} // 0, 200,
         "$path: no answer");

    my $report;

    ok(wait_for(60, sub {
        return 0 if ($n->get('/ok')->{body} // '') ne 'ok';
        $report = $n->api('crashes')->{reports}[0];
        return $report && $report->{request}
               ? $report->{request}{uri} eq $path && $report->{worker} != 0
               : 0;
    }), '... another worker comes, and tells');

    return $report;
}

# --- what the crash has overwritten ----------------------------------------

{
    my $n = site('damaged', server => <<'END_OF_SERVER');
        location /zeroes { profiling_test die_damaged 0; }
        location /ones { profiling_test die_damaged 255; }
        location /texts { profiling_test die_damaged 65; }
        location /random { profiling_test die_damaged -1; }
END_OF_SERVER

    $n->start;

    my $deaths = 0;

    for my $path (qw(/zeroes /ones /random /texts /random /null)) {
        my $r = dies($n, $path);
        $deaths++;

        is($r->{function}, 'profiling_test_die_null', '... the function');
        is($r->{location}, $path, '... the location');
        is($r->{reason}, 'crash', '... the reason');
        is($r->{address}, '0x10', '... the address');

        my $one = $n->api("crashes/$r->{id}");

        is($one->{damaged}, $path eq '/null' ? JSON::PP::false
                                             : JSON::PP::true,
           '... that it was damaged');
        is($one->{requests}, undef, '... no figures of it')
            if $path ne '/null';
        is_deeply($one->{before}, [], '... no requests before')
            if $path ne '/null';

        my $text = $n->get("/api/profiling/crashes/$r->{id}?format=text");
        like($text->{body}, qr/^#0  profiling_test_die_null at/m, '... as a text');

        for my $path (map({ "/api/profiling/$_" }
                          qw(metrics memory metrics/history runtime
                             locations gc goroutines)),
                      '/metrics', '/pprof/crash', '/pprof/heap')
        {
            is($n->get($path)->{status}, 200, "... $path answers");
        }
    }

    is($n->api('crashes')->{total}, $deaths, 'no other has died');
    $n->stop;
}

# --- a handler that jumps out, signals to itself ---------------------------

{
    my $n = site('goes', server => <<'END_OF_SERVER');
        location /goes { profiling_test die_goes 5; }
END_OF_SERVER

    $n->start;

    my ($pid) = $n->workers;

    for my $round (1 .. 3) {
        is($n->get('/goes', timeout => 20)->{status}, 200,
           "round $round: a module that mends its faults goes on");
    }

    is(($n->workers)[0], $pid, '... in the same worker');
    is($n->api('crashes')->{total}, 0, '... nothing is told');

    my $r = dies($n, '/null');

    is($r->{function}, 'profiling_test_die_null', '... but what it gives up');
    is($n->get('/goes', timeout => 20)->{status}, 200,
       '... and it goes on in the next worker');
    $n->stop;
}

# --- a sanitizer ---------------------------------------------------------------

{
    my $n = site('sanitizer');

    $n->{env} = { LD_PRELOAD => preload($n->dir, 'int __asan_init;') };
    $n->start;

    my ($pid) = $n->workers;

    $n->get('/null', timeout => 20);
    ok(wait_for(60, sub { $n->log =~ /worker process $pid died/ }),
       'beside a sanitizer: the death is told');
    is($n->api('crashes/1')->{recorded}, JSON::PP::false,
       '... but the handler is not there');
    $n->stop;
}

# --- filters of system calls -------------------------------------------------

SKIP: {
    skip 'numbers of calls are those of x86_64', 1
        if (uname())[4] ne 'x86_64';

    # sigaltstack, rt_tgsigqueueinfo, and what both are replaced by
    for my $filter ([ 'kill', '131' ], [ 'kill', '297' ], [ 'kill', '131,297' ],
                    [ EPERM, '131,297' ])
    {
        my ($action, $calls) = @$filter;
        my $name = "calls $calls, $action";
        my $n = site("filter-$action-" . $calls =~ tr/,/-/r,
                     wrapper => [ 't/lib/filtered', $action, $calls ]);

        $n->start;
        wait_for(60, sub { $n->workers == 1 });

        for my $way (qw(null raise)) {
            my ($pid) = $n->workers;
            my $r = dies($n, "/$way");

            is($r->{signal}, 'SIGSEGV', "$name, $way: the signal");
            is($r->{function}, "profiling_test_die_$way", '... the function')
                if $way eq 'null';
            like($n->log, qr/worker process $pid exited on signal 11\b/,
                 '... nginx says the same');
        }

        unlike($n->log, qr/exited on signal 31/, '... the filter killed none');
        $n->stop;
    }
}

done_testing;
