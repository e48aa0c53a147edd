#!/usr/bin/perl

# The settings in force, as /api/profiling/runtime reports them: a directive
# overrides a variable, which overrides the default; what is inactive stays
# inactive; the view of one worker.

use strict;
use warnings;
no warnings qw(portable);

use Health;
use Sanitized;
use Test::More;
use Site;

my %defaults = (
    profiling_interval_ms             => 2000,
    profiling_history                 => 1000,
    profiling_memory_warning_percent  => 75,
    profiling_memory_critical_percent => 90,
    profiling_goroutine_warning       => 5000,
    profiling_goroutine_critical      => 10000,
    profiling_pause_threshold_ms      => 10,
    profiling_cpu_rate                => 100,
    profiling_heap_rate_bytes         => 2097152,
    profiling_block_rate_ms           => 1,
    profiling_mutex_fraction          => 1,
    profiling_trace_buffer_bytes      => 4194304,
    profiling_anonymize               => JSON::PP::false,
    profiling_answer_memory_bytes     => 67108864,
    profiling_crash                   => JSON::PP::true,
    profiling_budget_percent          => 1,
    profiling_record_ms               => 900000,
    profiling_record_rate             => 49,
    profiling_incidents               => 16,
    profiling_zone                    => 'profiling',
);

my %variables = (
    METRICS_INTERVAL    => '1.5s',
    METRICS_MAX_SIZE    => '500',
    MEMORY_WARNING_PCT  => '60',
    MEMORY_CRITICAL_PCT => '70%',
    GOROUTINE_WARNING   => '7',
    GOROUTINE_CRITICAL  => '8',
);


sub in_force {
    my ($name, $expected, %o) = @_;

    my $site = Site->new(http => '', %o)->start;
    my $settings = $site->json('runtime')->{settings};

    is_deeply({ map { $_ => $settings->{$_} } keys %$expected }, $expected,
              $name);
    $site->stop;

    return $settings;
}


my $settings = in_force('defaults', \%defaults);

is_deeply([sort keys %$settings],
          [sort keys %defaults, qw(profiling_memory_limit_bytes
                                   profiling_zone_bytes profiling_zone_slots
                                   profiling_zone_locations)],
          'every setting is told');

my ($kb) = slurp('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/m;
my ($own) = slurp('/proc/self/cgroup') =~ /^0::(.*)$/m;
my $limit = $kb * 1024;

for my $file ('/sys/fs/cgroup/memory.max',
              '/sys/fs/cgroup' . ($own // '') . '/memory.max',
              '/sys/fs/cgroup/memory/memory.limit_in_bytes')
{
    my ($max) = slurp($file) =~ /^(\d+)$/;
    $limit = $max if defined $max && $max < $limit;
}

is($settings->{profiling_memory_limit_bytes}, $limit,
   'the memory limit is the cgroup\'s, else the machine\'s');

in_force('a variable beats the default', {
    %defaults,
    profiling_interval_ms             => 1500,
    profiling_history                 => 500,
    profiling_memory_warning_percent  => 60,
    profiling_memory_critical_percent => 70,
    profiling_goroutine_warning       => 7,
    profiling_goroutine_critical      => 8,
}, env => \%variables);

in_force('a directive beats the variable', {
    profiling_interval_ms             => 300,
    profiling_history                 => 20,
    profiling_memory_limit_bytes      => 1073741824,
    profiling_memory_warning_percent  => 11,
    profiling_memory_critical_percent => 12,
    profiling_goroutine_warning       => 13,
    profiling_goroutine_critical      => 14,
    profiling_pause_threshold_ms      => 1500,
    profiling_cpu_rate                => 250,
    profiling_heap_rate_bytes         => 1048576,
    profiling_block_rate_ms           => 2,
    profiling_mutex_fraction          => 5,
    profiling_anonymize               => JSON::PP::true,
    profiling_answer_memory_bytes     => 2097152,
    profiling_crash                   => JSON::PP::false,
    profiling_budget_percent          => 5,
    profiling_record_ms               => 300000,
    profiling_record_rate             => 19,
    profiling_incidents               => 3,
    profiling_zone                    => 'mine',
    profiling_zone_bytes              => 16777216,
    profiling_zone_slots              => 3,
}, env => \%variables, http => <<'END');
    profiling_interval 300ms;
    profiling_history 20;
    profiling_memory_limit 1g;
    profiling_memory_warning 11%;
    profiling_memory_critical 12;
    profiling_goroutine_warning 13;
    profiling_goroutine_critical 14;
    profiling_pause_threshold 1.5s;
    profiling_cpu_rate 250;
    profiling_heap_rate 1m;
    profiling_block_rate 2ms;
    profiling_mutex_fraction 5;
    profiling_anonymize on;
    profiling_answer_memory 2m;
    profiling_crash off;
    profiling_budget 5%;
    profiling_record 5m;
    profiling_record_rate 19;
    profiling_incidents 3;
    profiling_zone zone=mine:16m slots=3;
END

in_force('off is null', {
    profiling_heap_rate_bytes => undef,
    profiling_block_rate_ms   => undef,
    profiling_mutex_fraction  => undef,
    profiling_record_ms       => undef,
    profiling_incidents       => undef,
}, http => <<'END');
    profiling_heap_rate off;
    profiling_block_rate off;
    profiling_mutex_fraction off;
    profiling_record off;
    profiling_incidents off;
END

# the variables of the master are read again by a reload

my $reload = Site->new(http => '', env => { METRICS_MAX_SIZE => 77 })->start;
kill 'HUP', $reload->{pid};
ok(until_true(60, sub { ($reload->json('runtime') || {})->{generation} == 2 }),
   'a reload with a variable') or diag($reload->log);
is($reload->json('runtime')->{settings}{profiling_history}, 77,
   'keeps its value');
ok(defined epoch($reload->json('runtime')->{reload_time}),
   'the reload has a time');
$reload->stop;

in_force('a single process', { %defaults, profiling_history => 78 },
         workers => 0, env => { METRICS_MAX_SIZE => 78 });


# off

# nginx itself shares a page or two

sub mapped {
    my $bytes = 0;

    for (slurp("/proc/$_[0]/maps") =~ m{^(\S+) rw-s .*/dev/zero}mg) {
        my ($start, $end) = map { hex } split /-/;
        $bytes += $end - $start;
    }

    return $bytes > 100_000 ? 1 : 0;
}

sub off {
    my ($name, $off, %o) = @_;

    my $site = Site->new(server => 'location = /debug { profiling_pprof; }'
                                   . 'location = /ok { return 200; }',
                         http => '', %o)->start;

    is($site->request('/ok')->{status}, 200, "$name: the site works");

    for my $path (qw(/api/profiling/metrics /api/profiling/nothing /metrics
                     /debug))
    {
        my $got = $site->request($path);

        is($got->{status} == 503 && $got->{body} =~ /profiling is off/ ? 1 : 0,
           $off, "$name: $path") or diag("$got->{status} $got->{body}");
    }

    my ($worker) = $site->workers;

    is(mapped($worker), 1 - $off, "$name: shared memory");
    is(slurp("/proc/$worker/status") =~ /^SigCgt:\s+(\w+)/m
       && (hex(substr $1, -8) >> 26 & 1), 0, "$name: SIGPROF")
        if $off;
    $site->stop;
}


off('nothing said', 0);
off('profiling off', 1, http => 'profiling off;');
off('ENABLE_PROFILING=false', 1, env => { ENABLE_PROFILING => 'false' });
off('ENABLE_PROFILING=true', 0, env => { ENABLE_PROFILING => 'true' });
off('profiling on beats the variable', 0, http => 'profiling on;',
    env => { ENABLE_PROFILING => '0' });
off('profiling off beats the variable', 1, http => 'profiling off;',
    env => { ENABLE_PROFILING => '1' });

my $unused = Site->new(http => '', handlers => '',
                       server => 'location / { return 200; }',
                       env => { METRICS_INTERVAL => 'abc' })->start;

is($unused->request('/')->{status}, 200, 'loaded, and not used');
is(mapped(($unused->workers)[0]), 0, 'no memory is taken then');
$unused->stop;

my $lone = Site->new(http => '', handlers => '',
                     server => 'location = /m { profiling_prometheus; }'
                               . 'location / { return 200; }')->start;

$lone->request('/');
like($lone->request('/m')->{body},
     qr{^nginx_profiling_requests_total\{server="main",location="/",status="2xx"\} 1$}m,
     'one handler and nothing else');
$lone->stop;


# two workers, and the view of one

my $site = Site->new(workers => 2, http => <<'END', server => <<'END')->start;
    profiling_interval 100ms;
    profiling_memory_limit 64g;
    profiling_goroutine_warning 1;
END
    location = /ok { return 200; }
END

my @pids = sort { $a <=> $b } $site->workers;

ok(until_true(60, sub {
    my @listed = sort { $a <=> $b } map { $_->{pid} }
                 @{ $site->json('metrics')->{workers} };
    return "@listed" eq "@pids";
}), 'workers are listed');
is_deeply([map { $_->{state} } @{ $site->json('health')->{workers} }],
          [qw(running running)], 'they run');

$site->request('/ok') for 1 .. 40;

ok(until_true(60, sub { 2 == grep { $_->{last_seen} && $_->{memory} }
                            @{ $site->json('metrics')->{workers} } }),
   'both have had a tick');

my $all = $site->json('metrics');
my %sum;

for my $pid (@pids) {
    my $one = $site->json("metrics?worker=$pid");

    is_deeply([map { $_->{pid} } @{ $one->{workers} }], [$pid],
              'the view of one worker has no other');
    is($one->{metrics}{requests}{total}, $one->{workers}[0]{requests}{total},
       'its figures are the worker\'s');

    $sum{requests} += $one->{metrics}{requests}{total};
    $sum{bytes_out} += $one->{metrics}{requests}{bytes_out};

    my ($in) = grep { $_->{pid} == $pid } @{ $all->{workers} };
    is($in->{requests}{total}, $one->{metrics}{requests}{total},
       'in both views');

    for my $path (qw(memory runtime health)) {
        is_deeply([map { $_->{pid} }
                   @{ $site->json("$path?worker=$pid")->{workers} }], [$pid],
                  "$path has one worker");
    }

    my ($status) = slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
    my $memory = $site->json("memory?worker=$pid")->{memory};

    is($memory->{sys}, $memory->{anonymous} + $memory->{shared},
       'sys is anonymous and shared');

  SKIP: {
    skip_sanitized('memory that is freed is not used again, so that it grows '
                   . 'between two readings, and the heap has no figures', 2);

    my $all = ($memory->{anonymous} + $memory->{inherited}) / 1024;

    cmp_ok(abs($all - $status), '<', 300,
           'its memory is what /proc says') or diag("$status KB");
    is($memory->{heap_sys}, $memory->{heap_inuse} + $memory->{heap_idle},
       'the heap is in use or idle');
  }

    my @places = grep { $_->{requests} }
                 @{ $site->json("locations?worker=$pid")->{locations} };
    is($places[0] ? $places[0]{requests} : 0,
       $one->{metrics}{requests}{total}, 'its locations too');
    is($site->json("goroutines?worker=$pid")->{count} > 5, !!0,
       'its connections');
    ok(defined $site->json("gc?worker=$pid")->{num_gc}, 'its pauses');
}

is($sum{requests}, 40, 'they add up to all requests');
is($sum{bytes_out}, $all->{metrics}{requests}{bytes_out}, 'and bytes');
is($all->{metrics}{memory}{heap_inuse}, $all->{metrics}{memory}{alloc},
   'alloc is heap_inuse');

# a connection more than the warning: degraded, and still 200

my @clients = map { $site->connect } 1 .. 3;
my $health;

ok(until_true(60, sub {
    $health = $site->json('health');
    my $got = $site->request('/api/profiling/health');

    $health = JSON::PP::decode_json($got->{body});

    return $health->{num_goroutines} >= 3 && $got->{status} == 200
           && "@{ ailments($health) }" eq 'high goroutine count';
}), 'above the warning the issue is told, and is a 200')
    or diag(explain($health));

is($health->{status}, 'degraded', '... which is degraded');

close $_ for @clients;

ok(until_true(240, sub { !@{ ailments($site->json('health')) } }),
   'it gets better');

$site->stop;


# the same for memory, and both at once; warning and critical

for ([1, 2, 'unhealthy', 503, 'high memory usage'],
     [1, 100, 'degraded', 200, 'elevated memory usage'])
{
    my ($warning, $critical, $status, $code, $issue) = @$_;

    my $site = Site->new(http => '')->start;
    my $sys = until_true(60, sub { $site->json('memory')->{memory}{sys} });
    $site->stop;

    # a tenth of the limit is in use
    my $limit = 10 * $sys;

    $site = Site->new(http => <<"END")->start;
        profiling_interval 100ms;
        profiling_memory_limit $limit;
        profiling_memory_warning $warning;
        profiling_memory_critical $critical;
END

    my $got;

    ok(until_true(60, sub {
        $got = $site->json('health');
        return $got->{status} eq $status;
    }), "memory is $status") or diag(explain($got));

    is_deeply(ailments($got), [$issue], "it says $issue");
    is($site->request('/api/profiling/health')->{status}, $code,
       "and is a $code");

    my $memory = $site->json('memory');
    cmp_ok(abs($memory->{memory}{usage_percent}
               - 100 * $memory->{memory}{sys} / $limit), '<', 0.001,
           'usage_percent is sys in percent of the limit');
    $site->stop;
}

done_testing;
