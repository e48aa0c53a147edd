#!/usr/bin/perl

# The allocator is not asked for its figures where that would take long: a
# library in front of it counts how often mallinfo2() is called.  Meanwhile the
# figures follow what is allocated and freed, or are null.

use strict;
use warnings;

use Profile;
use Site;
use Test::More;

my @lua = map { "/usr/lib/nginx/modules/$_.so" }
          qw(ndk_http_module ngx_http_lua_module);

my $site = Site->new(
    workers  => 1,
    modules  => [Profile::test_module(), @lua],
    handlers => $Site::handlers,
    http     => <<'END',
    profiling_interval 100ms;
    profiling_heap_rate 4k; profiling_budget off;
    init_by_lua_block {
        ffi = require "ffi"
        ffi.cdef[[ void *malloc(size_t n); ]]
    }
END
    server   => <<'END');
    location = /keep { profiling_test keep 20000; }
    location = /drop { profiling_test drop; }
    location = /past {
        content_by_lua_block {
            for i = 1, 30000 do ffi.C.malloc(1000) end
            ngx.say("done")
        }
    }
END

my $file = $site->dir . '/asked';

spew("$file.c", <<"END");
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>
struct mallinfo2 mallinfo2(void)
{
    int fd;
    struct mallinfo2 (*next)(void);

    fd = open("$file", O_WRONLY|O_APPEND|O_CREAT, 0666);
    (void) !write(fd, "x", 1);
    close(fd);

    next = (struct mallinfo2 (*)(void)) dlsym(RTLD_NEXT, "mallinfo2");

    return next();
}
END

spew($file, '');
chmod 0666, $file;
Profile::sh($ENV{CC} || 'gcc', qw(-shared -fPIC -o), "$file.so", "$file.c");

$site->{env}{LD_PRELOAD} = "$file.so";
$site->start;

my $started = memory();

cmp_ok(asked(), '>=', 1, 'the master asks, before there is a worker');
cmp_ok($started->{alloc}, '>', 0, 'and the worker knows from its first tick');

# calls past the hooks

is($site->request('/past', seconds => 60)->{status}, 200, 'calls by an FFI');

memory();

my $asked = asked();
my $all = $site->json('memory');

is($all->{memory}{alloc}, undef, 'what is not known is null');
like($all->{unavailable}{'memory.alloc'}, qr/not all calls/, 'with a reason');

$site->request('/api/profiling/force-gc', method => 'POST');
cmp_ok(asked(), '>', $asked, 'who wants the heap trimmed asks');

my $trimmed = memory();

cmp_ok($trimmed->{alloc} - $started->{alloc}, '>', 29_000_000, 'and knows');

# many blocks, and as many free ones

$asked = asked();
$site->request('/keep');

my $kept = memory();

about($kept->{alloc} - $trimmed->{alloc}, 200_000_000,
      'what was allocated is told');
cmp_ok($kept->{heap_sys}, '>=', $kept->{alloc}, 'the heap has it');

ok($kept->{heap_estimated}, '... as an estimate');

$site->request('/drop');

my $dropped = memory();

about($kept->{alloc} - $dropped->{alloc}, 200_000_000, 'what was freed, too');
memory() for 1 .. 5;
is(asked(), $asked, 'no tick asks about a heap with many free blocks');

$site->stop;

done_testing;


sub asked { return -s $file || 0 }


# the figures of a tick that began after now

sub memory {
    my $m = $site->json('metrics');
    my $n = $m->{overhead}{samples};

    until_true(60, sub {
        $m = $site->json('metrics');
        return $m->{overhead}{samples} >= $n + 2;
    });

    return $m->{metrics}{memory};
}


sub about {
    my ($got, $expected, $name) = @_;

    ok(abs($got - $expected) < $expected / 10, $name)
        or diag("$got, not $expected");
}
