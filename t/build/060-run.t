#!/usr/bin/perl

# What t/run reports of files that pass, fail, skip or crash: the sum, the last
# lines, the exit status.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Sanitized;
use Site;
use Test::More;

my $build = $ENV{BUILD} or plan(skip_all => 'run this by make test');

skip_all_sanitized('the files that are run here are not');

my $dir = tempdir(CLEANUP => 1);

# the run that we are part of is not theirs
delete @ENV{grep { /^(?:TEST_|PERL_TEST_|HARNESS_)/ } keys %ENV};

written('pass.t', "print \"1..2\\nok 1\\nok 2\\n\";\n");
written('skip.t', <<'END');
use Test::More tests => 3;
SKIP: { skip('no gauge: install one', 2); }
pass();
END
written('all.t', "print \"1..0 # SKIP no house: build one\\n\";\n");
written('fail.t', "print \"1..2\\nok 1\\nnot ok 2 - it holds\\n\";\n");
written('bad.t', "print \"1..1\\nok 1\\n\"; exit 3;\n");
written('test_unit.c', <<'END');
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void
passes(void **state)
{
    assert_true(1);
}

static void
skips(void **state)
{
    printf("# no clock: wind one up\n");
    skip();
}

int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(skips),
        cmocka_unit_test(passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
END

my ($status, $said) = ran(qw(pass.t skip.t all.t test_unit.c));

is($status, 0, 'all is well if nothing fails');
like($said, qr/\n4 passed, 0 failed\n\z/, '... what passed is counted')
    or diag($said);

my ($skipped) = $said =~ /^==== skipped\n(.*?)\n(?=\d)/ms;

is_deeply([ sort split /\n/, ($skipped // '') =~ s{\Q$dir\E/}{}gr ],
          [ 'all.t: no house: build one',
            'skip.t, 2: no gauge: install one',
            'test_unit.c, 1: no clock: wind one up' ],
          '... what was skipped is told, with what would run it');

($status, $said) = ran(qw(pass.t fail.t bad.t));

isnt($status, 0, 'a failure fails the run');
like($said, qr/\n4 passed, 2 failed\n\z/, '... as does a file that ends badly');
like($said, qr{^==== \Q$dir\E/fail\.t\n1\.\.2\nnot ok 2 - it holds$}m,
     '... what has failed is shown');

done_testing;


sub written {
    my ($name, $text) = @_;

    spew("$dir/$name", $text);
}


sub ran {
    my @files = map { "$dir/$_" } @_;
    my $said = qx(t/run @files 2>&1);

    return ($?, $said);
}
