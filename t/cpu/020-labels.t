#!/usr/bin/perl

# The labels of CPU time: server, location, upstream and state, shown by
# functions that only one location calls, on every path by which requests reach
# it.

use strict;
use warnings;

use Test::More;
use Site;
use Profile;
use Sampled;

# burns, in the order of the locations
my @functions = qw(one_cfi three_cfi deep_cfi one_fp three_fp deep_fp
                   one_nocfi three_nocfi deep_nocfi);

my %place = (
    one_cfi     => '= /exact',
    three_cfi   => '/prefix/',
    deep_cfi    => '~ ^/regex/(\d+)$',
    one_fp      => '/outer/inner',
    three_fp    => '@named',
    deep_fp     => '= /error-page',
    one_nocfi   => '= /rewritten',
    three_nocfi => '= /accelerated',
    deep_nocfi  => '/if',
);

my @paths = qw(/exact /prefix/a /regex/17 /outer/inner /try /error /rewrite
               /accel /if?x=1);

my $rounds = 3000000;

# of each function before it is judged: 40 samples of a kernel of 250 Hz
my $enough = 0.16e9;

# all take the same time: three() has three times the rounds

sub burn {
    my $n = $_[0] =~ /^three/ ? $rounds / 3 : $rounds;

    return 'profiling_test ' . $_[0] =~ s/_cfi$//r . " $n;";
}

my $server = <<"END" . <<'END';
        location = /exact { @{[ burn('one_cfi') ]} }
        location /prefix/ { @{[ burn('three_cfi') ]} }
        location ~ ^/regex/(\\d+)\$ { @{[ burn('deep_cfi') ]} }
        location /outer/ {
            return 204;
            location /outer/inner { @{[ burn('one_fp') ]} }
        }
        location \@named { @{[ burn('three_fp') ]} }
        location = /error-page { internal; @{[ burn('deep_fp') ]} }
        location = /rewritten { @{[ burn('one_nocfi') ]} }
        location = /accelerated { internal; @{[ burn('three_nocfi') ]} }
        location /if {
            if (\$arg_x) { @{[ burn('deep_nocfi') ]} }
        }
END
        location /try { try_files /nonexistent @named; }
        location /error { error_page 404 = /error-page; return 404; }
        location /rewrite { rewrite ^ /rewritten last; }
        location /accel { proxy_pass http://127.0.0.1:PORT1; }

        location = /echo {
            echo_location /exact;
            echo_location /prefix/sub;
        }
        location = /added {
            add_before_body /outer/inner;
            add_after_body /rewritten;
            addition_types *;
            return 200 "added\n";
        }

        listen 127.0.0.1:PORT2 ssl;
        listen 127.0.0.1:PORT3 ssl http2;
END

my $http = <<'END';
    profiling_interval 1s;
    profiling_cpu_rate 1000;
    keepalive_requests 1000000;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;

    server {
        listen 127.0.0.1:PORT1;
        server_name application;
        location / { add_header X-Accel-Redirect /accelerated; return 200; }
        location /large { root DIR/html; }
    }

    upstream back {
        server 127.0.0.1:PORT;
        keepalive 8;
    }

    upstream files {
        server 127.0.0.1:PORT1;
        keepalive 8;
    }

    server {
        listen 127.0.0.1:PORT4;
        server_name front;

        proxy_http_version 1.1;
        proxy_set_header Connection "";

        location / { proxy_pass http://back; }
        location /large {
            proxy_pass http://files;
            gzip on;
            gzip_types *;
            gzip_comp_level 1;
        }
    }
END

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module(),
                  "$Profile::modules/ngx_http_echo_module.so",
                  Profile::lua_modules() ],
    handlers => $Profile::handlers,
    http     => $http,
    server   => $server,
);

Profile::certificate($site);

srand 1;
spew($site->dir . '/html/large',
     join '', map { sprintf "%x\n", rand 1 << 30 } 1 .. 40000);

$site->start;

http_1();
h2load('HTTP/1.1 with TLS', 2, '--h1');
h2load('HTTP/2', 3);
proxy();
upstream();
subrequests();
generations();

$site->stop;

done_testing();


# profiles until there is enough of each function

sub taken {
    my @burning = map { has("profiling_test_$_") } @_;

    return Profile::take_until($site, sub {
        my $p = shift;
        return !grep { sum($p, $_) < $enough } @burning;
    });
}


sub all_places { places(@_[0 .. 2], @functions) }


sub places {
    my ($p, $name, $least, @burning) = @_;
    for my $f (@burning) {
        is_mostly($p, $least || 0.98, "$name: $place{$f}",
                  has("profiling_test_$f"),
                  labelled(server => 'main', location => $place{$f}))
            or wrong($p, has("profiling_test_$f"));
    }

    is_mostly($p, 0.995, "$name: all places",
              sub { grep { has("profiling_test_$_")->($_[0]) } @burning },
              sub {
                  my ($f) = grep { has("profiling_test_$_")->($_[0]) } @burning;
                  return labelled(server => 'main',
                                  location => $place{$f})->($_[0]);
              });
}


sub http_1 {
    my @loads = map { load($site, @paths) } 1 .. 2;
    my $p = taken(@functions);

    Profile::end($_) for @loads;

    is_valid($p, 'labels');
    all_places($p, 'HTTP/1.1');

    is_mostly($p, 0.98, 'handlers are in the phases of their requests',
              has(qr/^profiling_test/), labelled(state => 'phase'))
        or wrong($p, has(qr/^profiling_test/));
}


sub h2load {
    my ($name, $port, @args) = @_;

    my $load = Profile::command('h2load', @args, '-c', 2, '-m', @args ? 1 : 8,
                                '-D', 280,
                                map { "https://127.0.0.1:"
                                      . $site->port($port) . $_ } @paths);
    my $p = taken(@functions);

    Profile::end($load);

    all_places($p, $name);
}


# the same locations behind a proxy in the same workers

sub proxy {
    my $to = '127.0.0.1:' . $site->port(4);
    my @loads = map { load($site, { to => $to }, @paths) } 1 .. 2;
    my $p = taken(@functions);

    Profile::end($_) for @loads;

    all_places($p, 'proxied');
}


# what the proxy itself does with answers, by functions that only it calls

sub upstream {
    my $to = '127.0.0.1:' . $site->port(4);
    my $load = Profile::command('wrk', '-c', 4, '-t', 1, '-d', 280,
                                '-H', 'Accept-Encoding: gzip',
                                "http://$to/large");
    # the server behind the proxy has little to do: until it was seen

    my $p = Profile::take_until($site, sub {
        my $p = shift;
        return sum($p, labelled(server => 'application'))
               && !grep { sum($p, has($_)) < 3 * $enough }
                   qw(deflate ngx_event_pipe);
    }, seconds => 2);

    Profile::end($load);

    for my $f ('deflate', 'ngx_event_pipe') {
        is_mostly($p, 0.98, "$f() has its location", has($f),
                  labelled(server => 'front', location => '/large'))
            or wrong($p, has($f));

        # the end of an answer is made when the upstream is done with

        is_mostly($p, 0.9, '... and its upstream', has($f),
                  labelled(upstream => 'files')) or wrong($p, has($f));
    }

    is_mostly($p, 0.95, '... and in that state', has('ngx_event_pipe'),
              labelled(state => 'upstream'))
        or wrong($p, has('ngx_event_pipe'));

    is_mostly($p, 0.98, 'the server behind it has none',
              labelled(server => 'application'), labelled(upstream => undef))
        or wrong($p, labelled(server => 'application'));
}


sub subrequests {
    my @burning = qw(one_cfi three_cfi one_fp one_nocfi);
    my @loads = map { load($site, '/echo', '/added') } 1 .. 2;
    my $p = taken(@burning);

    Profile::end($_) for @loads;

    places($p, 'a subrequest', 0.98, @burning);

    # streams have a connection in common, and subrequests too

    my $load = Profile::command('h2load', '-c', 2, '-m', 4, '-D', 280,
                                map { "https://127.0.0.1:"
                                      . $site->port(3) . $_ }
                                qw(/echo /added));
    $p = taken(@burning);
    Profile::end($load);

    places($p, 'a subrequest of a stream', 0.98, @burning);
}


# a long request keeps a worker of the old configuration, in which other
# locations have the same numbers

sub generations {
    my @old = $site->workers;

    # until it is told to end

    $site->write(server => $server . <<'END');
        location = /long {
            content_by_lua_block {
                local x, over = 0, nil
                repeat
                    for k = 1, 2000000 do x = x + k % 7 end
                    ngx.sleep(0.003)
                    over = io.open("DIR/over")
                until over
                over:close()
                ngx.say(x)
            }
        }
END

    kill 'HUP', $site->{pid};
    ok(new_workers(@old), 'new workers, with a long request');

    my %first = map { $_ => 1 } $site->workers;
    my $before = cpu_ns(keys %first);
    my $long = Profile::background(sub {
        $site->request('/long', seconds => 60)->{body};
    });
    until_true(60, sub { cpu_ns(keys %first) - $before > 0.1e9 });

    $site->write(server => <<"END");
        location = /another { return 204; }
        location = /new { @{[ burn('three_cfi') ]} }
        location = /one-more { return 204; }
END

    kill 'HUP', $site->{pid};
    until_true(60, sub { (grep { !$first{$_} } $site->workers) == 2 });

    my $old = sub { return $first{ $_[0]{labels}{pid} } };
    my $new = sub { return !$first{ $_[0]{labels}{pid} } };
    my @loads = map { load($site, '/new') } 1 .. 2;
    my $p = Profile::take_until($site, sub {
        my $p = shift;
        return !grep { sum($p, $_) < 2 * $enough }
                $old, has('profiling_test_three_cfi');
    }, seconds => 2);

    Profile::end($_) for @loads;
    spew($site->dir . '/over', '');

    like(Profile::finish($long) // '', qr/^\d+$/,
         'the old worker ends what it does');
    ok(until_true(60, sub { $site->workers == 2 }), '... and then itself');

    cmp_ok(sum($p, $old), '>', 0.3e9, 'a draining worker is profiled too');
    is_mostly($p, 0.9, '... with the location it had', $old,
              labelled(server => 'main', location => '= /long'))
        or wrong($p, $old);
    cmp_ok(share($p, has('profiling_test_three_cfi'), $new) // 0, '==', 1,
           'the new ones are the others');
    is_mostly($p, 0.9, '... with the new location', $new,
              labelled(server => 'main', location => '= /new'))
        or wrong($p, $new);
}


sub new_workers {
    my %old = map { $_ => 1 } @_;

    return until_true(60, sub {
        my @now = $site->workers;
        return @now == 2 && !grep { $old{$_} } @now;
    });
}
