#!/usr/bin/perl

# Captures: many at once, of different length, over and over; clients and
# workers that go away in the middle of them.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    noise    => qr/exited on signal 9/,
    http     => 'profiling_interval 1s;',
    server   => <<'END',
        location = /one { profiling_test one 4000000; }
        location = /three { profiling_test three 4000000; }
END
)->start;

my $profile = '/debug/pprof/profile?seconds=';

many();
overlapping();
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
    my $load = load($site, '/one');
    my @all = map { get($profile . 3) } 1 .. 16;

    sleep 1;

    my ($status, $go, $disposition, $body) = answer(get($profile . 1));

    is($status, 500, 'the 17th capture is refused');
    is($go, 1, '... as Go does it');
    is($disposition, '-', '... without a file');
    is($body, "Could not enable CPU profiling: cpu profiling already in use\n",
       '... in its words');

    my $tool = go('-top', 'http://127.0.0.1:' . $site->port . $profile . 1);
    like($tool, qr/cpu profiling already in use/, '... which its tool tells');

    my @p = map { Profile::decode((answer($_))[3]) } @all;
    my @cpu = sort { $a <=> $b } map { $_->{cpu} } @p;

    Profile::end($load);

    cmp_ok($cpu[0], '>', 0, '16 captures at once have samples');
    about($cpu[0], $cpu[-1], 0.05, '... and agree');
    is(Profile::take($site)->{decoded}{types}[0], 'samples/count',
       '... and then there is room again');
}


# a person's, another one's, and a scraper that never stops

sub overlapping {
    my @loads = map { load($site, '/one', '/three') } 1 .. 2;

    my $long = get($profile . 7);
    my $scraper = Profile::background(sub {
        return join '', map {
            my $p = Profile::take($site, seconds => 2);
            pack 'Q>Q>Q>', $p->{decoded}{time}, $p->{decoded}{duration},
                           $p->{cpu}
        } 1 .. 3;
    });

    sleep 1.5;
    my $other = get($profile . 4);

    my $p = Profile::decode((answer($long))[3]);
    my $q = Profile::decode((answer($other))[3]);
    my @s = unpack 'Q>*', Profile::finish($scraper);

    Profile::end($_) for @loads;

    is_valid($p, 'an overlapped capture');

    my $rate = sub { $_[0]{cpu} / $_[0]{decoded}{duration} };
    my ($cpu, $duration) = ($s[2] + $s[5] + $s[8], $s[1] + $s[4] + $s[7]);

    about($cpu / $duration, $rate->($p), 0.1,
          'a scraper sees what a longer capture does');
    about($rate->($q), $rate->($p), 0.15, '... and another one in between');

    about(sum($p, has('profiling_test_three_cfi'))
          / (sum($p, has('profiling_test_one_cfi')) || 1), 3, 0.25,
          'the shares are right');
}


# no capture goes on, for whatever reason: nothing is sampled

sub nothing_runs {
    my $name = shift;

    my $load = load($site, '/one');

    sleep 0.4;
    my $before = sampled($site);
    sleep 0.6;
    my $after = sampled($site);

    is($after, $before, $name);

    Profile::end($load);
}


sub gone {
    my $load = load($site, '/one');
    my $s = $site->connect;

    print $s "GET ${profile}60 HTTP/1.1\r\nHost: main\r\n\r\n";
    $s->flush;

    my $before = sampled($site);
    ok(until_true(5, sub { sampled($site) > $before }), 'a capture runs');

    close $s;
    sleep 0.3;
    Profile::end($load);
    nothing_runs('it ends when the client goes away');
}


# the worker that answers `profile` of some seconds, and its connection

sub asked {
    my $seconds = shift;

    my $s = $site->connect;
    print $s "GET $profile$seconds HTTP/1.1\r\nHost: main\r\n"
             . "Connection: close\r\n\r\n";
    $s->flush;
    sleep 0.3;

    my ($inode) = grep { $_ } map {
        my ($local, $remote, $i) = (split ' ')[1, 2, 9];
        hex((split /:/, $remote)[1]) == $s->sockport
            && hex((split /:/, $local)[1]) == $site->port ? $i : ()
    } grep { /:/ } split /\n/, slurp('/proc/net/tcp');

    my ($pid) = grep {
        my $p = $_;
        grep { (readlink $_ // '') eq "socket:[$inode]" } glob "/proc/$p/fd/*"
    } $site->workers;

    return ($pid, $s);
}


sub asker_killed {
    my $load = load($site, '/one');
    my ($pid, $s) = asked(60);

    ok($pid, 'the worker that captures is known');

    kill 'KILL', $pid;
    ok(until_true(10, sub {
        my @now = $site->workers;
        return @now == 2 && !grep { $_ == $pid } @now;
    }), 'it is killed');

    sleep 1.5;
    Profile::end($load);
    nothing_runs('nothing is left running of it');

    my @all = map { get($profile . 1) } 1 .. 16;
    is(scalar(grep { (answer($_))[0] == 200 } @all), 16,
       'its capture is free for others');
}


# loads, until this worker is known to have done something

sub busy {
    my $pid = shift;

    my @loads;
    my $before = cpu_ns($pid);

    until_true(4, sub {
        push @loads, load($site, '/one') if @loads < 8;
        sleep 0.15;
        return cpu_ns($pid) - $before > 80e6;
    });

    return @loads;
}


# what it did before it died is there, and its successor too

sub killed {
    my ($asked, $s) = asked(6);
    my ($victim) = grep { $_ != $asked } $site->workers;
    my @loads = busy($victim);

    kill 'KILL', $victim;

    my ($heir) = @{ until_true(5, sub {
        my @now = grep { $_ != $asked && $_ != $victim } $site->workers;
        return @now ? \@now : undef;
    }) };

    push @loads, busy($heir);

    my $p = Profile::decode(Site::parse(Site::read_all($s, 20))->{body});

    Profile::end($_) for @loads;

    my %cpu;
    $cpu{ $_->{labels}{pid} } += $_->{cpu} for @{ $p->{samples} };

    is_valid($p, 'a worker was killed');

    cmp_ok($cpu{$victim} // 0, '>', 0.05e9, 'the killed worker is in it');
    cmp_ok($cpu{$heir} // 0, '>', 0.05e9, '... the one in its place too');
    is(join(' ', sort { $a <=> $b } keys %cpu),
       join(' ', sort { $a <=> $b } $asked, $victim, $heir),
       '... and no other');
}


sub reloaded {
    my @old = $site->workers;
    my ($asked, $s) = asked(6);
    my @loads = busy(grep { $_ != $asked } @old);

    kill 'HUP', $site->{pid};

    my @heirs = @{ until_true(5, sub {
        my @now = grep { my $pid = $_; !grep { $_ == $pid } @old }
                  $site->workers;
        return @now == 2 ? \@now : undef;
    }) };

    push @loads, busy($heirs[0]);

    my $p = Profile::decode(Site::parse(Site::read_all($s, 20))->{body});

    Profile::end($_) for @loads;

    my %cpu;
    $cpu{ $_->{labels}{pid} } += $_->{cpu} for @{ $p->{samples} };

    is_valid($p, 'a reload in the middle');
    ok((grep { $cpu{$_} } @old), 'the old workers are in it');
    ok((grep { $cpu{$_} } @heirs), 'and the new ones');
    is(scalar(grep { my $pid = $_; !grep { $_ == $pid } @old, @heirs }
              keys %cpu), 0, '... under their own pids');
}
