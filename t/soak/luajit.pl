#!/usr/bin/perl

# make luajit: an hour at 1000 samples a second beside LuaJIT, with traces that
# are made, run and thrown away, a collector that never rests, coroutines, code
# that is loaded anew for each request, objects that are loaded and unloaded,
# children that workers fork, captures one after the other.  No worker dies and
# no request is lost.
#
# LUAJIT_SECONDS: how long, 3600.  LUAJIT_REPORT: the file for the figures.

use strict;
use warnings;

use Fault;
use JSON::PP;
use Profile ();
use Test::More;

my $seconds = $ENV{LUAJIT_SECONDS} || 3600;

my $storm = <<'END';
            local ffi = require('ffi')
            local keep, x = {}, 0
            local function deep(n, ...)
                if n == 0 then return 0 end
                return 1 + deep(n - 1, n, ...)
            end
            for i = 1, 200 do
                keep[i % 50] = { string.rep('x', i), { i } }
                local co = coroutine.wrap(function(n)
                    coroutine.yield(deep(n))
                    return deep(n) + #tostring({})
                end)
                x = x + co(i % 60) + co()
                pcall(error, { i })
                x = x + #(('a b'):gsub('%w', function(c) return c .. c end))
                for k = 1, 100 do x = (x + k * i) % 1000003 end
                if i % 50 == 0 then
                    jit.flush()
                    collectgarbage()
                end
            end
            ngx.say('end')
END

my $site = Fault->new(
    modules   => [ Profile::lua_modules(), Profile::test_module() ],
    profiling => 'profiling_interval 1s; profiling_budget off; '
                 . 'profiling_cpu_rate 1000; profiling_record_rate 1000; '
                 . 'profiling_heap_rate 64k;',
    http      => 'keepalive_requests 1000000;',
    server    => <<"END");
        location ^~ /debug/pprof/ { profiling_pprof; }
        location = /on { content_by_lua_block {
$storm
        } }
        location = /off { content_by_lua_block {
            jit.off(true, true)
$storm
        } }
        location = /rest { content_by_lua_block {
            collectgarbage('setpause', 1)
            collectgarbage('setstepmul', 1000)
$storm
        } }
        location = /anew { lua_code_cache off; content_by_lua_block {
$storm
        } }
        location = /yield { content_by_lua_block {
            local t = {}
            for i = 1, 20 do
                t[i] = ngx.thread.spawn(function()
                    ngx.sleep(0.001)
                    return string.rep('x', i)
                end)
            end
            for i = 1, 20 do ngx.thread.wait(t[i]) end
            ngx.say('end')
        } }
        location = /dlopen { profiling_test dlopen 5 @{[ Profile::plugin() ]}; }
        location = /fork { profiling_test fork 2; }
END

my @paths = qw(/on /off /rest /anew /yield /dlopen /fork);
my (@clients, %sum);

$site->start;

my @workers = sort $site->workers;
my $began = time;

for my $n (0 .. $#paths) {
    push @clients, client($n, $paths[$n]);
}

push @clients, client('profile', '/debug/pprof/profile?seconds=5');

Fault::reap($_->[0]) for @clients;

for my $client (@clients) {
    my ($pid, $file, $path) = @$client;
    my $saw = decode_json(slurp($file));

    cmp_ok($saw->{answered}, '>', 0, "$path: $saw->{answered} answers");
    is($saw->{lost}, 0, '... none lost') or diag($saw->{error});
    $sum{$_} += $saw->{$_} for qw(answered lost);
}

my $samples = $site->api('metrics')->{overhead}{sampler}{samples};

cmp_ok($samples, '>', 0, "$samples samples");

is("@{[ sort $site->workers ]}", "@workers", 'the workers are those of before');
unlike($site->log, qr/exited on signal/, 'none of them died');

my $report = sprintf "%d s, %d requests, %d lost, %s samples\n",
                     time - $began, $sum{answered}, $sum{lost}, $samples;

diag($report);
Fault::spew($ENV{LUAJIT_REPORT}, $report) if $ENV{LUAJIT_REPORT};

done_testing();


# asks for one path until the time is over

sub client {
    my ($name, $path) = @_;

    my $file = $site->dir . "/client-$name";

    my $pid = Fault::background(sub {
        my %saw = (answered => 0, lost => 0, error => '');

        while (time < $began + $seconds) {
            my $r = $site->get($path, timeout => 300);

            # an encoder with too much to do beside it is told as such

            if (!$r->{error}
                && ($r->{status} == 200
                    || $r->{body} =~ /time limit exceeded|took too long/))
            {
                $saw{answered}++;
                next;
            }

            $saw{lost}++;
            $saw{error} = $r->{error} || "$r->{status}: $r->{body}";
        }

        Fault::spew($file, encode_json(\%saw));
    });

    return [$pid, $file, $path];
}
