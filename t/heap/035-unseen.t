#!/usr/bin/perl

# Which calls to malloc() are not seen.  libbsd, which the image filter brings,
# has a reallocarray() of its own, which calls the realloc() that is seen: all
# are.  What is not seen is named: t/unit/test_interpose.c.

use strict;
use warnings;

use Test::More;
use Heap;
use Modules;
use Profile;
use Site;

my $filter = '/usr/lib/nginx/modules/ngx_http_image_filter_module.so';

Modules::need($filter);

my $site = Site->new(workers => 1, modules => [$filter],
                     handlers => $Profile::handlers,
                     http => 'profiling_heap_rate 16k; profiling_budget off;');

$site->start;

my ($worker) = $site->workers;

like(slurp("/proc/$worker/maps"), qr/libbsd/, 'libbsd is loaded');
unlike($site->request('/debug/pprof/heap?debug=1')->{body},
       qr/are not seen/, 'all calls are seen');
unlike($site->log, qr/does not see/, '... and nothing is complained about');

$site->stop;

done_testing;
