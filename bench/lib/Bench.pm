package Bench;

# What the benches share: where the build and nginx are, a directory for the
# time of a run, the choice of parts, rows of the table, callgrind, medians.
#
# BUILD is the build directory, BINARY the nginx to measure with, BENCH_SHARE
# how many seconds the turns of a script may take, see bench/table.  Loaded
# before t/lib is: it goes to the top of the checkout, and sets what the sites
# of t/lib find in the environment, see t/run.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use List::Util qw(max sum0);
use Time::HiRes ();

our @EXPORT = qw($build $dir parts row barred middle until_over with_encoder callgrind
                 total functions calls slow
                 median quartiles);

our $build = abs_path($ENV{BUILD} || 'build');
our $dir = tempdir('bench.XXXXXX', TMPDIR => 1, CLEANUP => 1);

chdir dirname(abs_path(__FILE__)) . '/../..' or die "chdir() failed: $!\n";

$ENV{BUILD} = $build;
$ENV{ENCODER} = "$build/ngx_http_profiling_encoder";
$ENV{TEST_NGINX_BINARY} = $ENV{BINARY} || '/usr/sbin/nginx';
$ENV{TEST_NGINX_LOAD_MODULES} = "$build/ngx_http_profiling_module.so";
$ENV{TEST_NGINX_SERVROOT} = $dir;

unshift @INC, 't/lib';

$| = 1;


# runs those that are asked for, or all in their order

sub parts {
    my @parts = @_;

    my %part = @parts;
    my @all = map { $parts[2 * $_] } 0 .. $#parts / 2;

    for my $name (@ARGV ? @ARGV : @all) {
        my $run = $part{$name} or die "no such part: $name\n";
        $run->();
    }
}


# A row of the table: what was measured, its value, and how it spreads.

sub row {
    my ($what, $value, $spread) = @_;

    printf "| %s | %s | %s |\n", $what, $value, $spread // '';
}


# A row with its bar: a figure that is not to be above it.  What is, is told in
# the row, and once more below the table.

sub barred {
    my ($what, $figure, $most, $unit, $spread) = @_;

    my $missed = $figure > $most;

    row($what, sprintf('%.2f %s, %s its bar of %g %s', $figure, $unit,
                       $missed ? '**above**' : 'below', $most, $unit),
        $spread);
}


# the middle half of some values, and how many there were

sub middle {
    my ($format, @values) = @_;

    return sprintf "$format to $format, %d runs", quartiles(@values),
                   scalar @values;
}


# Calls code over and over, for a part of what this script may take: no less
# than `least` times, and no more than `most`.

sub until_over {
    my ($part, $least, $most, $code) = @_;

    my $end = Time::HiRes::time() + $part * ($ENV{BENCH_SHARE} || 60);

    for my $turn (1 .. $most) {
        last if $turn > $least && Time::HiRes::time() > $end;
        $code->($turn);
    }
}


# the module lies where the encoder is beside it and workers can go

sub with_encoder {
    mkdir "$dir/modules" or die "mkdir() failed: $!\n";

    system('cp', (map { "$build/ngx_http_profiling_$_" }
                  'module.so', 'encoder'), "$dir/modules") == 0 or exit 1;

    $ENV{TEST_NGINX_LOAD_MODULES} =
        "$dir/modules/ngx_http_profiling_module.so";
}


# The wrapper of an nginx whose instructions are counted; a file a process.  With
# a true second argument its clocks are as much slower, so that it takes no more
# time, by them, than it does without.

sub callgrind {
    my ($dir, $slower) = @_;

    my @run = ('valgrind', '-q', '--tool=callgrind',
               "--callgrind-out-file=$dir/temp/callgrind.%p");

    return \@run if !$slower;

    our $clocks //= do {
        my $so = "$Bench::dir/clocks.so";

        system('cc', '-O2', '-fPIC', '-shared', '-o', $so,
               'bench/lib/clocks.c') == 0
            or die "clocks.c does not compile\n";
        $so;
    };

    return ['env', "LD_PRELOAD=$clocks", @run];
}


# how often a function was called

sub calls {
    my ($file, $function) = @_;

    open my $fh, '<', $file or die "open() \"$file\" failed: $!\n";

    my ($calls, $id, $to) = (0, '', '');

    while (my $line = <$fh>) {
        $id = $1 if $line =~ /fn=(\(\d+\)) \Q$function\E$/;
        $to = $1 if $line =~ /^cfn=(\(\d+\))/;
        $calls += $1 if $line =~ /^calls=(\d+)/ && $to eq $id;
    }

    return $calls;
}


# Of a worker's functions with all that they call: what it does since callgrind
# makes it slow.  Each open() takes more than the 10 us from which on it counts
# as one that waited.  The recorder's samples come by CPU time, and the counter is
# measured for a time at the start.

sub slow {
    my $called = shift;

    return sum0(map { $_ // 0 }
                @$called{qw(ngx_prof_block_ended ngx_prof_clock_init
                            ngx_prof_signal_handler)});
}


# instructions of a process

sub total {
    my $file = shift;

    open my $fh, '<', $file or die "open() \"$file\" failed: $!\n";

    while (my $line = <$fh>) {
        return $1 if $line =~ /^(?:summary|totals): (\d+)/;
    }

    return 0;
}


# the same of the functions of the module and of the encoder, each alone; with a
# true second argument with all that they call

sub functions {
    my ($file, $inclusive) = @_;

    open my $fh, '-|', 'callgrind_annotate', '--auto=no', '--threshold=100',
                 $inclusive ? '--inclusive=yes' : (), $file
        or die "callgrind_annotate: $!\n";

    my %count;

    while (my $line = <$fh>) {
        my ($number, $name) =
            $line =~ /^\s*([\d,]+)\s.*?[^\s:]*:((?:ngx_prof|profiling)_\w+)/
            or next;

        $number =~ tr/,//d;

        # what is inlined of another file has a line of its own, with all

        $count{$name} = $inclusive ? max($count{$name} // 0, $number)
                                   : ($count{$name} // 0) + $number;
    }

    return \%count;
}


sub median {
    my @sorted = sort { $a <=> $b } @_;

    return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}


sub quartiles {
    my @sorted = sort { $a <=> $b } @_;

    return ($sorted[$#sorted / 4], $sorted[$#sorted - int($#sorted / 4)]);
}


1;
