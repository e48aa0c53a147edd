#!/usr/bin/perl

# Other allocators in place of the C library's: what the hooks must not change,
# count twice, or miss.

use strict;
use warnings;

use Sanitized;
use Test::More;
use Site;
use Profile;
use Heap;

skip_all_sanitized('it brings an allocator');

my @allocators = (
    [ glibc    => undef ],
    [ jemalloc => 'libjemalloc.so.2' ],
    [ tcmalloc => 'libtcmalloc_minimal.so.4' ],
);

my $offset = 0;

for (@allocators) {
    my ($name, $library) = @$_;

    my ($path) = $library ? grep { -e } map { "/usr/lib/$_/$library" }
                            `gcc -print-multiarch` =~ /(\S+)/ : ();

    SKIP: {
        skip("no $library: tools/install-deps test installs it", 1) if $library && !$path;

        allocator($name, $path);
    }
}

done_testing();


sub allocator {
    my ($name, $path) = @_;

    my $site = Site->new(
        workers  => 1,
        port     => $ENV{TEST_NGINX_PORT} + $offset++,
        modules  => [ Profile::test_module() ],
        handlers => $Profile::handlers,
        env      => { $path ? (LD_PRELOAD => $path) : () },
        http     => 'profiling_interval 100ms; profiling_heap_rate 1; profiling_budget off;',
        server   => <<'END',
        location = /keep { profiling_test keep 2000; }
        location = /drop { profiling_test drop; }
        location = /chain { profiling_test chain 3; }
        location = /family { profiling_test family 100; }
        location = /cross { profiling_test cross 500; }
        location = /malloc { profiling_test malloc 20000; }
END
    );

    $site->start;

    for my $url ('/keep', '/chain', '/family', '/cross', '/malloc') {
        is($site->request($url, seconds => 60)->{status}, 200,
           "$name: $url");
    }

    my $p = Heap::take($site);
    my $family = has('profiling_test_family');

    is_heap($p, $name, rate => 1);
    is(total($p, 'alloc_objects', $family), 1000,
       '... each function is counted, and once');
    is(total($p, 'alloc_space', $family), 100 * (9 * 1000 + 1024),
       '... with the size asked for');
    is(total($p, 'inuse_objects', has(qr/^profiling_test_(?!keep)/)), 0,
       '... all is freed, in other threads too');
    is(total($p, 'inuse_objects', has('profiling_test_keep')), 2000,
       '... but what is kept');

    $site->request('/drop');

    is(total(Heap::take($site), 'inuse_objects', has('profiling_test_keep')),
       0, '... until it is freed');

    my $m = counted($site);

    cmp_ok($m->{mallocs}, '>=', $m->{frees} - 5000,
           '... the counters have not run apart');

    # what the functions must not do is in the log
    $site->stop;
}
