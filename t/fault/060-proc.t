#!/usr/bin/perl

# Surroundings that the module does not choose: no /proc, or one that hides
# processes; other allocators; thread pools; no descriptors left.

use strict;
use warnings;

use Fault;
use IO::Socket::INET;
use Sanitized;
use Test::More;

SKIP: {
    # nginx sees an empty /proc

    skip('no mount namespace: run this as root', 1) unless mounts('tmpfs');

    my $n = Fault->new(name => 'no-proc', wrapper => [mounted('tmpfs')]);

    $n->start;
    $n->get('/empty') for 1 .. 3;

    my $m = $n->until('metrics', 60, sub {
        my $cpu = $_[0]{metrics}{cpu};

        return $_[0]{metrics}{requests}{total} == 3
               && @{ $_[0]{workers} } == 2
               && !(grep { /not known yet/ } values %{ $_[0]{unavailable} })
               && $cpu->{user_seconds} + $cpu->{system_seconds} > 0;
    });
    ok($m->{met}, 'without /proc: requests are counted, and CPU time is known');

    my $memory = $m->{metrics}{memory};

    for my $name (qw(sys usage_percent anonymous shared stack_inuse
                     stack_sys))
    {
        ok(exists $memory->{$name} && !defined $memory->{$name},
           "... memory.$name is null");
    }

    ok(!defined $m->{metrics}{descriptors}, '... descriptors are null');
    ok(!defined $m->{metrics}{cpu}{threads}, '... threads are null');

    for my $name (qw(memory.sys memory.usage_percent memory.stack_inuse
                     descriptors cpu.threads))
    {
        like($m->{unavailable}{$name}, qr{/proc/}, "... the reason for $name");
    }

    my $gc = $n->api('force-gc', method => 'POST');

  SKIP: {
    skip_sanitized('it brings an allocator', 2);

    ok($memory->{heap_alloc}, '... the allocator tells its figures');
    ok($gc->{success}, '... force-gc trims');
  }

    ok(!defined $gc->{heap_freed_mb}, '... how much is null');
    like($gc->{unavailable}{heap_freed_mb}, qr/statm/, '... and why');

    my $h = $n->api('health');
    is($h->{http}, 200, '... the health check says so');
    ok(!defined $h->{memory_usage_pct}, '... memory in percent is null');

    for my $endpoint (qw(metrics/history memory gc goroutines runtime
                         locations))
    {
        is($n->api($endpoint)->{http}, 200, "... $endpoint");
    }

    unlike($n->get('/metrics')->{body},
           qr/"stack"|"anonymous"|^nginx_profiling_(?:threads|open)/m,
           '... nothing is 0 in disguise');

    my ($victim) = $n->workers;
    kill 'KILL', $victim;
    $m = $n->until('metrics', 60, sub {
        return @{ $_[0]{workers} } == 2
               && !grep { $_->{pid} == $victim } @{ $_[0]{workers} };
    });
    ok($m->{met}, '... a worker that is killed is replaced');

    ok($n->reload, '... reload');
    $m = $n->until('metrics', 60, sub { @{ $_[0]{workers} } == 2 });
    ok($m->{met}, '... old workers go');
    ok($n->stop('QUIT'), '... nginx ends');
    clean($n);
}

SKIP: {
    skip('no mount namespace: run this as root', 1) unless mounts('hidepid');

    my $n = Fault->new(name => 'hidepid', wrapper => [mounted('hidepid')]);

    $n->start;
    $n->get('/empty') for 1 .. 3;

    my $m = $n->until('metrics', 60, sub {
        return $_[0]{metrics}{requests}{total} == 3
               && @{ $_[0]{workers} } == 2
               && defined $_[0]{metrics}{memory}{anonymous};
    });
    ok($m->{met}, 'with hidepid=2: requests are counted, memory is known');
    cmp_ok($m->{metrics}{memory}{anonymous}, '>', 100000,
           '... as resident pages');
    cmp_ok($m->{metrics}{memory}{stack_inuse}, '>', 4000, '... and stacks');

    ok($n->reload, '... reload');
    $m = $n->until('metrics', 60, sub {
        return @{ $_[0]{workers} } == 2
               && !grep { $_->{generation} != 2 } @{ $_[0]{workers} };
    });
    ok($m->{met}, '... old workers go');
    ok($n->stop('QUIT'), '... nginx ends');
    clean($n);
}

for my $case (['jemalloc', 'libjemalloc.so.2'],
              ['tcmalloc', 'libtcmalloc_minimal.so.4'],
              ['glibc', ''])
{
    my ($name, $library) = @$case;

    my ($path) = grep { -e } map { "$_/$library" }
                 glob('/usr/lib/*-linux-gnu'), '/usr/lib', '/usr/lib64';

  SKIP: {
    skip("no $library: tools/install-deps test installs it", 1) unless $path;
    skip_sanitized('it brings an allocator', 1);

    my $n = Fault->new(name => $name, workers => 1,
                       env => { $library ? (LD_PRELOAD => $path) : (),
                                # jemalloc gives nothing back by itself
                                MALLOC_CONF => 'dirty_decay_ms:-1' },
                       # glibc is not asked at each tick: samples fill in
                       http => 'profiling_heap_rate 4k; profiling_budget off;
                                connection_pool_size 64k;
                                large_client_header_buffers 4 64k;
                                client_header_timeout 600s;');

    $n->start;

    my $m = $n->ticked('memory');

    is($m->{allocator}, $name, "$name is named");

    my $before = $m->{memory};
    cmp_ok($before->{heap_alloc}, '>', 200000, '... it has handed out memory');
    cmp_ok($before->{heap_sys}, '>=', $before->{heap_alloc},
           '... and holds no less');
    is($before->{heap_idle}, $before->{heap_sys} - $before->{heap_alloc},
       '... the rest is idle');

    # each connection has a pool of 64k once it is told from an idle one

    my @clients = map { IO::Socket::INET->new('127.0.0.1:' . $n->port) }
                  1 .. 200;
    syswrite $_, "GET /empty HTTP/1.1\r\nX" for @clients;

    $m = $n->until('memory', 60, sub {
        return $_[0]{memory}{heap_alloc} > $before->{heap_alloc} + 12e6;
    });
    ok($m->{met}, '... which grows by what connections take')
        or diag(explain($before, $m->{memory}));
    cmp_ok($m->{memory}{heap_alloc}, '<', $before->{heap_alloc} + 20e6,
           '... and by no more') or diag(explain($m->{memory}));

    @clients = ();

    $m = $n->until('memory', 60, sub {
        return $_[0]{memory}{heap_alloc} < $before->{heap_alloc} + 2e6;
    });
    ok($m->{met}, '... and shrinks when they are gone')
        or diag(explain($before, $m->{memory}));

    # what is free between others stays with the allocator until it is asked

    @clients = map { IO::Socket::INET->new('127.0.0.1:' . $n->port) }
               1 .. 200;
    syswrite $_, "GET /empty HTTP/1.1\r\nX: " . 'x' x 60000 for @clients;

    $m = $n->until('memory', 60, sub {
        return $_[0]{memory}{heap_alloc} > $before->{heap_alloc} + 24e6;
    });
    ok($m->{met}, '... long headers take more')
        or diag(explain($before, $m->{memory}));

    @clients = @clients[grep { $_ % 10 == 9 } 0 .. $#clients];

    $m = $n->until('memory', 60, sub {
        return $_[0]{memory}{heap_alloc} < $before->{heap_alloc} + 5e6;
    });
    ok($m->{met}, '... most of them go')
        or diag(explain($before, $m->{memory}));

    my $gc = $n->api('force-gc', method => 'POST');
    ok($gc->{success}, '... force-gc succeeds');
    is($n->api('gc')->{forced}, 1, '... and is counted');

    my ($was, $is) = @$gc{qw(before after)};

    cmp_ok($was->{heap_alloc_mb}, '>', 0, '... with the heap before it');
    cmp_ok(abs($is->{heap_alloc_mb} - $was->{heap_alloc_mb}), '<', 0.2,
           '... of which nothing was in vain');
    cmp_ok($was->{anonymous_mb} - $is->{anonymous_mb}, '>', 5,
           '... what the connections took goes back to the system')
        or diag(explain($gc));
    cmp_ok(abs($was->{anonymous_mb} - $is->{anonymous_mb}
               - $gc->{anonymous_freed_mb}), '<', 0.01,
           '... and is told as freed');

    if ($library) {
        is($gc->{heap_freed_by}, 'allocator', '... the allocator tells too');
        cmp_ok(abs($was->{heap_resident_mb} - $is->{heap_resident_mb}
                   - $gc->{heap_freed_mb}), '<', 0.01,
               '... how much it holds less');

        # it counts pages that it gave back and nobody had touched
        cmp_ok($gc->{heap_freed_mb}, '>', $gc->{anonymous_freed_mb} - 0.5,
               '... not less than the system sees') or diag(explain($gc));
        cmp_ok($is->{heap_resident_mb}, '<', $was->{heap_resident_mb} / 2,
               '... and keeps little') or diag(explain($gc));

    } else {
        is($gc->{heap_freed_by}, 'resident memory',
           '... the allocator does not tell');
        is($gc->{heap_freed_mb}, $gc->{anonymous_freed_mb}, '... /proc does');
        like($gc->{unavailable}{heap_resident_mb}, qr/allocator/,
             '... and says why');
    }

    @clients = ();

    ok($n->stop('QUIT'), '... nginx ends');
    clean($n);
  }
}

{
    # thread pools

    my $n = Fault->new(name => 'threads', workers => 1,
                       main => 'thread_pool io threads=4;',
                       server => 'location /file/ { alias DIR/html/;
                                      sendfile off; aio threads=io; }');

    Fault::spew($n->dir . '/html/small.txt', "small\n" x 100);

    $n->start;

    my $number = 1000;
    my $said = run_command('h2load', '--h1', '-n', $number, '-c', 4,
                           'http://127.0.0.1:' . $n->port . '/file/small.txt');
    like($said, qr/ $number done, $number succeeded/, 'files by thread pool');

    # a tick between two readings
    my $least = schedstat($n->workers) / 1e9;
    my $m = $n->ticked;
    my $most = schedstat($n->workers) / 1e9;

    is($m->{metrics}{cpu}{num_cgo_call}, $number, '... tasks are counted');
    is($m->{metrics}{cpu}{threads}, 5, '... threads are known');

    my ($true) = (proc_status($n->workers))->{Threads};
    is($true, 5, '... as /proc has them');

    cmp_ok($m->{metrics}{memory}{stack_inuse} || 0, '>', 5 * 4096 - 1,
           '... and their stacks') or diag(explain($m->{unavailable}));

    my $own = $m->{metrics}{cpu}{user_seconds}
              + $m->{metrics}{cpu}{system_seconds};
    ok($own >= 0.98 * $least && $own <= 1.02 * $most,
       '... their CPU time is counted')
        or diag("$own, $least to $most in truth");

    ok($n->stop('QUIT'), '... nginx ends');
    clean($n);
}

# The zone has a descriptor a slot: with few of them nginx has to start all
# the same.

for my $limit (16, 24, 40) {
    my @limited = ('prlimit', "--nofile=$limit");

    my $stock = Fault->new(name => "stock-$limit", module => 0,
                           workers => 1, wrapper => [@limited]);
    my $serves = eval { $stock->start };

  SKIP: {
    skip("nginx itself needs more than $limit descriptors here", 1)
        unless $serves;

    my $n = Fault->new(name => "limit-$limit", workers => 1,
                       wrapper => [@limited]);

    ok(eval { $n->start }, "with $limit descriptors nginx starts");
    is($n->get('/empty')->{status}, 200, '... and serves');
    is($n->get('/api/profiling/metrics')->{status}, 200, '... and is profiled');

    is($n->stop('QUIT'), 1, '... and ends');
    unlike($n->log, qr/signal 11/, '... in good order');
  }
}

done_testing();


sub mounted {
    my $how = shift;

    my $mount = $how eq 'tmpfs' ? 'mount -t tmpfs none /proc'
                                : 'mount -t proc -o hidepid=2 proc /proc';

    return ('unshare', '-m', 'sh', '-c', "$mount && exec \"\$@\"", 'sh');
}


sub mounts {
    my $how = shift;

    run_command(mounted($how), 'true');

    return $? == 0;
}


sub clean {
    my $n = shift;

    my @bad = grep { !/exited on signal 9|was killed by SIGKILL/ }
              $n->log =~ /^.*(?:\[(?:alert|emerg|crit)\]|signal 11).*$/mg;
    is_deeply(\@bad, [], "$n->{name}: no alert in the log");
}
