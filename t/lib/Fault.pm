package Fault;

# What the scripts of t/fault share: real nginxes with master and workers,
# clients that say how they failed, and waiting for a condition with a
# deadline.
#
#   my $n = Fault->new(workers => 2, http => '...', server => '...');
#   $n->start;
#   my $m = $n->api('metrics');
#   wait_for(60, sub { $n->workers == 2 });
#
# Everything that was started is stopped when the script ends.

use strict;
use warnings;

use Cwd qw(abs_path);
use Errno qw(ECONNRESET ECONNREFUSED EPIPE EAGAIN);
use Exporter qw(import);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use JSON::PP qw(encode_json);
use Json;
use Modules ();
use POSIX qw(:sys_wait_h _exit);
use Socket qw(SOL_SOCKET SO_RCVTIMEO SO_SNDTIMEO);
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(wait_for request slurp background reap run_command
                 proc_status schedstat monotonic_errors connections
                 time sleep);

my $binary = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my $module = Modules::ours() || 'static';

my $root = $ENV{TEST_NGINX_SERVROOT}
           || tempdir('fault.XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $base = $ENV{TEST_NGINX_PORT} || 21000 + $$ % 800 * 10;

my $owner = $$;
my ($number, $port) = (0, 0);
my @all;
my %children;

chmod 0755, $root;

$SIG{TERM} = $SIG{INT} = $SIG{HUP} = sub { exit 130 };
$SIG{PIPE} = 'IGNORE';


# name, workers, connections (of each), module (another one's path, or 0: nginx
# alone), modules (more of them), main, events, http, server: pieces of
# nginx.conf, in which PORT, PORT1 .. and DIR are replaced; profiling: the
# directives in http; master, daemon: on or off; env: a hash; wrapper: a list of
# words before nginx; ports: how many of the ten; timeout: seconds to wait for an
# answer at most.

sub new {
    my ($class, %o) = @_;

    my $ports = delete $o{ports} || 1;

    my $self = bless {
        name      => 'nginx',
        workers   => 2,
        connections => 1024,
        module    => $module,
        modules   => [],
        main      => '',
        events    => '',
        http      => '',
        server    => '',
        profiling => 'profiling_interval 200ms;',
        master    => 'on',
        daemon    => 'off',
        level     => 'info',
        access_log => 'off',
        timeout   => 60,
        env       => {},
        wrapper   => [],
        %o,
    }, $class;

    Modules::need(@{ $self->{modules} });

    # a file has ten ports, and the next ten are another's: those of the first
    # nginxes, which have ended, serve again
    $port = 0 if $port + $ports > 10;

    $self->{dir} = "$root/" . $number++ . "-$self->{name}";
    $self->{port} = $base + $port;
    $port += $ports;

    make_path("$self->{dir}/html", "$self->{dir}/temp");
    chmod 0777, "$self->{dir}/temp";

    push @all, $self;

    return $self;
}


sub port { return $_[0]{port} + ($_[1] || 0) }
sub dir { return $_[0]{dir} }


sub configuration {
    my $self = shift;

    my $load = !$self->{module} ? ''
               : $self->{module} eq $module ? Modules::load(@{ $self->{modules} })
               : "load_module $self->{module};";
    my $profiling = $self->{module} ? $self->{profiling} : '';
    my $handlers = $self->{module} && !$self->{no_handlers} ? <<'END' : '';
            location /api/profiling/ { profiling_api; access_log off; }
            location = /metrics { profiling_prometheus; access_log off; }
END

    my $text = <<"END";
$load
$self->{main}
master_process $self->{master};
daemon $self->{daemon};
worker_processes $self->{workers};
pid DIR/nginx.pid;
error_log DIR/error.log $self->{level};
events { worker_connections $self->{connections}; $self->{events} }

http {
    access_log $self->{access_log};
    client_body_temp_path DIR/temp;
    proxy_temp_path DIR/temp;
    fastcgi_temp_path DIR/temp;
    uwsgi_temp_path DIR/temp;
    scgi_temp_path DIR/temp;
    $profiling
    $self->{http}

    server {
        listen 127.0.0.1:PORT backlog=4096;
        server_name main;
        root DIR/html;
        location = /empty { return 200 "ok"; }
$handlers
        $self->{server}
    }
}
END

    $text =~ s/\bDIR\b/$self->{dir}/g;
    $text =~ s/\bPORT(\d?)\b/$self->{port} + ($1 || 0)/ge;

    if (!$self->{module}) {
        # the same site without us
        $text =~ s/\bprofiling(?!_test)\w* [^;{}]*;//g;
    }

    return $text;
}


sub configure {
    my ($self, %o) = @_;

    $self->{$_} = $o{$_} for keys %o;

    spew("$self->{dir}/nginx.conf", $self->configuration);
}


sub command {
    my $self = shift;

    return (@{ $self->{wrapper} }, $binary, '-p', $self->{dir}, '-c',
            "$self->{dir}/nginx.conf", '-e', "$self->{dir}/error.log", @_);
}


# Starts nginx and waits until it answers; returns the pid of the master (or
# of the single process).

sub start {
    my ($self, %o) = @_;

    $self->configure(%o);
    $self->launch;

    my $answers = wait_for($o{seconds} || 60, sub {
        return 1 if IO::Socket::INET->new("127.0.0.1:$self->{port}");
        return -1 if $self->{daemon} eq 'off'
                     && waitpid($self->{child}, WNOHANG) != 0;
    });

    if (!$answers || $answers < 0) {
        Test::More::diag($self->log);
        die "nginx did not start\n";
    }

    $self->{pid} = $self->pid_file($o{seconds});

    # the port is open before there are workers, and they before their titles;
    # below a wrapper they have none

    if ($self->{master} eq 'on' && !@{ $self->{wrapper} }
        && $self->{workers} =~ /^\d+$/)
    {
        wait_for(60, sub { $self->workers >= $self->{workers} });
    }

    return $self->{pid};
}


sub launch {
    my $self = shift;

    my $pid = fork();
    die "fork() failed: $!\n" unless defined $pid;

    if (!$pid) {
        $ENV{$_} = $self->{env}{$_} for keys %{ $self->{env} };
        open STDOUT, '>>', "$self->{dir}/output";
        open STDERR, '>&', \*STDOUT;
        # for what runs by a wrapper: all of it ends with us
        setpgrp(0, 0);
        exec($self->command) or _exit(127);
    }

    $self->{child} = $pid;

    if ($self->{daemon} eq 'on') {
        waitpid($pid, 0);
        delete $self->{child};
    }

    return $pid;
}


sub pid_file {
    my ($self, $seconds) = @_;

    my $pid;
    wait_for($seconds || 60, sub { ($pid) = slurp("$self->{dir}/nginx.pid") =~ /(\d+)/ });

    return $pid;
}


# nginx -t of what is configured: exit status, and what it said

sub test {
    my ($self, %o) = @_;

    $self->configure(%o);

    local %ENV = (%ENV, %{ $self->{env} });
    my $said = run_command($self->command('-t'));

    return ($?, $said);
}


sub stop {
    my ($self, $signal, $seconds) = @_;

    my @pids = grep { $_ && kill 0, $_ } $self->{pid}, $self->{child};
    my @workers = map { children($_) } @pids;

    kill 'CONT', @workers if @workers;
    kill $signal || 'TERM', $_ for $self->{pid} || $self->{child} || ();

    my $gone = wait_for($seconds || 60, sub {
        waitpid($self->{child}, WNOHANG) if $self->{child};
        return !grep { alive($_) } @pids;
    });

    kill 'KILL', grep { alive($_) } @workers, @pids unless $gone;

    delete @$self{qw(pid child)};

    return $gone;
}


END {
    if (defined $owner && $$ == $owner) {
        my $status = $?;

        for my $pid (keys %children) {
            kill 'TERM', $pid;
        }

        for my $nginx (@all) {
            $nginx->stop if $nginx->{pid} || $nginx->{child};
        }

        for my $pid (keys %children) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
        }

        $? = $status;
    }
}


sub signal { return kill $_[1], $_[0]{pid} }

sub log { return slurp("$_[0]{dir}/error.log") }


# The workers that run now, told from helpers by their title.

sub workers { return titled(@_, qr/worker process/) }


# those that have not been told to exit

sub running { return titled(@_, qr/worker process(?! is shutting down)/) }


# the title is read once: a process that ends between two readings has none

sub titled {
    my ($self, $master, $title) = @_ > 2 ? @_ : ($_[0], undef, $_[1]);

    return grep { slurp("/proc/$_/cmdline") =~ $title }
                children($master || $self->{pid});
}


# A new configuration has been taken over: as many workers as before, and
# none of them is an old one.

sub reload {
    my ($self, %o) = @_;

    $self->configure(%o) if %o;

    my %old = map { $_ => 1 } $self->running;
    my $workers = ($o{workers} // '') =~ /^(\d+)$/ ? $1 : keys %old;

    $self->signal('HUP');

    return wait_for(60, sub {
        my @now = $self->running;
        return @now >= $workers && !grep { $old{$_} } @now;
    });
}


sub get {
    my ($self, $path, %o) = @_;

    return request($self->{port}, $path, timeout => $self->{timeout}, %o);
}


# The decoded answer of an endpoint; tried again after a reset, which is what
# killing a worker does to its connections.

sub api {
    my ($self, $endpoint, %o) = @_;

    my ($answer, $error);

    wait_for($o{seconds} || $self->{timeout}, sub {
        my $r = $self->get("/api/profiling/$endpoint", %o);
        $error = $r->{error};
        return 0 if $error;
        $answer = { status => $r->{status}, %{ decode_json($r->{body}) } };
        $answer->{status} = decode_json($r->{body})->{status}
            if $endpoint =~ /^health/;
        $answer->{http} = $r->{status};
        return 1;
    }) or die "no answer from $endpoint of port $self->{port}: $error\n"
             . $self->log;

    return $answer;
}


# Polls an endpoint until the condition holds for it; the last answer, which
# is told apart by {met}.

sub until {
    my ($self, $endpoint, $seconds, $condition) = @_;

    my $last;

    my $met = wait_for($seconds, sub {
        $last = $self->api($endpoint);
        return $condition->($last);
    });

    $last->{met} = $met ? 1 : 0;

    return $last;
}


# Until a tick of each worker has been seen after this call.

sub ticked {
    my ($self, $endpoint) = @_;

    my $after = Time::HiRes::time();

    return $self->until($endpoint || 'metrics', $self->{timeout}, sub {
        my $m = shift;
        my @workers = @{ $m->{workers} };
        return @workers && !grep { stamp($_->{collected}) <= $after } @workers;
    });
}


# --- clients -------------------------------------------------------------

# {status, head, body}, or {error}: refused, reset, closed (no or half an
# answer), timeout.

sub request {
    my ($port, $path, %o) = @_;

    my $method = $o{method} || 'GET';
    my $headers = $o{headers} || '';
    my $body = $o{body};

    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
    return { error => failure($!) } unless $s;

    my $wait = pack('l!l!', $o{timeout} || 60, 0);
    setsockopt($s, SOL_SOCKET, SO_RCVTIMEO, $wait);
    setsockopt($s, SOL_SOCKET, SO_SNDTIMEO, $wait);

    $headers .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;

    my $text = "$method $path HTTP/1.1\r\nHost: main\r\n"
               . "Connection: close\r\n$headers\r\n" . ($body // '');

    defined syswrite($s, $text) or return { error => failure($!) };

    my $got = '';

    while (1) {
        my $n = sysread($s, $got, 65536, length $got);
        return { error => failure($!), got => $got } unless defined $n;
        last if $n == 0;
    }

    my ($head, $rest) = split /\r\n\r\n/, $got, 2;
    return { error => 'closed', got => $got } unless defined $rest;

    my ($status) = $head =~ m{^HTTP/1\.1 (\d+)} or return { error => 'odd' };

    if ($head =~ /^Content-Length: (\d+)/mi && $method ne 'HEAD'
        && length($rest) != $1)
    {
        return { error => 'closed', got => $got };
    }

    if ($head =~ /^Transfer-Encoding: chunked/mi) {
        $rest = dechunk($rest);
        return { error => 'closed', got => $got } unless defined $rest;
    }

    return { status => $status, head => $head, body => $rest };
}


# Many answers, some bytes of each in turn: each whole one, [socket, path], is
# told by its path and text.

sub in_turn {
    my ($bytes, $told, @asked) = @_;

    my %path = map { ($_->[0] => $_->[1]) } @asked;
    my %got = map { ($_->[0] => '') } @asked;
    my $select = IO::Select->new(map { $_->[0] } @asked);

    while ($select->count) {
        my @ready = $select->can_read(60) or last;

        for my $s (@ready) {
            next if sysread $s, $got{$s}, $bytes, length $got{$s};

            $select->remove($s);
            $told->($path{$s}, $got{$s});
            close $s;
        }
    }
}


sub dechunk {
    my $in = shift;
    my $out = '';

    while ($in =~ s/^([0-9a-f]+)\r\n//i) {
        my $n = hex $1;
        return $out if $n == 0;
        return undef if length($in) < $n + 2;
        $out .= substr $in, 0, $n, '';
        $in =~ s/^\r\n//;
    }

    return undef;
}


sub failure {
    my $errno = shift;

    return 'reset' if $errno == ECONNRESET || $errno == EPIPE;
    return 'refused' if $errno == ECONNREFUSED;
    return 'timeout' if $errno == EAGAIN;
    return "$errno";
}


# --- processes -----------------------------------------------------------

# Runs code in a child of its own, or a command if it is a list; the child
# ends with the script at the latest.

sub background {
    my ($code, @words) = @_;

    my $pid = fork();
    die "fork() failed: $!\n" unless defined $pid;

    if (!$pid) {
        $SIG{TERM} = $SIG{INT} = 'DEFAULT';

        if (ref $code) {
            eval { $code->(); 1 } or print STDERR $@;
            _exit(0);
        }

        open STDOUT, '>', $code;
        open STDERR, '>&', \*STDOUT;
        exec(@words) or _exit(127);
    }

    $children{$pid} = 1;

    return $pid;
}


# Waits for it, or ends it by a signal first; its exit status.

sub reap {
    my ($pid, $signal) = @_;

    kill $signal, $pid if $signal;
    waitpid $pid, 0;
    delete $children{$pid};

    return $?;
}


sub run_command {
    my @words = @_;

    my $pid = open my $out, '-|';
    die "fork() failed: $!\n" unless defined $pid;

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec(@words) or _exit(127);
    }

    local $/;
    my $text = <$out>;
    close $out;

    return $text // '';
}


sub children {
    my $parent = shift;
    my @found;

    # not all kernels have /proc/<pid>/task/<tid>/children

    for my $path (glob '/proc/[0-9]*/stat') {
        my ($pid, $of) = slurp($path) =~ /^(\d+) .*\) \S (\d+)/s or next;
        push @found, $pid if $of == $parent;
    }

    return @found;
}


sub alive {
    my $pid = shift;

    my ($state) = slurp("/proc/$pid/stat") =~ /\) (\S)/ or return 0;

    return $state ne 'Z' && $state ne 'X';
}


# the fields of /proc/<pid>/status, numbers without their units

sub proc_status {
    my $pid = shift;

    return { slurp("/proc/$pid/status") =~ /^(\w+):\s+(\S+)/mg };
}


# ns that all threads of a process have run

sub schedstat {
    my $pid = shift;

    my $ns = 0;

    for my $task (glob "/proc/$pid/task/*/schedstat") {
        my ($run) = slurp($task) =~ /^(\d+)/ or next;
        $ns += $run;
    }

    return $ns;
}


# established connections whose local or remote port is this one, by ss(8)

sub connections {
    my ($side, $port) = @_;

    my $text = run_command('ss', '-Htn', 'state', 'established',
                           "( $side = :$port )");

    return scalar(() = $text =~ /\n/g);
}


# --- small things --------------------------------------------------------

# Calls a condition until it is true: its value, or nothing when the time is
# over.

sub wait_for {
    my ($seconds, $condition) = @_;

    my $end = Time::HiRes::time() + $seconds;

    while (1) {
        my $value = $condition->();
        return $value if $value;
        return if Time::HiRes::time() > $end;
        Time::HiRes::sleep(0.02);
    }
}


sub slurp {
    my $path = shift;

    open my $fh, '<', $path or return '';
    local $/;

    return scalar(<$fh>) // '';
}


sub spew {
    my ($path, $text) = @_;

    open my $fh, '>', $path or die "open() \"$path\" failed: $!\n";
    print $fh $text;
    close $fh or die "close() \"$path\" failed: $!\n";
}


# seconds since the epoch of an RFC 3339 time in UTC

sub stamp {
    my $text = shift // return 0;

    my ($y, $mo, $d, $h, $mi, $s)
        = $text =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z$/ or return 0;

    require Time::Local;

    return Time::Local::timegm(int $s, $mi, $h, $d, $mo - 1, $y) + $s - int $s;
}


# Which of the counters in two answers of metrics, one after the other, have
# fallen.

sub monotonic_errors {
    my ($before, $after) = @_;

    my @paths = (
        map({ ['requests', $_] } qw(total errors client_errors bytes_in
                                    bytes_out)),
        map({ ['connections', $_] } qw(accepted handled)),
        map({ ['cpu', $_] } qw(user_seconds system_seconds num_cgo_call
                               voluntary_switches minor_faults)),
        map({ ['gc', $_] } qw(num_gc pause_total_ns)),
        map({ ['event_loop', $_] } qw(iterations events busy_seconds
                                      wait_seconds)),
        map({ ['requests', 'by_status', $_] }
            keys %{ $before->{metrics}{requests}{by_status} }),
    );

    my @fallen;

    for my $path (@paths) {
        my ($one, $two) = map {
            my $value = $_->{metrics};
            $value = $value->{$_} for @$path;
            $value;
        } $before, $after;

        # null, or not there
        if (!defined $one || !defined $two) {
            push @fallen, join('.', @$path) . ': unknown';
            next;
        }

        push @fallen, join('.', @$path) . ": $one, then $two" if $two < $one;
    }

    if ($after->{uptime} < $before->{uptime}) {
        push @fallen, "uptime: $before->{uptime}, then $after->{uptime}";
    }

    return @fallen;
}


# A child that polls metrics as fast as it can until it is told to end: what
# went wrong is counted by kind in a file, see poller_result().

sub poller {
    my $self = shift;

    my $file = "$self->{dir}/poller";

    my $pid = background(sub {
        my ($last, $end);
        my %seen = (answers => 0, fallen => [], odd => [], errors => {});

        $SIG{TERM} = sub { $end = 1 };

        until ($end) {
            my $r = $self->get('/api/profiling/metrics', timeout => 60);

            # the signal that ends it may have interrupted the last one

            last if $end && $r->{error};

            if ($r->{error}) {
                $seen{errors}{ $r->{error} }++;
                next;
            }

            my $m = eval { decode_json($r->{body}) };

            if ($r->{status} != 200 || !$m) {
                push @{ $seen{odd} }, "$r->{status} $r->{body}";
                next;
            }

            $seen{answers}++;

            if ($last) {
                push @{ $seen{fallen} }, monotonic_errors($last, $m);
            }

            for my $w (@{ $m->{workers} }) {
                $seen{states}{ $w->{state} }++;
                $seen{slots}{ $w->{slot} }++;
            }

            $last = $m;
        }

        spew($file, encode_json(\%seen));
    });

    return $pid;
}


sub poller_result {
    my ($self, $pid) = @_;

    reap($pid, 'TERM');

    return decode_json(slurp("$self->{dir}/poller"));
}


# The same clients with and without the module: asks for /empty until it is
# told to end, and counts what came.

sub prober {
    my ($self, $path) = @_;

    my $file = "$self->{dir}/prober";

    return background(sub {
        my $end;
        my %seen;

        $SIG{TERM} = sub { $end = 1 };

        until ($end) {
            my $r = request($self->{port}, $path || '/empty', timeout => 60);

            # the signal that ends it may have interrupted the last one

            $seen{ $r->{error} || $r->{status} }++ unless $end;
            Time::HiRes::sleep(0.002);
        }

        spew($file, encode_json(\%seen));
    });
}


sub prober_result {
    my ($self, $pid) = @_;

    reap($pid, 'TERM');

    return decode_json(slurp("$self->{dir}/prober"));
}


1;
