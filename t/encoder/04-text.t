#!/usr/bin/perl

# Go's text forms, and what "go tool pprof" reads out of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

no warnings qw(portable);

use Test::More;
use Encoder;

my $maps = <<'END';
process 100 pid:100
map 0x400000 0x500000 0x1000 8:1 55 - /nonexistent/nginx
END

my %head = (
    heap => <<'END',
output text
kind heap
period 524288 space bytes
type alloc_objects count
type alloc_space bytes
type inuse_objects count
type inuse_space bytes
END
    block => <<'END',
output text
kind block
period 1 contentions count
type contentions count
type delay nanoseconds
END
    goroutine => <<'END',
output text
kind goroutine
period 1 goroutine count
type goroutine count
END
);

($head{mutex} = $head{block}) =~ s/kind block/kind mutex/;
($head{threadcreate} = $head{goroutine}) =~ s/goroutine/threadcreate/g;


# samples as "go tool pprof -raw" has them: values, then addresses

sub raw {
    my ($data) = @_;

    my $raw = pprof($data, '-raw');
    my (%address, @samples);

    $address{$1} = $2 while $raw =~ /^\s+(\d+): (0x[0-9a-f]+)/mg;

    for my $line (split /\n/, $raw) {
        my ($v, $l) = $line =~ /^([\s\d-]+): ([\d ]+)$/ or next;
        push @samples, [[split ' ', $v], [map { $address{$_} } split ' ', $l]];
    }

    return \@samples;
}


sub text {
    my ($kind, $samples) = @_;

    my $r = run("$head{$kind}$maps$samples");
    is($r->{code}, 0, "$kind: made") or diag($r->{err});

    return $r->{out};
}

my $t = text('heap', <<'END');
sample 5243,524300,2622,262200 0 server=a%22b @ 0x400100 0x400200
sample 3,3145728,1,1048576 0 @ 0x400300 =root
sample 1,10,0,0 0 @ 0x400400
END

like($t, qr{^heap profile: 2: 1048676 \[5: 3145838\] \@ heap/1048576$}m,
    'heap: header has sums of what was sampled') or diag $t;
like($t, qr{^1: 1048576 \[3: 3145728\] \@ 0x400300 0x1000[0-9a-f]+$}m,
    'heap: large blocks are as they are');
like($t, qr{^1: 100 \[1: 100\] \@ 0x400100 0x400200$}m,
    'heap: small ones are scaled down');
like($t, qr{^# labels: \{"pid":"100", "server":"a\\"b"\}$}m,
    'heap: labels');
like($t, qr{^#\t0x4000ff\tnginx\+0x10ff\+0x0\t/nonexistent/nginx$}m,
    'heap: frames');

SKIP: {
    skip 'no go: install golang-go', 3 if !have('go');

    my $s = raw($t);
    is(scalar @$s, 3, 'heap: go tool pprof reads it');
    is_deeply($s->[0][1], ['0x4002ff', raw($t)->[0][1][1]],
        'heap: addresses are those of the profile');
    my ($v) = grep { $_->[1][0] eq '0x4000ff' } @$s;
    ok(abs($v->[0][0] - 5243) < 3 && abs($v->[0][1] - 524300) < 300,
        'heap: and has the scaled figures') or diag explain $v;
}

$t = text('block', <<'END');
sample 3,5000000 0 @ 0x400100 0x400200
sample 7,9000000 0 @ 0x400300 0x400200
END
like($t, qr/^--- contention:\ncycles\/second=1000000000\n9000000 7 \@ /,
    'block: header, longest first');
unlike($t, qr/sampling period/, 'block: no period');

SKIP: {
    skip 'no go: install golang-go', 1 if !have('go');
    is_deeply(raw($t), [[[7, 9000000], ['0x4002ff', '0x4001ff']],
        [[3, 5000000], ['0x4000ff', '0x4001ff']]],
        'block: go tool pprof reads it');
}

$t = text('mutex', "sample 3,5000000 0 \@ 0x400100 0x400200\n");
like($t, qr/^--- mutex:\ncycles\/second=1000000000\nsampling period=1\n5/,
    'mutex: header');

SKIP: {
    skip 'no go: install golang-go', 1 if !have('go');
    is_deeply(raw($t), [[[3, 5000000], ['0x4000ff', '0x4001ff']]],
        'mutex: go tool pprof reads it');
}

for my $kind (qw(goroutine threadcreate)) {
    $t = text($kind, <<'END');
sample 1 0 state=idle @ 0x400100 0x400200
sample 2 0 state=reading @ 0x400300
sample 2 0 state=reading @ 0x400300
END
    like($t, qr/^$kind\ profile:\ total\ 5\n4\ \@\ 0x400300\n
                \#\ labels:\ \{"pid":"100",\ "state":"reading"\}\n
                \#\t0x4002ff\tnginx/x,
        "$kind: header, most first");

    SKIP: {
        skip 'no go: install golang-go', 1 if !have('go');
        is_deeply(raw($t), [[[4], ['0x4002ff']],
            [[1], ['0x4000ff', '0x4001ff']]], "$kind: go tool pprof reads it");
    }
}

# one by one

my $dump = "$head{goroutine}$maps" . <<'END';
sample 1 0 goroutine:17 state=IO%20wait wait:190 @ 0x400100 =handler%0ax
sample 1 0 goroutine:18 state=running @ 0x400100 =handler
END
$dump =~ s/output text/output dump/;
$t = run($dump)->{out};
like($t, qr{^goroutine\ 17\ \[IO\ wait,\ 3\ minutes\]:\n
            nginx\+0x10ff\(\.\.\.\)\n\t/nonexistent/nginx:0\ \+0x0\n
            handler\?x\(\.\.\.\)\n\t\[synthetic\]:0\ \+0x0\n\n
            goroutine\ 18\ \[running\]:\n}x,
    'debug=2') or diag $t;
is(() = $t =~ /^goroutine /mg, 2, 'debug=2: not added up');

# symbol

my $program = build_file('symbol.c', "int main(void) { return 0; }\n",
    'cc -O1 -o %o %s');
my $e = elf($program);
my $pc = $e->{pc}->(0x555500000000, 'main');
$t = run(("$head{goroutine}process 1\n" . $e->{map}->(0x555500000000)
    . "sample 1 2 \@ $pc 0x12345\n") =~ s/output text/output symbol/r)->{out};
is($t, "num_symbols: 1\n$pc main\n", 'symbol');

# text of a kind that has none, and with another number of values

my $r = run("${maps}output text\nkind cpu\ntype a b\ntype c d\n");
is($r->{code}, 3, 'no text form of a CPU profile');
is($r->{out}, '', 'no output');
is($r->{err} =~ tr/\n//, 1, 'one line');
$r = run("${maps}output text\nkind heap\ntype a b\n");
is($r->{code}, 3, 'heap text with one value');

# comments

$r = run("$head{heap}comment a%0ab\n");
like($r->{out}, qr/^# a\?b$/m, 'a comment stays on its line');

done_testing();
