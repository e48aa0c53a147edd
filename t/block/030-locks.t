#!/usr/bin/perl

# Waits for locks: a zone's mutex that another worker holds, with the zone's
# name; mutexes and rwlocks that a thread holds.  Free locks are not counted.

use strict;
use warnings;

use Test::More;
use Site;
use Profile;

my $ms = 80;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 100ms; profiling_budget off;'
                . 'limit_req_zone $uri zone=held:64k rate=1r/s;',
    server   => <<"END",
        location = /hold { profiling_test wait_hold $ms held; }
        location = /lock { profiling_test wait_lock 0 held; }
        location = /mutex { profiling_test wait_mutex $ms; }
        location = /rdlock { profiling_test wait_rdlock $ms; }
        location = /kinds { profiling_test wait_kinds; }
END
);

$site->start;

$site->request($_) for ('/lock') x 10, '/kinds';
is($site->request('/kinds')->{body}, "done\n", 'all kinds of locks work');

my $p = Profile::take($site, path => '/debug/pprof/mutex');
is(sum($p, has(qr/profiling_test_(?:lock|kinds)/)), 0,
   'locks that are free are not counted');

zone();
threads();

$site->stop;

done_testing();


# The one worker holds it until after the other one has asked for it.

sub zone {
    my $hold = ask('/hold');

    # its worker accepts no more
    was_read($hold);
    my $lock = ask('/lock');

    Site::read_all($_, 60) for $hold, $lock;

    # told when its pass ends, which is after its answer was sent
    my @pause;
    until_true(60, sub {
        @pause = grep { ($_->{location} // '') eq '= /lock'
                        && $_->{blocked_ns} > 0.5 * $_->{duration_ns} }
                 @{ $site->json('gc')->{recent} };
    });

    ok(@pause, 'a worker has waited for the zone') or return;

    my $p = Profile::take($site, path => '/debug/pprof/mutex');
    my @samples = grep { has('profiling_test_lock')->($_) } @{ $p->{samples} };

    is(@samples, 1, 'it is one sample');
    is($samples[0]{count}, 1, '... one contention');
    is($samples[0]{labels}{zone}, 'held', '... with the name of the zone');
    is($samples[0]{labels}{location}, '= /lock', '... and of the location');
    like($samples[0]{frames}[0], qr/sem_wait/, '... in the semaphore');
    ok(has('ngx_shmtx_lock')->($samples[0]), '... of nginx\'s mutex');
    cmp_ok($samples[0]{cpu}, '>=', 0.99 * $ms * 1e6,
           '... for as long as it was held');
    cmp_ok($samples[0]{cpu}, '<=', $pause[-1]{duration_ns},
           '... which is of the pause');
    is($pause[-1]{cause}, 'ngx_shmtx_lock', 'which is the cause of the pause');

    my $b = Profile::take($site, path => '/debug/pprof/block');
    about(sum($b, has('profiling_test_lock')), $samples[0]{cpu}, 0.05,
          'the profile of blocking has it too');

    is_deeply($p->{decoded}{types}, ['contentions/count', 'delay/nanoseconds'],
              'types are Go\'s');
    like($site->request('/debug/pprof/mutex?debug=1')->{body},
         qr{\A---\ mutex:\ncycles/second=1000000000\nsampling\ period=1\n}x,
         'debug=1 is as of Go');
    like(go('-tags', $p->{file}), qr/zone:.*held/s, 'the tool knows the zone');
}


sub threads {
    for my $name (qw(mutex rdlock)) {
        $site->request("/$name");

        # told when its pass ends, which is after its answer was sent
        my $pause = until_true(60, sub {
            my ($r) = grep { ($_->{location} // '') eq "= /$name" }
                      @{ $site->json('gc')->{recent} };
            return $r;
        });
        my $p = Profile::take($site, path => '/debug/pprof/mutex');
        my @own = grep { has("profiling_test_$name")->($_) }
                  @{ $p->{samples} };

        is(@own, 1, "$name: is one sample");
        is($own[0]{count}, 1, '... one contention');
        cmp_ok($own[0]{cpu}, '>=', 0.99 * $ms * 1e6, '... of its time');
        cmp_ok($own[0]{cpu}, '<=', $pause->{duration_ns},
               '... which is of the pause');
        is($own[0]{labels}{location}, "= /$name", '... and location');
        is($own[0]{labels}{zone}, undef, '... in no zone');
    }
}


sub ask {
    my $path = shift;

    my $s = $site->connect;
    print $s "GET $path HTTP/1.1\r\nHost: main\r\nConnection: close\r\n\r\n";
    $s->flush;

    return $s;
}
