#!/usr/bin/perl

# What encoders keep of files that they have looked at: it is read and not
# looked for again, it has its bounds, and whatever else stands there changes
# no name.

use strict;
use warnings;

no warnings qw(portable);

use FindBin;
use lib "$FindBin::Bin/lib";

use Compress::Raw::Zlib qw(crc32);
use Fcntl qw(F_SETLK F_WRLCK);
use Test::More;
use Encoder;

# 32 bytes of who wrote it, then records: key, offset, size, sum, own sum
my ($records, $record) = (128, 24);
my $list = 32 + $records * $record;

my $base = 0x555500000000;
my @no = ("--debug-dir=$Encoder::dir/none", '--single');
my $header = "flags 1\nperiod 1 cpu nanoseconds\ntype samples count\n";

my %library = (map({ $_ => library($_) } qw(one two)),
               bare => library('bare', '-Wl,--build-id=none'));
my %plain = map { $_ => names($_) } keys %library;

is_deeply($plain{one}, [ 'one_open local', 'one_open', 'one_two' ],
          'names of functions with and without one')
    or diag(explain $plain{one});
is($plain{two}[0], 'two_open local', '... and of another file');

# once found, it is not looked for again

my $kept = kept(1 << 20);

is_deeply(names('one', kept => $kept), $plain{one}, 'the first time');
is(scalar entries($kept), 1, '... it is kept');

my $first = slurp($kept);

is_deeply(names('one', kept => $kept), $plain{one}, 'again');
ok(slurp($kept) eq $first, '... and nothing is written');
is_deeply(names('two', kept => $kept), $plain{two}, 'another file');
is(scalar entries($kept), 2, '... is kept beside it');

my $both = slurp($kept);

spew($kept, altered($first, 0, sub { $_[0] =~ s/one_open local/two_shut local/ }));
is(names('one', kept => $kept)->[0], 'two_shut local',
   'a name is what is kept, and the file is not looked at');

# who has no build id is not kept, nor are those of other build ids believed

$kept = kept(1 << 20);
is_deeply(names('bare', kept => $kept), $plain{bare}, 'a file without build id');
is(scalar entries($kept), 0, '... is not kept');

my ($one, $two) = map { $_->{build_id} } @library{qw(one two)};

spew($kept, altered($both, 0, sub { $_[0] =~ s/\Q$one/$two/ }));
is_deeply(names('one', kept => $kept), $plain{one},
          'an entry with the build id of another file');

my $theirs = substr $both, (entries(spew($kept, $both)))[1]{offset};

spew($kept, altered($both, 0, sub {
    $_[0] = substr $theirs, 0, length $_[0];
}));
is_deeply(names('one', kept => $kept), $plain{one}, 'what is of another file');

# damaged, it is as if it were not there

my ($key, $size) = @{ (entries($kept))[0] }{qw(key size)};
my @bad;

srand 1;

for my $i (1 .. 60) {
    my $at = $i <= 20 ? int rand(32 + $record) : $list + int rand $size;

    my $text = $first;

    substr($text, $at, 1) ^= chr(1 + int rand 255);
    spew($kept, $text);
    push @bad, $at if "@{ names('one', kept => $kept) }" ne "@{ $plain{one} }";
}

is("@bad", '', 'one byte is another: the names are right');

# with right sums and anything else, it does no harm

for my $word (2, 3, 4, 5, 8, 9) {
    spew($kept, altered($first, 0, sub {
        substr($_[0], 4 * $word, 4) = pack 'L', 0xfffffff0;
    }));
    is(answer('one', kept => $kept)->{signal}, 0, "word $word is too large");
}

@bad = ();

for (1 .. 60) {
    spew($kept, altered($first, 0, sub {
        substr($_[0], int rand($_ % 2 ? 40 : $size), 1)
            ^= chr(1 + int rand 255) for 1 .. 1 + int rand 3;
    }));

    my $r = answer('one', kept => $kept);
    push @bad, "$r->{code} $r->{signal}" if $r->{code} || $r->{signal};
}

is("@bad", '', 'other bytes with right sums: the encoder ends well');

# what was no good is learned anew, once

spew($kept, altered($both, 0, sub { $_[0] = 'x' x length $_[0] }));
is_deeply(names('two', kept => $kept), $plain{two}, 'beside what is no good');
is(scalar entries($kept), 2, '... all stays');
is_deeply(names('one', kept => $kept), $plain{one}, 'what is no good');
is(scalar entries($kept), 1, '... makes the list begin anew');
ok(substr(slurp($kept), 0, $list + $size) eq substr($first, 0, $list + $size),
   '... with what it had at first');

for my $n (0, 1, $size - 1, 0xffffffff) {
    my $text = $first;

    substr($text, 32, $record) = packed_record($key, $list, $n, 0);
    spew($kept, $text);
    is_deeply(names('one', kept => $kept), $plain{one}, "an entry of $n bytes");
}

# its bounds: who finds no room begins anew, and what has none is not kept

$kept = kept($list + $size + int $size / 2);

for my $name (qw(one two one two)) {
    is_deeply(names($name, kept => $kept), $plain{$name}, "$name in little room");
    is(scalar entries($kept), 1, '... has the place of the other');
}

is(-s $kept, $list + $size + int $size / 2, '... and it is no larger');

$kept = kept($list + $size - 1);
is_deeply(names('one', kept => $kept), $plain{one}, 'without room');
is(scalar entries($kept), 0, '... it is not kept');

# what can be no such file

for my $what ("$Encoder::dir/short", '/dev/null', '/dev/zero') {
    spew($what, 'x') if $what =~ /short/;
    is_deeply(names('one', kept => $what), $plain{one}, "$what is no such file");
}

$kept = kept(1 << 20);
is_deeply(names('one', kept => $kept, mode => '<'), $plain{one},
          'one that cannot be written');
is_deeply(answer('one', args => [ '--kept' ])->{names}, $plain{one},
          'none is open');

# while another writes, nobody waits

my $lock = pack 's s x4 q q l x4', F_WRLCK, 0, 0, 0, 0;

open my $held, '+<', $kept or die;
fcntl($held, F_SETLK, $lock) or die "fcntl() failed: $!";
is_deeply(names('one', kept => $kept), $plain{one}, 'another one writes');
is(scalar entries($kept), 0, '... and this one leaves it alone');
close $held;

# many at once

my @pids;

for my $i (1 .. 12) {
    my $pid = fork // die;

    if ($pid == 0) {
        my $name = $i % 2 ? 'one' : 'two';

        $Encoder::dir .= "/$i";
        mkdir $Encoder::dir;

        my $good = grep { "@{ names($name, kept => $kept) }"
                          eq "@{ $plain{$name} }" } 1 .. 8;
        POSIX::_exit($good == 8 ? 0 : 1);
    }

    push @pids, $pid;
}

is(scalar(grep { waitpid($_, 0); $? } @pids), 0,
   'twelve at once have the right names');
is(scalar entries($kept), 2, '... and each file is kept once');

done_testing();


# a library with static functions, which only the exported one of it calls

sub library {
    my ($name, $flags) = @_;

    $flags //= '';

    my $full = build_file("$name.c", <<"EOT", "cc -O2 -fPIC -shared $flags -o %o %s");
extern volatile int sink;
volatile int sink;
static __attribute__((noinline, noclone)) void hidden(int n) { sink -= n * 3; }
__attribute__((noinline)) void ${name}_open(int n) { hidden(n); sink ^= n; }
__attribute__((noinline)) void ${name}_two(int n) { sink += n * 7; }
EOT

    system("strip -o $full.so $full") == 0 or die;

    my $e = elf("$full.so");

    $e->{at} = [ map { elf($full)->{symbol}{$_}[0] } 'hidden', "${name}_open",
                                                     "${name}_two" ];
    return $e;
}


sub answer {
    my ($name, %o) = @_;

    my $e = $library{$name};
    my $n = 0;
    my $r = run("${header}process 1\n" . $e->{map}->($base, %o)
                . join('', map { sprintf "sample %d 0 \@ 0x%x\n", ++$n,
                                 $base + $_ } @{ $e->{at} }),
                %o, args => [ @no, defined $o{kept} ? '--kept' : (),
                              @{ $o{args} || [] } ]);

    if ($r->{code} == 0 && $r->{signal} == 0) {
        my $p = decode($r->{out});

        $r->{names} = [ map { s/\+0x[0-9a-f]+$//r }
                        map { (sample_names($p, $_->[0]))[0] }
                        sort { $a->[1] <=> $b->[1] }
                        map { [ $_, $p->{samples}[$_]{values}[0] ] }
                        0 .. $#{ $p->{samples} } ];
    }

    return $r;
}


sub names { return answer(@_)->{names}; }


sub kept {
    my $size = shift;

    return spew("$Encoder::dir/kept", "\0" x $size);
}


sub entries {
    my $text = slurp(shift);
    my @found;

    for my $i (0 .. $records - 1) {
        my %r;

        @r{qw(key offset size)} = unpack 'QLL',
            substr $text, 32 + $i * $record, $record;
        push @found, \%r if $r{key};
    }

    return @found;
}


sub packed_record {
    my ($key, $offset, $size, $sum) = @_;

    my $r = pack 'QLLL', $key, $offset, $size, $sum;

    return $r . pack 'L', crc32($r);
}


# the whole text, with another content of an entry, and the sums of that

sub altered {
    my ($text, $i, $alter) = @_;

    my $at = 32 + $i * $record;
    my ($key, $offset, $size) = unpack 'QLL', substr $text, $at, $record;
    my $entry = substr $text, $offset, $size;

    $alter->($entry);
    substr($text, $offset, $size) = $entry;
    substr($text, $at, $record) = packed_record($key, $offset, length $entry,
                                                crc32($entry));

    return $text;
}
