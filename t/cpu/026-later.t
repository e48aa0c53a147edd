#!/usr/bin/perl

# The labels of what a script does later than in its request's phases: njs after
# a fetch, a timeout, a promise or a subrequest has the location of its request,
# over HTTP/1.1 and HTTP/2; a timer of Lua, which has no request, is no client's.
# The worker does nothing else that takes time.

use strict;
use warnings;

use Test::More;
use Heap;
use Profile;
use Sampled;
use Site;
use Time::HiRes qw(time);
use Whose;

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::lua_modules(),
                  "$Profile::modules/ngx_http_js_module.so" ],
    handlers => $Profile::handlers,
    http     => <<'END', server => <<'END');
    profiling_cpu_rate 1000;
    profiling_heap_rate 16k; profiling_budget off;
    profiling_pause_threshold 2ms;
    keepalive_requests 1000000;
    js_path DIR/html;
    js_import later from later.js;
    lua_max_running_timers 16;

    init_worker_by_lua_block {
        function burn()
            local x, file = 0, io.open("DIR/burn")
            if file then
                file:close()
                for k = 1, 1000000 do x = x + k % 7 end
            end
        end

        local function again()
            burn()
            ngx.timer.at(0.001, again)
        end

        ngx.timer.at(0, again)
    }

    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "here\n"; }
    }
END
        listen 127.0.0.1:PORT2 http2;
        location = /fetch { js_content later.fetch; }
        location = /timeout { js_content later.timeout; }
        location = /promise { js_content later.promise; }
        location = /subrequest { js_content later.subrequest; }
        location = /within { internal; proxy_pass http://127.0.0.1:PORT1; }
        location = /timer { content_by_lua_block {
            ngx.timer.at(0.001, function ()
                local x = 0
                for k = 1, 1000000 do x = x + k % 7 end
            end) } }
END

spew($site->dir . '/html/later.js', $site->expand(<<'END'));
function burn() {
    var x = 0;
    for (var k = 0; k < 200000; k++) x += k % 7;
    return 'x'.repeat(300000 + x % 2);
}

async function fetch(r) {
    await ngx.fetch('http://127.0.0.1:PORT1/');
    r.return(200, burn());
}

function timeout(r) {
    setTimeout(function () { r.return(200, burn()); }, 1);
}

async function promise(r) {
    await new Promise(function (resolve) { setTimeout(resolve, 1); });
    r.return(200, burn());
}

async function subrequest(r) {
    await r.subrequest('/within');
    r.return(200, burn());
}

export default { fetch, timeout, promise, subrequest };
END

$site->start;

# one at a time: none comes while another one's script burns

for my $name (qw(fetch timeout promise subrequest)) {
    later("$name, HTTP/1.1", "/$name", 0, '--h1');
    later("$name, HTTP/2", "/$name", 2);
}

my $load = load($site, '/timer');
my $p = Profile::take_until($site, sub { sum($_[0]) > 0.5e9 }, seconds => 1);

Profile::end($load);
none($p, 'a timer of Lua that a request has set');

spew($site->dir . '/burn', '');
$p = Profile::take_until($site, sub { sum($_[0]) > 0.5e9 }, seconds => 1);
none($p, 'a timer of Lua that a worker has set');

$site->stop;

done_testing;


sub later {
    my ($name, $path, $port, @protocol) = @_;

    my $is = labelled(server => 'main', location => "= $path");
    my $before = Heap::take($site);
    my $began = time();
    my $load = Profile::command('h2load', @protocol, '-c', 1, '-m', 1,
                                '-D', 280, 'http://127.0.0.1:'
                                           . $site->port($port) . $path);
    my $p = Profile::take_until($site, sub { sum($_[0]) > 0.5e9 }, seconds => 1);
    my @pauses = pauses_since($site, $began, 60, sub { @_ >= 10 }, sub {
        grep { /njs/ } @{ $_[0]{stack} };
    });
    Profile::end($load);
    my $after = Heap::take($site);
    is_mostly($p, 0.98, "njs: after a $name it is its request's", sub { 1 }, $is)
        or wrong($p);

    is_memory("njs: after a $name", $before, $after,
              [ sub { $_[0]{labels}{bytes} >= 300000 } ], $is);
    are_pauses("njs: after a $name", "= $path", @pauses);
}


sub none {
    my ($p, $name) = @_;

    is_mostly($p, 0.95, "$name: has no request", sub { 1 },
              labelled(state => 'other', location => undef)) or wrong($p);
}
