#!/usr/bin/perl

# What the module itself takes: each part grows by what it is of, and by nothing
# else; the total is their sum; Prometheus says the same.

use strict;
use warnings;

use List::Util qw(sum0);
use Profile;
use Site;
use Test::More;

my @parts = qw(cpu heap wait tick record answers encoder);

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 100ms; profiling_cpu_rate 1000; '
                . 'profiling_heap_rate 4k; profiling_budget off; '
                . 'profiling_block_rate 1ms;',
    server   => <<'END')->start;
    location = /pairs { profiling_test pairs 50000; }
    location = /sleep { profiling_test sleep 30; }
END

# which functions are of which module is asked for once, at the start

ok(until_true(240, sub { $site->json('modules')->{known} }),
   'an encoder has told of modules');

my $first = parts();

is_deeply([sort keys %$first], [sort @parts, qw(total rates)],
          'the parts of the contract');
is_deeply($first->{rates}, { cpu => 1000, record => 49, heap => 4096,
                             block => 1, mutex => 1 },
          'rates as they were asked for');

# each by itself

is($first->{cpu}{seconds}, 0, 'nobody has asked for a profile');
cmp_ok($first->{tick}{seconds}, '>', 0, 'a tick costs something');

my $ticked = grown('tick', sub { });

is($ticked->{cpu}, 0, 'a tick is no sample');

my $pairs = grown('heap', sub { $site->request('/pairs', seconds => 60) });

is($pairs->{cpu}, 0, 'a sample of the heap is none of the CPU time');
is($pairs->{encoder}, 0, 'nor does it encode anything');

grown('wait', sub { $site->request('/sleep', seconds => 60) });
grown('answers', sub { $site->request('/metrics') });

# a profile

my $samples = Profile::sampled($site);
my $load = Profile::load($site, '/pairs');
my $before = parts();
my $p = Profile::take_until($site, sub { $_[0]{count} }, seconds => 1);
my $after;

ok($p->{count}, 'a profile with samples');

until_true(60, sub {
    $after = parts();
    return $after->{encoder}{seconds} > $before->{encoder}{seconds};
});

Profile::end($load);

cmp_ok($after->{encoder}{seconds}, '>', $before->{encoder}{seconds},
       'an encoder has told what it took');
cmp_ok($after->{cpu}{seconds}, '>', $before->{cpu}{seconds},
       'samples of CPU time');
cmp_ok(Profile::sampled($site), '>', $samples, 'of which there were some');

# the sum, the share, the other format

my $sum = sum0(map { $after->{$_}{seconds} } @parts);

cmp_ok(abs($sum - $after->{total}{seconds}), '<', 1e-5, 'the total is the sum');

my ($json, %told);

# ticks and answers go on between two of them

until_true(60, sub {
    $json = parts();
    %told = $site->request('/metrics')->{body}
            =~ /^nginx_profiling_overhead_seconds_total\{part="(\w+)"\} (\S+)/gm;

    return !grep { abs($told{$_} - $json->{$_}{seconds}) > 1e-5 }
           qw(cpu encoder);
});

is_deeply([sort keys %told], [sort @parts], 'the same parts for Prometheus');
cmp_ok(abs($told{$_} - $json->{$_}{seconds}), '<', 1e-5, "the same $_")
    for qw(cpu encoder);

$site->stop;

# what is off costs nothing

$site = Site->new(
    workers => 1,
    handlers => $Profile::handlers,
    http    => 'profiling_interval 100ms; profiling_heap_rate off;',
    server  => 'location / { return 200 "ok"; }',
)->start;

my $off = parts();

is($off->{heap}{seconds}, 0, 'no heap, no cost of it');
is($off->{rates}{heap}, undef, 'nor a rate');

$site->stop;

done_testing();


# as they are after a tick

sub parts {
    my $ticks = $site->json('metrics')->{overhead}{samples};

    until_true(60, sub {
        return $site->json('metrics')->{overhead}{samples} > $ticks;
    });

    return $site->json('runtime')->{overhead};
}


# does something until the part has grown; by how much all have

sub grown {
    my ($part, $do) = @_;

    my $before = parts();
    my $after;

    until_true(60, sub {
        $do->();
        $after = parts();
        return $after->{$part}{seconds} > $before->{$part}{seconds};
    });

    cmp_ok($after->{$part}{seconds}, '>', $before->{$part}{seconds},
           "$part grows");

    return { map { $_ => $after->{$_}{seconds} - $before->{$_}{seconds} }
             @parts };
}
