#!/usr/bin/perl

# A mixed load: TLS, gzip, a proxy, regular expressions compiled to machine
# code, static files, Lua.  How many stacks reach the thread's start, and how
# many samples have a location, and the right one.

use strict;
use warnings;

use Sanitized;
use Test::More;
use Site;
use Profile;
use Sampled;

# as many samples of what is no sanitizer's
my $seconds = $ENV{PROFILE_SECONDS} || (sanitized() ? 12 : 6);

my $http = <<'END';
    profiling_interval 1s;
    profiling_cpu_rate 250;
    keepalive_requests 1000000;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
    sendfile on;

    upstream back {
        server 127.0.0.1:PORT1;
        keepalive 8;
    }

    server {
        listen 127.0.0.1:PORT1;
        server_name back;
        root DIR/html;
        location / { }
    }
END

my $server = <<'END';
        listen 127.0.0.1:PORT2 ssl;
        listen 127.0.0.1:PORT3 ssl http2;

        location /gzip/ {
            gzip on;
            gzip_types *;
            gzip_comp_level 5;
            alias DIR/html/;
        }

        location /proxy/ {
            proxy_pass http://back/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }

        location = /regex {
            if ($args ~ "^(?:[a-z]+[0-9]*)+x=(?<value>\w+)$") {
                return 200 "$value\n";
            }
            return 200 "none\n";
        }

        location = /lua {
            content_by_lua_block {
                local t = {}
                for i = 1, 400 do t[#t + 1] = string.format("%05d", i * 7) end
                local s = table.concat(t, ",")
                for i = 1, 50 do ngx.md5(s) end
                ngx.say(ngx.md5(s))
            }
        }

        location /static/ { alias DIR/html/; }
END

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::lua_modules() ],
    noise    => qr/pcre2_match\(\) failed: -47/,
    handlers => $Profile::handlers,
    main     => 'pcre_jit on;',
    http     => $http,
    server   => $server,
);

Profile::certificate($site);

srand 1;
spew($site->dir . '/html/text',
     join '', map { sprintf "%x\n", rand 1 << 30 } 1 .. 4000);
spew($site->dir . '/html/small', "small\n");

$site->start;

# gives up after some 100,000 steps
my $regex = '/regex?' . 'a' x 15 . 'x=!';
my @workers = $site->workers;

my @loads = (
    Profile::command('h2load', '-c', 4, '-m', 4, '-D', 280,
                     '-H', 'accept-encoding: gzip', urls(3)),
    Profile::command('h2load', '--h1', '-c', 4, '-D', 280,
                     '-H', 'accept-encoding: gzip', urls(2)),
    load($site, { to => '127.0.0.1:' . $site->port }, paths()),
    # a handshake each
    Profile::command('bash', '-c', 'while :; do curl -sk -o /dev/null '
                     . 'https://127.0.0.1:' . $site->port(2)
                     . '/static/small; sleep 0.02; done'),
);

# functions of one location alone

my %own = (
    '/gzip/'   => [ 'deflate', 'deflateInit2_', 'crc32' ],
    '= /regex' => [ qr/^pcre2_match/, qr/^nginx_pcre/,
                    'ngx_http_script_regex_start_code' ],
    '= /lua'   => [ qr/^lua_/, 'ngx_md5_update' ],
    '/proxy/'  => [ 'ngx_event_pipe', 'ngx_http_upstream_create' ],
);

my $armed = Profile::armed($site, @workers);
my ($p, $before, $after);

# once more, where others left no time for all of them

ok(until_true(60, sub {
    $before = sampler($site);
    $p = Profile::take_measured($site, \@workers, seconds => $seconds,
                                armed => 1);
    $after = sampler($site);

    return !grep { !sum($p, owned($_)) } keys %own;
}), 'all of the load is in it');

close $armed;

Profile::end($_) for @loads;

is_valid($p, 'mixed load');
figures();
catastrophe();

$site->stop;

done_testing();


sub paths {
    return ('/gzip/text', '/proxy/text', $regex, '/static/text', '/lua',
            '/static/small');
}


sub urls {
    my $port = shift;

    return map { 'https://127.0.0.1:' . $site->port($port) . $_ } paths();
}


sub figures {
    my $start = share($p, \&thread_start);
    my $off = $p->{cpu} / $p->{spent} - 1;

    # what truly belongs to no request, or to none whose location is known
    my $none = sub { return $_[0]{labels}{state}
                            =~ /^(?:idle|accept|tls|read|keepalive)$/ };
    my $place = sub { return defined $_[0]{labels}{location} };
    my $served = sub {
        return (!$none->($_[0]) || $place->($_[0])) && !sanitizing($_[0]);
    };

    my ($right, $known) = (0, 0);

    for my $name (sort keys %own) {
        my $mine = owned($name);
        my $of = sum($p, $mine);
        my $is = sum($p, $mine, labelled(server => 'main',
                                         location => $name));

        is_mostly($p, 0.97, "$name is itself", $mine,
                  labelled(server => 'main', location => $name))
            or wrong($p, $mine);

        $known += $of;
        $right += $is;
    }

    diag(sprintf "%d samples, %.2f s of CPU time, of the workers %.2f s "
                 . "(%+.2f%%)\n"
                 . "to the thread's start %.2f%%, with [jit] %.1f%%\n"
                 . "of requests being served %.1f%%: with a location %.2f%%\n"
                 . "in functions of one location alone %.1f%%: right %.2f%%\n"
                 . "handler %.1f us a sample",
                 $p->{count}, $p->{cpu} / 1e9, $p->{spent} / 1e9, 100 * $off,
                 100 * $start, 100 * share($p, has(qr/^\[(?:luajit|pcre2-jit|jit)\]$/)),
                 100 * share($p, $served), 100 * share($p, $served, $place),
                 100 * $known / $p->{cpu}, 100 * $right / ($known || 1),
                 1e6 * ($after->{seconds} - $before->{seconds})
                 / ($after->{samples} - $before->{samples}));

    states();

    is_mostly($p, 0.995, '99.5% of the stacks reach the start', sub { 1 },
              \&thread_start)
        or ends();

    is_mostly($p, 0.98, '98% of what is served has a location', $served,
              $place)
        or nowhere($served, $place);
    is_mostly($p, 0.98, '98% have the right one',
              sub { my $s = shift; grep { owned($_)->($s) } keys %own },
              sub {
                  my $s = shift;
                  return grep { owned($_)->($s)
                                && ($s->{labels}{location} // '') eq $_ }
                         keys %own;
              });
    is_all_cpu($p, 'the sum is the CPU time of the workers');
}


sub owned {
    my $name = shift;

    return sub { my $s = shift; grep { has($_)->($s) } @{ $own{$name} } };
}


sub states {
    my %state;

    $state{ $_->{labels}{state}
            . (defined $_->{labels}{location} ? '' : ' (no location)') }
        += $_->{cpu} for @{ $p->{samples} };

    diag('states: ', join ', ', map { sprintf '%s %.1f%%', $_,
                                      100 * $state{$_} / $p->{cpu} }
                     sort { $state{$b} <=> $state{$a} } keys %state);
}


sub ends {
    my %ends;

    for my $s (grep { !thread_start($_) } @{ $p->{samples} }) {
        my @frames = @{ $s->{frames} };
        my $n = @frames < 4 ? $#frames : 3;
        $ends{ join ' < ', @frames[0 .. $n], '..', $frames[-1] }
            += $s->{count};
    }

    my @most = sort { $ends{$b} <=> $ends{$a} } keys %ends;

    diag(map { "$ends{$_} $_\n" } grep { defined } @most[0 .. 14]);
}


sub nowhere {
    my ($served, $place) = @_;

    my %leaf;

    for my $s (grep { $served->($_) && !$place->($_) } @{ $p->{samples} }) {
        my @frames = @{ $s->{frames} };
        my $n = @frames < 9 ? $#frames : 8;
        $leaf{ join ' < ', $s->{labels}{state}, @frames[0 .. $n] }
            += $s->{count};
    }

    my @most = sort { $leaf{$b} <=> $leaf{$a} } keys %leaf;

    diag(map { "$leaf{$_} $_\n" } grep { defined } @most[0 .. 19]);
}


# a pattern that backtracks without end: nginx gives up after some ms, so it
# is asked again and again

sub catastrophe {
    my $path = '/regex?' . 'a' x 40 . 'x=!';
    my $load = Profile::command('wrk', '-c', 2, '-t', 1, '-d', 280,
                                'http://127.0.0.1:' . $site->port . $path);
    my $jit = has('[pcre2-jit]');
    my $p = Profile::take_until($site, sub { sum($_[0], $jit) > 1e9 },
                                seconds => 2);

    Profile::end($load);

    is_mostly($p, 0.8, 'a bad pattern: it is machine code', sub { 1 }, $jit);
    is_mostly($p, 0.995, '... whose callers are found', $jit, \&thread_start);
    is_mostly($p, 0.98, '... one by one', $jit,
              has('ngx_http_script_regex_start_code'));
    is_mostly($p, 0.99, '... and the location', $jit,
              labelled(server => 'main', location => '= /regex'));
}
