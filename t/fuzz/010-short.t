#!/usr/bin/perl

# The fuzzers of t/fuzz/, briefly: all inputs of their corpora, which keep
# earlier findings, and the same few thousand new ones each time.  The long run
# is "make fuzz".

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;

my $dir = "$ENV{BUILD}/fuzz";
my $runs = 1500;

plan(skip_all => 'no clang that can build fuzzers: install libclang-rt-14-dev')
    if system('t/fuzz/have') != 0;

plan(skip_all => 'make matrix does not build them, make test does') if $ENV{INSTALLED};

my @names = map { m{fuzz_(\w+)\.c$} } sort glob 't/fuzz/fuzz_*.c';

plan(tests => 2 * @names);

for my $name (@names) {
    my @inputs = glob "t/fuzz/corpus/$name/*";
    my $new = tempdir(CLEANUP => 1);
    my $n = @inputs + $runs;
    my $long = $name eq "modules" ? 4500 : 1024;

    my $out = `$dir/fuzz_$name -runs=$n -seed=1 -timeout=60 -max_len=$long \\
                   -print_final_stats=1 -artifact_prefix=$new/ $new \\
                   t/fuzz/corpus/$name 2>&1`;

    my ($done) = $out =~ /^stat::number_of_executed_units: (\d+)/m;

    is($?, 0, "$name: nothing is found") or diag(substr $out, -4000);
    cmp_ok($done // 0, '>=', $runs, '... in some thousand executions');
}
