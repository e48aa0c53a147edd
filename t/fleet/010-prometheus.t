#!/usr/bin/perl

# The examples of conf/fleet: promtool accepts them, Debian's real Prometheus
# scrapes by them, an alert fires when a worker is stuck, and each query of the
# Grafana dashboard has a result.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Profile;
use Site;

my $fleet = 'conf/fleet';

for my $check (['check config', 'prometheus.yml'],
               ['check rules', 'rules.yml'], ['test rules', 'rules.test.yml'])
{
    my ($what, $file) = @$check;

    my $said = run('promtool', split(' ', $what), "$fleet/$file");
    is($?, 0, "promtool $what") or diag($said);
}

my $site = Site->new(workers => 2, http => $Site::fast . <<'END',
    proxy_cache_path DIR/cache keys_zone=cache:1m max_size=1m;
    server {
        listen 127.0.0.1:PORT1 ssl;
        ssl_certificate DIR/tls.crt;
        ssl_certificate_key DIR/tls.key;
        location / { return 200; }
    }
END
    server => <<'END');
        location = /ok { return 200; }
        location = /upstream { proxy_pass http://127.0.0.1:PORT/ok; }
        location = /cached { proxy_cache cache; proxy_pass https://127.0.0.1:PORT1; }
END
Profile::certificate($site);
$site->start;
my $dir = $site->dir . '/prometheus';

mkdir $dir;
spew("$dir/rules.yml", slurp("$fleet/rules.yml"));

# as it stands, but for the port and the pace
my $config = slurp("$fleet/prometheus.yml");

like($config, qr/127\.0\.0\.1:8151/, 'the address of make run');
$config =~ s/127\.0\.0\.1:8151/'127.0.0.1:' . $site->port/e;
$config =~ s/_interval: 15s/_interval: 1s/g;
spew("$dir/prometheus.yml", $config);

my $server = fork() // die "fork() failed: $!\n";

if (!$server) {
    open STDOUT, '>', "$dir/output";
    open STDERR, '>&', \*STDOUT;
    exec('prometheus', "--config.file=$dir/prometheus.yml",
         "--storage.tsdb.path=$dir/data",
         '--web.listen-address=127.0.0.1:' . $site->port(8))
        or POSIX::_exit(127);
}

END { kill 'KILL', $server if $server }

$site->request($_) for ('/upstream', '/cached') x 5;

ok(until_true(60, sub { value('up{job="nginx"}') }), 'Prometheus scrapes')
    or diag(slurp("$dir/output"));

ok(until_true(60, sub {
    return defined value('instance:nginx_profiling_memory:ratio')
           && defined value('instance:nginx_profiling_requests:rate1m')
           && defined value('instance:nginx_profiling_pause:ratio_rate1m');
}), 'and records');

is(value('count(ALERTS)'), undef, 'no alert while all is well');

# the dashboard's queries

my $dashboard = decode_json(slurp("$fleet/grafana.json"));
my $exposed = $site->request('/metrics')->{body};

for my $panel (@{ $dashboard->{panels} }) {
    for my $query (map { $_->{expr} } @{ $panel->{targets} }) {
        $query =~ s/\$__rate_interval/1m/g;
        $query =~ s/\$(?:instance|location)/.*/g;

        is(query($query)->{status}, 'success', $panel->{title})
            or diag($query);

        my @unknown = grep { $exposed !~ /^$_[{ ]/m }
                      $query =~ /(nginx_profiling_\w+)/g;
        is_deeply(\@unknown, [], 'by what nginx tells')
            or diag($query);
    }
}

# what its variables, words and axes are

my %variable = map { $_->{name} => $_ } @{ $dashboard->{templating}{list} };

for my $name (qw(instance location)) {
    my ($metric, $label) = $variable{$name}{query}
        =~ /^label_values\((\w+)(?:\{.*\})?, (\w+)\)$/;

    is($label, $name, "a variable: $name");
    like($exposed, qr/^\Q$metric\E\{.*\b$label="/m, 'of labels that there are')
        if $name ne 'instance';
}

my %panel = map { $_->{title} => $_ } @{ $dashboard->{panels} };

for (grep { ($_->{targets}[0]{legendFormat} // '') =~ /\{location\}/ }
     values %panel)
{
    like($_->{targets}[0]{expr}, qr/location=~"\$location"/,
         "$_->{title}: of the location that is chosen");
}

my $words = $panel{Health}{fieldConfig}{defaults}{mappings}[0]{options};

is_deeply([ map { $words->{$_}{text} } 0 .. 2 ],
          [ $exposed =~ /^# HELP nginx_profiling_health_status 0 (\w+), 1 (\w+), 2 (\w+)\.$/m ],
          'health is told in words');

ok((grep { my $q = $_->{targets}[0]{expr};
           $q =~ m{status="5xx".* / .*requests_total} } values %panel),
   'there is a ratio of errors');

my ($memory) = grep { $_->{title} =~ /its limit/ } values %panel;
my ($other) = @{ $memory->{fieldConfig}{overrides} };
my ($pattern) = $other->{matcher}{options} =~ m{^/(.*)/$};
my %set = map { $_->{id} => $_->{value} } @{ $other->{properties} };

is_deeply([ map { $_->{legendFormat} =~ $pattern ? 1 : 0 }
            @{ $memory->{targets} } ], [0, 1], 'the limit alone');
is($set{'custom.axisPlacement'}, 'right', '... has an axis of its own');

# bounds are those of health

my $rules = slurp("$fleet/rules.yml");
my $settings = $site->json('runtime')->{settings};

for ([memory => 'percent', 100], [goroutine => undef, 1]) {
    my ($what, $unit, $whole) = @$_;

    for my $level (qw(warning critical)) {
        my $name = "profiling_${what}_$level";
        my ($bound) = $rules =~ /# $name\n.*\n +expr: \S+ > ([\d.]+)\n/;

        is(($bound // 0) * $whole,
           $settings->{ $unit ? "${name}_$unit" : $name }, "$name in the rules");
    }
}

ok(until_true(20, sub {
    my $now = $site->json('health')->{num_goroutines};
    my %sum;
    $site->request('/metrics')->{body}
        =~ s/^nginx_profiling_connections\{state="(\w+)"\} (\d+)/$sum{$1} = $2/gemr;
    delete $sum{free};
    my $all = 0;
    $all += $_ for values %sum;
    return $all == $now;
}), 'connections in all states but free are what health counts');

# a worker that is stuck

my ($victim) = $site->workers;
kill 'STOP', $victim;

ok(until_true(60, sub {
    (value('ALERTS{alertname="NginxWorkerStuck",alertstate="firing"}') // 0)
        == 1;
}), 'a stuck worker fires an alert');

kill 'CONT', $victim;

ok(until_true(60, sub {
    !defined value('ALERTS{alertname="NginxWorkerStuck"}');
}), 'which ends when it goes on');

kill 'TERM', $server;
ok(until_true(60, sub { waitpid($server, POSIX::WNOHANG()) != 0 }),
   'the server ends');
undef $server;

$site->stop;
done_testing;


sub query {
    my $query = shift;

    $query =~ s/([^\w.-])/sprintf '%%%02x', ord $1/ge;

    my $got = $site->request("/api/v1/query?query=$query",
                             to => '127.0.0.1:' . $site->port(8));

    return eval { decode_json($got->{body}) } || { status => $got->{status} };
}


# the first value of what a query gives

sub value {
    my $data = query(@_)->{data} or return;

    return $data->{result}[0] ? $data->{result}[0]{value}[1] : undef;
}
