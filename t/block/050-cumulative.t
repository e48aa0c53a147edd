#!/usr/bin/perl

# Counts never fall: workers are killed, reloaded and replaced, and the profile
# since the start keeps everything, in samples that keep their labels.  A
# profile may be of one worker, or of an interval.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);
use Site;
use Profile;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 100ms; profiling_budget off;',
    noise    => qr/exited on signal 9|was killed by SIGKILL/,
    server   => <<'END',
        location = /sleep { profiling_test wait_usleep 30; }
        location = /mutex { profiling_test wait_mutex 30; }
END
);

$site->start;

my %seen;
my $asked = 0;

grows('at the start', 10);

my %before = map { $_ => 1 } $site->workers;

# one that has counted something: its successor takes the slot with it
my ($victim) = sort { own($b) <=> own($a) } $site->workers;
cmp_ok(own($victim), '>', 0, 'a worker has counted');
kill 'KILL', $victim;
ok(until_true(60, sub { my @w = $site->workers;
                        @w == 2 && !grep { $_ == $victim } @w }),
   'a worker was killed and replaced');
grows('after a kill', 2);

my $most = 0;
$most = own($_) > $most ? own($_) : $most for grep { !$before{$_} } $site->workers;
cmp_ok($most, '<=', 2, 'the new worker has its own counts alone');

my %old = map { $_ => 1 } $site->workers;
kill 'HUP', $site->{pid};
ok(until_true(60, sub { my @w = $site->workers;
                        @w == 2 && !grep { $old{$_} } @w }),
   'all workers were replaced by a reload');
grows('after a reload', 2);

one();
delta();
errors();

$site->stop;

done_testing();


# what a worker alone has counted

sub own {
    my $pid = shift;

    my $p = Profile::take($site, path => "/debug/pprof/block?worker=$pid");
    my $n = 0;

    $n += $_->{count} for grep { has('profiling_test_usleep')->($_) }
                          @{ $p->{samples} };

    return $n;
}


# a worker that is being replaced may reset a connection

sub sleeps {
    my ($path, $n) = @_;

    for (1 .. $n) {
        until_true(60, sub { ($site->request($path)->{status} // 0) == 200 });
        $asked++ if $path eq '/sleep';
    }

    # it is counted at the end of the call, before the answer
}


sub grows {
    my ($name, $n) = @_;

    sleeps('/sleep', $n);
    sleeps('/mutex', 1);

    for my $kind (qw(block mutex)) {
        my $p = Profile::take($site, path => "/debug/pprof/$kind");
        my (%now, @fallen);

        for my $s (@{ $p->{samples} }) {
            my $key = join ';', @{ $s->{frames} },
                      map { "$_=$s->{labels}{$_}" } sort keys %{ $s->{labels} };
            $now{$key}[0] += $s->{count};
            $now{$key}[1] += $s->{cpu};
        }

        for my $key (keys %{ $seen{$kind} }) {
            push @fallen, $key
                if !$now{$key} || $now{$key}[0] < $seen{$kind}{$key}[0]
                   || $now{$key}[1] < $seen{$kind}{$key}[1];
        }

        is_deeply(\@fallen, [], "$name: $kind: no sample has fallen");
        $seen{$kind} = \%now;

        next if $kind eq 'mutex';

        my @own = grep { has('profiling_test_usleep')->($_) }
                  @{ $p->{samples} };
        my ($count, $delay) = (0, 0);

        for (@own) {
            $count += $_->{count};
            $delay += $_->{cpu};
        }

        is($count, $asked, '... all calls are counted');
        cmp_ok($delay, '>=', $asked * 29e6, '... with their time');
        ok(!(grep { defined $_->{labels}{pid} } @own), '... and no pid');

        # who was started in another way has another stack
        my %labels = map { my $l = $_->{labels};
                           delete $l->{module};
                           join(' ', map { "$_=$l->{$_}" } sort keys %$l) => 1 }
                     @own;
        is(join('; ', keys %labels),
           'location== /sleep server=main state=phase',
           '... with the same labels, whoever it was');
    }
}


sub one {
    my %by;

    for my $pid ($site->workers) {
        my $p = Profile::take($site, path => "/debug/pprof/block?worker=$pid");

        for my $s (grep { has('profiling_test_usleep')->($_) }
                   @{ $p->{samples} })
        {
            is($s->{labels}{pid}, $pid, 'one worker: has its pid');
            ok(defined $s->{labels}{worker}, '... and number');
            $by{$pid} += $s->{count};
        }
    }

    my $sum = 0;
    $sum += $_ for values %by;

    is($sum, 2, '... what they did since their start, not those before');
    is($site->request('/debug/pprof/block?worker=1')->{status}, 404,
       '... and no process that is none');
}


sub delta {
    my (@own, $p, $took);

    # once more, where others keep the load from it until it has ended
    ok(until_true(60, sub {
        my $began = time();
        my $s = $site->connect;

        print $s "GET /debug/pprof/block?seconds=2 HTTP/1.1\r\n"
                 . "Host: main\r\nConnection: close\r\n\r\n";
        $s->flush;
        was_read($s);

        sleeps('/sleep', 3);

        my $in_time = time() - $began < 2;

        my $got = Site::parse(Site::read_all($s, 60));
        return if Profile::late($got);

        $p = Profile::decode($got->{body});
        $took = time() - $began;
        @own = grep { has('profiling_test_usleep')->($_) }
               @{ $p->{samples} };
        return $in_time;
    }), 'a time');

    my $count = 0;

    $count += $_->{count} for @own;

    is($count, 3, '... has what happened in it');
    cmp_ok($p->{decoded}{duration}, '>=', 2e9, '... which is told, all of it');
    cmp_ok($p->{decoded}{duration}, '<=', 1e9 * $took,
           '... no more than was seen');
    ok(!(grep { !$_->{labels}{pid} } @own), '... with the pids');

    my $r = $site->request('/debug/pprof/mutex?seconds=1');
    is($r->{headers}{'content-disposition'},
       'attachment; filename="mutex-delta"', '... as Go names it');
}


sub errors {
    my %of = (
        'seconds=0'         => 'invalid value for "seconds" - must be a '
                               . 'positive integer',
        'seconds=x'         => 'invalid value for "seconds" - must be a '
                               . 'positive integer',
        'seconds=1&debug=1' => 'seconds and debug params are incompatible',
    );

    for my $args (sort keys %of) {
        my $r = $site->request("/debug/pprof/block?$args");

        is($r->{status}, 400, "$args is refused");
        is($r->{body}, "$of{$args}\n", '... in Go\'s words');
        is($r->{headers}{'x-go-pprof'}, '1', '... for go tool pprof');
    }

    my $r = $site->request('/debug/pprof/block', method => 'HEAD');

    is($r->{status}, 200, 'HEAD is answered');
    is($r->{headers}{'content-disposition'}, 'attachment; filename="block"',
       '... as GET would be');
    like($site->request('/debug/pprof/')->{body},
         qr/block\?debug=1.*mutex\?debug=1/s, 'both are in the index');
}
