package Memcheck;

# What valgrind's memcheck has found in the module, as text blocks.
#
#   my @findings = findings("$dir/valgrind.4711");
#
# What the search on a stack reads was left there by others, and may never have
# been written: t/fault/valgrind.supp has that.  One more is no finding, see
# nested().

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(findings found);


sub findings {
    my $path = shift;

    open my $fh, '<', $path or return;
    local $/;

    return found(scalar(<$fh>) // '');
}


# Blocks of lines "==pid== ...", apart by empty ones; other lines tell of
# valgrind itself, and may come between.

sub found {
    my $text = join "\n", shift =~ /^==\d+== ?(.*)$/mg;

    return grep {
        /ngx_prof_(?!test)|profiling_module\.so/
        && /Invalid|uninit|lost|Mismatched|overlap|points to|illegal/i
        # valgrind takes memmove() for memcpy() where they are the same code
        && !/memmove \(string_fortified/
        && !nested($_)
    } split /\n\s*\n/, $text;
}


# The stack is searched, word by word, from where the loop has called handlers
# down to the stack pointer of what was interrupted: the thread has mapped and
# used all of that.  When one of nginx's own signal handlers is on the way (it
# writes to the log, which is a call that is timed, and may be interrupted by
# a CPU timer), so is the frame that the signal was given.  valgrind makes that
# frame itself, below the 128 bytes that a function may use without moving its
# stack pointer, rounds its place down to 16 bytes, and takes the word that is
# left between for nobody's.  The kernel knows no such holes.
#
# So it is one if the search itself reads a word, a handler of nginx is below
# it that libc's return from a signal is the caller of, and the address lies on
# the stack and not below its pointer.

sub nested {
    my $block = shift;

    my $frame = qr/\s+by 0x\w+: /;
    my $other = qr/$frame.*\n/;

    return $block =~ /
        ^Invalid\ read\ of\ size\ 8\n
        \s+at\ 0x\w+:\ ngx_prof_context_\w+\ .*\n
        $other*?
        $frame ngx_prof_context_label\ .*\n
        $other*?
        $frame (?:\?\?\?\ \(in\ \S*nginx\S*\)|ngx_signal_handler\ .*)\n
        $frame (?:\?\?\?|__restore_rt)\ \(.*\blibc\b.*\n
        $other*
        \s*Address\ 0x\w+\ is\ on\ thread\ \d+'s\ stack
        (?:\n\s+in\ frame\ .*)? \s*\z/x;
}


1;
