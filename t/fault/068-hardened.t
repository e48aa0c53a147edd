#!/usr/bin/perl

# What works under the hardening that systemd and containers have; the table
# of docs/LIMITS.md is of this test.

use strict;
use warnings;

use POSIX qw(uname EPERM);
use Test::More;
use Site;
use Profile;

plan skip_all => 'namespaces are made by root' if $>;
plan skip_all => 'numbers of calls are those of x86_64'
    if (uname())[4] ne 'x86_64';

# calls that @system-service does not have: @debug, @mount, @clock and others
my $service = join ',', 101, 310, 311, 298, 438, 312, 165, 166, 155, 161, 159,
                        164, 227, 175, 176, 246, 169, 167, 168, 172, 173, 153,
                        321, 323, 425, 426, 427, 428, 429, 430, 431, 432, 442;

my %how = (
    'nothing' => [],
    'NoNewPrivileges' => [ qw(setpriv --no-new-privs) ],
    'SystemCallFilter=@system-service' => [ 't/lib/filtered', EPERM,
                                            $service ],
    # socket() of all families but those of addresses that nginx listens on
    # is an affair of nginx's own: ours makes none.  AF_UNIX pairs are made
    'RestrictAddressFamilies=AF_INET' => [ 't/lib/filtered', EPERM, 'unix' ],
    'MemoryDenyWriteExecute' => [ 't/lib/filtered', 'mdwe', '' ],
    'ProtectProc=invisible' => mounted('-t proc -o hidepid=2 proc /proc'),
    'ProtectProc=ptraceable, ProcSubset=pid'
        => mounted('-t proc -o hidepid=4,subset=pid proc /proc'),
    'no /proc' => mounted('-t tmpfs none /proc'),
    'a read-only root' => [ 'unshare', '-m', 'sh', '-c',
        'mount --make-rprivate / && mount --bind "$0" "$0"'
        . ' && mount -o remount,ro,bind / && exec "$@"', 'DIR' ],
    'PrivateTmp' => undef,
);

# expected: a profile of the CPU, with names; stacks of a worker that sleeps;
# resident memory; the heap
my %works = (
    'nothing'                                => '++++',
    'NoNewPrivileges'                        => '++++',
    'SystemCallFilter=@system-service'       => '++++',
    'RestrictAddressFamilies=AF_INET'        => '++++',
    'MemoryDenyWriteExecute'                 => '++++',
    'ProtectProc=invisible'                  => '++++',
    'ProtectProc=ptraceable, ProcSubset=pid' => '++++',
    'no /proc'                               => '---+',
    'a read-only root'                       => '++++',
);

my @rows = grep { /^\|/ } split /\n/, slurp('docs/LIMITS.md');

for my $name (sort keys %works) {
    my $got = hardened($name, $how{$name}, $works{$name} =~ /^\+/);

    next unless defined $got;

    is($got, $works{$name}, "$name: what works");

    my $row = join ' | ', map { $_ eq '+' ? 'yes' : 'no' }
                          split //, $works{$name};

    ok((grep { index($_, "| $name | $row |") == 0 } @rows),
       '... as documented') or diag("| $name | $row |");
}

done_testing();


sub mounted {
    return [ 'unshare', '-m', 'sh', '-c', "mount $_[0] && exec \"\$@\"",
             'sh' ];
}


# "+-": what works; nothing if this machine cannot make it.  named: a profile has
# names, which is waited for

sub hardened {
    my ($name, $how, $named) = @_;

    my $site = Site->new(
        workers  => 2,
        main     => 'user www-data;',
        modules  => [ Profile::test_module() ],
        handlers => $Profile::handlers,
        http     => 'profiling_interval 100ms;',
        noise    => qr/./,
        server   => <<'END',
        location = /x { return 200; }
        location = /burn { profiling_test one 300000000; }
        location = /sleep { profiling_test wait_raw 2500; }
END
    );

    my $dir = $site->dir;
    my @wrapper = map { $_ eq 'DIR' ? $dir : $_ } @{ $how };

    SKIP: {
        skip("$name cannot be had here", 2)
            if @wrapper && do { run(@wrapper, 'true'); $? };

        $site->{wrapper} = \@wrapper;
        ok(eval { $site->start }, "$name: nginx starts") or return '';
        is($site->request('/x')->{status}, 200, '... and serves');

        my $works = works($site, $named);

        $site->stop;

        return $works;
    }

    return undef;
}


sub works {
    my ($site, $expected) = @_;

    # others may keep it from the processor while the profile is taken

    my ($named, $tries);

    until_true(240, sub {
        my $burn = $site->connect;

        print $burn "GET /burn HTTP/1.1\r\nHost: main\r\n"
                    . "Connection: close\r\n\r\n";
        $burn->flush;

        my $cpu = eval { Profile::take($site, seconds => 1) };

        $named = $cpu && sum($cpu, has('profiling_test_one_cfi')) > 0;
        Site::read_all($burn, 60);

        return $named || !$expected && ++$tries == 5;
    });

    my $sleep = $site->connect;
    print $sleep "GET /sleep HTTP/1.1\r\nHost: main\r\nConnection: close"
                 . "\r\n\r\n";
    $sleep->flush;
    was_read($sleep);

    my $told = until_true(2.3, sub {
        my $got = $site->request('/api/profiling/health', seconds => 1);
        my $h = $got->{status} ? Json::decode_json($got->{body}) : {};

        return grep { /in profiling_test_raw for .*location = \/sleep/ }
               @{ $h->{issues} || [] };
    });

    Site::read_all($sleep, 60);

    my $memory = $site->json('memory');
    my $heap = $site->request('/debug/pprof/heap')->{status} == 200;

    return join '', map { $_ ? '+' : '-' }
                    $named, $told, $memory->{memory}{sys}, $heap;
}
