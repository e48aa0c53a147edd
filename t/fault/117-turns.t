#!/usr/bin/perl

# Answers take turns: of 100 that are asked for in one pass of the event loop,
# over HTTP/2, 64 wait for their turns and are answered, the rest is refused; as
# nginx's own log has it.  Those that are reset wait no more.

use strict;
use warnings;

use Dump ();
use Modules qw(built);
use Site;
use Test::More;

plan(skip_all => 'an nginx without http2: make test has one with it')
    unless built('http2');

# what stands in the source
my $turns = 64;

my $site = Site->new(
    workers  => 1,
    noise    => qr/directive is deprecated/,
    handlers => '',
    http     => <<'END',
    profiling_interval 3600s;
    log_format answers '$request_uri $status $sent_http_retry_after';
END
    server   => <<'END')->start;
        listen 127.0.0.1:PORT1 http2;
        access_log DIR/answers.log answers;
        location /api/profiling/ { profiling_api; }
        location = /metrics { profiling_prometheus; }
        location /debug/pprof/ { profiling_pprof; }
END

my ($worker) = $site->workers;

for my $path (qw(/metrics /api/profiling/metrics /api/profiling/health
                 /api/profiling/gc))
{
    asked($path);
}

# those that leave make room

for my $i (1 .. 5) {
    my $s = Dump::h2('127.0.0.1:' . $site->port(1), 100, '/metrics');

    syswrite $s, join '', map { Dump::frame(3, 0, 2 * $_ - 1, pack 'N', 8) }
                          1 .. 100;
    close $s;
}

for my $path (qw(/metrics /api/profiling/health /api/profiling/runtime)) {
    ok(until_true(60, sub { $site->request($path)->{status} == 200 }),
       "$path is answered afterwards");
}

is_deeply([ $site->workers ], [ $worker ], 'the worker has lived');
$site->stop;

done_testing;


sub asked {
    my $path = shift;

    my $s = Dump::h2('127.0.0.1:' . $site->port(1), 100, $path, window => 1 << 24);
    my (%status, %retry);

    my $all = until_true(60, sub {
        (%status, %retry) = ();

        for (slurp($site->dir . '/answers.log') =~ /^\Q$path\E (\S+ \S+)$/mg) {
            my ($status, $after) = split;
            $status{$status}++;
            $retry{$after}++ if $status == 503;
        }

        return ($status{200} // 0) + ($status{503} // 0) == 100;
    });
    close $s;

    ok($all, "$path: all have an answer") or diag(explain(\%status));

    # a machine that stands still between two of them may let one begin
    cmp_ok($status{200} // 0, '>=', $turns, '... as many as may wait');
    cmp_ok($status{503} // 0, '>', 0, '... the rest is refused');
    is_deeply([ keys %retry ], [5], '... for now');
}
