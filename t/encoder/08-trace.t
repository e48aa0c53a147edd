#!/usr/bin/perl

# Traces: what streams of events become, in both formats.  Any stream, even
# random, truncated or with holes, becomes a file that our own readers and Go's
# tools accept.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

no warnings qw(portable);

use Json;
use List::Util qw(sum0);
use Test::More;
use Encoder;
use Trace qw(raw stream read_trace tool have_go requests);

my @places = (['main', ''], ['main', '/api'], ['main', '= /x "y"'],
              ['other', '/api']);
my @names = (places => \@places, upstreams => ['backend']);

my $go = have_go();

one_request();
several_generations();
headers_in_pieces();
streams_of_one_connection();
workers_that_end();
idle_workers();
filters();
random();
hostile();
many();

done_testing();


sub make {
    my ($format, %o) = @_;

    my $r = run_raw(raw(format => $format, @names, %o),
                    args => ['--single']);

    die "encoder failed: $r->{code} $r->{err}" if $r->{code} || $r->{signal};

    return $r->{out};
}


sub made { return read_trace(make(@_)) }


sub g {
    my ($t, $name) = @_;

    my @all = grep { ($_->{name} // '') eq $name } values %{ $t->{gs} };

    return wantarray ? @all : $all[0];
}


sub tool_accepts {
    my ($data, $name) = @_;

    SKIP: {
        skip 'no go 1.22: install golang-1.22-go of backports', 1 if !$go;

        my ($code, $out, $said) = tool('-pprof=net', $data);
        ok($code == 0 && length $out, "$name: go 1.22 reads it")
            or diag($said);
    }
}


my @request;

sub one_request {
    @request = (
        ['start', 1e9, 4242, 0],
        ['connection', 100],
        ['request', 50, 1, 0, 50], ['place', 5, 0],
        ['phase1', 5], ['phase2', 300], ['place', 30, 1], ['phase3', 100],
        ['phase9', 100], ['phase_end', 10],
        ['upstream', 10, 1, 1], ['wait', 100, 0],
        ['event', 40000, 2], ['upstream', 10, 3, 1], ['wait', 100, 0],
        ['event', 90000, 2], ['blocked', 3000, 1, 2500],
        ['heap', 10, 123456789012],
        ['upstream', 10, 0, 0], ['end', 100, 200, 777], ['wait', 100, 0],
        ['event', 30000, 1], ['close', 20, 1], ['wait', 100, 0],
    );

    my $data = make('go', streams => [[0, stream(@request)]]);
    my $t = read_trace($data);
    my $g = g($t, 'nginx.request GET /api');

    ok($g, "a goroutine has the request's name");
    is($g->{ended} - $g->{created}, 133940,
       '... and lives as long as the request');
    is_deeply($g->{waits}, [['network', 1000000810, 1000040810],
                            ['network', 1000040920, 1000130920]],
              '... waits as long as its connections did');
    is_deeply([map { $_->[0] } @{ $g->{regions} }],
              ['server rewrite', 'find config', 'rewrite', 'content',
               'upstream connect', 'upstream header'],
              '... its phases are regions');
    is_deeply($g->{logs}, { upstream => ['backend'], status => [200],
                            bytes => [777] }, '... its logs');
    is($g->{task}[0], 'nginx.request GET /api', '... it is a task');
    is($g->{calls}[0][0], 1000131420, '... a blocking call began');
    is($g->{calls}[0][2], 'read', '... which has its name');
    is($t->{heap}[0], 123456789012, 'the heap');

    my $c = g($t, 'nginx.connection');
    is($c->{ended}, 1000164160, 'the connection ends');

    tool_accepts($data, 'a request');

    my $p = decode_json(make('perfetto', streams => [[0, stream(@request)]]));
    my @e = @{ $p->{traceEvents} };
    my @x = grep { $_->{ph} eq 'X' && $_->{cat} eq 'run'
                   && $_->{name} eq 'nginx.request GET /api' } @e;

    is(scalar @x, 3, 'perfetto: a slice for each run of the request');
    is($x[0]{dur}, '0.71', '... of its length');
    is(scalar(grep { $_->{ph} eq 'b' } @e), scalar(grep { $_->{ph} eq 'e' } @e),
       '... asynchronous tracks begin and end');
    ok((grep { $_->{ph} eq 'C' && $_->{args}{bytes} == 123456789012 } @e),
       '... the heap is a counter');
}


# one that waits over three generations, and one that runs over an edge

sub several_generations {
    my @s = (
        ['start', 5e9, 7, 0], ['existing', 1, 1, 2], ['connection', 9],
        ['request', 9, 1, 0, 9], ['phase9', 9], ['phase_end', 9],
        ['upstream', 5, 3, 1], ['wait', 50, 0],
        ['event', 3.2e9, 3], ['upstream', 9, 4, 1],
        ['end', 1.1e9, 200, 1], ['wait', 9, 0],
        ['event', 9e4, 1], ['place', 9, 1], ['end', 9, 404, 2], ['wait', 9, 0],
    );
    my $data = make('go', streams => [[0, stream(@s)], [1, stream(
        ['start', 5e9 + 20, 8, 1], ['pass', 100], ['wait', 10, 0])]]);
    my $t = read_trace($data);

    my $gen = () = $data =~ /\x08\x80\x94\xeb\xdc\x03/g;
    is($gen, 5, 'a second is a generation');
    is(scalar(requests($t)), 2, '... requests are told once');

    my ($g) = grep { $_->{logs}{status}[0] == 200 } requests($t);
    my $wait = sum0(map { $_->[2] - $_->[1] }
                    grep { $_->[0] eq 'network' } @{ $g->{waits} });
    my $ran = sum0(map { $_->[1] - $_->[0] } @{ $g->{slices} });

    is($wait, 3.2e9, '... a wait is whole over generations');
    cmp_ok(abs($ran - 1.1e9 - 91), '<', 20, '... and so is what runs');

    my ($old) = grep { $_->{logs}{status}[0] == 404 } requests($t);
    ok($old->{existed}, 'a request was there before');

    tool_accepts($data, 'generations');
}


sub headers_in_pieces {
    my $t = made('go', streams => [[0, stream(
        ['start', 5e9, 7, 0],
        ['connection', 1000], ['wait', 10, 0],
        ['event', 1e6, 1], ['wait', 10, 0],
        ['event', 1e6, 1], ['request', 100, 1, 0, 2e6 + 110], ['place', 1, 1],
        ['end', 100, 200, 9], ['wait', 10, 0],
        ['event', 1e6, 1], ['wait', 10, 0],
        ['event', 1e6, 1], ['request', 100, 1, 0, 1e6 + 110], ['place', 1, 1],
        ['end', 100, 200, 9],
        ['request', 100, 1, 0, 100], ['place', 1, 1],
        ['end', 100, 200, 9], ['wait', 10, 0],
    )]]);

    my @g = sort { $a->{created} <=> $b->{created} }
            requests($t, 'GET /api');

    is(scalar @g, 3, 'requests whose headers come in pieces');
    is($g[0]{ended} - $g[0]{created}, 2e6 + 221,
       '... begin with the first piece');
    is($g[1]{ended} - $g[1]{created}, 1e6 + 211,
       '... not before the one before has ended');
    cmp_ok($g[2]{ended} - $g[2]{created}, '<=', 101, '... nor when pipelined');
}


sub streams_of_one_connection {
    my $t = made('go', streams => [[0, stream(
        ['start', 5e9, 7, 0], ['connection', 1000],
        ['request', 10, 1, 1, 10], ['place', 1, 1], ['end', 10, 200, 9],
        ['request', 10, 1, 1, 30], ['place', 1, 1], ['switch', 10, 1],
        ['wait', 10, 0], ['event', 1e6, 1], ['switch', 10, 3],
        ['end', 10, 200, 9], ['wait', 10, 0],
    )]]);

    is(scalar(requests($t, 'GET /api')), 2, 'two streams of a connection');
    is(scalar(@{ g($t, 'nginx.connection')->{slices} }), 5,
       '... which runs between them');
}


sub workers_that_end {
    my @one = (['start', 5e9, 7, 0], ['connection', 1000],
               ['request', 10, 1, 0, 10], ['phase9', 5]);

    my $data = make('go', streams => [[3, stream(@one,
        ['start', 6e9, 8, 0], ['connection', 1000],
        ['request', 10, 1, 0, 10], ['place', 9, 1], ['end', 10, 200, 9])]]);
    my $t = read_trace($data);

    is(scalar(requests($t)), 1,
       "a worker that was killed has a successor");
    tool_accepts($data, 'a kill');
}


# Go's tools refuse a trace in which there is nothing at all

sub idle_workers {
    my $data = make('go', streams => [[0, stream(['start', 1e9, 7, 0])]]);

    is(scalar(keys %{ read_trace($data)->{gs} }), 1,
       "a worker that did nothing is there");
    tool_accepts($data, 'an idle worker');

    my $t = made('go', streams => [
        [0, stream(['start', 1e9, 7, 0], ['pass', 2e9], ['wait', 1e9, 0])],
        [1, stream(['start', 3e9, 8, 1])],
    ]);

    is(scalar(grep { $_->{existed} } values %{ $t->{gs} }), 1,
       '... one that began later was not there before');
}


sub filters {
    my @s = (
        ['start', 5e9, 7, 0], ['connection', 1000],
        ['request', 10, 1, 0, 10], ['place', 1, 1], ['end', 5e6, 200, 9],
        ['request', 10, 1, 0, 10], ['place', 1, 1], ['end', 5e5, 200, 9],
        ['request', 10, 1, 0, 10], ['place', 1, 2], ['end', 9e6, 200, 9],
        ['request', 10, 1, 0, 10], ['place', 1, 3], ['end', 9e6, 200, 9],
        ['wait', 10, 0],
    );
    my $names = sub {
        return [sort map { $_->{name} . ' ' . ($_->{ended} - $_->{created}) }
                values %{ made('go', streams => [[0, stream(@s)]],
                               to => 6e9, @_)->{gs} }];
    };
    my $r = 'nginx.request GET ';

    is_deeply($names->(location => '/api'),
              [map { "$r/api $_" } 500001, 5000011, 9000001],
              'a location');
    is_deeply($names->(location => '/api', server => 'other'),
              ["$r/api 9000001"], '... of a server');
    is_deeply($names->(min => 1e6, server => 'main'),
              ["$r/api 5000011", "${r}= /x \"y\" 9000001"], 'slow ones');
    is_deeply($names->(location => '/none'), [], 'none');
}


# a stream of a worker, in two parts

sub random_stream {
    my $slot = shift;

    my @types = sort keys %Trace::TYPE;
    my @s = (['start', 1e9 + int rand 1e6, 100 + $slot, $slot]);
    my $gs = 1;

    for (1 .. int rand 300) {
        my $name = $types[rand @types];
        next if $name eq 'start' && rand > 0.02;

        $gs++ if $name =~ /^(connection|request|existing)$/;

        my $g = int rand($gs + (rand > 0.99));
        my %args = (
            start => [4e9, 200 + int rand 9, 0], event => [$g],
            timer => [$g], switch => [$g], close => [$g],
            wait => [int rand 3],
            request => [int rand 20, int rand 2, int rand 3e6],
            place => [int rand 6], end => [int rand 600, int rand 1e6],
            sub => [int rand 3], sub_end => [int rand 3],
            upstream => [int rand 6, int rand 3], tls => [int rand 2],
            blocked => [int rand 5, int rand 1e6],
            heap => [int rand 1e10], lost => [int rand 99],
            existing => [int rand 20, int rand 6],
        );
        my $dt = int exp rand(rand > 0.98 ? 20 : 12);
        push @s, [$name, $name eq 'start' ? () : $dt,
                  @{ $args{$name} || [] }];
    }

    my $s = stream(@s);
    substr $s, rand length $s, 1 + rand 20, ''  if rand > 0.8;
    $s = substr $s, 0, rand length $s           if rand > 0.8;

    my $cut = int rand length $s;
    return [$slot, substr $s, 0, $cut], [$slot, substr $s, $cut];
}


# Whatever a stream holds.  What fails is named by its seed, and comes again
# with TRACE_SEED=that TRACE_RANDOM=1.

sub random {
    my $seed = $ENV{TRACE_SEED} // time;
    my $n = $ENV{TRACE_RANDOM} || 60;
    my (%bad, @kept);

    for my $i ($seed .. $seed + $n - 1) {
        my @streams;

        srand $i;

        push @streams, random_stream($_) for 0 .. int rand 3;

        for my $format (qw(go perfetto)) {
            my $data = eval { make($format, streams => \@streams) };

            if (defined $data && $format eq 'perfetto') {
                eval { decode_json($data) } or $bad{"$format $i: $@"}++;
                next;
            }

            if (!defined $data || !eval { read_trace($data) }) {
                $bad{"$format $i: $@"}++;
                next;
            }

            push @kept, [$data, $i] if $i < $seed + 12;
        }
    }

    is_deeply([sort keys %bad], [], "$n random traces are valid, seeds from "
              . $seed);

    SKIP: {
        skip 'no go 1.22: install golang-1.22-go of backports', 1 if !$go;

        my @refused;

        for (@kept) {
            my ($data, $i) = @$_;
            # Go has no trace without a worker
            next if !keys %{ read_trace($data)->{procs} };

            my ($code, undef, $said) = tool('-pprof=net', $data);
            push @refused, "$i: $said" if $code;
        }

        is_deeply(\@refused, [], '... and go 1.22 reads them');
    }
}


sub hostile {
    my $raw = raw(@names, streams => [[0, stream(@request)]]);
    my $seed = $ENV{TRACE_SEED} // time;
    my @bad;

    for my $i ($seed .. $seed + 299) {
        srand $i;

        my $copy = $raw;
        substr $copy, rand length $copy, 1, chr rand 256 for 0 .. rand 3;

        my $r = run_raw($copy, args => ['--single']);
        push @bad, "$i: signal $r->{signal}, code $r->{code}"
            if $r->{signal} || $r->{code} !~ /^[034]$/;
    }

    is_deeply(\@bad, [], "a broken capture is refused, or read, seeds from "
              . $seed);
}


# Bytes an event of a stream and of a file.  bench/trace has the time that a
# million of them takes.

sub many {
    my @request = (
        ['event', 2000, 1], ['request', 100, 1, 0, 100], ['place', 50, 0],
        ['phase1', 100], ['phase2', 100], ['place', 99, 1], ['phase3', 100],
        ['phase9', 500], ['phase_end', 2000], ['end', 900, 200, 170],
        ['wait', 100, 0]
    );

    # slots of one pid, which then stands for several threads
    my ($few, $many) = map {
        my $s = stream(['start', 1e9, 1, 0], ['connection', 9],
                       (@request) x $_);
        [$s, make('go', streams => [map { [$_, $s] } 0 .. 4])];
    } 2000, 20000;

    my $bytes = length($few->[0]) / (2000 * @request);

    cmp_ok($bytes, '<=', 8, sprintf 'bytes an event of a stream: %.1f', $bytes);

    my $t = read_trace($few->[1]);

    is(scalar(requests($t)), 5 * 2000, 'each request is in the file');

    $bytes = length($few->[1]) / $t->{events};

    cmp_ok($bytes, '<=', 8, sprintf 'bytes an event of a file: %.1f', $bytes);

    $bytes = length($many->[1]) / $t->{events} / 10;

    cmp_ok($bytes, '<=', 8, sprintf '... of a million events: %.1f', $bytes);
}
