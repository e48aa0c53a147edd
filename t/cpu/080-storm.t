#!/usr/bin/perl

# Samples at 1000 Hz while objects are loaded and unloaded, memory is
# allocated, children are forked and threads burn CPU time: no crash, no
# deadlock, nothing lost.
#
# PROFILE_SECONDS makes it longer: the number of samples is told.

use strict;
use warnings;

use Sanitized;
use Test::More;
use Time::HiRes qw(time);
use Site;
use Profile;
use Sampled;

my $seconds = $ENV{PROFILE_SECONDS} || 10;
my $plugin = Profile::plugin();

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module(), Profile::lua_modules() ],
    handlers => $Profile::handlers,
    level    => 'warn',
    main     => 'thread_pool default threads=2; pcre_jit on;',
    http     => 'profiling_interval 100ms; profiling_cpu_rate 1000;',
    server   => <<"END" . <<'END',
        location = /dlopen { profiling_test dlopen 5 $plugin; }
        location = /load { profiling_test load 20 $plugin; }
END
        location = /malloc { profiling_test malloc 20000; }
        location = /fork { profiling_test fork 2; }
        location = /spawn { profiling_test spawn 2; }
        location = /thread { profiling_test thread 500000; }
        location = /deep { profiling_test deep_fp 300000; }
        location = /touch { profiling_test touch 200; }
        location = /lua {
            content_by_lua_block {
                local t = {}
                for i = 1, 2000 do t[i] = tostring(i) end
                ngx.say(#table.concat(t))
            }
        }
END
)->start;

my @workers = $site->workers;

# forks of a process that has much to copy take long
$site->request('/touch') for 1 .. 4;

my @loads = map { load($site, @$_) } (
    [ qw(/dlopen /malloc /dlopen /lua) ], [ qw(/malloc /fork /deep) ],
    [ '/thread' ], [ '/thread', '/dlopen' ], [ qw(/spawn /lua /malloc /fork) ],
    # it takes the least of all
    [ '/spawn' ],
);

my $before = sampler($site);
my $spent = 0;
my $end = time() + $seconds;
my ($samples, $ns, $captures, $whole, $start) = (0, 0, 0, 1, 0);
my %seen;
my @comments;

# What takes little CPU time may have to be waited for, and a sanitized encoder.
# A worker arms its timers after the pass that it is in: the longer that is, the
# longer a capture.

my $patience = sanitized() ? 160 : 80;
my $least = sanitized() ? 6 : 2;

while (time() < $end
       || time() < $end + $patience && grep { !$seen{$_} } keys %seen)
{
    my $n = $end - time() > 40 ? 20 : $least;
    my $p = Profile::take_measured($site, \@workers, seconds => $n);
    my @bad = Encoder::check_profile($p->{decoded});

    $whole = 0 if @bad;
    diag(@bad) if @bad;

    $samples += $p->{count};
    $ns += $p->{cpu};
    $spent += $_->[0] for values %{ $p->{range} };
    $start += sum($p, \&thread_start);
    $captures++;
    push @comments, @{ $p->{comments} };
    $seen{$_} += sum($p, labelled(location => "= /$_"))
        for qw(dlopen malloc fork spawn lua deep);
    $seen{thread} += sum($p, labelled(state => 'thread-pool'));
}

my $after = sampler($site);

Profile::end($_) for @loads;

my $n = $after->{samples} - $before->{samples};

diag(sprintf '%d samples (%d signals) in %d captures, %.2f s of CPU time; '
             . 'to the start %.2f%%; broken %d, truncated %d, jit %d; '
             . '%.1f us a sample', $samples, $n, $captures, $ns / 1e9,
             100 * $start / ($ns || 1),
             map({ $after->{$_} - $before->{$_} } qw(broken truncated jit)),
             1e6 * ($after->{seconds} - $before->{seconds}) / ($n || 1));

is("@{ [ $site->workers ] }", "@workers", 'the workers are the same');
is($site->request('/lua')->{status}, 200, '... and answer');
ok($whole, 'all profiles are valid');
# a signal that comes late stands for more than its period
cmp_ok($ns, '>', 0.8 * $spent, 'samples stand for what the workers spent');
cmp_ok($start / ($ns || 1), '>=', 0.995, '... that reach the start');
is(scalar(grep { /dropped|not sampled/ } @comments), 0,
   '... and none was dropped') or diag(@comments);
cmp_ok($seen{$_}, '>', 0, "... of $_") for sort keys %seen;

# an object that came later, and stays

my $load = load($site, '/load');
my $plugged = has('profiling_test_deep_plugin');
my $p = Profile::take_until($site, sub { sum($_[0], $plugged) > 0.1e9 },
                            seconds => 2);
Profile::end($load);

cmp_ok(sum($p, $plugged), '>', 0,
       'an object that was loaded later has names');
is_mostly($p, 0.99, '... and is walked through', $plugged, \&thread_start,
          has('ngx_http_core_content_phase'));

$site->stop;

done_testing();
