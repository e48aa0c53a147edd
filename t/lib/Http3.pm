package Http3;

# Clients of HTTP/3, each a process that keeps its connection: the tool that
# comes with a library for QUIC.
#
#   my $client = Http3::opened($port);                    # no request
#   my $client = Http3::opened($port, '/slow', '/fast');  # two of them
#   my $client = Http3::named($port, 'one.test');         # as SNI
#   my $client = Http3::posted($port, $file, '/form');    # its body
#   my $client = Http3::asked($port, '/form', 'Origin: http://a');
#   $client->status;        # of the answer to the first request
#   $client->sent;          # bytes of its first stream
#   $client->answers;       # how many have come
#   $client->end('INT');    # says goodbye; KILL: leaves without it

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More ();
use Modules ();
use Site;

my $tool = 'gtlsclient';
my $dir = tempdir(CLEANUP => 1);
my $owner = $$;
my $number = 0;
my @clients;


# what is missing for clients; nothing: there can be some

sub missing {
    return 'nginx was built without http3' unless Modules::built('http3');

    my ($found) = grep { -x "$_/$tool" } split /:/, $ENV{PATH};

    return $found ? () : "no $tool here: the package ngtcp2-client has it";
}


sub opened {
    my $self = begun(@_);

    until_true(60, sub { $self->said =~ /QUIC handshake has been confirmed/ })
        or die "no HTTP/3 client: ", $self->said;

    return $self;
}


# the same without a look at what becomes of it

sub begun {
    my ($port, @paths) = @_;

    return client($port, map { m{^/} ? "https://127.0.0.1:$port$_" : $_ }
                             @paths);
}


sub posted {
    my ($port, $file, $path) = @_;

    return client($port, "--data=$file", "https://127.0.0.1:$port$path");
}


# With headers, or with the name of a server in its handshake, or without one:
# the client has no options for them.  A path may be a whole URI, whose host is
# the request's.

sub asked {
    my ($port, $path, @headers) = @_;

    return within({ headers => \@headers }, $port, $path);
}


sub named {
    my ($port, $name) = @_;

    return within({ name => $name }, $port);
}


sub within {
    my ($o, $port, @paths) = @_;

    my $library = "$dir/http3.so";

    -e $library
        || system('cc', '-shared', '-fPIC', '-Wall', '-Werror', '-o', $library,
                  dirname(abs_path(__FILE__)) . '/http3.c') == 0
        || die "no library for the client\n";

    local $ENV{LD_PRELOAD} = $library;
    local $ENV{HTTP3_NAME} = $o->{name} // '';
    local $ENV{HTTP3_HEADERS} = join "\n", map { s/^[^:]+/\L$&/r }
                                           @{ $o->{headers} || [] };

    return opened($port, @paths);
}


sub client {
    my ($port, @arguments) = @_;

    # a process that is forked for a load has the numbers of the one before
    my $self = bless { log => "$dir/$$-" . ++$number };

    $self->{pid} = fork() // die "fork() failed: $!\n";

    if (!$self->{pid}) {
        # perl defers signals that it handles, and exec() forgets them
        $SIG{INT} = $SIG{TERM} = 'DEFAULT';

        open STDOUT, '>', $self->{log};
        open STDERR, '>&', \*STDOUT;
        exec($tool, '--timeout=600s', grep({ /^--/ } @arguments), '127.0.0.1',
             $port, grep { !/^--/ } @arguments)
            or POSIX::_exit(127);
    }

    push @clients, $self;

    return $self;
}


sub said { return slurp($_[0]{log}) }

sub status {
    my $self = shift;

    until_true(60, sub { $self->answers });

    return $self->said =~ /\[:status: (\d+)\]/ ? $1 : undef;
}


sub answers { return scalar(() = $_[0]->said =~ /\[:status: \d+\]/g) }


# The stream of a client's first request has the number 0: to where it reaches.

sub sent {
    my $end = 0;

    for ($_[0]->said =~ /^.* tx .* STREAM\(.*$/mg) {
        my ($id, $offset, $length) = /id=0x(\w+) .*offset=(\d+) len=(\d+)/;
        $end = $offset + $length if !hex $id && $offset + $length > $end;
    }

    return $end;
}


sub end {
    my ($self, $signal) = @_;

    my $pid = delete $self->{pid} or return;

    kill $signal, $pid;
    waitpid $pid, 0;
}


END {
    if ($$ == $owner) {
        my $status = $?;
        $_->end('KILL') for @clients;
        $? = $status;
    }
}


1;
