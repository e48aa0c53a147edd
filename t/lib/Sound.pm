package Sound;

# Whether an nginx is sound after what was done to it: what its processes
# hold, what its log says, and whether answers are what their names promise.
#
#   my $before = usage($n);
#   ...
#   nothing_left($n, $before, 'what was done');
#   is_sound($n, 9 => 20);           # as many exits on signal 9, no other
#   my $wrong = invalid($path, $status, $headers, $body);

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use Fault;
use Json;
use Test::More;

use lib dirname(abs_path(__FILE__)) . '/../encoder/lib';
use Encoder ();
use Trace ();

our @EXPORT = qw(usage nothing_left is_sound complaints invalid
                 all_answers_valid @endpoints preload);


# what can be asked, in the quickest way
our @endpoints = (
    map({ "/api/profiling/$_" }
        qw(metrics metrics/history memory gc goroutines runtime health crashes
           locations heap-dump cpu-profile?duration=1)),
    '/metrics',
    map({ "/debug/pprof/$_" }
        '', qw(profile?seconds=1 heap allocs goroutine goroutine?debug=1
               goroutine?debug=2 threadcreate block mutex crash
               trace?seconds=0.01 cmdline symbol)),
);


# What each process holds: descriptors by what they are, timers, threads;
# and how many processes there are.  The master's key is "master".

sub usage {
    my $n = shift;

    # who asks first makes an encoder tell what is of which module

    $n->{learnt} //= wait_for(10, sub {
        my $m = eval { $n->api('modules') };
        return !$m || $m->{known};
    }) || 0;

    my @workers = sort { $a <=> $b } $n->workers;
    my %usage = (workers => scalar @workers,
                 processes => scalar Fault::children($n->{pid}));

    for my $pid ($n->{pid}, @workers) {
        my %fds;

        for my $fd (glob "/proc/$pid/fd/*") {
            my $to = readlink $fd // next;
            $to =~ s/^(socket|pipe):.*/$1/;
            $to =~ s{^/proc/\d+/}{/proc/PID/};
            $fds{$to}++;
        }

        $usage{ $pid == $n->{pid} ? 'master' : "worker $pid" } = {
            fds      => \%fds,
            timers   => scalar(() = slurp("/proc/$pid/timers") =~ /^ID:/mg),
            threads  => proc_status($pid)->{Threads},
            children => scalar Fault::children($pid),
        };
    }

    return \%usage;
}


# No process holds more than before, or another number of anything: at once,
# or when what is still ending has ended.  New workers are compared with any
# old one: all are alike when nothing is going on.

sub nothing_left {
    my ($n, $before, $name, %o) = @_;

    my ($model) = grep { /^worker/ } sort keys %$before;
    my $now;

    my $same = wait_for($o{seconds} || 60, sub {
        $now = usage($n);
        return !differences($before, $now, $model);
    });

    ok($same, "$name: as many descriptors, timers, threads, processes")
        or diag(differences($before, $now, $model));

    return $same;
}


sub differences {
    my ($before, $now, $model) = @_;

    my @bad;

    for my $key (qw(workers processes)) {
        push @bad, "$key: $before->{$key}, then $now->{$key}\n"
            if $before->{$key} != $now->{$key};
    }

    for my $process (grep { ref $now->{$_} } sort keys %$now) {
        my $is = $now->{$process};
        my $was = $before->{$process} || $before->{$model};

        for my $key (qw(timers threads children)) {
            push @bad, "$process: $key: $was->{$key}, then $is->{$key}\n"
                if $was->{$key} ne $is->{$key};
        }

        my %kinds = map { $_ => 1 } map { keys %{ $_->{fds} } } $was, $is;

        for my $kind (sort keys %kinds) {
            my ($one, $two) = map { $_->{fds}{$kind} || 0 } $was, $is;
            push @bad, "$process: $kind: $one, then $two\n" if $one != $two;
        }
    }

    return @bad;
}


# Lines of the log that no test asks for: alerts and worse, but those of
# `expected`, and exits of workers.

sub complaints {
    my ($n, $expected) = @_;

    return grep { !defined $expected || $_ !~ $expected }
           grep { /\[(?:alert|emerg|crit)\]/ && !/exited on signal|was killed by SIG/ }
           $n->log =~ /^.*\n/mg;
}


# signals: how many workers the test has ended by which; they may be fewer,
# since one that was to be killed may have been on its way out.

sub is_sound {
    my ($n, %signals) = @_;

    my $expected = delete $signals{expected};
    my %seen;

    my $log = $n->log;

    $seen{$1}++ while $log =~ /worker process \d+ exited on signal (\d+)/g;

    for my $signal (sort keys %seen) {
        cmp_ok($seen{$signal}, '<=', $signals{$signal} || 0,
               "$n->{name}: no worker ended by signal $signal on its own");
    }

    is(scalar(() = $log =~ /exited with fatal code/g), 0,
       "$n->{name}: none ended by an error");

    my @bad = complaints($n, $expected);
    is(scalar @bad, 0, "$n->{name}: no alert in the log")
        or diag(@bad[0 .. ($#bad < 9 ? $#bad : 9)]);
}


# with n->{killed}, health may say that workers die one after the other

sub all_answers_valid {
    my ($n, $name) = @_;

    my @bad;

    for my $path (@endpoints) {
        my $r = $n->get($path, timeout => 60);
        my @good = ($path =~ m{/health$} && $n->{killed}) ? (200, 503) : 200;
        my $wrong = $r->{error}
                    // (!(grep { $r->{status} == $_ } @good) && $r->{status})
                    || invalid($path, $r->{status}, $r->{head}, $r->{body});

        push @bad, "$path: $wrong\n" if $wrong;
    }

    ok(!@bad, "$name: every endpoint has a valid answer") or diag(@bad);
}


# What is wrong with an answer, or ''.  head: the header fields as text.

sub invalid {
    my ($path, $status, $head, $body) = @_;

    my ($type) = $head =~ /^Content-Type:\s*([^\r\n;]*)/mi;

    return "status $status with type " . ($type // 'none')
        if !defined $type && $status !~ /^(?:204|30\d)$/;
    return '' if !defined $type;

    my $wrong = eval {
        return is_json($status, $body) if $type eq 'application/json';
        return is_prometheus($body)
            if $path =~ m{/metrics(?:\?|$)} && $path !~ m{^/api}
               && $status == 200;
        return is_profile($path, $body) if $type eq 'application/octet-stream';
        return '';
    };

    return $wrong // "not to be read: $@";
}


sub is_json {
    my ($status, $body) = @_;

    my $data = decode_json($body);

    return 'no object' if ref $data ne 'HASH';

    if ($status >= 400 && !($status == 503 && $data->{issues})) {
        return 'the error tells another status'
            if ($data->{error}{status} // 0) != $status;
        return 'the error says nothing'
            if !length($data->{error}{message} // '');
    }

    return '';
}


sub is_profile {
    my ($path, $body) = @_;

    return 'empty' if $body eq '';

    if ($path =~ /perfetto/) {
        decode_json($body);
        return '';
    }

    if ($body =~ /^go 1\.22 trace/) {
        Trace::read_trace($body);
        return '';
    }

    return join '; ', Encoder::check_profile(Encoder::decode($body));
}


my $word = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $quoted = qr/"(?:[^"\\\n]|\\[\\"n])*"/;
my $number = qr/(?:[+-]?Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)/;

sub is_prometheus {
    my $text = shift;

    return 'no UTF-8' if !utf8::decode(my $copy = $text);
    return 'no end of line' if $text !~ /\n\z/;

    for my $line (split /\n/, $text) {
        next if $line =~ /^# (?:HELP|TYPE|UNIT) $word /
                || $line eq '# EOF'
                || $line =~ /^$word(?:\{(?:$word=$quoted,?)*\})?\x20$number
                             (?:\x20\d+)?(?:\x20\#\x20.*)?$/x;
        return "line \"$line\"";
    }

    return '';
}


# Compiles a library for LD_PRELOAD: its path.

sub preload {
    my ($dir, $text) = @_;

    my $file = "$dir/preload";

    open my $fh, '>', "$file.c" or die "open() failed: $!\n";
    print $fh $text;
    close $fh or die "close() failed: $!\n";

    my $said = run_command($ENV{CC} || 'gcc', '-O1', '-Wall', '-shared',
                           '-fPIC', '-o', "$file.so", "$file.c", '-ldl');
    die $said if $?;

    return "$file.so";
}


1;
