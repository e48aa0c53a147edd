#!/usr/bin/perl

# The endpoints of heap profiles: parameters, headers and errors as in Go;
# differences; the download of the API.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);
use Site;
use Profile;
use Sampled;
use Heap;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    # an encoder whose client went away
    noise    => qr/unknown process \d+ exited on signal 9/,
    http     => 'profiling_interval 200ms; profiling_heap_rate 8k; profiling_budget off;',
    server   => <<'END',
        location = /leak { profiling_test leak 65536; }
        location = /mixed { profiling_test mixed 1; }
END
);

$site->start;

$site->request('/leak') for 1 .. 20;

headers();
errors();
delta();
trimmed();
pages();
together();
gone();

$site->stop;

done_testing();


sub headers {
    my %type = (
        'heap'                  => 'filename="heap"',
        'allocs'                => 'filename="allocs"',
        'threadcreate'          => 'filename="threadcreate"',
        'heap?seconds=1'        => 'filename="heap-delta"',
        'allocs?seconds=1'      => 'filename="allocs-delta"',
    );

    for my $path (sort keys %type) {
        for my $method ('HEAD', 'GET') {
            my $of = $path;

            # what lasts as long as it asks for is not waited for
            $of =~ s/seconds=1/seconds=300/ if $method eq 'HEAD';

            my $got = $site->request("/debug/pprof/$of", method => $method);
            my $h = $got->{headers};

            is("$got->{status} $h->{'content-type'} "
               . $h->{'content-disposition'},
               "200 application/octet-stream attachment; $type{$path}",
               "$method $path");
            is($h->{'x-content-type-options'}, 'nosniff', '... nosniff');
        }
    }

    for my $path ('heap?debug=1', 'allocs?debug=2', 'threadcreate?debug=1') {
        my $got = $site->request("/debug/pprof/$path");

        is("$got->{status} $got->{headers}{'content-type'}",
           '200 text/plain; charset=utf-8', $path);
        is($got->{headers}{'content-disposition'}, undef, '... no file');
    }

    my $got = $site->request('/api/profiling/heap-dump');
    like($got->{headers}{'content-disposition'},
         qr/^attachment; filename=heap-(\d{10})\.prof$/, 'heap-dump: name');
    is($got->{headers}{'content-type'}, 'application/octet-stream',
       '... type');
    is_heap(Profile::decode($got->{body}), 'heap-dump', rate => 8192);

    is($site->request('/api/profiling/heap-dump', method => 'POST')->{status},
       405, '... GET only');
}


sub errors {
    my @errors = (
        [ 'heap?seconds=x', 400, 'invalid value for "seconds" - must be a '
                                 . 'positive integer' ],
        [ 'allocs?seconds=-1', 400, 'invalid value for "seconds" - must be a '
                                    . 'positive integer' ],
        [ 'heap?seconds=0', 400, 'invalid value for "seconds" - must be a '
                                 . 'positive integer' ],
        [ 'heap?seconds=1&debug=1', 400, 'seconds and debug params are '
                                         . 'incompatible' ],
        [ 'heap?worker=1', 404, 'there is no worker 1' ],
        [ 'heap?worker=x', 400, 'worker must be the pid of a worker, not '
                                . '"x"' ],
    );

    for (@errors) {
        my ($path, $status, $text) = @$_;
        my $got = $site->request("/debug/pprof/$path");

        is("$got->{status} $got->{body}", "$status $text\n", $path);
        is($got->{headers}{'x-go-pprof'}, 1, '... as Go marks it');
    }

    is($site->request("/debug/pprof/$_")->{status}, 200, "$_ is answered")
        for 'heap?debug=x', 'heap?gc=x', 'heap?gc=0', 'heap?seconds=', 'allocs?gc=1',
            'threadcreate?seconds=1';
}


sub delta {
    my $leak = has('profiling_test_leak');
    my $started = time();
    my ($p, $begin, $end, $n);

    # once more, where others leave no time for it

    ok(until_true(60, sub {
        my $s = $site->connect;

        $started = time();
        print $s "GET /debug/pprof/heap?seconds=2 HTTP/1.1\r\nHost: main\r\n"
                 . "Connection: close\r\n\r\n";
        $s->flush;
        was_read($s);

        my @asked = map { my $began = time(); $site->request('/leak');
                          [ $began, time() ] } 1 .. 50;

        $site->request('/mixed');

        my $got = Site::parse(Site::read_all($s, 60));
        return if Profile::late($got);

        $p = Profile::decode($got->{body});
        $end = $p->{decoded}{time} / 1e9;
        $begin = $end - $p->{decoded}{duration} / 1e9;
        $n = grep { $_->[0] >= $begin && $_->[1] <= $end } @asked;

        # those at its ends are in it or not
        return $n >= 5 && 3 >= grep { $_->[0] < $begin && $_->[1] > $begin
                                      || $_->[0] < $end && $_->[1] > $end }
                               @asked;
    }), 'something came in a time');

    is_heap($p, 'delta', rate => 8192, delta => 1);

    # one in 3000 of that size is missed: more than three of fifty never are
    is_near(total($p, 'inuse_objects', $leak), $n, 0, '... which is in it',
            more => 3);
    is_near(total($p, 'alloc_objects', $leak), $n, 0, '... allocated too',
            more => 3);
    is(total($p, 'inuse_objects', has('profiling_test_mixed')), 0,
       '... what is freed is not in use');
    cmp_ok($p->{decoded}{duration}, '<=', 1e9 * (time() - $started),
           '... no longer than was seen');
    cmp_ok($p->{decoded}{duration}, '>=', 2e9, '... all of it');
    ok($end >= $started + 2 && $end <= time(),
       '... the time is that of its end') or diag("$started $end");
}


sub trimmed {
    my $gc = sub { return $site->json('gc')->{num_gc} };

    Time::HiRes::sleep(1);

    my $before = $gc->();

    # a GET that any page can cause is refused, and nothing is done

    for ([], ['Sec-Fetch-Site: none'], ["Host: localhost"]) {
        my $got = $site->request('/debug/pprof/heap?gc=1', headers => $_);

        is("$got->{status} $got->{body}",
           '403 "gc=1" takes POST, or a page of the same origin' . "\n",
           "gc=1 without a mark: @$_");
    }

    is($gc->(), $before, '... no worker has trimmed');

    is_heap(Heap::take($site, args => 'gc=1', method => 'POST'), 'gc=1',
            rate => 8192);

    ok(until_true(60, sub { return $gc->() >= $before + 2 }),
       '... both workers have trimmed');

    for (['Sec-Fetch-Site: same-origin'], ['Origin: http://main']) {
        my $done = $gc->();

        ok(until_true(60, sub {
            my $got = $site->request('/debug/pprof/heap?gc=1', headers => $_);

            return -1 if $got->{status} != 200 && !Profile::late($got);
            return $gc->() > $done;
        }) == 1, "gc=1 from a page of the same origin: @$_");
    }
}


sub pages {
    my $index = $site->request('/debug/pprof/')->{body};

    like($index, qr/href="$_\?debug=1"/, "the index has $_")
        for qw(heap allocs threadcreate);

    my $p = Heap::take($site);
    my $raw = go('-raw', $p->{file});

    is($?, 0, 'go tool pprof reads it') or diag($raw);
    like($raw, qr/inuse_space\/bytes\[dflt\]/, '... its default');
    like($raw, qr/bytes:\[65536/, '... its sizes');

    my $text = $site->request('/debug/pprof/heap?debug=1')->{body};
    Encoder::spew("$Profile::dir/heap.txt", $text);

    my $top = go('-top', '-inuse_space', "$Profile::dir/heap.txt");
    my ($size) = $top =~ /accounting for ([\d.]+)MB/;

    about($size * 1048576, total($p, 'inuse_space'), 0.1,
          'the text, read by go tool pprof, tells the same')
        or diag($top);
}


# any number at once, and all the same

sub together {
    my @b = map { Profile::background(sub { Profile::bytes($site,
                          path => '/debug/pprof/heap') }) } 1 .. 8;
    my @n = map { total(Profile::decode(finish($_)), 'inuse_objects',
                        has('profiling_test_leak')) } @b;

    is("@n", join(' ', ($n[0]) x 8), 'eight at once');
}


# a client that goes away leaves nothing behind

sub gone {
    for (1 .. 5) {
        my $s = $site->connect;
        print $s "GET /debug/pprof/heap?seconds=1 HTTP/1.0\r\n\r\n";
        $s->flush;
        was_read($s);
        close $s;
    }

    is_heap(Heap::take($site), 'after clients that went away',
            rate => 8192);
}
