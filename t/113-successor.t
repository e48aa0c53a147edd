#!/usr/bin/perl

# The successor of a worker that was killed: nginx lets it inherit the pid of that
# one and the number of a descriptor, which is a client's by then.  Whoever asks it
# for a profile makes it wake all workers, and no client reads any of that.

use strict;
use warnings;

use IO::Select;
use Test::More;
use Site;

my $site = Site->new(
    workers  => 2,
    seconds  => 120,
    noise    => qr{signal 9|SIGKILL},
    handlers => $Site::handlers
                . 'location /debug/pprof/ { profiling_pprof; }',
    server   => 'location /pid { return 200 $pid; }')->start;

# behind a reload there are slots below the ones in use: the successor takes one
# of them, and the slot of who was killed stays as it was

my @first = $site->workers;

kill 'HUP', $site->{pid};

my $slots = until_true(60, sub {
    my %now = map { $_ => 1 } $site->workers;
    my $rows = $site->json('metrics')->{workers};

    return keys %now == 2 && @$rows == 2 && !grep({ $now{$_} } @first)
           && !grep({ !$now{ $_->{pid} } } @$rows) && $rows;
});

my ($victim) = sort { $b->{slot} <=> $a->{slot} } @$slots;

kill 'KILL', $victim->{pid};

my $successor = until_true(60, sub {
    my ($row) = grep { my $w = $_; !grep { $_->{pid} == $w->{pid} } @$slots }
                @{ $site->json('metrics')->{workers} };
    return $row;
});

isnt($successor->{slot}, $victim->{slot}, 'the successor has another slot');

# connections that it has accepted, the first of them with the first descriptor
# that was free

my (@held, @others);

for (1 .. 400) {
    my $s = $site->connect;

    syswrite $s, "GET /pid HTTP/1.1\r\nHost: main\r\n\r\n";
    my ($pid) = Site::read_all($s, 60, qr/\r\n\r\n\d+$/) =~ /(\d+)$/;

    push @{ $pid == $successor->{pid} ? \@held : \@others }, $s;
    last if @held == 8;
}

is(scalar @held, 8, 'it has clients');

my $asker = pop @held;

syswrite $asker, "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: main\r\n"
                 . "Connection: close\r\n\r\n";

like(Site::read_all($asker, 120), qr{^HTTP/1\.1 200 }, 'one gets a profile');

my @said = IO::Select->new(@held, @others)->can_read(0);

is(scalar @said, 0, '... and the others nothing');

syswrite $_, "GET /pid HTTP/1.1\r\nHost: main\r\n\r\n" for @held;

is(scalar(grep { Site::read_all($_, 60, qr/\r\n\r\n\d+$/)
                 !~ m{^HTTP/1\.1 200 } } @held), 0,
   '... and what they have asked for');

$site->stop;
done_testing;
