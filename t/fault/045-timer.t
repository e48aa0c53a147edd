#!/usr/bin/perl

# A worker that gets no timer descriptor uses one of nginx's timers for its
# ticks, and logs it.

use strict;
use warnings;

use Fault;
use Test::More;

my $n = Fault->new(name => 'timer', workers => 1, level => 'warn',
                   profiling => 'profiling_interval 100ms;');

$n->configure;

my $library = $n->dir . '/timer';

open my $fh, '>', "$library.c" or die "open() failed: $!\n";
print $fh <<'END';
#include <errno.h>
int timerfd_create(int clock, int flags);
int timerfd_create(int clock, int flags) { errno = EMFILE; return -1; }
END
close $fh;

run_command($ENV{CC} || 'gcc', '-shared', '-fPIC', '-o', "$library.so",
            "$library.c");

$n->{env} = { LD_PRELOAD => "$library.so" };
$n->start;

like($n->log,
     qr/\[warn\].*profiling has no timer of its own, it uses one of nginx/,
     'the log tells');

ok($n->ticked, 'the worker ticks all the same');
ok($n->ticked, '... and again');
ok($n->stop('QUIT'), 'nginx ends');

done_testing();
