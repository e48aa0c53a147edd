package Cores;

# What a debugger reads from the core of a worker, so that cores of two runs
# can be compared: addresses and pids are others in each process, and the
# profiler's own frames are in one of them.
#
#   my $site = Cores::site($side, ...);       with or without the module
#   my $told = Cores::told($site, '/null');   NULL: no core is written here
#   $told->{end}      what nginx says of its end
#   $told->{lines}    signal, code, address or sender; function of each frame
#   $told->{room}     bytes on the disk

use strict;
use warnings;

use Fault;
use Profile;

# frames of one that has none but its own
my $frames = 40;


sub possible {
    return Fault::slurp('/proc/sys/kernel/core_pattern') =~ /^core\b[^|]*$/
           && !system('which gdb >/dev/null 2>&1');
}


sub site {
    my ($side, $name, $server) = @_;

    my $site = Fault->new(name => "$name-$side", workers => 1,
                          modules => [ Profile::test_module() ],
                          profiling => $side eq 'with' ? ''
                                                       : 'profiling off;',
                          main => 'worker_rlimit_core 1g; user root; '
                                  . 'working_directory DIR/cores;',
                          server => "$server location /ok { return 200 ok; }");

    mkdir $site->dir . '/cores';
    $site->start;

    return $site;
}


sub told {
    my ($site, $path) = @_;

    my ($pid) = $site->workers;

    $site->get($path, timeout => 20);

    wait_for(60, sub {
        my @workers = $site->workers;
        return @workers == 1 && $workers[0] != $pid
               && ($site->get('/ok')->{body} // '') eq 'ok';
    }) or die "$path: no other worker comes\n" . $site->log;

    my ($core) = glob $site->dir . '/cores/core*';

    return if !$core;

    my $room = (stat $core)[12] * 512;
    my ($end) = $site->log =~ /worker process $pid (exited on .*)/;
    my $info = '$_siginfo';
    my $fault = "($info.si_code > 0)";

    my $gdb = run_command('gdb', '-batch', '-nx', '-ex', "bt $frames",
                          map({ ('-ex', "p $_") }
                              "$info.si_signo", "$info.si_code",
                              "$fault ? (long) $info._sifields._sigfault"
                              . '.si_addr : 0',
                              "$fault ? 0 : $info._sifields._kill.si_pid"),
                          '-ex', "info symbol $fault ? (long) $info._sifields"
                                 . '._sigfault.si_addr : 0',
                          ($ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx'),
                          $core);
    unlink $core;

    my @lines = grep { /^#|^\$|in section|No symbol matches/
                       && !/ngx_prof_|\?\? / } split /\n/, $gdb;

    for (@lines) {
        s/^#\d+\s+(?:0x\w+ in )?(\S+).*/$1/;
        # a large one is that of a mapping, or of the stack
        s/^(\$3 = )-?\d{7,}/$1ADDRESS/;
        s/\b$pid\b/PID/g;
        s/ of \S*\/(\S+)$/ of $1/;
        s/^No symbol matches.*/no symbol/;
    }

    return { end => $end, lines => \@lines, room => $room };
}


1;
