#!/usr/bin/perl

# The tree describes itself: all endpoints that docs/API.md has, with parameters
# that are as they say.  "fields" narrows any answer to what is asked for:
# against a selection from the whole answer.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Site;

my $site = Site->new(workers => 2)->start;
my $json = JSON::PP->new->canonical;

$site->request('/none') for 1 .. 3;

# every figure has been collected
until_true(60, sub {
    return !grep { !$_->{collected} } @{ $site->json('health')->{workers} };
});

my $index = $site->json('');

listed();
described();
parameters();
narrowed();

$site->stop;
done_testing;


sub listed {
    my %listed = map { $_->{name} => 1 } @{ $index->{endpoints} };
    my %documented = map { $_ => 1 }
                     slurp('docs/API.md')
                     =~ m{^\| `(?:POST )?/api/profiling/([\w-]+(?:/[a-z]+)?)}mg;

    is_deeply([sort keys %listed], [sort keys %documented],
              'the endpoints are those of docs/API.md');
}


sub described {
    for my $e (@{ $index->{endpoints} }) {
        isnt($e->{$_} // '', '', "$e->{name}: $_") for qw(meaning units method);

        my $other = $e->{method} eq 'POST' ? 'GET' : 'POST';

        is($site->request("/api/profiling/$e->{name}", method => $other)
               ->{status}, 405, '... and no other method');
    }
}


sub parameters {
    for my $e (@{ $index->{endpoints} }) {
        for my $p (@{ $e->{parameters} }) {
            my $name = "$e->{name}: $p->{name}";

            isnt($p->{meaning} // '', '', "$name has a meaning");
            isnt($p->{unit} // '', '', '... and a unit');

            # any text is the name of one that there may be
            next if $p->{unit} eq 'name';

            is(status($e, $p, 'fields' eq $p->{name} ? '' : '@'), 400,
               '... what is none of it is refused')
                if $p->{name} ne 'format';

            next if !defined $p->{maximum};

            is(status($e, $p, $p->{maximum} + 1), 400, '... more is refused');
            is(status($e, $p, $p->{minimum} - 1), 400, '... as is less');
            is(status($e, $p, $p->{minimum}), 200, '... the minimum is not')
                if $e->{name} ne 'cpu-profile';
        }
    }
}


sub status {
    my ($e, $p, $value) = @_;

    return $site->request("/api/profiling/$e->{name}?$p->{name}=$value",
                          method => $e->{method})->{status};
}


sub narrowed {
    for my $fields ('endpoints.name', 'endpoints', 'endpoints.parameters.unit',
                    'endpoints.name,endpoints.parameters.name', 'none',
                    'endpoint', 'endpoints.nam', 'endpoints.name.more')
    {
        is($json->encode($site->json("/api/profiling/?fields=$fields")),
           $json->encode(chosen($index, '', split /,/, $fields)),
           "the index, of $fields");
    }

    my %of = (
        metrics => [ 'timestamp', 'metrics.memory.sys,workers.pid',
                     'metrics.requests' ],
        'metrics/history' => [ 'samples.timestamp', 'count,samples.goroutines' ],
        memory => [ 'zones.name', 'workers.pid,details' ],
        gc => [ 'num_gc', 'threshold_ms,recent.worker' ],
        goroutines => [ 'count', 'by_state,goroutines.kind' ],
        runtime => [ 'settings', 'nginx_version,settings.profiling_interval_ms' ],
        health => [ 'status', 'issues,workers.state' ],
        capacity => [ 'full', 'listeners.listen,workers.connections.limit' ],
        locations => [ 'locations.server', 'locations.location,lost' ],
        crashes => [ 'total', 'reports' ],
        upstreams => [ 'lost', 'peers.peer' ],
        tls => [ 'lost,handshakes', 'client_handshakes' ],
        caches => [ 'zones', 'locations.zone' ],
        modules => [ 'hertz', 'modules.module' ],
    );

    for my $name (sort keys %of) {
        for my $fields (@{ $of{$name} }) {
            my $got = $site->json("$name?fields=$fields");
            my $want = chosen($site->json($name), '', split /,/, $fields);

            is($json->encode(shape($got)), $json->encode(shape($want)),
               "$name, of $fields");
        }
    }

    my $forced = $site->json('force-gc?fields=success', method => 'POST');

    is_deeply([keys %$forced], ['success'], 'force-gc, of success');

    my ($count) = map { scalar @{ $_->{endpoints} } } $index;

    is($count, scalar(@{ $site->json('/api/profiling/?fields=endpoints%2Ename')
                         ->{endpoints} }), 'names may be escaped');
}


# the members that are asked for, of all that are there

sub chosen {
    my ($data, $path, @fields) = @_;

    return [ map { chosen($_, $path, @fields) }
             grep { ref $_ || grep { within($path, $_) } @fields } @$data ]
        if ref $data eq 'ARRAY';

    return $data if ref $data ne 'HASH' || grep { within($path, $_) } @fields;

    my %chosen;

    for my $name (keys %$data) {
        my $at = $path eq '' ? $name : "$path.$name";
        my $whole = grep { within($at, $_) } @fields;
        my $above = grep { index($_, "$at.") == 0 } @fields;

        $chosen{$name} = chosen($data->{$name}, $at, @fields)
            if $whole || $above && ref $data->{$name}
                         && !JSON::PP::is_bool($data->{$name});
    }

    return \%chosen;
}


sub within {
    my ($path, $field) = @_;

    return $path eq $field || index($path, "$field.") == 0;
}


# What changes from one answer to the next is left out: figures, and how many
# elements there are.

sub shape {
    my $data = shift;

    return { map { $_ => shape($data->{$_}) } keys %$data }
        if ref $data eq 'HASH';
    return [ map { shape($_) } $data->[0] // () ] if ref $data eq 'ARRAY';
    return 'value';
}
