package Turns;

# Variants of a site that are loaded in turns, so that what else happens on the
# machine meets all of them:
#
#   my @variants = ({ name => 'nginx alone', site => sub { ... } }, ...);
#   Turns::run('mixed', 0.5, @variants);
#   print Turns::ratio($variants[1], 'us');
#
# The first one is what the others are compared with: it runs before and after
# every third of them, and its mean there counts.  One that names another as
# `against` is compared with that, of the same turn.  site: starts it; begin:
# what is to be measured begins, end: and ends, with what begin returned; check:
# was it in force?, called when all sites have stopped.  A variant that dies is
# out, and {failed} says why.

use strict;
use warnings;

use Bench;
use List::Util qw(shuffle);
use Loads;


sub run {
    my ($load, $part, @variants) = @_;

    my $first = $variants[0];
    my %found = map { $_->{name} => $_ } @variants;

    for my $v (@variants) {
        $v->{load} = $load;
        $v->{against} = $v == $first ? undef
                        : $found{ $v->{against} // $first->{name} };
        attempt($v, sub { $v->{running} = $v->{site}->();
                          Loads::ask($v->{running}, $load, 1) });
    }

    my @rest = @variants[1 .. $#variants];

    until_over($part, 3, 25, sub {
        my $turn = shift;

        a_turn($turn, $first, $turn % 2 ? @rest : reverse @rest);
    });

    $_->{running} && $_->{running}->stop('QUIT') for @variants;
    attempt($_, $_->{check}) for grep { $_->{check} } @variants;
}


sub a_turn {
    my ($turn, $first, @rest) = @_;

    measure($first, $turn);

    while (my @some = splice @rest, 0, 3) {
        my $before = $first->{saw}[-1];

        measure($_, $turn) for @some;
        measure($first, $turn);

        my $after = $first->{saw}[-1];

        for my $v (@some) {
            $v->{base}[$turn] = {
                map { $_ => ($before->{$_} + $after->{$_}) / 2 } qw(rate us)
            };
        }
    }
}


sub attempt {
    my ($v, $code) = @_;

    return if $v->{failed};

    my $value = eval { $code->() };

    $v->{failed} = $@ =~ s/\s*\n.*//sr if $@;

    return $value;
}


# a run of one second

sub measure {
    my ($v, $turn) = @_;

    attempt($v, sub {
        my $handle = $v->{begin} ? $v->{begin}->() : undef;

        my $saw = Loads::ask($v->{running}, $v->{load}, 1);

        if ($v->{against}) {
            $v->{saw}[$turn] = $saw;

        } else {
            push @{ $v->{saw} }, $saw;
        }

        $v->{end}->($handle) if $v->{end};
    });
}


# of all turns; what: rate or us

sub values_of {
    my ($v, $what) = @_;

    return map { $_->{$what} } grep { $_ } @{ $v->{saw} };
}


sub ratios {
    my ($v, $what) = @_;

    my $base = $v->{against}{against} ? $v->{against}{saw} : $v->{base};

    return map { $v->{saw}[$_]{$what} / $base->[$_]{$what} }
           grep { $v->{saw}[$_] && $base->[$_] } 1 .. $#{ $v->{saw} };
}


# A row for each variant.

sub rows {
    my @variants = @_;

    for my $v (@variants) {
        my $name = $v == $variants[0] ? $v->{name} : "... $v->{name}";

        if ($v->{failed}) {
            row($name, $v->{failed});
            next;
        }

        my @of = $v->{against} ? map({ [ ratios($v, $_) ] } qw(rate us))
                               : map({ [ values_of($v, $_) ] } qw(rate us));
        my @format = $v->{against} ? ('%.2f', '%.2f') : ('%.0f', '%.1f');
        my @unit = $v->{against} ? ('', ' of the CPU time')
                                 : ('', ' us of CPU time each');

        $name .= ', against ' . $v->{against}{name} =~ s/,.*//r
            if $v->{against} && $v->{against} != $variants[0];

        row($name, join('; ', map { sprintf "$format[$_]$unit[$_]",
                                    median(@{ $of[$_] }) } 0, 1),
            join('; ', map { sprintf "$format[$_] to $format[$_]",
                             quartiles(@{ $of[$_] }) } 0, 1)
            . sprintf '; %d runs', scalar @{ $of[0] });
    }
}


1;
