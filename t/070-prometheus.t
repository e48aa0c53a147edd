#!/usr/bin/perl

# The text exposition: checked by promtool, by the rules of both formats,
# against the figures of the API, and by a real server that scrapes it.

use strict;
use warnings;

use Json;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use Site;

my $site = Site->new(
    workers => 2,
    modules => ['/usr/lib/nginx/modules/ngx_http_echo_module.so'],
    http    => <<'END',
    profiling_interval 100ms;
    profiling_pause_threshold 30ms;

    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "x"; }
    }
END
    server  => <<'END')->start;
    location = /ok { return 200; }
    location = /missing { return 404; }
    location = /bad { return 500; }
    location = /closed { return 444; }
    location = /slow { echo_blocking_sleep 0.05; echo ok; }
    location = /block { echo_blocking_sleep 0.04; echo ok; }
    location = /up { proxy_pass http://127.0.0.1:PORT1; }
END

my $plain = 'text/plain; version=0.0.4; charset=utf-8';
my $open = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

my %sent = ('/ok' => 7, '/missing' => 3, '/bad' => 2, '/closed' => 1,
            '/slow' => 4, '/block' => 1, '/up' => 5);

my $began = time();

for my $path (sort keys %sent) {
    $site->request($path) for 1 .. $sent{$path};
}

my $took = time() - $began;


# a text as families: name => {type, help, order, samples}; what is wrong
# with its order is told

sub parse {
    my $text = shift;

    my (%family, @faults, $current, %ended);

    for (split /\n/, $text, -1) {

        if (/^# HELP (\S+) (.+)$/) {
            push @faults, "$1 comes twice" if $family{$1};
            $ended{$current->{name}} = 1 if $current;
            $current = $family{$1} = { name => $1, help => $2, samples => [] };

        } elsif (/^# TYPE (\S+) (\w+)$/) {
            push @faults, "TYPE of $1 without HELP"
                if !$current || $current->{name} ne $1;
            push @faults, "TYPE of $1 after samples"
                if @{ $current->{samples} };
            $current->{type} = $2;

        } elsif (/^(\w+)(?:\{(.*)\})? (-?[0-9.]+)$/) {
            my ($name, $labels, $value) = ($1, $2 // '', $3);
            my $of = $current->{name};

            push @faults, "$name in $of"
                if $name !~ /^\Q$of\E(?:_total|_bucket|_sum|_count|_info)?$/;

            my %labels;
            $labels{$1} = $2 while $labels =~ /(\w+)="((?:[^"\\]|\\.)*)"/g;

            push @{ $current->{samples} },
                { name => $name, labels => \%labels, value => $value,
                  key => $name . join ',', map { "$_=$labels{$_}" }
                                           sort keys %labels };

        } elsif ($_ ne '' && $_ ne '# EOF') {
            push @faults, "line: $_";
        }
    }

    return (\%family, \@faults);
}


sub value {
    my ($family, $name, %labels) = @_;

    my @found = grep {
        my $sample = $_;
        $sample->{name} eq "nginx_profiling_$name"
            && !grep { ($sample->{labels}{$_} // '') ne $labels{$_} }
               keys %labels
    } map { @{ $_->{samples} } } values %$family;

    my $sum;
    $sum += $_->{value} for @found;

    return $sum;
}


for my $format (['', $plain], ['text/plain', $plain], ['*/*', $plain],
                ['application/json', $plain],
                ['application/openmetrics-text', $open],
                ['Application/OpenMetrics-Text; version=1.0.0', $open],
                ['application/openmetrics-text;version=1.0.0,application/'
                 . 'openmetrics-text;version=0.0.1;q=0.75,text/plain;version='
                 . '0.0.4;q=0.5,*/*;q=0.1', $open],
                ['application/openmetrics-text;q=0, text/plain', $plain],
                ['application/openmetrics-text;q=0.3, text/plain;q=0.7',
                 $plain],
                ['text/plain;q=0.2 , application/openmetrics-text ; q=0.9',
                 $open],
                ['text/*;q=0.8, application/openmetrics-text;q=0.7', $plain],
                ['*/*, application/openmetrics-text;q=0.999', $plain],
                ['*/*;q=0.5, application/openmetrics-text;q=0.500', $open],
                ['application/*', $plain],
                ['application/openmetrics-text;version=0.0.1;q=0.1,'
                 . 'application/openmetrics-text;version=1.0.0;q=0.8,'
                 . 'text/plain;q=0.5', $open])
{
    my ($accept, $type) = @$format;

    my $got = $site->request('/metrics', headers => $accept eq '' ? []
                                                    : ["Accept: $accept"]);

    is($got->{status}, 200, "Accept: $accept");
    is($got->{headers}{'content-type'}, $type, 'its type');
    is($got->{headers}{'cache-control'}, 'no-store', 'not cached');
    is($got->{body} =~ /# EOF\n\z/ ? 1 : 0, $type eq $open ? 1 : 0,
       'the end is marked in OpenMetrics only');
    is(scalar(() = $got->{body} =~ /# EOF/g), $type eq $open ? 1 : 0,
       'and once at most');
    like($got->{body}, qr/\n\z/, 'the last line ends');
    unlike($got->{body}, qr/\n\n|[ \t]\n|\r/, 'no line is odd');

    my ($family, $faults) = parse($got->{body});
    is_deeply($faults, [], 'families are whole');

    my @samples = map { @{ $_->{samples} } } values %$family;
    my %keys;
    $keys{$_->{key}}++ for @samples;
    is_deeply([grep { $keys{$_} > 1 } keys %keys], [], 'series are unique');

    is(scalar(grep { !/^nginx_profiling_/ } keys %$family), 0,
       'names have the prefix');
    is(scalar(grep { !$_->{type} || !$_->{help} } values %$family), 0,
       'all have a type and a help');

    for (values %$family) {
        next if $_->{type} ne 'counter';

        my $base = $_->{name};
        is($base =~ /_total$/ ? 1 : 0, $type eq $open ? 0 : 1,
           "$base: the family of a counter");
        is(scalar(grep { $_->{name} !~ /_total$/ } @{ $_->{samples} }), 0,
           "$base: its samples end in _total");
    }

    for (grep { $_->{type} eq 'histogram' } values %$family) {
        histogram($_);
    }

    my ($version) = run($ENV{TEST_NGINX_BINARY}, '-v') =~ m{nginx/(\S+)};

    is(value($family, 'build_info', version => $site->json('runtime')
                                               ->{module_version},
             nginx => $version), 1, 'build_info');

    # the figures

    for (['/ok', '2xx'], ['/missing', '4xx'], ['/bad', '5xx'],
         ['/closed', '4xx'], ['/slow', '2xx'], ['/block', '2xx'],
         ['/up', '2xx'])
    {
        my ($path, $status) = @$_;
        is(value($family, 'requests_total', server => 'main',
                 location => "= $path", status => $status), $sent{$path},
           "requests of $path");
        is(value($family, 'request_duration_seconds_count',
                 location => "= $path"), $sent{$path}, "latency of $path");
    }

    # the first one would be no increase of a series that begins with it
    is(value($family, 'requests_total', location => "= $_", status => '5xx'),
       $_ eq '/bad' ? $sent{$_} : 0, "5xx of $_ from the first request on")
        for sort keys %sent;

    is(value($family, 'upstream_duration_seconds_count',
             location => '= /up'), $sent{'/up'}, 'time of the upstream');
    is(value($family, 'upstream_duration_seconds_count',
             location => '= /ok'), undef, 'and none without one');

    my $slow = value($family, 'request_duration_seconds_sum',
                     location => '= /slow');
    cmp_ok($slow, '>=', 0.19, 'a sum is in seconds');
    cmp_ok($slow, '<=', $took, 'indeed');

    is(value($family, 'request_duration_seconds_bucket',
             location => '= /slow', le => '0.016777215'), 0,
       'no slow request below 17 ms');
}


sub histogram {
    my $family = shift;

    my (%buckets, %count, %sum);

    for (@{ $family->{samples} }) {
        my %labels = %{ $_->{labels} };
        my $le = delete $labels{le};
        my $key = join ',', map { "$_=$labels{$_}" } sort keys %labels;

        if ($_->{name} =~ /_bucket$/) {
            push @{ $buckets{$key} }, [$le, $_->{value}];
        } elsif ($_->{name} =~ /_count$/) {
            $count{$key} = $_->{value};
        } elsif ($_->{name} =~ /_sum$/) {
            $sum{$key} = $_->{value};
        }
    }

    # a handshake that there was none of has no series
    ok(%buckets > 0 || !@{ $family->{samples} },
       "$family->{name} has buckets");

    for my $key (keys %buckets) {
        my @le = map { $_->[0] } @{ $buckets{$key} };
        my @n = map { $_->[1] } @{ $buckets{$key} };

        is(pop @le, '+Inf', "$family->{name}: the last bound");
        is_deeply(\@le, [sort { $a <=> $b } @le], 'bounds ascend');
        is_deeply(\@n, [sort { $a <=> $b } @n], 'buckets are cumulative');
        is($n[-1], $count{$key}, '+Inf is the count');
        ok(defined $sum{$key}, 'there is a sum');
    }
}


# promtool, with and without its lint of names

my $file = $site->dir . '/metrics.txt';
spew($file, $site->request('/metrics')->{body});

is(run('sh', '-c', 'promtool check metrics < "$0"', $file), '',
   'promtool finds no fault');
is($? >> 8, 0, 'and ends well');

# that promtool would find one
spew("$file.bad", slurp($file) . "nginx_profiling_ok_total{a=\"b} 1\n");
run('sh', '-c', 'promtool check metrics < "$0"', "$file.bad");
isnt($? >> 8, 0, 'it would find one');

# against the API

my ($family) = parse($site->request('/metrics')->{body});
my $metrics = $site->json('metrics');

is(value($family, 'requests_total'), $metrics->{metrics}{requests}{total},
   'all requests');
is(value($family, 'request_bytes_total', direction => 'out'),
   $metrics->{metrics}{requests}{bytes_out}, 'all bytes');
is(value($family, 'request_bytes_total', direction => 'in'),
   $metrics->{metrics}{requests}{bytes_in}, 'in both directions');
cmp_ok(value($family, 'pauses_total'), '>=', 1, 'pauses');
is(value($family, 'workers', state => 'running'), 2, 'workers');
is(value($family, 'health_status'), 0, 'health');
cmp_ok(abs(value($family, 'start_time_seconds')
           - epoch($site->json('runtime')->{start_time})), '<', 0.002,
       'the start');
cmp_ok(abs(value($family, 'memory_limit_bytes')
           - $site->json('memory')->{limit}), '<', 1, 'the limit');

# methods

for my $method (qw(POST DELETE)) {
    my $got = $site->request('/metrics', method => $method);
    is($got->{status}, 405, $method);
    is($got->{headers}{allow}, 'GET, HEAD', 'is told what may be done');
    is($got->{headers}{'content-type'}, 'text/plain; charset=utf-8',
       'as text');
}

my $head = $site->request('/metrics', method => 'HEAD');
is("$head->{status} $head->{body}", '200 ', 'HEAD');
is($head->{headers}{'content-type'}, $plain, 'has the type');


# the real server

my $dir = $site->dir . '/prometheus';
mkdir $dir;
spew("$dir/prometheus.yml", $site->expand(<<'END'));
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: nginx
    static_configs:
      - targets: ['127.0.0.1:PORT']
END

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


# the sum of what a query gives, undef for nothing

sub query {
    my $query = shift;

    $query =~ s/([^\w.-])/sprintf '%%%02x', ord $1/ge;

    my $got = $site->request("/api/v1/query?query=$query",
                             to => '127.0.0.1:' . $site->port(8));
    my $data = eval { decode_json($got->{body}) } or return;
    my @values = map { $_->{value}[1] } @{ $data->{data}{result} || [] };

    return $values[0];
}


ok(until_true(60, sub { (query('up') // 0) == 1 }),
   'a real Prometheus scrapes it') or diag(slurp("$dir/output"));

my $total = $sent{'/ok'};

for my $more (0, 5) {
    $site->request('/ok') for 1 .. $more;
    $total += $more;

    ok(until_true(60, sub {
        (query('nginx_profiling_requests_total{location="= /ok"}') // 0)
            == $total;
    }), "and has $total requests") or diag(slurp("$dir/output"));
}

is(query('sum(nginx_profiling_requests_total{status="5xx"})'), $sent{'/bad'},
   'and the errors');
is(query('histogram_quantile(0.5, nginx_profiling_request_duration_seconds_'
         . 'bucket{location="= /slow"}) > 0.016') ? 1 : 0, 1,
   'and quantiles');
is(query('count(scrape_samples_scraped > 100)'), 1, 'with all their samples');
is(query('up'), 1, 'still');

kill 'TERM', $server;
ok(until_true(60, sub { waitpid($server, POSIX::WNOHANG()) != 0 }),
   'the server ends');
undef $server;

$site->stop;
done_testing;
