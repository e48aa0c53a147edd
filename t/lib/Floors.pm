package Floors;

# The floors of the house: a file includes, and calls, only what stands on a
# lower floor, or in its own folder, and no files of a folder need each other
# in a circle.
#
#   my @faults = Floors::faults({ 'shm/ngx_prof_slot.c' => $code, ... });
#
# The code comes without comments, literals but those of #include left in.  A
# .c and its .h are one.  A folder of a program that has none of its folders
# yet is not looked at.

use strict;
use warnings;

# Folders, and files that stand in none of them, without their prefix.  Who
# stands on equal floors in different folders needs nothing of each other.

my @programs = (
    {
        name => 'the module',
        shared => {
            'format' => 0,
            'shm' => 0,
        },
        root => 'ngx_http_profiling_module',
        folders => {
            base => 1, hook => 1.3, stack => 1.5, conf => 2, worker => 2.5,
            answer => 3, request => 4, trace => 5, sampler => 6,
            connection => 7, profile => 8, report => 9, pprof => 10,
        },
        files => { process => 10, api => 11, module => 12 },
    },
    {
        name => 'the encoder',
        shared => { 'format' => 0 },
        root => 'encoder',
        folders => { base => 1, raw => 2, names => 3, profile => 4, trace => 5 },
        files => { options => 6, encode => 6, supervise => 6, main => 7 },
    },
);


sub faults {
    my $code = shift;

    return map { faults_of($_, $code) } @programs;
}


sub faults_of {
    my ($program, $code) = @_;

    my ($root, $shared) = @$program{qw(root shared)};

    my @files = grep { m{^([^/]+)/} && ($1 eq $root || exists $shared->{$1}) }
                sort keys %$code;

    return if !grep { m{^\Q$root\E/[^/]+/} } @files;

    my (%house, @faults);

    for my $file (@files) {
        $house{floor}{$file} = floor($program, $file);

        push @faults, "$file:1: has no floor: t/lib/Floors.pm knows none of it"
            if !defined $house{floor}{$file};
    }

    $house{code} = { map { $_ => $code->{$_} }
                     grep { defined $house{floor}{$_} } @files };
    $house{header} = { map { m{([^/]+\.h)$} ? ($1 => $_) : () }
                       keys %{ $house{code} } };
    $house{function} = functions($house{code});

    my (@needs, %below);

    push @needs, needs(\%house, $_) for sort keys %{ $house{code} };

    for my $need (@needs) {
        my ($from, $to, $how, $line) = @$need;

        next if unit($from) eq unit($to);

        if (folder($from) eq folder($to)
            && $house{floor}{$from} == $house{floor}{$to})
        {
            push @{ $below{unit($from)} }, $need;

        } elsif ($house{floor}{$from} <= $house{floor}{$to}) {
            push @faults, sprintf '%s:%d: floor %s, %s of %s, floor %s', $from,
                 $line, $house{floor}{$from}, $how, $to, $house{floor}{$to};
        }
    }

    return @faults, circles(\%below);
}


# of any file; undef: there is none

sub of {
    my $file = shift;

    my ($top) = $file =~ m{^([^/]+)/};
    my ($program) = grep { $_->{root} eq $top || exists $_->{shared}{$top} }
                    @programs;

    return $program && floor($program, $file);
}


sub floor {
    my ($program, $file) = @_;

    my ($root, $folder) = $file =~ m{^([^/]+)/(?:(.+)/)?[^/]+$};

    return $program->{shared}{$root} if $root ne $program->{root};
    return $program->{folders}{$folder} if defined $folder;

    return $program->{files}{ unit($file) =~ s{.*/(?:ngx_(?:http_profiling|prof)_)?}{}r };
}


sub folder { return $_[0] =~ s{/[^/]+$}{}r }


sub unit { return $_[0] =~ s{\.[ch]$}{}r }


# Who defines a function that others can call: its name begins a line, and what
# returns of it stands on the line before.

sub functions {
    my $code = shift;

    my %of;

    for my $file (keys %$code) {
        while ($code->{$file} =~ /^((?!static\b)\w[^\n;{}()]*)\n(\w+)\([^;{}]*\)\n+\{/mg) {
            $of{$2} = $file if $1 !~ /\bstatic\b/;
        }
    }

    return \%of;
}


# What a file includes and which functions it names: each once.

sub needs {
    my ($house, $file) = @_;

    my ($n, %needs) = (0);

    for my $line (split /\n/, $house->{code}{$file}) {
        $n++;

        if ($line =~ /^\s*#\s*include\s*"([^"]+)"/) {
            my $to = $house->{header}{$1};

            $needs{$to} //= [$file, $to, "includes $1", $n]
                if defined $to && $to ne $file;
            next;
        }

        # a prototype is no call, and an argument of it none either
        for my $name ($line =~ /\b(\w+)\b/g) {
            my $to = $house->{function}{$name};

            next if !defined $to || unit($to) eq unit($file)
                    || $file =~ /\.h$/ && $line =~ /^\S/;

            $needs{"$to $name"} //= [$file, $to, "names $name()", $n];
        }
    }

    return map { $needs{$_} } sort keys %needs;
}


# One way around for each circle, with what makes it.

sub circles {
    my $below = shift;

    my (%done, @faults);

    for my $start (sort keys %$below) {
        next if $done{$start};

        my @way = way_back($below, $start) or next;

        $done{unit($_->[0])} = 1 for @way;

        push @faults, sprintf '%s:%d: a circle: %s', @{ $way[0] }[0, 3],
             join ', ', map { "$_->[0] $_->[2] of $_->[1]" } @way;
    }

    return @faults;
}


# the shortest one

sub way_back {
    my ($below, $start) = @_;

    my @ways = [$start];
    my %seen;

    while (my $way = shift @ways) {
        my ($at, @needs) = @$way;

        for my $need (@{ $below->{$at} }) {
            my $next = unit($need->[1]);

            return @needs, $need if $next eq $start;
            push @ways, [$next, @needs, $need] if !$seen{$next}++;
        }
    }

    return;
}


1;
