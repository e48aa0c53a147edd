#!/usr/bin/perl

# Heap profiles through the lives of workers: several at once, reloads, kills,
# a changed rate, a module that takes an unloaded one's place, the module's own
# file replaced, the module dropped.

use strict;
use warnings;

use Test::More;
use Site;
use Profile;
use Heap;

my $test_module = Profile::test_module();
my $rate = 'profiling_interval 100ms; profiling_heap_rate 1; profiling_budget off;';

my $server = <<'END';
        location = /leak { profiling_test leak 65536; }
        location = /family { profiling_test family 100; }
        location = /pairs { profiling_test pairs 1000; }
        location = /fork { profiling_test fork 2; }
        location = /plain { return 200 "plain"; }
        location = /load { profiling_test load 1 PLUGIN; }
END

my $plugin = Profile::plugin();

$server =~ s/PLUGIN/$plugin/;

my $site = Site->new(
    workers  => 2,
    modules  => [ $test_module ],
    handlers => $Profile::handlers,
    env      => { ASAN_OPTIONS => 'allocator_may_return_null=1' },
    http     => $rate,
    server   => $server,
);

my $leak = has('profiling_test_leak');

$site->start;

several();
killed_meanwhile();
killed();
forked();
reloaded();
another_object();
replaced();
off();
dropped();

$site->stop;

done_testing();


sub ask {
    my ($path, $n) = @_;

    for (1 .. $n || 1) {
        my $got = $site->request($path, seconds => 60);
        die "$path: status $got->{status}\n" if $got->{status} != 200;
    }
}


sub reload {
    my %old = map { $_ => 1 } $site->workers;

    $site->write(@_);
    kill 'HUP', $site->{pid};

    until_true(60, sub { my @now = $site->workers;
                         return @now && !grep { $old{$_} } @now })
        or die "no reload\n";
}


sub several {
    my @workers = $site->workers;

    # by one connection each, until both have had some
    my %of;

    until_true(60, sub {
        ask('/leak');
        my $p = Heap::take($site);

        %of = map { $_ => total($p, 'inuse_objects', $leak,
                                labelled(pid => $_)) } @workers;
        return !grep { !$of{$_} } @workers;
    });

    my $p = Heap::take($site);
    my $n = total($p, 'inuse_objects', $leak);

    is(total($p, 'alloc_objects', $leak), $n, 'all workers in one profile');
    is($of{$workers[0]} + $of{$workers[1]}, $n,
       '... each block by the pid of its worker');

    my $one = Heap::take($site, args => "worker=$workers[0]");

    is(total($one, 'inuse_objects', $leak), $of{$workers[0]},
       'one worker alone');
    is(total($one, 'alloc_objects', $leak, labelled(pid => $workers[0])),
       $of{$workers[0]}, '... with what it allocated, by its pid');
}


# Once more, where the worker that is killed is the one that makes the profile,
# or was not read before it is killed.

sub killed_meanwhile {
    my ($p, $pid, $had);

    $site->{noise} = qr/exited on signal 9|was killed by SIGKILL/;

    ok(until_true(120, sub {
        ($pid) = $site->workers;
        ask('/leak', 4);

        $had = total(Heap::take($site), 'inuse_objects', $leak,
                     labelled(pid => $pid));
        return if !$had;

        my $s = $site->connect;

        print $s "GET /debug/pprof/heap?seconds=2 HTTP/1.0\r\n\r\n";
        $s->flush;
        was_read($s);

        kill 'KILL', $pid;

        my $answer = Site::read_all($s, 60);
        return if $answer !~ m{^HTTP/1\.\d 200};

        $p = Profile::decode(Site::parse($answer)->{body});
        return total($p, 'inuse_objects', $leak) != 0;
    }), 'a worker is killed in a time');

    is(total($p, 'inuse_objects', $leak, labelled(pid => $pid)), -$had,
       '... what it had in use is gone from it');
    is(total($p, 'inuse_objects', $leak), -$had, '... and from no other');
    is(total($p, 'alloc_objects', $leak), 0,
       '... nothing was allocated, and none is taken back');

    until_true(60, sub { return $site->workers == 2 }) or die "no worker\n";
}


sub killed {
    my @workers = $site->workers;
    my $p = Heap::take($site);
    my $n = total($p, 'alloc_objects', $leak);
    my $left = total($p, 'inuse_objects', $leak,
                     labelled(pid => $workers[1]));

    kill 'KILL', $workers[0];

    until_true(60, sub { my @now = $site->workers;
                         return @now == 2 && $now[0] != $workers[0] });

    $p = Heap::take($site);

    is(total($p, 'alloc_objects', $leak), $n,
       'a worker is killed: what it allocated stays');
    is(total($p, 'inuse_objects', $leak), $left,
       '... what it had in use does not');

    $site->{noise} = qr/exited on signal 9|was killed by SIGKILL/;
}


# children of a worker have its hooks and its memory, but not its slot

sub forked {
    my $p = Heap::take($site);
    my $n = total($p, 'inuse_objects', $leak);

    ask('/fork', 4);

    is(total(Heap::take($site), 'inuse_objects', $leak), $n,
       'children of a worker change nothing');
}


# Workers load objects of their own, which no other has at the same place.

sub reloaded {
    ask('/load', 10);

    my $before = $site->json('metrics')->{overhead}{samples};

    until_true(60, sub {
        return $site->json('metrics')->{overhead}{samples} >= $before + 6;
    });
    ask('/family', 20);

    my $p = Heap::take($site);
    my @n = (total($p, 'alloc_objects', $leak),
             total($p, 'alloc_space', has('profiling_test_family')));
    my $memory = counted($site);

    reload(http => "profiling_heap_rate 4k; profiling_budget off; profiling_interval 100ms;");

    $p = Heap::take($site);

    is(total($p, 'alloc_objects', $leak), $n[0],
       'a reload: the leaks of ended workers stay allocated');
    is(total($p, 'alloc_space', has('profiling_test_family')), $n[1],
       '... with their weights, though the rate is another');
    is(total($p, 'inuse_objects', $leak), 0, '... and are not in use');
    is($p->{decoded}{period}, 4096, '... the new rate is told');

    my $after = counted($site);

    cmp_ok($after->{$_}, '>=', $memory->{$_}, "... $_ does not fall")
        for qw(total_alloc mallocs frees);

    is(total($p, 'alloc_objects', has('[ended workers]')), 0,
       '... stacks keep their names');
}


# Another module takes the place of one that was loaded, and has other
# functions at its addresses: old stacks must not get their names.

sub another_object {
    my $p = Heap::take($site, of => 'allocs');
    my $n = total($p, 'alloc_objects', $leak, labelled(bytes => 65536));
    my $all = total($p, 'alloc_space');

    cmp_ok($n, '>', 0, 'there is something to lose');

    reload(modules => [ Profile::test_module(shifted => 1) ]);

    $p = Heap::take($site, of => 'allocs');

    my $lost = total($p, 'alloc_objects', has('[ended workers]'),
                     labelled(location => '= /leak', bytes => 65536));

    is(total($p, 'alloc_objects', $leak), 0,
       'another object in its place: no wrong names');
    is($lost, $n, '... but sums, by location');
    cmp_ok(total($p, 'alloc_space'), '>=', $all, '... and nothing falls');

    ask('/leak');

    $p = Heap::take($site);

    cmp_ok(total($p, 'inuse_objects', has('profiling_test_leak'),
                 labelled(location => '= /leak')), '>', 0,
           '... the new one has its names');
}


sub off {
    my $before = Heap::take($site, of => 'allocs');

    reload(http => 'profiling_heap_rate off; profiling_interval 100ms;');

    ask('/leak', 10);

    my $p = Heap::take($site);

    is(total($p, 'inuse_objects'), 0, 'off: nothing is in use');
    ok((grep { /profiling_heap_rate is off/ } @{ $p->{comments} }),
       '... and it says why');
    cmp_ok(total($p, 'alloc_space'), '>=', total($before, 'alloc_space'),
           '... what was allocated before stays');
    is(total(Heap::take($site), 'alloc_space'), total($p, 'alloc_space'),
       '... and nothing comes to it');

    my $m = counted($site);

    is($m->{$_}, undef, "... $_ is not known")
        for qw(total_alloc mallocs frees);

    my $unavailable = $site->json('metrics')->{unavailable};
    like($unavailable->{'memory.total_alloc'} // '', qr/profiling_heap_rate/,
         '... and named');
}


# nginx goes on with what it has loaded under this path

sub replaced {
    my $path = $ENV{TEST_NGINX_LOAD_MODULES};
    my $p = Heap::take($site);

    system('cp', $path, "$path.new") == 0 && rename("$path.new", $path)
        or die "no new file: $!\n";

    reload();
    ask('/leak', 3);

    my $q = Heap::take($site);

    is(total($q, 'alloc_objects', $leak),
       total($p, 'alloc_objects', $leak) + 3,
       "the module's file is replaced: all goes on");
    is(total($q, 'inuse_objects', $leak), 3, '... in new workers too');
}


sub dropped {
    reload(module => 0, http => '', handlers => '');

    is($site->request('/plain')->{body}, 'plain',
       'the module is dropped: nginx goes on');
    ask('/pairs', 5);

    reload(module => 1, http => $rate, handlers => $Profile::handlers);
    ask('/leak');

    cmp_ok(total(Heap::take($site), 'inuse_objects', $leak), '>', 0,
           '... and comes back');
}
