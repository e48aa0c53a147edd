#!/usr/bin/perl

# Each sentence of SECURITY.md has its test: rows of its tables name them, those
# of its text are listed here.  Those tests run by themselves.

use strict;
use warnings;

use Test::More;
use Site;

# what a sentence begins with: its tests, or why it needs none
my %text = (
    'What the module opens up' => 'says what follows',
    'Each statement names the test' => ['t/build/045-security.t'],
    '`make test T=file` runs one.' => ['t/build/045-security.t'],
    'Report what you find' => 'asks for something',
    'Nothing is reachable until' => ['t/060-access.t'],
    'By default, `profiling_access local`' => ['t/060-access.t'],
    'A proxy on the same machine' => ['t/060-access.t'],
    'If it says for whom it asks' => ['t/060-access.t'],
    'Who wants others to ask' => ['t/060-access.t',
                                  't/fault/170-security.t'],
    'A page of another site can' => 'says what others can do',
    'These hold for `profiling_access any`' => ['t/060-access.t'],
    'Names of servers, locations' => 'says what is told',
    'Profiles also tell where' => 'says what is told',
    '`profiling_anonymize on` leaves' => ['t/encoder/03-maps.t',
                                          't/dump/040-answers.t'],
    'Who may read a profile' => 'says what is told',
    'Any process of the workers\' user' => ['t/fault/170-security.t'],
    'Workers do not trust the zone' => ['t/fault/037-overwritten.t'],
    'Profiles are encoded by' => ['t/fault/170-security.t'],
);

my $document = slurp('SECURITY.md');
my (%left, @bad) = %text;

for my $sentence (sentences($document)) {
    my ($begin) = grep { index($sentence, $_) == 0 } keys %text;

    if (!defined $begin) {
        push @bad, $sentence;
        next;
    }

    delete $left{$begin};
    push @bad, $sentence if ref $text{$begin}
                            && grep { !-e } @{ $text{$begin} };
}

is(join("\n", @bad), '', 'each sentence of its text is known here');
is(join("\n", sort keys %left), '', '... and no other');

my @rows = grep { !/^\| (?:statement|---) / } $document =~ /^(\|.*)$/mg;

@bad = grep {
    my ($tests) = /\| ([^|]*) \|$/;
    my @named = ($tests // '') =~ /`(t\/[^`]+)`/g;

    !@named || grep { !-e } @named;
} @rows;

cmp_ok(scalar @rows, '>', 40, 'there are ' . @rows . ' statements in tables');
is(join("\n", @bad), '', '... each with tests that are there');

done_testing;


# of what is neither a title nor a table

sub sentences {
    my $text = shift;

    $text =~ s/^[#|].*\n//mg;

    return map { split /(?<=[.:;])\s+(?=[A-Z`])/ }
           map { s/\s+/ /gr } grep { /\S/ } split /\n{2,}/, $text =~ s/\A\s+//r;
}
