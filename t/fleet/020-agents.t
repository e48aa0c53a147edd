#!/usr/bin/perl

# Agents that profile continuously, through reloads: Alloy, which sends to
# Pyroscope, and Parca, at once, with overlapping captures.  None of their
# requests is refused, and no cumulative value ever falls.
#
# FLEET=seconds: for so long, at their own pace.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;

my $full = $ENV{FLEET};
my $seconds = $full || 12;

# a profile's path, whether its values grow for ever, its sample types
my @kinds = (
    ['profile', 0, 'samples/count cpu/nanoseconds'],
    ['block',   1, 'contentions/count delay/nanoseconds'],
    ['mutex',   1, 'contentions/count delay/nanoseconds'],
);

# here something is sure to be seen
my %sure = (profile => 1, block => 1);

# pace and length of a CPU profile: theirs, and the one of a short test; s
my @agents = (
    { name => 'Alloy', every => [15, 3], cpu => [14, 2], timeout => [60, 60],
      agent => 'Alloy/v1.5.1', query => 'seconds=%d&seconds=%d' },
    { name => 'Parca', every => [10, 2], cpu => [10, 2], timeout => [13, 60],
      agent => 'Go-http-client/1.1', query => 'seconds=%d' },
);

my $site = Site->new(
    workers  => 2,
    modules  => [ '/usr/lib/nginx/modules/ngx_http_echo_module.so',
                  Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 1s;',
    server   => <<'END',
        location = /one { profiling_test one 4000000; }
        location = /block { echo_blocking_sleep 0.005; echo ok; }
END
)->start;

my $load = load($site, '/one', '/block');
my $end = time() + $seconds;
my @running;

for my $agent (@agents) {
    for my $kind (@kinds) {
        my $id = Profile::background(sub {
            return encode_json(scrape($agent, @$kind));
        });

        push @running, [ "$agent->{name}, $kind->[0]", $id,
                         $sure{ $kind->[0] } ];
    }
}

# reloads, in the middle of all that

my $reloads = 0;

while (time() < $end - 4 || $reloads < 2) {
    sleep 2.5;

    my %old = map { $_ => 1 } $site->workers;
    kill 'HUP', $site->{pid};

    $reloads++ if until_true(60, sub {
        return 2 <= grep { !$old{$_} } $site->workers;
    });
}

cmp_ok($reloads, '>=', 2, "$reloads reloads");

for my $running (@running) {
    my ($name, $id, $sure) = @$running;
    my $r = eval { decode_json(Profile::finish($id)) } || {};

    cmp_ok($r->{asked} || 0, '>=', 3, "$name: asked again and again");
    is_deeply($r->{refused}, [], '... none is refused');
    is_deeply($r->{fallen}, [], '... no value falls');
    cmp_ok($r->{stacks} || 0, '>', 1, '... of many') if $sure;
}

Profile::end($load);
$site->stop;
done_testing();


# An agent's life with one kind of profile.

sub scrape {
    my ($agent, $kind, $cumulative, $types) = @_;

    my %r = (asked => 0, refused => [], fallen => []);
    my %last;

    my $pace = $full ? 0 : 1;
    my $length = $kind eq 'profile' ? $agent->{cpu}[$pace] : 0;
    my $query = $length ? '?' . sprintf($agent->{query}, ($length) x 2) : '';

    # as often where others take the time
    while (time() < $end || $r{asked} < 3) {
        my $begin = time();
        my $got = ask("/debug/pprof/$kind$query", $agent,
                      $agent->{timeout}[$pace] + $length);

        $r{asked}++;

        my ($complaint, $profile) = judge($got, $types);

        if (defined $complaint) {
            push @{ $r{refused} }, $complaint;

        } else {
            push @{ $r{fallen} }, fallen($profile, \%last, $cumulative);
            $r{stacks} = keys %last;
        }

        my $rest = $begin + $agent->{every}[$pace] - time();
        sleep $rest if $rest > 0;
    }

    splice @$_, 5 for grep { @$_ > 5 } @r{qw(refused fallen)};

    return \%r;
}


# Go's client, byte for byte: it names no connection, and asks for gzip.

sub ask {
    my ($path, $agent, $timeout) = @_;

    my $host = '127.0.0.1:' . $site->port;
    my $s = $site->connect or return { status => 0, body => 'no connection' };

    print $s "GET $path HTTP/1.1\r\nHost: $host\r\n"
             . "User-Agent: $agent->{agent}\r\nAccept-Encoding: gzip\r\n\r\n";
    $s->flush;

    return whole($s, $timeout);
}


# An answer over a connection that is kept alive.

sub whole {
    my ($s, $timeout) = @_;

    my $end = time() + $timeout;
    my $select = IO::Select->new($s);
    my $got = '';

    until ($got =~ /\r\n\r\n/ && complete($got)) {
        my $left = $end - time();

        if ($left <= 0 || !$select->can_read($left)) {
            return { status => 0, body => "timeout after $timeout s" };
        }

        sysread($s, $got, 65536, length $got)
            or return { status => 0, body => "cut short: $got" };
    }

    return Site::parse($got);
}


sub complete {
    my ($head, $body) = split /\r\n\r\n/, $_[0], 2;

    return $head =~ /^Content-Length: (\d+)/mi ? length($body) >= $1
                                               : $body =~ /(?:^|\r\n)0\r\n\r\n$/;
}


# What Pyroscope or Parca would refuse an answer for, and the profile.

sub judge {
    my ($got, $types) = @_;

    my $type = $got->{headers}{'content-type'} // '';

    return "status $got->{status}: " . substr $got->{body}, 0, 200
        if $got->{status} != 200;
    return "type $type" if $type !~ m{^application/octet-stream};
    return 'Content-Encoding' if $got->{headers}{'content-encoding'};
    return 'empty' if $got->{body} eq '';

    my $p = eval { Encoder::decode($got->{body}) } or return "unreadable: $@";
    my @bad = Encoder::check_profile($p);

    return "@bad" if @bad;
    return "types @{ $p->{types} }" if "@{ $p->{types} }" ne $types;
    return 'more than 4 MiB' if $p->{size} > 4 << 20;
    return 'more than 16000 samples' if @{ $p->{samples} } > 16000;
    return 'more than 100 labels'
        if grep { @{ $_->{labels} } > 100 } @{ $p->{samples} };
    return 'a string that ends in .go' if grep { /\.go$/ } @{ $p->{strings} };
    return 'a time that is not now'
        if abs($p->{time} / 1e9 - time()) > 3600;

    for my $list (@$p{qw(mappings functions locations)}) {
        return 'ids are not 1 .. N'
            if grep { $list->[$_]{id} != $_ + 1 } 0 .. $#$list;
    }

    my %seen;
    return 'addresses are not unique'
        if grep { !$_->{address} || $seen{ $_->{address} }++ }
           @{ $p->{locations} };

    return (undef, $p);
}


# Alloy tells stacks apart by their addresses and labels, and sends the
# difference to the time before.

sub fallen {
    my ($p, $last, $cumulative) = @_;

    my (%now, @bad);

    for my $s (@{ $p->{samples} }) {
        my $key = join ' ', map({ $p->{locations}[$_ - 1]{address} }
                                @{ $s->{locations} }),
                            map({ "$_->[0]=$_->[1]" } @{ $s->{labels} });

        for my $i (0 .. $#{ $s->{values} }) {
            $now{$key}[$i] += $s->{values}[$i];
        }
    }

    for my $key (keys %now) {
        my $before = $cumulative ? $last->{$key} : undef;

        push @bad, "$key: " . join ' ', @{ $now{$key} },
                   'after', @{ $before || [] }
            if grep { $now{$key}[$_] < ($before ? $before->[$_] : 0) }
               0 .. $#{ $now{$key} };
    }

    # a stack that is gone has fallen too
    push @bad, map { "$_ is gone" } grep { $cumulative && !$now{$_} }
                                    keys %$last;

    %$last = %now;

    return @bad;
}
