#!/usr/bin/perl

# Heap profiles of programs with known allocations: mixed sizes on one stack, a
# leak, blocks that are kept and freed, chains of realloc(), frees in other
# threads.

use strict;
use warnings;

use List::Util qw(sum0);
use Sanitized;
use Test::More;
use Site;
use Modules qw(built thread_pool);
use Profile;
use Sampled;
use Heap;

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    env      => { ASAN_OPTIONS => 'allocator_may_return_null=1' },
    main     => thread_pool(2),
    http     => 'profiling_interval 100ms; profiling_heap_rate 16k; profiling_budget off;',
    server   => <<'END',
        location = /leak { profiling_test leak 65536; }
        location = /keep { profiling_test keep 2000; }
        location = /keep_much { profiling_test keep 20000; }
        location = /drop { profiling_test drop; }
        location = /mixed { profiling_test mixed 20; }
        location = /chain { profiling_test chain 10; }
        location = /family { profiling_test family 2000; }
        location = /cross { profiling_test cross 1000; }
        location = /pairs { profiling_test pairs 100000; }
        location = /none { return 200 "none"; }
END
);

my %sizes = (16 => 2000, 112 => 1000, 1024 => 300, 10240 => 60,
             98304 => 8, 1048576 => 2);

$site->start;

mixed();
leak();
threads();
gaps();
counters();

reload(1);

everything();
balance();
allocator();

reload(524288);

confidence();

$site->stop;

done_testing();


sub ask {
    my ($path, $n) = @_;

    for (1 .. $n || 1) {
        my $got = $site->request($path, seconds => 60);
        die "$path: status $got->{status}\n" if $got->{status} != 200;
    }
}


sub reload {
    my $rate = shift;

    my @old = $site->workers;

    $site->write(http => "profiling_interval 100ms; "
                         . "profiling_heap_rate $rate; profiling_budget off;");
    kill 'HUP', $site->{pid};

    until_true(60, sub { my @now = $site->workers;
                         return @now == 1 && $now[0] != $old[0] });
}


# The standard deviation of an estimate of bytes, or of a number of blocks, of
# what is sampled once in `rate` bytes: a block of size s is taken with the
# probability p = 1 - exp(-s / rate) and then stands for 1 / p of them.

sub sigma {
    my ($rate, @blocks) = @_;

    my $variance = 0;

    $variance += $_ ** 2 / (exp($_ / $rate) - 1) for @blocks;

    return sqrt $variance;
}


sub sigma_of_number {
    my ($rate, @blocks) = @_;

    my $variance = 0;

    $variance += 1 / (exp($_ / $rate) - 1) for @blocks;

    return sqrt $variance;
}


# Each size is estimated without bias: the sum of squares of the differences,
# each in units of its standard deviation, is distributed as chi-square.

sub mixed {
    ask('/mixed', 5);

    my $p = Heap::take($site, of => 'allocs');

    is_heap($p, 'allocs', rate => 16384, default => 'alloc_space');

    my $one = has('profiling_test_mixed');
    my ($chi, @said) = (0);
    my ($bytes, $sampled) = (0, 0);

    for my $size (sort { $a <=> $b } keys %sizes) {
        my $n = 100 * $sizes{$size};
        my $is = total($p, 'alloc_objects', $one, labelled(bytes => $size));
        my $p = 1 - exp(-$size / 16384);

        # whole numbers are told
        my $sigma = sqrt($n * (1 - $p) / $p) + 0.5;

        $chi += (($is - $n) / $sigma) ** 2;
        $bytes += $n * $size;
        push @said, "$size: $is of $n (" . int($sigma) . ')';
    }

    diag(sprintf('chi-square %.1f of 6: ', $chi), join ', ', @said);

    # 40 is exceeded once in two million runs
    cmp_ok($chi, '<', 40, 'sizes mixed on one stack: each is right')
        or diag("@said");
    is_near(total($p, 'alloc_space', $one), $bytes,
            sigma(16384, map { ($_) x (100 * $sizes{$_}) } keys %sizes),
            '... the bytes too');
    is(total($p, 'inuse_objects', $one), 0, '... all of it was freed');
    is(total($p, 'inuse_space', $one), 0, '... of the bytes too');
}


sub leak {
    my $n = 200;

    ask('/leak', $n);
    ask('/none', 20);

    my $p = Heap::take($site);
    my $leak = has('profiling_test_leak');

    is_heap($p, 'heap', rate => 16384);
    is_near(total($p, 'inuse_space', $leak), $n * 65536,
            sigma(16384, (65536) x $n), 'a leak is found');
    is_near(total($p, 'inuse_objects', $leak), $n,
            sigma_of_number(16384, (65536) x $n), '... in blocks');
    is(total($p, 'inuse_space', $leak,
             labelled(server => 'main', location => '= /leak',
                      bytes => 65536, pid => $site->workers)),
       total($p, 'inuse_space', $leak), '... by server, location and pid');
    is(total($p, 'inuse_space', $leak, \&thread_start),
       total($p, 'inuse_space', $leak), '... with its whole stack');

    my $top = go('-top', '-tagroot=location', '-inuse_space', '-cum',
                 $p->{file});
    my ($first) = grep { m{ (?:=|\^~|~) /} } split /\n/, $top;
    like($first // $top, qr/= \/leak$/, '... the first for go tool pprof');

    # "return" has the response of a request in the request's pool
    my $a = Heap::take($site, of => 'allocs');
    cmp_ok(total($a, 'alloc_space', has('ngx_create_pool'),
                 has('ngx_http_create_request')), '>', 0,
           'a pool is told by who made it grow');
}


# what one thread has allocated and another frees

sub threads {
    ask('/cross', 5);

    my $p = Heap::take($site);
    my @cross = (has(qr/^profiling_test_cross/));

    about(total($p, 'alloc_space', @cross), 5 * 2 * 1000 * 5000, 0.25,
          'two threads: what was allocated');
    is(total($p, 'inuse_space', @cross), 0, '... all is freed');
    cmp_ok(total($p, 'alloc_objects', has('profiling_test_cross_thread')),
           '>', 0, '... the other thread has its stack');

    my $t = Heap::take($site, of => 'threadcreate');
    my %made;

    for my $s (@{ $t->{samples} }) {
        $made{pool} += $s->{values}[0] if has(qr/^ngx_thread_pool/)->($s)
                                          || grep { /^nginx\+/ }
                                             @{ $s->{frames} };
        $made{all} += $s->{values}[0];
        $made{cross} += $s->{values}[0]
            if has('profiling_test_cross')->($s);
    }

    is("@{ $t->{decoded}{types} }", 'threadcreate/count', 'threadcreate');
    my $all = built('threads') ? 3 : 1;

    is($made{all}, $all, '... the main thread'
                         . ($all > 1 ? ' and a pool of two' : ''));
    is($made{cross} // 0, 0, '... threads that ended do not count');

    my $text = $site->request('/debug/pprof/threadcreate?debug=1')->{body};
    like($text, qr/^threadcreate profile: total $all\n\d @ 0x/,
         '... as a text');
}


# Go's text, which tells samples, not estimates

sub gaps {
    my $got = $site->request('/debug/pprof/heap?debug=1');

    like($got->{headers}{'content-type'}, qr/^text\/plain/, 'heap as a text');
    like($got->{body}, qr/^heap profile: \d+: \d+ \[\d+: \d+\] @ heap\/32768$/m,
         '... as Go begins it');
    like($got->{body}, qr/^\d+: \d+ \[\d+: \d+\] @ 0x[0-9a-f]+/m,
         '... with stacks');
}


sub counters {
    my @m = counted($site);

    ask('/pairs');
    push @m, counted($site);
    ask('/none');
    push @m, counted($site);

    my %of = map {
        my $key = $_;
        $key => ($m[1]{$key} - $m[0]{$key}) - ($m[2]{$key} - $m[1]{$key});
    } qw(mallocs frees total_alloc);

    about($of{mallocs}, 100000, 0.002, 'allocations are counted');
    about($of{frees}, 100000, 0.002, '... and frees');
    about($of{total_alloc}, 100000 * 1000, 0.02, '... and bytes');

    ok($m[$_]{$_[0] // 'mallocs'} <= $m[$_ + 1]{mallocs}, '... they grow')
        for 0, 1;
}


# each function of the family, once a call, with its size

sub everything {
    my $cross = has(qr/^profiling_test_cross/);
    my $before = Heap::take($site);

    ask('/family');
    ask('/chain');
    ask('/cross');

    my $p = Heap::take($site);

    is_heap($p, 'rate 1', rate => 1);

    my @family = (has('profiling_test_family'));

    # a sanitizer has a strdup() of its own, which calls no malloc()
    my $n = sanitized() ? 9 : 10;

    is(total($p, 'alloc_objects', @family), 2000 * $n,
       'rate 1: ten functions, each counted once');
    is(total($p, 'alloc_space', @family),
       2000 * (1024 + ($n - 1) * 1000), '... with the size asked for');
    is(total($p, 'alloc_objects', @family, has(qr/strdup/)),
       2000 * ($n - 9), '... strdup() inside the C library too');
    is(total($p, 'inuse_objects', has(qr/^profiling_test_(?:family|chain)/)),
       0, 'chains of realloc(): nothing is left');
    cmp_ok(total($p, 'alloc_objects', has('profiling_test_chain')), '>=',
           10 * 20, '... all of it was seen');
    is(total($p, 'alloc_objects', $cross)
       - total($before, 'alloc_objects', $cross), 2000,
       'threads: each block once');
    is(total($p, 'inuse_objects', $cross), 0, '... and freed');
}


sub balance {
    ask('/keep');

    my $kept = has('profiling_test_keep');
    my $p = Heap::take($site);

    is(total($p, 'inuse_objects', $kept), 2000, 'rate 1: all that is kept');
    is(total($p, 'inuse_space', $kept), sum0(sizes(2000)), '... of its size');

    ask('/drop');

    $p = Heap::take($site);

    is(total($p, 'inuse_objects', $kept), 0, '... balances to zero');
    is(total($p, 'inuse_space', $kept), 0, '... in bytes');
    is(total($p, 'alloc_objects', $kept), 2000, '... and was allocated');
}


# What the profile has in use more is what the allocator handed out more, as
# it says when it is asked.

sub allocator {
    my $handed_out = sub {
        my $got;

        # once a second at most
        until_true(60, sub {
            $got = $site->request('/api/profiling/force-gc',
                                  method => 'POST');
            return $got->{status} == 200;
        });

        my ($mb) = $got->{body} =~ /"heap_alloc_mb":\s*([\d.]+)/;
        return $mb * 1048576;
    };

    my $before = sanitized() ? 0 : $handed_out->();
    my $p = Heap::take($site);

    ask('/keep_much');

    my $grown = total(Heap::take($site), 'inuse_space')
                - total($p, 'inuse_space');

  SKIP: {
    skip_sanitized('its allocator has no figures', 1);

    about($grown, $handed_out->() - $before, 0.05,
          'rate 1: in use is what the allocator says');
  }

    ask('/drop');
}


# The sizes of keep() in a new process.

sub sizes {
    my $n = shift;

    my $seed = 1;
    my @sizes;

    for (1 .. $n) {
        { use integer; $seed = $seed * 6364136223846793005
                               + 1442695040888963407; }
        push @sizes, 1 + ($seed >> 33 & 0x7fffffff) % 20000;
    }

    return @sizes;
}


# 200 MB are some 380 samples.  A small block that is sampled stands for many:
# of blocks those of a page or more are counted.

sub confidence {
    ask('/keep_much');

    my $kept = has('profiling_test_keep');
    my $large = sub { return $_[0]{labels}{bytes} >= 4096 };
    my @sizes = sizes(20000);
    my @large = grep { $_ >= 4096 } @sizes;
    my $p = Heap::take($site);

    is_heap($p, 'rate 512k', rate => 524288);
    is_near(total($p, 'inuse_space', $kept), sum0(@sizes), sigma(524288, @sizes),
            'rate 512k: in use within its bounds');
    is_near(total($p, 'inuse_objects', $kept, $large), scalar @large,
            sigma_of_number(524288, @large), '... objects too');

    # of the rate before, by a worker that has ended
    is(total($p, 'alloc_objects', has('profiling_test_family')),
       2000 * (sanitized() ? 9 : 10), 'samples of another rate keep their weights');

    ask('/drop');

    is(total(Heap::take($site), 'inuse_space', $kept), 0,
       '... all is freed');

    # as many as a tighter bound needs, by a worker that begins anew
    my $before = total(Heap::take($site, of => 'allocs'), 'alloc_space',
                       $kept);

    reload(524287);
    ask($_) for ('/keep_much', '/drop') x 8;

    is_near(total(Heap::take($site, of => 'allocs'), 'alloc_space', $kept)
            - $before, $_, sigma(524287, sizes(160000)),
            '... what was allocated within tighter ones')
        for sum0(sizes(160000));
}
