#!/usr/bin/perl

# A tree of the module is found without the slash at its end: if a handler's
# location ends in a slash, nginx redirects to it; no other location does.

use strict;
use warnings;

use Test::More;
use Profile;
use Site;

my $site = Site->new(
    http   => <<'END',
    profiling_interval 100ms;
    server {
        listen 127.0.0.1:PORT1;
        server_name off;
        absolute_redirect off;
        location /debug/pprof/ { profiling_pprof; }
        location /api/profiling/ { profiling_api; }
    }
    server {
        listen 127.0.0.1:PORT2;
        server_name named;
        server_name_in_redirect on;
        port_in_redirect off;
        location /debug/pprof/ { profiling_pprof; }
    }
    server {
        listen 127.0.0.1:PORT3;
        server_name main;
        location /open { profiling_pprof; }
        location = /exact/ { profiling_api; }
        location ~ ^/regex/ { profiling_api; }
        location /static/ { return 204; }
        location /set/ {
            if ($arg_x) { set $y 1; }
            profiling_api;
        }
        location /outer/ {
            profiling_api;
            location /outer/inner/ { profiling_pprof; }
        }
        location ^~ /caret/ { profiling_pprof; }
        location /text/ { profiling_prometheus; }
        location / { return 418; }
    }
END
    handlers => '        location /debug/pprof/ { profiling_pprof; }
        location /api/profiling/ { profiling_api; }
        location = /counts { profiling_api; }
',
);

$site->start;

my ($port, $off, $named, $others) = map { $site->port($_) } 0 .. 3;

for my $tree ('/debug/pprof', '/api/profiling') {
    leads($port, $tree, "http://main:$port$tree/");
    leads($port, "$tree?debug=1&x=%2F", "http://main:$port$tree/?debug=1&x=%2F");
    leads($off, $tree, "$tree/");
    leads($off, "$tree?debug=1", "$tree/?debug=1");
}

leads($named, '/debug/pprof?a', 'http://named/debug/pprof/?a');
leads($others, $_, "http://main:$others$_/")
    for qw(/set /outer /outer/inner /caret /text);
leads($others, '/set?x=1', "http://main:$others/set/?x=1");

# it is followed to what was meant
is($site->request('/debug/pprof/')->{status}, 200, 'the tree itself answers');

for my $path (qw(/debug /debug/pprofile /api /api/profilin)) {
    is($site->request($path)->{status}, 404, "$path leads nowhere");
}

is(asked($others, $_)->{status}, 418, "$_ is another location's")
    for qw(/exact /regex /static);
is(asked($others, '/open')->{status}, 404, '/open has no slash to lead to');

# as other requests that handlers serve
is_deeply(counted('off'), {}, 'redirects are not counted');

$site->stop;

done_testing;


sub asked {
    my ($to, $path) = @_;

    return $site->request($path, to => "127.0.0.1:$to");
}


sub leads {
    my ($to, $path, $target) = @_;

    my $got = asked($to, $path);

    is("$got->{status} " . ($got->{headers}{location} // '-'), "301 $target",
       "$to: $path");
}


# location => requests, of one server

sub counted {
    my $server = shift;

    return { map { $_->{location} // '-' => $_->{requests} }
             grep { ($_->{server} // '') eq $server && $_->{requests} }
             @{ $site->json('locations')->{locations} } };
}
