package Encoder;

# What the tests of the encoder share: building, running it, and a reader of
# profile.proto that knows nothing of the encoder's own code.
#
# ENCODER names a finished encoder; without it the tests build one.

use strict;
use warnings;

use Compress::Raw::Zlib;
use Cwd qw(abs_path);
use Encode ();
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use POSIX qw(dup2);

our @EXPORT = qw(
    $dir have run run_raw mkraw encode decode check_profile
    elf build_file slurp spew pprof sample_names
);

my $root = abs_path(dirname(__FILE__) . '/../../..');

our $dir = tempdir(CLEANUP => 1);

my %encoders;
my $mkraw;


sub have {
    my ($program) = @_;

    return scalar grep { -x "$_/$program" } split /:/, $ENV{PATH};
}


sub slurp {
    my ($file) = @_;

    open my $f, '<:raw', $file or die "$file: $!";
    local $/;
    my $text = <$f>;

    return defined $text ? $text : '';
}


sub spew {
    my ($file, $text) = @_;

    open my $f, '>:raw', $file or die "$file: $!";
    print $f $text;
    close $f or die "$file: $!";

    return $file;
}


sub sh {
    my (@command) = @_;

    system(@command) == 0 or die "@command: failed: $?";
}


# the encoder's path; with flags, one that is built with them

sub encoder {
    my ($flags) = @_;

    $flags ||= '';

    if ($flags eq '' && $ENV{ENCODER}) {
        return $ENV{ENCODER};
    }

    if (!$encoders{$flags}) {
        my $file = "$dir/encoder" . scalar keys %encoders;

        sh("cc -std=gnu11 -O1 -g $flags -iquote $root/format"
           . ' $(find ' . "$root/encoder" . " -type d -printf '-iquote %p ')"
           . ' $(find ' . "$root/encoder -name '*.c')"
           . " -o $file -ldw -lelf -lz -liberty -lm");

        $encoders{$flags} = $file;
    }

    return $encoders{$flags};
}


# compiles a file of a given text; returns its path

sub build_file {
    my ($name, $text, $command) = @_;

    my $source = "$dir/$name";
    my ($out) = $source =~ /(.*)\.\w+$/;

    spew($source, $text);
    $command =~ s/%s/$source/;
    $command =~ s/%o/$out/;
    sh($command);

    return $out;
}


# a capture from its description, see mkraw.c

sub mkraw {
    my ($text) = @_;

    if (!$mkraw) {
        $mkraw = "$dir/mkraw";
        sh("cc -O1 -I $root/format"
           . " $root/t/encoder/mkraw.c -o $mkraw");
    }

    spew("$dir/description", $text);
    sh("$mkraw < $dir/description > $dir/capture");

    return slurp("$dir/capture");
}


# runs the encoder on the bytes of a capture

sub run_raw {
    my ($raw, %o) = @_;

    my @args = @{ $o{args} || [] };
    my $encoder = encoder($o{flags});

    spew("$dir/input", $raw);

    my $pid = fork();
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        open STDIN, '<', "$dir/input" or die;
        open STDOUT, '>', "$dir/output" or die;
        open STDERR, '>', "$dir/error" or die;

        # what encoders keep, as descriptor 4
        if (defined $o{kept}) {
            local $^F = 4;
            open my $kept, $o{mode} || '+<', $o{kept} or die;
            dup2(fileno $kept, 4) or die;
        }

        %ENV = (%ENV, %{ $o{env} || {} });
        exec $encoder, @args or die "exec: $!";
    }

    waitpid $pid, 0;

    return {
        code   => $? >> 8,
        signal => $? & 127,
        out    => slurp("$dir/output"),
        err    => slurp("$dir/error"),
    };
}


sub run {
    my ($text, %o) = @_;

    return run_raw(mkraw($text), %o);
}


# a profile as decoded, from a description

sub encode {
    my ($text, %o) = @_;

    my $r = run($text, %o);

    die "encoder failed: $r->{code} $r->{err}" if $r->{code} || $r->{signal};

    return decode($r->{out});
}


sub varint {
    my ($data, $pos) = @_;

    my ($v, $shift) = (0, 0);

    while (1) {
        die 'varint is cut off' if $$pos >= length $$data;
        my $c = ord substr $$data, $$pos++, 1;
        $v |= ($c & 0x7f) << $shift;
        return $v if $c < 0x80;
        $shift += 7;
        die 'varint is too long' if $shift > 63;
    }
}


sub signed {
    return unpack 'q', pack 'Q', $_[0];
}


# fields of a message: list of [number, wire type, value]

sub fields {
    my ($data) = @_;

    my @fields;
    my $pos = 0;

    while ($pos < length $data) {
        my $tag = varint(\$data, \$pos);
        my ($n, $type) = ($tag >> 3, $tag & 7);

        if ($type == 0) {
            push @fields, [$n, 0, varint(\$data, \$pos)];

        } elsif ($type == 2) {
            my $len = varint(\$data, \$pos);
            die 'field is cut off' if $len > length($data) - $pos;
            push @fields, [$n, 2, substr $data, $pos, $len];
            $pos += $len;

        } else {
            die "unexpected wire type $type";
        }
    }

    return @fields;
}


sub packed {
    my ($data) = @_;

    my @list;
    my $pos = 0;

    while ($pos < length $data) {
        push @list, varint(\$data, \$pos);
    }

    return @list;
}


# a message with fields of the given names; '*' collects, '=' is a number

sub message {
    my ($data, %names) = @_;

    my %m;

    for my $f (fields($data)) {
        my $name = $names{$f->[0]} or die "unknown field $f->[0]";

        if ($name =~ /^\*(.*)/) {
            push @{ $m{$1} }, $f->[2];

        } else {
            die "field $name occurs twice" if exists $m{$name};
            $m{$name} = $f->[2];
        }
    }

    return \%m;
}


sub inflated {
    my ($gz) = @_;

    my ($z, $status) = Compress::Raw::Zlib::Inflate->new(
        -WindowBits => WANT_GZIP, -Bufsize => 1 << 16);
    my ($plain, $part) = ('', '');
    my $left = $gz;

    do {
        $status = $z->inflate($left, $part);
        $plain .= $part;
    } while ($status == Z_OK && length $left);

    die "gzip: $status" if $status != Z_STREAM_END;
    die 'more than one gzip member' if length $left;

    return $plain;
}


sub decode {
    my ($gz) = @_;

    my $plain = inflated($gz);
    my $p = message($plain, 1 => '*sample_type', 2 => '*sample',
                    3 => '*mapping', 4 => '*location', 5 => '*function',
                    6 => '*string', 9 => 'time_nanos', 10 => 'duration_nanos',
                    11 => 'period_type', 12 => 'period', 13 => '*comment',
                    14 => 'default_sample_type');

    my @strings = @{ $p->{string} };

    for my $s (@strings) {
        my $copy = $s;
        eval { Encode::decode('UTF-8', $copy, Encode::FB_CROAK); 1 }
            or die 'string is no UTF-8';
    }

    die 'string 0 is not empty' if $strings[0] ne '';

    my $string = sub {
        my ($n) = @_;
        $n ||= 0;
        die "string $n out of range" if $n >= @strings;
        return $strings[$n];
    };

    my $type = sub {
        my $m = message($_[0], 1 => 'type', 2 => 'unit');
        return $string->($m->{type}) . '/' . $string->($m->{unit});
    };

    my %r = (
        types    => [ map { $type->($_) } @{ $p->{sample_type} } ],
        period   => $p->{period},
        time     => $p->{time_nanos} || 0,
        duration => $p->{duration_nanos} || 0,
        default  => $string->($p->{default_sample_type}),
        comments => [ map { $string->($_) } @{ $p->{comment} || [] } ],
        strings  => \@strings,
        size     => length $plain,
    );

    die 'no period type' if !defined $p->{period_type};
    $r{period_type} = $type->($p->{period_type});

    for (@{ $p->{mapping} || [] }) {
        my $m = message($_, 1 => 'id', 2 => 'start', 3 => 'limit',
                        4 => 'offset', 5 => 'file', 6 => 'build_id',
                        7 => 'f7', 8 => 'f8', 9 => 'f9', 10 => 'f10');
        $m->{file} = $string->($m->{file});
        $m->{build_id} = $string->($m->{build_id});
        push @{ $r{mappings} }, $m;
    }

    for (@{ $p->{function} || [] }) {
        my $m = message($_, 1 => 'id', 2 => 'name', 3 => 'system', 4 => 'file',
                        5 => 'start_line');
        $m->{$_} = $string->($m->{$_}) for qw(name system file);
        push @{ $r{functions} }, $m;
    }

    for (@{ $p->{location} || [] }) {
        my $m = message($_, 1 => 'id', 2 => 'mapping', 3 => 'address',
                        4 => '*line');
        $m->{line} = [ map { message($_, 1 => 'function', 2 => 'line') }
                       @{ $m->{line} } ];
        push @{ $r{locations} }, $m;
    }

    $r{samples} = [ map { sample($_, $string) } @{ $p->{sample} || [] } ];
    $r{$_} ||= [] for qw(mappings functions locations);

    return \%r;
}


sub sample {
    my ($data, $string) = @_;

    my $m = message($data, 1 => 'location', 2 => 'value', 3 => '*label');
    my @labels;

    for my $l (@{ $m->{label} || [] }) {
        my $f = message($l, 1 => 'key', 2 => 'str', 3 => 'num', 4 => 'unit');

        die 'label is text and number' if $f->{str}
            && ($f->{num} || $f->{unit});
        push @labels, [ $string->($f->{key}),
                        $f->{str} ? $string->($f->{str})
                                  : signed($f->{num} || 0),
                        $f->{str} ? undef : $string->($f->{unit}) ];
    }

    return {
        locations => [ packed($m->{location}) ],
        values    => [ map { signed($_) } packed($m->{value}) ],
        labels    => \@labels,
    };
}


# what WIRE demands of every profile; returns a list of complaints

sub check_profile {
    my ($p) = @_;

    my @bad;

    for my $kind (qw(mappings functions locations)) {
        my $n = 0;
        for (@{ $p->{$kind} }) {
            push @bad, "$kind: id $_->{id} at place $n" if $_->{id} != ++$n;
        }
    }

    my (%address, %ranges);

    for my $m (@{ $p->{mappings} }) {
        push @bad, "mapping $m->{id}: flags" if 4 != grep { $m->{"f$_"} }
            7 .. 10;
        push @bad, "mapping $m->{id}: range" if $m->{start} >= $m->{limit};
        push @bad, "mapping $m->{id}: build id"
            if $m->{build_id} !~ /^([0-9a-f]{2})*$/;
        push @bad, "mapping $m->{id}: no file" if $m->{file} eq '';

        for my $o (@{ $p->{mappings} }) {
            push @bad, "mappings $m->{id} and $o->{id} overlap"
                if $o != $m && $o->{start} < $m->{limit}
                   && $m->{start} < $o->{limit};
        }
    }

    for my $l (@{ $p->{locations} }) {
        my $m = $p->{mappings}[$l->{mapping} - 1];

        push @bad, "location $l->{id}: address" if !$l->{address}
            || $address{$l->{address}}++;
        push @bad, "location $l->{id}: mapping" if !$m
            || $l->{address} < $m->{start} || $l->{address} >= $m->{limit};
        push @bad, "location $l->{id}: no lines" if !@{ $l->{line} };

        for my $line (@{ $l->{line} }) {
            my $f = $p->{functions}[$line->{function} - 1];
            push @bad, "location $l->{id}: function" if !$f
                || $f->{name} eq '';
        }
    }

    for my $s (@{ $p->{samples} }) {
        push @bad, 'number of values' if @{ $s->{values} }
            != @{ $p->{types} };
        push @bad, 'no locations' if !@{ $s->{locations} };
        push @bad, 'location out of range' if grep { $_ < 1
            || $_ > @{ $p->{locations} } } @{ $s->{locations} };

        my %keys;
        for (@{ $s->{labels} }) {
            push @bad, "label $_->[0] twice" if $keys{$_->[0]}++;
            push @bad, "label $_->[0]" if $_->[0] !~ /^[A-Za-z_][\w.]*$/;
        }
    }

    push @bad, 'reserved comment' if grep { /^executableInfo=/ }
        @{ $p->{comments} };

    return @bad;
}


# names of a sample's frames, leaf first, inlined ones included

sub sample_names {
    my ($p, $n) = @_;

    return map { my $l = $p->{locations}[$_ - 1];
                 map { $p->{functions}[$_->{function} - 1]{name} }
                     @{ $l->{line} } }
           @{ $p->{samples}[$n]{locations} };
}


# where the code of a file lies, its build id and its symbols

sub elf {
    my ($file, $symbols) = @_;

    my %e = (file => $file, inode => (stat $file)[1]);

    for (qx(readelf -lW $file)) {
        if (/^\s+LOAD\s+(\S+)\s+(\S+)\s+\S+\s+(\S+)\s+\S+\s+R E/) {
            @e{qw(offset vaddr size)} = (hex $1, hex $2, hex $3);
        }
    }

    ($e{build_id}) = qx(readelf -nW $file) =~ /Build ID: ([0-9a-f]+)/;

    for (split /\n/, join '', qx(nm -S @{[$symbols || $file]} 2>/dev/null)) {
        my ($a, $s, $n) = /^([0-9a-f]+) (?:([0-9a-f]+) )?\w (.*)/ or next;
        $e{symbol}{$n} = [hex $a, hex($s || 0)];
    }

    # the row of /proc/<pid>/maps, and an address in it

    $e{map} = sub {
        my ($base, %o) = @_;
        my $page = $e{offset} & ~0xfff;
        my $start = $base + ($e{vaddr} & ~0xfff);
        my $size = ($e{size} + ($e{offset} & 0xfff) + 0xfff) & ~0xfff;
        return sprintf "map 0x%x 0x%x 0x%x 0:0 %d %s %s\n", $start,
            $start + $size, $page, $o{inode} // $e{inode},
            $o{build_id} // $e{build_id} // '-', $o{path} // $file;
    };

    $e{pc} = sub {
        my ($base, $name, $add) = @_;
        my $s = $e{symbol}{$name} or die "no symbol $name in $file";
        return sprintf '0x%x', $base + $s->[0] + ($add || 0);
    };

    return \%e;
}


# what "go tool pprof" makes of a profile

sub pprof {
    my ($data, @args) = @_;

    spew("$dir/pprof", $data);

    local $ENV{PPROF_TMPDIR} = $dir;
    local $ENV{HOME} = $dir;

    return scalar qx(go tool pprof -symbolize=none @args $dir/pprof 2>&1);
}


1;
