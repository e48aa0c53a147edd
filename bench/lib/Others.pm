package Others;

# What users would take instead of the module, as Debian has it: variants of
# a site for Turns.pm.  Those that cannot run here say why.

use strict;
use warnings;

use Bench;
use Loads;
use Profile;
use Site;

my $lib = '/usr/lib/' . (run('gcc', '-print-multiarch') =~ s/\s+//gr);
my $heaptrack = '/usr/lib/heaptrack';

# where workers can write to
my $out = "$dir/others";

mkdir $out or die "mkdir() failed: $!\n";
chmod 0777, $out;
chmod 0755, $dir;


# Whether the library or the program is there.

sub have {
    my @files = @_;

    for my $file (@files) {
        die "not here: $file is missing, see tools/install-deps bench\n"
            if !-e $file;
    }
}


# What it has recorded: a file at least that has something in it.

sub left {
    my $name = shift;

    my @files = grep { -s } glob "$out/$name*";

    return scalar @files;
}


# A site without the module, by whose nginx these libraries are loaded.

sub preloaded {
    my ($libraries, $env, %o) = @_;

    have(split /:/, $libraries);

    return Loads::site(module => 0, env => { LD_PRELOAD => $libraries, %$env },
                       main => join('', map { "env $_;\n" } keys %$env), %o);
}


# --- perf -----------------------------------------------------------------

# One site, of which the worker is recorded; each with a file of its own.

sub perf {
    my ($graph, $hertz) = @_;

    my $file = "$out/perf.$graph.$hertz";
    my $site;

    return {
        file  => $file,
        name  => "`perf record --call-graph $graph -F $hertz`",
        site  => sub { have('/usr/bin/perf');
                       return $site ||= Loads::site(module => 0) },
        begin => sub { return record($site, $graph, $hertz, $file) },
        end   => sub { ended($_[0], $file) },
    };
}


sub record {
    my ($site, $graph, $hertz, $file) = @_;

    my ($pid) = Loads::pids($site);
    my $perf = Profile::command('perf', 'record', '--call-graph', $graph,
                                '-F', $hertz, '-o', $file, '-p', $pid);

    # it has opened what it needs, or it has said why it cannot

    my $open = until_true(10, sub {
        return -1 if slurp("/proc/$perf->{pid}/stat") =~ /\) Z/;
        return scalar grep { (readlink($_) // '') =~ /perf_event/ }
                      glob "/proc/$perf->{pid}/fd/*";
    });

    die 'not possible here: ', said($perf), "\n" if !$open || $open < 0;

    Time::HiRes::sleep(0.2);

    return $perf;
}


sub said {
    my $perf = shift;

    kill 'INT', $perf->{pid};
    waitpid $perf->{pid}, 0;

    my $text = slurp($perf->{file}) =~ s/[\s|]+/ /gr;

    return length $text ? substr($text, 0, 150) : 'perf says nothing';
}


sub ended {
    my ($perf, $file) = @_;

    kill 'INT', $perf->{pid};
    Profile::finish($perf);

    die "perf record has left no samples\n" if !-s $file;
}


# --- gperftools -----------------------------------------------------------

# Its CPU profiler is toggled by a signal that nginx has no use for.

sub gperftools_cpu {
    my $hertz = shift;

    my $site;
    my $toggle = sub { kill 'URG', Loads::pids($site) };

    return {
        name  => "gperftools' CPU profiler, $hertz Hz",
        site  => sub {
            return $site = preloaded("$lib/libprofiler.so.0", {
                CPUPROFILE => "$out/gperftools.$hertz",
                CPUPROFILESIGNAL => 23, CPUPROFILE_FREQUENCY => $hertz });
        },
        begin => $toggle,
        end   => sub {
            $toggle->();
            until_true(5, sub { left("gperftools.$hertz") })
                or die "gperftools has left no profile\n";
        },
    };
}


sub tcmalloc {
    my %o = @_;

    return {
        name => 'tcmalloc, nothing profiled',
        site => sub { return preloaded("$lib/libtcmalloc.so.4", {}, %o) },
    };
}


sub gperftools_heap {
    my %o = @_;

    return {
        name    => "gperftools' heap profiler: every allocation",
        against => 'tcmalloc, nothing profiled',
        site    => sub {
            return preloaded("$lib/libtcmalloc.so.4",
                             { HEAPPROFILE => "$out/gperftools.heap" }, %o);
        },
        check => sub { left('gperftools.heap')
                       or die "gperftools has left no heap profile\n" },
    };
}


# --- jemalloc -------------------------------------------------------------

sub jemalloc {
    my %o = @_;

    return {
        name => 'jemalloc, nothing profiled',
        site => sub { return preloaded("$lib/libjemalloc.so.2", {}, %o) },
    };
}


# Sampled every 2^19 bytes, as it is by default, or 2^16.

sub jemalloc_prof {
    my ($power, %o) = @_;

    my $conf = "prof:true,prof_final:true,prof_prefix:$out/jeprof.$power,"
               . "lg_prof_sample:$power";
    my $k = (1 << $power) / 1024;

    return {
        name    => "jemalloc's profiler, ${k}k",
        against => 'jemalloc, nothing profiled',
        site    => sub {
            my $said = jemalloc_says($conf);
            die "not possible here: $said\n" if $said;

            return preloaded("$lib/libjemalloc.so.2",
                             { MALLOC_CONF => $conf }, %o);
        },
        check => sub { left("jeprof.$power")
                       or die "jemalloc has left no profile\n" },
    };
}


# a jemalloc that was built without its profiler says so

sub jemalloc_says {
    my $conf = shift;

    local $ENV{MALLOC_CONF} = $conf =~ s/prof_final:true/prof_final:false/r;
    local $ENV{LD_PRELOAD} = "$lib/libjemalloc.so.2";

    return run('/bin/true') =~ s/\n.*//sr;
}


# --- heaptrack ------------------------------------------------------------

# It does not follow a fork: the nginx is a single process.  What it records
# goes through its interpreter and gzip, as its own script has it.

sub heaptrack {
    my %o = @_;

    return {
        name => 'heaptrack: every allocation, a single process',
        site => sub {
            have("$heaptrack/libheaptrack_preload.so");

            my $pipe = "$out/heaptrack.pipe";

            POSIX::mkfifo($pipe, 0600) or die "mkfifo() failed: $!\n";
            Profile::command('sh', '-c',
                             "$heaptrack/libexec/heaptrack_interpret "
                             . "< $pipe | gzip -c > $out/heaptrack.gz");

            return preloaded("$heaptrack/libheaptrack_preload.so",
                             { DUMP_HEAPTRACK_OUTPUT => $pipe },
                             %o, workers => 0);
        },
        check => sub {
            until_true(30, sub { left('heaptrack.gz') })
                && run('gzip', '-dc', "$out/heaptrack.gz") =~ /^a /m
                or die "heaptrack has recorded nothing\n";
        },
    };
}


1;
