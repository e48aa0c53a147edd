#!/usr/bin/perl

# A worker that dies leaves a line in the error log, by the next one: of what,
# in which function, for which request.  What nginx says of its end is what it
# says without the module.  A child of the worker that dies tells nothing.

use strict;
use warnings;

use Fault;
use Modules qw(thread_pool);
use Profile;
use Sanitized;
use Test::More;

skip_all_sanitized('they have handlers of their own');

# the way, the signal, what the line says of it, and the functions from the
# one that says where it was
my @deaths = (
    [null    => 11, qr/SIGSEGV \(address 0x10\)/, qr/profiling_test_die_null/],
    [jump    => 11, qr/SIGSEGV \(address 0x10, which is no code\)/,
                    qr/profiling_test_die_jump/],
    [wild    => 11, qr/SIGSEGV \(address 0x\w+, which is no code\)/,
                    qr/profiling_test_die_wild/],
    [stack   => 11, qr/SIGSEGV \(address 0x\w+\)/,
                    qr/profiling_test_die_stack < profiling_test_die_stack/],
    [abort   => 6,  qr/SIGABRT/, qr/profiling_test_die_abort/],
    [malloc  => 6,  qr/SIGABRT/, qr/profiling_test_die_malloc/],
    [double  => 6,  qr/SIGABRT/, qr/profiling_test_die_double/],
    [hook    => 11, qr/SIGSEGV \(address 0x\w+\)/,
                    qr/(?:\S+ < )?profiling_test_die_hook/],
    [crypto  => 11, qr/SIGSEGV \(address 0x1000\)/,
                    qr/(?:libcrypto\S+|sha256_\w+) < SHA256_Update/],
    [regex   => 11, qr/SIGSEGV \(address 0x\w+\)/,
                    qr/(?:\S+ < )*pcre2_match_8 < ngx_regex_exec/],
    [divide  => 8,  qr/SIGFPE \(address 0x\w+\)/,
                    qr/profiling_test_die_divide/],
    [trap    => 4,  qr/SIGILL \(address 0x\w+\)/, qr/profiling_test_die_trap/],
    [bus     => 7,  qr/SIGBUS \(address 0x\w+\)/, qr/profiling_test_die_bus/],
    [raise   => 11, qr/SIGSEGV/, qr/profiling_test_die_raise/],
    [two     => 11, qr/SIGSEGV \(address 0x10\)/, qr/\S+/, 'thread'],
    [thread  => 11, qr/SIGSEGV \(address 0x10\)/,
                    qr/profiling_test_die_thread/, 'thread'],
    [deep    => 11, qr/SIGSEGV \(address 0x\w+\)/,
                    qr/profiling_test_die_stack < profiling_test_die_stack/,
                    'thread'],
    [lua     => 11, qr/SIGSEGV \(address 0x10\)/,
                    qr/content_by_lua\(nginx\.conf:\d+\):2 main chunk < /],
    [trace   => 11, qr/SIGSEGV \(address 0x\w+\)/,
                    qr/content_by_lua\(nginx\.conf:\d+\):4 main chunk < /],
);

my $main = thread_pool(4);
@deaths = grep { $_->[0] ne 'thread' } @deaths if $main eq '';

my @lua = grep { -e } Profile::lua_modules();
@deaths = grep { $_->[0] !~ /^(?:lua|trace)$/ } @deaths if @lua < 2;

my $server = join '', map { "location /$_ { profiling_test die_$_ 0; }\n" }
                      grep({ !/^(?:lua|trace)$/ } map { $_->[0] } @deaths),
                      'exit', 'child';
$server .= $Profile::lua_deaths if @lua == 2;
$server .= <<'END';
        location /vfork { profiling_test die_child 1; }
        location /kill { profiling_test die_raise 9; }
        location /code { profiling_test die_exit 7; }
        location /ok { return 200 ok; }
END

my %site = (workers => 1, modules => [ Profile::test_module(), @lua ],
            main => $main, server => $server);

# each allocation is a sample of the heap: the hook of malloc() stays on the
# stack, and is never told for who called it
my $n = Fault->new(name => 'deaths', %site,
                   profiling => 'profiling_heap_rate 1k; profiling_budget off;');
my $off = Fault->new(name => 'off', %site,
                     profiling => 'profiling_crash off;');

$n->start;

# where it goes on is another worker

sub die_at {
    my ($site, $path) = @_;

    my ($pid) = $site->workers;

    # a line a second at most
    my $second = int time;
    wait_for(10, sub { int time > $second + 1 });

    my $r = $site->get($path, timeout => 10);
    isnt($r->{status} // 0, 200, "$path: no answer");

    ok(wait_for(30, sub {
        my @workers = $site->workers;
        return @workers == 1 && $workers[0] != $pid;
    }), '... another worker comes');

    my $answers = wait_for(30, sub {
        return ($site->get('/ok')->{body} // '') eq 'ok';
    });
    ok($answers, '... and answers');

    return $pid;
}

for my $death (@deaths) {
    my ($way, $signal, $end, $where, $thread) = @$death;

    my $pid = die_at($n, "/$way?secret=1");

    like($n->log, qr/worker process $pid exited on signal $signal\b/,
         '... by its signal');

    my @lines = grep { /worker process $pid (?!exited)/ } split /\n/, $n->log;

    is(@lines, 1, '... one line tells why');
    like($lines[0] // '', qr/\[alert\] .* died of $end in $where/,
         '... of what and where');

    if ($thread) {
        like($lines[0] // '', qr/while working in a thread/, '... in a thread');
        like($lines[0] // '', qr{"GET /$way".*location: "/$way"},
             '... for whom') if $way ne 'two';

    } else {
        like($lines[0] // '', qr{while\ processing\ request\ "GET\ /$way",
                                 \ client:\ 127\.0\.0\.1,\ server:\ main,
                                 \ location:\ "/$way",\ connection:\ \*\d+}x,
             '... for whom');
    }

    unlike($lines[0] // '', qr/secret/, '... without arguments');
}

# no handler tells of these

for my $death (['kill', qr/was killed by SIGKILL/],
               ['code', qr/exited with code 7/],
               ['exit', qr/exited with code 0/])
{
    my ($way, $end) = @$death;

    my $pid = die_at($n, "/$way");

    my @lines = grep { /worker process $pid (?!exited (?:on|with code \d+$))/ }
                split /\n/, $n->log;

    is(@lines, 1, '... one line tells why');
    like($lines[0] // '', $end, '... of what');
}

# a child that is forked, or that shares the memory, is none of ours

for my $way (qw(child vfork)) {
    my ($pid) = $n->workers;
    my $lines = () = $n->log =~ /died of/g;

    is($n->get("/$way")->{status}, 200, "$way: the worker answers");
    is(($n->workers)[0], $pid, '... and lives');
    is(scalar(() = $n->log =~ /died of/g), $lines, '... nothing is told');
}

# and it tells of its own death after that

my $pid = die_at($n, '/null');
like($n->log, qr/worker process $pid died of SIGSEGV/, '... it is told');

$n->stop;

# without the handler

$off->start;
$pid = die_at($off, '/null');

like($off->log, qr/worker process $pid exited on signal 11\b/,
     'off: nginx says it');
like($off->log, qr/worker process $pid died of SIGSEGV, while/,
     '... and the signal is told all the same');
unlike($off->log, qr/died of SIGSEGV.* in profiling_test/, '... not where');

done_testing;
