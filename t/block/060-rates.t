#!/usr/bin/perl

# The rates: what is shorter than profiling_block_rate is sampled and counted
# for all of its kind; off means off, while pauses still have their places;
# one of profiling_mutex_fraction waits stands for so many.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;

my $server = <<'END';
        location = /short { profiling_test wait_usleep 5; }
        location = /long { profiling_test wait_usleep 60; }
        location = /mutex { profiling_test wait_mutex 2; }
END

rate();
off();
fraction();

done_testing();


sub site {
    my $http = shift;

    my $site = Site->new(workers => 1, modules => [ Profile::test_module() ],
                         handlers => $Profile::handlers, http => $http,
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


# 200 calls of 5 ms, each taken with a probability of 0.1: 20 of them, give or
# take three times 4.2

sub rate {
    my $site = site('profiling_interval 100ms; profiling_block_rate 50ms;');

    $site->request('/short') for 1 .. 200;
    $site->request('/long');

    my ($count, $delay) = counted($site, 'block', 'profiling_test_usleep');

    about($count, 201, 0.65, 'short calls count for all of their kind');
    # which is longer on a machine that is busy
    cmp_ok($delay - 60e6, '>=', 0.35 * 200 * 5e6, '... with their time');

    my $p = Profile::take($site, path => '/debug/pprof/block');
    my $all = sum($p, has('profiling_test_usleep'),
                  labelled(location => '= /long'));

    about($all, 60e6, 0.2, 'long ones are all taken, with their own time');

    $site->stop;
}


sub off {
    my $site = site('profiling_interval 100ms; profiling_block_rate off;
                     profiling_mutex_fraction off;');

    $site->request($_) for '/long', '/mutex';

    my $p = Profile::take($site, path => '/debug/pprof/block');
    is(@{ $p->{samples} }, 0, 'off: nothing blocks');
    $p = Profile::take($site, path => '/debug/pprof/mutex');
    is(@{ $p->{samples} }, 0, 'off: no locks');

    my ($pause) = grep { ($_->{location} // '') eq '= /long' }
                  @{ $site->json('gc')->{recent} };
    is($pause->{cause}, 'profiling_test_usleep', '... but pauses are placed');

    $site->stop;
}


# 60 waits, of which one in three is taken: 20, give or take three times 3.7

sub fraction {
    my $site = site('profiling_interval 100ms; profiling_mutex_fraction 3;');

    $site->request('/mutex') for 1 .. 60;

    my ($count, $delay) = counted($site, 'mutex', 'profiling_test_mutex');

    about($count, 60, 0.55, 'a fraction counts for all');
    is($count % 3, 0, '... in steps of it');
    cmp_ok($delay, '>=', $count * 1.2e6, '... with their time');

    $site->stop;
}
