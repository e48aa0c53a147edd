#!/usr/bin/perl

# Reports of workers that died: their list, one with all that is known, as a
# text, as a profile; what health and /metrics say; what is never in them.

use strict;
use warnings;

use Fault;
use Health;
use JSON::PP;
use Modules qw(skip_unbuilt);
use Profile;
use Sanitized;
use Test::More;

skip_all_sanitized('they have handlers of their own');

my $n = Fault->new(name => 'reports', workers => 1,
                   modules => [ Profile::test_module() ],
                   server => <<'END');
        location /pprof/ { profiling_pprof; }
        location /dies/ { profiling_test die_null 0; }
        location /kill { profiling_test die_raise 9; }
        location /before { return 200 ok; }
        location /else { return 200 ok; }
        location /aborts { profiling_test die_abort 0; }
END

$n->start;

sub another {
    my $pid = shift;

    ok(wait_for(30, sub {
        my @workers = $n->workers;
        return @workers == 1 && $workers[0] != $pid
               && ($n->get('/else')->{body} // '') eq 'ok';
    }), '... another worker comes');
}

my $crashes = $n->api('crashes');

is($crashes->{total}, 0, 'nobody has died yet');
is_deeply($crashes->{reports}, [], '... no report');
is_deeply($crashes->{by_reason},
          { crash => 0, oom => 0, killed => 0, code => 0, startup => 0 },
          '... of no reason');
is_deeply(ailments($n->api('health')), [], '... healthy');

# one report

my ($pid) = $n->workers;

$n->get('/before') for 1 .. 40;
$n->get("/dies/caf%C3%A9%20%22x?token=secret",
        headers => "Cookie: secret\r\n", timeout => 10);
another($pid);

$crashes = $n->api('crashes');

is($crashes->{total}, 1, 'one has died');
is($crashes->{by_reason}{crash}, 1, '... of a fault');
is(@{ $crashes->{reports} }, 1, '... one report');

my $r = $crashes->{reports}[0];

is($r->{id}, 1, 'the report has a number');
is($r->{worker}, $pid, '... the pid');
is($r->{reason}, 'crash', '... a reason');
is($r->{signal}, 'SIGSEGV', '... the signal');
is($r->{signal_number}, 11, '... its number');
is($r->{exit_code}, undef, '... no code');
is($r->{code}, 1, '... SEGV_MAPERR');
is($r->{address}, '0x10', '... the address');
is($r->{jump}, JSON::PP::false, '... that is data');
is($r->{main_thread}, JSON::PP::true, '... the thread');
is($r->{thread}, $pid, '... and its number');
is($r->{function}, 'profiling_test_die_null', '... the function');
is($r->{server}, 'main', '... the server');
is($r->{location}, '/dies/', '... the location');
is($r->{state}, 'phase', '... the state');
is($r->{alike_before}, 0, '... the first of its kind');
is($r->{request}{method}, 'GET', '... the method');
is($r->{request}{uri}, "/dies/caf\x{e9} \"x", '... the URI');
is($r->{request}{client}, '127.0.0.1', '... the client');
cmp_ok($r->{request}{connection}, '>', 40, '... the connection');
like($r->{summary}, qr/\Aworker process $pid died of SIGSEGV .* in profiling_test/,
     '... in a sentence');
like($r->{time}, qr/^\d{4}-\d\d-\d\dT/, '... the time');

my $one = $n->api('crashes/1');

is($one->{id}, 1, 'one report by its number');
is($one->{stack}[0]{name}, 'profiling_test_die_null', '... the stack');
ok((grep { $_->{name} eq 'ngx_http_core_content_phase' } @{ $one->{stack} }),
   '... up to nginx');
ok((grep { $_->{name} eq 'main' } @{ $one->{stack} }), '... and its begin');
like($one->{stack}[0]{object}, qr/ngx_http_profiling_test_module\.so$/,
     '... the object');
like($one->{stack}[0]{offset}, qr/^0x[0-9a-f]+$/, '... where in it');
is($one->{damaged}, JSON::PP::false, '... whole');
ok((grep { $_->{path} =~ /test_module\.so$/
           && $_->{build_id} =~ /^[0-9a-f]{16,}$/ } @{ $one->{objects} }),
   '... build ids');
is((grep { $one->{registers}{$_} =~ /^0x[0-9a-f]+$/ }
    keys %{ $one->{registers} }), keys %{ $one->{registers} },
   '... registers');
cmp_ok(keys %{ $one->{registers} }, '>', 16, '... all of them');
is(@{ $one->{before} }, 32, '... 32 requests before it');
is((grep { $_->{location} eq '/before' } @{ $one->{before} }), 32,
   '... those that were');

my @ages = map { $_->{seconds_before} } @{ $one->{before} };
is_deeply(\@ages, [ sort { $a <=> $b } @ages ], '... the latest first');

cmp_ok($one->{memory}{anonymous_bytes}, '>', 100_000, '... its memory');
cmp_ok($one->{requests}, '>=', 40, '... its requests');
cmp_ok($one->{lived_seconds}, '>', 0, '... how long it lived');
like($one->{versions}{nginx}, qr/^\d+\.\d+/, '... the version');

my $text = $n->get('/api/profiling/crashes/1?format=text');

is($text->{status}, 200, 'the same as a text');
like($text->{body}, qr/\Aworker process $pid died of SIGSEGV/, '... begins so');
like($text->{body}, qr/^#0  profiling_test_die_null at 0x/m, '... has a stack');
like($text->{body}, qr/test_module\.so build id [0-9a-f]+$/m,
     '... build ids');
like($text->{body}, qr/^\d+\.\d+ s before, server main, location \/before$/m,
     '... the requests before');
like($text->{body}, qr/^code $one->{code}, thread $pid, the main one$/m,
     '... the thread');
like($text->{body},
     qr/^request: \d+\.\d{6} s old, \d+ bytes sent, state "$one->{state}"$/m,
     '... the request');
like($text->{body}, qr/^worker: lived \d+\.\d+ s, $one->{requests} requests$/m,
     '... the worker');

my $kb = int $one->{memory}{anonymous_bytes} / 1024;

like($text->{body}, qr/^memory \d+\.\d+ s before: anonymous ${kb}K,/m,
     '... its memory');
is(scalar(() = $text->{body} =~ /^held: \d+K/mg), @{ $one->{held} },
   '... who held it');

my $all = join '', map { $n->get("/api/profiling/$_")->{body} }
                   qw(crashes crashes/1 crashes/1?format=text);
unlike($all, qr/secret|Cookie/i, 'neither arguments nor headers');

is($n->get('/api/profiling/crashes/2')->{status}, 404, 'there is no second');
is($n->get('/api/profiling/crashes/2?format=text')->{status}, 404,
   '... as a text');
is($n->get('/api/profiling/crashes/1?format=xml')->{status}, 400,
   'no other format');
is($n->get('/api/profiling/crashes/0')->{status}, 404, 'no number');
is($n->get('/api/profiling/crashes/x')->{status}, 404, 'no number at all');
is($n->get('/api/profiling/gc/1')->{status}, 404, 'nor of others');

# health, and a second one of another kind

my $h = $n->api('health');

is($h->{status}, 'degraded', 'health is degraded');
ok((grep { /worker process $pid died of SIGSEGV .* in profiling_test_die_null/ }
    @{ $h->{issues} }), '... names it');

($pid) = $n->workers;
$n->get('/aborts', timeout => 10);
another($pid);

($pid) = $n->workers;
$n->get('/dies/', timeout => 10);
another($pid);

$h = $n->api('health');
is($h->{status}, 'unhealthy', 'three in a minute: unhealthy');
ok((grep { /died in the last minute: 3/ } @{ $h->{issues} }), '... it says so');

($pid) = $n->workers;
$n->get('/kill', timeout => 10);
another($pid);

$crashes = $n->api('crashes');
is_deeply([ map { $_->{id} } @{ $crashes->{reports} } ], [4, 3, 2, 1],
          'the latest first');
is_deeply([ map { $_->{reason} } @{ $crashes->{reports} } ],
          [qw(killed crash crash crash)], '... with their reasons');
is_deeply([ map { $_->{alike_before} } @{ $crashes->{reports} } ],
          [0, 1, 0, 0], '... and how many were alike');
is($crashes->{reports}[0]{signal}, 'SIGKILL', 'one was killed');
is($crashes->{reports}[0]{recorded}, JSON::PP::false,
   '... and could not tell of it');

my $killed = $n->api('crashes/4');
cmp_ok($killed->{memory}{anonymous_bytes}, '>', 100_000,
       '... its memory is told');

my $metrics = $n->get('/metrics')->{body};

like($metrics, qr/^nginx_profiling_worker_exits_total
                  \{reason="crash",signal="SIGSEGV"\}\ 2$/mx,
     'metrics count faults');
like($metrics, qr/^nginx_profiling_worker_exits_total
                  \{reason="crash",signal="SIGABRT"\}\ 1$/mx,
     '... by signal');
like($metrics, qr/^nginx_profiling_worker_exits_total
                  \{reason="killed",signal="SIGKILL"\}\ 1$/mx,
     '... and kills');

# stacks as a profile

my $profile = $n->get('/pprof/crash?debug=1')->{body};

like($profile, qr/profiling_test_die_null/, 'a profile of them');
like($profile, qr/profiling_test_die_abort/, '... and of the other');
is(substr($n->get('/pprof/crash')->{body} // '', 0, 2), "\x1f\x8b",
   '... for go tool pprof');

# a reload keeps them

$n->reload;
is($n->api('crashes')->{total}, 4, 'a reload keeps the reports');
is($n->api('crashes/1')->{function}, 'profiling_test_die_null', '... whole');

# one of several streams of a connection, in a pass that serves some of them

SKIP: {
    skip_unbuilt('http2', 1);

    my $h2 = Fault->new(name => 'streams', workers => 1, ports => 2,
                        modules => [ Profile::test_module() ],
                        server => <<'END_OF_SERVER');
        listen 127.0.0.1:PORT1 http2;
        location /dies/ { profiling_test die_null 0; }
        location /slow { limit_rate 1k; }
        location /before { return 200 ok; }
        location /else { return 200 ok; }
END_OF_SERVER

    Fault::spew($h2->dir . '/html/slow', 'a' x 60000);
    $h2->start;
    ($pid) = $h2->workers;

    my $to = 'http://127.0.0.1:' . $h2->port(1);

    run_command('h2load', '-c', 1, '-m', 8, '-n', 200, "$to/before");
    run_command('h2load', '-c', 1, '-m', 8, '-n', 8,
                map({ "$to/slow?$_" } 1 .. 7), "$to/dies/one?secret");

    ok(wait_for(60, sub {
        return ($h2->get('/else')->{body} // '') eq 'ok'
               && $h2->log =~ /died of/;
    }), 'HTTP/2: another worker comes');

    $r = $h2->api('crashes/1');
    is($r->{request}{uri}, '/dies/one', '... the URI of the stream');
    is($r->{request}{method}, 'GET', '... its method');
    is($r->{request}{client}, '127.0.0.1', '... its client');
    is($r->{location}, '/dies/', '... its location');
    cmp_ok($r->{request}{connection}, '>', 0, '... its connection');
    cmp_ok(scalar(grep { ($_->{location} // '') =~ m{^/before} }
                  @{ $r->{before} }), '>', 10, '... those before it');

    $h2->stop;
}

# no addresses and no URIs, if none are wanted

my $hidden = Fault->new(name => 'hidden', workers => 1,
                        modules => [ Profile::test_module() ],
                        profiling => 'profiling_anonymize on;',
                        server => <<'END');
        location /dies/ { profiling_test die_null 0; }
        location /else { return 200 ok; }
END

$hidden->start;
($pid) = $hidden->workers;
$hidden->get('/dies/whoever', timeout => 10);

ok(wait_for(30, sub {
    return ($hidden->get('/else')->{body} // '') eq 'ok'
           && $hidden->log =~ /died of/;
}), 'hidden: another worker comes');

$r = $hidden->api('crashes/1');
like($r->{request}{uri}, qr/^uri-[0-9a-f]{16}$/, '... no URI');
like($r->{request}{client}, qr/^addr-[0-9a-f]{16}$/, '... no address');
is($r->{registers}, undef, '... no registers');

my ($line) = grep { /died of/ } split /\n/, $hidden->log;
unlike($line . encode_json($r)
       . $hidden->get('/api/profiling/crashes/1?format=text')->{body},
       qr/whoever|client: 127/, '... in no form');

done_testing;
