package Site;

# An nginx for tests that need more of it than Test::Nginx gives: a whole
# configuration of the test's own, environment variables, other addresses,
# requests byte by byte.
#
#   my $site = Site->new(http => '...', workers => 2);
#   $site->start;
#   my $metrics = $site->json('/api/profiling/metrics');
#   until_true(60, sub { ... });
#
# DIR, PORT, PORT1 .. PORT9 and MODULE stand for what they say in all pieces
# of the configuration.  Everything is stopped when the script ends, and what
# nginx complained about by itself is a failed test.

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Json;
use Modules ();
use POSIX qw(:sys_wait_h);
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(until_true was_read slurp spew run epoch);

my $binary = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my $module = Modules::ours();
my $root = $ENV{TEST_NGINX_SERVROOT} || tempdir(CLEANUP => 1);
my $port = $ENV{TEST_NGINX_PORT} || 20000 + $$ % 900 * 10;

my $owner = $$;
my @sites;

$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = $SIG{INT} = sub { exit 130 };

# variables of the machine must not reach the nginx of a test
delete @ENV{qw(ENABLE_PROFILING METRICS_INTERVAL METRICS_MAX_SIZE
               MEMORY_WARNING_PCT MEMORY_CRITICAL_PCT
               GOROUTINE_WARNING GOROUTINE_CRITICAL)};

our $handlers = <<'END';
        location /api/profiling/ { profiling_api; }
        location = /metrics { profiling_prometheus; }
END

our $fast = 'profiling_interval 100ms;';


# main, events, http, server: pieces of the configuration; conf: all of it
# instead; connections: of a worker; workers: 0 for a single process without a master; port: a fixed
# one; env: variables; level: of the error log; access: the access log; modules: more of them;
# noise: a pattern of complaints that the test asks for.  wrapper: a command
# that nginx is run by; seconds: that it may take to start and to end.

sub new {
    my ($class, %o) = @_;

    my $self = bless {
        workers => 1, main => '', events => '', http => $fast, server => '',
        handlers => $handlers, modules => [], env => {}, level => 'info',
        port => $port, connections => 512, access => 'off',
        listen => '127.0.0.1:PORT', module => 1, noise => undef,
        %o,
    }, $class;

    Modules::need(@{ $self->{modules} });

    $self->{dir} = "$root/site" . @sites;
    make_path("$self->{dir}/html", "$self->{dir}/temp");
    chmod 0755, $root, $self->{dir}, "$self->{dir}/html";
    chmod 0777, "$self->{dir}/temp";

    push @sites, $self;

    return $self;
}


sub port { return $_[0]{port} + ($_[1] || 0) }

sub dir { return $_[0]{dir} }

sub log { return slurp("$_[0]{dir}/error.log") }


sub text {
    my $self = shift;

    return $self->expand($self->{conf}) if defined $self->{conf};

    my $master = $self->{workers} ? 'on' : 'off';
    my $workers = $self->{workers} || 1;
    my $load = $self->{module} ? "load_module MODULE;\n"
               : join '', map { "load_module $_;\n" } @{ $self->{modules} };
    my $temp = join "\n    ", map { "${_}_temp_path DIR/temp/$_;" }
                   qw(client_body proxy fastcgi uwsgi scgi);

    return $self->expand(<<"END");
$load
$self->{main}
daemon off;
master_process $master;
worker_processes $workers;
pid DIR/nginx.pid;
error_log DIR/error.log $self->{level};
events { worker_connections $self->{connections}; $self->{events} }

http {
    $temp
    default_type text/plain;
    $self->{http}
    access_log $self->{access};

    server {
        listen $self->{listen};
        server_name main;
        root DIR/html;
$self->{handlers}
        $self->{server}
    }
}
END
}


sub expand {
    my ($self, $text) = @_;

    $text =~ s/\bDIR\b/$self->{dir}/g;
    $text =~ s/^[ \t]*load_module MODULE;\n/
               Modules::load(@{ $self->{modules} })/gem;
    $text =~ s/\bMODULE\b/$module/g;
    $text =~ s/\bPORT(\d?)\b/$self->{port} + ($1 || 0)/ge;

    return $text;
}


sub write {
    my ($self, %o) = @_;

    $self->{$_} = $o{$_} for keys %o;
    spew("$self->{dir}/nginx.conf", $self->text);
}


sub command {
    my $self = shift;

    return (@{ $self->{wrapper} || [] }, $self->{binary} || $binary, '-p', $self->{dir},
            '-e', "$self->{dir}/error.log", '-c', "$self->{dir}/nginx.conf", @_);
}


# nginx -t: its exit status and what it complained about

sub check {
    my ($self, %o) = @_;

    $self->write(%o);

    local %ENV = (%ENV, %{ $self->{env} });
    my $said = run($self->command('-t'));
    my $status = $? >> 8;

    return ($status, join '', grep { !/^nginx: (?:the )?configuration file/ }
                              $said =~ /^.*\n/mg);
}


sub start {
    my ($self, %o) = @_;

    $self->write(%o);
    unlink "$self->{dir}/nginx.pid";

    $self->{pid} = fork() // die "fork() failed: $!\n";

    if (!$self->{pid}) {
        $ENV{$_} = $self->{env}{$_} for keys %{ $self->{env} };
        open STDOUT, '>>', "$self->{dir}/output";
        open STDERR, '>&', \*STDOUT;
        exec($self->command) or POSIX::_exit(127);
    }

    my $up = until_true($self->{seconds} || 60, sub {
        return -1 if waitpid($self->{pid}, WNOHANG) > 0;
        return -s "$self->{dir}/nginx.pid"
               && (@{ [ $self->workers ] } == $self->{workers});
    });

    if (!$up || $up < 0) {
        Test::More::diag(slurp("$self->{dir}/output"), $self->log);
        die "nginx did not start\n";
    }

    return $self;
}


sub stop {
    my ($self, $signal) = @_;

    my $pid = delete $self->{pid} or return;

    kill $signal || 'TERM', $pid;

    my $gone = until_true($self->{seconds} || 60,
                          sub { waitpid($pid, WNOHANG) != 0 });

    if (!$gone) {
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }

    my @bad = grep { /\[(?:emerg|alert|crit)\]/ || /exited on signal/ }
              $self->log =~ /^.*\n/mg;
    @bad = grep { $_ !~ $self->{noise} } @bad if $self->{noise};

    Test::More::ok($gone && !@bad, 'nginx ends well and had no complaints')
        or Test::More::diag(@bad);
}


# without the processes that a cache has

sub workers {
    my $self = shift;

    return grep { slurp("/proc/$_/cmdline") !~ /: cache / } split ' ',
           slurp("/proc/$self->{pid}/task/$self->{pid}/children");
}


END {
    if ($$ == $owner) {
        my $status = $?;

        for my $site (grep { $_->{pid} } @sites) {
            kill 'TERM', $site->{pid};

            until_true(60, sub { waitpid($site->{pid}, WNOHANG) != 0 })
                or kill 'KILL', $site->{pid};
        }

        $? = $status;
    }
}


# A connection: to 127.0.0.1, another address, or a unix socket.

sub connect {
    my ($self, $to) = @_;

    $to //= "127.0.0.1:$self->{port}";

    return $to =~ m{^/} ? IO::Socket::UNIX->new(Peer => $to)
           : $to =~ /^\[/ ? do { require IO::Socket::IP;
                                 IO::Socket::IP->new(PeerAddr => $to) }
           : IO::Socket::INET->new(PeerAddr => $to);
}


# Sends bytes and reads until the end, until what came matches `until`, or until
# `seconds` have passed.

sub raw {
    my ($self, $bytes, %o) = @_;

    my $s = $self->connect($o{to}) or return '';

    print $s $bytes;
    $s->flush;

    return read_all($s, $o{seconds} || 60, $o{until});
}


sub read_all {
    my ($s, $seconds, $until) = @_;

    my $end = time() + $seconds;
    my $select = IO::Select->new($s);
    my $got = '';

    while (time() < $end) {
        next unless $select->can_read($end - time());
        sysread($s, $got, 65536, length $got) or last;
        last if $until && $got =~ $until;
    }

    return $got;
}


# One request of its own connection: {status, headers (by lower-case name),
# body}.  headers: a list of lines; body, or pieces: a list of chunks; method;
# to.

sub request {
    my ($self, $path, %o) = @_;

    my $method = $o{method} || 'GET';
    my $body = $o{body} // '';
    my @headers = @{ $o{headers} || [] };

    push @headers, "Host: main" unless grep { /^host:/i } @headers;

    if ($o{pieces}) {
        push @headers, 'Transfer-Encoding: chunked';
        $body = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
                         @{ $o{pieces} }, '';

    } elsif (length $body || $method eq 'POST') {
        push @headers, 'Content-Length: ' . length $body;
    }

    return parse($self->raw(join("\r\n", "$method $path HTTP/1.1", @headers,
                                 'Connection: close', '', '') . $body,
                            to => $o{to}, seconds => $o{seconds}));
}


sub parse {
    my $answer = shift;

    my ($head, $rest) = split /\r\n\r\n/, $answer, 2;
    my ($line, @lines) = split /\r\n/, $head // '';

    my %headers;
    for (@lines) {
        my ($name, $value) = /^([^:]+):\s*(.*)$/ or next;
        $headers{lc $name} = $value;
    }

    $rest //= '';

    if (($headers{'transfer-encoding'} || '') eq 'chunked') {
        my $whole = '';

        while ($rest =~ s/^([0-9a-f]+)\r\n//i && hex $1) {
            $whole .= substr $rest, 0, hex $1;
            substr($rest, 0, 2 + hex $1) = '';
        }

        $rest = $whole;
    }

    my ($status) = ($line // '') =~ m{^HTTP/1\.[01] (\d{3})};

    return { status => $status || 0, headers => \%headers, body => $rest };
}


# The body as JSON: it has to be, and to be in UTF-8.

sub json {
    my ($self, $path, %o) = @_;

    $path = "/api/profiling/$path" unless $path =~ m{^/};

    my $got = $self->request($path, %o);
    my $data = eval { decode_json($got->{body}) };

    Test::More::diag("$path: status $got->{status}, $@", $got->{body})
        unless defined $data;

    return $data;
}


# What one location has counted: server, location (undef: none was found).

sub location {
    my ($self, $server, $location) = @_;

    my @found = grep { defined $_->{server} && $_->{server} eq $server
                       && (defined $location ? defined $_->{location}
                                               && $_->{location} eq $location
                                             : !defined $_->{location}) }
                @{ $self->json('locations')->{locations} };

    return $found[0];
}


# location => requests, of all that have any, in all servers; "-" for none

sub counts {
    my $self = shift;

    my %counts;

    $counts{ $_->{location} // '-' } += $_->{requests}
        for grep { $_->{requests} }
            @{ $self->json('locations')->{locations} };

    return \%counts;
}


# Calls until it returns something true; nothing if that takes too long.

sub until_true {
    my ($seconds, $code) = @_;

    my $end = time() + $seconds;

    while (1) {
        my $value = $code->();
        return $value if $value;
        return if time() > $end;
        sleep 0.01;
    }
}


# Until what a client has sent has been read by who has accepted it.  One line
# is looked for: beside tests of many connections the table has thousands.

sub was_read {
    my $s = shift;

    my $ends = sprintf '%08X:%04X %08X:%04X', unpack('L', $s->peeraddr),
                       $s->peerport, unpack('L', $s->sockaddr), $s->sockport;

    return until_true(60, sub {
        my $table = slurp('/proc/net/tcp');
        my $at = index($table, $ends);
        return if $at < 0;

        my ($peer) = sockets('0: ' . substr($table, $at, 150));

        return $peer && $peer->{inode} && !$peer->{unread};
    });
}


# The sockets of IPv4, in use: what no process has accepted has no inode.

sub sockets {
    my $table = shift // slurp('/proc/net/tcp');

    my @sockets;

    for (split /\n/, $table) {
        my ($local, $remote, $queues, $inode) = (split ' ')[1, 2, 4, 9];

        next unless defined $inode && $local =~ /:(\w+)$/;
        my $port = hex $1;
        my ($to) = $remote =~ /:(\w+)$/;
        my ($unread) = $queues =~ /:(\w+)$/;

        push @sockets, { port => $port, remote => hex $to, inode => $inode,
                         unread => hex $unread };
    }

    return @sockets;
}


sub slurp {
    my $path = shift;

    open my $fh, '<', $path or return '';
    local $/;
    return <$fh> // '';
}


sub spew {
    my ($path, $text) = @_;

    open my $fh, '>', $path or die "open() \"$path\" failed: $!\n";
    print $fh $text;
    close $fh or die "close() \"$path\" failed: $!\n";
}


# A command's output, both streams together; $? is its status.

sub run {
    my @command = @_;

    my $pid = open(my $fh, '-|') // die "fork() failed: $!\n";

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec(@command) or POSIX::_exit(127);
    }

    local $/;
    my $out = <$fh> // '';
    close $fh;

    return $out;
}


# seconds since the epoch of an RFC 3339 time

sub epoch {
    my $time = shift;

    my ($y, $mo, $d, $h, $mi, $s) =
        ($time // '') =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d\.\d{3})Z$/
        or return;

    require Time::Local;
    return Time::Local::timegm(0, $mi, $h, $d, $mo - 1, $y) + $s;
}


1;
