#!/usr/bin/perl

# The scripts of the original specification, unchanged but for their endless
# loops and sleeps, against port 8151.  If the port is taken, the test uses a
# network namespace of its own.

use strict;
use warnings;

BEGIN {
    require IO::Socket::INET;

    if (!$ENV{PROFILING_TEST_NETWORK}
        && !IO::Socket::INET->new(LocalAddr => '127.0.0.1:8151', Listen => 1,
                                  ReuseAddr => 1))
    {
        $ENV{PROFILING_TEST_NETWORK} = 1;
        exec('unshare', ($> ? '-r' : ()), '-n', 'sh', '-c',
             'ip link set lo up && exec "$@"', 'sh', $^X,
             (map { "-I$_" } grep { !ref } @INC), $0)
            or die "exec() failed: $!\n";
    }
}

use Cwd qw(getcwd);
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Site;

my %scripts = (health_monitor => <<'END', collect_metrics => <<'END');
#!/bin/bash
# health_monitor.sh

while true; do
    STATUS=$(curl -s http://localhost:8151/api/profiling/health | jq -r '.status')

    if [ "$STATUS" != "healthy" ]; then
        echo "ALERT: System health is $STATUS"
        # Send alert, trigger remediation, etc.
    fi

    sleep 60
done
END
#!/bin/bash
# collect_metrics.sh

# Collect metrics every minute
while true; do
    TIMESTAMP=$(date +%s)
    curl -s http://localhost:8151/api/profiling/metrics > "metrics-$TIMESTAMP.json"
    sleep 60
done
END

my $site = Site->new(port => 8151, workers => 2, http => <<'END')->start;
    profiling_interval 100ms;
    profiling_memory_limit 64g;
    profiling_goroutine_warning 8;
    profiling_goroutine_critical 16;
END

my $dir = $site->dir . '/scripts';
mkdir $dir;


# once around the loop

sub once {
    my $name = shift;

    my $text = $scripts{$name};

    $text =~ s/^while true; do$/for once in 1; do/m or die;
    $text =~ s/^    sleep \d+\n//m or die;
    spew("$dir/$name.sh", $text);

    return run('bash', '-c', 'cd "$0" && bash "$1.sh"', $dir, $name);
}


# $n connections that do nothing

my @clients;

sub connections {
    my $n = shift;

    shift @clients while @clients > $n;
    push @clients, $site->connect while @clients < $n;
}


is(once('health_monitor'), '', 'a healthy system is quiet');

for ([10, 'degraded'], [20, 'unhealthy']) {
    my ($n, $status) = @$_;

    connections($n);

    ok(until_true(60, sub {
        return once('health_monitor') eq "ALERT: System health is $status\n";
    }), "the monitor tells of a $status one");
}

connections(0);
ok(until_true(60, sub { once('health_monitor') eq '' }), 'and when it is over');

my $start = time();
is(once('collect_metrics'), '', 'metrics are collected');

my @files = glob "$dir/metrics-*.json";
is(scalar @files, 1, 'into a file');

my $data = eval { decode_json(slurp($files[0])) };
ok($data, 'of JSON');
ok(epoch($data->{timestamp}) >= $start - 0.1
   && epoch($data->{timestamp}) <= time(), 'of now')
    or diag("$data->{timestamp}, asked at $start");
cmp_ok($data->{metrics}{memory}{sys}, '>', 0, 'with figures');

my @values = map { run('jq', '-r', $_, $files[0]) =~ s/\n$//r }
             qw(.metrics.memory.usage_percent .metrics.goroutines
                .metrics.gc.num_gc .uptime);
is(scalar(grep { !/^[\d.]+$/ } @values), 0, 'that jq reads')
    or diag("@values");

# the original's address of the host is a name, which may be IPv6 first
is($site->request('/api/profiling/health',
                  headers => ['Host: localhost:8151'])->{status}, 200,
   'port 8151');

$site->stop;
done_testing;
