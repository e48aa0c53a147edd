package Modules;

# Which modules the nginx of a test loads, and in which order:
#
#   print load('/usr/lib/nginx/modules/ngx_http_echo_module.so');
#
# ours is TEST_NGINX_LOAD_MODULES, which is empty where it is linked into
# nginx.  make matrix says what else is loaded before it and after it
# (MODULES_BEFORE, MODULES_AFTER), and where modules of other authors are for
# this nginx (OTHER_MODULES).
#
# What nginx itself was built with is asked from it:
#
#   main => thread_pool(2),
#
#   SKIP: {
#       skip_unbuilt('threads', 4);
#       ...
#   }

use strict;
use warnings;

use Exporter qw(import);
use Test::More ();

our @EXPORT_OK = qw(ours static load other need missing built skip_unbuilt
                    thread_pool);

my $distribution = '/usr/lib/nginx/modules';

# what the options of nginx's configure say: those that it has unless it is
# told otherwise, and those that it has to be asked for
my %options = (
    threads      => '--with-threads',
    http2        => '--with-http_v2_module',
    auth_request => '--with-http_auth_request_module',
    http3        => '--with-http_v3_module',
    stub_status  => '--with-http_stub_status_module',
    stream       => '--with-stream',
    mail         => '--with-mail',
    gzip         => '--without-http_gzip_module',
);

my %built;


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


# those of them that are not there for this nginx

sub missing { return grep { !-e other($_) } @_ }


# A script without what it needs says so, and ends.

sub need {
    my @missing = missing(@_) or return;

    my $why = "no @missing for this nginx: tools/install-deps test installs"
              . " those of the system's";
    $why =~ s{\Q$distribution\E/}{}g;

    my $builder = Test::More->builder;

    if (!$builder->has_plan && !$builder->current_test) {
        Test::More::plan(skip_all => $why);
    }

    $builder->skip($why);
    $builder->done_testing unless $builder->has_plan;
    exit 0;
}


# Whether the nginx of the tests has it: a key of %options.

sub built {
    my $what = shift;

    my $option = $options{$what} or die "no option of nginx is for $what\n";

    %built = options() unless %built;

    return $option =~ /^--without-/ ? !$built{$option} : $built{$option};
}


sub options {
    my $binary = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
    my ($options) = `$binary -V 2>&1` =~ /^configure arguments:(.*)$/m
        or die "$binary does not tell its options\n";

    # an nginx without any has been asked too
    return ('-V' => 1, map { $_ => 1 } split ' ', $options);
}


# within a block that is labelled SKIP

sub skip_unbuilt {
    my ($what, $count) = @_;

    Test::More::skip("an nginx without $what: make test has one with it", $count)
        unless built($what);
}


# The pool of what takes threads, where nginx has them.

sub thread_pool {
    my $threads = shift;

    return built('threads') ? "thread_pool default threads=$threads;" : '';
}


1;
