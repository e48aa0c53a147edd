package ProfilingBlocks;

# What the blocks of Test::Nginx share: bodies go through a real JSON parser,
# and come out as lines that say what was asked for.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;

our @EXPORT = qw(types pick reasons);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

delete @ENV{qw(ENABLE_PROFILING METRICS_INTERVAL METRICS_MAX_SIZE
               MEMORY_WARNING_PCT MEMORY_CRITICAL_PCT
               GOROUTINE_WARNING GOROUTINE_CRITICAL)};


# a.b.0.c: fields and elements; * takes all elements of a list

sub values_at {
    my ($data, $path) = @_;

    my @at = ($data);

    for my $step (split /\./, $path) {
        @at = map { ref $_ eq 'HASH' && exists $_->{$step} ? $_->{$step}
                    : ref $_ ne 'ARRAY' ? ()
                    : $step eq '*' ? @$_
                    : $step =~ /^\d+$/ && $step < @$_ ? $_->[$step]
                    : () } @at;
    }

    return @at;
}


sub type_of {
    my $text = $json->encode($_[0]);

    return $text =~ /^\{/ ? 'object'
           : $text =~ /^\[/ ? 'list'
           : $text =~ /^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"$/ ? 'time'
           : $text =~ /^"/ ? 'string'
           : $text =~ /^(?:true|false)$/ ? 'boolean'
           : $text eq 'null' ? 'null'
           : $text =~ /^-?\d+$/ ? 'integer' : 'number';
}


# null is allowed where `unavailable` names the field, with a reason

sub excused {
    my ($data, $path) = @_;

    (my $tail = $path) =~ s/^(?:metrics|samples\.\*|workers\.\*)\.//;
    $tail =~ s/^details\.(\w+)_mb$/memory.$1/;
    $tail =~ s/^(next_gc)_mb$/gc.$1/;

    return $data->{unavailable}{$tail};
}


# A filter: "path:type" for each path; a fraction that is whole is printed as
# an integer, so "number" is for either.

sub types {
    my @wanted = @_;

    return sub {
        my $data = eval { $json->decode($_[0]) }
                   or return "not JSON: $@\n$_[0]";

        return join '', map {
            my ($path, $type) = split /:/;
            my %got = map { type_of($_) => 1 } values_at($data, $path);
            my $got = join '+', sort keys %got;

            $got = 'number' if $type eq 'number'
                               && $got =~ /^(?:integer|number|integer\+number)$/;

            $got eq $type || ($got eq 'null' && excused($data, $path))
                ? () : "$path: $got, not $type\n"
        } @wanted;
    };
}


# a filter: why these are null, one a line

sub reasons {
    my @names = @_;

    return sub {
        my $data = eval { $json->decode($_[0]) } or return '';

        return join '', map { "$_: $data->{unavailable}{$_}\n" }
                        grep { defined $data->{unavailable}{$_} } @names;
    };
}


# a filter: the values of these paths, one a line

sub pick {
    my @paths = @_;

    return sub {
        my $data = eval { $json->decode($_[0]) }
                   or return "not JSON: $@\n$_[0]";

        return join '', map { $json->encode($_) . "\n" }
                        map { values_at($data, $_) } @paths;
    };
}


1;
