#!/usr/bin/perl

# What a worker takes of what nginx has to share out: two descriptors, none of
# worker_connections; whatever the number of workers, and through reloads under
# a limit that is enough for nginx.

use strict;
use warnings;

use Test::More;
use Site;

my %handlers = (0 => '', 1 => $Site::handlers);

# each worker's descriptors, with and without the module

my %taken;

for my $module (0, 1) {
    my $site = site($module, workers => 12);

    if ($module) {
        ok(until_true(60, sub {
            return @{ $site->json('metrics')->{workers} } == 12;
        }), 'all are profiled');
        like($site->request('/metrics')->{body}, qr/^nginx_\w+\{/m,
             '... and answer');
    }

    # in the end each has a channel of each other, and all have as many

    ok(until_true(60, sub {
        my %n = map { scalar @{ [ glob "/proc/$_/fd/*" ] } => 1 }
                $site->workers;

        ($taken{$module}) = keys %n;
        return keys %n == 1;
    }), 'all have as many descriptors');

    $site->stop;
}

is($taken{1} - $taken{0}, 2,
   '... two more than without the module, however many workers there are');

# connections that nginx can still take, of 16

my %free;

for my $module (0, 1) {
    my $site = site($module, workers => 1, connections => 16,
                    server => 'location = /free { return 200; }');
    my @s;

    for (1 .. 20) {
        my $s = $site->connect;
        print $s "GET /free HTTP/1.1\r\nHost: main\r\n\r\n";
        $s->flush;
        push @s, $s;
    }

    # each is answered at once, or has to wait for another to be closed
    $free{$module} = grep { IO::Select->new($_)->can_read(2) } @s;

    my $log = $site->log;
    $free{"log $module"} = () = $log =~ /worker_connections are not enough/g;

    close $_ for @s;
    $site->stop;
}

is($free{1}, $free{0}, 'as many clients are served of 16 connections');

# a reload, under what is enough for nginx: workers are all replaced

SKIP: {
    my @limited = ('prlimit', '--nofile=64');
    my ($stock) = eval { reloads(0, @limited) };

    skip('nginx itself needs more than 64 descriptors', 2) unless $stock;

    my ($ours, $log) = reloads(1, @limited);

    is($ours, $stock, 'a reload under a limit replaces as many workers');
    unlike($log, qr/Too many open files/, '... and no descriptor is missing');
}

done_testing();


sub site {
    my ($module, %o) = @_;

    my $site = Site->new(
        module   => $module,
        http     => $module ? $Site::fast : '',
        handlers => $handlers{$module},
        noise    => qr/worker_connections are not enough/,
        %o,
    );

    $site->start;

    return $site;
}


sub reloads {
    my ($module, @wrapper) = @_;

    my $site = site($module, workers => 6, wrapper => [ @wrapper ]);
    my %old = map { $_ => 1 } $site->workers;

    kill 'HUP', $site->{pid};

    my $new = until_true(60, sub {
        my @new = grep { !$old{$_} } $site->workers;
        return @new == 6 && @new;
    });

    my $log = $site->log;
    $site->stop;

    return ($new, $log);
}
