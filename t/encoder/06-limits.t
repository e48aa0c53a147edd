#!/usr/bin/perl

# The program as a command: options, limits, retries, its descriptors and its
# surroundings.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

no warnings qw(portable);

use Sanitized;
use Test::More;
use Encoder;
use POSIX ();
use Time::HiRes qw(sleep);

my $text = <<'END';
flags 1
period 10000000 cpu nanoseconds
type samples count
process 100 pid:100
map 0x400000 0x500000 0x1000 8:1 55 abcdef /nonexistent/nginx
sample 1 0 server=a @ 0x400010 0x400020 =root
END

my $encoder = Encoder::encoder();
my $raw = mkraw($text);
my $capture = spew("$Encoder::dir/good", $raw);

like(run_raw('', args => ['--help'])->{out}, qr/^Usage: .*Exit codes:/s,
    '--help');
like(run_raw('', args => ['--version'])->{out},
    qr/^ngx_http_profiling_encoder\/[\d.]+, capture version 1\n\z/,
    '--version');
like(run_raw($raw, args => ['--dump'])->{out},
    qr/^sample process 0 1 server=a flags 0x1 \@ 0x400010 0x400020 root$/m,
    '--dump');

for my $bad (qw(--x --time=0 --time=x --time= --memory=1g --names=all x
                --debug-dir=relative))
{
    my $r = run_raw($raw, args => [$bad]);
    is("$r->{code} $r->{out}", '2 ', "$bad: wrong usage");
    is($r->{err} =~ tr/\n//, 1, 'one line');
}

# input that never comes: the time limit

my $rc = system("sleep 5 | { $encoder --time=1 2>$Encoder::dir/e"
    . " >$Encoder::dir/o; echo \$? > $Encoder::dir/rc; }");
ok(slurp("$Encoder::dir/rc") == 5, 'no input: time limit');
like(slurp("$Encoder::dir/e"), qr/\A[^\n]*time limit exceeded\n\z/,
    'one line');

# it waits for its input

my $pid = open(my $input, '|-', $encoder) or die "$encoder: $!";
my $ours = getpriority(0, 0);
my $nicer = ($ours > 0 ? $ours : 0) + 5;
$nicer = 19 if $nicer > 19;
my $niceness;

for (1 .. 6000) {
    my @stat = split / /, slurp("/proc/$pid/stat") =~ s/^.*\) //sr;
    $niceness = $stat[16];
    last if $niceness == $nicer;
    sleep 0.01;
}

is($niceness, $nicer, 'workers come first');

# more of them do not take more from the workers

my $behind = open(my $crowded, '|-', $encoder, '--crowded')
             or die "$encoder: $!";
my $least = ($ours > 0 ? $ours : 0) + 10;
$least = 19 if $least > 19;

for (1 .. 6000) {
    my @stat = split / /, slurp("/proc/$behind/stat") =~ s/^.*\) //sr;
    $niceness = $stat[16];
    last if $niceness == $least;
    sleep 0.01;
}

is($niceness, $least, 'those behind which others wait take less');
kill 'TERM', $behind;
waitpid $behind, 0;

my $score;

for (1 .. 6000) {
    $score = slurp("/proc/$pid/oom_score_adj") + 0;
    last if $score == 1000;
    sleep 0.01;
}

is($score, 1000, 'the kernel kills it first when memory runs out');

# told to end, at any time, it is no process that a signal has ended

kill 'TERM', $pid;
is(waitpid($pid, 0), $pid, 'it ends by SIGTERM');
is($?, 0, '... with exit code 0');

# a small limit on input and memory

my $big = "$Encoder::dir/big";
spew($big, "\0" x (2 << 20));
my $r = run_raw(slurp($big), args => ['--max-input=1']);
is($r->{code}, 4, 'input too large');

my $huge = $text;
$huge .= 'sample 1 0 @ ' . join(' ', map { 0x400000 + $_ * 7 } 1 .. 3000)
    . "\n" for 1 .. 200;

SKIP: {
    skip_sanitized('it reserves more addresses than any limit has', 2);

    $r = run($huge, args => ['--memory=8', '--names=none']);
    is($r->{code}, 4, 'too little memory') or diag "$r->{signal} $r->{err}";
    is($r->{out}, '', 'no output');
}

is(run($huge)->{code}, 0, 'enough memory');

# standard output that is full or gone

SKIP: {
    skip 'no /dev/full: it takes a whole /dev', 2 if !-c '/dev/full';

    system("$encoder < $capture > /dev/full 2> $Encoder::dir/e");
    is($? >> 8, 6, 'output is full');
    like(slurp("$Encoder::dir/e"), qr/\A[^\n]*write\(\) failed: [^\n]+\n\z/,
        'one line');
}

system("bash -c '$encoder < $capture 2> $Encoder::dir/e | true;"
       . " exit \${PIPESTATUS[0]}'");
ok($? >> 8 == 6 || $? >> 8 == 0, 'a reader that goes away is no signal');

# standard descriptors closed

system("$encoder < $capture > $Encoder::dir/o 2>&-");
is($?, 0, 'without standard error');
is(decode(slurp("$Encoder::dir/o"))->{samples}[0]{values}[0], 1,
    'and the profile is whole');
system("$encoder <&- > $Encoder::dir/o 2> $Encoder::dir/e");
is($? >> 8, 3, 'without standard input');

# A file that makes the reader of debug information fail or take for ever:
# here by a limit on processor time or memory that only the first attempt
# needs, since the debug file is large.

my $source = join '', map { "int f$_(int a) { return a * $_; }\n" } 1 .. 4000;
my $program = build_file('large.c',
    "$source int main(void) { return f1(2); }\n", 'cc -g3 -O0 -o %o %s');
my $e = elf($program);
my $large = "flags 1\nperiod 1 cpu nanoseconds\ntype samples count\n"
    . "process 1\n" . $e->{map}->(0x555500000000) . 'sample 1 0 @ '
    . $e->{pc}->(0x555500000000, 'f77', 1) . "\n";

# crashes are made with a library that breaks libdw's functions

$ENV{ASAN_OPTIONS} = 'verify_asan_link_order=0:handle_segv=0'
    if sanitized();

my $breaker = build_file('breaker.c', <<'END',
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int on(const char *what)
{
    const char *b = getenv("BREAK");
    return b != NULL && strstr(b, what) != NULL;
}
static void fail(void)
{
    if (on("hang")) { sleep(600); return; }
    *(volatile int *) 0 = 0;
}
void *dwarf_getsrc_die(void *cu, unsigned long a)
{
    (void) cu; (void) a;
    fail();
    return NULL;
}
int dwfl_module_getsymtab(void *m)
{
    (void) m;
    if (on("symbols")) fail();
    return 0;
}
ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t n = syscall(SYS_write, fd, data, size);
    /* not its score for the kernel, which is written before */
    if (fd > STDERR_FILENO && size > 8 && on("written")) fail();
    return n;
}
END
    'cc -shared -fPIC -O1 -o %o.so %s') . '.so';

sub attempt {
    my ($break, @args) = @_;
    my $x = run($large, args => \@args,
                env => { LD_PRELOAD => $breaker, BREAK => $break });
    return $x if $x->{code} || $x->{signal};
    return { p => decode($x->{out}), %$x };
}

# The same with a limit that leaves the attempts that do not hang their time on
# a machine that is busy: it is told what was left out.

sub in_time {
    my ($break, $left_out) = @_;
    my $x;
    for my $seconds (1, 2, 4, 8, 16) {
        $x = attempt($break, "--time=$seconds");
        last if ($x->{p}{comments}[0] // '') =~ /: \Q$left_out\E: it took/;
    }
    return $x;
}

my $p = decode(run($large)->{out});
is($p->{functions}[0]{name}, 'f77', 'nothing broken: a name');
is_deeply($p->{comments}, [], 'no comment');
is($p->{locations}[0]{line}[0]{line}, 77, 'a line');

my $x = attempt('lines');
is_deeply($x->{p}{comments},
    ['encoder: lines and inlined calls left out: signal 11'],
    'a crash in lines costs the lines');
is($x->{p}{locations}[0]{line}[0]{line}, undef, 'no line');
is($x->{err}, '', 'and nothing is printed');

$x = attempt('symbols');
is_deeply($x->{p}{comments}, ['encoder: names left out: signal 11'],
    'a crash in symbols, too, costs the names');
like($x->{p}{functions}[0]{name}, qr/^large\+0x/, 'file and offset');

$x = attempt('written');
is_deeply($x->{p}{comments}, ['encoder: names left out: signal 11'],
    'a crash after all was written: nothing of that is kept');

my $hung = children();
$x = in_time('hang', 'lines and inlined calls left out');
is_deeply($x->{p}{comments},
    ['encoder: lines and inlined calls left out: it took too long'],
    'a reader that hangs costs the lines');
is(children(), $hung, 'of which nothing is left');

$x = in_time('hang symbols', 'names left out');
is_deeply($x->{p}{comments}, ['encoder: names left out: it took too long'],
    'and the names');
is(children(), $hung, 'nor then');

# signals that a worker blocks, and a child that it ignores

{
    my $set = POSIX::SigSet->new(POSIX::SIGALRM(), POSIX::SIGCHLD());
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), $set);
    $x = in_time('hang', 'lines and inlined calls left out');
    is_deeply($x->{p}{comments},
        ['encoder: lines and inlined calls left out: it took too long'],
        'signals that are blocked');
    POSIX::sigprocmask(POSIX::SIG_UNBLOCK(), $set);
}

system("perl -e '\$SIG{CHLD} = q(IGNORE); exec \@ARGV' $encoder < $capture"
       . " > $Encoder::dir/o");
is($?, 0, 'SIGCHLD that is ignored');
is_deeply(decode(slurp("$Encoder::dir/o"))->{comments}, [],
    'the first attempt succeeds');

$x = attempt('lines', '--single');
is($x->{signal}, 11, '--single: no second attempt');

# whoever ends the encoder ends its child

{
    my $pid = fork() // die;
    if ($pid == 0) {
        spew("$Encoder::dir/in", mkraw($large));
        open STDIN, '<', "$Encoder::dir/in";
        open STDOUT, '>', '/dev/null';
        $ENV{LD_PRELOAD} = $breaker;
        $ENV{BREAK} = 'hang';
        exec $encoder, '--time=30' or die;
    }
    my @children;
    for (1 .. 600) {
        sleep 0.1;
        @children = split ' ', slurp("/proc/$pid/task/$pid/children");
        last if @children;
    }
    is(scalar @children, 1, 'one child');
    kill 'KILL', $pid;
    waitpid $pid, 0;
    my $gone = 0;
    for (1 .. 600) {
        sleep 0.1;
        my $stat = eval { slurp("/proc/$children[0]/stat") } || 'x (x) Z';
        $gone = 1, last if $stat =~ /\) Z/;
    }
    ok($gone, 'is gone with its parent');
}

# Whoever adopts orphans, as nginx's master does if it is process 1, gets none
# that a signal has ended: not of an encoder that is told to end while its child
# works, nor of one that is killed, nor when its output is closed.

{
    syscall(157, 36, 1, 0, 0, 0) == 0 or die "prctl() failed: $!";
    spew("$Encoder::dir/adopted", mkraw($large));

    for my $case (['SIGTERM', sub { kill 'TERM', $_[0] }, 0],
                  ['SIGKILL', sub { kill 'KILL', $_[0] }, 9],
                  ['a reader that has gone', sub { close $_[1] }, 6 << 8])
    {
        my ($name, $act, $status) = @$case;

        pipe my $from, my $to or die;
        my $pid = fork() // die;

        if ($pid == 0) {
            close $from;
            open STDIN, '<', "$Encoder::dir/adopted";
            open STDOUT, '>&', $to;
            open STDERR, '>', '/dev/null';
            close $to;
            $ENV{LD_PRELOAD} = $breaker;
            $ENV{BREAK} = 'hang';
            exec $encoder, '--time=30' or die;
        }

        close $to;

        my $early;

        until (split ' ', eval { slurp("/proc/$pid/task/$pid/children") } // '')
        {
            $early = $?, last if waitpid($pid, 1) > 0;
            sleep 0.01;
        }

        $act->($pid, $from);

        my %ended;

        for (my $n; ($n = waitpid(-1, 0)) > 0; ) {
            $ended{ $n == $pid ? 'encoder' : "orphan $n" } = $?;
        }

        my $own = delete $ended{encoder} // "$early before its child was seen";

        is($own, $status, "$name: the encoder ends");
        is(scalar(grep { $_ & 0x7f } values %ended), 0,
           '... and no orphan that a signal has ended') or diag(explain(\%ended));
    }

    syscall(157, 36, 0, 0, 0, 0);
}

# other descriptors are closed: a pipe held open would keep its reader waiting

{
    pipe my $from, my $to or die;
    pipe my $input, my $hold or die;
    fcntl($to, 2, 0);
    my $pid = fork() // die;
    if ($pid == 0) {
        close $from;
        open STDOUT, '>', '/dev/null';
        open STDIN, '<&', $input;
        exec $encoder or die;
    }
    close $to;
    my $in = '';
    vec($in, fileno($from), 1) = 1;
    my $n = select(my $out = $in, undef, undef, 60);
    ok($n, 'descriptors above 2 are closed at the start');
    kill 'KILL', $pid;
    waitpid $pid, 0;
}

done_testing();


# encoders that were made to hang

sub children {
    return scalar grep { (eval { slurp($_) } // '') =~ /\0BREAK=hang/ }
           glob '/proc/[0-9]*/environ';
}
