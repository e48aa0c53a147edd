#!/usr/bin/perl

# The profile itself: sums, labels, addresses and text, as WIRE requires of
# every profile, read by a decoder that shares no code with the encoder, and by
# the stock tool.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

no warnings qw(portable);

use Test::More;
use Encoder;

my $cpu = <<'END';
flags 1
time 1700000000123456789
duration 2000000000
period 10000000 cpu nanoseconds
type samples count
type cpu nanoseconds
comment 3%20samples%20dropped:%20table%20full
comment executableInfo=x
END

my $maps = <<'END';
map 0x400000 0x500000 0x1000 8:1 55 - /nonexistent/nginx
map 0x7f0000000000 0x7f0000001000 0x0 0:0 0 - -
map 0x7f1000000000 0x7f1000001000 0x2000 8:1 66 0123456789abcdef /nonexistent/libx.so.1%20(deleted)
END

my $text = $cpu . <<"END";
process 100 pid:100 worker:0
$maps
sample 1,10000000 0 server=a location=/x @ 0x400010 0x400020 0x7f1000000100
sample 2,20000000 0 location=/x server=a @ 0x400010 0x400020 0x7f1000000100
sample 4,40000000 0 @ 0x7f0000000500 0x12345 6 7 8 1
sample 5,50000000 0 @ =root =other =root
sample 0,0 0 @ 0x400999
process 101 pid:101 worker:1
share 0
sample 7,70000000 0 server=a location=/x @ 0x400010 0x400020 0x7f1000000100
END

my $r = run($text);
my $p = decode($r->{out});

is_deeply([check_profile($p)], [], 'every rule of a profile holds');
is_deeply($p->{types}, ['samples/count', 'cpu/nanoseconds'], 'types');
is($p->{period_type}, 'cpu/nanoseconds', 'period type');
is($p->{period}, 10000000, 'period');
is($p->{time}, 1700000000123456789, 'time');
is($p->{duration}, 2000000000, 'duration');
is($p->{default}, '', 'no default type');
is_deeply($p->{comments}, ['3 samples dropped: table full'],
    'comments, but not the reserved one');

is(scalar @{ $p->{samples} }, 4, 'equal samples added up, zeros left out');
is_deeply($p->{samples}[0]{values}, [3, 30000000], 'sum');
is_deeply($p->{samples}[0]{labels}, [['location', '/x', undef],
    ['pid', 100, 'pid'], ['server', 'a', undef], ['worker', 0, 'worker']],
    'labels of process and sample, numbers with a unit');

my @a = map { $p->{locations}[$_ - 1]{address} }
    @{ $p->{samples}[0]{locations} };
is_deeply(\@a, [0x400010, 0x40001f, 0x7f10000000ff],
    'the leaf is exact, the others are return addresses minus 1');

is_deeply([sample_names($p, 0)],
    ['nginx+0x1010', 'nginx+0x101f', 'libx.so.1+0x20ff'],
    'files that cannot be opened give file and offset');
is_deeply([sample_names($p, 1)], ['[jit]', '[unknown]', '[luajit]',
    '[pcre2-jit]', '[unknown]', '[truncated]'],
    'code of no file, no mapping, end of walk');
is_deeply([sample_names($p, 2)], ['root', 'other', 'root'], 'named frames');
is($p->{mappings}[1]{file}, '/nonexistent/libx.so.1', 'path without deleted');
is($p->{mappings}[1]{build_id}, '0123456789abcdef', 'build id');
is(scalar @{ $p->{locations} }, 10, 'locations of dropped samples are gone');

ok(!(grep { $_->{address} >= 2 ** 53 } @{ $p->{locations} }),
    'addresses are exact in JavaScript');

is(decode(run($text)->{out})->{locations}[6]{address},
    $p->{locations}[6]{address}, 'synthetic addresses are stable');

# without the flag all frames are return addresses; stacks may say otherwise

($a = $text) =~ s/^flags 1$/flags 0/m;
$a .= "sample 1,1 2 \@ 0x400100 0x400200\nsample 1,1 1 \@ 0x400300 0x400400\n";
$p = encode($a);
is_deeply([map { $p->{locations}[$_ - 1]{address} } map {
    @{ $p->{samples}[$_]{locations} } } 0, 4, 5],
    [0x40000f, 0x40001f, 0x7f10000000ff, 0x400100, 0x400200, 0x400300,
     0x4003ff], 'flags of profile and stack');

# what is no UTF-8

$p = encode($cpu . <<"END");
process 100
$maps
sample 1,1 0 a=x%ffy b=%c3%a4 c=%ed%a0%80 d=%f4%90%80%80 e=%00z @ =n%e4m%80e
sample 1,1 0 1bad=v pprof%3a%3ax=v ok=%f0%9f%98%80%c3 empty= @ 0x400010
sample 1,1 0 long=@{[ '%c3%a4' x 1500 ]} @ 0x400010
END

is_deeply([check_profile($p)], [], 'repaired profile is valid');
my $u = "\xef\xbf\xbd";
is_deeply([map { $_->[1] } @{ $p->{samples}[0]{labels} }],
    ["x${u}y", "\xc3\xa4", $u x 3, $u x 4, "${u}z"],
    'invalid UTF-8 and zero bytes are replaced');
is_deeply([sample_names($p, 0)], ["n${u}m${u}e"], 'in names of frames, too');
is_deeply([map { "$_->[0]=$_->[1]" } @{ $p->{samples}[1]{labels} }],
    ['_bad=v', "ok=\xf0\x9f\x98\x80$u", 'pprof__x=v'],
    'keys are made fit, labels without a value left out');
is(length $p->{samples}[2]{labels}[0][1], 2048,
    'long values are cut between characters');

# a sample's label beats that of its process

$p = encode($cpu . <<"END");
process 100 k=process pid:100
$maps
sample 1,1 0 k=sample @ 0x400010
END
is_deeply([map { $_->[1] } @{ $p->{samples}[0]{labels} }], ['sample', 100],
    'one value a key');

# deltas: second reading minus first

my $heap = <<'END';
kind heap
time 1700000000000000000
duration 5000000000
period 524288 space bytes
type alloc_objects count
type alloc_space bytes
type inuse_objects count
type inuse_space bytes
default alloc_space
END

$p = encode($heap . <<"END");
process 100
$maps
sample 10,1000,2,200 0 @ 0x400010
sample -4,-400,-3,-300 0 @ 0x400010
sample 5,50,0,0 0 @ 0x400100
sample -5,-50,0,0 0 @ 0x400100
sample 9223372036854775807,1,0,0 0 @ 0x400200
sample 9223372036854775807,1,0,0 0 @ 0x400200
END
is_deeply([map { $_->{values} } @{ $p->{samples} }],
    [[6, 600, -1, -100], [9223372036854775807, 2, 0, 0]],
    'differences may be negative, zeros are left out, no overflow');
is($p->{default}, 'alloc_space', 'default type');
is($p->{locations}[0]{address}, 0x40000f, 'heap frames are all minus 1');

# nothing at all is a valid profile

$p = encode($heap);
is_deeply([check_profile($p)], [], 'no samples, no processes');
is(scalar @{ $p->{samples} }, 0, 'is empty');

$p = encode($heap . "noprocess\nsample 1,1,1,1 0 \@ =a 0x400000\n");
is_deeply([sample_names($p, 0)], ['a', '[unknown]'], 'no process');
is_deeply([check_profile($p)], [], 'is valid');

$p = encode($cpu . "process 1\n$maps\nsample 1,1 0\n");
is_deeply([sample_names($p, 0)], ['[unknown]'], 'a stack without frames');

SKIP: {
    skip 'no go: install golang-go', 6 if !have('go');

    my $raw = pprof($r->{out}, '-raw');
    like($raw, qr/^Period: 10000000$/m, 'go tool pprof -raw: period');
    like($raw, qr/^\s+3\s+30000000: 1 2 3 $/m, 'go tool pprof -raw: sample');
    like($raw, qr/worker:\[0 worker\]/, 'number 0 is a label');
    like(pprof($r->{out}, '-top', '-tagfocus=101'),
        qr/^\s+70ms 36.84% 36.84%\s+70ms 36.84%  nginx\+0x1010$/m, 'tagfocus by number');
    like(pprof($r->{out}, '-top', '-tagroot=server,location'),
        qr{100ms .* /x$}m, 'tagroot');
    like(pprof($r->{out}, '-tags'), qr{location: Total}, 'tags');
}

done_testing();
