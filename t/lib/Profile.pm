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

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Test::More ();
use Time::HiRes qw(sleep time);

use lib dirname(abs_path(__FILE__)) . '/../encoder/lib';
use Encoder ();
use Site;

our @EXPORT = qw(has under labelled share sum is_valid about wrong cpu_ns sampled
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
# its functions at other addresses.

sub test_module {
    my %o = @_;

    my $tree = "$build/nginx";
    my $out = "$dir/ngx_http_profiling_test_module"
              . ($o{shifted} ? '_shifted' : '') . '.so';

    return $out if -e $out;

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

    sh($cc, @flags, @includes, '-shared', '-o', $out,
       "$root/t/module/ngx_http_profiling_test_module.c",
       "$root/t/module/block.c", @objects);

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
    my $site = shift;

    my $said = run(qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2
                      -subj /CN=main -keyout), $site->dir . '/tls.key',
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

    my $got = $site->request($path, to => $o{to}, seconds => $seconds + 30);

    die "$path: status $got->{status}: $got->{body}\n"
        unless $got->{status} == 200;

    return $got->{body};
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
           || $frames[-1] =~ m{^libc\.so\.6\+0x[0-9a-f]+$};
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


# ns of CPU time of processes, with all their threads: user and system, from
# the scheduler's own clock

sub cpu_ns {
    my $ns = 0;

    for my $pid (@_) {
        for my $file (glob "/proc/$pid/task/*/schedstat") {
            my ($ran) = split ' ', slurp($file) || '0';
            $ns += $ran;
        }
    }

    return $ns;
}


# A profile, with what the workers' CPU time was over the same time, {spent}:
# read all the while, since the answer comes some time after the capture.

sub take_measured {
    my ($site, $workers, %o) = @_;

    my @read = ([time(), cpu_ns(@$workers)]);
    my $b = background(sub { bytes($site, %o) });

    until (waitpid($b->{pid}, WNOHANG)) {
        push @read, [time(), cpu_ns(@$workers)];
        sleep 0.02;
    }

    delete $children{$b->{pid}};

    my $p = decode(Encoder::slurp($b->{file}));
    my $from = $p->{decoded}{time} / 1e9;

    $p->{spent} = at($from + $p->{decoded}{duration} / 1e9, @read)
                  - at($from, @read);

    return $p;
}


sub at {
    my ($time, @read) = @_;

    for my $i (1 .. $#read) {
        my ($x, $y) = @read[$i - 1, $i];

        return $x->[1] + ($y->[1] - $x->[1])
                         * ($time - $x->[0]) / (($y->[0] - $x->[0]) || 1)
            if $y->[0] >= $time;
    }

    return $read[-1][1];
}


# What the samplers have done so far, all workers together.

sub sampler {
    my $site = shift;

    return $site->json('metrics')->{overhead}{sampler};
}


sub sampled { return sampler($_[0])->{samples} }


# Loads of the same paths, until each of the workers has one to do.

sub spread {
    my ($site, $workers, @paths) = @_;

    my @loads;
    my %busy;

    for (1 .. 40) {
        my %before = map { $_ => cpu_ns($_) } @$workers;
        my $load = load($site, @paths);

        sleep 0.2;

        my ($worker) = sort { cpu_ns($b) - $before{$b}
                              <=> cpu_ns($a) - $before{$a} }
                       grep { !$busy{$_} } @$workers;

        if (cpu_ns($worker) - $before{$worker} > 50e6) {
            push @loads, $load;
            $busy{$worker} = 1;
            last if keys %busy == @$workers;

        } else {
            end($load);
        }
    }

    return @loads;
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


# A client that asks for paths in turn, over and over, on a connection that
# is kept, as fast as it is answered or `pause` seconds apart.  It goes on
# with a new connection when the old one fails.

sub load {
    my ($site, @paths) = @_;

    my %o = ref $paths[0] ? %{ shift @paths } : ();
    my $pid = fork() // die "fork() failed: $!\n";

    if ($pid) {
        $children{$pid} = 1;
        return { pid => $pid };
    }

    $SIG{TERM} = 'DEFAULT';

    while (getppid() == $owner) {
        my $s = $site->connect($o{to});

        if (!$s) {
            sleep 0.02;
            next;
        }

        ask($s, @paths, $o{pause}) while getppid() == $owner && $s->opened;
    }

    POSIX::_exit(0);
}


sub ask {
    my ($s, @paths) = @_;

    my $pause = pop @paths;

    for my $path (@paths) {
        syswrite $s, "GET $path HTTP/1.1\r\nHost: main\r\n\r\n"
            or return $s->close;

        my $got = '';

        until ($got =~ /\r\n\r\n/) {
            sysread($s, $got, 65536, length $got) or return $s->close;
        }

        my ($head, $body) = split /\r\n\r\n/, $got, 2;

        if ($head =~ /^Content-Length: (\d+)/mi) {
            while (length $body < $1) {
                sysread($s, $body, 65536, length $body) or return $s->close;
            }

        } elsif ($head =~ /^Transfer-Encoding: chunked/mi) {
            until ($body =~ /(?:^|\r\n)0\r\n\r\n\z/) {
                sysread($s, $body, 65536, length $body) or return $s->close;
            }
        }

        return $s->close if $head =~ /^Connection: close/mi;

        sleep $pause if $pause;
    }
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
