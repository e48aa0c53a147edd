package Heap;

# What the tests of heap profiles share.
#
#   my $p = Heap::take($site);                  /debug/pprof/heap
#   my $p = Heap::take($site, of => 'allocs', args => 'seconds=2');
#   Heap::total($p, 'inuse_space', has('profiling_test_leak'));

use strict;
use warnings;

use Exporter qw(import);
use Profile;
use Site;
use Time::Local qw(timegm);
use Test::More ();

our @EXPORT = qw(total is_heap counted);

my @types = qw(alloc_objects alloc_space inuse_objects inuse_space);
my %index = map { $types[$_] => $_ } 0 .. $#types;


sub take {
    my ($site, %o) = @_;

    my $args = $o{args} ? "?$o{args}" : '';
    my ($seconds) = $args =~ /seconds=(\d+)/;

    return Profile::take($site, seconds => $seconds, to => $o{to},
                         method => $o{method},
                         path => '/debug/pprof/' . ($o{of} || 'heap')
                                 . $args);
}


# the sum of one of the four values over samples that fulfil all conditions

sub total {
    my ($p, $type, @conditions) = @_;

    my $sum = 0;

    SAMPLE: for my $s (@{ $p->{samples} }) {
        for my $condition (@conditions) {
            next SAMPLE unless $condition->($s);
        }

        $sum += $s->{values}[$index{$type}];
    }

    return $sum;
}


sub is_heap {
    my ($p, $name, %o) = @_;

    my $d = $p->{decoded};
    my @bad = Encoder::check_profile($d);

    push @bad, "types @{ $d->{types} }"
        if "@{ $d->{types} }" ne 'alloc_objects/count alloc_space/bytes '
                                 . 'inuse_objects/count inuse_space/bytes';
    push @bad, "period $d->{period} $d->{period_type}"
        if $d->{period_type} ne 'space/bytes'
           || $d->{period} != ($o{rate} || 2097152);
    push @bad, 'default type ' . ($d->{default} // 'none')
        if ($d->{default} // '') ne ($o{default} || 'inuse_space');
    push @bad, "duration $d->{duration}"
        if $o{delta} ? !$d->{duration} : $d->{duration};
    push @bad, 'a sample without a size'
        if grep { !defined $_->{labels}{bytes} } @{ $p->{samples} };
    push @bad, 'a value below zero'
        if !$o{delta}
           && grep { grep { $_ < 0 } @{ $_->{values} } } @{ $p->{samples} };
    push @bad, 'in use, without a pid'
        if grep { $_->{values}[2] && !$_->{labels}{pid} } @{ $p->{samples} };

    splice @bad, 10 if @bad > 10;

    Test::More::ok(!@bad, "$name: is a valid profile")
        or Test::More::diag(map { "$_\n" } @bad);
}


# Allocations, frees and bytes of all workers, as they are after each of them
# has ticked.

sub counted {
    my $site = shift;

    my $after = Time::HiRes::time();
    my $m;

    until_true(60, sub {
        $m = $site->json('metrics');
        return !grep { stamp($_->{collected}) <= $after }
                     @{ $m->{workers} };
    });

    return $m->{metrics}{memory};
}


# seconds since the epoch of an RFC 3339 time in UTC

sub stamp {
    my ($y, $mo, $d, $h, $mi, $s)
        = $_[0] =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z$/ or return 0;

    return timegm(int $s, $mi, $h, $d, $mo - 1, $y) + $s - int $s;
}


1;
