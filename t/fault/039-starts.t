#!/usr/bin/perl

# nginx starts with whatever it starts with alone: 20,000 servers and 65
# workers in the address space that these need, and 300 MB; and a small start
# has room for what a reload brings.

use strict;
use warnings;

use Fault;
use Health;
use Test::More;

my $mb = 1 << 20;

many();
few();
reloaded();

done_testing();


# what the master needs by itself is measured

sub many {
    my %peak;

    for my $module (0, 1) {
        my $n = Fault->new(
            name => "many$module", workers => 65, ports => 2, connections => 64,
            $module ? () : (module => 0),
            profiling => 'profiling_interval 10s;',
            http => 'server_names_hash_max_size 262144;' . sites(20_000));

        $n->{wrapper} = ['prlimit', '--as=' . ($peak{0} + 300 * $mb)]
            if $module;

        $n->start(seconds => 300);

        ($peak{$module}) = slurp("/proc/$n->{pid}/status")
                           =~ /^VmPeak:\s+(\d+) kB/m;
        $peak{$module} *= 1024;

        for my $i (1, 20_000) {
            is(request($n->port(1), "http://s$i.test/")->{status}, 200,
               "server $i of 20,000 answers, module: $module");
        }

        ok(wait_for(60, sub { $n->workers == 65 }), '... of 65 workers')
            or diag(scalar($n->workers), $n->log);

        if ($module) {
            is_deeply(ailments($n->api('health')), [], '... health is well');
            unlike($n->log, qr/\[(?:alert|crit|emerg|error)\]/,
                   '... nothing had no room');
        }

        ok($n->stop, '... and nginx ends');
    }
}


sub few {
    my $n = Fault->new(name => 'few', workers => 2, server => join '', map {
                           "location /l$_/ { return 200 x; }\n" } 1 .. 30);

    $n->start;

    my $bytes = $n->api('runtime')->{settings}{profiling_zone_bytes};

    cmp_ok($bytes, '>', 0, 'the zone of 2 workers and 30 locations');
    cmp_ok($bytes, '<=', 16 * $mb, '... is of 16 MB at most');
    ok($n->stop, '... and nginx ends');
}


sub reloaded {
    my $n = Fault->new(name => 'reloaded', workers => 2, ports => 2,
                       http => sites(1));

    $n->start;
    ok($n->reload(http => sites(200)), '200 sites onto a start with one');

    is(join(' ', map { request($n->port(1), "http://s$_.test/")->{status} }
                 1 .. 200), join(' ', (200) x 200), '... answer');

    my $text = $n->get('/metrics')->{body};

    is(scalar(() = $text =~ /^nginx_profiling_requests_total
                              \{server="s\d+\.test",location="\/",
                              status="2xx"\}\ 1$/mgx),
       200, '... and are counted by their names');
    is_deeply(ailments($n->api('health')), [], '... health is well');
    ok($n->stop, '... and nginx ends');
}


sub sites {
    return join '', map {
        "server { listen 127.0.0.1:PORT1; server_name s$_.test;
                  location / { return 200 x; } }\n"
    } 1 .. $_[0];
}
