#!/usr/bin/perl

# profiling_budget: samplers that take more are slowed down, and what they
# count stays right; when there is room again, they are as fast as they were.

use strict;
use warnings;

use Heap;
use List::Util qw(max);
use Profile;
use Sampled;
use Site;
use Test::More;

my $site = Site->new(
    workers  => 1,
    level    => 'notice',
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 100ms; profiling_heap_rate 64; '
                . 'profiling_budget 1%;',
    server   => <<'END')->start;
    location = /pairs { profiling_test pairs 20000; }
END

ok(until_true(120, sub { return rate() == 64 }),
   'at first, the rate that was asked for');

# a worker that has just begun has a lot to allocate

my ($before, $first);

ok(until_true(120, sub {
    $before = Heap::counted($site);
    $first = Heap::take($site, of => 'allocs');
    return !comments($first);
}), 'and a profile without comment');

# a storm: all allocations of 64 bytes and more are samples

# which goes on until a profile was seen meanwhile: rates come back by themselves

my $lowest = 0;
my $storm = Profile::load($site, '/pairs');
my $p;

until_true(120, sub { return ($lowest = max($lowest, rate())) > 64; });
cmp_ok($lowest, '>', 64, 'the heap is sampled less often');

until_true(120, sub {
    $p = Heap::take($site, of => 'allocs');
    return comments($p);
});

like(join("\n", comments($p)),
     qr/^to keep profiling_budget, the heap is sampled less often by 1 of the workers/m,
     'a profile says so');

Profile::end($storm);

# what the storm has asked for last
ok(until_true(120, sub {
    return !grep { $_->{state} eq 'phase' }
           @{ $site->json('goroutines')->{goroutines} };
}), 'the storm is over');

my @said = $site->log =~ /\[notice\].*more than "profiling_budget"/g;
is(scalar @said, 1, 'the log says so, once');

# sums are those of the exact counters: the weight of a sample is of its rate

my $after = Heap::counted($site);
my $last = Heap::take($site, of => 'allocs');

my %exact = (alloc_space => $after->{total_alloc} - $before->{total_alloc},
             alloc_objects => $after->{mallocs} - $before->{mallocs});

for my $type (sort keys %exact) {
    my $told = Heap::total($last, $type) - Heap::total($first, $type);

    cmp_ok(abs($told / $exact{$type} - 1), '<', 0.2,
           "$type: $told of $exact{$type}");
}

# and back

# whoever asks all the time is a load by that

ok(until_true(600, sub { sleep 2; return rate() == 64; }),
   'as fast as before when there is room');
ok(until_true(240, sub {
    sleep 2;
    return !comments(Heap::take($site));
}), 'no comment any more');

$site->stop;

done_testing();


sub rate {
    return $site->json('runtime')->{overhead}{rates}{heap};
}


sub comments {
    my $p = shift;

    return grep { /\bthe heap is\b/ } @{ $p->{decoded}{comments} || [] };
}
