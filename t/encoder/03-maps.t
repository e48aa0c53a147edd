#!/usr/bin/perl

# Mappings: workers at different addresses merged, files replaced on disk,
# deleted programs, two files at one address, real processes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

no warnings qw(portable);

use Test::More;
use Encoder;

my $source = <<'END';
#include <stdio.h>
#include <unistd.h>
static __attribute__((noinline)) void hidden(void) { getppid(); getppid(); }
__attribute__((noinline)) void work(void) { hidden(); getpid(); }
int main(void) {
    char c;
    work();
    printf("%p\n", (void *) work);
    fflush(stdout);
    return read(0, &c, 1) < 0;
}
END

my $program = build_file('worker.c', $source,
    'cc -O1 -g0 -fpie -pie -Wl,--build-id -o %o %s');
my $e = elf($program);
my @no = ("--debug-dir=$Encoder::dir/none");

my $header = <<"END";
flags 1
period 10000000 cpu nanoseconds
type samples count
program $program
END

# two real processes: address space layout differs

my (@worker, @maps, @pc);

for my $n (0, 1) {
    pipe my $from, my $to or die;
    pipe my $hold, my $keep or die;
    my $pid = fork() // die;
    if ($pid == 0) {
        open STDIN, '<&', $hold;
        open STDOUT, '>&', $to;
        close $_ for $from, $to, $hold, $keep;
        exec $program or die;
    }
    close $to;
    close $hold;
    chomp(my $line = <$from>);
    $pc[$n] = hex $line;
    $maps[$n] = "$Encoder::dir/maps$n";
    spew($maps[$n], slurp("/proc/$pid/maps"));
    push @worker, { pid => $pid, keep => $keep, from => $from };
}

isnt($pc[0], $pc[1], 'two processes have other addresses')
    or diag('address space layout randomization is off');

my $text = $header;
for my $n (0, 1) {
    $text .= "process $worker[$n]{pid} worker:0\nmaps $maps[$n]\n"
        . sprintf("sample %d 0 \@ 0x%x 0x%x\n", $n + 1, $pc[$n] + 1,
                  $pc[$n] + 6);
}

my $r = run($text, args => \@no);
my $p = decode($r->{out});
is_deeply([check_profile($p)], [], 'profile of two real processes is valid');
is(scalar @{ $p->{samples} }, 1, 'their samples are one');
is_deeply($p->{samples}[0]{values}, [3], 'and added up');
is_deeply([sample_names($p, 0)], ['work', 'work'], 'with a name');
is($p->{mappings}[0]{file}, $program, 'mapping 1 is the main program');
is($p->{mappings}[0]{build_id}, $e->{build_id}, 'with its build id');
is(scalar(grep { $_->{file} eq $program } @{ $p->{mappings} }), 1,
    'one mapping of it');
is($p->{locations}[0]{address}, $pc[0] + 1,
    'the address is that of the first process');
ok((grep { $_->{file} =~ /libc/ } @{ $p->{mappings} }), 'libc is mapped');

# a mapping lends its build id to a row of the text

$p = encode($header . "process 1\nmaps $maps[0]\n"
    . sprintf('map 0x%x 0x%x 0 0:0 0 abcdef0123 /x', $pc[0], $pc[0] + 1)
    . "\n" . sprintf("sample 1 0 \@ 0x%x\n", $pc[0]), args => \@no);
is($p->{mappings}[0]{build_id}, 'abcdef0123', 'build id for a row of text');
is($p->{functions}[0]{name}, sprintf('worker+0x%x', $e->{symbol}{work}[0]
    - $e->{vaddr} + $e->{offset}), 'another build id: names are refused');

# the file on disk is replaced below the running process

my ($base, $old) = (0x555500000000, "$program.old");
system("cp $program $old") == 0 or die;
my $ino = (stat $program)[1];
my $new = build_file('new.c', $source =~ s/getpid/getuid/r,
    'cc -O1 -Wl,--build-id -o %o %s');
rename $new, $program or die;

my $pc = $e->{pc}->($base, 'work', 1);
my $none = sprintf 'worker+0x%x', $e->{symbol}{work}[0] + 1 - $e->{vaddr}
    + $e->{offset};

sub name {
    my ($map, %o) = @_;
    my $q = encode($header . "process @{[$o{pid} || 1]}\n$map"
        . "sample 1 0 \@ $pc\n", args => \@no);
    my @bad = check_profile($q);
    die "@bad" if @bad;
    return $q->{functions}[0]{name};
}

is(name($e->{map}->($base, path => $program)), $none,
    'a replaced file is not believed, by its build id');
is(name($e->{map}->($base, path => $program, build_id => '-',
    inode => $ino)), $none, 'nor by its inode');
is(name($e->{map}->($base, path => "$program%20(deleted)")), $none,
    'nor if it is told to be deleted');

# the running program can still be read through /proc

is(name($e->{map}->($base, path => "$program%20(deleted)"),
    pid => $worker[0]{pid}), 'work', 'a deleted main program, by build id');
is(name($e->{map}->($base, path => "$program%20(deleted)", build_id => '-',
    inode => $ino), pid => $worker[0]{pid}), 'work', 'by inode');
is(name($e->{map}->($base, path => "$program%20(deleted)",
    build_id => 'abcd12'), pid => $worker[0]{pid}), $none,
    'but not with another build id');

# the same file back again is believed

rename $old, $program or die;
is(name($e->{map}->($base, path => "$program%20(deleted)")), 'work',
    'a deleted file that is there again, by build id');
is(name($e->{map}->($base, path => $program, build_id => '-', inode => 1)),
    $none, 'without a build id the inode must match');

# old and new program in one profile

$p = encode($header . "process 1\n"
    . $e->{map}->($base, build_id => '1111') . "sample 1 0 \@ $pc\n"
    . "process 2\n" . $e->{map}->($base, build_id => '2222')
    . "sample 1 0 \@ $pc\n", args => \@no);
is_deeply([check_profile($p)], [], 'two files at one address');
is(scalar @{ $p->{samples} }, 2, 'are told apart');
isnt($p->{locations}[0]{address}, $p->{locations}[1]{address},
    'by their addresses');
is($p->{locations}[1]{address} & 0xfff, hex(substr $pc, -3),
    'the second one has moved by pages');
my $q = encode($header . "process 1\n"
    . $e->{map}->($base, build_id => '3333') . "sample 1 0 \@ $pc\n"
    . "process 2\n" . $e->{map}->($base, build_id => '2222')
    . "sample 1 0 \@ $pc\n", args => \@no);
is($q->{locations}[1]{address}, $p->{locations}[1]{address},
    'to the same place each time');

# the same file at other addresses, moved by 3 pages, and split in two

$p = encode($header . <<'END', args => \@no);
process 1
map 0x100000 0x200000 0x1000 8:1 7 aaaa /x/lib
sample 1 0 @ 0x180000
process 2
map 0x400000 0x410000 0x1000 8:1 7 aaaa /x/lib
map 0x410000 0x500000 0x11000 8:1 7 aaaa /x/lib
sample 1 0 @ 0x480000
process 3
map 0x700000 0x900000 0x1000 8:1 7 aaaa /y/lib
sample 1 0 @ 0x780000
sample 1 0 @ 0x8fff00
END
is_deeply([map { $_->{values}[0] } @{ $p->{samples} }], [3, 1],
    'one place in the file is one address');
is(scalar @{ $p->{mappings} }, 2, 'a longer mapping is added');
is_deeply([check_profile($p)], [], 'without overlap');

# the main program is first, wherever it is mapped

$p = encode($header . <<"END", args => \@no);
process 1
map 0x100000 0x200000 0x1000 8:1 7 aaaa /x/lib
map 0x300000 0x400000 0x1000 8:1 7 bbbb $program%20(deleted)
sample 1 0 @ 0x180000
END
is($p->{mappings}[0]{file}, $program, 'mapping 1, mapped behind a library');

# paths that are no regular files are not opened

require POSIX;
POSIX::mkfifo("$Encoder::dir/pipe", 0600) or die;
for my $path ("$Encoder::dir/pipe", '/dev/zero', '/proc/kmsg', $Encoder::dir,
    '/proc/self/maps')
{
    my $m = $e->{map}->($base, path => $path, build_id => '-',
                        inode => (stat $path)[1]);
    $r = run("${header}process 1\n${m}sample 1 0 \@ $pc\n", args => \@no);
    is($r->{code}, 0, "$path is not read");
    is(scalar(grep { /took too long/ } @{ decode($r->{out})->{comments} }), 0,
        'nor waited for');
}

# addresses that tell nothing of where a process has its objects

my @relative;

for my $n (0, 1) {
    my $process = "process $worker[$n]{pid}\nmaps $maps[$n]\n";

    $p = encode($header =~ s/flags 1/flags 5/r . $process
                . sprintf("sample 1 0 \@ 0x%x 0x%x\n", $pc[$n] + 1,
                          $pc[$n] + 6), args => \@no);
    is_deeply([check_profile($p)], [], 'relative addresses: a valid profile');
    is_deeply([sample_names($p, 0)], ['work', 'work'], '... with names');

    my ($l, $m) = ($p->{locations}[0]{address}, $p->{mappings}[0]);
    is($l - $m->{start} + $m->{offset}, $e->{symbol}{work}[0] + 1 - $e->{vaddr}
       + $e->{offset}, '... which are offsets in the object');

    my @real = slurp($maps[$n]) =~ /^(\w+)-(\w+) /mg;
    my $told = 0;

    for my $map (@{ $p->{mappings} }) {
        while (my ($from, $to) = splice @real, 0, 2) {
            $told++ if $map->{start} < hex $to && $map->{limit} > hex $from;
        }
        @real = slurp($maps[$n]) =~ /^(\w+)-(\w+) /mg;
    }
    is($told, 0, '... and no mapping is where one is');

    push @relative, join ' ', map({ sprintf '%x', $_->{address} }
                                  @{ $p->{locations} }),
                              map({ sprintf '%x-%x', @$_{qw(start limit)} }
                                  grep { $_->{file} !~ /^\[/ }
                                  @{ $p->{mappings} });

    my $asked = "output symbol\nkind heap\ntype a b\n" . $process;
    $r = run($asked . "flags 6\n" . sprintf("sample 1 0 \@ %d\n", $l)
             . sprintf("sample 1 0 \@ %d\n", $pc[$n] + 1), args => \@no);
    is($r->{out}, sprintf("num_symbols: 1\n0x%x work\n", $l),
       '... names are looked up by them, and not by real ones');
}

is($relative[0], $relative[1], '... the same in both processes');

$r = run($header =~ s/flags 1/flags 4/r . "process 1\nmap 0x100000 0x200000 "
         . "0xffffffff0 8:1 7 aaaa /x/lib\nsample 1 0 \@ 0x180000\n",
         args => \@no);
isnt($r->{code}, 0, 'a mapping that does not fit is refused');

for (@worker) {
    close $_->{keep};
    waitpid $_->{pid}, 0;
}

done_testing();
