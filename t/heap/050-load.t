#!/usr/bin/perl

# Load with sampling on under valgrind's memcheck: TLS, gzip, a proxy, blocks
# that are reallocated and freed in other threads, profiles all the while, and
# a reload.  A finding counts if a function of the module is in its stack.
#
# HEAP_SECONDS=600 makes it ten minutes.

use strict;
use warnings;

use Sanitized;
use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;
use Heap;
use Memcheck qw(findings);

my $seconds = $ENV{HEAP_SECONDS} || 6;

my @wrapper;

if (!sanitized()) {
    plan(skip_all => 'no valgrind: install it') unless Encoder::have('valgrind');

    @wrapper = ('valgrind', '--tool=memcheck', '--num-callers=25',
                '--suppressions=t/fault/valgrind.supp', '--error-exitcode=0');
}

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    env      => { ASAN_OPTIONS => 'allocator_may_return_null=1' },
    main     => 'thread_pool default threads=2;',
    noise    => qr/unknown process \d+ exited on signal 9/,
    http     => <<'END',
    profiling_interval 100ms;
    profiling_heap_rate 2k; profiling_budget off;
    keepalive_requests 1000;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;

    upstream back {
        server 127.0.0.1:PORT1;
        keepalive 4;
    }

    server {
        listen 127.0.0.1:PORT1;
        location / { alias DIR/html/; }
    }
END
    server   => <<'END',
        listen 127.0.0.1:PORT2 ssl http2;
        location /gzip/ { gzip on; gzip_types *; alias DIR/html/; }
        location /proxy/ { proxy_pass http://back/; proxy_http_version 1.1;
                           proxy_set_header Connection ""; }
        location = /grow { profiling_test grow 1; }
        location = /malloc { profiling_test malloc 300; }
        location = /cross { profiling_test cross 50; }
        location = /keep { profiling_test keep 20; }
        location = /thread { profiling_test thread 1000; }
END
);

my $dir = $site->dir;

Profile::certificate($site);
spew("$dir/html/text", join '', map { "line $_\n" } 1 .. 2000);

$site->{wrapper} = [ @wrapper, @wrapper ? "--log-file=$dir/valgrind.%p"
                                        : () ];
$site->{seconds} = 240;

$site->start;

# valgrind does not let the encoder begin; its input is made all the same
my $encodes = !@wrapper;

my @loads = (
    load($site, { pause => $encodes ? 0 : 0.1 }, '/gzip/text', '/proxy/text',
         '/grow', '/cross', '/thread'),
    load($site, { pause => $encodes ? 0 : 0.1 }, '/malloc', '/keep',
         '/proxy/text'),
    Profile::command('bash', '-c', 'while :; do curl -sk -o /dev/null '
                     . 'https://127.0.0.1:' . $site->port(2)
                     . '/gzip/text; sleep 0.3; done'),
);

my $taken = 0;
my $end = time() + $seconds;
my $reloaded;

while (time() < $end || ($taken < 2 && time() < $end + 60)) {
    my $path = (qw(heap allocs threadcreate))[$taken % 3];
    my $got = $site->request("/debug/pprof/$path", seconds => 60);

    $taken += $got->{status} == ($encodes ? 200 : 500);

    if (!$reloaded && time() > $end - $seconds / 2) {
        kill 'HUP', $site->{pid};
        $reloaded = 1;
    }

    sleep 0.2;
}

Profile::end($_) for @loads;

cmp_ok($taken, '>=', 2, 'profiles are taken under load');
ok($reloaded, '... and nginx has reloaded');

SKIP: {
    skip('valgrind starts no encoder: make sanitize has it', 1)
        unless $encodes;

    my $freed = has(qr/^profiling_test_(?:grow|cross)/);

    is(total(Heap::take($site), 'inuse_objects', $freed), 0,
       '... what is freed is not in use');
}

$site->stop('QUIT');

SKIP: {
    skip_sanitized('valgrind does not go with it', 2);

    my @logs = glob "$dir/valgrind.*";
    my @findings = map { findings($_) } @logs;

    cmp_ok(scalar(grep { slurp($_) =~ /ERROR SUMMARY/ } @logs), '>=', 3,
           'valgrind has reported all processes');
    is(scalar @findings, 0, '... and found nothing in the module')
        or diag(join "\n", @findings[0 .. ($#findings > 3 ? 3
                                                          : $#findings)]);
}

done_testing();
