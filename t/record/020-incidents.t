#!/usr/bin/perl

# What was recorded around something that went wrong: a stall, a worker that
# does not return, one that dies, errors.  One a reason and a minute, kept when
# workers go and by a reload.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Modules;
use Profile;

my $site = Site->new(
    workers  => 3,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    noise    => qr/exited on signal|was killed by SIGKILL|died of SIG|held up/,
    http     => 'profiling_interval 1s; profiling_incidents 4; '
                . 'profiling_pause_threshold 1ms;',
    server   => <<'END',
        location = /one { profiling_test one 4000000; }
        location = /stall { profiling_test wait_usleep 1500; }
        location = /stuck { profiling_test wait_usleep 6000; }
        location = /short { profiling_test wait_usleep 2; }
        location = /bad { return 500; }
END
)->start;

is_deeply(incidents(), [], 'at first there is no incident');

for my $what (qw(1 x 1/profile 99999999999999999999 1/2)) {
    is($site->request("/api/profiling/incidents/$what")->{status}, 404,
       "incidents/$what is not found");
}

my $load = load($site, { pause => 0.05 }, '/one');

# two that wait, which the next tick finds
my @idle = map { $site->connect } 1, 2;

until_true(60, sub {
    my $c = $site->json('metrics')->{metrics}{connections};
    return $c->{active} >= 2;
});

# a pass of 1.5 s: its location, its stack
$site->request('/stall');

my $stall = wait_for('stall');

like($stall->{message}, qr/^worker \d+ was held up for 1\.[5-9] s in /,
     'a stall is told');
is($stall->{location}, '= /stall', '... with its location');
is($stall->{server}, 'main', '... and its server');
is($stall->{state}, 'recording', '... and still recorded');
ok((grep { $_ == $stall->{worker} } $site->workers), '... of a worker');

my $one = $site->json("incidents/$stall->{id}");

ok((grep { /usleep/ } @{ $one->{stack} }), 'its stack is kept')
    or diag(explain($one));
cmp_ok($one->{connections}{active}, '>=', 2,
       '... and the connections of then');

my $early = Profile::decode(profile($stall->{id}));

cmp_ok(share($early, labelled(location => '= /one')), '>', 0,
       'its profile is there at once');

# another one within the minute
$site->request('/stall') for 1 .. 2;
is(scalar(grep { $_->{reason} eq 'stall' } @{ incidents() }), 1,
   'further stalls of the same minute are not kept');
is($site->json('incidents')->{total}{stall}, 1, '... nor counted with it');
cmp_ok($site->json('incidents')->{suppressed}{stall}, '>=', 2,
       '... but by themselves');
like(join("\n", @{ $site->json('health')->{issues} }),
     qr/^\d+ further incidents \(stall\) since the one of /m,
     '... and health says so');

# its worker has forgotten it before the half minute is over
my $many = 256;
my $then = pauses();

until_true(120, sub {
    $site->request('/short') for 1 .. 50;
    return pauses() > $then + $many;
});
cmp_ok(pauses(), '>', $then + $many,
       'the worker has had more pauses than it keeps');
ok(!(grep { $_ > 1.4e9 } @{ gc()->{recent_pauses_ns} }),
   '... and the long ones are not among them');

# a worker that does not return is seen by another one
my $busy = Profile::background(sub { $site->request('/stuck', seconds => 60);
                                     return '' });
my $stuck = wait_for('stuck');

like($stuck->{message}, qr/^the event loop of worker \d+ has not run for /,
     'a worker that is stuck is told');
is($stuck->{location}, '= /stuck', '... with its location');
Profile::finish($busy);

# one that dies
my ($victim) = $site->workers;

kill 'KILL', $victim;

my $crash = wait_for('crash');

is($crash->{worker}, $victim, 'a worker that died is told');
like($crash->{message}, qr/^worker $victim died of signal 9$/, '... and how');

# errors, in an interval
until_true(60, sub {
    $site->request('/bad') for 1 .. 40;
    return grep { $_->{reason} eq 'errors' } @{ incidents() };
});

my $errors = wait_for('errors');

like($errors->{message}, qr/^\d+% of the requests of an interval have failed$/,
     'errors are told');
is($errors->{worker}, undef, '... of all workers');

# all of them are counted
my $metrics = $site->request('/metrics')->{body};

for my $reason (qw(stall stuck crash errors)) {
    like($metrics,
         qr/^nginx_profiling_incidents_total\{reason="$reason"\} 1$/m,
         "$reason: is counted");
}

for my $reason (qw(memory capacity)) {
    like($metrics,
         qr/^nginx_profiling_incidents_total\{reason="$reason"\} 0$/m,
         "$reason: there was none");
}

like($metrics, qr/^nginx_profiling_record_seconds [1-9]/m,
     'how far back the recording goes');
like($metrics, qr/^nginx_profiling_record_dropped_total \d+$/m,
     '... and what was without its stack');

# half a minute later they are frozen
for my $incident ($stall, $stuck, $crash, $errors) {
    my $frozen = until_true(240, sub {
        $one = $site->json("incidents/$incident->{id}");
        return $one->{state} eq 'frozen';
    });

    ok($frozen, "$incident->{reason}: is frozen");
    ok($one->{profile}, '... with a profile');
    cmp_ok(scalar @{ $one->{samples} }, '>', 10,
           '... with samples of the history');
}

my $p = Profile::decode(profile($stall->{id}));

is_valid($p, 'a frozen profile');
cmp_ok(share($p, has('profiling_test_one_cfi'),
             labelled(location => '= /one')), '>', 0.9,
       '... has what ran then');

$one = $site->json("incidents/$stall->{id}");

my @itself = grep { $_->{worker} == $stall->{worker}
                    && $_->{duration_ns} > 1.4e9
                    && $_->{time} le $stall->{time} } @{ $one->{pauses} };

is_deeply([ map { $_->{location} } @itself ], [ '= /stall' ],
          'the pause itself is kept')
    or diag(explain($one->{pauses}));
cmp_ok(scalar @{ $one->{pauses} }, '>', 1, '... and others of then');

Profile::end($load);

# they outlive workers and a reload
my $before = incidents();
my %old = map { $_ => 1 } $site->workers;

kill 'HUP', $site->{pid};
ok(until_true(60, sub { my @w = $site->workers;
                        @w == 3 && !grep { $old{$_} } @w }),
   'all workers were replaced by a reload');
is_deeply(incidents(), $before, '... and the incidents are the same');
is_deeply(Profile::decode(profile($stall->{id}))->{decoded}, $p->{decoded},
          '... with their profiles');

# the newest are kept
my @ids = map { $_->{id} } @$before;

is_deeply(\@ids, [ sort { $b <=> $a } @ids ], 'the newest is the first');
cmp_ok(scalar @ids, '<=', 4, '... and no more than asked for are kept');

my $head = $site->request("/api/profiling/incidents/$ids[0]/profile",
                          method => 'HEAD');
is($head->{status}, 200, 'HEAD of a profile');
is($site->request('/api/profiling/incidents', method => 'POST')->{status}, 405,
   'POST is not allowed');

$site->stop;
done_testing();


sub incidents { return $site->json('incidents')->{incidents} }


sub gc { return $site->json("gc?worker=$stall->{worker}") }


sub pauses { return gc()->{num_gc} }


sub wait_for {
    my $reason = shift;

    my $found;

    until_true(60, sub {
        ($found) = grep { $_->{reason} eq $reason } @{ incidents() };
        return $found;
    });

    return $found || {};
}


sub profile {
    my $id = shift;

    my $got;

    until_true(240, sub {
        $got = $site->request("/api/profiling/incidents/$id/profile",
                              seconds => 60);
        return !Profile::late($got);
    });

    is($got->{status}, 200, "profile of incident $id");

    return $got->{body};
}
