#!/usr/bin/perl

# Profiles of programs of which the answer is known: shares, names, places,
# the sum of CPU time; what the tools that users have make of them.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    main     => 'thread_pool default threads=2;',
    http     => 'profiling_interval 1s;',
    server   => join('', map { <<"END" } qw(cfi fp nocfi)),
        location = /one_$_ { profiling_test one_$_ 8000000; }
        location = /three_$_ { profiling_test three_$_ 8000000; }
        location = /deep_$_ { profiling_test deep_$_ 8000000; }
END
);

# the module calls the first kind by no name
$site->{server} =~ s/profiling_test (\w+)_cfi/profiling_test $1/g;
$site->{server} .= 'location = /thread { profiling_test thread 4000000; }';

$site->start;

my @paths = map { ("/one_$_", "/three_$_", "/deep_$_") } qw(cfi fp nocfi);
my @workers = $site->workers;
my @loads = spread($site, \@workers, @paths);
my $p = Profile::take_measured($site, \@workers, seconds => 8);
my $spent = $p->{spent};

is_valid($p, 'known answer');

known_shares();
known_sum();
known_stacks();
tools();

Profile::end($_) for @loads;

threads();
idle();
rate();

$site->stop;

done_testing();


# one, three and deep were called equally often, and burn 1 : 3 : 1

sub known_shares {
    for my $kind (qw(cfi fp nocfi)) {
        my %ns = map { $_ => sum($p, has("profiling_test_${_}_$kind")) }
                 qw(one three deep);

        about($ns{one} && $ns{three} / $ns{one}, 3, 0.2,
              "$kind: three has three times the CPU time of one");
        about($ns{one} && $ns{deep} / $ns{one}, 1, 0.25,
              "$kind: deep has as much as one");

        for my $what (qw(one three deep)) {
            my $name = "profiling_test_${what}_$kind";
            my $right = share($p, has($name),
                              labelled(server => 'main',
                                       location => "= /${what}_$kind"));

            cmp_ok($right // 0, '>=', 0.99, "$name() has its location");
        }
    }

    cmp_ok(share($p, labelled(state => 'phase')), '>=', 0.95,
           'all this is the phases of requests');
}


sub known_sum {
    my $off = $p->{cpu} / $spent - 1;

    diag(sprintf 'CPU time in the profile: %.3f s, of the workers: %.3f s '
                 . '(%+.2f%%)', $p->{cpu} / 1e9, $spent / 1e9, 100 * $off);

    cmp_ok(abs $off, '<', 0.02, 'the sum is the CPU time of the workers');
    about($p->{decoded}{duration}, 8e9, 0.05, 'the duration is told');
    about($p->{count} * $p->{decoded}{period}, $p->{cpu}, 0.05,
          'a sample stands for a period');

    my %pid = map { $_->{labels}{pid} => 1 } @{ $p->{samples} };
    is(join(' ', sort keys %pid), join(' ', sort @workers),
       'all workers are in it');
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
    cmp_ok(share($p, has('profiling_test_one_nocfi'),
                 has('ngx_http_core_content_phase')), '>=', 0.99,
           'code without unwind tables is walked by frame pointers');
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
    like(go('-top', "-tagfocus=$workers[0]", $p->{file}),
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
    my @loads = map { load($site, '/thread') } 1 .. 2;

    sleep 0.2;

    my $p = Profile::take_measured($site, \@workers, seconds => 2);

    Profile::end($_) for @loads;

    cmp_ok(share($p, labelled(state => 'thread-pool')) // 0, '>', 0.9,
           'threads of a pool are sampled');
    cmp_ok(share($p, has('profiling_test_deep_cfi'),
                 labelled(state => 'thread-pool')) // 0, '>', 0.99,
           '... and known as such');
    cmp_ok(share($p, has('profiling_test_deep_cfi'), \&thread_start) // 0,
           '>=', 0.99, '... up to their start');
    about($p->{cpu}, $p->{spent}, 0.04, '... with all of their CPU time');
}


# nothing to do: a profile of nothing is one too

sub idle {
    my $p = Profile::take($site, seconds => 1);

    is_valid($p, 'idle workers');
    cmp_ok($p->{cpu}, '<', 0.05e9, 'idle workers have next to no CPU time');

    # a timer that is armed still ends with its next expiry

    my $load = load($site, '/three_cfi');
    sleep 0.3;

    my $before = sampled($site);
    sleep 0.7;
    Profile::end($load);

    is(sampled($site), $before, 'without a capture nothing is sampled');
}


# 1000 Hz is more than a kernel of 250 Hz gives: overruns are counted

sub rate {
    my @old = $site->workers;

    $site->write(http => 'profiling_interval 1s; profiling_cpu_rate 1000;');
    kill 'HUP', $site->{pid};

    until_true(10, sub {
        my %now = map { $_ => 1 } $site->workers;
        return keys %now == 2 && !grep { $now{$_} } @old;
    });

    my $load = load($site, '/one_cfi', '/three_cfi');
    sleep 0.3;

    my @workers = $site->workers;
    my $p = Profile::take_measured($site, \@workers, seconds => 3);

    Profile::end($load);

    is($p->{decoded}{period}, 1e6, '1000 Hz: the period is told');
    about($p->{count} * 1e6, $p->{cpu}, 0.05, '... overruns are counted');
    about($p->{cpu}, $p->{spent}, 0.03, '... the sum is right');
    about(sum($p, has('profiling_test_three_cfi'))
          / (sum($p, has('profiling_test_one_cfi')) || 1), 3, 0.15,
          '... and the shares are');
}
