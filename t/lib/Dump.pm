package Dump;

# What the tests of connection dumps share: peers that do nothing, or just so
# much, an HTTP/2 client, and looking for a connection in an answer.
#
#   my $site = Site->new(handlers => $Profile::handlers, ...);
#   my $quiet = Dump::quiet($site->port(3));
#   my @found = find(dump_of($site), kind => 'client', location => '/slow');

use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use Json;
use Socket qw(SOL_SOCKET SO_REUSEADDR);
use Test::More ();
use Time::HiRes qw(sleep time);
use Site;

our @EXPORT = qw(dump_of find one is_dump opened send_to read_head ask quiet h2
                 within);
our @EXPORT_OK = qw(frame);


# The answer, which has to be whole.

sub dump_of {
    my ($site, $args) = @_;

    return $site->json('goroutines' . ($args ? "?$args" : ''));
}


# The connections of a dump that are as asked: a value, a pattern, or undef.

sub find {
    my ($dump, %like) = @_;

    return grep {
        my $g = $_;
        !grep { !matches($g->{$_}, $like{$_}) } keys %like;
    } @{ $dump->{goroutines} };
}


sub matches {
    my ($is, $should) = @_;

    return !defined $is if !defined $should;
    return 0 if !defined $is;
    return $is =~ $should if ref $should;
    return $is eq $should;
}


# the only one; says what there is if it is not the only one

sub one {
    my ($dump, $name, %like) = @_;

    my @found = find($dump, %like);

    Test::More::is(scalar @found, 1, $name)
        or Test::More::diag(listed($dump));

    return $found[0] || {};
}


# what there is, in short

sub listed {
    my $dump = shift;

    my %seen;

    for my $g (@{ $dump->{goroutines} }) {
        my $line = join ' | ', map { $_ // '-' }
                   @$g{qw(kind state server location uri upstream timer)};
        $line =~ s{/\d+ }{/* };
        $seen{$line}++;
    }

    my @lines = map { "$seen{$_} x $_\n" } sort keys %seen;

    return @lines > 40 ? @lines[0 .. 39] : @lines;
}


# What holds of every dump: sums agree, ids are unique, stacks have a root.

sub is_dump {
    my ($dump, $name) = @_;

    my @bad;
    my %ids;

    push @bad, "count $dump->{count}, by kind "
               . sum(values %{ $dump->{by_kind} })
        if !find($dump, state => 'stuck')
           && $dump->{count} != sum(values %{ $dump->{by_kind} });
    push @bad, "count $dump->{count}, by state "
               . sum(values %{ $dump->{by_state} })
        if $dump->{count} != sum(values %{ $dump->{by_state} });
    push @bad, 'truncated'
        if !$dump->{truncated} != ($dump->{count}
                                   == @{ $dump->{goroutines} });

    for my $g (@{ $dump->{goroutines} }) {
        push @bad, "id $g->{id} twice" if $ids{ $g->{id} }++;
        push @bad, "id $g->{id}: root @{ $g->{stack} }"
            if $g->{state} ne 'stuck'
               && ($g->{stack}[-1] // '') ne "[$g->{kind}]";
        push @bad, "id $g->{id}: wait $g->{wait_seconds}"
            if defined $g->{wait_seconds} && $g->{wait_seconds} < 0;
        push @bad, "id $g->{id}: no timer's name"
            if defined $g->{timer} != defined $g->{timer_seconds};
        push @bad, "id $g->{id}: query in $g->{uri}"
            if defined $g->{uri} && $g->{uri} =~ /\?/;
    }

    my $blocks = () = $dump->{stack_trace} =~ /^goroutine \d+ \[/mg;
    push @bad, "$blocks blocks of text" if $blocks != @{ $dump->{goroutines} };

    Test::More::ok(!@bad, "$name: is a whole dump")
        or Test::More::diag(map { "$_\n" } @bad);
}


sub sum {
    my $sum = 0;
    $sum += $_ for @_;
    return $sum;
}


# between these, and 50 ms of a clock that stands still while nginx is at work

sub within {
    my ($g, $range, $name) = @_;

    my $is = $g->{wait_seconds};

    Test::More::ok(defined $is && $is >= $range->[0] - 0.05
                   && $is <= $range->[1] + 0.05, $name)
        or Test::More::diag('waits ', $is // 'unknown', ', not ',
                            join ' to ', @$range);
}


# A connection on which some bytes were sent.

sub opened {
    my ($site, $bytes, %o) = @_;

    my $s = $site->connect($o{to}) or die "connect() failed: $!\n";

    send_to($s, $bytes) if defined $bytes;

    return $s;
}


sub send_to {
    my ($s, $bytes) = @_;

    while (length $bytes) {
        my $n = syswrite $s, $bytes or die "write() failed: $!\n";
        substr($bytes, 0, $n) = '';
    }
}


sub read_head {
    my $s = shift;
    my $got = '';

    until ($got =~ /\r\n\r\n/) {
        sysread($s, $got, 1, length $got) or die "read() failed: $!\n";
    }

    return $got;
}


# a request on a connection that is kept

sub ask {
    my ($s, $path) = @_;

    send_to($s, "GET $path HTTP/1.1\r\nHost: main\r\n\r\n");

    my ($length) = read_head($s) =~ /^Content-Length: (\d+)/mi;
    my $body = '';

    while (length $body < $length) {
        sysread($s, $body, $length - length $body, length $body)
            or die "read() failed: $!\n";
    }

    return decode_json($body);
}


# A server that takes connections and never says anything.

sub quiet {
    my ($port, %o) = @_;

    return IO::Socket::INET->new(Listen => $o{backlog} // 511,
                                 ReuseAddr => 1, Proto => 'tcp',
                                 LocalAddr => "127.0.0.1:$port")
           || die "listen() on $port failed: $!\n";
}


# An HTTP/2 connection without TLS, with a request on each of so many streams
# for this path, which may have a * for the number of the stream.  window: bytes
# that it may be sent before it gives more; buffer: of its socket.

sub h2 {
    my ($to, $streams, $path, %o) = @_;

    my $s = IO::Socket::INET->new(Proto => 'tcp');
    my ($address, $port) = split /:/, $to;

    setsockopt($s, Socket::SOL_SOCKET, Socket::SO_RCVBUF, pack 'i', $o{buffer})
        if $o{buffer};
    connect $s, Socket::pack_sockaddr_in($port, Socket::inet_aton($address))
        or die "connect() failed: $!\n";

    # SETTINGS_INITIAL_WINDOW_SIZE is 4; the connection's has 65535 already
    my $bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                . frame(4, 0, 0, $o{window} ? pack('nN', 4, $o{window}) : '')
                . ($o{window} ? frame(8, 0, 0, pack 'N', $o{window} - 65535)
                              : '');

    for my $i (1 .. $streams) {
        (my $this = $path) =~ s/\*/$i/;
        my $id = 2 * $i - 1;

        # :method GET, :scheme http, :path, :authority: RFC 7541, A
        $bytes .= frame(1, 5, $id, "\x82\x86\x04" . chr(length $this) . $this
                                   . "\x01\x04main");
    }

    send_to($s, $bytes);

    return $s;
}


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}


1;
