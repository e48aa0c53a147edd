#!/usr/bin/perl

# Words of the zone that another module overwrites, or a worker that was taken
# over: no process ends, the others are answered, and health tells of a header
# that is damaged.  A reload mends that.

use strict;
use warnings;

use Fault;
use Health;
use Test::More;

my $seed = $ENV{TEST_SEED} || int(rand(1 << 30));
srand $seed;
diag("TEST_SEED=$seed");

my $n = Fault->new(name => 'overwritten', workers => 2,
                   profiling => 'profiling_interval 100ms;
                                 profiling_zone zone=w:8m slots=8;',
                   server => join('', map { "location /p$_ { return 200 x; }\n" }
                                          1 .. 40)
                             . 'location /debug/pprof/ { profiling_pprof; }');

$n->start;
$n->get("/p$_") for 1 .. 40;
$n->ticked;

# the zone, as the master has mapped it

my ($mem, $zone, $end) = zone();
ok($zone, 'the zone is found') or BAIL_OUT('no zone');

my @workers = sort $n->running;
my $words = 0;

# what it goes by: magic, layout, sizes

for my $i (0 .. 9) {
    my $old = word($zone + 8 * $i);

    for my $new (0, 1, 1 << 40, ~0, $old ^ 1 << int(rand(64))) {
        next if $new == $old;
        word($zone + 8 * $i, $new);
        $words++;

        my $health = $n->api('health');
        is($health->{status}, 'degraded', "word $i is $new: degraded");
        like("@{ $health->{issues} }", qr/damaged/, '... and why');
        is($n->api('locations')->{http}, 200, '... others are told');
    }

    word($zone + 8 * $i, $old);
}

is_deeply(ailments($n->api('health')), [], 'the header is as it was');

word($zone + 8 * $_, ~0) for 0 .. 9;
ok($n->reload, 'a reload');
is_deeply(ailments($n->api('health')), [], '... mends the header');
like($n->log, qr/\[crit\].*zone "w" is damaged/, '... and the log tells');

# any word, and while all is asked words of another process's choice, too

@workers = sort $n->running;

for my $round (1 .. 400) {
    my $at = $zone + 8 * int(rand($round % 2 ? 600 : ($end - $zone) / 8));

    word($at, $round % 3 ? int(rand(1 << 30)) << int(rand(34)) : ~0);
    $words++;

    next if $round % 8;

    my $writer = $round % 32 ? 0 : meanwhile();

    $n->get("/p$_") for 1 .. 3;
    answered($_) for '/metrics', map({ "/api/profiling/$_" }
                                     qw(metrics health locations gc memory
                                        metrics/history runtime)),
                     map({ "/debug/pprof/$_" } qw(heap block goroutine));

    if ($writer) {
        kill 'KILL', $writer;
        waitpid $writer, 0;
    }
}

is_deeply([ sort $n->running ], \@workers, 'the workers are the same');
ok($n->reload, 'a reload after that');
ok($n->reload, '... and another one');
is($n->get('/p1')->{status}, 200, '... and requests are served');
ok($n->stop('QUIT'), 'nginx ends');
unlike($n->log, qr/exited on signal|\[alert\]/, 'no process has crashed');
diag("$words words");

done_testing();


# A process that writes words all the time, more of them in the header.

sub meanwhile {
    my $pid = fork() // die "fork() failed: $!\n";

    return $pid if $pid;

    srand $$;

    while (1) {
        my $words = rand() < .5 ? 600 : ($end - $zone) / 8;
        word($zone + 8 * int(rand($words)), int(rand(1 << 30)) << int(rand(34)));
    }
}


sub answered {
    my ($path) = @_;

    my $r = $n->get($path);
    ok($r->{status}, "$path is answered") || diag(explain($r)) if !$r->{status};
}


# the mapping of the zone begins with nginx's own header of it

sub zone {
    open my $mem, '+<', "/proc/$n->{pid}/mem" or die "mem: $!";
    binmode $mem;

    for my $line (split /\n/, slurp("/proc/$n->{pid}/maps")) {
        my ($from, $to) = $line =~ m{^(\w+)-(\w+) rw-s .*/dev/zero} or next;
        ($from, $to) = (hex $from, hex $to);
        next if $to - $from != 8 << 20;

        for (my $at = $from; $at < $from + (1 << 20); $at += 4096) {
            sysseek $mem, $at, 0;
            sysread $mem, my $got, 8;
            return $mem, $at, $to if unpack('Q', $got) == 0x676e696c69666f72;
        }
    }
}


sub word {
    my ($at, $value) = @_;

    sysseek $mem, $at, 0 or die "seek: $!";

    if (defined $value) {
        syswrite $mem, pack('Q', $value);
        return $value;
    }

    sysread $mem, my $got, 8;

    return unpack 'Q', $got;
}
