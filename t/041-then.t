#!/usr/bin/perl

# A sample of the history has what was told at its tick, and what the kernel
# said then: not what is true now.

use strict;
use warnings;

use Sanitized;
use Test::More;
use Site;

my $site = Site->new(workers => 1, http => <<'END', server => <<'END')->start;
    profiling_interval 100ms;
    profiling_history 1000;
    limit_req_zone $arg_k zone=k:4m rate=1r/m;
END
    location = /ok { limit_req zone=k burst=1000 nodelay; return 200; }
END

my ($pid) = $site->workers;
my $zone = 'x' x 400;

$site->request('/ok') for 1 .. 10;

my $then = phase('at first');

# twice: the zone forgets a client that has not come again
$site->request("/ok?k=$_$zone") for map { ($_, $_) } 1 .. 1500;

my $now = phase('after requests that took memory of a zone');

cmp_ok($now->{shared}, '>', $then->{shared} + 64 * 1024,
       'the worker has more shared memory');

SKIP: {
    skip_sanitized('malloc() is its own', 1);
    cmp_ok($now->{mallocs}, '>', $then->{mallocs}, '... and has allocated');
}

# the sample of the first phase is what it was

my $old = sample($then->{timestamp});

is_deeply({ map { $_ => $old->{memory}{$_} } keys %{ $then->{memory} } },
          $then->{memory}, 'the memory of then is kept');
is($old->{gc}{next_gc}, $then->{next_gc}, '... and the next collection');

my $samples = $site->json('metrics/history?count=1000')->{samples};

for my $field (qw(mallocs frees total_alloc)) {
    my @values = map { $_->{memory}{$field} // 0 } @$samples;

    is_deeply(\@values, [sort { $a <=> $b } @values], "$field never fall");
}

$site->stop;
done_testing;


# What metrics tells of a tick, if it is what the kernel says, beside its
# sample.

sub phase {
    my $name = shift;

    my ($m, $worker, $sample, %kernel);

    ok(until_true(60, sub {
        %kernel = kernel();
        $m = $site->json('metrics');
        $worker = $m->{workers}[0];

        return $worker->{memory}{shared} == $kernel{shared}
               && $worker->{memory}{files} == $kernel{files};
    }), "$name: shared memory and files are what the kernel says")
        or diag(explain($worker->{memory}, \%kernel));

    ok(until_true(60, sub {
        $m = $site->json('metrics');
        $worker = $m->{workers}[0];

        return until_true(1, sub {
            $sample = sample($worker->{collected});
        });
    }), '... its tick has a sample');

    for my $field (qw(shared files anonymous heap_alloc heap_sys sys)) {
        is($sample->{memory}{$field}, $worker->{memory}{$field},
           "... with the same $field");
    }

    is($sample->{gc}{next_gc}, $worker->{gc}{next_gc}, '... and next_gc');

    # counters go on after the tick

    for my $field (qw(mallocs frees)) {
        cmp_ok($sample->{memory}{$field} // 0, '<=',
               $worker->{memory}{$field} // 0, "... $field are no more");
        cmp_ok($sample->{memory}{$field} // 1, '>', 0, '... but known');
    }

    return {
        timestamp => $worker->{collected}, memory => $sample->{memory},
        next_gc => $sample->{gc}{next_gc},
        map { $_ => $sample->{memory}{$_} } qw(shared mallocs),
    };
}


sub sample {
    my $timestamp = shift;

    my ($sample) = grep { $_->{timestamp} eq $timestamp }
                   @{ $site->json('metrics/history?count=1000')->{samples} };

    return $sample;
}


sub kernel {
    my $status = slurp("/proc/$pid/status");

    my %value = $status =~ /^(RssFile|RssShmem):\s+(\d+) kB/mg;

    return (files  => 1024 * $value{RssFile},
            shared => 1024 * $value{RssShmem});
}
