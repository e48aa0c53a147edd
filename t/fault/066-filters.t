#!/usr/bin/perl

# A filter of system calls that nginx lives with: it kills, or fails, calls
# that nginx itself does not make.  Workers live, all endpoints answer, and
# what is missing is told.

use strict;
use warnings;

use JSON::PP;
use POSIX qw(uname EPERM);
use Test::More;
use Site;

plan skip_all => 'numbers of calls are those of x86_64'
    if (uname())[4] ne 'x86_64';

my %number = (
    mincore => 27, madvise => 28, pause => 34, alarm => 37,
    getpeername => 52, vfork => 58, getrusage => 98, ptrace => 101,
    rt_sigqueueinfo => 129, getpriority => 140, setpriority => 141,
    setrlimit => 160, sched_getaffinity => 204, timer_create => 222,
    timer_settime => 223, timer_delete => 226, poll => 7,
    timerfd_create => 283, timerfd_settime => 286, pipe2 => 293,
    rt_tgsigqueueinfo => 297, perf_event_open => 298,
    process_vm_readv => 310, process_vm_writev => 311, kcmp => 312,
    memfd_create => 319, pidfd_send_signal => 424, pidfd_open => 434,
    close_range => 436, pidfd_getfd => 438, process_madvise => 440,
);

# calls that nginx, its libraries or the shell of a test may make themselves
my %nginx = map { $_ => stock($_) } sort keys %number;
my @others = grep { $nginx{$_} } sort keys %number;

cmp_ok(scalar @others, '>', 20, 'nginx lives without most of them')
    or diag(explain \%nginx);

# each that something of ours would make, alone; then all of them
my @ours = qw(mincore madvise getpeername getrusage sched_getaffinity
              timer_create timerfd_create pipe2 setpriority close_range poll
              alarm);

filtered('kill', $_) for grep { $nginx{$_} } @ours;
filtered('kill', @others);
filtered(EPERM, @others);

done_testing();


sub site {
    my ($action, $calls, %o) = @_;

    my $numbers = join ',', map { $number{$_} } @$calls;

    return Site->new(
        workers  => 2,
        handlers => $Site::handlers
                    . 'location /debug/pprof/ { profiling_pprof; }',
        server   => 'location = /x { return 200; }',
        wrapper  => [ 't/lib/filtered', $action, $numbers ],
        noise    => qr/CPU time cannot be sampled|exited on signal 31/,
        %o,
    );
}


sub stock {
    my $call = shift;

    my $site = site('kill', [ $call ], module => 0, handlers => '',
                    http => '');

    my $serves = eval { $site->start; 1 }
                 && ($site->request('/x')->{status} // 0) == 200;

    $serves &&= $site->log !~ /exited on signal 31/;
    eval { $site->stop } if $serves;

    return $serves;
}


sub filtered {
    my ($action, @calls) = @_;

    my $site = site($action, \@calls);
    my $name = @calls > 1 ? "all by $action" : "$calls[0] by $action";

    ok(eval { $site->start; 1 }, "$name: nginx starts") or return;

    my @pids = sort $site->workers;

    is($site->request('/x')->{status}, 200, "$name: it serves");

    # who asks cannot be told where the call for it is gone
    my $told = !grep { $_ eq 'getpeername' } @calls;

    for my $path (qw(/api/profiling/memory /api/profiling/metrics
                     /api/profiling/goroutines /api/profiling/runtime
                     /debug/pprof/heap /debug/pprof/block
                     /debug/pprof/profile?seconds=1
                     /debug/pprof/trace?seconds=1 /metrics))
    {
        is($site->request($path)->{status}, $told ? 200 : 403,
           "$name: $path");
    }

    is($site->request('/api/profiling/force-gc', method => 'POST')->{status},
       $told ? 200 : 403, "$name: force-gc");

    if ($told) {
        my $memory = $site->json('memory');

        cmp_ok($memory->{memory}{stack_inuse} // 0, '>', 0,
               "$name: the stacks are measured");

        # in steps of 10 ms where only /proc tells it
        ok(until_true(60, sub {
            $site->request('/metrics') for 1 .. 10;

            my $cpu = $site->json('metrics')->{metrics}{cpu};
            return $cpu->{user_seconds} + $cpu->{system_seconds} > 0;
        }), "$name: CPU time is known");
    }

    is_deeply([ sort $site->workers ], \@pids, "$name: all workers live");
    unlike($site->log, qr/exited on signal 31/, '... none was killed');

    $site->stop;
}
