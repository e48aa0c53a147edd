#!/usr/bin/perl

# The clock of the day is set back and forward, by a library that adds to it: a
# range of the past has the same CPU time as before, by stack, whether it is
# asked for from now or by the new time; ranges that follow each other add up;
# and what is in the future by the new time is refused.

use strict;
use warnings;

use List::Util qw(sum0);
use Test::More;
use Time::HiRes qw(time);
use Site;
use Modules;
use Profile;

my $library = "$Profile::dir/day";

spew("$library.c", <<'END');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

/* seconds to add */
static volatile long *more;

__attribute__((constructor))
static void
init(void)
{
    void  *p;

    p = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED,
             open(getenv("DAY"), O_RDONLY), 0);
    more = (p == MAP_FAILED) ? NULL : p;
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
    static int  (*real)(clockid_t, struct timespec *);
    int         rc;

    if (real == NULL) {
        real = (int (*)(clockid_t, struct timespec *))
                   dlsym(RTLD_NEXT, "clock_gettime");
    }

    rc = real(clock, ts);

    if (clock == CLOCK_REALTIME && more) {
        ts->tv_sec += *more;
    }

    return rc;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec  ts;

    (void) zone;

    if (clock_gettime(CLOCK_REALTIME, &ts) == -1) {
        return -1;
    }

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}
END

my $said = run($ENV{CC} || 'gcc', '-shared', '-fPIC', '-o', "$library.so",
               "$library.c", '-ldl');
die $said if $?;

chmod 0755, $Profile::dir;
spew($library, pack 'q', 0);

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    env      => { LD_PRELOAD => "$library.so", DAY => $library },
    main     => 'env LD_PRELOAD; env DAY;',
    http     => 'profiling_interval 200ms;',
    server   => 'location = /one { profiling_test one 8000000; }',
)->start;

my $burns = has('profiling_test_one_cfi');
my $began = time();
my $load = Profile::load($site, '/one');

until_true(120, sub { return sum(taken('from=-1h'), $burns) > 0.5e9 });
Profile::end($load);

my $before = by_stack(settled());

cmp_ok(sum0(values %$before), '>', 0, 'there is something of the past');

for my $more (-3600, 3600, -86400, 0) {
    my $now = day($more);

    is_deeply(by_stack(taken('from=-2h')), $before,
              "$more s: the range from now on has the same");
    is_deeply(by_stack(taken(sprintf 'from=%.3f', $began + $more - 5)), $before,
              '... and the one by the new time');

    my $between = $began + $more + 0.7;
    my @parts = map { taken($_) }
                sprintf('from=%.3f&until=%.3f', $began + $more - 5, $between),
                sprintf('from=%.3f', $between);

    is_deeply(by_stack(@parts), $before, '... also in two that adjoin');

    my $got = $site->request(sprintf '/debug/pprof/profile?from=%d',
                             $now + 1800);

    is($got->{status}, 400, '... and what is to come is refused');
    like($got->{body}, qr/^from is in the future/, '... as such');
}

$site->stop;

done_testing();


sub taken {
    return Profile::take($site, path => "/debug/pprof/profile?$_[0]");
}


# CPU time of the function that burns it, by stack, label and worker

sub by_stack {
    my %sum;

    for my $p (@_) {
        for my $s (grep { $burns->($_) } @{ $p->{samples} }) {
            my $l = $s->{labels};
            $sum{ join ' ', @{ $s->{frames} },
                  map { "$_=$l->{$_}" } sort keys %$l } += $s->{cpu};
        }
    }

    return \%sum;
}


# when the interval with the last of it has been written, which an open one may
# have a part of

sub settled {
    my ($p, $last, $since);

    until_true(180, sub {
        $last = $p ? sum($p, $burns) : -1;
        ticked();
        $p = taken('from=-1h');
        $since = time() if sum($p, $burns) != $last;
        return time() > $since + 11;
    }) or die "it goes on\n";

    return $p;
}


sub ticked {
    my $before = $site->json('metrics')->{overhead}{samples};

    until_true(60, sub {
        return $site->json('metrics')->{overhead}{samples} > $before + 4;
    }) or die "no ticks\n";
}


# sets the clock; returns its time, once the workers have seen it

sub day {
    my $more = shift;

    open my $fh, '+<', $library or die "open() failed: $!\n";
    syswrite $fh, pack('q', $more);
    close $fh;

    ticked();

    my $now = epoch($site->json('metrics')->{timestamp});

    cmp_ok(abs($now - time() - $more), '<', 60, "the clock is $more s fast");

    return $now;
}
