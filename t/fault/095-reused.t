#!/usr/bin/perl

# Stale memory of a request is not a request: a kept-alive client asks for a
# page with a proxied subrequest, then for one in which another module has a
# connection of its own, whose data takes the subrequest's place.  Every
# allocation, and every tick of a fast clock, looks for the request.

use strict;
use warnings;

use Test::More;
use Modules;
use Profile;
use Site;

my $njs = Modules::other('/usr/lib/nginx/modules/ngx_http_js_module.so');

plan(skip_all => 'no njs: apt-get install libnginx-mod-http-js')
    unless -e $njs;

my $asked = 4000;

my $site = Site->new(
    workers  => 1,
    modules  => [ $njs ],
    handlers => $Profile::handlers,
    http     => <<'END',
    profiling_heap_rate 1; profiling_budget off;
    profiling_cpu_rate 1000;
    keepalive_requests 1000000;
    js_path DIR/;
    js_import own.js;

    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "behind\n"; }
    }
END
    server   => <<'END',
        location = /subrequest {
            auth_request /authorized;
            try_files /here =404;
        }
        location = /authorized {
            internal;
            proxy_pass http://127.0.0.1:PORT1;
        }
        location = /own { js_content own.own; }
END
);

spew($site->dir . '/own.js', $site->expand(<<'END'));
async function own(r) {
    let reply = await ngx.fetch("http://127.0.0.1:PORT1/");
    let text = await reply.text();
    r.return(200, text);
}
export default { own };
END
spew($site->dir . '/html/here', "here\n");

$site->start;

my @pids = $site->workers;
my $to = 'http://127.0.0.1:' . $site->port;

is($site->request('/own')->{body}, "behind\n", 'a module asks for itself');
is($site->request('/subrequest')->{body}, "here\n", '... and a subrequest');

my $profile = Profile::command('curl', '-s', '-o', $site->dir . '/profile',
                               "$to/debug/pprof/profile?seconds=2");
my $said = run('h2load', '--h1', '-n', $asked, '-c', 8, "$to/subrequest",
               "$to/own");

like($said, qr/ \Q$asked\E succeeded/, "all of $asked requests are answered")
    or diag($said);
is_deeply([ $site->workers ], \@pids, '... by the same worker');
unlike($site->log, qr/exited on signal/, '... which has not died');

Profile::end($profile);

$site->stop;

done_testing();
