#!/usr/bin/perl

# A stuck worker, in a Lua loop or in a read that never returns: within a
# second of the threshold another worker's health, pauses, block and CPU
# profiles name the place.  After it has ended, health reports it for a minute,
# and asking has not changed what the worker did.

use strict;
use warnings;

use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;

my $site = Site->new(
    workers  => 3,
    modules  => [ Profile::test_module(), Profile::lua_modules() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 500ms; profiling_budget off;',
    noise    => qr/exited on signal 9|was killed by SIGKILL/,
    server   => <<'END',
        location = /lua {
            content_by_lua_block {
                local x = 0
                while true do x = (x + 1) % 1000003 end
            }
        }
        location = /read { profiling_test wait_read 0 DIR/fifo; }
        location = /sleep { profiling_test wait_usleep 2500; }
        location = /poll { profiling_test wait_poll 2500; }
        location = /raw { profiling_test wait_raw 2500; }
END
);

mkfifo($site->dir . '/fifo', 0666);
chmod 0666, $site->dir . '/fifo';

$site->start;

hangs('/read', qr/profiling_test_read/, qr/read/);
hangs('/lua', qr/content_by_lua\(nginx\.conf:\d+\):3 main chunk/, undef);
over();

for my $name (qw(sleep poll raw)) {
    undisturbed($name);
}

kill 'KILL', map { $site->{pid_of}{$_} } keys %{ $site->{pid_of} };
until_true(60, sub { @{ [ $site->workers ] } == 3 });

$site->stop;

done_testing();


sub ask {
    my $path = shift;

    my $s = $site->connect;
    print $s "GET $path HTTP/1.1\r\nHost: main\r\nConnection: close\r\n\r\n";
    $s->flush;

    return $s;
}


# The health of the others; a connection that was taken by the one that hangs
# is given up.

sub health {
    $site->{health_asked} = time();

    my $got = $site->request('/api/profiling/health', seconds => 2);

    return $got->{status} ? Json::decode_json($got->{body}) : undef;
}


sub issue {
    my $like = shift;

    my $h = health() or return;

    return (grep { $_ =~ $like } @{ $h->{issues} })[0];
}


sub hangs {
    my ($path, $place, $function) = @_;

    my $began = time();
    $site->{asked}{$path} = ask($path);
    was_read($site->{asked}{$path});

    my $read = time();
    my $issue = until_true(60, sub {
        issue(qr/^worker \d+ (?:has been|is stuck: it has been) in $place/);
    });
    my $took = time() - $began;

    ok($issue, "$path: health names the place") or return;
    like($issue, qr/, server main, location = \Q$path\E/,
         '... and the location');

    my ($pid, $seconds) = $issue =~ /^worker (\d+) .* for (\d+\.\d) s/;
    $site->{pid_of}{$path} = $pid;

    # how soon is a figure of bench/stuck
    ok($seconds >= $site->{health_asked} - $read - 0.1
       && $seconds <= $took + 0.1, '... and for how long')
        or diag("$seconds: ", $site->{health_asked} - $read, " to $took");

    my @where = ($place, $function || ());

    # it grows as another worker looks at it, which others may keep from that
    ok(until_true(60, sub {
        my $block = Profile::take($site, path => '/debug/pprof/block');
        return sum($block, labelled(location => "= $path"),
                   map { has($_) } @where) > 0.7e9;
    }), "$path: the profile of blocking has it as it goes on");

    ok(until_true(60, sub {
        my $more = Profile::take($site, seconds => 2,
                                 path => '/debug/pprof/block?seconds=2');
        return abs(sum($more, labelled(location => "= $path", pid => $pid))
                   - 2e9) < 0.6 * 2e9;
    }), '... and what it grows by, with its pid');

    my $stuck = until_true(60, sub { issue(qr/^worker $pid is stuck/) });

    like($stuck // '', qr/^worker\ $pid\ is\ stuck:\ it\ has\ been\ in\ $place
                          .*\ for\ \d+\.\d\ s,\ server\ main,
                          \ location\ =\ \Q$path\E,\ it\ /x,
         "$path: then the worker is stuck, and it is told where");

    my $cpu = Profile::take($site, seconds => 1);

    if ($function) {
        ok((grep { /^worker $pid takes no CPU time: .* in profiling_test_read for / }
            @{ $cpu->{comments} }),
           "$path: the CPU profile says where it waits")
            or diag(explain $cpu->{comments});

    } else {
        my $of = labelled(pid => $pid, location => "= $path");

        $cpu = Profile::take_until($site, sub { sum($_[0], $of) > 0.02e9 },
                                   seconds => 1);
        cmp_ok(sum($cpu, $of), '>', 0.02e9, "$path: the CPU profile has it");
    }
}


# the one that reads gets its byte

sub over {
    open my $fifo, '+<', $site->dir . '/fifo';
    syswrite $fifo, 'x';

    like(Site::read_all($site->{asked}{'/read'}, 60), qr/done/,
         'what was hung goes on');

    my $pid = delete $site->{pid_of}{'/read'};
    my $issue = until_true(60, sub { issue(qr/^worker $pid was held up/) });

    like($issue // '', qr/^worker\ \d+\ was\ held\ up\ for\ \d+\.\d\ s\ in\s
                          profiling_test_read,\ server\ main,
                          \ location\ =\ \/read,\ \d+\ s\ ago$/x,
         'a long stall that is over is told');

    my ($pause) = grep { ($_->{location} // '') eq '= /read' }
                  @{ $site->json('gc')->{recent} };
    my $block = Profile::take($site, path => '/debug/pprof/block');

    about(sum($block, has('profiling_test_read')), $pause->{duration_ns},
          0.05, '... with its time counted once');
    cmp_ok($pause->{blocked_ns}, '>', 0.95 * $pause->{duration_ns},
           '... as blocked');
}


# a call that a signal would end takes the time that it was told to

sub undisturbed {
    my $name = shift;

    my $place = 'profiling_test_' . ($name eq 'sleep' ? 'usleep' : $name);
    my $least = 60;
    my $issue;

    # others may keep those who ask from it until it is over: then once more
    ok(until_true(60, sub {
        my $began = time();
        my $s = ask("/$name");

        was_read($s);
        $issue = until_true(2.5, sub {
            issue(qr/ has been in .*location = \/$name\b/);
        });

        like(Site::read_all($s, 60), qr/done/, "$name: the client is answered");
        $least = time() - $began if time() - $began < $least;

        return $issue;
    }), '... and the worker is asked where it is');

    like($issue // '', qr/^worker \d+ (?:is stuck: it )?has been in $place for/,
         '... which is told');
    cmp_ok($least, '>=', 2.5, '... and goes on for its time');
}
