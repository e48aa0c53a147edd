#!/usr/bin/perl

# Pauses on the processor: a function that burns CPU time, and a regular
# expression that takes nginx some 30 ms per match.  The stack is taken while
# they run; a wait in no known call is reported as neither.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);
use Site;
use Profile;

# what is inlined is named by the debug information
my $burning = qr/^profiling_test_(?:one|inlined|mix)_cfi$/;

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 100ms; profiling_pause_threshold 5ms; '
                . 'profiling_budget off;',
    server   => <<'END',
        location = /burn { profiling_test one 30000000; }
        location = /tail { profiling_test wait_tail 30000000; }
        location = /raw { profiling_test wait_raw 40; }
        location = /short { return 200 ok; }
        location /regex {
            if ($arg_x ~ "^(\w+\s?)+$") { return 200 match; }
            return 200 none;
        }
END
);

$site->start;

burns();
tail();
regex();
neither();
short();

$site->stop;

done_testing();


# A pause is told when its pass ends, which is after its answer was sent; a
# single worker answers us only then.  Those that had the processor: others may
# hold up any pass.

sub recent {
    my $location = shift;

    return grep { ($_->{location} // '') eq $location
                  && $_->{on_cpu_ns} > 5e6 }
           @{ $site->json('gc')->{recent} };
}


sub burns {
    my ($pid) = $site->workers;

    for (1 .. 3) {
        my $before = cpu_ns($pid);
        $site->request('/burn');
        my $spent = cpu_ns($pid) - $before;
        my ($r) = recent('= /burn');

        like($r->{cause}, $burning, 'burn: the function');
        is($r->{worker}, $pid, '... of the worker');
        is($r->{server}, 'main', '... of the server');
        cmp_ok($r->{blocked_ns}, '<', 0.5 * $r->{duration_ns},
               '... in no call that waits');

        # of the tick before, and of what the request takes beside it
        about($r->{on_cpu_ns}, $spent, 0.2, '... its time on the processor');
        cmp_ok($r->{on_cpu_ns}, '<=', $r->{duration_ns}, '... at most all');
    }

    my $p = Profile::take($site, path => '/debug/pprof/block');
    my @pauses = recent('= /burn');
    my $sum = 0;

    $sum += $_->{duration_ns} for @pauses;

    is(@pauses, 3, 'each was a pause');
    about(sum($p, has('profiling_test_one_cfi'),
              labelled(location => '= /burn', server => 'main')), $sum, 0.1,
          '... and is in the profile of blocking with all its time');
    like($pauses[0]{stack}[0], $burning, '... it is innermost');
    ok(thread_start({ frames => $pauses[0]{stack} }),
       '... and its callers go up to the start')
        or diag(explain $pauses[0]{stack});
}


# it ends elsewhere, and is looked at there too

sub tail {
    $site->request('/tail') for 1 .. 4;

    my @pauses = recent('= /tail');

    is(@pauses, 4, 'tail: each is a pause');
    is_deeply([ map { $_->{stack} }
                grep { $_->{cause} !~ $burning
                       || grep { /_descend_/ } @{ $_->{stack} } } @pauses ],
              [], '... by the function that took most of the time')
        or diag(explain(\@pauses));
}


sub regex {
    my $subject = 'a' x 19 . '!';

    $site->request("/regex?x=$subject") for 1 .. 10;

    my @pauses = recent('/regex');

    cmp_ok(scalar @pauses, '>=', 9, 'regex: nearly every match is a pause');

    my @known = grep { $_->{stack}[0] } @pauses;
    cmp_ok(scalar @known, '>=', 0.9 * @pauses, '... with a stack');

    my @outside = grep { !grep { /regex|pcre/ } @{ $_->{stack} } } @known;

    is_deeply(\@outside, [], '... in the expression');

    diag("$pauses[0]{cause}, ", $pauses[0]{duration_ns} / 1e6, ' ms');
}


# a call that is not interposed: some of the pause, and no place

sub neither {
    # the timer of the CPU may just be due: then once more; a time is told in ms

    my $r;

    until_true(60, sub {
        my $start = time();

        $site->request('/raw');

        my @long = grep { epoch($_->{time}) > $start - 0.001
                          && $_->{duration_ns} >= 40e6 }
                   @{ $site->json('gc')->{recent} };

        $r = $long[0];
        return $r && !grep { defined $_->{cause} } @long;
    });

    ok($r, 'neither: it is a pause');
    cmp_ok($r->{other_ns}, '>=', 0.6 * $r->{duration_ns},
           '... its time went elsewhere');
    cmp_ok($r->{blocked_ns}, '<', 0.4 * $r->{duration_ns},
           '... in no call that is known');
    is($r->{cause}, undef, '... for which there is no place');
    is_deeply($r->{stack}, [], '... and no stack');
}


sub short {
    $site->request('/short') for 1 .. 20;

    # a machine that is busy may stop the worker for as long
    my $gc = $site->json('gc');

    is(scalar(grep { $_->{duration_ns} < 5e6 } @{ $gc->{recent} }), 0,
       'what is short is no pause');
    is($gc->{num_gc}, scalar @{ $gc->{recent} }, '... of all that there were');
}
