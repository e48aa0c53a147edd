#!/usr/bin/perl

# Processes that serve no requests: the cache manager and the loader have slots, their
# CPU time and what they block in is in profiles under the name of the process,
# and in no sum of the workers'; against /proc, and against what a library of
# the test's own has spent in each unlink(2).

use strict;
use warnings;

use File::Temp qw(tempdir);
use POSIX ();
use Test::More;
use Profile;
use Site;
use Time::HiRes qw(sleep);

my $dir = tempdir(CLEANUP => 1);
my ($burnt, $slept) = (0.03, 0.02);

# encoders, of the workers' user, read names of its library
chmod 0755, $dir;

# each file that is deleted takes CPU time, then sleeps

spew("$dir/slow.c", <<'END');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long  spun;

__attribute__((noinline)) void
burn_in_unlink(double seconds)
{
    struct timespec  a, b;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);

    do {
        for (int i = 0; i < 10000; i++) {
            spun++;
        }

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);

    } while (b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) / 1e9 < seconds);
}

int
unlink(const char *path)
{
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");

    if (strstr(path, "/slow/")) {
        struct timespec  t = { 0, 20000000 };

        burn_in_unlink(0.03);
        while (nanosleep(&t, &t) == -1) { }
    }

    return real(path);
}
END

system("cc -O1 -g -shared -fPIC -o $dir/slow.so $dir/slow.c") == 0
    or plan(skip_all => 'there is no compiler');

my $files = 40;

my $site = Site->new(
    workers  => 2,
    seconds  => 120,
    noise    => qr/signal 9/,
    env      => { LD_PRELOAD => "$dir/slow.so" },
    http     => <<'END',
    profiling_interval 100ms;
    proxy_cache_path DIR/slow keys_zone=slow:1m inactive=6s;
    server {
        listen 127.0.0.1:PORT1;
        location / { add_header Cache-Control "max-age=1000";
                     return 200 "here"; }
    }
END
    handlers => $Site::handlers
                . 'location /debug/pprof/ { profiling_pprof; }',
    server   => <<'END')->start;
        location /cached { proxy_cache slow; proxy_cache_key $args;
                           proxy_pass http://127.0.0.1:PORT1; }
END

my $manager = listed('cache manager');
my $loader = listed('cache loader');

like(title($manager->{pid}), qr/cache manager process/, 'the cache manager');
like(title($loader->{pid}), qr/cache loader process/, '... and the loader');
is($_->{state}, 'running', "... $_->{process} runs") for $manager, $loader;

my $master = listed('master');

is($master->{pid}, $site->{pid}, 'the master');

my ($used) = spent($site->{pid});

cmp_ok($master->{user_seconds} + $master->{system_seconds}, '<=', $used,
       '... has used as much as /proc says');

SKIP: {
    (stat '/proc/self/fd')[7]
        or skip('before Linux 6.2 the number of descriptors is not told', 1);

    my @open = glob "/proc/$site->{pid}/fd/*";

    is($master->{descriptors}, scalar @open, '... and has as many descriptors');
}

sums();
profiles();
stuck();
replaced();

$site->stop;
done_testing;


# neither is a worker

sub sums {
    my $got = $site->json('metrics');
    my %workers = map { $_ => 1 } $site->workers;

    is_deeply([sort map { $_->{pid} } @{ $got->{workers} }],
              [sort keys %workers], 'only workers are among the workers');
    is(scalar(grep { $workers{ $_->{pid} } } @{ $got->{processes} }), 0,
       '... and none among the others');

    my $connections = $got->{metrics}{connections};

    cmp_ok($connections->{free}, '<=', 2 * 512,
           'free connections are those of the workers');

    for my $name ('metrics', 'goroutines') {
        is($site->request("/api/profiling/$name?worker=$manager->{pid}")
                ->{status}, 404, "$name: the manager is no worker");
    }
}


sub profiles {
    my $before = spent($manager->{pid});

    $site->request("/cached?$_") for 1 .. $files;

    is(cached(), $files, 'files are in the cache');

    # they expire in 6 s, and the manager comes within 10 s

    my $profile = Profile::background(
        sub { Profile::bytes($site, seconds => 25) });
    my $block = Profile::background(sub {
        Profile::bytes($site, path => '/debug/pprof/block?seconds=25',
                       seconds => 25)
    });

    ok(until_true(120, sub { cached() == 0 }), 'the manager deletes them');

    my $p = Profile::decode(Profile::finish($profile));
    my $b = Profile::decode(Profile::finish($block));
    my $used = spent($manager->{pid}) - $before;

    my %of = (process => 'cache manager', pid => $manager->{pid},
              worker => undef, server => undef);
    my $burnt_ns = Profile::sum($p, Profile::labelled(%of),
                                Profile::has('burn_in_unlink'));

    cmp_ok($burnt_ns / 1e9, '>=', 0.95 * $files * $burnt,
           'its CPU time is in the profile, by the name of the process');
    cmp_ok(Profile::sum($p, Profile::labelled(%of)) / 1e9, '<=',
           $used + 0.05, '... not more than /proc says');
    is(Profile::sum($p, Profile::has('burn_in_unlink')), $burnt_ns,
       '... and nobody else has spent any of it');

    my $blocked = 0;

    for (@{ $b->{samples} }) {
        $blocked += $_->{cpu} if Profile::labelled(%of)->($_)
                                 && grep { /unlink/ } @{ $_->{frames} };
    }

    cmp_ok($blocked / 1e9, '>=', 0.95 * $files * $slept,
           'what it waited for is in the profile of blocking');

    my $one = Profile::take($site, args => "&worker=$loader->{pid}");

    is(scalar(grep { $_->{labels}{pid} != $loader->{pid} }
              @{ $one->{samples} }), 0, 'a profile of one helper alone');

    my $past = Profile::take($site, path => '/debug/pprof/profile?from=-5m');

    cmp_ok(Profile::sum($past, Profile::labelled(%of),
                        Profile::has('burn_in_unlink')) / 1e9, '>=',
           0.9 * $files * $burnt, 'it is recorded, too');

    my $row = listed('cache manager');

    cmp_ok($row->{user_seconds} + $row->{system_seconds}, '>=',
           0.95 * $files * $burnt, 'CPU time of the process');
    cmp_ok($row->{longest_pass_seconds}, '>=', $burnt + $slept,
           '... and its longest pass');
    cmp_ok($row->{pauses}, '>', 0, '... which was a pause');

    my $got = $site->json('metrics');
    my $sum = 0;
    $sum += $_->{gc}{num_gc} for @{ $got->{workers} };
    is($got->{metrics}{gc}{num_gc}, $sum, '... of none of the workers');

    my %metrics = metrics();

    my $told = 0;
    $told += $metrics{qq(cpu_seconds_total{process="cache manager",mode="$_"})}
        for qw(user system);

    cmp_ok($told, '>=', 0.95 * $files * $burnt, '/metrics: its CPU time');
    cmp_ok($metrics{"memory_bytes{process=\"$_\"}"}, '>', 0,
           "... memory of the $_") for 'cache manager', 'cache loader', 'master';
}


sub stuck {
    kill 'STOP', $manager->{pid};

    my $health = until_true(60, sub {
        my $h = $site->json('health');
        return "@{ $h->{issues} }" =~ /cache manager/ && $h;
    });

    like("@{ $health->{issues} }",
         qr/cache manager $manager->{pid} is stuck: .* stopped by a signal/,
         'health names a manager that stands still');
    is($health->{status}, 'degraded', '... which keeps nobody from being served');

    kill 'CONT', $manager->{pid};

    ok(until_true(60, sub {
        return "@{ $site->json('health')->{issues} }" !~ /cache manager/;
    }), '... until it goes on');
}


# counters go on through a kill and a reload

sub replaced {
    my $name = 'cpu_seconds_total{process="cache manager",mode="user"}';
    my %before = metrics();

    kill 'KILL', $manager->{pid};

    my $second = until_true(60, sub {
        my $row = listed('cache manager');
        return $row->{pid} != $manager->{pid} && $row;
    });

    like(title($second->{pid}), qr/cache manager process/,
         'a manager that was killed has a successor');

    kill 'HUP', $site->{pid};

    my $third = until_true(60, sub {
        my $row = listed('cache manager');
        return $row->{pid} != $second->{pid} && $row;
    });

    is($third->{generation}, $second->{generation} + 1,
       '... so has the one before a reload');

    my %after = metrics();

    cmp_ok($after{$name}, '>=', $before{$name}, 'its counters go on');
    is($site->json('crashes')->{total}, 0, 'no worker has died');
}


# the row of a process, once it is there

sub listed {
    my $process = shift;

    return until_true(60, sub {
        my ($row) = grep { $_->{process} eq $process }
                    @{ $site->json('metrics')->{processes} };
        return $row;
    });
}


sub title { return slurp("/proc/$_[0]/cmdline") }


# s of CPU time, by /proc

sub spent {
    my $pid = shift;

    my @stat = split ' ', slurp("/proc/$pid/stat") =~ s/.*\)//sr;
    return ($stat[11] + $stat[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}


sub cached {
    my @files = glob $site->dir . '/slow/*';
    return scalar @files;
}


sub metrics {
    return $site->request('/metrics')->{body}
           =~ /^nginx_profiling_process_(\S+?\{.*?\}) (\S+)$/mg;
}
