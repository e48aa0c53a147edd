#!/usr/bin/perl

# The encoder against binutils, which share no code with elfutils: lines and
# inlined calls at every instruction of compiled programs against addr2line,
# bounds of functions of the installed nginx against readelf and nm.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

no warnings qw(portable);

use Test::More;
use Encoder;

my $base = 0x555500000000;
my @no = ("--debug-dir=$Encoder::dir/none", '--time=60');
my $header = "period 1 cpu nanoseconds\ntype samples count\n";


# frames at many addresses of a file: {address => [[name, line], ...]}

sub frames {
    my ($e, @addresses) = @_;

    my $p = encode($header . "process 1\n" . $e->{map}->($base)
        . join('', map { sprintf "sample 1 2 @ 0x%x\n", $base + $_ }
               @addresses), args => \@no);
    my %f;

    for my $l (@{ $p->{locations} }) {
        $f{$l->{address} - $base} = [ map {
            my $g = $p->{functions}[$_->{function} - 1];
            [$g->{system}, $_->{line} || 0, $g->{file}] } @{ $l->{line} } ];
    }

    return \%f;
}


sub against_addr2line {
    my ($file, $what) = @_;

    my $e = elf($file);
    my @addresses;
    my @sized = grep { $_->[1] } values %{ $e->{symbol} };

    for (qx(objdump -d --no-show-raw-insn -j .text $file)) {
        my ($a) = /^\s+([0-9a-f]+):\s/ or next;
        $a = hex $a;

        # what fills the space between functions belongs to none of them
        push @addresses, $a
            if grep { $a >= $_->[0] && $a < $_->[0] + $_->[1] } @sized;
    }

    spew("$Encoder::dir/addresses", join '', map { sprintf "0x%x\n", $_ }
         @addresses);

    my $f = frames($e, @addresses);
    my ($at, %expected);

    my @lines = qx(addr2line -a -f -i -e $file < $Encoder::dir/addresses);
    while (@lines) {
        my $line = shift @lines;
        if ($line =~ /^0x([0-9a-f]+)$/) {
            $at = hex $1;
            next;
        }
        chomp $line;
        my ($where, $n) = shift(@lines) =~ /^(.*):(\d+|\?)/;
        push @{ $expected{$at} }, [$line, $n eq '?' ? 0 : $n, $where];
    }

    my ($same, $inlined, @bad) = (0, 0);

    for my $a (sort { $a <=> $b } keys %expected) {
        my $x = $expected{$a};
        next if $x->[0][2] eq '??' || !$f->{$a} || $x->[0][0] eq '??';

        my $want = join ' < ', map { "$_->[0]:$_->[1]" } @$x;
        my $have = join ' < ', map { "$_->[0]:$_->[1]" } @{ $f->{$a} };

        $inlined++ if @$x > 1;
        $same++ if $want eq $have;
        push @bad, sprintf '0x%x: %s, not %s', $a, $have, $want
            if $want ne $have;
    }

    cmp_ok($same, '>', 20, "$what: as addr2line: $same, $inlined inlined");
    cmp_ok($inlined, '>', 5, "$what: many of them inlined");
    is(scalar @bad, 0, "$what: none differs") or diag join "\n",
        @bad[0 .. ($#bad > 5 ? 5 : $#bad)];
}

my $c = <<'END';
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { struct node *next; int value; };
static inline int twice(int n) { return n * 2 + 1; }
static inline int add(struct node *n)
{
    int sum = 0;
    for ( ; n; n = n->next) {
        if (n->value > 3) {
            int k = twice(n->value);
            sum += k * twice(sum);
        }
    }
    return sum;
}
static struct node *push(struct node *head, int value)
{
    struct node *n = malloc(sizeof(*n));
    if (n == NULL) { abort(); }
    n->next = head;
    n->value = twice(value);
    return n;
}
static __attribute__((noinline)) int both(int n)
{
    struct node *head = NULL;
    for (int i = 0; i < n; i++) { head = push(head, i); }
    return add(head);
}
int compare(const void *a, const void *b)
{
    return twice(*(const int *) a) - twice(*(const int *) b);
}
int main(int argc, char **argv)
{
    int v[4] = { argc, 3, 1, (int) strlen(argv[0]) };
    qsort(v, 4, sizeof(int), compare);
    printf("%d %d\n", both(argc * 10), v[0]);
    return 0;
}
END

for my $o ('-O2 -g', '-O3 -gdwarf-4', '-Os -g -no-pie') {
    my $b = $base;
    $base = 0 if $o =~ /no-pie/;
    against_addr2line(build_file('oracle.c', $c, "cc $o -o %o %s"), "cc $o");
    $base = $b;
}

SKIP: {
    skip 'no g++: install it', 3 if !have('g++');

    against_addr2line(build_file('oracle.cc', <<'END', 'g++ -O2 -g -o %o %s'),
#include <map>
#include <string>
#include <vector>
#include <cstdio>
int main(int argc, char **argv) {
    std::map<std::string, std::vector<int>> m;
    for (int i = 0; i < argc * 5; i++) m[argv[0]].push_back(i);
    int n = 0;
    for (auto &p : m) for (int v : p.second) n += v + p.first.size();
    printf("%d\n", n);
    return 0;
}
END
        'g++ -O2');
}

SKIP: {
    skip 'no clang++: install clang', 3 if !have('clang++');

    against_addr2line(build_file('space.cc', <<'EOC',
#include <stdio.h>
namespace one { namespace two {
volatile int sink;
struct thing {
    int value;
    inline int get() const { return sink * value + 1; }
    __attribute__((noinline)) int twice() const {
        sink = get();
        return get() + get() * sink;
    }
};
__attribute__((noinline)) int call(const thing &t) {
    return t.get() * 2 + t.twice();
}
} }
int main(int argc, char **) {
    one::two::thing t = { argc };
    printf("%d %d\n", one::two::call(t), t.get());
    return 0;
}
EOC
        'clang++ -O2 -g -o %o %s'), 'clang++ -O2, name spaces');
}

# the installed nginx has no symbols but those that it exports

my ($nginx) = grep { -x } $ENV{BINARY} || $ENV{TEST_NGINX_BINARY} || (),
    '/usr/sbin/nginx', '/usr/local/nginx/sbin/nginx';

SKIP: {
    skip 'no nginx: install it', 4 if !$nginx;
    skip 'this nginx has all its symbols: it takes a stripped one', 4
        if qx(readelf -SW $nginx) =~ /\.symtab\b/;

    my $e = elf($nginx);
    my (%symbol, @fde);

    for (qx(readelf --dyn-syms -W $nginx)) {
        my @f = split;
        next if @f < 8 || $f[3] !~ /FUNC/ || $f[6] eq 'UND';
        push @{ $symbol{hex $f[1]} }, [$f[7], $f[2]];
    }

    for (qx(readelf --debug-dump=frames -W $nginx 2>/dev/null)) {
        push @fde, [hex $1, hex $2] if / FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)/;
    }

    @fde = grep { $_->[0] >= $e->{vaddr}
                  && $_->[1] <= $e->{vaddr} + $e->{size} } @fde;
    cmp_ok(scalar @fde, '>', 1000, 'functions of nginx: ' . @fde);

    my $f = frames($e, map { ($_->[0], $_->[1] - 1,
                              int(($_->[0] + $_->[1]) / 2)) } @fde);
    my ($exported, $static, @bad) = (0, 0);

    for my $d (@fde) {
        my $own = $symbol{$d->[0]};
        my $plain = sprintf '\+0x%x', $d->[0];

        # by its module and its address, or by what it is for in the module
        $plain = qr/^(?:nginx$plain|ngx_\w+(?:\.c)?(?:$plain| \w.*))$/;

        for my $a ($d->[0], $d->[1] - 1, int(($d->[0] + $d->[1]) / 2)) {
            my $have = $f->{$a}[0][0];

            if ($own ? grep { $_->[0] eq $have } @$own : $have =~ $plain) {
                $own ? $exported++ : $static++;
                next;
            }

            push @bad, sprintf '0x%x: %s', $a, $have;
        }
    }

    is(scalar @bad, 0, 'first, middle and last byte have the right name')
        or diag join "\n", @bad[0 .. ($#bad > 9 ? 9 : $#bad)];
    cmp_ok($exported, '>', 100, "exported: $exported");
    cmp_ok($static, '>', 100, "static: $static");
}

done_testing();
