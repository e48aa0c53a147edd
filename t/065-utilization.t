#!/usr/bin/perl

# The share of time that an event loop is busy: a long pass counts for the time
# it took, in the interval in which it took it.

use strict;
use warnings;

use Test::More;
use Site;

my $site = Site->new(
    workers => 1,
    modules => ['/usr/lib/nginx/modules/ngx_http_echo_module.so'],
    http    => 'profiling_interval 100ms;',
    server  => 'location = /busy { echo_blocking_sleep 0.35; echo ok; }',
)->start;

# A machine that is busy may hide the tick that tells of them: then once more.

for (1 .. 3) {
    my @seen;
    my $refused = 0;

    ok(until_true(60, sub {
        push @seen, held(\$refused);

        my ($idle, $busy) = (sort { $a <=> $b } @seen)[0, -1];
        return $busy > 0.7 && $idle < $busy;
    }), 'the interval with long passes is busy, others are not')
        or diag("@seen");

    is($refused, 0, '... they are answered');
    is(scalar(grep { $_ > 1 } @seen), 0,
       '... no loop is busier than all the time');

    my $most = $site->json('gc')->{gc_cpu_fraction};
    cmp_ok($most, '<=', 1, '... nor pauses longer');

    # each long pass is of several intervals, and counts in that of its end

    my @percents = map { $_->{gc}{pause_percent} // 0 }
                   @{ $site->json('metrics/history?count=1000')->{samples} };

    is(scalar(grep { $_ > 100 } @percents), 0, '... in any interval');
    cmp_ok(scalar(grep { $_ > 0 } @percents), '>', 0, '... and there were');
}

$site->stop;

done_testing();


# The shares that five ticks tell, with two long passes in them.

sub held {
    my $refused = shift;

    my $ticks = ticks();
    my @seen;

    # the second one waits when the tick becomes due: they are in one pass

    my @busy = map { $site->connect } 1 .. 2;

    say_to($_, "GET /busy HTTP/1.1\r\nHost: main\r\n") for @busy;
    was_read($_) for @busy;
    say_to($_, "Connection: close\r\n\r\n") for @busy;

    $$refused += grep { Site::parse(Site::read_all($_, 60))->{status} != 200 }
                 @busy;

    until_true(60, sub {
        push @seen, $site->json('metrics')->{metrics}{event_loop}{utilization};
        return ticks() >= $ticks + 5;
    });

    return @seen;
}


sub say_to {
    my ($s, $bytes) = @_;

    print $s $bytes;
    $s->flush;
}


sub ticks { return $site->json('metrics')->{overhead}{samples} }
