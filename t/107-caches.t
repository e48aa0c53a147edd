#!/usr/bin/perl

# Caches: results by zone and location, against $upstream_cache_status; size
# against the files; who waits for another request that fills the cache.

use strict;
use warnings;

use File::Find qw(find);
use Test::More;
use Modules;
use Site;
use Time::HiRes qw(sleep);

my $echo = '/usr/lib/nginx/modules/ngx_http_echo_module.so';

my $site = Site->new(
    workers  => 2,
    modules  => [ $echo ],
    noise    => qr/upstream|SIGKILL|exited/,
    http     => <<'END',
    profiling_interval 100ms;
    log_format cache '$uri|$upstream_cache_status';
    proxy_cache_path DIR/one keys_zone=one:1m max_size=8m;
    proxy_cache_path DIR/two keys_zone=two:1m;
    proxy_cache_key $uri$is_args$args;
    server {
        listen 127.0.0.1:PORT1;
        location / { add_header Last-Modified "Mon, 01 Jan 2024 00:00:00 GMT";
                     add_header Cache-Control "max-age=100"; echo here; }
        location /short { expires 1s; alias DIR/html/page; }
        location /slow { add_header Cache-Control "max-age=100";
                         echo_sleep 2; echo here; }
        location /once { expires 1s; echo here; }
    }
END
    access   => 'DIR/cache.log cache',
    handlers => <<'END',
        location /api/profiling/ { access_log off; profiling_api; }
        location = /metrics { access_log off; profiling_prometheus; }
END
    server   => <<'END');
        proxy_cache one;
        location /page { proxy_pass http://127.0.0.1:PORT1; }
        location /second { proxy_pass http://127.0.0.1:PORT1; }
        location /bypass { proxy_pass http://127.0.0.1:PORT1;
                           proxy_cache_bypass 1; }
        location /other { proxy_pass http://127.0.0.1:PORT1;
                          proxy_cache two; }
        location /short { proxy_pass http://127.0.0.1:PORT1;
                          proxy_cache_revalidate on; }
        location /once { proxy_pass http://127.0.0.1:PORT1; }
        location /slow { proxy_pass http://127.0.0.1:PORT1;
                         proxy_cache_lock on; proxy_cache_lock_timeout 60s;
                         proxy_cache_lock_age 60s; }
        location /none { proxy_cache off; proxy_pass http://127.0.0.1:PORT1; }
END

spew($site->dir . '/html/page', 'p' x 5000);
$site->start;

results();
locks();
survives();
sizes();

$site->stop;
done_testing;


sub results {
    for my $path (qw(/page /second /bypass /other /none /short /once)) {
        $site->request("$path?$_") for 1, 1, 2, 1, 2;
    }

    # what is short-lived has expired, and is valid still or is not

    sleep 2.1;
    $site->request("/short?$_"), $site->request("/once?$_") for 1, 2;

    agrees('results by location');

    my %seen = map { my $row = $_; map { $_ => 1 } grep { $row->{$_} }
                     qw(miss hit bypass expired revalidated) }
               @{ $site->json('caches')->{locations} };

    is_deeply([sort keys %seen], [qw(bypass expired hit miss revalidated)],
              'there were all kinds');
    is(row('/other')->{zone}, 'two', 'each has its zone');
    is(row('/none'), undef, 'a location without a cache has no row');
}


# one fills the cache, two wait

sub locks {
    my @clients = map { $site->connect } 1 .. 3;

    for my $client (@clients) {
        print $client "GET /slow HTTP/1.1\r\nHost: main\r\nConnection: close\r\n\r\n";
        $client->flush;
    }

    ok(until_true(60, sub {
        my $states = $site->json('goroutines')->{by_state};
        return ($states->{'cache-lock'} || 0) == 2;
    }), 'connections that wait for another one to fill a cache');

    Site::read_all($_, 60) for @clients;

    ok(until_true(60, sub { (row('/slow') || {})->{lock_waits} }),
       'their waits are counted');
    is(row('/slow')->{lock_waits}, 2, '... each once');
    agrees('with waits');
}


sub survives {
    my ($old) = $site->workers;

    kill 'KILL', $old;
    until_true(60, sub { !grep({ $_ == $old } $site->workers)
                         && $site->workers == 2 });
    until_true(60, sub { $site->request('/page?1', seconds => 5)->{status} == 200 });

    my %old = map { $_ => 1 } $site->workers;

    kill 'HUP', $site->{pid};
    until_true(60, sub { 2 == grep { !$old{$_} } $site->workers });
    $site->request('/page?1') for 1 .. 4;
    agrees('after a kill and a reload');
}


sub sizes {
    my ($one, $two) = @{ $site->json('caches')->{zones} };

    is($one->{name}, 'one', 'a cache has the name of its zone');
    is($one->{path}, $site->dir . '/one', '... its path');
    is($one->{limit}, 8 << 20, '... its limit');
    is($two->{limit}, undef, 'one without a limit has none');
    ok(until_true(180, sub { $site->json('caches')->{zones}[0]{loader} eq 'done' }),
       'the loader has read it');

    my ($bytes, $files) = (0, 0);

    find(sub {
        my @stat = stat;
        return if !-f _;
        $bytes += int(($stat[7] + $stat[11] - 1) / $stat[11]) * $stat[11];
        $files++;
    }, "$one->{path}");

    is($one->{size}, $bytes, '... the bytes of its files');
    cmp_ok($one->{entries}, '>=', $files, '... and no fewer entries');

    my %metrics = metrics();

    is($metrics{'cache_size_bytes{zone="one"}'}, $bytes, '/metrics: size');
    is($metrics{'cache_limit_bytes{zone="one"}'}, 8 << 20, '... limit');
    is($metrics{'cache_lock_waits_total{zone="one",server="main",'
                . 'location="/slow"}'}, 2, '... waits');
}


sub agrees {
    my $what = shift;

    my (%logged, %got);

    for (split /\n/, slurp($site->dir . '/cache.log')) {
        my ($location, $status) = m{^(/\w+)\|(\w+)$} or next;
        $logged{$location}{ lc $status }++;
    }

    for my $row (@{ $site->json('caches')->{locations} }) {
        for (qw(miss hit bypass expired stale updating revalidated)) {
            $got{ $row->{location} }{$_} += $row->{$_} if $row->{$_};
        }
    }

    is_deeply(\%got, \%logged, "$what: as nginx logged");

    my %metrics = metrics();

    for my $location (sort keys %got) {
        my $zone = $location eq '/other' ? 'two' : 'one';

        for (sort keys %{ $got{$location} }) {
            is($metrics{qq(cache_requests_total{zone="$zone",server="main",)
                        . qq(location="$location",result="$_"})},
               $got{$location}{$_}, "/metrics: $location $_");
        }
    }
}


sub row {
    my $location = shift;

    my ($row) = grep { $_->{location} eq $location }
                @{ $site->json('caches')->{locations} };

    return $row;
}


sub metrics {
    return $site->request('/metrics')->{body}
           =~ /^nginx_profiling_(\S+?\{.*?\}) (\S+)$/mg;
}
