package Profile;

# What the tests of CPU profiles share: profiles that are taken while
# something runs, decoded by a reader of their own, or looked at by the tools
# that users have; load; a module whose CPU time is known beforehand.
#
#   my $site = Site->new(modules => [ Profile::test_module() ], ...);
#   my $load = Profile::load($site, '/one', '/three');
#   my $p = Profile::take($site, seconds => 3);
#   is_valid($p, 'profile');
#   share($p, has('profiling_test_one_cfi'));
#
# A profile: {samples}, a list of {frames} (names, innermost first), {labels},
# {count}, {cpu} (ns); {cpu}, {count}: their sums; {file}: where it is;
# {decoded}: as Encoder.pm has it; {comments}.

use strict;
use warnings;

use Compress::Zlib ();
use Cwd qw(abs_path);
use Digest::MD5 qw(md5_hex);
use Exporter qw(import);
use Fcntl qw(LOCK_EX);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use List::Util qw(max shuffle sum0);
use POSIX qw(:sys_wait_h);
use Test::More ();
use Time::HiRes qw(clock_gettime sleep time);

use lib dirname(abs_path(__FILE__)) . '/../encoder/lib';
use Encoder ();
use Site;

our @EXPORT = qw(has under labelled share sum is_valid is_quiet about wrong cpu_ns sampled
                 sampler spread load background finish go thread_start);

my $root = abs_path(dirname(abs_path(__FILE__)) . '/../..');
my $build = $ENV{BUILD} || "$root/build";
my $cc = $ENV{CC} || 'gcc';

our $dir = tempdir(CLEANUP => 1);
our $modules = '/usr/lib/nginx/modules';

# the parts of conf/profiling.conf that are asked here
our $handlers = $Site::handlers . <<'CONF';
        location ^~ /debug/pprof/ { profiling_pprof; }
CONF

# a fault in the library, and one in a trace that it has made
our $lua_deaths = <<'CONF';
        location /lua { content_by_lua_block {
            require("ffi").cast("int *", 16)[0] = 1 } }
        location /trace { content_by_lua_block {
            local ffi = require "ffi"
            local p, sum = ffi.cast("int *", ffi.new("int[100]")), 0
            for i = 0, 1e9 do sum = sum + p[i] end
            ngx.say(sum) } }
CONF

# relocation of a shared object against a function that another one may have
my @flags = qw(-std=gnu11 -O2 -g -fPIC -Wall -Wextra -Wno-unused-parameter
               -Werror -fno-optimize-sibling-calls -fno-stack-protector
               -fcf-protection=none);

my %kinds = (
    cfi   => [ '-fomit-frame-pointer' ],
    fp    => [ '-fno-omit-frame-pointer' ],
    nocfi => [ qw(-fno-omit-frame-pointer -fno-asynchronous-unwind-tables
                  -fno-unwind-tables) ],
);

my $number = 0;
my %children;
my $owner = $$;

chmod 0755, $dir;


sub sh {
    my @command = @_;

    system(@command) == 0 or die "@command failed\n";
}


# The module of t/module, built against the tree of the build; shifted: with
# its functions at other addresses.  It is built once for all files, and workers
# get it where they can go.

sub test_module {
    my %o = @_;

    my $name = 'ngx_http_profiling_test_module'
               . ($o{shifted} ? '_shifted' : '') . '.so';
    my $out = "$dir/$name";

    return $out if -e $out;

    # whoever may not write there builds one of his own
    open my $lock, '>', "$build/test_module.lock"
        or return build_test_module($out, %o);
    flock $lock, LOCK_EX or die "flock() failed: $!\n";

    my $kept = "$build/$name";
    my $of = md5_hex($cc, @flags, map { Encoder::slurp($_) }
                     glob("$root/t/module/* $root/{shm,format}/*.h"),
                     "$build/nginx/objs/ngx_auto_config.h",
                     "$build/nginx/src/core/nginx.h");

    if (!-e $kept || !-e "$kept.of" || Encoder::slurp("$kept.of") ne $of) {
        build_test_module($kept, %o);
        Encoder::spew("$kept.of", $of);
    }

    sh('cp', $kept, $out);

    return $out;
}


sub build_test_module {
    my ($out, %o) = @_;

    my $tree = "$build/nginx";
    my @objects;

    # frame pointers where there is nothing else: no code of this machine's
    # architecture alone
    for my $kind (sort keys %kinds) {
        push @objects, "$dir/burn_$kind.o";
        sh($cc, grep({ $kind ne 'nocfi' || $_ ne '-g' } @flags),
           @{ $kinds{$kind} }, "-DKIND=$kind", '-c',
           "$root/t/module/burn.c", '-o', $objects[-1]);
    }

    my @includes = map { "-I$_" } "$tree/objs",
                   grep { -d } map { "$tree/src/$_" }
                   qw(core event event/modules event/quic os/unix http
                      http/modules http/v2 http/v3);

    push @objects, "$dir/heap.o";
    sh($cc, @flags, '-D_GNU_SOURCE', '-Wno-alloc-size-larger-than', '-c',
       "$root/t/module/heap.c", '-o', $objects[-1],
       $o{shifted} ? '-DSHIFTED' : ());

    for my $file (qw(calls timed)) {
        push @objects, "$dir/$file.o";
        sh($cc, @flags, '-D_GNU_SOURCE', '-c', "$root/t/module/$file.c",
           '-o', $objects[-1]);
    }

    # what it overwrites
    push @objects, "$dir/damage.o";
    sh($cc, @flags, @includes, map({ "-I$root/$_" } qw(shm format)), '-c',
       "$root/t/module/damage.c", '-o', $objects[-1]);

    sh($cc, @flags, @includes, '-shared', '-o', $out,
       "$root/t/module/ngx_http_profiling_test_module.c",
       "$root/t/module/block.c", "$root/t/module/die.c",
       "$root/t/module/foreign.c", @objects);

    return $out;
}


# An object for "profiling_test dlopen".

sub plugin {
    my $out = "$dir/plugin.so";

    sh($cc, @flags, '-DKIND=plugin', '-shared', "$root/t/module/burn.c",
       '-o', $out) unless -e $out;

    return $out;
}


sub lua_modules {
    return ("$modules/ndk_http_module.so", "$modules/ngx_http_lua_module.so");
}


# DIR/tls.crt and DIR/tls.key of a site

sub certificate {
    my ($site, $bits) = @_;

    my $said = run(qw(openssl req -x509 -nodes -days 2 -subj /CN=main -newkey),
                   'rsa:' . ($bits // 2048), '-keyout', $site->dir . '/tls.key',
                   '-out', $site->dir . '/tls.crt');

    die $said if $?;
}


# A profile of `seconds`; args: more of the query; path, to, get: instead.

sub take {
    my ($site, %o) = @_;

    return decode(bytes($site, %o));
}


sub bytes {
    my ($site, %o) = @_;

    my $seconds = $o{seconds} || 1;
    my $path = $o{path}
               || "/debug/pprof/profile?seconds=$seconds" . ($o{args} || '');

    my $got;

    until_true(240, sub {
        $got = $site->request($path, to => $o{to}, seconds => $seconds + 60,
                              method => $o{method});
        return $o{once} || !late($got);
    });

    return '' if $o{once} && late($got);

    die "$path: status $got->{status}: $got->{body}\n"
        unless $got->{status} == 200;

    return $got->{body};
}


# A machine with too much to do, where the encoder has no time, is told as such:
# there is no profile, or one without names, or without inlined calls.

sub late {
    my $got = shift;

    return $got->{body} =~ /time limit exceeded|took too long/
        if $got->{status} == 500;

    # it takes what it is given
    my $bytes = $got->{body};

    return $bytes =~ /\A\x1f\x8b/
           && (Compress::Zlib::memGunzip($bytes) // '') =~ /it took too long/;
}


# The workers have no children: a signal of the end of one may break off what
# they do.

sub encoders_ended {
    my $site = shift;

    return until_true(60, sub {
        return !grep { slurp("/proc/$_/task/$_/children") =~ /\d/ }
                     $site->workers;
    });
}


sub decode {
    my $bytes = shift;

    my $d = Encoder::decode($bytes);
    my $file = "$dir/" . ++$number . '.pb.gz';

    Encoder::spew($file, $bytes);

    my %p = (decoded => $d, file => $file, comments => $d->{comments},
             cpu => 0, count => 0);

    for my $s (@{ $d->{samples} }) {
        my @frames = map {
            map { $d->{functions}[$_->{function} - 1]{name} }
                @{ $d->{locations}[$_ - 1]{line} }
        } @{ $s->{locations} };

        push @{ $p{samples} }, {
            frames => \@frames,
            labels => { map { $_->[0] => $_->[1] } @{ $s->{labels} } },
            count  => $s->{values}[0],
            cpu    => $s->{values}[1] // 0,
            values => $s->{values},
        };

        $p{count} += $s->{values}[0];
        $p{cpu} += $s->{values}[1] // 0;
    }

    $p{samples} ||= [];

    return \%p;
}


# Conditions of samples: this function is on the stack; it is innermost;
# these labels (undef: none).

sub has {
    my $name = shift;

    return sub { grep { ref $name ? $_ =~ $name : $_ eq $name }
                 @{ $_[0]{frames} } };
}


sub under {
    my ($outer, $inner) = @_;

    return sub {
        my @frames = @{ $_[0]{frames} };
        shift @frames while @frames && $frames[0] ne $inner;
        return scalar grep { $_ eq $outer } @frames;
    };
}


sub labelled {
    my %labels = @_;

    return sub {
        my $has = $_[0]{labels};

        for my $key (keys %labels) {
            my ($is, $should) = ($has->{$key}, $labels{$key});
            return 0 unless defined $is ? defined $should && $is eq $should
                                        : !defined $should;
        }

        return 1;
    };
}


# ns of CPU time in samples that fulfil all conditions

sub sum {
    my ($p, @conditions) = @_;

    my $ns = 0;

    SAMPLE: for my $s (@{ $p->{samples} }) {
        for my $condition (@conditions) {
            next SAMPLE unless $condition->($s);
        }

        $ns += $s->{cpu};
    }

    return $ns;
}


# the part of those that fulfil the first condition in which all others hold
# too; undef: none does

sub share {
    my ($p, @conditions) = @_;

    my $of = @conditions > 1 ? sum($p, $conditions[0]) : $p->{cpu};

    return $of ? sum($p, @conditions) / $of : undef;
}


# says under which labels such samples are

sub wrong {
    my ($p, @conditions) = @_;

    my %seen;

    for my $s (@{ $p->{samples} }) {
        next if grep { !$_->($s) } @conditions;
        my $l = $s->{labels};
        $seen{ join ' ', map { "$_=" . ($l->{$_} // '-') }
               qw(server location upstream state) } += $s->{count};
    }

    Test::More::diag(map { "$seen{$_} samples: $_\n" }
         sort { $seen{$b} <=> $seen{$a} } keys %seen);
}


# Does the stack begin where threads begin, with nothing lost between?

sub thread_start {
    my $s = shift;

    my @frames = @{ $s->{frames} };

    return 0 if grep { /^\[(?:broken|truncated)\]/ } @frames;
    return $frames[-1] =~ /^(?:_start|clone3?|__clone3?|main|start_thread)$/
           # Debian's nginx has no symbol for it
           || $frames[-1] =~ m{^nginx\+0x[0-9a-f]+$}
           || $frames[-1] =~ m{^(?:libc\.so\.6|pthread_create local)
                               \+0x[0-9a-f]+$}x;
}


sub is_valid {
    my ($p, $name) = @_;

    my $d = $p->{decoded};
    my @bad = Encoder::check_profile($d);

    push @bad, "types @{ $d->{types} }"
        if "@{ $d->{types} }" ne 'samples/count cpu/nanoseconds';
    push @bad, "period $d->{period} $d->{period_type}"
        if $d->{period_type} ne 'cpu/nanoseconds' || !$d->{period};
    push @bad, 'duration' unless $d->{duration} > 0;
    push @bad, "time $d->{time}" if abs($d->{time} / 1e9 - time()) > 600;
    push @bad, 'concatenated or empty samples'
        if grep { $_->{count} <= 0 || $_->{cpu} < 0 } @{ $p->{samples} };

    splice @bad, 10 if @bad > 10;

    Test::More::ok(!@bad, "$name: is a valid profile")
        or Test::More::diag(map { "$_\n" } @bad);
}


# within a share of what it should be

sub about {
    my ($is, $should, $tolerance, $name) = @_;

    Test::More::ok(defined $is
                   && abs($is - $should) <= $tolerance * abs($should), $name)
        or Test::More::diag('is ', $is // 'none', ", should be $should, +-",
                            100 * $tolerance, '%');
}


# ns of CPU time of processes, with all their threads, to the moment: by the
# clocks that the kernel has for each, of which the number is made of the pid.

sub cpu_ns {
    my $ns = 0;

    for my $pid (@_) {
        my $seconds = clock_gettime(-8 * ($pid + 1) + 2);
        $ns += 1e9 * $seconds if $seconds > 0;
    }

    return $ns;
}


# A profile, with what the workers spent over the same time by their own
# clocks, which are read all the while: see measure().  armed: the timers run
# already, see armed().

sub take_measured {
    my ($site, $workers, %o) = @_;

    my ($signals, $bytes, $read);

    until_true(240, sub {
        my $before = sampled($site);
        my $b;

        $read = watch($workers, sub {
            $b = background(sub { bytes($site, %o, once => 1) });
        });

        $signals = sampled($site) - $before;
        $bytes = Encoder::slurp($b->{file});

        return $bytes ne '';
    }) or die "the encoder has no time\n";

    return measure(decode($bytes), $workers, $read, $signals, %o);
}


# The clocks of the workers, from before code asks for answers until these are
# there.

sub watch {
    my ($workers, $code) = @_;

    my @read = clocks(@$workers);
    my @b = $code->();

    while (@b) {
        sleep 0.005;
        push @read, clocks(@$workers);
        @b = grep { !waitpid($_->{pid}, WNOHANG)
                    || !delete $children{$_->{pid}} } @b;
    }

    return [ @read, clocks(@$workers) ];
}


# {spent}: ns of CPU time of all workers; {range}: what it is at least and at
# most, of each by its pid; {had}: clocks of each when it began, at least
# and at most, and when it was over, at least; {told}: at the latest, when it
# told its samples; {gap}: ns of CPU time from one signal to the
# next; {each}: periods of a signal.

sub measure {
    my ($p, $workers, $read, $signals, %o) = @_;

    # what is over after some seconds may be told later, of which others have
    # what they sample until then

    my $from = $p->{decoded}{time} / 1e9;
    my $over = $from + $o{seconds};
    my $told = $from + $p->{decoded}{duration} / 1e9;
    my @from = clocks_at($from, @$read);
    my ($over_least, $over_most) = clocks_at($over, @$read);
    my ($told_least, $told_most) = clocks_at($told, @$read);

    for my $pid (@$workers) {
        my $least = $over_least->{$pid} - $from[1]{$pid};
        my $most = $told_most->{$pid} - $from[0]{$pid};
        $p->{range}{$pid} = [ max(0, $least), $most ];
        $p->{spent} += ($least + $most) / 2;
        $p->{had}{$pid} = [ map { $_->{$pid} } @from,
                            $o{armed} ? $told_least : $over_least ];
        $p->{told}{$pid} = $told_most->{$pid};
    }

    # the timers were armed for longer than the capture

    my $all = $o{armed} ? sum0(map { $read->[-1]{$_} - $read->[0]{$_} }
                               @$workers)
                        : $p->{cpu};

    $p->{gap} = $all / ($signals || 1);
    $p->{each} = max(1, $p->{gap} / $p->{decoded}{period});
    $p->{armed} = $o{armed};

    return $p;
}


# Nobody captures: while workers burn the processor nothing is sampled.  Of a
# capture that has just ended a timer may still expire, with the CPU time of its
# worker.

sub is_quiet {
    my ($site, $name) = @_;

    Test::More::ok(until_true(60, sub {
        my $before = sampled($site);
        my @workers = $site->workers;
        my $ns = cpu_ns(@workers);

        return until_true(60, sub { cpu_ns(@workers) - $ns > 100e6 })
               && sampled($site) == $before;
    }), $name);
}


# Profiles put together until there is enough for a judgement, of `seconds`
# each, and no more than `tries`.

sub take_until {
    my ($site, $enough, %o) = @_;

    my $p;

    for (1 .. $o{tries} || 40) {
        my $more = take($site, %o);

        if ($p) {
            push @{ $p->{samples} }, @{ $more->{samples} };
            $p->{$_} += $more->{$_} for qw(cpu count);

        } else {
            $p = $more;
        }

        last if $enough->($p);
    }

    return $p;
}


sub clocks {
    my %read = (began => time());

    $read{$_} = cpu_ns($_) for @_;
    $read{ended} = time();

    return \%read;
}


# the last reading before a time, the first one after it

sub clocks_at {
    my ($time, @read) = @_;

    my ($before) = grep { $_->{ended} <= $time } reverse @read;
    my ($after) = grep { $_->{began} >= $time } @read;

    die "the clocks were not read then\n" unless $before && $after;

    return ($before, $after);
}


# Samples are taken by these workers from now on, for a minute: captures that
# begin meanwhile need not arm a timer.  Ends with the connection.

sub armed {
    my ($site, @workers) = @_;

    my $s = $site->connect;
    my %had = map { $_ => sampled($site, $_) } @workers;

    print $s "GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\n"
             . "Host: main\r\n\r\n";
    $s->flush;

    until_true(60, sub { !grep { sampled($site, $_) == $had{$_} } @workers })
        or die "workers are not sampled\n";

    return $s;
}


# What the samplers have done so far, of all workers together or of one.

sub sampler {
    my ($site, $worker) = @_;

    my $got;

    # a worker that has just begun is not known yet
    until_true(60, sub {
        $got = $site->json('metrics' . ($worker ? "?worker=$worker" : ''));
        return $got->{overhead};
    }) or die "the worker is not known\n";

    return $got->{overhead}{sampler};
}


sub sampled { return sampler(@_)->{samples} }


# Loads of the same paths, until so many of the workers have one to do: a list
# of the loads and one of these workers.

sub spread {
    my ($site, $workers, $wanted, @paths) = @_;

    my @loads;
    my %busy;

    for (1 .. 40) {
        my %before = map { $_ => cpu_ns($_) } @$workers;
        my $load = load($site, @paths);

        # one that others keep from the processor needs some time for it
        my $worker = until_true(5, sub {
            my ($w) = grep { !$busy{$_} && cpu_ns($_) - $before{$_} > 30e6 }
                      @$workers;
            return $w;
        });

        if ($worker) {
            push @loads, $load;
            $busy{$worker} = 1;
            return (\@loads, [ keys %busy ]) if keys %busy == $wanted;

        } else {
            end($load);
        }
    }

    die "not all workers got something to do\n";
}


sub command {
    my @command = @_;

    my $pid = fork() // die "fork() failed: $!\n";

    if (!$pid) {
        open STDOUT, '>', "$dir/command.$$";
        open STDERR, '>&', \*STDOUT;
        exec(@command) or POSIX::_exit(127);
    }

    $children{$pid} = 1;

    return { pid => $pid, file => "$dir/command.$pid" };
}


# The answer of a request that is made meanwhile: finish() waits for it.

sub background {
    my $code = shift;

    my $file = "$dir/" . ++$number . '.answer';
    my $pid = fork() // die "fork() failed: $!\n";

    if (!$pid) {
        my $ok = eval { Encoder::spew($file, $code->()); 1 };
        print STDERR "# $@" unless $ok;
        POSIX::_exit($ok ? 0 : 1);
    }

    $children{$pid} = 1;

    return { pid => $pid, file => $file };
}


sub finish {
    my $b = shift;

    waitpid $b->{pid}, 0;
    delete $children{$b->{pid}};

    return $? ? undef : Encoder::slurp($b->{file});
}


sub end {
    my $b = shift;

    kill 'KILL', $b->{pid};
    waitpid $b->{pid}, 0;
    delete $children{$b->{pid}};
}


# A client that asks for paths over and over, each once a round, in no order,
# since a cycle and the period of a sampler may stay in step.  On a connection
# that is kept, as fast as it is answered or `pause` seconds apart.  It goes on
# with a new connection when the old one fails.

sub load {
    my ($site, @paths) = @_;

    my %o = ref $paths[0] ? %{ shift @paths } : ();
    return repeat(sub {
        my $s = $site->connect($o{to});

        if (!$s) {
            sleep 0.02;
            return;
        }

        ask($s, shuffle(@paths), $o{pause})
            while getppid() == $owner && $s->opened;
    });
}


# a load that does this over and over

sub repeat {
    my $code = shift;

    my $pid = fork() // die "fork() failed: $!\n";

    if ($pid) {
        $children{$pid} = 1;
        return { pid => $pid };
    }

    $SIG{TERM} = 'DEFAULT';
    srand;

    $code->() while getppid() == $owner;

    POSIX::_exit(0);
}


sub ask {
    my ($s, @paths) = @_;

    my $pause = pop @paths;

    for my $path (@paths) {
        send_get($s, $path) && receive($s) or return $s->close;

        sleep $pause if $pause;
    }
}


# Requests that the only worker finds together when it goes on, each of a client of
# its own that has been idle since it asked for something else.

sub together {
    my ($site, $else, @paths) = @_;

    my ($pid) = $site->workers;
    my @all = map { $site->connect } @paths;

    for my $s (@all) {
        send_get($s, $else);
        receive($s);
    }

    kill 'STOP', $pid;
    until_true(60, sub { slurp("/proc/$pid/stat") =~ /\) T / });

    send_get($all[$_], $paths[$_]) for 0 .. $#all;

    kill 'CONT', $pid;
    receive($_) for @all;
}


sub send_get { return syswrite $_[0], "GET $_[1] HTTP/1.1\r\nHost: main\r\n\r\n" }


# an answer is read to its end; whether another one may follow

sub receive {
    my $s = shift;

    my $got = '';

    until ($got =~ /\r\n\r\n/) {
        sysread($s, $got, 65536, length $got) or return;
    }

    my ($head, $body) = split /\r\n\r\n/, $got, 2;

    if ($head =~ /^Content-Length: (\d+)/mi) {
        while (length $body < $1) {
            sysread($s, $body, 65536, length $body) or return;
        }

    } elsif ($head =~ /^Transfer-Encoding: chunked/mi) {
        until ($body =~ /(?:^|\r\n)0\r\n\r\n\z/) {
            sysread($s, $body, 65536, length $body) or return;
        }
    }

    return $head !~ /^Connection: close/mi;
}


# go tool pprof with these arguments: what it prints, with $? of it

sub go {
    local %ENV = (%ENV, HOME => $dir, PPROF_TMPDIR => "$dir/pprof",
                  GOFLAGS => '', GOCACHE => "$dir/gocache");
    delete @ENV{qw(http_proxy https_proxy HTTP_PROXY HTTPS_PROXY)};

    return run('go', 'tool', 'pprof', '-symbolize=none', @_);
}


END {
    if ($$ == $owner) {
        my $status = $?;

        for my $pid (keys %children) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
        }

        $? = $status;
    }
}


1;
