#!/usr/bin/perl

# The share of its time that an event loop is busy: a long pass counts for the
# time it took, in the interval it was in.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep);
use Site;

my $site = Site->new(
    workers => 1,
    modules => ['/usr/lib/nginx/modules/ngx_http_echo_module.so'],
    http    => 'profiling_interval 100ms;',
    server  => 'location = /busy { echo_blocking_sleep 0.35; echo ok; }',
)->start;

for (1 .. 3) {
    my $ticks = ticks();
    my @seen;

    # the second one waits when the tick becomes due: they are in one pass

    my @busy = map { $site->connect } 1 .. 2;

    say_to($_, "GET /busy HTTP/1.1\r\nHost: main\r\n") for @busy;
    sleep 0.05;
    say_to($_, "Connection: close\r\n\r\n"), sleep 0.01 for @busy;

    is(scalar(grep { Site::parse(Site::read_all($_, 60))->{status} == 200 }
              @busy), 2, 'passes are long');

    until_true(60, sub {
        push @seen, $site->json('metrics')->{metrics}{event_loop}{utilization};
        return ticks() >= $ticks + 5;
    });

    my ($idle, $busy) = (sort { $a <=> $b } @seen)[0, -1];

    cmp_ok($busy, '<=', 1, '... no loop is busier than all the time');
    cmp_ok($busy, '>', 0.7, '... the interval with them was busy');
    cmp_ok($idle, '<', $busy, '... others were not');
}

$site->stop;

done_testing();


sub say_to {
    my ($s, $bytes) = @_;

    print $s $bytes;
    $s->flush;
}


sub ticks { return $site->json('metrics')->{overhead}{samples} }
