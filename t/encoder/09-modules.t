#!/usr/bin/perl

# Modules of functions without a name: a program with the structures of nginx's
# modules, whose symbols are known and then stripped, linked in several ways;
# and the installed nginx.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

no warnings qw(portable);

use Test::More;
use Encoder;

my $base = 0x555500000000;
my @no = (args => ["--debug-dir=$Encoder::dir/none"]);
my $header = "flags 1\nperiod 1 cpu nanoseconds\ntype samples count\n";

# nginx's ngx_module_t, ngx_command_t and contexts

my $structures = <<'END';
#include <stddef.h>
#include <stdint.h>
#define N __attribute__((noinline, noclone))
typedef void (*pt)(int n);
typedef struct { size_t len; const char *data; } str_t;
typedef struct {
    str_t name; uintptr_t type; pt set; uintptr_t conf, offset; void *post;
} command_t;
typedef struct { pt f[8]; } context_t;
typedef struct {
    uintptr_t index[2]; char *name; uintptr_t spare[2], version;
    const char *signature; void *ctx; command_t *commands; uintptr_t type;
    pt hooks[7]; uintptr_t reserved[8];
} module_t;
#define HTTP 0x50545448
extern volatile int sink;
extern void ngx_palloc(int n);
extern void ngx_http_send_header(int n);
END

# what each function is of, and how its name reads when it has none

my %files = (
    'one.c' => ['ngx_http_one_module', <<'END'],
static void one_set(int n); static void one_init(int n);
static void one_handler(int n); static void one_loc(int n);
static context_t one_ctx = { { NULL, one_init, NULL, NULL, NULL, NULL,
                               one_loc } };
static command_t one_commands[] = {
    { { 3, "one" }, 1, one_set, 0, 0, NULL }, { { 0, NULL } }
};
module_t ngx_http_one_module = { .ctx = &one_ctx, .commands = one_commands,
                                 .type = HTTP };
static pt one_next;
static N void one_helper(int n) { sink += n; }
static N void one_set(int n) { sink -= n; ngx_palloc(n); }
static N void one_init(int n) { one_next = one_handler; sink *= n; }
static N void one_loc(int n) { sink ^= n; }
static N void one_handler(int n) { one_helper(n); sink |= n; one_next(n); }
END
    'two.c' => ['ngx_http_two_module', <<'END'],
static void two_first(int n); static void two_both(int n);
static void two_process(int n); static void two_table(int n);
static pt two_handlers[] = { two_table, NULL };
static context_t two_ctx = { { two_both } };
static command_t two_commands[] = {
    { { 3, "two" }, 1, two_both, 0, 0, &two_handlers }, { { 0, NULL } }
};
module_t ngx_http_two_module = { .ctx = &two_ctx, .commands = two_commands,
                                 .type = HTTP, .hooks[2] = two_process };
static void two_late(int n);
extern pt ngx_http_two_late;
static N void two_first(int n) { sink += n * 5; ngx_http_two_late = two_late; }
static N void two_both(int n) { two_first(n); ngx_http_send_header(n); }
static N void two_process(int n) { sink += 3 * n; ngx_palloc(n); }
static N void two_table(int n) { sink -= 9 * n; }
static N void two_late(int n) { sink -= 25 * n; }
END
    'palloc.c' => ['ngx_palloc.c', <<'END'],
static N void palloc_block(int n) { sink += n * 13; }
N void ngx_palloc(int n) { palloc_block(n); sink++; }
static void palloc_last(int n);
N void ngx_destroy_pool(int n) { sink -= n; palloc_last(n); sink++; }
static N void palloc_last(int n) { sink += n * 23; }
END
    'core.c' => ['ngx_http_core_module', <<'END'],
static void core_init(int n);
static context_t core_ctx = { { NULL, core_init } };
module_t ngx_http_core_module = { .ctx = &core_ctx, .type = HTTP };
static N void core_send(int n) { sink += n * 15; }
N void ngx_http_send_header(int n) { core_send(n); sink += n; }
static N void core_init(int n) { sink += n * 17; }
END
    'other.c' => ['ngx_http_other_module', <<'END'],
module_t ngx_http_other_module = { .type = HTTP };
END
    'other_util.c' => ['ngx_http_other_module', <<'END'],
static N void util_inner(int n) { sink += n * 19; }
N void ngx_http_other_util(int n) { util_inner(n); sink += n; }
N void ngx_http_other_more(int n) { sink += n * 21; }
END
);

my @order = qw(palloc.c core.c one.c two.c other.c other_util.c);

my $list = <<'END';
volatile int sink;
pt ngx_http_two_late;
extern module_t ngx_http_core_module, ngx_http_one_module,
    ngx_http_two_module, ngx_http_other_module;
module_t *ngx_modules[] = { &ngx_http_core_module, &ngx_http_one_module,
    &ngx_http_two_module, &ngx_http_other_module, NULL };
char *ngx_module_names[] = { "ngx_http_core_module", "ngx_http_one_module",
    "ngx_http_two_module", "ngx_http_other_module", NULL };
int main(int argc, char **argv) { ngx_modules[argc]->hooks[0](argc);
    return 0; }
END

my %roles = (
    one_set => 'ngx_http_one_module directive one',
    one_init => 'ngx_http_one_module init',
    one_loc => 'ngx_http_one_module create_loc_conf',
    two_process => 'ngx_http_two_module init_process',
    core_init => 'ngx_http_core_module init',
);


# a program of the files, and the same without its symbols

sub program {
    my ($name, $flags, %o) = @_;

    my $cc = $o{cc} || 'cc';
    my @objects;

    for my $file (@order, 'list.c') {
        my $text = $file eq 'list.c' ? $list : $files{$file}[1];
        spew("$Encoder::dir/$file", $structures . $text);
        my $object = "$Encoder::dir/$name-$file.o";
        system("$cc -g -O2 -fno-toplevel-reorder $flags -c -o $object $Encoder::dir/$file") == 0
            or die $file;
        push @objects, $object;

        # each function's section by its name from behind, as the linker sorts

        system("objcopy $_ $object") == 0 or die
            for map { my $r = reverse $_;
                      "--rename-section .text.$_=.text.$r" }
                $o{mixed} ? qx(readelf -SW $object) =~ / \.text\.(\w+) /g : ();
    }

    my $full = "$Encoder::dir/$name";
    system("$cc $flags -rdynamic -o $full @objects "
           . ($o{link} || '')) == 0 or die $name;
    system(($o{strip} || 'strip') . " -o $full.stripped $full") == 0 or die;

    return ($full, "$full.stripped");
}


# {name => file} of the static functions, from the symbol table

sub statics {
    my ($file) = @_;

    my ($of, %found) = ('');

    for (split /\n/, qx(readelf -sW $file)) {
        my @p = split;
        next if @p < 8 || $p[4] ne 'LOCAL';
        $of = $p[7] if $p[3] eq 'FILE';
        push @{ $found{$of} }, [$p[7], hex $p[1]] if $p[3] eq 'FUNC';
    }

    return \%found;
}


sub label {
    my ($sample) = @_;

    return join ',', map { $_->[0] eq 'module' ? $_->[1] : () }
        @{ $sample->{labels} };
}


# the functions at addresses of a file: {address => {name, file, label}}

sub look {
    my ($file, @addresses) = @_;

    my $e = elf($file);
    my $p = encode("${header}process 1\n" . $e->{map}->($base)
                   . join('', map { sprintf "sample 1 0 \@ 0x%x\n", $base + $_ }
                              @addresses), @no);
    my @bad = check_profile($p);
    die "@bad" if @bad;

    my %seen;

    for my $s (@{ $p->{samples} }) {
        my $l = $p->{locations}[$s->{locations}[0] - 1];
        my $f = $p->{functions}[$l->{line}[0]{function} - 1];

        $seen{$l->{address} - $base} = { %$f, label => label($s) };
    }

    return \%seen;
}


sub check {
    my ($what, $full, $stripped) = @_;

    my $found = statics($full);
    my (@wrong, @roles);
    my $n = 0;

    for my $file (sort keys %files) {
        my $module = $files{$file}[0];
        my $seen = look($stripped, map { $_->[1] } @{ $found->{$file} || [] });

        for (@{ $found->{$file} || [] }) {
            my ($name, $address) = @$_;
            my $got = $seen->{$address};

            $name =~ s/\..*//;
            $n++;

            push @wrong, "$name: $got->{file}" if $got->{file} ne $module;
            push @roles, "$name: $got->{name}"
                if $got->{name} ne ($roles{$name}
                                    || sprintf '%s+0x%x', $module, $address);
        }
    }

    is_deeply(\@wrong, [], "$what: modules of $n static functions");
    is_deeply(\@roles, [], "$what: ... their names");
    is($n, 15, "$what: ... are all there");
}


my ($full, $stripped) = program('pie', '-fPIC -pie');
check('position independent', $full, $stripped);
check('at a fixed address', program('fixed', '-fno-pie -no-pie'));
check('packed relocations',
      program('packed', '-fPIC -pie', link => '-Wl,-z,pack-relative-relocs'));

SKIP: {
    skip('no compiler for arm64: install gcc-aarch64-linux-gnu', 3)
        if !have('aarch64-linux-gnu-gcc');

    check('arm64', program('arm64', '-fPIC -pie', strip => 'aarch64-linux-gnu-strip',
                           cc => 'aarch64-linux-gnu-gcc'));
}

# debug information has files and names, the label is there all the same

my $e = elf($full);
my ($helper) = map { $e->{symbol}{$_}[0] } 'one_helper';
my $got = look($full, $helper)->{$helper};
is("$got->{name} $got->{label}", 'one_helper ngx_http_one_module',
    'with debug information: the label');
like($got->{file}, qr/one\.c$/, '... the file is that of the source');

# an exported function has its name, and the file is the module

my $send = $e->{symbol}{ngx_http_send_header}[0];
$got = look($stripped, $send)->{$send};
is("$got->{name} $got->{file}", 'ngx_http_send_header ngx_http_core_module',
    'an exported function');

# the label is that of the innermost frame that is a module's: pools are not

my $p = encode("${header}process 1\n" . elf($stripped)->{map}->($base)
               . sprintf("sample 1 0 \@ 0x%x 0x%x 0x%x\n",
                         map { $base + $e->{symbol}{$_}[0] + 1 }
                             qw(palloc_block one_set core_init)), @no);
is(label($p->{samples}[0]), 'ngx_http_one_module',
    'the label is of the innermost module');

my $text = pprof(run("${header}process 1\n" . elf($stripped)->{map}->($base)
    . sprintf("sample 1 0 \@ 0x%x\nsample 2 0 \@ 0x%x\n",
              map { $base + $e->{symbol}{$_}[0] + 1 } qw(one_helper two_first)),
    @no)->{out}, '-files', '-top');

SKIP: {
    skip('no go: install golang-go', 1) if !have('go');
    like($text, qr/ngx_http_two_module\n.*ngx_http_one_module/s,
        'go tool pprof -files groups by module');
}

# what is of no module has its library for a file

my $library = build_file('library.c', 'int sink; __attribute__((noinline)) static'
    . ' int inner(int n) { return sink += n; } int outer(int n)'
    . ' { return inner(n) + 1; }', 'cc -O2 -fPIC -shared -o %o %s');
my $inner = elf($library)->{symbol}{inner}[0];
system("strip -o $library.so $library") == 0 or die;
$got = look("$library.so", $inner)->{$inner};
is_deeply([@$got{qw(name file label)}],
    [sprintf('outer local+0x%x', $inner), "$library.so", ''],
    'a library that has no modules');

# functions of all files mixed: only what tables say

my ($mixed, $bare) = program('mixed', '-fPIC -pie -ffunction-sections',
                             link => '-Wl,--sort-section=name', mixed => 1);
my $found = statics($mixed);
my (@lies, $known);

for my $file (sort keys %files) {
    my $module = $files{$file}[0];
    my $seen = look($bare, map { $_->[1] } @{ $found->{$file} || [] });

    for (@{ $found->{$file} || [] }) {
        my $file = $seen->{ $_->[1] }{file};
        push @lies, "$_->[0]: $file"
            if $file ne $bare && $file ne $module;
        $known++ if $file eq $module;
    }
}

is_deeply(\@lies, [], 'functions of files that are mixed: no wrong module');
cmp_ok($known, '>=', 5, '... those of tables are known');


# the installed nginx; with symbols, as its own sources tell

my ($nginx) = grep { -x } $ENV{BINARY} || $ENV{TEST_NGINX_BINARY} || (),
    '/usr/sbin/nginx';

SKIP: {
    skip('no nginx that exports its modules', 3)
        if !$nginx || qx(nm -D $nginx) !~ / ngx_modules$/m;

    my $file = "$Encoder::dir/nginx";
    system("strip -o $file $nginx") == 0 or die;

    my ($text, $size) = map { hex } qx(readelf -SW $file)
        =~ /\.text\s+PROGBITS\s+(\w+)\s+\w+\s+(\w+)/;
    my @starts = grep { $_ >= $text && $_ < $text + $size }
        map { / FDE .*pc=(\w+)\.\./ ? hex $1 : () }
        qx(readelf --debug-dump=frames $file);
    my $seen = look($file, @starts);
    my @none = grep { $_->{file} eq $file } values %$seen;
    my %names = map { $_->{name} => 1 } values %$seen;

    is(scalar @none, 0, 'nginx: each of ' . @starts . ' functions has a module')
        or diag(join "\n", map { $_->{name} } @none);
    is_deeply([grep { !$names{$_} } 'ngx_http_gzip_filter_module init',
               'ngx_http_proxy_module directive proxy_pass',
               'ngx_epoll_module process_events'], [],
        'nginx: what the tables point to has its role');

    my $statics = statics($nginx);
    skip("$nginx has no symbols: make matrix T=next builds one that has", 1)
        if !keys %$statics;

    my %other = ('nginx.c' => 'ngx_core_module',
                 'ngx_log.c' => 'ngx_errlog_module',
                 'ngx_conf_file.c' => 'ngx_conf_module',
                 'ngx_event.c' => 'ngx_event_core_module',
                 'ngx_event_openssl.c' => 'ngx_openssl_module',
                 'ngx_event_openssl_cache.c' => 'ngx_openssl_cache_module',
                 'ngx_event_quic.c' => 'ngx_quic_module');
    my ($right, @wrong) = (0);

    for my $of (grep { /^ngx|^nginx\.c/ } keys %$statics) {
        (my $name = $of) =~ s/\.c$//;
        (my $range = $name) =~ s/range_filter/range_(header|body)_filter/;
        my $module = $other{$of} || qr/^(?:\Q$of\E|$range|${range}_module)$/;

        for (@{ $statics->{$of} }) {
            my $got = $seen->{ $_->[1] } or next;
            $right++, next if $got->{file} =~ /^(?:$module)$/;
            push @wrong, "$_->[0] of $of: $got->{file}";
        }
    }

    cmp_ok(scalar @wrong, '<=', $right / 100,
        "nginx: the module of $right static functions is right")
        or diag(join "\n", @wrong);
}

done_testing();
