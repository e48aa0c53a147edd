#!/usr/bin/perl

# Reloads, one after the other, while clients ask every endpoint, take profiles
# and traces, and others keep their connections throughout: every new
# connection is answered, every answer is valid, and nothing remains of the old
# workers.  The same runs beside it without the module.
#
# RELOADS in the environment: another number than 40.

use strict;
use warnings;

use Fault;
use IO::Socket::INET;
use JSON::PP;
use Sound;
use Test::More;

my $reloads = $ENV{RELOADS} || 40;

my %o = (http => 'keepalive_requests 1000000; keepalive_timeout 300s;',
         # a zone that grows, as generations drain, has descriptors for its
         # slots: as many as there will be from the start
         profiling => 'profiling_interval 100ms;
                       profiling_zone zone=reloads:32m slots=16;');

# so many that their answers are made in several passes of the event loop
my $locations = join '', map { "location /$_ { return 200 $_; }\n" } 1 .. 600;

my $with = Fault->new(name => 'with', %o, server => $locations . <<'END');
        location ^~ /debug/pprof/ { profiling_pprof; }
END
my $without = Fault->new(name => 'without', %o, module => 0);

my @quick = grep { !/(?:seconds|duration)=/ } @endpoints;

my %saw;

$saw{ $_->{name} } = reloaded($_) for $with, $without;

for my $kind (qw(api empty)) {
    my ($is, $was) = map { $saw{$_}{$kind} } qw(with without);

    cmp_ok($is->{answered}, '>', $reloads / 4, "$kind: many were answered");
    is_deeply($is->{bad}, [], '... rightly')
        or diag(explain([ map { substr $_, 0, 300 } @{ $is->{bad} } ]));
    is_deeply($is->{lost}, {}, '... and no new connection was in vain');
    is_deeply($was->{lost}, {}, '... nor without the module');
}

for my $kind (qw(profile trace)) {
    cmp_ok($saw{with}{$kind}{answered}, '>', 0, "$kind: some were taken");
    is_deeply($saw{with}{$kind}{bad}, [], '... all valid');
    is_deeply($saw{with}{$kind}{lost}, {}, '... and none cut off');
}

# nginx closes those that are idle, whoever may just be asking
for my $name (qw(with without)) {
    my $k = $saw{$name}{keepalive};

    cmp_ok($k->{answered}, '>', $reloads,
           "$name: kept connections were answered $k->{answered} times, "
           . "$k->{closed} closed, $k->{cut} cut off");
    is($k->{cut}, 0, '... none in the middle of an answer');
}

done_testing();


sub reloaded {
    my $n = shift;

    $n->start;

    if ($n->{module}) {
        $n->get("/$_") for 1 .. 600;
        $n->ticked;
        all_answers_valid($n, 'before');
    }

    my $before = usage($n);

    my %clients = (
        api       => asks($n, 'api', $n->{module} ? @quick : '/empty'),
        empty     => asks($n, 'empty', '/empty'),
        keepalive => keeps($n),
        !$n->{module} ? () : (
            profile => asks($n, 'profile', '/debug/pprof/profile?seconds=1'),
            trace   => asks($n, 'trace', '/debug/pprof/trace?seconds=0.1')),
    );

    my $done = 0;

    for (1 .. $reloads) {
        if (!$n->reload) {
            diag(map({ "$_: " . slurp("/proc/$_/cmdline") . ' '
                       . slurp("/proc/$_/wchan") . "\n" } $n->workers),
                 $n->log =~ /((?:.*\n){1,30})\z/);
            last;
        }

        $done++;
    }

    is($done, $reloads, "$n->{name}: $reloads reloads");

    my %saw = map { $_ => told($n, $_, $clients{$_}) } keys %clients;

    nothing_left($n, $before, "$n->{name}: after reloads", seconds => 60);

    if ($n->{module}) {
        all_answers_valid($n, 'after');
        is($n->api('runtime')->{generation}, $reloads + 1,
           'each of them is counted');
        is(scalar @{ $n->ticked->{workers} }, 2, 'two workers are shown');
    }

    is_sound($n);
    ok($n->stop('QUIT'), "$n->{name}: nginx ends");

    return \%saw;
}


# A client that asks for paths in turn, each on a new connection, until it is
# told to end.

sub asks {
    my ($n, $name, @paths) = @_;

    return Fault::background(sub {
        my %saw = (answered => 0, bad => [], lost => {});
        my $end;

        $SIG{TERM} = sub { $end = 1 };

        for (my $i = 0; !$end; $i++) {
            my $path = $paths[$i % @paths];
            my $r = request($n->port, $path, timeout => 60);

            # the signal that ends it may have interrupted the last one
            last if $end;

            if ($r->{error}) {
                $saw{lost}{"$path: $r->{error}"}++;
                next;
            }

            my $wrong = $r->{status} != 200 ? "$r->{status} $r->{body}"
                        : invalid($path, @$r{qw(status head body)});

            $saw{answered}++;
            push @{ $saw{bad} }, "$path: $wrong" if $wrong;
        }

        Fault::spew($n->dir . "/$name", encode_json(\%saw));
    });
}


# Ten connections that are kept, and opened anew when nginx closes them.

sub keeps {
    my $n = shift;

    return Fault::background(sub {
        my %saw = (answered => 0, closed => 0, cut => 0);
        my ($end, @s);

        $SIG{TERM} = sub { $end = 1 };

        for (my $i = 0; !$end; $i = ($i + 1) % 10) {
            $s[$i] ||= IO::Socket::INET->new('127.0.0.1:' . $n->port) or next;

            syswrite $s[$i], "GET /empty HTTP/1.1\r\nHost: main\r\n\r\n";

            my $got = '';
            until ($got =~ /\r\n\r\nok/) {
                sysread $s[$i], $got, 4096, length $got or last;
            }

            last if $end;

            if ($got =~ /\r\n\r\nok/) {
                $saw{answered}++;
                delete $s[$i] if $got =~ /^Connection: close/mi;

            } else {
                $saw{ $got eq '' ? 'closed' : 'cut' }++;
                delete $s[$i];
            }
        }

        Fault::spew($n->dir . '/keepalive', encode_json(\%saw));
    });
}


sub told {
    my ($n, $name, $pid) = @_;

    Fault::reap($pid, 'TERM');

    return decode_json(slurp($n->dir . "/$name"));
}
