#!/usr/bin/perl

# A binary upgrade: settings that came by the environment stay in force, though
# nginx hands on only what `env` names; and while two masters answer in turn,
# what they tell is told apart.

use strict;
use warnings;

use Fault;
use Test::More;

{
    my $n = Fault->new(name => 'environment', daemon => 'on',
                       profiling => 'profiling_goroutine_critical 7777;
                                     profiling_goroutine_warning 5555;');

    $n->{env} = { METRICS_MAX_SIZE => 77, METRICS_INTERVAL => '500ms',
                  MEMORY_WARNING_PCT => 61, GOROUTINE_WARNING => 4321 };

    my $old = $n->start;
    my $before = $n->api('runtime')->{settings};

    is($before->{profiling_history}, 77, 'the environment is read');
    is($before->{profiling_goroutine_warning}, 5555, '... below directives');

    for my $round (1, 2) {
        my $new = upgraded($n, $old);

        ok(gone($old), "upgrade $round: the old master has gone");
        is_deeply($n->api('runtime')->{settings}, $before,
                  '... settings are the same');
        is($n->api('runtime')->{master}, $new, '... of the new master');
        $old = $new;
    }

    ok($n->stop('QUIT'), 'nginx ends');
}

{
    my $n = Fault->new(name => 'off', daemon => 'on');

    $n->{env} = { ENABLE_PROFILING => 'false' };

    my $old = $n->start;
    my $before = $n->get('/metrics')->{status};

    upgraded($n, $old);
    ok(gone($old), 'the old master has gone');
    isnt($before, 200, 'profiling was off');
    is($n->get('/metrics')->{status}, $before, '... and still is');
    ok($n->stop('QUIT'), 'nginx ends');
}

{
    my $n = Fault->new(name => 'masters', daemon => 'on',
                       profiling => 'profiling_interval 100ms;');

    my $old = $n->start;
    $n->get('/empty') for 1 .. 20;

    my %alone = series($n);
    is_deeply([keys %alone], ['-'], 'one master: no series tells of it');

    # a file that a killed master left

    open my $fh, '>', $n->dir . '/nginx.pid.oldbin' or die;
    print $fh "4194303\n";
    close $fh;
    is_deeply([keys %{ { series($n) } }], ['-'], '... nor beside an old file');
    unlink $n->dir . '/nginx.pid.oldbin';

    my $new = upgraded($n, $old);
    my (%seen, %requests);

    for (1 .. 400) {
        my %s = series($n);

        for my $master (keys %s) {
            push @{ $requests{$master} }, $s{$master}{requests};
            $seen{$master} = $s{$master}{names};
        }

        last if keys %seen == 2 && $_ > 40;
    }

    is_deeply([sort keys %seen], [sort $old, $new],
              'two masters: each series has its master');

    for my $master ($old, $new) {
        my @n = @{ $requests{$master} || [] };
        my $falls = grep { $n[$_] < $n[$_ - 1] } 1 .. $#n;

        is($falls, 0, "... and none falls: $master");
    }

    cmp_ok($seen{$old}, '>=', $alone{'-'}{names}, '... with all its series');
    ok(gone($old), 'the old master has gone');
    is_deeply([keys %{ { series($n) } }], ['-'], 'one master is alone again');

    ok($n->stop('QUIT'), 'nginx ends');
}

done_testing();


sub upgraded {
    my ($n, $old) = @_;

    kill 'USR2', $old;

    my $new = wait_for(60, sub {
        my ($pid) = Fault::slurp($n->dir . '/nginx.pid') =~ /(\d+)/;
        return $pid && $pid != $old && $n->workers($pid) == 2 && $pid;
    });

    ok($new, 'a second master runs');
    $n->{pid} = $new;

    return $new;
}


sub gone {
    my $old = shift;

    kill 'QUIT', $old;

    return wait_for(60, sub { !Fault::alive($old) });
}


# one scrape: by master, how many series, and requests of one place

sub series {
    my $n = shift;
    my %series;

    for (grep { /^[^#]/ } split /\n/, $n->get('/metrics')->{body}) {
        my $master = /\{(?:.*,)?master="(\d+)"/ ? $1 : '-';

        $series{$master}{names}++;
        $series{$master}{requests} += $1
            if /requests_total\{.*location="[^"]*empty".*\} (\d+)/;
    }

    $_->{requests} //= 0 for values %series;

    return %series;
}
