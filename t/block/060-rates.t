#!/usr/bin/perl

# The rates: a wait shorter than profiling_block_rate is sampled, and stands
# for all of its kind; off means off, while pauses still have their places; one
# of profiling_mutex_fraction waits stands for that many.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;
use Sampled;

my $server = <<'END';
        location = /short { profiling_test wait_usleep 1; }
        location = /long { profiling_test wait_usleep 60; }
        location = /mutex { profiling_test wait_mutex 1; }
END

rate();
off();
fraction();

done_testing();


sub site {
    my $http = shift;

    my $site = Site->new(workers => 1, modules => [ Profile::test_module() ],
                         handlers => $Profile::handlers,
                         http => "$http profiling_budget off;",
                         server => $server);

    return $site->start;
}


sub counted {
    my ($site, $kind, $function) = @_;

    my $p = Profile::take($site, path => "/debug/pprof/$kind");
    my ($count, $delay) = (0, 0);

    for my $s (grep { has($function)->($_) } @{ $p->{samples} }) {
        $count += $s->{count};
        $delay += $s->{cpu};
    }

    return ($count, $delay);
}


sub ask {
    my ($site, $path, $n) = @_;

    my $s = $site->connect;
    Profile::ask($s, $path, undef) for 1 .. $n;
}


sub pause_of {
    my ($site, $location) = @_;

    my ($pause) = grep { ($_->{location} // '') eq $location }
                  @{ $site->json('gc')->{recent} };

    return $pause;
}


# 1000 calls of 1 ms or a little more, each taken with a probability of a
# third and then counted three times: what is not taken makes the variance.
# Those that a busy machine makes longer are taken more often.

sub rate {
    my $site = site('profiling_interval 100ms; profiling_block_rate 3ms;
                     keepalive_requests 10000;');
    my $n = 1000;
    my $p = 1 / 3;

    ask($site, '/short', $n);

    my ($count, $delay) = counted($site, 'block', 'profiling_test_usleep');

    is_near($count, $n, sqrt($n * (1 - $p) / $p),
            'short calls count for all of their kind');

    # ms; nobody knows by how much a busy machine has made them longer
    cmp_ok($delay / 1e6, '>=', $n - 5 * sqrt($n * 1 * (3 - 1)),
           '... with their time');

    # the end of an encoder would end a sleep; others may hold the worker up in
    # another call of the pass
    my ($least, $all) = (60e6, 0);

    ok(until_true(60, sub {
        my $before = $all;

        Profile::encoders_ended($site);
        ask($site, '/long', 1);
        $all = long($site);
        $least = $all - $before if $all - $before < $least;

        return abs($all - $before - pause_of($site, '= /long')->{blocked_ns})
               < 0.01 * ($all - $before);
    }), 'long ones are taken with their own time');
    cmp_ok($least, '>=', 60e6, '... each of them');

    $site->stop;
}


sub long {
    my $site = shift;

    return sum(Profile::take($site, path => '/debug/pprof/block'),
               has('profiling_test_usleep'), labelled(location => '= /long'));
}


sub off {
    my $site = site('profiling_interval 100ms; profiling_block_rate off;
                     profiling_mutex_fraction off;');

    $site->request($_) for '/long', '/mutex';

    my $p = Profile::take($site, path => '/debug/pprof/block');
    is(@{ $p->{samples} }, 0, 'off: nothing blocks');
    $p = Profile::take($site, path => '/debug/pprof/mutex');
    is(@{ $p->{samples} }, 0, 'off: no locks');

    is(pause_of($site, '= /long')->{cause}, 'profiling_test_usleep',
       '... but pauses are placed');

    $site->stop;
}


# 600 waits, of which one in three is taken and counted as three

sub fraction {
    my $site = site('profiling_interval 100ms; profiling_mutex_fraction 3;
                     keepalive_requests 10000;');
    my $n = 600;
    my $p = 1 / 3;

    ask($site, '/mutex', $n);

    my ($count, $delay) = counted($site, 'mutex', 'profiling_test_mutex');

    is_near($count, $n, sqrt($n * (1 - $p) / $p), 'a fraction counts for all');
    is($count % 3, 0, '... in steps of it');
    cmp_ok($delay, '>=', $count * 1e6, '... with their time');

    $site->stop;
}
