#!/usr/bin/perl

# The labels of what Lua does after it has waited: for a socket, a thread of its
# own, a sleep; over HTTP/1.1, HTTP/2 and, where nginx has it, HTTP/3.  Requests
# of all locations are served at once, and each location has a function of its
# own, whose name is on the stack: that tells whose work it is.

use strict;
use warnings;

use Test::More;
use Heap;
use Http3;
use Modules;
use Profile;
use Sampled;
use Site;
use Time::HiRes qw(time);
use Whose;

my ($no_http3) = Http3::missing();

my %waits = (
    socket => 'local s = ngx.socket.tcp()
               s:connect("127.0.0.1", PORT1)
               s:send("GET / HTTP/1.0\r\n\r\n")
               s:receive("*a") s:close()',
    thread => 'local t = ngx.thread.spawn(function () ngx.sleep(0.001) end)
               ngx.thread.wait(t)',
    sleep  => 'ngx.sleep(0.001)',
);

my $spawned = 'ngx.thread.wait(ngx.thread.spawn(function ()
                   ngx.sleep(0.001) later_within() end))';

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::lua_modules() ],
    handlers => $Profile::handlers,
    http     => <<'END'
    profiling_cpu_rate 1000;
    profiling_heap_rate 16k; profiling_budget off;
    profiling_pause_threshold 2ms;
    keepalive_requests 1000000;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;

    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "here\n"; }
    }

    init_by_lua_block {
        text = string.rep("x", 300000)
END
                . join('', map { burner($_) } keys %waits, 'within', 'timer')
                . "    }\n",
    server   => <<'END'
        listen 127.0.0.1:PORT2 http2;
END
                . ($no_http3 ? '' : "        listen 127.0.0.1:PORT3 quic;\n")
                . join('', map { location($_, "$waits{$_} later_$_()") }
                               sort keys %waits)
                . location('within', $spawned)
                . location('timer',
                           'ngx.timer.at(0, function () later_timer() end)'),
);

Profile::certificate($site);
$site->start;

my @paths = map { "/$_" } sort keys %waits, 'within', 'timer';

later('HTTP/1.1', sub { loaded(0, '--h1', '-c', 3) });
later('HTTP/2', sub { loaded(2, '-c', 1, '-m', 3) });

later('HTTP/3', sub { Profile::background(sub {
    my @all = (@paths) x 8;

    while (1) {
        my $client = Http3::opened($site->port(3), @all);
        until_true(60, sub { $client->answers >= @all });
        $client->end('INT');
    }
}) }) unless $no_http3;

$site->stop;

done_testing;


# a function that takes time, and memory in one piece, if that is a request's

sub burner {
    my $name = shift;

    my $said = $name eq 'timer' ? '' : 'ngx.print(text)';

    return <<"END";
        function later_$name()
            local x = 0
            for k = 1, 6000000 do x = x + k % 7 end
            $said
            return x
        end
END
}


sub location {
    my ($name, $code) = @_;

    return "        location = /$name { content_by_lua_block { $code } }\n";
}


sub loaded {
    my ($port, @options) = @_;

    return Profile::command('h2load', @options, '-D', 280,
                            map { 'http://127.0.0.1:' . $site->port($port) . $_ }
                            @paths);
}


sub later {
    my ($protocol, $load) = @_;

    my $before = Heap::take($site);
    my $began = time();
    my $client = $load->();
    my $p = Profile::take_until($site, sub {
        my $p = shift;
        return !grep { sum($p, in($_)) < 0.15e9 } @paths;
    }, seconds => 1);
    my @pauses = pauses_since($site, $began, 120, \&of_each);
    Profile::end($client);
    my $after = Heap::take($site);

    for my $path (@paths) {
        my $timer = $path eq '/timer';
        my $is = $timer ? labelled(state => 'other', location => undef)
                        : labelled(location => "= $path");

        is_mostly($p, 0.98, "$protocol, $path: CPU time", in($path), $is)
            or wrong($p, in($path));

        # a timer sends nothing, and many of them share a pass
        next if $timer;

        is_memory("$protocol, $path", $before, $after,
                  [ sub { $_[0]{labels}{bytes} >= 300000 }, in($path) ], $is);
        are_pauses("$protocol, $path", "= $path",
                   grep { grep { /$path\b/ } names($_) } @pauses);
    }
}


# whether the function of this path runs: it is called later_ and its name

sub in {
    my $name = 'later_' . substr $_[0], 1;

    return has(qr/\b$name\b/);
}


# the paths of the functions on the stack of a pause

sub names { return map { /\blater_(\w+)/ ? "/$1" : () } @{ $_[0]{stack} } }


# whether each request has had some

sub of_each {
    my %seen;

    $seen{$_}++ for map { names($_) } @_;

    return !grep { !/timer/ && ($seen{$_} // 0) < 5 } @paths;
}
