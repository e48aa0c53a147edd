#!/usr/bin/perl

# Workers that loop for ever, in Lua and in C, are profiled through another
# worker; a stopped worker does no harm.

use strict;
use warnings;

use Test::More;
use Site;
use Profile;
use Sampled;

my $site = Site->new(
    workers  => 3,
    modules  => [ Profile::test_module(), Profile::lua_modules() ],
    handlers => $Profile::handlers,
    noise    => qr/exited on signal 9|was killed by SIGKILL/,
    server   => <<'END',
        location = /lua {
            content_by_lua_block {
                local x = 0
                while true do x = (x + 1) % 1000003 end
            }
        }
        location /c/ { location /c/spin { profiling_test spin; } }
END
);

$site->start;

my %pid = map { $_ => stuck($_) } '/lua', '/c/spin';
my ($other) = grep { $_ != $pid{'/lua'} && $_ != $pid{'/c/spin'} }
              $site->workers;

ok($other, 'two workers spin, one does not');

both();
one();
stopped();

kill 'KILL', @pid{'/lua', '/c/spin'};
until_true(60, sub { @{ [ $site->workers ] } == 3 });

$site->stop;

done_testing();


# the worker that a request has got stuck

sub stuck {
    my $path = shift;

    my %before = map { $_ => cpu_ns($_) } $site->workers;
    my $s = $site->connect;

    print $s "GET $path HTTP/1.1\r\nHost: main\r\n\r\n";
    $s->flush;
    $site->{"connection $path"} = $s;

    my $pid = until_true(60, sub {
        my ($spins) = grep { my $p = $_;
                             cpu_ns($p) - $before{$p} > 200e6
                             && !grep { $p == $_ } values %{ $site->{stuck} } }
                      keys %before;
        return $spins;
    });

    return $site->{stuck}{$path} = $pid;
}


sub both {
    my $p = Profile::take_measured($site, [ values %pid ], seconds => 3);

    is_valid($p, 'workers that spin');

    my %place = ('/lua' => '= /lua', '/c/spin' => '/c/spin');

    for my $path (sort keys %pid) {
        my $of = labelled(pid => $pid{$path});

        # it is reached 200 ms after the others, by one that has to get the
        # processor for that
        is_all_cpu($p, "$path: its CPU time is in the profile",
                   pid => $pid{$path}, late => 0.5e9);
        is_mostly($p, 0.99, "$path: has its location", $of,
                  labelled(server => 'main', state => 'phase',
                           location => $place{$path}));
        is_mostly($p, 0.99, "$path: stacks reach the start", $of,
                  \&thread_start);
    }

    is_mostly($p, 0.98, 'the function that spins is named',
              labelled(pid => $pid{'/c/spin'}),
              has('profiling_test_one_cfi'));
    is_mostly($p, 0.9, 'compiled Lua is shown with the line of its loop',
              labelled(pid => $pid{'/lua'}),
              has(qr/^content_by_lua\(nginx\.conf:\d+\):3 main chunk$/));
}


sub one {
    my $p = Profile::take_measured($site, [ $pid{'/lua'} ], seconds => 2,
                                   args => "&worker=$pid{'/lua'}");

    is(join(' ', sort keys %{ { map { $_->{labels}{pid} => 1 }
                                @{ $p->{samples} } } }), $pid{'/lua'},
       'one of them can be asked for alone');
    is_all_cpu($p, '... with its CPU time', late => 0.5e9);
}


sub stopped {
    kill 'STOP', $pid{'/lua'};
    until_true(60, sub { slurp("/proc/$pid{'/lua'}/stat") =~ /\) T / });

    my $p = profiled('/c/spin');

    is(sum($p, labelled(pid => $pid{'/lua'})), 0,
       'a stopped worker takes no CPU time');
    cmp_ok(sum($p, labelled(pid => $pid{'/c/spin'})), '>', 0.03e9,
           '... and the others are profiled');

    # the signal that was sent to it comes now, after the capture
    kill 'CONT', $pid{'/lua'};

    is($site->request('/debug/pprof/cmdline')->{status}, 200, 'all goes on');

    is_quiet($site, '... and nothing is sampled');

    cmp_ok(sum(profiled('/lua'), labelled(pid => $pid{'/lua'},
                                          location => '= /lua')),
           '>', 0.03e9, 'when it goes on it is profiled again');
}


# until this worker, which others may keep from the processor, has samples

sub profiled {
    my $of = labelled(pid => $pid{$_[0]});

    return Profile::take_until($site, sub { sum($_[0], $of) > 0.03e9 },
                               seconds => 1);
}
