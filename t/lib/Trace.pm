package Trace;

# Execution traces for tests: raw captures made by hand, a reader of Go's
# format that shares no code with the encoder and checks every rule that Go's
# own reader has, and the stock tool.
#
#   my $t = Trace::read($file);      # dies with the rule that is broken
#   $t->{gs}{$id}{name}, {slices}, {blocked}{network}, {regions}, {logs} ..
#   Trace::tool('-pprof=net', $data)
#
# Times are ns.  A goroutine has: name, created, ended, slices [from, to],
# waits [reason, from, to], regions [name, from, to], logs {key => [values]},
# task [name, from, to].

use strict;
use warnings;

use Exporter qw(import);
use File::Temp qw(tempdir);
use List::Util qw(sum0 first);

our @EXPORT_OK = qw(raw stream read_trace tool have_go leb requests traced);

no warnings qw(portable);

our %TYPE = (
    start => 1, pass => 2, event => 3, timer => 4, accept => 5, wait => 6,
    connection => 7, request => 8, switch => 9, place => 10, end => 11,
    close => 12, phase_end => 13, sub => 14, sub_end => 15, redirect => 16,
    upstream => 17, tls => 18, blocked => 19, heap => 20, lost => 21,
    existing => 22, map { ("phase$_" => 64 + $_) } 0 .. 15,
);

our %FORMAT = (go => 1, perfetto => 2);

my $dir = tempdir(CLEANUP => 1);


# ---- captures

sub leb {
    my $n = shift;
    my $s = '';

    while ($n >= 0x80) {
        $s .= chr($n & 0x7f | 0x80);
        $n >>= 7;
    }

    return $s . chr $n;
}


# events [name, ns since the one before, arguments ...]

sub stream {
    return join '', map {
        my ($name, @n) = @$_;
        chr($TYPE{$name} // die "no event $name") . join '', map { leb($_) } @n
    } @_;
}


sub section {
    my ($type, $count, $data) = @_;

    return pack('VVQ<', $type, $count, length $data) . $data
           . "\0" x (-length($data) % 8);
}


# places: [server, location] ...; upstreams: names; streams: [slot, bytes] ...

sub raw {
    my (%o) = @_;

    my @strings = ('samples', 'count');
    my $places = @strings;
    push @strings, map { @$_ } @{ $o{places} || [] };
    my $upstreams = @strings;
    push @strings, '', @{ $o{upstreams} || [] };

    my $name = sub { push @strings, $_[0]; return scalar @strings };

    my $info = pack 'VVQ<Q<VVVVVVQ<', 1, $FORMAT{$o{format} || 'go'},
        $o{from} || 0, $o{to} || 0, $places, scalar @{ $o{places} || [] },
        $upstreams, 1 + @{ $o{upstreams} || [] },
        defined $o{server} ? $name->($o{server}) : 0,
        defined $o{location} ? $name->($o{location}) : 0, $o{min} || 0;

    my $body = section(1, scalar @strings, join '', map {
                   pack('V', length) . $_ . "\0" x (-length($_) % 4)
               } @strings)
               . section(2, 1, pack 'VV', 1, 2)
               . section(9, 1, $info)
               . join '', map { section(10, 1, pack('VV', $_->[0], 0) . $_->[1])
                              } @{ $o{streams} || [] };

    return pack('a8VVQ<VVVVVVq<q<q<VV', "\x93NGXPRF\n", 1, 80,
                80 + length $body, 5, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0) . $body;
}


# ---- readers

sub read_trace {
    my $data = shift;

    return read_go($data) if $data =~ /^go 1\.22 trace\0\0\0/;
    die "no header of a trace\n";
}


sub number {
    my ($data, $pos) = @_;

    my ($v, $shift) = (0, 0);

    while (1) {
        die "number is cut off at $$pos\n" if $$pos >= length $$data;
        my $c = ord substr $$data, $$pos++, 1;
        $v |= ($c & 0x7f) << $shift;
        return $v if $c < 0x80;
        $shift += 7;
        die "number is too long at $$pos\n" if $shift > 63;
    }
}


# arguments behind the time

my %arguments = (
    9 => 2, 10 => 2, 11 => 0, 13 => 2, 14 => 3, 16 => 2, 17 => 0, 19 => 2,
    20 => 2, 21 => 3, 22 => 2, 23 => 0, 25 => 3, 37 => 1, 38 => 1, 39 => 1,
    40 => 4, 41 => 2, 42 => 3, 43 => 3, 44 => 4,
);


sub read_go {
    my $data = shift;

    my $pos = 16;
    my (@generations, $now);

    while ($pos < length $data) {
        my $type = ord substr $data, $pos++, 1;
        die "no batch but $type at $pos\n" if $type != 1;

        my ($gen, $m, $time, $size) = map { number(\$data, \$pos) } 1 .. 4;
        die "batch of $size bytes\n" if $size > 65536 || $size < 1;
        die "batch is cut off\n" if $size > length($data) - $pos;

        if ($gen == @generations + 1) {
            $now = { strings => {}, stacks => {}, batches => [],
                     samples => [], pcs => {} };
            push @generations, $now;

        } elsif ($gen != @generations) {
            die "generation $gen in the middle of " . @generations . "\n";
        }

        batch($now, $m, $time, substr $data, $pos, $size);
        $pos += $size;
    }

    die "no generation\n" if !@generations;

    my $t = { gs => {}, procs => {}, tasks => {}, events => 0, heap => [],
              samples => [], bytes => length $data };

    for my $g (@generations) {
        die "no frequency\n" if !$g->{hz};
        $t->{generation}++;
        generation($t, $g);
    }

    return $t;
}


sub batch {
    my ($g, $m, $time, $b) = @_;

    my $pos = 0;
    my $kind = ord $b;

    if ($kind == 8) {
        die "second frequency\n" if $g->{hz};
        $pos = 1;
        $g->{hz} = number(\$b, \$pos);
        die "more than a frequency\n" if $pos != length $b;

    } elsif ($kind == 2) {
        $pos = 1;

        while ($pos < length $b) {
            die "no stack\n" if ord(substr $b, $pos++, 1) != 3;
            my $id = number(\$b, \$pos);
            my $n = number(\$b, \$pos);
            die "stack of $n frames\n" if $n > 128 || $n < 1;
            die "stack $id twice\n" if !$id || $g->{stacks}{$id};
            $g->{stacks}{$id} = [map { [map { number(\$b, \$pos) } 1 .. 4]
                                     } 1 .. $n];
        }

    } elsif ($kind == 4) {
        $pos = 1;

        while ($pos < length $b) {
            die "no string\n" if ord(substr $b, $pos++, 1) != 5;
            my $id = number(\$b, \$pos);
            my $n = number(\$b, \$pos);
            die "string of $n bytes\n" if $n > 1024 || $n < 1;
            die "string $id twice\n" if !$id || defined $g->{strings}{$id};
            $g->{strings}{$id} = substr $b, $pos, $n;
            $pos += $n;
        }

    } elsif ($kind == 6) {
        $pos = 1;

        while ($pos < length $b) {
            die "no sample\n" if ord(substr $b, $pos++, 1) != 7;
            push @{ $g->{samples} }, [map { number(\$b, \$pos) } 1 .. 5];
        }

    } else {
        my @events;

        while ($pos < length $b) {
            my $type = ord substr $b, $pos++, 1;
            die "no event $type\n" if !exists $arguments{$type};
            $time += number(\$b, \$pos);
            push @events, [$type, $time, map { number(\$b, \$pos) }
                                             1 .. $arguments{$type}];
        }

        push @{ $g->{batches} }, [$m, \@events];
    }
}


# the rules of a generation, thread by thread: a goroutine never changes its

sub generation {
    my ($t, $gen) = @_;

    my $string = sub {
        my $id = shift;
        return '' if !$id;
        return $gen->{strings}{$id} // die "no string $id\n";
    };

    my $root = sub {
        my $id = shift;
        return '' if !$id;
        my $stack = $gen->{stacks}{$id} // die "no stack $id\n";

        for my $f (@$stack) {
            my $name = $string->($f->[1]);
            $string->($f->[2]);
            my $known = $gen->{pcs}{$f->[0]} //= $name;
            die "two frames at an address\n" if $known ne $name;
        }

        return $string->($stack->[$_[0] ? 0 : -1][1]);
    };

    my (%ms, %seen, %status);

    for my $batch (@{ $gen->{batches} }) {
        my ($m, $events) = @$batch;

        my $s = $ms{$m} //= { time => 0, p => undef, g => 0 };

        for my $e (@$events) {
            my ($type, $time, @a) = @$e;

            die "time goes back\n" if $time < $s->{time};
            $s->{time} = $time;
            $t->{events}++;

            event($t, $m, $s, $type, $time, \@a, $string, $root, \%status);
        }
    }

    # who is stated must be all who live and move in this generation
    for my $x (@{ $gen->{samples} }) {
        my ($time, $m, $p, $g, $stack) = @$x;
        $root->($stack);
        push @{ $t->{samples} }, { time => $time, pid => $m, g => $g,
                                   stack => [map { $string->($_->[1]) }
                                             @{ $gen->{stacks}{$stack} }] };
    }
}


my %of_proc = map { $_ => 1 } 10, 11, 13;
my %of_goroutine = map { $_ => 1 } 14, 16, 17, 20, 21, 25;

sub event {
    my $type = $_[3];

    return $of_proc{$type} ? of_proc(@_)
           : $of_goroutine{$type} ? of_goroutine(@_) : of_work(@_);
}


# the goroutine and the proc of a thread, and what demands them

sub current {
    my ($t, $s, $type) = @_;

    my $g = $s->{g} ? $t->{gs}{$s->{g}} : undef;
    my $p = defined $s->{p} ? $t->{procs}{$s->{p}} : undef;

    return ($g, $p, sub { die "event $type, nothing runs\n" if !$g },
            sub { die "event $type without a proc\n"
                      if !$p || $p->{state} != 1 });
}


sub of_proc {
    my ($t, $m, $s, $type, $time, $a, $string, $root, $status) = @_;

    my ($g, $p, $running, $proc) = current($t, $s, $type);

    if ($type == 13) {
        my ($id, $state) = @$a;
        die "proc $id is stated twice\n" if $status->{"p$id"}++;
        my $known = $t->{procs}{$id};
        die "proc $id is not in state $state\n"
            if $known && $known->{state} != $state;
        $t->{procs}{$id} = { state => $state, seq => 0, m => $m };
        $s->{p} = $id if $state == 1;

    } elsif ($type == 10) {
        my $q = $t->{procs}{$a->[0]} or die "no proc $a->[0]\n";
        die "proc $a->[0] is not stated\n" if !$status->{"p$a->[0]"};
        die "proc $a->[0] runs already\n" if $q->{state} == 1 || $p;
        die "sequence of proc $a->[0]\n" if $a->[1] != ++$q->{seq};
        $q->{state} = 1;
        $s->{p} = $a->[0];

    } elsif ($type == 11) {
        $proc->();
        die "a proc stops below a goroutine\n" if $g;
        $p->{state} = 2;
        undef $s->{p};

    }
}


sub of_goroutine {
    my ($t, $m, $s, $type, $time, $a, $string, $root, $status) = @_;

    my $gs = $t->{gs};
    my ($g, $p, $running, $proc) = current($t, $s, $type);

    if ($type == 25) {
        my ($id, $on, $state) = @$a;
        die "goroutine $id is stated twice\n" if $status->{$id}++;
        die "goroutine $id was there, but not in the first generation\n"
            if !$gs->{$id} && $t->{generation} > 1;
        die "goroutine $id is not waiting\n"
            if $gs->{$id} && $gs->{$id}{state} != $state;
        $gs->{$id} //= { existed => 1, created => $time, waiting => $time,
                         reason => '' };
        $gs->{$id}{state} = $state;
        $gs->{$id}{seq} = 0;
        $gs->{$id}{m} //= $m;

    } elsif ($type == 14) {
        $proc->();
        die "goroutine $a->[0] twice\n" if $gs->{$a->[0]};
        $status->{$a->[0]}++;
        $gs->{$a->[0]} = { created => $time, state => 1, seq => 0, m => $m,
                           name => $root->($a->[1]), ready => $time };
        $root->($a->[2]);

    } elsif ($type == 16) {
        my $q = $gs->{$a->[0]} or die "no goroutine $a->[0]\n";
        $proc->();
        die "goroutine $a->[0] is not stated\n" if !$status->{$a->[0]};
        die "two goroutines run\n" if $g;
        die "goroutine $a->[0] is not runnable\n" if $q->{state} != 1;
        die "goroutine $a->[0] has sequence $a->[1]\n"
            if $a->[1] != ++$q->{seq};
        die "goroutine $a->[0] moves\n" if $q->{m} != $m;
        $q->{state} = 2;
        $q->{since} = $time;
        $s->{g} = $a->[0];

    } elsif ($type == 21) {
        my $q = $gs->{$a->[0]} or die "no goroutine $a->[0]\n";
        die "goroutine $a->[0] is not stated\n" if !$status->{$a->[0]};
        die "goroutine $a->[0] does not wait\n" if $q->{state} != 4;
        die "goroutine $a->[0] has sequence $a->[1]\n"
            if $a->[1] != ++$q->{seq};
        my $name = $root->($a->[2]);
        $q->{name} //= $name;
        push @{ $q->{waits} }, [$q->{reason}, $q->{waiting}, $time];
        $q->{state} = 1;

    } elsif ($type == 20) {
        $running->();
        $proc->();
        my $name = $root->($a->[1]);
        die "goroutine $s->{g} has two names\n"
            if ($g->{name} //= $name) ne $name;
        push @{ $g->{slices} }, [$g->{since}, $time];
        $g->{reason} = $string->($a->[0]);
        $g->{waiting} = $time;
        $g->{state} = 4;
        $s->{g} = 0;

    } elsif ($type == 17) {
        $running->();
        push @{ $g->{slices} }, [$g->{since}, $time];
        die "regions of $s->{g} are open\n" if @{ $g->{open} || [] };
        die "task of $s->{g} is open\n" if $t->{tasks}{$s->{g}};
        $g->{state} = 0;
        $g->{ended} = $time;
        $s->{g} = 0;
    }
}


# what a goroutine does while it runs

sub of_work {
    my ($t, $m, $s, $type, $time, $a, $string, $root, $status) = @_;

    my ($g, $p, $running, $proc) = current($t, $s, $type);

    if ($type == 22) {
        $running->();
        $proc->();
        die "sequence of a proc\n" if $a->[0] != ++$p->{seq};
        die "call in a call\n" if $g->{call};
        $root->($a->[1]);
        $g->{call} = [$time, $root->($a->[1], 'leaf')];

    } elsif ($type == 23) {
        $running->();
        die "end of no call\n" if !$g->{call};
        my ($from, $name) = @{ delete $g->{call} };
        push @{ $g->{calls} }, [$from, $time, $name];

    } elsif ($type == 40) {
        $running->();
        die "task $a->[0] twice\n" if $t->{tasks}{$a->[0]};
        $t->{tasks}{$a->[0]} = $g->{task} = [$string->($a->[2]), $time];

    } elsif ($type == 41) {
        $running->();
        my $task = delete $t->{tasks}{$a->[0]} or die "no task $a->[0]\n";
        push @$task, $time;

    } elsif ($type == 42) {
        $running->();
        push @{ $g->{open} }, [$string->($a->[1]), $time, $a->[0]];

    } elsif ($type == 43) {
        $running->();
        my $region = pop @{ $g->{open} } or die "end of no region\n";
        die "regions do not nest\n" if $region->[0] ne $string->($a->[1])
                                       || $region->[2] != $a->[0];
        push @{ $g->{regions} }, [$region->[0], $region->[1], $time];

    } elsif ($type == 44) {
        $running->();
        push @{ $g->{logs}{ $string->($a->[1]) } }, $string->($a->[2]);

    } elsif ($type == 37) {
        $proc->();
        push @{ $t->{heap} }, $a->[0];

    } elsif ($type == 9) {
        $running->();
    }
}


# the goroutines that are requests, and have ended, by name

sub requests {
    my ($t, $name) = @_;

    return grep { ($_->{name} // '') =~ /^nginx\.request /
                  && $_->{ended}
                  && (!defined $name || $_->{name} eq "nginx.request $name")
                } values %{ $t->{gs} };
}


# ---- a trace of a site, taken while a piece of code runs

# (bytes, what the access log says meanwhile: lists of its words)

sub traced {
    my ($site, $query, $code) = @_;

    require Profile;
    require Site;

    my $log = $site->dir . '/access.log';
    my ($size, $data);

    # A busy machine may not be done with the load in that time: it gets more.
    # What the trace has ends with its time, which begins later than it is asked
    # for; the answer may come long after it.

    for (1 .. 6) {
        my ($seconds) = $query =~ /seconds=([\d.]+)/;

        $size = -s $log || 0;

        my $began = Time::HiRes::time();
        my $b = background_trace($site, $query);

        $code->();

        my $over = Time::HiRes::time() > $began + $seconds;

        (my $status, $data) = split /\n/, Profile::finish($b) // "none\n", 2;

        # the encoder may have no time either
        next if Profile::late({ status => $status, body => $data });
        die "trace: $status $data\n" if $status ne '200';

        last if !$over;
        $query =~ s/seconds=[\d.]+/'seconds=' . 2 * $seconds/e;
    }

    my @lines = -e $log ? grep { !m{ /(?:debug|api)/} }
                          split /\n/, substr Site::slurp($log), $size
                        : ();

    return ($data, [map { [split / /, $_, 4] } @lines]);
}


# A trace that runs: its answer is "status\nbody".

sub background_trace {
    my ($site, $query) = @_;

    # it may find a probe's trace running
    my $b = Profile::background(sub {
        my $got;

        do {
            $got = $site->request("/debug/pprof/trace?$query", seconds => 90);
        } while ($got->{status} == 500 && $got->{body} =~ /already enabled/);

        return "$got->{status}\n$got->{body}";
    });

    # another one is refused from when on this one runs
    Site::until_true(60, sub {
        select undef, undef, undef, 0.2;
        $site->request('/debug/pprof/trace?seconds=0.001')->{status} == 500;
    }) or die "no trace runs\n";

    # it wakes the workers: a tick of each is later than that
    my $after = Time::HiRes::time();

    Site::until_true(60, sub {
        my @workers = @{ ($site->json('metrics') || {})->{workers} || [] };
        return @workers && !grep { Site::epoch($_->{collected}) <= $after }
                                 @workers;
    }) or die "no ticks\n";

    return $b;
}


# ---- the stock tool: Go 1.22


sub have_go {
    my $go = '/usr/lib/go-1.22/bin/go';

    my $said = -x $go ? `$go version 2>/dev/null` // '' : '';
    return $said =~ /go1\.22\b/ ? $go : 0;
}


# (exit code, output, what it said)

sub tool {
    my ($option, $data) = @_;

    my $go = have_go() or die "no go 1.22\n";

    open my $f, '>:raw', "$dir/trace" or die "$dir/trace: $!";
    print $f $data;
    close $f or die;

    my $out = `HOME=$dir $go tool trace $option $dir/trace 2>$dir/error`;
    my $code = $? >> 8;

    open $f, '<', "$dir/error" or die;
    local $/;

    return ($code, $out, scalar <$f>);
}


1;
