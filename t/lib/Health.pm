package Health;

# What health says, apart from what a machine with too much to do says by
# itself: that a worker was kept from the processor.
#
#   is_deeply(ailments($n->api('health')), [], 'all is well');

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(ailments);

sub ailments {
    my $health = shift;

    return [ grep { !/^worker \d+ (?:is stuck:|has been in|was held up for)/
                    && !/^\d+ further incidents / } @{ $health->{issues} } ];
}


1;
