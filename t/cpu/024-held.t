#!/usr/bin/perl

# Whose pauses are that several requests make in one pass: each names a location
# and a stack of the same request, and a subrequest that runs is named, not the
# request that it is of.  The stack tells which location burned.

use strict;
use warnings;

use Test::More;
use Modules;
use Profile;
use Site;
use Whose;

Modules::skip_unbuilt('auth_request', 1) unless Modules::built('auth_request');

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => 'profiling_pause_threshold 5ms; '
                . 'profiling_slow 1ms rate=65536 keep=256;',
    server   => <<'END')->start;
        location = /nothing { return 200 "x"; }
        location = /one { profiling_test one 6000000; }
        location = /deep { profiling_test deep 3600000; }
        location = /checks { profiling_test deep_fp 6000000; }
        location = /asks { auth_request /checks; alias DIR/html/x; }
END

spew($site->dir . '/html/x', "x\n");

my %burns = (
    'one of several'    => ['= /one', sub { burns($_, 'mix_cfi')
                                            && !burns($_, 'descend_cfi') }],
    'others of several' => ['= /deep', sub { burns($_, 'descend_cfi') }],
    'a subrequest'      => ['= /checks', sub { burns($_, 'descend_fp') }],
);

my @all;

ok(until_true(300, sub {
    Profile::together($site, '/nothing', @$_)
        for ['/one', ('/deep') x 5], ['/one'], ['/asks', '/nothing'];

    @all = @{ $site->json('/api/profiling/gc')->{recent} };

    return !grep { my $of = $_->[1]; 3 > grep { $of->() } @all } values %burns;
}), 'pauses of each');

for my $name (sort keys %burns) {
    my ($place, $of) = @{ $burns{$name} };

    are_pauses($name, $place, grep { $of->() } @all);
}

$site->stop;
done_testing;


# whether this function of the test's module is on the stack

sub burns {
    my ($pause, $name) = @_;

    return grep { $_ eq "profiling_test_$name" } @{ $pause->{stack} };
}
