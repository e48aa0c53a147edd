#!/usr/bin/perl

# A trace agrees with what was sent: every request of a mixed load once, as
# long as nginx's own log says, with its waits and its phases; and Go's tools
# agree.

use strict;
use warnings;

use Json;
use List::Util qw(sum0 max min);
use Sanitized;
use Test::More;
use Site;
use Profile;
use Trace qw(read_trace tool have_go requests traced);

my @echo = map { "$Profile::modules/$_" } 'ngx_http_echo_module.so';

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module(), @echo ],
    handlers => $Profile::handlers,
    access   => 'DIR/access.log timed',
    http     => <<'END',
    log_format timed '$request_time $status $body_bytes_sent $request_uri';
    profiling_interval 100ms;
    ssl_certificate DIR/tls.crt;
    ssl_certificate_key DIR/tls.key;
    limit_req_zone $server_name zone=slow:64k rate=4r/s;
    upstream backend { server 127.0.0.1:PORT1; keepalive 4; }

    server {
        listen 127.0.0.1:PORT1;
        server_name behind;
        access_log off;
        location /quick { return 200 "quick\n"; }
        location /late { echo_sleep 0.3; echo late; }
        location /accel {
            add_header X-Accel-Redirect /internal;
            return 200 "";
        }
        location /drip/ { limit_rate 2000; alias DIR/html/; }
    }
END
    server => <<'END',
        location = /return { return 200 "hello\n"; }
        location = /static.txt { }
        location = /busy { profiling_test one 40000000; }
        location = /blocked { profiling_test wait_usleep 20; }
        location /proxy/ { proxy_pass http://backend/quick; proxy_http_version 1.1;
                           proxy_set_header Connection ""; }
        location = /late { proxy_pass http://backend/late; }
        location = /drip { proxy_pass http://backend/drip/large; }
        location = /accel { proxy_pass http://backend/accel; }
        location = /internal { internal; return 200 "inside\n"; }
        location = /rewritten { return 204; }
        location /rewrite { rewrite ^ /rewritten last; }
        location = /delayed { limit_req zone=slow burst=20; try_files /static.txt =404; }
        location = /subs { echo_location /return; echo_location /proxy/x; }
        location = /missing { return 404; }
        listen 127.0.0.1:PORT2 ssl;
        listen 127.0.0.1:PORT3 ssl http2;
END
);

Profile::certificate($site);
Site::spew($site->dir . '/html/static.txt', 'x' x 1000);
Site::spew($site->dir . '/html/large', 'x' x 3000);
chmod 0644, $site->dir . '/html/large', $site->dir . '/html/static.txt';
$site->start;

# what is sent: location, path, how often
my @sent = (
    ['= /return', '/return', 40], ['= /static.txt', '/static.txt', 11],
    ['/proxy/', '/proxy/a', 12], ['= /late', '/late', 3],
    ['= /drip', '/drip', 2], ['= /internal', '/accel', 4],
    ['= /rewritten', '/rewrite', 5], ['= /delayed', '/delayed', 3],
    ['= /subs', '/subs', 6], ['= /missing', '/missing', 7],
    ['= /busy', '/busy', 3], ['= /blocked', '/blocked', 2],
);

my (%trace, %took);

taken('format=go', sub { load_all() });
taken('format=perfetto', sub { load_all() });

go_tool();
viewer();
filters();
existing();

$site->stop;

done_testing();


sub load_all {
    my @children;
    my $at = sub {
        my $code = shift;
        push @children, Profile::background(sub { $code->(); return 'done' });
    };

    # kept connections, one after the other, and one for each
    $at->(sub {
        my $s = $site->connect;
        Profile::ask($s, ('/return') x 10, undef);
        Profile::ask($s, ('/proxy/a') x 12, undef);
        Profile::ask($s, ('/static.txt') x 11, undef);
        Profile::ask($s, ('/rewrite') x 5, undef);
    });
    $at->(sub { $site->request('/accel') for 1 .. 4;
                $site->request('/missing') for 1 .. 7;
                $site->request('/subs') for 1 .. 6;
                $site->request('/busy') for 1 .. 3;
                $site->request('/blocked') for 1 .. 2 });
    $at->(sub { $site->request('/late') for 1 .. 3 });
    $at->(sub { $site->request('/drip') for 1 .. 2 });

    # three at once, of which two are held up
    for (1 .. 3) { $at->(sub { $site->request('/delayed') }) }

    # TLS, and HTTP/2
    $at->(sub {
        run('curl', '-sk', '-o', '/dev/null',
            'https://127.0.0.1:' . $site->port(2) . '/return') for 1 .. 10;
        run('h2load', '-n', 20, '-c', 2, '-m', 5,
            'https://127.0.0.1:' . $site->port(3) . '/return');
    });

    Profile::finish($_) for @children;
}


sub taken {
    my ($query, $load) = @_;

    my ($data, $log) = traced($site, "seconds=3.5&$query", $load);
    $trace{$query} = $data;

    return perfetto($data, $log) if $query =~ /perfetto/;

    my $t = eval { read_trace($data) };
    ok($t, "$query: a load of all kinds is a valid trace") or return diag($@);

    my $longest = $site->json('metrics')->{metrics}{event_loop}{latency}{max};

    for my $sent (@sent) {
        my ($location, $path, $n) = @$sent;

        my @g = requests($t, "GET $location");
        my @l = grep { $_->[3] eq $path } @$log;

        is(scalar @g, $n, "$query: $path: each request is told of once");
        is(scalar @l, $n, '... as nginx logged it');

        is_deeply([sort map { @{ $_->{logs}{status} || [] } } @g],
                  [sort map { $_->[1] } @l], '... with its status');

        # nginx's clock stands still while a request runs, and while others
        # hold up the pass that it begins in
        my @took = sort { $a->[0] <=> $b->[0] }
                   map { [($_->{ended} - $_->{created}) / 1e9,
                          sum0(map { $_->[1] - $_->[0] } @{ $_->{slices} })
                          / 1e9] } @g;
        my @time = sort { $a <=> $b } map { $_->[0] } @l;
        my @off = grep { my ($all, $ran) = @{ $took[$_] };
                         $all > 1.05 * $time[$_] + .005 + $ran
                         || $all < 0.95 * $time[$_] - .005 - $longest }
                  0 .. min($#took, $#time);
        is_deeply([map { "@{ $took[$_] } $time[$_]" } @off], [],
                  '... and took as long as $request_time');
    }

    is_deeply([map { map { $_->[2] } @{ $_->{calls} } }
               requests($t, 'GET = /blocked')], [('usleep') x 2],
              "$query: what blocks is named");

    my $late = sum0(map { $_->[0] } grep { $_->[3] eq '/late' } @$log);

    my $delayed = sum0(map { $_->[0] } grep { $_->[3] eq '/delayed' } @$log);

    # of three requests
    my $off = 3 * (5e6 + 1e9 * $longest);

    waits($t, $query, $late * 1e9, $delayed * 1e9, $off);
    phases($t, $query, $late * 1e9, $off);
    runs($t, $query);
}


sub waits {
    my ($t, $query, $late, $delayed, $off) = @_;

    my $waited = sub {
        my ($name, $reason) = @_;
        return sum0(map { $_->[2] - $_->[1] } grep { $_->[0] eq $reason }
                    map { @{ $_->{waits} || [] } } requests($t, "GET $name"));
    };

    # what a worker had to do with them is no wait, and took as long as others
    # on a busy machine let it; nginx's clock stands still meanwhile
    my $network = $waited->('= /late', 'network');
    my $ran = ran($t, '= /late');

    $took{$query} = $network / 1e6;
    cmp_ok(abs($network - $late), '<=', $ran + $off,
           "$query: the wait for a late upstream");
    cmp_ok($delayed, '>', 0, "$query: requests are held up");
    cmp_ok(abs($waited->('= /delayed', 'sleep') - $delayed), '<=',
           ran($t, '= /delayed') + $off, '... and their wait is told');
    is($waited->('= /return', 'network'), 0,
       "$query: no wait where there is none");
}


# ns in which requests of a location ran

sub ran {
    my ($t, $location) = @_;

    return sum0(map { $_->[1] - $_->[0] } map { @{ $_->{slices} } }
                requests($t, "GET $location"));
}


sub phases {
    my ($t, $query, $late, $off) = @_;

    my %regions;

    for my $g (requests($t)) {
        for my $r (@{ $g->{regions} || [] }) {
            push @{ $regions{$g->{name}}{$r->[0]} }, $r->[2] - $r->[1];
        }
    }

    my $of = sub { return $regions{"nginx.request GET $_[0]"} || {} };

    cmp_ok(abs(sum0(@{ $of->('= /late')->{'upstream header'} || [] }) - $late),
           '<=', ran($t, '= /late') + $off,
           "$query: an upstream's header is a region");
    cmp_ok(sum0(@{ $of->('= /drip')->{'upstream body'} || [] }), '>', 5e8,
           "$query: ... and its body");
    ok($of->('= /static.txt')->{content}, "$query: phases are regions");
    ok($of->('= /missing')->{rewrite} && !$of->('= /missing')->{content},
       "$query: ... those that a request comes to");
    cmp_ok(scalar @{ $of->('= /subs')->{subrequest} || [] }, '>=', 12,
           "$query: subrequests are regions");

    my ($tls) = grep { @$_ } map {
        [grep { $_->[0] eq 'TLS handshake' } @{ $_->{regions} || [] }]
    } grep { ($_->{name} // '') eq 'nginx.connection' } values %{ $t->{gs} };
    ok($tls, "$query: a TLS handshake is a region");

    my @redirected = grep { $_->{logs}{redirect} }
                     requests($t, 'GET = /internal');
    is(scalar @redirected, 4, "$query: internal redirects are logged");

    is_deeply([map { @{ $_->{logs}{upstream} } } requests($t, 'GET = /late')],
              [('backend') x 3], "$query: the upstream is logged");
}


# what burns the processor runs, and is sampled

sub runs {
    my ($t, $query) = @_;

    my @busy = requests($t, 'GET = /busy');

    # but for locks that it has to wait for
    is(ran($t, '= /busy') + sum0(map { $_->[2] - $_->[1] }
                                 map { @{ $_->{waits} || [] } } @busy),
       sum0(map { $_->{ended} - $_->{created} } @busy),
       "$query: what burns runs all the time");
    is(scalar(grep { $_->[0] ne 'sync' } map { @{ $_->{waits} || [] } } @busy),
       0, '... and waits for nobody');

    my %id = map { $t->{gs}{$_}{name} // '' => 1 } keys %{ $t->{gs} };
    my @samples = grep {
        ($t->{gs}{$_->{g}}{name} // '') eq 'nginx.request GET = /busy'
    } @{ $t->{samples} };

    # it had a share of a processor, nobody knows which
    cmp_ok(scalar @samples, '>=', 5, "$query: CPU samples of it");

    # one may fall before or behind it
    my @other = grep { !grep { /profiling_test_one/ } @$_ }
                map { $_->{stack} } @samples;
    cmp_ok(scalar @other, '<=', 1, '... with its function')
        or diag(map { "@$_\n" } @other);


  SKIP: {
    skip_sanitized('its allocator has no figures', 1);

    cmp_ok(scalar @{ $t->{heap} }, '>', 10, "$query: the heap's size");
  }

    cmp_ok($t->{bytes} / $t->{events}, '<=', 8,
           "$query: " . sprintf('%.1f', $t->{bytes} / $t->{events})
           . ' bytes an event');
}


sub perfetto {
    my ($data, $log) = @_;

    my $t = eval { decode_json($data) };
    ok($t, 'perfetto: it is JSON') or return diag($@);

    my @e = @{ $t->{traceEvents} };

    for my $sent (@sent) {
        my ($location, $path, $n) = @$sent;
        my $name = "nginx.request GET $location";

        is(scalar(grep { $_->{ph} eq 'b' && $_->{name} eq $name } @e), $n,
           "perfetto: $path: each request is told of once");
    }

    my %open;

    for my $e (@e) {
        $open{"$e->{id} $e->{name}"}++ if $e->{ph} eq 'b';
        $open{"$e->{id} $e->{name}"}-- if $e->{ph} eq 'e';
    }

    is_deeply([grep { $open{$_} } keys %open], [],
              'perfetto: what begins ends');
}


# what Go's own tool makes of it

sub go_tool {
    SKIP: {
        skip 'no go 1.22: install golang-1.22-go of backports', 3 if !have_go();

        my ($code, $out, $said) = tool('-pprof=net', $trace{'format=go'});
        is($code, 0, 'go 1.22 reads it') or diag($said);

        my $file = $site->dir . '/net.prof';
        Site::spew($file, $out);

        my $top = go('-top', '-cum', '-nodefraction=0', '-unit=ms', $file);
        my ($late) = $top =~ /([\d.]+)ms\s+[\d.]+%\s+
                              nginx\.request\ GET\ =\ \/late/x;

        about($late // 0, $took{'format=go'}, 0.01,
              "... and finds the wait for the upstream") or diag($top);

        ($code, $out) = tool('-pprof=sched', $trace{'format=go'});
        is($code, 0, '... and the latency of the scheduler');
    }
}


# the pages of the tool: goroutines by name

sub viewer {
    SKIP: {
        my $go = have_go();
        skip 'no go 1.22: install golang-1.22-go of backports', 2 if !$go;

        my $file = $site->dir . '/trace';
        Site::spew($file, $trace{'format=go'});

        my $port = $site->port(9);
        # go itself would leave the tool behind when it is ended

        my $tool = Profile::command('sh', '-c',
            "HOME=$Profile::dir BROWSER=none exec \$($go tool -n trace) "
            . "-http=127.0.0.1:$port $file");
        my $page = '';

        until_true(60, sub {
            $page = run('curl', '-s', "http://127.0.0.1:$port/goroutines");
            $page =~ /nginx/;
        });

        my %n = $page =~ m{>([^<>]*nginx[^<>]*)</a>.*?(?:N=)?(\d+)\s*</t}gs;
        my ($return) = map { $n{$_} } grep { /GET = \/return/ } keys %n;
        is($return, 40, 'a page of the tool counts a location\'s requests')
            or diag(substr $page, 0, 3000);

        my $tasks = run('curl', '-s', "http://127.0.0.1:$port/usertasks");
        like($tasks, qr/nginx\.request GET = \/late/,
             '... and has them as tasks');

        Profile::end($tool);
    }
}


sub filters {
    my ($data) = traced($site, 'seconds=2.2&location=%3D%20/late', sub {
        $site->request($_) for qw(/return /late /static.txt /late);
    });
    my $t = read_trace($data);

    is_deeply([map { $_->{name} } values %{ $t->{gs} }],
              [('nginx.request GET = /late') x 2], 'a location alone');

    ($data) = traced($site, 'seconds=2.2&min_ms=250&server=main', sub {
        $site->request($_) for qw(/return /late /static.txt);
    });
    $t = read_trace($data);

    is_deeply([map { $_->{name} } requests($t)],
              ['nginx.request GET = /late'], 'slow requests alone');
}


# a request that was there before the trace

sub existing {
    my $g;

    # once more, where others let it end before

    until_true(60, sub {
        my $late = Profile::background(sub {
            $site->request('/drip?early')->{status};
        });

        until_true(60, sub { $site->json('metrics')
                                  ->{metrics}{connections}{upstream} > 0 });

        my ($data) = traced($site, 'seconds=3', sub { Profile::finish($late) });

        ($g) = grep { $_->{existed}
                      && ($_->{name} // '') eq 'nginx.request GET = /drip' }
               values %{ read_trace($data)->{gs} };

        return $g;
    });

    ok($g, 'a request that was there before the trace');
    ok($g && $g->{ended}, '... ends in it');
}
