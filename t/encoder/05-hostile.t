#!/usr/bin/perl

# Captures that are truncated, random or contradictory: an exit code, one line,
# no output, never a crash.  The unit tests and the fuzzer try many more; this
# tests the program as it is started.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

no warnings qw(portable);

use Test::More;
use Encoder;

my $sanitize = '-fsanitize=address,undefined -fno-sanitize-recover=all';
my @args = qw(--single --memory=0);

my $raw = mkraw(<<'END');
flags 1
period 10000000 cpu nanoseconds
type samples count
process 100 pid:100
map 0x400000 0x500000 0x1000 8:1 55 abcdef /nonexistent/nginx
sample 1 0 server=a @ 0x400010 0x400020 =root
END

sub refused {
    my ($data, $name, $code) = @_;

    my $r = run_raw($data, flags => $sanitize, args => \@args);

    return "$name: code $r->{code} signal $r->{signal}: $r->{err}"
        if $r->{signal} || $r->{code} != ($code || 3);
    return "$name: output" if $r->{out} ne '';
    return "$name: not one line: $r->{err}"
        if $r->{err} !~ /\Angx_http_profiling_encoder: [^\n]+\n\z/;
    return ();
}

is(run_raw($raw, flags => $sanitize, args => \@args)->{code}, 0,
    'the capture itself is good');

my @bad = map { refused(substr($raw, 0, $_), "cut off at $_") }
    0, 1, 7, 8, 40, 95, 96, 97,
    map { int(length($raw) * $_ / 20) } 1 .. 19;
push @bad, refused(substr($raw, 0, -1), 'last byte missing');
is_deeply(\@bad, [], 'cut off');

is_deeply([refused($raw . 'x', 'longer')], [], 'one byte too many');
is_deeply([refused($raw . $raw, 'twice')], [], 'two captures');

srand 1;
@bad = map { my $n = $_; refused(join('', map { chr int rand 256 } 1 .. $n),
                                 "random $n") } 1, 100, 1000, 5000;
is_deeply(\@bad, [], 'random bytes');

my $r = run_raw(substr($raw, 0, 8) . pack('V', 2) . substr($raw, 12),
                flags => $sanitize, args => \@args);
is($r->{code}, 3, 'another version is refused');
like($r->{err}, qr/version 2, this encoder reads version 1\n\z/, 'by name');

is_deeply([map { refused(mkraw("period $_ a b\ntype a b\n"), "period $_") }
    -1, 4611686018427387904, 9223372036854775807], [], 'periods');

# each 32-bit word in turn is made huge: a count, a size, an index, a string

my ($refused, $accepted) = (0, 0);
@bad = ();

for (my $i = 8; $i < length $raw; $i += 12) {
    my $copy = $raw;
    substr($copy, $i, 4) = "\xff\xff\xff\xff";
    $r = run_raw($copy, flags => $sanitize, args => \@args);
    push @bad, "word $i: $r->{code} $r->{signal} $r->{err}"
        if $r->{signal} || $r->{code} !~ /^[034]$/;
    $r->{code} ? $refused++ : $accepted++;
}

is_deeply(\@bad, [], 'huge numbers');
cmp_ok($refused, '>', 5, "are refused where they matter ($refused)");

# lying ELF files: damaged at random, no crash of the program as it is started

my $program = build_file('victim.c', "int main(void) { return 0; }\n",
    'cc -g -O1 -Wl,--build-id -o %o %s');
my $e = elf($program);
my $elf = slurp($program);
my $text = "flags 1\nperiod 1 cpu nanoseconds\ntype samples count\n"
    . "process 1\n" . $e->{map}->(0x555500000000, build_id => '-') . "sample"
    . ' 1 0 @ ' . $e->{pc}->(0x555500000000, 'main', 1) . "\n";

@bad = ();
my $named = 0;

for my $n (1 .. 60) {
    my $copy = $elf;
    my $from = ($n % 3 == 0) ? 0 : 0x2000;

    substr($copy, $from + int rand(length($copy) - $from), 1)
        = chr int rand 256 for 1 .. ($n % 3 == 0 ? 3 : 200);

    spew($program, $copy);

    $r = run($text);
    push @bad, "damaged $n: $r->{code} $r->{signal} $r->{err}" if $r->{code}
        || $r->{signal};
    $named++ if !$r->{code}
        && decode($r->{out})->{functions}[0]{name} eq 'main';
}

is_deeply(\@bad, [], 'damaged files cost names, not the profile');
cmp_ok($named, '>', 0, "and not always ($named of 60)");

for my $part (1 .. 12) {
    spew($program, substr $elf, 0, int(length($elf) * $part / 13));
    $r = run($text);
    push @bad, "cut off $part: $r->{code} $r->{err}" if $r->{code};
}
is_deeply(\@bad, [], 'files that are cut off');

done_testing();
