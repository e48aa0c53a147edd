#!/usr/bin/perl

# Memory is counted once, however many workers share it since the master forked
# them: the kernel's own account of the same processes is the truth.  Limits of
# cgroups are those of now, and what is not known yet is null.

use strict;
use warnings;

use Site;
use Test::More;

shared(2_000, 'false');
shared(100_000, 'true');
first();
limits();

done_testing;


# a map of so many entries, which the master makes

sub shared {
    my ($entries, $estimated) = @_;

    my $site = Site->new(workers => 4, server => '', http => <<'END');
    profiling_interval 100ms;
    profiling_memory_limit 1g;
    map_hash_max_size 4000000;
    map_hash_bucket_size 64;
    map $arg_k $v { include DIR/big.map; }
END

    spew($site->dir . '/big.map',
         join '', map { "k$_ v$_;\n" } 1 .. $entries);
    $site->start;

    ticked($site);

    my $m = $site->json('memory');
    my @pids = map { $_->{pid} } @{ $m->{workers} };
    my ($parent) = slurp("/proc/$pids[0]/status") =~ /^PPid:\s+(\d+)/m;

    my ($truth, $resident) = (0, 0);

    for ($parent, @pids) {
        $truth += 1024 * field("/proc/$_/smaps_rollup", 'Pss_Anon');
        $resident += 1024 * field("/proc/$_/status", 'RssAnon') if $_ != $parent;
    }

    is(@pids, 4, "$entries entries: all workers are there");
    is($m->{memory}{inherited_estimated} ? 'true' : 'false', $estimated,
       '... their memory was measured, or estimated');
    cmp_ok($m->{memory}{anonymous}, '>', 0.8 * $truth,
           '... and is not less than there is');
    cmp_ok($m->{memory}{anonymous}, '<', 1.25 * $truth, '... nor more');
    cmp_ok(abs($m->{memory}{anonymous} + $m->{memory}{inherited} - $resident),
           '<', 0.1 * $resident, '... what is taken off is told');
    cmp_ok($m->{memory}{heap_sys}, '<', 1.5 * $truth,
           '... the heap is counted once, too');

    my $sum = 0;
    $sum += $_->{memory}{anonymous} for @{ $m->{workers} };
    cmp_ok(abs($sum - $m->{memory}{anonymous}), '<', 1_000_000,
           '... and the workers add up');

    $site->stop;
}


# an interval that is longer than the test

sub first {
    my $site = Site->new(workers => 1, server => '',
                         http => 'profiling_interval 60s;');

    $site->start;

    my $m = $site->json('memory');
    my $memory = $m->{memory};

    cmp_ok($memory->{alloc}, '>', 0, 'before the first tick, memory is known');

    for (qw(total_alloc mallocs frees)) {
        ok(!defined $memory->{$_} || $memory->{mallocs}, "... $_ is not 0");
        ok(defined $memory->{$_} || $m->{unavailable}{"memory.$_"},
           '... or has a reason');
    }

    $site->stop;
}


# a tree that stands for the kernel's, in a mount namespace of nginx's own

sub limits {
    my $out = run('unshare', '-m', 'true');

    SKIP: {
        skip('no mount namespace: needs root', 1) if $?;

        my $site = Site->new(workers => 1, server => '');
        my $root = $site->dir . '/cgroup';

        mkdir $_ for $root, "$root/memory";
        spew("$root/memory.max", "max\n");

        $site->{wrapper} = ['unshare', '-m', 'sh', '-c',
                            "mount --bind $root /sys/fs/cgroup && exec \"\$@\"",
                            'sh'];
        $site->start;

        my $machine = limit($site);

        cmp_ok($machine, '>', 300_000_000, 'no limit: the machine is');

        my @lines = split /\n/, slurp('/proc/self/cgroup');

        becomes($site, "$root/memory.max", 300_000_000)
            if grep { /^0::/ } @lines;
        becomes($site, "$root/memory.high", 200_000_000)
            if grep { /^0::/ } @lines;
        becomes($site, "$root/memory/memory.limit_in_bytes", 100_000_000)
            if grep { /^\d+:(?:[^:]*,)?memory[,:]/ } @lines;

        unlink glob("$root/memory.*"), glob("$root/memory/*");
        ok(until_true(60, sub { limit($site) == $machine }),
           'and the limit is gone');

        $site->stop;
    }
}


sub becomes {
    my ($site, $file, $bytes) = @_;

    spew($file, "$bytes\n");
    ok(until_true(60, sub { limit($site) == $bytes }),
       "$bytes is in force without a reload") or diag(limit($site));
}


sub limit { return $_[0]->json('memory')->{limit} }


sub ticked {
    my $site = shift;
    my $n = $site->json('metrics')->{overhead}{samples};

    until_true(60, sub {
        return $site->json('metrics')->{overhead}{samples} >= $n + 60;
    });
}


sub field {
    my ($file, $name) = @_;
    my ($kb) = slurp($file) =~ /^$name:\s+(\d+)/m;

    return $kb;
}
