#!/usr/bin/perl

# A worker hangs and takes no signal, as in posix_spawn(); its threads would.
# None is sent to see where it hangs: its own stays as it was, and no thread of
# it takes one.

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
    http     => 'profiling_interval 200ms; profiling_budget off;',
    server   => 'location = /masked { profiling_test wait_masked 3000; }',
);

$site->start;

my @pids = sort $site->workers;

ok(until_true(60, sub { !grep { taken($_) != 2 } @pids }),
   'workers have threads that take the signal');

# on a busy machine the other one may have had no time to look

my ($hangs, $issue, $client, %pending);

for (1 .. 10) {
    $client = $site->connect;
    print $client "GET /masked HTTP/1.1\r\nHost: main\r\n"
                  . "Connection: close\r\n\r\n";
    $client->flush;

    undef $hangs;
    until_true(60, sub { ($hangs) = grep { blocks($_, $_) } @pids });

    until_true(60, \&told);
    last if $issue;

    Site::read_all($client, 60);
}

ok($hangs, 'one hangs, and takes none');
like($issue // '', qr/location = \/masked/, 'the other tells where');
is_deeply([ keys %pending ], [ 0 ], '... and no signal waits for it');

like(Site::read_all($client, 60), qr{^HTTP/1\.1 200 },
     'the worker goes on, and answers');

is_deeply([ sort $site->workers ], \@pids, 'both live');

$site->stop;

done_testing();


# the other one looks a second later, and at each tick from then on; also true
# when the call is over

sub told {
    return 1 if !blocks($hangs, $hangs);

    $pending{pending($hangs)}++;

    my $got = $site->request('/api/profiling/health', seconds => 2);
    my $h = $got->{status} ? Json::decode_json($got->{body}) : {};

    ($issue) = grep { /^worker $hangs .*has been in profiling_test_masked/ }
               @{ $h->{issues} || [] };

    return $issue;
}


# what a thread's status says of SIGPROF

sub masked {
    my ($pid, $tid, $what) = @_;

    my ($mask) = slurp("/proc/$pid/task/$tid/status") =~ /^$what:\s+(\w+)/m;

    return hex(substr $mask // '0', -8) >> 26 & 1;
}


sub blocks { return masked(@_, 'SigBlk') }

sub pending { return masked($_[0], $_[0], 'SigPnd') }


# how many threads beside the main one take it

sub taken {
    my $pid = shift;

    return scalar grep { $_ != $pid && !blocks($pid, $_) }
                  map { m{(\d+)$} } glob "/proc/$pid/task/*";
}
