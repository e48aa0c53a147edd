#!/usr/bin/perl

# Calls in which a worker waits for a known time: the block profile and the
# pauses name the function, the location, the time and its cause.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;

my $ms = 60;

# name of the wait, what the profile calls the function waited in
my %function = (
    usleep    => qr/usleep/,
    nanosleep => qr/nanosleep/,
    poll      => qr/poll/,
    select    => qr/select/,
    read      => qr/read/,
    open      => qr/open/,
    flock     => qr/flock/,
    waitpid   => qr/waitpid/,
    system    => qr/system/,
    resolve   => qr/getaddrinfo/,
    cond      => qr/pthread_cond_timedwait/,
    recv      => qr/recv/,
    readv     => qr/readv/,
    recvmsg   => qr/recvmsg/,
    send      => qr/send/,
    writev    => qr/writev/,
    sendmsg   => qr/sendmsg/,
    connect   => qr/connect/,
    sleep     => qr/sleep/,

    clock_nanosleep => qr/clock_nanosleep/,
);

my $dns = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
    or die "no socket: $!\n";

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 100ms; profiling_budget off;',
    server   => join('', map { "location /of/$_ { profiling_test wait_$_ "
                               . file($_) . "; }\n" }
                     sort keys %function)
              . 'location = /often { profiling_test wait_system 15 :; }'
              . 'location = /calls { profiling_test wait_calls 0 DIR/calls/a; }'
);

mkfifo($site->dir . "/$_", 0666) for qw(read open);
spew($site->dir . '/flock', '');
chmod 0666, map { $site->dir . "/$_" } qw(read open flock);

mkdir $site->dir . '/calls';
chmod 0777, $site->dir . '/calls';

my $started = time();

$site->start;

# ms that each waited at least
my %least = map { $_ => waited($_) } sort keys %function;

my $p = Profile::take($site, path => '/debug/pprof/block');

for my $name (sort keys %function) {
    profiled($name);
}

within();
pauses();
exact();
in_tools();
logged();
same();

$site->stop;

done_testing();


sub file {
    my $name = shift;

    return $name eq 'system' ? '0 "sleep 0.06"'
         : $name eq 'resolve' ? "$ms " . $dns->sockport
         : "$ms DIR/$name";
}


# One request for it; what has to be done by somebody else is done by us, some
# time after the worker began to wait for it.

sub waited {
    my $name = shift;

    my $path = $site->dir . "/$name";
    my $least = $ms / 1000;
    my ($lock, $s);

    if ($name eq 'flock') {
        open $lock, '>', $path;
        flock $lock, 2;
    }

    $s = $site->connect;
    print $s "GET /of/$name HTTP/1.1\r\nHost: main\r\n"
             . "Connection: close\r\n\r\n";
    $s->flush;

    if ($name eq 'read' || $name eq 'open' || $name eq 'flock') {
        was_read($s);
        until_true(60, sub {
            return !grep { slurp("/proc/$_/stat") !~ /\) S / } $site->workers;
        });

        my $began = time();
        sleep $ms / 1000;
        $least = time() - $began;

        if ($name eq 'flock') {
            close $lock;

        } else {
            open my $fifo, '+<', $path;
            syswrite $fifo, 'x';
            close $fifo if $name eq 'open';
            $lock = $fifo;
        }
    }

    answer() if $name eq 'resolve';

    like(Site::read_all($s, 60), qr/done/, "$name: the request is answered");

    return 1000 * $least;
}


# The name server's part: an address, once the worker has waited for it.

sub answer {
    IO::Select->new($dns)->can_read(10) or return;

    my $from = recv $dns, my $query, 512, 0;

    sleep $ms / 1000;

    my ($question) = substr($query, 12) =~ /^(.*?\0.{4})/s;

    send $dns, substr($query, 0, 2)
               . pack('n5', 0x8180, 1, 1, 0, 0) . $question
               . pack('nnnNna4', 0xc00c, 1, 1, 60, 4, "\x7f\0\0\1"), 0, $from;
}


sub profiled {
    my $name = shift;

    my @samples = grep { has("profiling_test_$name")->($_)
                         && $_->{frames}[0] =~ $function{$name} }
                  @{ $p->{samples} };
    my ($delay, $count) = (0, 0);

    for my $s (@samples) {
        $delay += $s->{cpu};
        $count += $s->{count};
    }

    my ($pause) = grep { ($_->{location} // '') eq "/of/$name" }
                  @{ $site->json('gc')->{recent} };

    ok($pause, "$name: is a pause of its location") or return;

    is($count, 1, "$name: is one contention");
    cmp_ok($delay, '>=', 0.99 * $least{$name} * 1e6, '... of at least its time');

    # what the pause tells of it: see exact()
    cmp_ok($delay, '<=', $pause->{duration_ns}, '... which is of the pause');
    cmp_ok($pause->{blocked_ns}, '<=', $pause->{duration_ns},
           '... at most all of it');
    is($samples[0]{labels}{location} // '', "/of/$name", '... of its location');
    is($samples[0]{labels}{server}, 'main', '... and server');
    is($samples[0]{labels}{pid}, undef, '... without a pid');
    is($pause->{cause}, "profiling_test_$name", '... named as the cause');
    is($pause->{server}, 'main', '... on its server');
    cmp_ok($pause->{on_cpu_ns}, '<', 0.5 * $pause->{blocked_ns},
           '... not on the processor');
    like($pause->{stack}[0], $function{$name}, '... in the function');
    ok((grep { $_ eq 'main' || /^nginx\+0x|^_start$/ }
        @{ $pause->{stack} }), '... with its callers')
        or diag(explain $pause);
}


# What the pause tells as blocked is what its call took.  Others that keep the
# worker from the processor in a call beside it do so now and then.

sub exact {
    for my $name (qw(usleep poll system)) {
        my $delay = delay($name);

        ok(until_true(60, sub {
            my $before = $delay;

            $site->request("/of/$name");
            $delay = delay($name);

            my ($pause) = grep { ($_->{location} // '') eq "/of/$name" }
                          @{ $site->json('gc')->{recent} };
            my $took = $delay - $before;

            return abs($took - $pause->{blocked_ns}) < 0.01 * $took;
        }), "$name: a pause is blocked for as long as its call took");
    }
}


sub delay {
    my $name = shift;

    return sum(Profile::take($site, path => '/debug/pprof/block'),
               has("profiling_test_$name"),
               labelled(location => "/of/$name"));
}


# The timer of the CPU now and then meets the worker in a call: 15 of them in
# one pass, which is a pause before the last begins.  In some of them nginx
# takes the signal of another child, waits for that, and writes to its log.

sub within {
    $site->request('/often', seconds => 60) for 1 .. 50;

    my $q = Profile::take($site, path => '/debug/pprof/block');
    my @often = grep { ($_->{labels}{location} // '') eq '= /often'
                       && has('profiling_test_system')->($_)
                       && !has('ngx_log_error_core')->($_)
                       && $_->{frames}[0] ne 'waitpid' }
                @{ $q->{samples} };

    cmp_ok(scalar @often, '>', 0, 'calls in a row are in the profile');

  SKIP: {
    # another worker asks where it is, and is told
    skip('a pass took more than a second', 1)
        if grep { ($_->{location} // '') eq '= /often'
                  && $_->{duration_ns} > 1e9 } @{ $site->json('gc')->{recent} };

    is_deeply([ map { join ' < ', @{ $_->{frames} }[0 .. 3] }
                grep { $_->{frames}[0] !~ $function{system} } @often ],
              [], '... each with its own time, wherever it was met');
  }
}


sub pauses {
    my $gc = $site->json('gc');

    is($gc->{num_gc}, scalar @{ $gc->{recent} }, 'no pause is left out');

    for my $r (@{ $gc->{recent} }) {
        is($r->{on_cpu_ns} + $r->{blocked_ns} + $r->{other_ns},
           $r->{duration_ns}, 'the parts are the whole');
    }
}


sub in_tools {
    my $top = go('-top', '-sample_index=delay', '-cum', $p->{file});

    like($top, qr/Type: delay/, 'go tool pprof reads the delay');
    like($top, qr/profiling_test_usleep/, '... and names');

    my $tags = go('-tags', $p->{file});
    like($tags, qr{location:.*/of/usleep}s, '... and locations');

    my $text = $site->request('/debug/pprof/block?debug=1');
    is($text->{headers}{'content-type'}, 'text/plain; charset=utf-8',
       'debug=1 is a text');
    like($text->{body}, qr{\A---\ contention:\ncycles/second=1000000000\n
                           \d+\ \d+\ @(\ 0x[0-9a-f]+)+\n}x, '... as of Go');
    is_deeply($p->{decoded}{types},
              ['contentions/count', 'delay/nanoseconds'], 'types are Go\'s');
    is($p->{decoded}{duration}, 0, 'a cumulative profile has no duration');
}


# Calls that hardly wait, by all their names: with the results that they have
# without us.

sub same {
    like($site->request('/calls')->{body}, qr/done/, 'calls of all names');

    my ($what) = $site->log =~ /\[alert\] .*?((?:differs|did not wait).*)/;
    is($what, undef, '... do what they do');
}


# at most 5 a minute of a worker

sub logged {
    my %lines;

    my $log = $site->log;

    $lines{$1}++ while $log =~ /\[warn\] (\d+)#.*event loop was held up/g;

    ok(keys %lines, 'pauses are in the log');

    # a minute begins with its first one
    my $most = 5 * (1 + int((time() - $started) / 60));

    is(scalar(grep { $_ > $most } values %lines), 0,
       '... at most 5 a minute of a worker');
    like($log, qr{held\ up\ for\ \d+\.\d\ ms\ in\ profiling_test_\w+\s
                        \(\d\.\d\ ms\ on\ the\ processor,\s
                        \d+\.\d\ ms\ in\ blocking\ calls\),\s
                        server\ main,\ location\ /of/}x, '... with the place');
}
