package Scripts;

# What t/style asks of Perl and JavaScript: lines of at most 100 columns,
# functions of at most 80 lines.
#
#   my @faults = Scripts::faults($file, $text);
#
# A function begins in a line that ends with its brace, and ends with the brace
# that closes a line of the same indentation.

use strict;
use warnings;

my $columns = 100;
my $function_lines = 80;

my $perl = qr/ \b sub \b [^{}]* \{ $ /x;

my $javascript = qr/ \b function \b [^{}]* \( | => \s* \(? \{ $
                     | ^ \s* (?! (?: if|for|while|switch|catch|with ) \b )
                       (?: (?: static|async|get|set ) \s+ )* [#*]? [\w\$]+
                       \( [^;]* \) \s* \{ $
                   /x;


sub faults {
    my ($file, $text) = @_;

    my @lines = split /\n/, $text;
    my @code = $file =~ /\.mjs$/ ? @lines : without_texts(@lines);
    my $begins = $file =~ /\.mjs$/ ? $javascript : $perl;
    my @faults;

    for my $i (0 .. $#lines) {
        push @faults, sprintf '%s:%d: more than %d columns', $file, $i + 1,
                              $columns
            if length $lines[$i] > $columns;

        next if $code[$i] !~ $begins || $code[$i] =~ m{^\s*(?:#|//|\*)};

        my ($indentation) = $code[$i] =~ /^(\s*)/;
        my $end = $i + 1;
        $end++ while $end < @code && !ends($code[$end], $indentation);

        my $length = $end - $i - 1;

        push @faults, sprintf '%s:%d: function of %d lines', $file, $i + 1,
                              $length
            if $length > $function_lines;
    }

    return @faults;
}


# a brace that closes it, or the line after what holds it

sub ends {
    my ($line, $indentation) = @_;

    return $line =~ /^$indentation\}/
           || $line =~ /^(\s*)[^\s)\]}]/ && length $1 < length $indentation;
}


# Perl's texts within the code, and what stands behind its end.

sub without_texts {
    my @lines = @_;
    my @ends;

    for my $line (@lines) {
        if (@ends) {
            my $over = $line =~ /^\s*\Q$ends[0]\E$/;

            $line = '';
            shift @ends if $over;

        } elsif ($line eq '__END__') {
            @ends = ("\n");

        } else {
            @ends = map { s/["']//gr } $line =~ /<<~?("\w+"|'\w+'|[A-Z]\w*)/g;
        }
    }

    return @lines;
}


1;
