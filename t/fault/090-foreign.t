#!/usr/bin/perl

# A request created by a module, with a connection of its own, has no entry
# where requests are found by their connections.

use strict;
use warnings;

use Test::More;
use Site;
use Profile;

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    server   => 'location = /foreign { profiling_test wait_foreign 10; }
                 location = /plain { return 200 "plain\n"; }',
);

$site->start;

my @pids = $site->workers;

like($site->request('/foreign')->{body}, qr/done/, 'a module makes a request');
ok(until_true(60, sub { $site->log =~ /a foreign request has begun/ }),
   'it begins when no other is served');

is($site->request('/plain')->{body}, "plain\n", "the next one is served $_")
    for 1 .. 3;

is_deeply([ $site->workers ], \@pids, 'by the same worker');
is($site->json('metrics')->{metrics}{requests}{total}, 4,
   'those of clients are counted');

$site->stop;

done_testing();
