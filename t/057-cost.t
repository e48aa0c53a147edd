#!/usr/bin/perl

# What a request costs: the variables against clocks that the test's own
# handlers read, the bill by location against the kernel's, and for whom
# requests had to wait.

use strict;
use warnings;

use List::Util qw(max sum0);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);
use Profile;
use Site;

my @modules = ('/usr/lib/nginx/modules/ngx_http_echo_module.so',
               Profile::test_module());

my $names = join ' ', map { "$_=\$profiling_$_" }
            qw(cpu_time loop_time loop_max blocked_time wait_time alloc_bytes
               expensive);

my $http = <<"END";
    profiling_interval 100ms;
    profiling_pause_threshold 100ms;
    log_format cost '\$uri status=\$status $names wait_for="\$profiling_wait_for"';

    server {
        listen 127.0.0.1:PORT1 http2;
        server_name two;
        location = /stream { profiling_test one 4000000 DIR/stream; }
    }
END

my $burners = join '', map {
    my ($name, $n) = @$_;
    "        location = /$name { profiling_test one $n DIR/$name; }\n"
} ([few => 1000000], [some => 5000000], [many => 20000000], [most => 80000000]);

my $site = Site->new(
    workers => 1,
    modules => \@modules,
    handlers => $Profile::handlers,
    access  => 'DIR/cost.log cost',
    http    => $http,
    server  => <<"END");
$burners
        location = /nothing { return 200 "x"; }
        location = /sleep { echo_blocking_sleep 0.2; echo x; }
        location = /doze { echo_sleep 0.1; echo x; }
        location = /sub { echo_location /few; echo x; }
        location = /proxy { proxy_pass http://127.0.0.1:PORT/many; }
        location = /culprit { profiling_test wait_read 0 DIR/fifo; }
        location = /off { profiling off; return 200 "x"; }
        location = /early {
            if (\$profiling_cpu_time = "") { return 404; }
            return 200 "x";
        }
        location = /header {
            add_header X-Cost \$profiling_cpu_time;
            return 200 "x";
        }
        location = /dear {
            profiling_expensive cpu=1ms;
            profiling_test one 20000000;
        }
        location = /slack {
            profiling_expensive cpu=1h loop=1h wait=1h alloc=1g;
            profiling_test one 20000000;
        }
        location = /large { profiling_expensive alloc=1k; return 200 "x"; }
END

# the worker appends to these
for my $name (qw(few some many most stream)) {
    spew($site->dir . "/$name", '');
    chmod 0666, $site->dir . "/$name";
}

$site->start;

# requests of the log that were looked at
my $seen = 0;

burners();
calls();
others();
bounds();
protocols();
held();
bill();

$site->stop;

unused();

done_testing;


# The requests that are logged by now, in order: {uri}, and each variable.

sub logged {
    return map {
        my ($uri, $rest) = /^(\S+) (.*)/;
        ({ uri => $uri,
           map { (/^(\w+)="?(.*?)"?$/) } $rest =~ /(\w+=(?:"[^"]*"|\S*))/g });
    } split /\n/, slurp($site->dir . '/cost.log');
}


# as many more as there have been requests since the last call

sub more {
    my $n = shift;
    my @all;

    until_true(60, sub { (@all = logged()) >= $seen + $n })
        or die "nothing was logged\n";
    splice @all, 0, $seen;
    $seen += @all;

    return @all;
}


# The handler's own readings of the thread's CPU clock are the truth: what nginx
# does around it is some 0.1 ms.

sub burned {
    my $name = shift;

    my @lines = split /\n/, slurp($site->dir . "/$name");

    return map { (split / /)[2] - (split / /)[1] } @lines;
}


sub burners {
    my @hogs = map { background(sub { 1 while 1 }) } 1, 2;

    for my $name (qw(few some many most)) {
        my @asked = map { $site->request("/$name")->{status} } 1 .. 8;
        my @told = more(8);
        my @truth = burned($name);
        my @wrong = grep {
            my $off = $told[$_]{cpu_time} * 1e9 - $truth[$_];
            $off < -.05 * $truth[$_] - 2e5 || $off > .05 * $truth[$_] + 1e6
        } 0 .. 7;

        # what a machine does around the handler may come to one or two

        cmp_ok(scalar @wrong, '<=', 2,
               "/$name costs what it burns, beside processes that burn")
            or diag(map { "$told[$_]{cpu_time} s of $truth[$_] ns\n" } @wrong);
        is(scalar(grep { $_->{loop_time} < $_->{cpu_time}
                         || $_->{loop_max} > $_->{loop_time} } @told), 0,
           'time that it held the loop is no less');
    }

    Profile::end($_) for @hogs;
}


sub calls {
    $site->request($_) for qw(/sleep /doze /nothing);

    my ($sleep, $doze, $nothing) = more(3);

    cmp_ok($sleep->{blocked_time}, '>=', .2, 'a call that sleeps is blocked');
    cmp_ok($sleep->{loop_time}, '>=', $sleep->{blocked_time},
           '... and holds the loop');
    cmp_ok($sleep->{cpu_time}, '<', $sleep->{blocked_time} / 2,
           '... and is no CPU time');

    cmp_ok($doze->{loop_time}, '<', .1, 'a timer does not hold the loop');
    is($doze->{blocked_time}, '0.000000', '... nor is it blocked');

    cmp_ok($nothing->{alloc_bytes}, '>', 0, 'memory is told');
    is($nothing->{expensive}, '-', 'nothing is expensive without bounds');
}


sub others {
    $site->request($_) for qw(/off /early /header);

    my ($off, $early, $header) = more(3);

    is_deeply([@$off{qw(cpu_time loop_time loop_max blocked_time wait_time
                        alloc_bytes expensive wait_for)}], [('-') x 8],
              'profiling off: nothing is told');
    is($early->{status}, 200, 'a variable in "if" has a value');
    cmp_ok($early->{cpu_time}, '>', 0, '... and another one in the log');
    like($site->request('/header')->{headers}{'x-cost'}, qr/^\d+\.\d{6}$/,
         'in a header there is what it took until then');
    more(1);
}


sub bounds {
    $site->request($_) for qw(/dear /slack /large);

    is_deeply([map { $_->{expensive} } more(3)], ['1', '-', '1'],
              'a bound that was passed, none, and another');
}


sub protocols {
    $site->request($_) for qw(/sub /proxy);

    # the proxied one is a request of its own in this worker
    my %told = map { $_->{uri} => $_ } more(3);
    my ($few) = (burned('few'))[-1];
    my ($many) = (burned('many'))[-1];

    cmp_ok($told{'/sub'}{cpu_time} * 1e9, '>', .95 * $few,
           'a subrequest is charged to the main request');
    cmp_ok($told{'/many'}{cpu_time} * 1e9, '>', .95 * $many,
           'what an upstream in the same worker burns is its own');
    cmp_ok($told{'/proxy'}{cpu_time}, '<', $told{'/many'}{cpu_time} / 2,
           '... and not of the request that waits for it');

    my $port = $site->port(1);
    run('h2load', '-c', 1, '-m', 4, '-n', 12,
        "http://127.0.0.1:$port/stream");

    my @streams = more(12);
    my @truth = burned('stream');
    my $sum = sum0(map { $_->{cpu_time} } @streams) * 1e9;

    is(scalar(@truth), 12, 'twelve streams burned');
    cmp_ok($sum, '>', .95 * sum0(@truth), 'streams of HTTP/2 cost it all');
    cmp_ok($sum, '<', 1.05 * sum0(@truth) + 12e6, '... and no more');
    cmp_ok(max(map { $_->{cpu_time} } @streams) * 1e9, '<',
           1.05 * max(@truth) + 1e6, '... each its own');
}


# Victims are ready while the culprit holds the loop, some with a connection of
# before and some with a new one.

sub held {
    my $fifo = $site->dir . '/fifo';

    POSIX::mkfifo($fifo, 0666);
    chmod 0666, $fifo;

    my @old = map { $site->connect } 1 .. 5;

    for my $s (@old) {
        Profile::send_get($s, '/nothing');
        Profile::receive($s);
    }

    more(5);

    my $culprit = $site->connect;
    Profile::send_get($culprit, '/culprit');

    my $fd;
    until_true(60, sub {
        defined($fd = POSIX::open($fifo, POSIX::O_WRONLY|POSIX::O_NONBLOCK))
    }) or die "nobody reads the FIFO\n";

    my @victims = (@old, map { $site->connect } 1 .. 5);
    Profile::send_get($_, '/nothing') for @victims;

    sleep .3;
    POSIX::write($fd, 'x', 1);
    POSIX::close($fd);
    Profile::receive($_) for @victims;

    my @told = grep { $_->{uri} eq '/nothing' } more(11);

    is_deeply([map { $_->{wait_for} } @told], [('= /culprit') x 10],
              'each victim names the one that held it up');
    is(scalar(grep { $_->{wait_time} >= .28 } @told), 10,
       'and how long it was ready: to the tick of the kernel');

    my ($pause) = grep { ($_->{location} // '') eq '= /culprit' }
                  @{ $site->json('/api/profiling/gc')->{recent} };

    ok($pause, 'the pause is that of its location');
    is($pause->{method}, 'GET', '... by its method');
    cmp_ok($pause->{connection}, '>', 0, '... and its connection');
}


sub bill {
    my ($pid) = $site->workers;
    my $before = cpu_ns($pid);

    my @rows;

    # the next tick tells of it

    until_true(60, sub {
        @rows = @{ $site->json('/api/profiling/locations')->{locations} };
        return sum0(map { $_->{cost}{cpu_seconds} } @rows) * 1e9
               >= .99 * $before;
    });

    my $sum = sum0(map { $_->{cost}{cpu_seconds} } @rows) * 1e9;

    cmp_ok($sum, '>=', .99 * $before, 'all rows are what the worker took');
    cmp_ok($sum, '<=', cpu_ns($pid), '... and no more');

    my ($rest) = grep { !defined $_->{server} && !defined $_->{location} }
                 @rows;
    my %row = map { ($_->{location} // '') => $_->{cost} } @rows;

    ok(!exists $rest->{requests}, 'one of them is of no location');

    for my $name (qw(few some many most)) {
        my $told = sum0(map { $_->{cpu_time} }
                        grep { $_->{uri} eq "/$name" } logged());

        cmp_ok($row{"= /$name"}{cpu_seconds}, '>=', $told - 1e-5,
               "/$name: the bill has what the log has");
    }

    cmp_ok($row{'= /culprit'}{blocked_seconds}, '>=', .3, 'blocked time');
    cmp_ok($row{'= /nothing'}{wait_seconds}, '>=', 2.8, 'time that was waited');
    ok(!grep({ !defined $_->{cost}{alloc_bytes} } @rows), 'bytes');

    my $metrics = $site->request('/metrics')->{body};

    for my $what (qw(cpu_seconds loop_seconds wait_seconds blocked_seconds
                     alloc_bytes)) {
        like($metrics, qr/^nginx_profiling_request_${what}_total
                          \{server="main",location="=\ \/many"\}\ \d/mx,
             "$what for Prometheus");
        like($metrics, qr/^nginx_profiling_request_${what}_total
                          \{server="",location=""\}\ \d/mx,
             '... and what belongs to no location');
    }
}


# not asked for: not measured, and said so; a single process, profiling off

sub unused {
    my $plain = Site->new->start;
    my $answer = $plain->json('/api/profiling/locations');

    is($answer->{locations}[0]{cost}, undef, 'unused: null');
    like($answer->{unavailable}{cost}, qr/profiling_expensive/, '... and why');
    unlike($plain->request('/metrics')->{body}, qr/request_cpu_seconds/,
           '... and no series');
    $plain->stop;

    for my $o ({ workers => 0 }, { http => 'profiling off;' }) {
        my $other = Site->new(
            %$o,
            server => <<'END')->start;
        location = /x { add_header X-Cost "x$profiling_cpu_time"; return 200; }
END
        my $cost = $other->request('/x')->{headers}{'x-cost'} =~ s/^x//r;

        like($cost, $o->{http} ? qr/^$/ : qr/^\d+\.\d{6}$/,
             $o->{http} ? 'profiling off: empty' : 'a single process tells');
        $other->stop;
    }
}
