#!/usr/bin/perl

# Captures: many at once, of different lengths, over and over; clients and
# workers that go away during a capture.

use strict;
use warnings;

use IO::Select;
use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;
use Sampled;

# so many that a profile takes several passes of the loop to be written
my $labels = 400;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    noise    => qr/exited on signal 9|was killed by SIGKILL/,
    http     => 'profiling_interval 1s; profiling_cpu_rate 1000;',
    server   => join '', <<'END', map
        location = /one { profiling_test one 4000000; }
        location = /burnt/one { profiling_test one 8000000 DIR/burnt; }
        location = /burnt/three { profiling_test three 8000000 DIR/burnt; }
END
        { "location = /label/$_ { profiling_test one 200000; }\n" } 1 .. $labels,
);

my $burnt = $site->dir . '/burnt';

spew($burnt, '');
chmod 0666, $burnt;

$site->start;

my $profile = '/debug/pprof/profile?seconds=';

many();
overlapping();
written();
gone();
asker_killed();
killed();
reloaded();

$site->stop;

done_testing();


sub get { my @args = @_; return Profile::background(sub {
    my $got = $site->request(@args, seconds => 60);
    return "$got->{status}\n" . ($got->{headers}{'x-go-pprof'} // '-') . "\n"
           . ($got->{headers}{'content-disposition'} // '-') . "\n"
           . $got->{body};
}) }

sub answer { return split /\n/, Profile::finish($_[0]) // "none\n\n\n", 4 }


sub many {
    my @workers = $site->workers;
    my $load = load($site, '/burnt/one');
    my @all = map { asked_for($profile . 60) } 1 .. 16;

    my ($status, $go, $disposition, $body) = answer(get($profile . 1));

    is($status, 500, 'the 17th capture is refused');
    is($go, 1, '... as Go does it');
    is($disposition, '-', '... without a file');
    is($body, "Could not enable CPU profiling: cpu profiling already in use\n",
       '... in its words');

    my $tool = go('-top', 'http://127.0.0.1:' . $site->port . $profile . 1);
    like($tool, qr/cpu profiling already in use/, '... which its tool tells');

    # they end with their clients, and then there is room for as many.  Each of
    # those by the clocks of the workers over its own time
    close $_ for @all;

    my $read;

    ok(until_true(60, sub {
        $read = Profile::watch(\@workers, sub {
            return @all = map { get($profile . 2) } 1 .. 16;
        });
        return 16 == grep { slurp($_->{file}) =~ /^200\n/ } @all;
    }), 'they end with their clients');

    my @p = map { known($_, \@workers, $read, 2) } @all;

    Profile::end($load);

    is(scalar(grep { $_->{cpu} > 0 } @p), 16,
       '16 captures at once have samples');

    # they arm the timers, or one has before them; a worker serves a request
    my $late = late($burnt);

    is_all_cpu($_, '... and all of the CPU time', late => $late) for @p;
    is(Profile::take($site)->{decoded}{types}[0], 'samples/count',
       '... and then there is room again');
}


# a connection that something is asked for on, once a worker has read that

sub asked_for {
    my $s = $site->connect;

    print $s "GET $_[0] HTTP/1.1\r\nHost: main\r\nConnection: close\r\n\r\n";
    $s->flush;
    was_read($s);

    return $s;
}


# as many captures at once as there may be

sub room {
    return until_true(60, sub {
        my @all = map { get($profile . 1) } 1 .. 16;
        return 16 == grep { $_ eq '200' } map { (answer($_))[0] } @all;
    });
}


# an answer that is there, with the CPU time of the workers

sub known {
    my ($b, $workers, $read, $seconds) = @_;

    my $p = Profile::decode((split /\n/, slurp($b->{file}), 4)[3]);

    return Profile::measure($p, $workers, $read, 0, seconds => $seconds);
}


# the longest call of all, for each of two workers

sub late {
    my @took = sort { $b <=> $a }
               map { my @w = split ' '; $w[2] - $w[1] }
               split /\n/, slurp($_[0]);

    return 2 * ($took[0] // 0);
}


# a person's, another one's, and a scraper that never stops

sub overlapping {
    my @workers = $site->workers;
    my @loads = map { load($site, '/burnt/one', '/burnt/three') } 1 .. 2;

    my %seconds = (long => 7, other => 4, map { $_ => 2 } 1 .. 3);
    my @order = ([ 0, 'long' ], [ 0, 1 ], [ 1.5, 'other' ], [ 2.2, 2 ],
                 [ 4.4, 3 ]);
    my $began = time();
    my %b;

    # captures that begin while others run

    my $signals = sampled($site);

    my $read = Profile::watch(\@workers, sub {
        for my $begin (@order) {
            my ($at, $name) = @$begin;

            $b{$name} = Profile::background(sub {
                sleep $at;
                my $got = $site->request($profile . $seconds{$name},
                                         seconds => 60);
                return "$got->{status}\n-\n-\n$got->{body}";
            });
        }

        return values %b;
    });

    $signals = sampled($site) - $signals;

    my %p = map { $_ => known($b{$_}, \@workers, $read, $seconds{$_}) }
            keys %b;

    my $p = $p{long};
    my $truth = burnt($p, $burnt);

    Profile::end($_) for @loads;

    my $late = late($burnt);

    is(scalar(grep { $p{$_}{decoded}{duration} < 1e9 * $seconds{$_} } keys %p),
       0, 'captures last as long as asked, on busy workers too');
    is_valid($p{long}, 'an overlapped capture');
    is_all_cpu($p{long}, '... has all of the CPU time', late => $late);
    is_all_cpu($p{other}, 'another one in between has', late => $late);
    is_all_cpu($p{$_}, "a scraper has: $_", late => $late) for 1 .. 3;

    $p->{gap} = $p->{cpu} / $signals;

    is_burnt($p, $truth, "/burnt/$_", has("profiling_test_${_}_cfi"))
        for qw(one three);
}


# A profile is written while another one goes on, in several passes of a loop
# that others make long: it has nothing of what is sampled meanwhile.

sub written {
    my @workers = $site->workers;
    my @loads = map { load($site, '/burnt/one') } 1 .. 2;
    my $crowd = Profile::background(sub { return crowd(60, 7) });
    my $long = get($profile . 6);

    sleep 1.5;

    my @all;
    my $read = Profile::watch(\@workers, sub {
        return @all = map { get($profile . 1) } 1 .. 8;
    });
    my @p = map { known($_, \@workers, $read, 1) } @all;

    Profile::end($_) for @loads;
    answer($long);

    is(Profile::finish($crowd), 'served', 'a crowd is served meanwhile');

    # what was once in it were 70 ms; all have the same beginning
    is_all_cpu($_, '... of no more CPU time than there was', ticks => 6)
        for @p;
}


# requests of many connections at once, which a worker has in one pass

sub crowd {
    my ($n, $seconds) = @_;

    my @s = map { $site->connect } 1 .. $n;
    my $end = time() + $seconds;
    my $i = 0;

    while (time() < $end) {
        Profile::send_get($_, '/label/' . (1 + $i++ % $labels)) for @s;
        Profile::receive($_) || return 'lost' for @s;
    }

    return 'served';
}


sub gone {
    my $load = load($site, '/one');
    my $before = sampled($site);
    my $s = asked_for($profile . 60);

    ok(until_true(60, sub { sampled($site) > $before }), 'a capture runs');

    close $s;
    is_quiet($site, 'it ends when the client goes away');
    Profile::end($load);
}


# the worker that answers a profile of some seconds, and its connection

sub asked {
    my $seconds = shift;

    my $s = asked_for($profile . $seconds);

    my ($at) = grep { $_->{port} == $site->port
                      && $_->{remote} == $s->sockport } Site::sockets();
    my ($pid) = grep { has_socket($_, $at->{inode}) } $site->workers;

    return ($pid, $s);
}


sub has_socket {
    my ($pid, $inode) = @_;

    return grep { (readlink $_ // '') eq "socket:[$inode]" }
           glob "/proc/$pid/fd/*";
}


sub asker_killed {
    my $load = load($site, '/one');
    my $before = sampled($site);
    my ($pid, $s) = asked(60);

    ok($pid, 'the worker that captures is known');
    ok(until_true(60, sub { sampled($site) > $before }), '... and captures');

    kill 'KILL', $pid;
    ok(until_true(60, sub {
        my @now = $site->workers;
        return @now == 2 && !grep { $_ == $pid } @now;
    }), 'it is killed');

    is_quiet($site, 'nothing is left running of it');
    Profile::end($load);
    ok(room(), 'its capture is free for others');
}


# loads, until this worker is known to have done something

sub busy {
    my $pid = shift;

    my @loads;
    my $before = cpu_ns($pid);

    until_true(60, sub {
        push @loads, load($site, '/one') if @loads < 8;
        sleep 0.15;
        return cpu_ns($pid) - $before > 200e6;
    });

    return @loads;
}


# A capture, while code makes workers come and go.  What is too busy to be done
# before it ends is done once more.

sub captured {
    my ($seconds, $code) = @_;

    for (1 .. 10) {
        my ($asked, $s) = asked($seconds);
        my $end = time() + $seconds;
        my @known = $code->($asked);

        # the answer is there when it has ended
        my $in_time = time() < $end && !IO::Select->new($s)->can_read(0);
        my $got = Site::parse(Site::read_all($s, 60));

        next if !$in_time || Profile::late($got);
        return (Profile::decode($got->{body}), $asked, @known);
    }

    die "this machine is too busy\n";
}


# what it did before it died is there, and its successor too

sub killed {
    my ($p, $asked, $victim, $heir) = captured(6, sub {
        my $asked = shift;

        my ($victim) = grep { $_ != $asked } $site->workers;
        my @loads = busy($victim);

        kill 'KILL', $victim;

        my ($heir) = @{ until_true(60, sub {
            my @now = grep { $_ != $asked && $_ != $victim } $site->workers;
            return @now ? \@now : undef;
        }) };

        push @loads, busy($heir);
        Profile::end($_) for @loads;

        return ($victim, $heir);
    });

    my %cpu;
    $cpu{ $_->{labels}{pid} } += $_->{cpu} for @{ $p->{samples} };

    is_valid($p, 'a worker was killed');

    cmp_ok($cpu{$victim} // 0, '>', 0.05e9, 'the killed worker is in it');
    cmp_ok($cpu{$heir} // 0, '>', 0.05e9, '... the one in its place too');
    delete @cpu{$asked, $victim, $heir};
    is(join(' ', keys %cpu), '', '... and no other');
}


sub reloaded {
    my (@old, @heirs);

    my ($p) = captured(6, sub {
        my $asked = shift;

        @old = $site->workers;
        my @loads = busy(grep { $_ != $asked } @old);

        kill 'HUP', $site->{pid};

        @heirs = @{ until_true(60, sub {
            my @now = grep { my $pid = $_; !grep { $_ == $pid } @old }
                      $site->workers;
            return @now == 2 ? \@now : undef;
        }) };

        push @loads, busy($heirs[0]);
        Profile::end($_) for @loads;
    });

    my %cpu;
    $cpu{ $_->{labels}{pid} } += $_->{cpu} for @{ $p->{samples} };

    is_valid($p, 'a reload in the middle');
    ok((grep { $cpu{$_} } @old), 'the old workers are in it');
    ok((grep { $cpu{$_} } @heirs), 'and the new ones');
    is(scalar(grep { my $pid = $_; !grep { $_ == $pid } @old, @heirs }
              keys %cpu), 0, '... under their own pids');
}
