package Loads;

# The sites that the benches ask, and what they are asked:
#
#   my $site = Loads::site(module => 0);
#   my $saw = Loads::ask($site, 'mixed', 1);
#
# "empty" is `return 200`, "mixed" one request in turn of: memory, a file of
# 14 KB, the same with gzip, the same from an upstream with keepalive.

use strict;
use warnings;

use Bench;
use Profile;
use Site;
use Test::More ();

my $number = 0;
my $base = $ENV{TEST_NGINX_PORT} || 22000 + $$ % 700 * 10;

# what the sites say of their end is for tests
Test::More->builder->output(\my $said);
Test::More->builder->no_ending(1);


# One worker, started.  Options are those of Site; profiling: directives of
# http, left out without the module; tls: it has a certificate.

sub site {
    my %o = @_;

    my $profiling = delete $o{profiling} // 'profiling_interval 1s;';
    my $http = delete $o{http} // '';
    my $server = delete $o{server} // '';
    my $module = $o{module} // 1;

    my $site = Site->new(
        workers  => 1,
        port     => $base + 10 * $number++ % 3000,
        level    => 'error',
        connections => 1024,
        handlers => $module ? $Profile::handlers : '',
        seconds  => 60,
        %o,
        module   => $module,
        http     => ($module ? $profiling : '') . <<"END",
    keepalive_requests 100000000;
    keepalive_timeout 600s;
    upstream back { server 127.0.0.1:PORT1; keepalive 32; }
    server { listen 127.0.0.1:PORT1; location / { alias DIR/html/; } }
    $http
END
        server   => <<"END",
        location = /empty { return 200 "ok"; }
        location /static/ { alias DIR/html/; }
        location /gzip/ { gzip on; gzip_types *; alias DIR/html/; }
        location /proxy/ { proxy_pass http://back/; proxy_http_version 1.1;
                           proxy_set_header Connection ""; }
        $server
END
    );

    spew($site->dir . '/html/text', join '', map { "line $_\n" } 1 .. 1500);
    spew($site->dir . '/mixed.lua', <<'END');
local paths = { "/empty", "/static/text", "/gzip/text", "/proxy/text" }
local i = 0

wrk.headers["Accept-Encoding"] = "gzip"

request = function()
    i = i % 4 + 1
    return wrk.format("GET", paths[i])
end
END

    Profile::certificate($site) if $site->{tls};

    $site->{wrapper} = [ map { s/DIR/$site->dir/er }
                         @{ $site->{wrapper} || [] } ];

    return $site->start;
}


# those that do the work

sub pids {
    my $site = shift;

    return $site->{workers} ? $site->workers : $site->{pid};
}


# By 16 clients, in so many seconds: {requests}; {rate}, of them a second; {us},
# CPU time of the workers for one; {p99}, us.

sub ask {
    my ($site, $load, $seconds) = @_;

    my @pids = pids($site);
    my $url = 'http://127.0.0.1:' . $site->port;
    my $ns = Profile::cpu_ns(@pids);
    my $said = run('wrk', '--latency', '-t1', '-c16', "-d${seconds}s",
                   $load eq 'mixed' ? ('-s', $site->dir . '/mixed.lua', $url)
                                    : "$url/$load");

    $ns = Profile::cpu_ns(@pids) - $ns;

    my ($rate) = $said =~ m{Requests/sec:\s+([\d.]+)} or die $said;
    my ($n) = $said =~ /(\d+) requests in/;
    my ($p99, $unit) = $said =~ /99%\s+([\d.]+)(us|ms|s)/;

    die "no request was answered: $said" if !$n;
    die "not all answers are as they should be: $said"
        if $said =~ /Non-2xx/;

    return { rate => $rate, us => $ns / 1e3 / $n, requests => $n,
             p99 => $p99 * { us => 1, ms => 1e3, s => 1e6 }->{$unit} };
}


# A capture that goes on until its connection is closed; nothing is encoded.

sub capture {
    my ($site, $what) = @_;

    my $s = $site->connect or die "connect() failed: $!\n";

    print $s "GET /debug/pprof/$what?seconds=60 HTTP/1.1\r\n"
             . "Host: main\r\n\r\n";
    $s->flush;
    Time::HiRes::sleep(0.1);

    return $s;
}


1;
