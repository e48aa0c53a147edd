package Modules;

# Which modules the nginx of a test loads, and in which order:
#
#   print load('/usr/lib/nginx/modules/ngx_http_echo_module.so');
#
# ours is TEST_NGINX_LOAD_MODULES, which is empty where it is linked into
# nginx.  make matrix says what else is loaded before it and after it
# (MODULES_BEFORE, MODULES_AFTER), and where modules of other authors are for
# this nginx (OTHER_MODULES).

use strict;
use warnings;

use Exporter qw(import);
use Test::More ();

our @EXPORT_OK = qw(ours static load other need);

my $distribution = '/usr/lib/nginx/modules';


sub static { return ($ENV{LINK} // '') eq 'static' }


sub ours {
    my $path = $ENV{TEST_NGINX_LOAD_MODULES} // '';

    die "run this by make test T=$0\n" if $path eq '' && !static();

    return $path;
}


# where a module of the distribution is for this nginx

sub other {
    my $path = shift;

    my $dir = $ENV{OTHER_MODULES} || $distribution;
    $path =~ s{^\Q$distribution\E/}{$dir/};

    return $path;
}


# What loads ours and these, each once: one line of a configuration, so that
# its errors name the same lines whatever is loaded.

sub load {
    my @paths = map { other($_) } @_;

    my %seen;
    my @all = grep { $_ ne '' && !$seen{$_}++ }
              split(' ', $ENV{MODULES_BEFORE} // ''), ours(), @paths,
              split(' ', $ENV{MODULES_AFTER} // '');

    return join(' ', map { "load_module $_;" } @all) . "\n";
}


# A script without what it needs says so, and ends.

sub need {
    my @missing = grep { !-e other($_) } @_ or return;

    my $why = "no @missing for this nginx";
    $why =~ s{\Q$distribution\E/}{}g;

    my $builder = Test::More->builder;

    if (!$builder->has_plan && !$builder->current_test) {
        Test::More::plan(skip_all => $why);
    }

    $builder->skip($why);
    $builder->done_testing unless $builder->has_plan;
    exit 0;
}


1;
