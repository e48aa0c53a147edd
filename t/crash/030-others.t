#!/usr/bin/perl

# What no handler of ours tells, or not alone: workers that never come up, in a
# loop; kills by the kernel for want of memory; handlers that were there
# before; the core, which is what it would be without the module.

use strict;
use warnings;

use Cores;
use Fault;
use Profile;
use Sanitized;
use Sound;
use Test::More;

skip_all_sanitized('they have handlers of their own');

my @test = (modules => [ Profile::test_module() ]);

sub goes_on {
    my ($n, $pid) = @_;

    return wait_for(60, sub {
        my @workers = $n->workers;
        return @workers == 1 && $workers[0] != $pid
               && ($n->get('/ok')->{body} // '') eq 'ok';
    });
}

# --- workers that never come up -------------------------------------------

{
    my $n = Fault->new(name => 'startup', workers => 1, @test,
                       server => <<'END');
        location /init { profiling_test die_init 0 DIR/die; }
        location /ok { return 200 ok; }
END

    $n->start;
    my ($pid) = $n->workers;

    Fault::spew($n->dir . '/die', '');
    kill 'KILL', $pid;

    my $deaths = sub { return scalar(() = $n->log =~ /exited on signal 11/g) };

    ok(wait_for(60, sub { $deaths->() >= 40 }), 'workers die as they start');
    unlink $n->dir . '/die';
    ok(goes_on($n, $pid), '... until they do not');

    my $crashes = $n->api('crashes');
    my $log = $n->log;

    is($crashes->{by_reason}{startup} + $crashes->{unseen}, $deaths->(),
       'each is told');
    is($crashes->{by_reason}{killed}, 1, '... apart from the one before');
    is($crashes->{total}, $crashes->{by_reason}{startup} + 1, '... in all');

    my ($first) = grep { $_->{id} == 2 } @{ $crashes->{reports} };

    is($first->{reason}, 'startup', 'the first report of the loop is kept');
    like($first->{summary}, qr/profiling_test_touch_null/, '... with its function');
    is($crashes->{reports}[0]{id}, $crashes->{total}, '... and the latest');
    is($crashes->{reports}[-1]{reason}, 'killed', '... and what was before');
    like($crashes->{reports}[0]{summary}, qr/never came up: it died of SIGSEGV/,
         '... in words');

    # a line a second at most

    my %seconds;
    $seconds{$_}++ for $log =~ /^(\S+ \S+) \[alert\].*(?:never came up|was killed)/mg;
    my $lines = 0;
    $lines += $_ for values %seconds;

    cmp_ok($lines, '>=', 1, 'the log tells of the loop');
    cmp_ok($lines, '<=', 2 * keys %seconds, '... once a second');
    is($n->api('health')->{status}, 'unhealthy', 'health is unhealthy');

    $n->stop;
}

# --- the kernel kills for want of memory ----------------------------------

SKIP: {
    my ($own) = Fault::slurp('/proc/self/cgroup') =~ /^\d+:memory:(.*)$/m;
    my $parent = '/sys/fs/cgroup/memory' . ($own // '');
    my $group = "$parent/profiling-test-$$";

    skip 'no cgroup of memory can be made here', 1
        if !defined $own || $> != 0 || !mkdir $group;

    my $limit = eval { Fault::spew("$group/memory.limit_in_bytes", 96 << 20) };

    my $n = Fault->new(name => 'oom', workers => 1, @test,
                       wrapper => [ 'sh', '-c',
                                    "echo \$\$ > $group/cgroup.procs; "
                                    . 'exec "$@"', 'sh' ],
                       server => <<'END');
        location /little { profiling_test touch 1; }
        location /much { profiling_test touch 16; }
        location /ok { return 200 ok; }
END

    $n->start;
    wait_for(60, sub { $n->workers == 1 });

    for my $round (1 .. 3) {
        my ($pid) = $n->workers;

        $n->get('/little', timeout => 20);

        # its memory grows until the kernel ends it
        my $dead = wait_for(60, sub {
            return 1 if !grep { $_ == $pid } $n->workers;
            $n->get('/much', timeout => 20);
            return 0;
        });

        $dead or skip 'the kernel here kills nobody', 1;

        ok(goes_on($n, $pid), "round $round: another worker comes");

        my ($r) = grep { $_->{worker} == $pid }
                  @{ $n->api('crashes')->{reports} };

        is($r->{reason}, 'oom', '... the kernel killed it');

        my $one = $n->api("crashes/$r->{id}");

        is($one->{held_most}{location}, '/much',
           '... the location that held most');
        cmp_ok($one->{held_most}{bytes}, '>', 16 << 20, '... so much');
        like($n->log, qr/worker\ process\ $pid\ was\ killed\ by\ the\ kernel
                         .*held\ most.*\/much/x, '... the log tells') if $round == 1;
    }

    # and one that somebody kills is not told so

    my ($pid) = $n->workers;
    kill 'KILL', $pid;
    ok(goes_on($n, $pid), 'kill -9: another worker comes');

    my ($r) = grep { $_->{worker} == $pid }
              @{ $n->api('crashes')->{reports} };
    is($r->{reason}, 'killed', '... somebody killed it');

    $n->stop;

    wait_for(60, sub { rmdir $group });
}

# --- the same by the files of the interface: v2, and v1 --------------------

SKIP: {
    my ($own) = Fault::slurp('/proc/self/cgroup') =~ /^\d+:memory:(.*)$/m;

    skip 'no namespace of mounts can be made here', 1
        if $> != 0 || system('unshare -m true 2>/dev/null');

    for my $version (2, 1) {

        next if $version == 1 && !defined $own;

        my $n = Fault->new(name => "oom-v$version", workers => 1, @test,
                           server => <<'END');
        location /little { profiling_test touch 1; }
        location /much { profiling_test touch 8; }
        location /ok { return 200 ok; }
END

        my $root = $n->dir . '/cgroup';
        my $file = $version == 2 ? "$root/memory.events"
                                 : "$root/memory$own/memory.oom_control";
        my ($dir) = $file =~ m{(.*)/};

        system('mkdir', '-p', $dir);

        my $kills = 3;
        my $count = sub {
            Fault::spew($file, $version == 2
                        ? "low 0\nhigh 0\nmax 9\noom 9\noom_kill $kills\n"
                        : "oom_kill_disable 0\nunder_oom 0\n"
                          . "oom_kill $kills\n");
        };
        $count->();

        $n->{wrapper} = [ 'unshare', '-m', 'sh', '-c',
                          "mount --bind $root /sys/fs/cgroup && exec \"\$@\"",
                          'sh' ];
        $n->start;
        wait_for(60, sub { $n->workers == 1 });

        for my $round (1 .. 6) {
            my ($pid) = $n->workers;
            my $kernel = $round % 2;

            $n->get('/little', timeout => 20);
            $n->get('/much', timeout => 20) for 1 .. 2;

            if ($kernel) {
                $kills++;
                $count->();
            }

            kill 'KILL', $pid;
            ok(goes_on($n, $pid), "v$version, $round: another worker comes");

            my ($r) = grep { $_->{worker} == $pid }
                      @{ $n->api('crashes')->{reports} };

            is($r->{reason}, $kernel ? 'oom' : 'killed', '... who killed it');

            my $one = $n->api("crashes/$r->{id}");

            is($one->{held_most}{location}, '/much',
               '... the location that held most');
            cmp_ok($one->{held_most}{bytes}, '>', 8 << 20, '... so much');
            like($one->{held}[0]{function}, qr/profiling_test_touch/,
                 '... and by which function');
        }

        like($n->log, qr/was killed by the kernel.*held most.*\/much/,
             'the log tells');
        $n->stop;
    }
}

# --- handlers that were there before ----------------------------------------

my $older = <<'END';
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

/* OLDER=mend makes the page, as a collector does; else it gives up */

static void handler(int signo, siginfo_t *info, void *context)
{
    const char *what = getenv("OLDER");

    if (what && what[0] == 'm') {
        mmap((void *) 0x10000, 4096, PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0);
        return;
    }

    signal(signo, SIG_DFL);
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction sa = { 0 };

    sa.sa_sigaction = handler;
    sa.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &sa, 0);
}
END

for my $what (qw(mend give)) {
    my $n = Fault->new(name => $what, workers => 1, @test,
                       main => 'env OLDER;', server => <<'END');
        location /null { profiling_test die_null 65552; }
        location /ok { return 200 ok; }
END

    $n->{env} = { LD_PRELOAD => preload($n->dir, $older), OLDER => $what };
    $n->start;

    my ($pid) = $n->workers;
    my $r = $n->get('/null', timeout => 20);

    if ($what eq 'mend') {
        is($r->{status}, 200, 'an older handler that mends: it goes on');
        is(($n->workers)[0], $pid, '... the same worker');
        is($n->api('crashes')->{total}, 0, '... and nothing is told');

    } else {
        ok(goes_on($n, $pid), 'an older handler that gives up: it dies');
        like($n->log, qr/worker process $pid exited on signal 11/,
             '... by its signal');
        is($n->api('crashes/1')->{function}, 'profiling_test_die_null',
           '... and the report is there');
    }

    $n->stop;
}

# --- the core ----------------------------------------------------------------

SKIP: {
    skip 'no core goes to a file here, or there is no debugger', 1
        if !Cores::possible();

    my @ways = qw(null jump abort raise divide);
    my %site = map { ($_ => Cores::site($_, 'core', join '', map {
        "location /$_ { profiling_test die_$_ 0; }\n" } @ways)) }
        qw(with without);

    for my $way (@ways) {
        my %told = map { ($_ => Cores::told($site{$_}, "/$way")) } keys %site;

        skip 'no core is written here', 1 if !$told{without};

        cmp_ok(scalar @{ $told{with}{lines} }, '>', 8,
               "$way: the core has a stack");
        is_deeply($told{with}{lines}, $told{without}{lines},
                  '... it is that of a worker without the module');
        is($told{with}{end}, $told{without}{end}, '... so is the end');
        like($told{with}{end}, qr/core dumped/, '... a core was dumped');
        cmp_ok($told{with}{room} - $told{without}{room}, '<', 8 << 20,
               '... and takes no room for what the workers share');
    }

    $_->stop for values %site;
}

done_testing;
