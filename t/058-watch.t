#!/usr/bin/perl

# Slow requests where they are watched only: who held the loop in a pass of
# clients that had been idle, which are not told apart as they come.

use strict;
use warnings;

use Test::More;
use Profile;
use Site;

my $site = Site->new(
    workers => 1,
    modules => ['/usr/lib/nginx/modules/ngx_http_echo_module.so'],
    handlers => $Profile::handlers,
    http    => 'profiling_interval 100ms; profiling_pause_threshold 60s; '
               . 'profiling_slow 500ms rate=65536 keep=256;',
    server  => <<'END')->start;
        location = /nothing { return 200 "x"; }
        location = /block { echo_blocking_sleep 1; echo x; }
        location = /later { echo_blocking_sleep 1; echo_sleep 0.2; echo x; }
END

my $kept = 0;

# what a request left in the allocator's books is its own, not its neighbours'
my %alloc;

for my $culprit (qw(/block /later)) {
    for my $before (0, 4) {
        together($culprit, $before);
    }
}

cmp_ok($alloc{'/block'}[1], '<', 2 * $alloc{'/block'}[0],
       'memory of requests before it is not its own');

my $answer = $site->json('/api/profiling/slow');

is($answer->{total}, $kept, 'what was fast has left nothing');
is($answer->{dropped}, 0, 'nothing was dropped');

$answer = $site->json('/api/profiling/locations');
is($answer->{locations}[0]{cost}, undef, 'no location has a cost');
like($answer->{unavailable}{cost}, qr/profiling_slow alone/, '... and why');

$site->stop;
done_testing;


# Requests of idle clients that the worker finds together when it goes on: some
# fast ones, one that holds the loop, others behind it.

sub together {
    my ($uri, $before) = @_;

    Profile::together($site, '/nothing', ('/nothing') x $before, $uri,
                      ('/nothing') x 4);

    my @list;

    until_true(60, sub {
        @list = grep { !$_->{live} }
                @{ $site->json('/api/profiling/slow')->{requests} };
        return @list >= $kept + 5;
    });

    splice @list, @list - $kept if $kept;
    $kept += @list;

    my ($culprit) = grep { $_->{uri} eq $uri } @list;
    my @victims = map { $site->json("/api/profiling/slow/$_->{id}") }
                  grep { $_->{uri} eq '/nothing' } @list;

    my $name = "$uri behind $before";

    is(@victims, 4, "$name: those behind it are slow, and no other");
    is_deeply([map { map { $_->{for}{location} }
                     grep { $_->{what} eq 'wait' } @{ $_->{parts} } } @victims],
              [("= $uri") x 4], '... which name it');
    is(scalar(grep { $_->{by}{wait} < .9 } @victims), 0, '... and how long');
    is(scalar(grep { abs($_->{seconds} - sum($_)) > .001 } @victims, $culprit),
       0, '... with all of their times');
    cmp_ok($culprit->{by}{loop}, '>=', 1, 'it has held the loop');
    cmp_ok($culprit->{blocked_seconds}, '>=', 1, '... blocked');
    cmp_ok($culprit->{cpu_seconds}, '<', .5, '... and did not run');

    push @{ $alloc{$uri} }, $culprit->{alloc_bytes};
}


sub sum {
    my $slow = shift;
    my $sum = 0;

    $sum += $_ for values %{ $slow->{by} };

    return $sum;
}
