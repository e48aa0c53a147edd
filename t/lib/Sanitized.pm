package Sanitized;

# What a build with sanitizers cannot show, and why; make sanitize.
#
#   SKIP: {
#       skip_sanitized('its allocator has no figures', 1);
#       ...
#   }
#
#
#   grep { !sanitizing($_) } @{ $p->{samples} }
#
# Only for what the sanitizer itself changes: it brings an allocator that keeps
# what is freed, wrappers around libc's functions, files and addresses of its
# own, and is several times slower.  The plain build has all checks.

use strict;
use warnings;

use Exporter qw(import);
use Test::More ();

our @EXPORT = qw(sanitized skip_sanitized skip_all_sanitized sanitizing);


sub sanitized { return $ENV{SANITIZE} || '' }


# within a block that is labelled SKIP

sub skip_sanitized {
    my ($why, $count) = @_;

    Test::More::skip("sanitized, $why: make test has it", $count) if sanitized();
}


sub skip_all_sanitized {
    my $why = shift;

    Test::More::plan(skip_all => "sanitized, $why: make test has it") if sanitized();
}


# Whether a sample of a profile is of what only the sanitizer makes take time:
# its functions, which put off what is freed, and those compiled with it.

sub sanitizing {
    my $sample = shift;

    return sanitized()
           && grep { /^__(?:asan|sanitizer|interceptor|lsan|ubsan)/
                     || /^ngx_prof_/ } @{ $sample->{frames} };
}


1;
