package Whose;

# Whose work it was, where requests are served by turns: what the memory that a
# load has taken, and the pauses that it has made, are told to be of.
#
#   my @pauses = pauses_since($site, $began, 60, sub { @_ >= 10 }, $which);
#   are_pauses('a fetch', '= /fetch', @pauses);
#   is_memory('a fetch', $before, $after, [$large], labelled(...));
#
# $before and $after are of Heap::take().

use strict;
use warnings;

use Exporter qw(import);
use Heap qw(total);
use Profile;
use Site;
use Test::More ();

our @EXPORT = qw(pauses_since are_pauses is_memory);


# The latest pauses since a load began, of those that fulfil the condition, once
# they are enough: a list that few pauses have reached holds those of earlier
# loads as well.

sub pauses_since {
    my ($site, $began, $seconds, $enough, $which) = @_;

    my @pauses;

    until_true($seconds, sub {
        @pauses = grep { epoch($_->{time}) >= $began && (!$which || $which->($_)) }
                  @{ $site->json('gc')->{recent} };
        return $enough->(@pauses);
    });

    return @pauses;
}


# there are some, and 98% have this location

sub are_pauses {
    my ($name, $place, @pauses) = @_;

    my @wrong = grep { ($_ // '') ne $place } map { $_->{location} } @pauses;

    Test::More::cmp_ok(scalar @pauses, '>', 0, "$name: there are pauses");
    Test::More::cmp_ok(scalar @wrong, '<=', 0.02 * @pauses,
                       '... each of its location')
        or Test::More::diag("of @{[ scalar @pauses ]}: "
                            . join ', ', map { $_ // 'none' } @wrong);
}


# of the bytes that the first conditions tell, 98% fulfil the others

sub is_memory {
    my ($name, $before, $after, $of, @conditions) = @_;

    my ($right, $all) = map { total($after, 'alloc_space', @$of, @$_)
                              - total($before, 'alloc_space', @$of, @$_) }
                            \@conditions, [];

    Test::More::cmp_ok($all, '>', 0, "$name: memory is taken");
    Test::More::cmp_ok($right, '>=', 0.98 * $all, '... by its location')
        or wrong($after, $of->[0]);
}


1;
