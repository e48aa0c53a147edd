#!/usr/bin/perl

# Shortages of memory, descriptors, processes and timers, at every place where
# an answer needs one, in turn: once, and from then on.  The answer is whole or
# an error, the worker lives, nothing is left behind; and a worker that starts
# during a shortage serves.

use strict;
use warnings;

use Fault;
use Shortage;
use Sound;
use Sanitized;
use Test::More;

skip_all_sanitized('it brings an allocator');

my $n = Fault->new(name => 'short', workers => 1,
                   # so that no tick takes what is counted
                   profiling => 'profiling_interval 1h;', server => <<'END');
        location ^~ /debug/pprof/ { profiling_pprof; }
END

my $s = Shortage->new($n->dir);
$n->{env} = $s->env;
$n->start;

my ($worker) = $n->workers;
my $post = '/api/profiling/force-gc';

all_answers_valid($n, 'before');
my $before = usage($n);

my %tried;
my $read = 0;
my @wrong;

# captures of a second are asked with a few of them
my @slow = grep { /(?:seconds|duration)=1$/ } @endpoints;
my %slow = map { $_ => 1 } @slow;
my @quick = (grep({ !$slow{$_} } @endpoints),
             map({ "/debug/pprof/$_" } qw(symbol?0x1000+0x2000
                                          pprof/symbol?0x1000
                                          trace?seconds=0.01&format=perfetto)),
             '/api/profiling/metrics?worker=1', '/api/profiling/none');

# what nginx, and the module, say of it
my $failed = qr/(?:failed|error)\x20\((?:12|23|11|28|5):
                |unknown\x20process\x20\d+\x20exited/x;

each_place($_, 'memory', 1) for @quick, $post;
each_place($_, 'memory', -1) for @quick, $post;
each_place($_, 'memory', -1, 7) for @slow;

for my $call (qw(mmap open pipe spawn timer epoll read)) {
    each_place($_, $call, 1)
        for grep { m{pprof/.*[a-z]|/me|health|run} } @quick;
}

each_place($_, 'spawn', 1) for @slow;

diag(join ', ', map { "$_: $tried{$_}" } sort keys %tried);

is(scalar @wrong, 0, 'every answer is whole or an error')
    or diag(map { substr($_, 0, 300) . "\n" }
            @wrong[0 .. ($#wrong < 15 ? $#wrong : 15)]);

cmp_ok($tried{memory}, '>', 300, 'allocations have failed');
cmp_ok($tried{$_} || 0, '>', 5, "... and $_") for qw(open pipe spawn);

is_deeply([ $n->workers ], [ $worker ], 'the worker is the same');
nothing_left($n, $before, 'when all is well again');
all_answers_valid($n, 'when all is well again');
is_sound($n, expected => $failed);

starts();

ok($n->stop('QUIT'), 'nginx ends');

done_testing();


# Lets a call fail at its first, second .. place in one request, until the
# request has no more of them.

sub each_place {
    my ($path, $call, $fail, $step) = @_;

    for (my $at = 0; $at < 400; $at += $step || 1) {
        $s->fail($call, $at, $fail, $worker);

        my $r = $n->get($path, timeout => 60,
                        $path eq $post ? (method => 'POST') : ());
        my $seen = $s->seen($call);

        $s->relax;

        my $wrong = judge($path, $r) || complained();
        push @wrong, "$path, $call $at of $seen, $fail: $wrong" if $wrong;

        return if $seen <= $at;
        $tried{$call}++;

        if (!kill 0, $worker) {
            return push @wrong, "$path, $call $at: the worker is gone";
        }
    }
}


sub judge {
    my ($path, $r) = @_;

    # nginx closes the connection when it has no memory for it
    return '' if ($r->{error} // '') =~ /^(?:closed|reset)$/
                 && ($r->{got} // '') eq '';
    return $r->{error} if $r->{error};
    return '' if $path eq $post && $r->{status} == 429;
    return "status $r->{status}" if $r->{status} !~ /^(?:200|40[04]|500|503)$/;
    return invalid($path, $r->{status}, $r->{head}, $r->{body});
}


# An alert that is not about what failed, since the last call.

sub complained {
    my $file = $n->dir . '/error.log';

    open my $log, '<', $file or die "open() failed: $!\n";
    seek $log, $read, 0;

    my @bad = grep { /\[alert\]/ && $_ !~ $failed } <$log>;
    $read = tell $log;

    return join '', @bad;
}


# A new worker, in the place of a killed one.

sub starts {
    my $kills = 0;

    $s->spare($n->{pid});

    for my $call (qw(open timer timerfd mmap read)) {
        for my $at (0 .. 60) {
            my ($old) = $n->workers;

            $s->fail($call, $at, 1);

            kill 'KILL', $old;
            $kills++;

            my $back = wait_for(60, sub {
                my ($now) = $n->workers;
                return $now && $now != $old
                       && !$n->get('/empty', timeout => 60)->{error};
            });

            my $seen = $s->seen($call);
            $s->relax;

            $back or return fail("a worker starts without $call $at");
            last if $seen <= $at;

            my $r = $n->get('/api/profiling/metrics');
            is($r->{error} || $r->{status}, 200,
               "a worker that started without $call $at answers");
        }
    }

    is_sound($n, 9 => $kills, expected => $failed);
}
