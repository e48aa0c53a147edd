#!/usr/bin/perl

# Profiles of programs with a known answer: shares, names, places, the sum of
# CPU time, and what the usual tools print.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Modules qw(built skip_unbuilt thread_pool);
use Profile;
use Sampled;

my @kinds = map { my $kind = $_; map { "${_}_$kind" } qw(one three deep) }
            qw(cfi fp nocfi);

# the module calls the first kind by no name; two workers burn, and the third
# one is free to answer

my $site = Site->new(
    workers  => 3,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    main     => thread_pool(2),
    http     => 'profiling_interval 1s; profiling_cpu_rate 1000;',
    server   => join('', map { "location = /$_ { profiling_test "
                               . s/_cfi$//r . " 16000000 DIR/burnt; }\n" }
                         @kinds)
                . (built('threads')
                   ? 'location = /thread { profiling_test thread 4000000; }'
                   : ''),
);

my $burnt = $site->dir . '/burnt';

spew($burnt, '');
chmod 0666, $burnt;

$site->start;

my $seconds = 4;
my @workers = $site->workers;
my ($loads, $busy) = spread($site, \@workers, 2, map { "/$_" } @kinds);
my $armed = Profile::armed($site, @$busy);
my $began = time();
my $p = Profile::take_measured($site, \@workers, seconds => $seconds,
                               armed => 1);
my $took = time() - $began;

Profile::end($_) for @$loads;
close $armed;

is_valid($p, 'known answer');

known_shares();
known_sum();
known_stacks();
tools();

SKIP: {
    skip_unbuilt('threads', 4);

    threads();
}

idle();
rate();

$site->stop;

done_testing();


# each has the CPU time that it burnt, and its location

sub known_shares {
    my $truth = burnt($p, $burnt);

    diag(sprintf '%.1f ms of CPU time from one sample to the next',
                 $p->{gap} / 1e6);

    for my $what (@kinds) {
        my $function = has("profiling_test_$what");

        is_burnt($p, $truth, "/$what", $function);
        is_mostly($p, 0.99, "profiling_test_$what() has its location",
                  $function, labelled(server => 'main',
                                      location => "= /$what"));
    }

    # more of them have a tighter bound
    for my $what (qw(one three deep)) {
        is_burnt($p, $truth, join(' ', map { "/$_" } grep { /^$what/ } @kinds),
                 has(qr/^profiling_test_${what}_/));
    }

    my $right = 0;

    $right += sum($p, has("profiling_test_$_"),
                  labelled(server => 'main', location => "= /$_")) for @kinds;

    cmp_ok($right / sum($p, has(qr/^profiling_test/)), '>=', 0.99,
           'all of them together have their locations');
    cmp_ok(share($p, labelled(state => 'phase')), '>=', 0.95,
           'all this is the phases of requests');
}


sub known_sum {
    diag(sprintf 'CPU time in the profile: %.3f s, of the workers: %.3f s '
                 . '(%+.2f%%)', $p->{cpu} / 1e9, $p->{spent} / 1e9,
                 100 * ($p->{cpu} / $p->{spent} - 1));

    is_all_cpu($p, 'the sum is the CPU time of the workers', threads => 3);
    is_counted($p, 'a sample stands for the periods since the one before',
               threads => 3);
    cmp_ok($p->{decoded}{duration}, '>=', $seconds * 1e9,
           'the duration is told');
    cmp_ok($p->{decoded}{duration}, '<=', 1e9 * $took,
           '... no more than was seen');

    my %pid = map { $_->{labels}{pid} => 1 } @{ $p->{samples} };
    is(scalar(grep { $pid{$_} } @$busy), 2, 'both workers are in it');
    delete @pid{@workers};
    is(join(' ', keys %pid), '', '... and nobody else');
}


sub known_stacks {
    cmp_ok(share($p, \&thread_start), '>=', 0.995,
           'the stacks reach the start of the thread');

    my %depth;

    for my $s (grep { has('profiling_test_deep_cfi')->($_) }
               @{ $p->{samples} })
    {
        $depth{ grep { $_ eq 'profiling_test_descend_cfi' }
                @{ $s->{frames} } } += $s->{count};
    }

    my ($most) = sort { $depth{$b} <=> $depth{$a} } keys %depth;

    is($most, 41, 'all calls of a deep recursion are there');

    my $name = 'profiling_test_three_cfi';

    is(share($p, has($name), under($name, 'profiling_test_inlined_cfi')), 1,
       'inlined calls are shown as calls');
    is_mostly($p, 0.99, 'code without unwind tables is walked by frame '
                        . 'pointers', has('profiling_test_one_nocfi'),
              has('ngx_http_core_content_phase'));
}


sub tools {
    my $raw = go('-raw', $p->{file});
    is($?, 0, 'go tool pprof -raw reads it') or diag($raw);
    like($raw, qr/^samples\/count cpu\/nanoseconds$/m, '... its types');
    like($raw, qr/location:\[= \/three_fp\]/, '... its labels');
    like($raw, qr/pid:\[?\d+\]?/, '... its numbers');
    like($raw, qr/^1: 0x\w+\/0x\w+\/0x\w+ \S*nginx [0-9a-f]{40} \[FN\]/m,
         '... nginx is the first mapping, with its build id');

    my $top = go('-top', $p->{file});
    like($top, qr/profiling_test_three_cfi/, '-top has the names');

    my $tags = go('-tags', $p->{file});
    like($tags, qr/^\s*$_:/m, "-tags has $_")
        for qw(location server state pid worker);

    like(go('-top', '-cum', '-tagroot=server,location', $p->{file}),
         qr/100% \s+ main$/mx, '-tagroot groups by the server');
    like(go('-top', '-tagroot=location', $p->{file}), qr{= /one_fp$}m,
         '... and by the location');

    my $focus = go('-top', '-tagfocus=location=/one_cfi', $p->{file});
    like($focus, qr/profiling_test_one_cfi/, '-tagfocus keeps a location');
    unlike($focus, qr/profiling_test_three/, '... and drops the others');

    my ($all) = $tags =~ /^\s*pid:.*\n\s*(?:\S+\s+)*?(\d+)/m;
    like(go('-top', "-tagfocus=$busy->[0]", $p->{file}),
         qr/profiling_test_one/, 'a pid can be asked for');
    unlike(go('-tags', '-tagshow=state', $p->{file}), qr/location:/,
           '-tagshow hides the others');

    like(go('-list=profiling_test_three_cfi', $p->{file}),
         qr/sink \+= name\(inlined\)\(3 \* n\);/, '-list shows source lines');
    like(go('-list=profiling_test_mix_cfi', $p->{file}),
         qr/x \^= x (?:<<|>>)/, '... of inlined calls too');
    like(go('-traces', $p->{file}),
         qr/profiling_test_descend_nocfi\n(?:.*\n)*?.*main/,
         '-traces shows stacks');
}


# the threads of nginx's pools block signals

sub threads {
    my ($loads, $busy) = spread($site, \@workers, 2, '/thread');
    my $armed = Profile::armed($site, @$busy);
    my $p = Profile::take_measured($site, \@workers, seconds => 2, armed => 1);

    Profile::end($_) for @$loads;
    close $armed;

    my $deep = has('profiling_test_deep_cfi');

    cmp_ok(share($p, labelled(state => 'thread-pool')) // 0, '>', 0.9,
           'threads of a pool are sampled');
    is_mostly($p, 0.99, '... and known as such', $deep,
              labelled(state => 'thread-pool'));
    is_mostly($p, 0.99, '... up to their start', $deep, \&thread_start);

    # each worker has two, and its own
    is_all_cpu($p, '... with all of their CPU time', threads => 6);
}


# nothing to do: a profile of nothing is one too

sub idle {
    rested();

    my $before = cpu_ns(@workers);
    my $p = Profile::take($site, seconds => 1);
    my $spent = cpu_ns(@workers) - $before;

    is_valid($p, 'idle workers');
    cmp_ok($p->{cpu}, '<=', $spent + @workers * $p->{decoded}{period},
           'idle workers have no CPU time but their own');

    my $load = load($site, '/three_cfi');

    is_quiet($site, 'without a capture nothing is sampled');
    Profile::end($load);
}


# Clients that are gone leave requests that burn to their end.

sub rested {
    my $before = -1;

    ok(until_true(60, sub {
        my $now = cpu_ns(@workers);
        my $spent = $now - $before;
        $before = $now;

        # a little is the tick of each interval
        sleep 0.2;
        return $spent < 5e6;
    }), 'the workers have done all that they were asked for');
}


# 1000 Hz is more than a kernel of 250 Hz gives, and overruns are counted; as
# it is by itself there are none.  Nobody has armed the timers.

sub rate {
    my @old = $site->workers;

    $site->write(http => 'profiling_interval 1s;');
    kill 'HUP', $site->{pid};

    until_true(60, sub {
        my %now = map { $_ => 1 } $site->workers;
        return keys %now == 3 && !grep { $now{$_} } @old;
    });

    my @workers = $site->workers;
    my ($loads) = spread($site, \@workers, 2, '/one_cfi', '/three_cfi');
    my $p = Profile::take_measured($site, \@workers, seconds => 4);
    my $truth = burnt($p, $burnt);

    Profile::end($_) for @$loads;

    is($p->{decoded}{period}, 1e7, '100 Hz: the period is told');
    is_counted($p, '... a sample stands for it', threads => 3);
    is_all_cpu($p, '... the sum is right', threads => 3,
               late => $truth->{late});
    is_burnt($p, $truth, "/$_", has("profiling_test_$_"))
        for qw(one_cfi three_cfi);
}
