#!/usr/bin/perl

# Names, lines and inlined calls: the same program with all its symbols,
# stripped, and with its symbols in every place where they may be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

no warnings qw(portable);

use Test::More;
use Encoder;

my $source = <<'END';
#include <stdlib.h>
volatile int sink;

static inline __attribute__((always_inline)) void
inner(int n)
{
    sink += n;
}

static inline __attribute__((always_inline)) void
middle(int n)
{
    inner(n + 1);
}

__attribute__((noinline)) void
exported_one(int n)
{
    middle(n);
}

static __attribute__((noinline)) void
hidden_one(int n)
{
    sink -= n * 3;
    sink ^= 5;
}

static __attribute__((noinline)) void
hidden_two(int n)
{
    sink -= n * 7;
}

__attribute__((noinline)) void
exported_two(int n)
{
    hidden_one(n);
    hidden_two(n);
}

__asm__(".text\n.globl no_size\nno_size:\nnop\nnop\nret\n.skip 32, 0x90\n"
        "local_label:\nret\n");
__asm__(".text\n.globl no_size_two\nno_size_two:\nret\n");

static __attribute__((noinline)) void
hidden_three(int n)
{
    sink -= n * 11;
    sink ^= 7;
}

int
main(int argc, char **argv)
{
    (void) argv;
    exported_one(argc);
    exported_two(argc);
    hidden_three(argc);
    return 0;
}
END

my $full = build_file('program.c', $source,
    'cc -g -O2 -rdynamic -fno-reorder-functions -fno-toplevel-reorder'
    . ' -o %o %s');
my $e = elf($full);
my $base = 0x555500000000;

my $header = <<'END';
flags 1
period 10000000 cpu nanoseconds
type samples count
END

sub copy {
    my ($to, @commands) = @_;
    my $file = "$Encoder::dir/$to";
    for (@commands) {
        s/%f/$full/g;
        s/%o/$file/g;
        system($_) == 0 or die "$_ failed";
    }
    return $file;
}


# name, file and lines at an address of a file that is mapped

sub look {
    my ($file, $pc, %o) = @_;

    my $f = elf($file);
    my $p = encode("${header}process 1\n" . $f->{map}->($base, %o)
                   . "sample 1 0 \@ $pc\n", args => $o{args}, env => $o{env});
    my @bad = check_profile($p);
    die "@bad" if @bad;
    my $l = $p->{locations}[0];

    return [ map { my $g = $p->{functions}[$_->{function} - 1];
                   { name => $g->{name}, system => $g->{system},
                     file => $g->{file}, line => $_->{line},
                     start => $g->{start_line} } } @{ $l->{line} } ];
}


sub names { return [ map { $_->{name} } @{ look(@_) } ]; }

my @no = (args => ["--debug-dir=$Encoder::dir/none"]);

sub pc { return $e->{pc}->($base, @_); }

sub plus {
    my ($name) = @_;
    return sprintf '%s+0x%x', $_[1], $e->{symbol}{$name}[0];
}

# the address of the inlined addition

my ($inlined) = qx(objdump -d --no-show-raw-insn $full)
    =~ /<exported_one>:.*?([0-9a-f]+):\s+mov\s+\S+\(%rip\)/s;
($inlined) ||= qx(objdump -d --no-show-raw-insn $full)
    =~ /<exported_one>:.*?([0-9a-f]+):\s+add\s+/s;
$inlined = sprintf '0x%x', $base + hex $inlined;

my $l = look($full, $inlined, @no);
is_deeply([map { $_->{name} } @$l], ['inner', 'middle', 'exported_one'],
    'inlined calls, innermost first');
is_deeply([map { $_->{line} } @$l], [7, 13, 19], 'lines of the calls');
is_deeply([map { $_->{start} } @$l], [5, 11, 17], 'lines of the functions');
is($l->[0]{file}, "$Encoder::dir/program.c", 'file');

is_deeply(names($full, pc('hidden_one', 3), @no), ['hidden_one'],
    'a static function, from .symtab');
is_deeply(names($full, pc('no_size', 1), @no), ['no_size'],
    'a symbol without a size');

# stripped: what is exported has its name, what is static has its own, or that of
# the only function that calls it

my %local = (hidden_one => 'exported_two local', hidden_three => 'main local');

my $stripped = copy('stripped', 'strip -o %o %f');

is_deeply(names($stripped, pc('exported_two', 3), @no), ['exported_two'],
    'stripped: an exported function');
for my $name (qw(hidden_one hidden_two hidden_three)) {
    my $size = $e->{symbol}{$name}[1];
    for my $add (0, 1, $size - 1) {
        is_deeply(names($stripped, pc($name, $add), @no),
            [plus($name, $local{$name} || 'stripped')],
            "stripped: $name+$add has no neighbour's name");
    }
}
is_deeply(names($stripped, pc('no_size', 0), @no), ['no_size'],
    'stripped: a symbol without a size');
my $s = $e->{symbol}{exported_two};
is_deeply(names($stripped, sprintf('0x%x', $base + $s->[0] + $s->[1] - 1),
    @no), ['exported_two'], 'stripped: last byte of a function');

# a debug file by build id

my $id = $e->{build_id};
my ($xx, $rest) = $id =~ /^(..)(.*)/;
my $debug = "$Encoder::dir/debug";
copy('x', "mkdir -p $debug/.build-id/$xx",
    "objcopy --only-keep-debug %f $debug/.build-id/$xx/$rest.debug");
my @debug = (args => ["--debug-dir=$debug"]);

is_deeply(names($stripped, $inlined, @debug),
    ['inner', 'middle', 'exported_one'], 'debug file by build id');
is_deeply(names($stripped, pc('hidden_two', 2), @debug), ['hidden_two'],
    'static function from the debug file');
is_deeply(names($stripped, pc('hidden_two', 2),
    args => ["--debug-dir=$debug", '--names=symbols']), ['hidden_two'],
    '--names=symbols: names of the debug file');
is(look($stripped, pc('hidden_two', 2),
    args => ["--debug-dir=$debug", '--names=symbols'])->[0]{line}, undef,
    '--names=symbols: no lines');
is(look($stripped, pc('hidden_two', 2),
    args => ["--debug-dir=$debug", '--brief'])->[0]{line}, undef,
    '--brief: no lines');
is_deeply(encode("${header}process 1\nsample 1 0 \@ 1000\n",
    args => ['--brief'])->{comments},
    ['encoder: lines and inlined calls left out: others wait for profiles'],
    '... and a comment says so');
is_deeply(names($stripped, pc('exported_two', 2), args => ['--names=none']),
    [sprintf 'stripped+0x%x', $s->[0] + 2 - $e->{vaddr} + $e->{offset}],
    '--names=none: file and offset');

# one whose build id is another is not believed

my $other = build_file('other.c', $source =~ s/hidden_/wrong_/gr,
    'cc -g -O2 -rdynamic -fno-reorder-functions -fno-toplevel-reorder'
    . ' -o %o %s');
copy('x', "mkdir -p $debug/wrong/.build-id/$xx",
    "cp $other $debug/wrong/.build-id/$xx/$rest.debug");
is_deeply(names($stripped, pc('hidden_two', 2),
    args => ["--debug-dir=$debug/wrong"]), [plus('hidden_two', 'stripped')],
    'a debug file of another program is not believed');

# debuginfod's cache

copy('x', "mkdir -p $debug/cache/$id",
    "cp $debug/.build-id/$xx/$rest.debug $debug/cache/$id/debuginfo");
is_deeply(names($stripped, pc('hidden_two', 2), @no,
    env => { DEBUGINFOD_CACHE_PATH => "$debug/cache" }), ['hidden_two'],
    'the cache of debuginfod');

# .gnu_debuglink: with a build id, and by checksum without one

my $linked = copy('linked', "cp $debug/.build-id/$xx/$rest.debug"
    . " $Encoder::dir/linked.debug", "cd $Encoder::dir && objcopy"
    . ' --add-gnu-debuglink=linked.debug stripped linked');
is_deeply(names($linked, $inlined, @no), ['inner', 'middle', 'exported_one'],
    '.gnu_debuglink');

my $bare = copy('bare', 'objcopy -R .note.gnu.build-id %f %o.full',
    'objcopy --only-keep-debug %o.full %o.debug 2>/dev/null',
    "cd $Encoder::dir && objcopy -g --strip-all"
    . ' --add-gnu-debuglink=bare.debug bare.full bare');
is_deeply(names($bare, $inlined, @no), ['inner', 'middle', 'exported_one'],
    '.gnu_debuglink, by checksum');
copy('x', "printf x >> $Encoder::dir/bare.debug");
is_deeply(names($bare, $inlined, @no), ['exported_one'],
    '.gnu_debuglink, wrong checksum');
copy('x', "mkdir -p $debug/sub", "rm $Encoder::dir/bare.debug");

# .gnu_debugdata, as Fedora has it

my $mini = copy('mini', "objcopy --strip-debug -R .comment %f %o.sym",
    'objcopy --only-keep-debug %o.sym %o.mini', 'rm -f %o.mini.xz',
    'xz %o.mini',
    "objcopy --add-section .gnu_debugdata=%o.mini.xz $stripped %o");
is_deeply(names($mini, pc('hidden_one', 2), @no), ['hidden_one'],
    '.gnu_debugdata');

# compressed debug information, and DWARF 4

my $zdebug = copy('zdebug', 'objcopy --compress-debug-sections=zlib %f %o');
is_deeply(names($zdebug, $inlined, @no),
    ['inner', 'middle', 'exported_one'], 'compressed sections');

my $four = build_file('four.c', $source,
    'cc -gdwarf-4 -O2 -rdynamic -o %o %s');
is_deeply(names($four, elf($four)->{pc}->($base, 'hidden_two', 1), @no),
    ['hidden_two'], 'DWARF 4');

SKIP: {
    skip 'no clang: install it', 1 if !have('clang');

    my $clang = build_file('clang.c', $source,
        'clang -g -O2 -rdynamic -o %o %s');
    my $at = elf($clang)->{pc}->($base, 'exported_one', 0);
    is_deeply(names($clang, $at, @no)->[-1], 'exported_one',
        'a file without .debug_aranges');
    is(look($clang, $at, @no)->[-1]{start}, 17, 'has lines');
}

# functions in files of their own, and the forms of DWARF 5

for my $flags ('-gdwarf-4 -gsplit-dwarf', '-gdwarf-5 -gsplit-dwarf',
               '-gdwarf-5 -gz', '-gdwarf-5 -fdebug-types-section')
{
    chdir $Encoder::dir or die;
    (my $name = $flags) =~ s/\W//g;
    my $file = build_file("$name.c", $source, "cc -O2 -rdynamic $flags"
        . ' -fno-reorder-functions -fno-toplevel-reorder -o %o %s');
    my ($add) = qx(objdump -d --no-show-raw-insn $file)
        =~ /<exported_one>:.*?([0-9a-f]+):\s+(?:mov|add)\s+\S*\(%rip\)/s;
    my $l = look($file, sprintf('0x%x', $base + hex $add), @no);

    is_deeply([map { "$_->{name} $_->{line}" } @$l],
        ['inner 7', 'middle 13', 'exported_one 19'], "$flags: inlined calls");
    is_deeply([map { $_->{file} } @$l], [("$Encoder::dir/$name.c") x 3],
        "$flags: files");
}

# libdw opens the second file itself: what is no file is not given to it

my ($dwo) = glob "$Encoder::dir/*gdwarf5gsplitdwarf*.dwo";
unlink $dwo or die;
system("mkfifo $dwo") == 0 or die;
cmp_ok(look("$Encoder::dir/gdwarf5gsplitdwarf",
    elf("$Encoder::dir/gdwarf5gsplitdwarf")->{pc}->($base, 'hidden_one', 2),
    @no)->[0]{line}, '>', 20, 'a fifo in its place is left alone');

# a library whose symbols have versions

spew("$Encoder::dir/versions", "V1 { global: versioned; local: *; };\n");
my $lib = build_file('lib.c', <<'END',
__attribute__((used)) int real(int a) { return a * 3; }
__asm__(".symver real, versioned@@V1");
END
    "cc -O1 -shared -fPIC -Wl,--version-script=$Encoder::dir/versions"
    . ' -o %o %s');
my $le = elf($lib);
my ($v) = grep { /^versioned/ } keys %{ $le->{symbol} };
is($v, 'versioned@@V1', 'a library with versions');
is_deeply(names($lib, $le->{pc}->($base, $v, 1), @no), ['versioned'],
    'versions are no part of a name');

# not PIE

my $fixed = build_file('fixed.c', $source, 'cc -g -O2 -no-pie -o %o %s');
my $fe = elf($fixed);
$base = 0;
is_deeply(names($fixed, $fe->{pc}->(0, 'hidden_one', 2), @no),
    ['hidden_one'], 'a program at a fixed address');
my $fs = copy('fixedstripped', "strip -o %o $fixed");
is_deeply(names($fs, $fe->{pc}->(0, 'hidden_one', 2), @no),
    [sprintf 'fixedstripped+0x%x', $fe->{symbol}{hidden_one}[0]],
    'a stripped one');
$base = 0x555500000000;

# C++

SKIP: {
    skip 'no g++: install it', 4 if !have('g++');

    my $cc = build_file('plus.cc', <<'END', 'g++ -g -O1 -o %o %s');
namespace { volatile int sink; }
namespace outer {
template <typename T> struct box {
    __attribute__((noinline)) int take(T v) { sink += v; return sink; }
    inline __attribute__((always_inline)) int both(T v) {
        sink += 1;
        return take(v) + 1;
    }
};
__attribute__((noinline)) int call(int n) {
    box<int> b;
    return b.both(n) + 1;
}
}
int main(int argc, char **) { return outer::call(argc); }
END
    my $pe = elf($cc);
    my $pc = $pe->{pc}->($base, '_ZN5outer3boxIiE4takeEi', 1);
    my $f = look($cc, $pc, @no)->[0];
    is($f->{name}, 'outer::box<int>::take', 'a C++ name');
    is($f->{system}, '_ZN5outer3boxIiE4takeEi', 'its raw name');

    my ($at) = qx(objdump -d --no-show-raw-insn $cc)
        =~ /<_ZN5outer4callEi>:.*?([0-9a-f]+):\s+call/s;
    is_deeply(names($cc, sprintf('0x%x', $base + hex $at), @no),
        ['outer::box<int>::both', 'outer::call'], 'an inlined C++ call');
    is(look($cc, sprintf('0x%x', $base + hex $at), @no)->[0]{line}, 7,
        'its line');
}

# Rust's names

my $rust = build_file('rust.c', <<'END', 'cc -O1 -o %o %s');
int f(void) __asm__("_RNvC6_123foo3bar");
__attribute__((noinline)) int f(void) { return 1; }
int main(void) { return f(); }
END
is_deeply(names($rust, elf($rust)->{pc}->($base, '_RNvC6_123foo3bar'), @no),
    ['123foo::bar'], 'a Rust name');

# the vdso has no file

my ($start) = slurp('/proc/self/maps') =~ /^([0-9a-f]+)\S* r-xp .*\[vdso\]/m;
SKIP: {
    skip 'no vDSO: it takes a kernel that maps one', 1 if !$start;

    my $text = $header . "process 1\n";
    spew("$Encoder::dir/maps", "7ffd00000000-7ffd00002000 r-xp 00000000 "
         . "00:00 0    [vdso]\n");
    $text .= "maps $Encoder::dir/maps\n";
    $text .= sprintf "sample 1 0 @ 0x%x\n", 0x7ffd00000000 + $_ * 16
        for 40 .. 250;
    my $p = encode($text);
    ok((grep { $_->{name} =~ /clock_gettime/ } @{ $p->{functions} }),
        'functions of the vdso');
}

# what the stock tool makes of it

SKIP: {
    skip 'no go: install golang-go', 4 if !have('go');

    my $r = run($header . "process 1\n" . $e->{map}->($base)
        . "sample 5 0 \@ $inlined " . pc('main', 8) . "\n", @no);
    my $top = pprof($r->{out}, '-top');
    like($top, qr/^\s+5\s+100%\s+100%\s+5\s+100%\s+inner \(inline\)$/m, 'pprof -top');
    like($top, qr/^\s+0\s+0%\s+100%\s+5\s+100%\s+exported_one$/m,
        'inlined caller');
    like(pprof($r->{out}, '-list=inner'),
        qr/^\s+5\s+5 \(flat, cum\)\s+100% of Total.*5\s+5\s+7:\s+sink/ms,
        'pprof -list shows the source line');
    like(pprof($r->{out}, '-traces'),
        qr/5\s+inner \(inline\)\s+middle \(inline\)\s+exported_one\s+main/, 'pprof -traces');
}

SKIP: {
    skip 'no google-pprof: install google-perftools', 1 if !have('google-pprof');

    my $text = "${header}kind heap\nperiod 1 space bytes\noutput text\n"
        . "type b bytes\ntype c count\ntype d bytes\nprocess 1\n"
        . $e->{map}->($base) . "sample 1,64,1,64 0 \@ "
        . pc('hidden_one', 4) . " " . pc('main', 8) . "\n";
    my $r = run($text, @no);
    spew("$Encoder::dir/heap", $r->{out});
    my $out = qx(google-pprof --text --lines $full $Encoder::dir/heap 2>&1);
    like($out, qr/100\.0%/, 'google-pprof reads the heap text');
}

done_testing();
