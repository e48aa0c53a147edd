package Load;

# What happens to clients and counters while an nginx is killed or reloaded
# under load, beside one without the module.
#
#   my %saw;
#   for my $n ($with, $without) {
#       $saw{ $n->{name} } = under_load($n, sub { ... });
#   }
#   is_no_worse($saw{with}, $saw{without}, $most);

use strict;
use warnings;

use Exporter qw(import);
use Fault;
use Test::More;

our @EXPORT = qw(under_load is_no_worse nothing_fell adds_up ticking no_gap);


# Runs code while one client after the other asks, ten more keep it busy and,
# with the module, its metrics are polled.  {clients}: how many saw what;
# {polled}: what came of the polling.

sub under_load {
    my ($n, $code) = @_;

    my $poller = $n->{module} ? $n->poller : undef;
    my $prober = $n->prober;
    my $wrk = background($n->dir . '/wrk', 'wrk', '-t1', '-c10', '-d60s',
                         'http://127.0.0.1:' . $n->port . '/empty');

    $code->();

    reap($wrk, 'TERM');

    return {
        clients => $n->prober_result($prober),
        $poller ? (polled => $n->poller_result($poller)) : (),
    };
}


# No counter fell, and nothing but 200 or a connection lost was answered.

sub nothing_fell {
    my $seen = shift;

    cmp_ok($seen->{answers}, '>=', 20, 'metrics were polled all the time');
    is_deeply($seen->{fallen}, [], 'no counter ever fell')
        or diag(explain([ @{ $seen->{fallen} }[0 .. 5] ]));
    is_deeply($seen->{odd}, [], 'no answer but 200 with JSON')
        or diag(explain($seen->{odd}));

    delete @{ $seen->{errors} }{qw(reset closed)};
    is_deeply($seen->{errors}, {}, 'no failure but a connection reset');
}


sub adds_up {
    my ($n, $total) = @_;

    my $sum = 0;
    $sum += $_->{requests} for @{ $n->api('locations')->{locations} };

    is($sum, $total, 'the locations have as many requests as the whole');
}


# A time in which each worker has ticked, to be looked for in the history.

sub ticking {
    my $n = shift;

    my $from = time;
    $n->ticked;

    return [ $from, time ];
}


# The history goes on: it has samples of all these times.  One of several workers
# has the time of the first one's tick, up to an interval before.

sub no_gap {
    my ($samples, $interval, @ticking) = @_;

    my @times = map { Fault::stamp($_->{timestamp}) } @$samples;
    my @without = grep {
        my ($from, $to) = @$_;
        !grep { $_ >= $from - $interval && $_ <= $to } @times;
    } @ticking;

    cmp_ok(scalar @ticking, '>', 0, 'the history covers it');
    is(scalar @without, 0, '... without a gap')
        or diag(explain(\@without, \@times));
}


# Clients saw no kind of error that they do not see without the module, and
# at most so many lost connections.  "closed" and "reset" are the same thing,
# told by chance: whether the kernel had something unread at the end.

sub is_no_worse {
    my ($with, $without, $most) = @_;

    for my $kind (grep { !/^(?:200|reset|closed)$/ }
                  keys %{ $with->{clients} })
    {
        ok($without->{clients}{$kind},
           "clients see \"$kind\" without the module too");
    }

    # how many in that time is the machine's, but some between any two

    cmp_ok($with->{clients}{200}, '>=', 2 * $most,
           'clients were served all the time');

    my ($lost, $usual) = map {
        ($_->{clients}{reset} || 0) + ($_->{clients}{closed} || 0)
    } $with, $without;

    cmp_ok($lost, '<=', $most,
           "$lost resets with the module, $usual without");
}


1;
