#!/usr/bin/perl

# Functions without a name in a library: the source file that they are of, the
# exported function whose local they are, what they implement; and those of
# which nothing is certain, which keep the library's name.

use strict;
use warnings;

no warnings qw(portable);

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Encoder;

my $base = 0x555500000000;
my @no = (args => ["--debug-dir=$Encoder::dir/none"]);
my $header = "flags 1\nperiod 1 cpu nanoseconds\ntype samples count\n";

my $head = <<'END';
#define N __attribute__((noinline, noclone))
#define S static N
extern volatile int sink;
void raise_at(const char *file, int line, const char *function);
#define FAIL raise_at(__FILE__, __LINE__, __func__)
END

# of each file, in the order of the link

my @files = (
    'fail.c' => <<'END',
volatile int sink;
N void raise_at(const char *file, int line, const char *function)
    { sink += line + file[0] + function[0]; }
END
    'deep/one.c' => <<'END',
S void one_before(int n) { sink += n * 3; }
S void one_fails(int n) { if (n) FAIL; sink += n; }
S void one_quiet(int n) { sink += n * 5; }
N void one_open(int n) { one_fails(n); one_quiet(n); if (n > 2) FAIL; }
S void one_shared(int n) { sink -= n * 7; }
N void one_more(int n) { one_shared(n); one_before(n); if (n > 3) FAIL; }
N void one_close(int n) { one_shared(n); one_before(n); sink ^= n; }
END
    'two.c' => <<'END',
typedef void (*pt)(int n);
S void two_tail(int n) { sink += n * 11; }
S void two_inner(int n) { sink += n; two_tail(n); sink += n; }
N void two_run(int n) { two_inner(n); sink += n * 2; }
S void two_first(int n) { sink += n * 13; }
S void two_second(int n) { sink += n * 17; }
static const pt two_own[] = { two_first, two_second, two_first };
N void two_table(int n) { two_own[n](n); sink += n * 4; }
S void two_both(int n) { sink += n * 19; }
N void two_left(int n) { two_both(n); sink += n * 6; }
N void two_right(int n) { two_both(n); sink += n * 8; }
S void two_taken(int n) { sink += n * 23; }
pt two_hook = two_taken;
N void two_calls(int n) { two_taken(n); sink += n * 10; }
END
    'three.c' => <<'END',
typedef void (*pt)(int n);
S void three_fast(int n) { sink += n * 29; }
S void three_slow(int n) { sink += n * 31; }
S void three_used(int n) { sink += n * 37; }
static pt three_choose(void)
    { return sink > 2 ? three_fast : sink ? three_slow : three_used; }
void three(int n) __attribute__((ifunc("three_choose")));
N void three_other(int n) { three_used(n); sink += n * 12; }
END
);

# what is told of the static functions

my %told = (
    one_fails => 'one.c', one_quiet => 'one.c', one_shared => 'one.c',
    two_inner => 'two_run local', two_tail => 'two_run local',
    two_first => 'two_table local', two_second => 'two_table local',
    three_fast => 'three implementation',
    three_slow => 'three implementation',
);


sub library {
    my ($name, %o) = @_;

    my $cc = $o{cc} || 'cc';
    my @objects;

    mkdir "$Encoder::dir/deep";

    for my $i (0 .. $#files / 2) {
        my ($file, $text) = @files[2 * $i, 2 * $i + 1];
        my $object = "$Encoder::dir/$name-$i.o";

        next if $o{without} && $file =~ $o{without};
        spew("$Encoder::dir/$file", $head . $text);
        system("cd $Encoder::dir && $cc -O2 -fPIC -fno-toplevel-reorder "
               . ($o{flags} || '') . " -c -o $object ../" . ($Encoder::dir =~ s{.*/}{}r)
               . "/$file") == 0 or die $file;
        push @objects, $object;
    }

    my $full = "$Encoder::dir/$name";

    system("$cc -shared -o $full @objects " . ($o{link} || '')) == 0 or die;
    system(($o{strip} || 'strip') . " -o $full.so $full") == 0 or die;

    return ($full, "$full.so");
}


sub look {
    my ($file, @addresses) = @_;

    my $e = elf($file);
    my $p = encode("${header}process 1\n" . $e->{map}->($base)
                   . join('', map { sprintf "sample 1 0 \@ 0x%x\n", $base + $_ }
                              @addresses), @no);
    my %seen;

    for my $s (@{ $p->{samples} }) {
        my $l = $p->{locations}[$s->{locations}[0] - 1];

        $seen{$l->{address} - $base} =
            $p->{functions}[$l->{line}[0]{function} - 1];
    }

    return \%seen;
}


# {name => address} of what is static, by the symbols of before

sub statics {
    my $file = shift;

    return map { my @p = split;
                 @p == 8 && $p[3] eq 'FUNC' && $p[4] eq 'LOCAL'
                 && $p[7] =~ /^(?:one|two|three)_/ ? ($p[7], hex $p[1]) : () }
           split /\n/, qx(readelf -sW $file);
}


sub check {
    my ($what, $told, $full, $so) = @_;

    my %at = statics($full);
    my $seen = look($so, values %at);
    my $library = $so =~ s{.*/}{}r;
    my (%names, %should);

    for my $name (grep { $_ ne 'three_choose' } keys %at) {
        my $got = $seen->{ $at{$name} };

        $names{$name} = $got->{name};
        $names{"$name, file"} = $got->{file} =~ s{^$Encoder::dir/}{}r;

        my $owner = $told->{$name} // $library;

        $should{$name} = sprintf '%s+0x%x', $owner, $at{$name};
        $should{"$name, file"} =
            $owner eq 'one.c' ? ($Encoder::dir =~ s{.*/}{}r) . '/deep/one.c'
                              : $library;
    }

    is_deeply(\%names, \%should, $what) or diag(explain(\%names));
}


check('position independent', \%told, library('shared'));
check('packed relocations', \%told,
      library('packed', link => '-Wl,-z,pack-relative-relocs'));

SKIP: {
    skip('no compiler for arm64: install gcc-aarch64-linux-gnu', 1)
        if !have('aarch64-linux-gnu-gcc');

    check('arm64', \%told,
          library('arm64', cc => 'aarch64-linux-gnu-gcc',
                  strip => 'aarch64-linux-gnu-strip'));
}

# an exported function has its name, and its library for a file

my ($full, $so) = library('again');
my $open = elf($full)->{symbol}{one_open}[0];
my $got = look($so, $open)->{$open};
is("$got->{name} $got->{file}", "one_open $so", 'an exported function');

done_testing();
