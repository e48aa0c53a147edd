#!/usr/bin/perl

# Any request to the API is bounded, or answered in steps with the event loop
# between them.  Measured in instructions of a worker that serves nothing else,
# by callgrind; bench/passes measures how long a pass takes.

use strict;
use warnings;

use Fault;
use List::Util qw(min);
use Sanitized;
use Test::More;

plan(skip_all => 'a sanitizer has instructions of its own') if sanitized();

run_command('valgrind', '--version');
plan(skip_all => 'no valgrind: install it') if $?;

# some 1 ms of a processor
my $most = 4e6;

my $locations = join "\n", map {
    "        location /of/the/site/number/$_/ { return 200 \"$_\"; }"
} 1 .. 300;

my $n = Fault->new(name => 'pass', workers => 1, level => 'error',
                   profiling => 'profiling_interval 100ms;
                                 profiling_pause_threshold 1ms;',
                   server => $locations);
my $out = $n->dir . '/temp';

$n->{wrapper} = ['valgrind', '-q', '--tool=callgrind',
                 "--callgrind-out-file=$out/callgrind.%p",
                 map { "--dump-before=ngx_prof_${_}_handler" }
                 qw(api prometheus)];

my @endpoints = (map({ "/api/profiling/$_" }
                     qw(metrics metrics/history?count=1000 memory gc
                        goroutines runtime health locations)), '/metrics');

$n->start(seconds => 120);

# each location has counts of its own to be added up

for my $i (1 .. 300) {
    $n->get("/of/the/site/number/$i/") for 1 .. 2;
}

$n->ticked;
is(scalar(grep { $_->{requests} } @{ $n->api('locations')->{locations} }),
   300, 'three hundred locations have been used');

my $h = $n->until('metrics/history?count=1000', 60, sub {
    return $_[0]{count} >= 60;
});
ok($h->{met}, 'the history has sixty samples');

my %size;

for my $endpoint (@endpoints) {
    $size{$endpoint} = length($n->get($endpoint)->{body} // '') for 1 .. 3;
}

# what ends the last part

$n->get('/api/profiling/runtime');
ok($n->stop('QUIT'), 'nginx ends');

# A part is what was done from the one call of a handler to the next; the worker's
# are the ones with a number.

my @parts = map { $_->[1] } sort { $a->[0] <=> $b->[0] }
            map { /\.(\d+)$/ && -s $_ ? [ $1, $_ ] : () }
            glob "$out/callgrind.*.*";
my @own = @parts[-3 * @endpoints .. -1];

is(scalar(grep { defined } @own), 3 * @endpoints, 'all answers are counted');

for my $endpoint (@endpoints) {
    my @of = map { counted($_) } splice @own, 0, 3;

    note(sprintf '%s: %d bytes, %s', $endpoint, $size{$endpoint}, join ', ',
         map { sprintf '%.2f million instructions in %d passes',
               $_->{instructions} / 1e6, $_->{passes} } @of);

    cmp_ok($size{$endpoint}, '>', 100, "$endpoint is answered");
    cmp_ok(min(map { $_->{instructions} / ($_->{passes} || 1) } @of), '<',
           $most, "... in few instructions, or in steps");
}

done_testing();


# instructions of a part, and how often the loop has waited in it

sub counted {
    my $file = shift;

    my (%name, $called, $passes);
    my ($instructions) = slurp($file) =~ /^(?:summary|totals): (\d+)/m;

    for (split /\n/, slurp($file)) {
        $name{$1} = $2 if /^c?fn=(\(\d+\)) (\S+)/;

        if (/^cfn=(\(\d+\))/) {
            $called = $name{$1} // '';

        } elsif ($called eq 'ngx_prof_loop_wait_counted'
                 && /^calls=(\d+)/)
        {
            $passes += $1;
        }
    }

    return { instructions => $instructions, passes => $passes // 0 };
}
