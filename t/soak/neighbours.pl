#!/usr/bin/perl

# make neighbours: every module that the distribution has here, in one nginx
# under valgrind's memcheck, with each allocation and each millisecond of CPU
# time looked at: load on all of them, a reload and a kill -9 in turn, and
# captures all the time.  A finding counts if a function of the module is in its
# stack; no worker dies that was not killed.  With SANITIZE=address,undefined
# and a BUILD of its own it is the module itself that is instrumented.
#
# NEIGHBOURS_SECONDS: how long, 600.  NEIGHBOURS_REPORT: a file for what was
# done.  OTHER_MODULES: where the modules are.

use strict;
use warnings;

use Fault;
use Memcheck qw(findings);
use Modules;
use Sanitized;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{NEIGHBOURS_SECONDS} || 600;
my $turn = 30;

# those that need others go after them
my @first = qw(ndk_http_module ngx_stream_module ngx_mail_module);

# what each module is asked by, where it is there
my %server = (
    ngx_http_js_module => <<'END',
        location = /js/fetch { js_content own.fetch; }
        location = /js/timer { js_content own.timer; }
        location = /js/sub { js_content own.sub; }
END
    ngx_http_lua_module => <<'END',
        location = /lua/capture { content_by_lua_block {
            local r = ngx.location.capture("/behind/lua")
            ngx.print(r.body)
        } }
        location = /lua/socket { content_by_lua_block {
            local s = ngx.socket.tcp()
            s:connect("127.0.0.1", PORT1)
            s:send("GET /lua HTTP/1.0\r\n\r\n")
            ngx.print(s:receive("*a"))
            s:close()
        } }
        location = /lua/timer { content_by_lua_block {
            ngx.timer.at(0.001, function() return string.rep("x", 1e4) end)
            ngx.sleep(0.002)
            ngx.say("slept")
        } }
END
    ngx_http_perl_module => <<'END',
        location = /perl { perl 'sub {
            my $r = shift;
            $r->send_http_header("text/plain");
            $r->print("x" x 1000);
            return OK;
        }'; }
END
    ngx_http_echo_module => <<'END',
        location = /echo { echo_location /behind/1; echo_location_async /gzip/page.txt;
                           echo_sleep 0.002; echo done; }
END
    ngx_nchan_module => <<'END',
        location = /nchan/pub { nchan_publisher; nchan_channel_id test; }
        location = /nchan/sub { nchan_subscriber longpoll;
                                nchan_subscriber_timeout 1;
                                nchan_channel_id test; }
END
    ngx_http_brotli_filter_module => <<'END',
        location /brotli/ { alias DIR/html/; brotli on; brotli_types *; }
END
    ngx_http_modsecurity_module => <<'END',
        location /security/ {
            modsecurity on;
            modsecurity_rules '
                SecRuleEngine On
                SecRule ARGS "@contains attack" "id:1,phase:2,deny,status:403"
            ';
            alias DIR/html/;
        }
END
    ngx_http_subs_filter_module => <<'END',
        location /subs/ { alias DIR/html/; subs_filter line column; }
END
    ngx_http_headers_more_filter_module => <<'END',
        location = /more { more_set_headers "X-More: yes"; return 200 more; }
END
    ngx_http_srcache_filter_module => <<'END',
        location = /cached { srcache_fetch GET /behind/c; proxy_pass http://127.0.0.1:PORT1; }
END
    ngx_http_fancyindex_module => <<'END',
        location /index/ { alias DIR/html/; fancyindex on; }
END
);

my %paths = (
    ngx_http_js_module => [qw(/js/fetch /js/timer /js/sub)],
    ngx_http_lua_module => [qw(/lua/capture /lua/socket /lua/timer)],
    ngx_http_perl_module => ['/perl'],
    ngx_http_echo_module => ['/echo'],
    ngx_nchan_module => [qw(/nchan/pub /nchan/sub)],
    ngx_http_brotli_filter_module => ['/brotli/page.txt'],
    ngx_http_modsecurity_module => [qw(/security/page.txt
                                       /security/page.txt?a=attack)],
    ngx_http_subs_filter_module => ['/subs/page.txt'],
    ngx_http_headers_more_filter_module => ['/more'],
    ngx_http_srcache_filter_module => ['/cached'],
    ngx_http_fancyindex_module => ['/index/'],
);

my $where = $ENV{OTHER_MODULES} || '/usr/lib/nginx/modules';
my %rank = map { $first[$_] => $_ - @first } 0 .. $#first;
my @names = sort { ($rank{$a} // 0) <=> ($rank{$b} // 0) || $a cmp $b }
            map { m{([^/]+)\.so$} } grep { !/profiling/ } glob "$where/*.so";
my %there = map { $_ => 1 } @names;

plan(skip_all => "no modules in $where") unless @names;

my $n = Fault->new(
    name      => 'neighbours',
    ports     => 3,
    timeout   => 60,
    modules   => [ map { "$where/$_.so" } @names ],
    profiling => 'profiling_interval 1s; profiling_heap_rate 1;'
                 . ' profiling_cpu_rate 1000;',
    main      => $there{ngx_rtmp_module} ? <<'END' : '',
rtmp { server { listen 127.0.0.1:PORT3; application live { live on; } } }
END
    http      => ($there{ngx_http_js_module} ? <<'END' : '') . <<'END2',
    js_path DIR/;
    js_import own.js;
END
    gzip_types *;
    keepalive_requests 100000;
    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "from behind\n"; }
    }
END2
    server    => join('', map { $server{$_} // '' } @names) . <<'END',
        listen 127.0.0.1:PORT2 http2;
        location /debug/pprof/ { profiling_pprof; }
        location /behind/ { proxy_pass http://127.0.0.1:PORT1; }
        location /gzip/ { alias DIR/html/; gzip on; gzip_min_length 1; }
        location = /authorized { internal; proxy_pass http://127.0.0.1:PORT1; }
        location /auth/ { auth_request /authorized; alias DIR/html/;
                          gzip on; gzip_min_length 1; }
        location /ssi/ { alias DIR/html/; ssi on; ssi_types *; }
        location /added/ { alias DIR/html/; add_before_body /behind/a;
                           add_after_body /auth/page.txt; addition_types *; }
        location /mirror/ { mirror /behind/m; alias DIR/html/; }
END
);

my @paths = ('/auth/page.txt', '/ssi/ssi.txt', '/added/page.txt',
             '/mirror/page.txt', '/behind/x', '/none',
             map { @{ $paths{$_} // [] } } @names);

report("beside @names");

Fault::spew($n->dir . '/html/page.txt', "line of a page\n" x 200);
Fault::spew($n->dir . '/html/ssi.txt', <<'END');
<!--# include virtual="/behind/s" --> <!--# include virtual="/auth/page.txt" -->
END
Fault::spew($n->dir . '/own.js', <<"END");
async function fetch(r) {
    let reply = await ngx.fetch("http://127.0.0.1:@{[ $n->port(1) ]}/");
    let text = await reply.text();
    r.return(200, text);
}
function timer(r) {
    setTimeout(() => r.return(200, "x".repeat(1000)), 2);
}
function sub(r) {
    r.subrequest("/behind/js", (reply) => r.return(200, reply.responseText));
}
export default { fetch, timer, sub };
END

$n->{wrapper} = ['valgrind', '--tool=memcheck', '--leak-check=no',
                 '--num-callers=20', '--error-exitcode=0',
                 '--suppressions=t/fault/valgrind.supp',
                 '--log-file=' . $n->dir . '/valgrind.%p'] unless sanitized();

$n->start(seconds => 120);

my $end = time + $seconds;
my %killed;

for my $to (map { 'http://127.0.0.1:' . $n->port($_) } 0, 2) {
    for my $which (0, 1) {
        my @mine = map { "$to$_" } $which ? reverse @paths : @paths;

        Fault::background(sub {
            run_command('h2load', $to =~ /:@{[ $n->port ]}$/ ? '--h1' : (),
                        '-c', 2, '-n', 20 * @mine, '-N', 10,
                        '-H', 'Accept-Encoding: gzip, br', @mine)
                while time < $end;
        });
    }
}

my @endpoints = ('/api/profiling/goroutines', '/api/profiling/memory',
                 '/api/profiling/gc', '/metrics', '/debug/pprof/block',
                 '/debug/pprof/mutex', '/debug/pprof/profile?seconds=3',
                 '/debug/pprof/trace?seconds=1', '/debug/pprof/heap',
                 '/debug/pprof/goroutine');
my $answers = $n->dir . '/answers';

Fault::background(sub {
    while (time < $end) {
        for my $path (@endpoints) {
            my $r = $n->get($path, timeout => 60);

            open my $fh, '>>', $answers or die "$answers: $!\n";
            print $fh "$path ", $r->{status} // 'none', "\n";
        }
    }
}) for 1 .. 2;

my ($reloads, $kills) = (0, 0);

while (time + $turn < $end) {
    sleep $turn;

    if ($reloads <= $kills) {
        $reloads += $n->signal('HUP');

    } else {
        my ($pid) = grep { $_ ne 'master' } Fault::children($n->{pid});

        if ($pid) {
            $killed{$pid} = 1;
            $kills += kill 'KILL', $pid;
        }
    }
}

sleep 1 while time < $end;

report($n->api('metrics')->{metrics}{requests}{total} . ' requests');

ok($n->stop('TERM', 120), 'nginx ends') or diag($n->log);

my $log = $n->log;
my @died = $log =~ /^.*exited on signal (?!9\b|15\b)\d+.*$/mg;
my @findings = sanitized()
               ? grep { /ngx_prof_(?!test)|profiling_module\.so/ }
                 map { slurp($_) } glob "$ENV{SANITIZER_REPORTS}/*"
               : map { findings($_) } glob $n->dir . '/valgrind.*';
my %got = map { my $p = $_; $p => scalar(() = slurp($answers)
                                               =~ /^\Q$p\E 200$/mg) }
          @endpoints;

report("$reloads reloads, $kills kills");
cmp_ok($reloads, '>', 0, 'it was reloaded');
is("@died", '', 'no worker has died but those that were killed');
is(join(' ', grep { !$got{$_} } @endpoints), '', 'all endpoints have answered');
report("$_: $got{$_} answers") for @endpoints;
report(@findings . ' findings, ' . @died . ' workers have died');
is_deeply(\@findings, [], 'nothing is found in the module')
    or diag(join "\n", @findings);

done_testing();


sub report {
    my $line = shift;

    diag($line);

    if (my $path = $ENV{NEIGHBOURS_REPORT}) {
        open my $fh, '>>', $path or die "open() \"$path\" failed: $!\n";
        print $fh "$line\n";
    }
}
