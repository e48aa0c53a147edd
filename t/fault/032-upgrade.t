#!/usr/bin/perl

# Other ways to run and replace nginx: a reload without the module, with
# another file of it, a binary upgrade, without a master, as a daemon.

use strict;
use warnings;

use Fault;
use File::Copy qw(copy);
use Health;
use Test::More;

my $module = $ENV{TEST_NGINX_LOAD_MODULES};

{
    # the module goes, and comes back

    my $n = Fault->new(name => 'removed');

    $n->start;
    $n->get('/empty') for 1 .. 3;
    my $prober = $n->prober;

    for my $round (1 .. 3) {
        my $generation = $n->api('runtime')->{generation};

        ok($n->reload(module => 0), "round $round: reload without the module");
        is($n->get('/api/profiling/metrics')->{status}, 404,
           '... there is no API now');
        is($n->get('/empty')->{status}, 200, '... requests are served');

        ok($n->reload(module => $module), '... reload with the module');

        my $m = $n->until('metrics', 60, sub { @{ $_[0]{workers} } == 2 });
        ok($m->{met}, '... it is at work again');
        is($n->api('runtime')->{generation}, 1,
           '... and starts anew, for the zone had gone');
    }

    my $seen = $n->prober_result($prober);
    delete @$seen{qw(reset closed)};
    is_deeply([ keys %$seen ], [ 200 ], 'clients were served all the time');
    ok($n->stop('QUIT'), 'nginx ends');
    clean($n);
}

{
    # another build of the module is put in its place

    my $n = Fault->new(name => 'replaced');
    my $file = $n->dir . '/module.so';

    copy($module, $file) or die "copy() failed: $!\n";

    # "file" is loaded by the path of its own copy
    $n->start(module => $file);
    $n->get('/empty') for 1 .. 3;
    $n->until('metrics', 60, sub { $_[0]{metrics}{requests}{total} == 3 });
    my $h = $n->until('metrics/history', 60, sub { $_[0]{count} > 3 });

    for my $i (2 .. 4) {
        copy($module, "$file.new") or die "copy() failed: $!\n";

        # another file in content too: what strip(1) leaves
        system('strip', '--strip-debug', "$file.new") if $i == 3;
        rename "$file.new", $file or die "rename() failed: $!\n";

        ok($n->reload, 'another file of the module, and a reload');

        my $m = $n->until('metrics', 60, sub {
            my @new = grep { $_->{generation} == $i } @{ $_[0]{workers} };
            return @new == 2 && @{ $_[0]{workers} } == 2;
        });

        ok($m->{met}, "... both workers of generation $i")
            or diag(explain($m->{workers}));
        is($m->{metrics}{requests}{total}, 3, '... totals are kept');
    }

    my $after = $n->api('metrics/history?count=1000');
    cmp_ok($after->{count}, '>', $h->{count}, 'the history is kept');
    is($after->{samples}[0]{timestamp}, $h->{samples}[0]{timestamp},
       '... from its first sample on');

    is($n->get('/empty')->{status}, 200, 'it still counts');
    ok($n->until('metrics', 60, sub {
           return $_[0]{metrics}{requests}{total} == 4;
       })->{met}, '... all requests');

    ok($n->stop('QUIT'), 'nginx ends');
    clean($n);
}

{
    # binary upgrade: the new master has a zone of its own

    my $n = Fault->new(name => 'upgrade', daemon => 'on');

    my $old = $n->start;
    $n->get('/empty') for 1 .. 3;
    my $prober = $n->prober;

    $n->signal('USR2');

    my $new = wait_for(60, sub {
        my ($pid) = Fault::slurp($n->dir . '/nginx.pid') =~ /(\d+)/;
        return $pid && $pid != $old && $n->workers($pid) == 2 && $pid;
    });

    ok($new, 'a second master runs with workers of its own');
    is(scalar $n->workers($old), 2, '... beside the first');

    kill 'WINCH', $old;
    ok(wait_for(60, sub { $n->workers($old) == 0 }), 'old workers have gone');

    my $m = $n->until('metrics', 60, sub { @{ $_[0]{workers} } == 2 });
    is_deeply([ sort map { $_->{pid} } @{ $m->{workers} } ],
              [ sort $n->workers($new) ], 'the new ones are shown');
    is($n->api('runtime')->{generation}, 1, '... in generation 1');

    kill 'QUIT', $old;
    ok(wait_for(60, sub { !Fault::alive($old) }), 'the old master has gone');

    $n->{pid} = $new;
    is_deeply(ailments($n->api('health')), [], 'the new one is healthy');
    ok($n->reload, '... and can be reloaded');

    my $seen = $n->prober_result($prober);
    delete @$seen{qw(reset closed)};
    is_deeply([ keys %$seen ], [ 200 ], 'clients were served all the time');

    ok($n->stop('QUIT'), 'nginx ends');
    clean($n);
}

{
    # the upgrade is given up: the old one goes on

    my $n = Fault->new(name => 'back', daemon => 'on');

    my $old = $n->start;
    $n->get('/empty') for 1 .. 3;

    $n->signal('USR2');
    my $new = wait_for(60, sub {
        my ($pid) = Fault::slurp($n->dir . '/nginx.pid') =~ /(\d+)/;
        return $pid && $pid != $old && $n->workers($pid) == 2 && $pid;
    });
    ok($new, 'a second master runs');

    kill 'TERM', $new;
    ok(wait_for(60, sub { !Fault::alive($new) }), '... and is ended');

    my $m = $n->until('metrics', 60, sub { @{ $_[0]{workers} } == 2 });
    is($m->{metrics}{requests}{total}, 3, 'the old one has its totals');
    is($n->api('runtime')->{generation}, 1, '... in the same generation');

    ok($n->stop('QUIT'), 'nginx ends');
    clean($n);
}

for my $daemon ('off', 'on') {
    # one process that is all

    my $n = Fault->new(name => "single-$daemon", master => 'off',
                       daemon => $daemon);

    my $pid = $n->start;
    $n->get('/empty') for 1 .. 3;

    my $m = $n->until('metrics', 60, sub {
        return $_[0]{metrics}{requests}{total} == 3;
    });
    ok($m->{met}, "a single process, daemon $daemon: requests are counted");
    is_deeply([ map { $_->{pid} } @{ $m->{workers} } ], [ $pid ],
              '... it is the only worker');

    my $tick = $m->{workers}[0]{collected};
    ok($n->until('metrics', 60, sub {
           return $_[0]{workers}[0]{collected} gt $tick;
       })->{met}, '... and ticks on');

    my $r = $n->get('/api/profiling/force-gc', method => 'POST');
    is($r->{status}, 200, '... and can be trimmed');

    ok($n->stop('QUIT'), '... and ends');
    clean($n);
}

# A single process that reloads is beyond what nginx can: it makes no new table
# of connections, and answers nobody from then on.  It has to live on with the
# module as it does without.

for my $case (['without the module', 0, 0],
              ['with the module', $module, $module],
              ['that drops the module', $module, 0])
{
    my ($name, $before, $after) = @$case;

    my $n = Fault->new(name => 'single-reload', master => 'off',
                       module => $before);

    my $pid = $n->start;
    $n->get('/empty');
    $n->configure(module => $after);
    $n->signal('HUP');

    ok(wait_for(60, sub {
           return $n->log =~ /reconfiguring.*using the "epoll"/s;
       }), "a single process $name: reload");

    # several ticks, if it has any, each of them a switch
    my $switches = proc_status($pid)->{voluntary_ctxt_switches};

    wait_for($after ? 5 : 1, sub {
        $n->get('/empty', timeout => 1);
        return 1 if !Fault::alive($pid);
        return proc_status($pid)->{voluntary_ctxt_switches} > $switches + 20;
    });

    ok(Fault::alive($pid), '... it lives on');
    ok($n->stop('QUIT'), '... and ends when it is told to');
    unlike($n->log, qr/signal 11|\[emerg\]/, '... in good order');
}

{
    # as many workers as processors, one, and more by a reload

    my $n = Fault->new(name => 'auto', workers => 'auto');

    $n->start;
    chomp(my $cpus = `nproc --all`);
    my $m = $n->until('metrics', 60, sub { @{ $_[0]{workers} } == $cpus });
    ok($m->{met}, "worker_processes auto: $cpus workers");
    ok(wait_for(60, sub { $cpus == (() = $n->workers) }), '... no others');

    for my $workers (1, 5) {
        $n->reload(workers => $workers);
        $m = $n->until('metrics', 60, sub {
            return @{ $_[0]{workers} } == $workers;
        });
        ok($m->{met}, "a reload to $workers workers")
            or diag(explain($m->{workers}));
    }

    is($m->{overhead}{unprofiled_workers}, 0, '... that all have a slot');
    ok($n->stop('QUIT'), 'nginx ends');
    clean($n);
}

done_testing();


sub clean {
    my $n = shift;

    my @bad = $n->log =~ /^.*(?:\[(?:alert|emerg|crit)\]|signal 11).*$/mg;
    is_deeply(\@bad, [], "$n->{name}: no alert in the log");
}
