#!/usr/bin/perl

# CPU time by module of nginx, from the recording: in /metrics and JSON, as the
# label of profiles of the same time has it; learned once, so it goes on after a
# reload and the death of a worker, and never falls.

use strict;
use warnings;

use List::Util qw(sum0);
use Test::More;
use Time::HiRes qw(sleep time);
use Profile;
use Site;

my $own = 'ngx_http_profiling_test_module';
my $gzip = 'ngx_http_gzip_filter_module';
my $began = time();

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    noise    => qr/exited on signal 9|was killed by SIGKILL/,
    http     => 'profiling_interval 500ms;',
    server   => <<'END',
        location = /one { profiling_test one 4000000; }
        location = /text { gzip on; gzip_types *; gzip_min_length 1;
                           gzip_comp_level 9; }
END
);

spew($site->dir . '/html/text', join ' ', map { $_ * 7919 } 1 .. 40_000);
$site->start;

is_deeply([ grep { $_->{module} && $_->{cpu_seconds} > 1 }
            @{ modules()->{modules} } ], [], 'at first, no module has CPU time');

# Until the encoder has told what is of which module, time is of none.

my @load = (Profile::load($site, '/one'),
            Profile::command('wrk', '-t1', '-c1', '-d600s',
                             '-H', 'Accept-Encoding: gzip',
                             'http://127.0.0.1:' . $site->port . '/text'));

ok(until_true(240, sub { seconds($own) && seconds($gzip) }),
   'modules have CPU time') or diag(explain modules());

ok(modules()->{known}, '... of which the encoder has told them');

my %before = all();

until_true(240, sub { seconds($own) - ($before{$own} // 0) > 2
                      && seconds($gzip) - ($before{$gzip} // 0) > 2 });
Profile::end($_) for @load;

# the last interval of the load has ended
my ($last, $still) = (-1, 0);

until_true(120, sub {
    my $now = modules()->{cpu_seconds};

    $still = ($now - $last < 0.05) ? $still + 1 : 0;
    $last = $now;
    sleep 2.5;

    return $still > 1;
});

my %after = all();
my $until = time();
my $p = Profile::take($site, path => sprintf
    '/debug/pprof/profile?from=%.3f&until=%.3f', $began, $until);

# the profile begins before the modules were known, and so has all of them

for my $module ($own, $gzip) {
    my $told = sum($p, labelled(module => $module)) / 1e9;
    my $gained = $after{$module} - ($before{$module} // 0);

    cmp_ok($gained, '>', 0, "$module has gained");
    cmp_ok($after{$module}, '<=', $told * 1.02 + 0.2,
           '... no more than a profile tells')
        or diag(explain \%after);
}

cmp_ok($after{$own} / ($after{''} + sum0(values %after)), '>', 0.1,
       'what burns most has most of it');

# a profile of just that time: shares agree
my $of = sub {
    my ($sums, $module) = @_;
    return $sums->{$module} / ($sums->{$own}
                               + $sums->{$gzip});
};
my %gained = map { $_ => $after{$_} - ($before{$_} // 0) } keys %after;
my %labels = map { $_ => sum($p, labelled(module => $_)) }
             $own, $gzip;

cmp_ok(abs($of->(\%gained, $own) - $of->(\%labels, $own)), '<', 0.1,
       'modules have the shares that labels of profiles have')
    or diag(explain [ \%gained, \%labels ]);

# Prometheus says the same

my %told = $site->request('/metrics')->{body}
           =~ /^nginx_profiling_module_cpu_seconds_total\{module="(\w*)"\} (\S+)/gm;

for my $module ($own, $gzip) {
    cmp_ok(abs($told{$module} - $after{$module}), '<', 0.5,
           "Prometheus: $module");
}

ok(exists $told{''}, '... and what is of none');

# JSON: sums, shares

my $json = modules();

cmp_ok(abs(sum0(map { $_->{cpu_seconds} } @{ $json->{modules} })
           - $json->{cpu_seconds}), '<', 1e-3, 'the whole is the sum');
cmp_ok(abs(sum0(map { $_->{share} } @{ $json->{modules} }) - 1), '<', 1e-3,
       '... of which each has its share');
is($json->{hertz}, 49, '... by so many samples a second');

# what was counted stays, and goes on, when workers die and by a reload

my ($victim) = $site->workers;

kill 'KILL', $victim;
goes_on('a worker died', $victim);

my @old = $site->workers;

kill 'HUP', $site->{pid};
goes_on('after a reload', @old);

$site->stop;

# what is off tells nothing

$site = Site->new(
    workers  => 1,
    handlers => $Profile::handlers,
    http     => 'profiling_interval 100ms; profiling_record off;',
)->start;

is(modules()->{hertz}, 0, 'nothing is recorded');
is_deeply(modules()->{modules}, [], '... no module has CPU time');

$site->stop;
done_testing();


sub modules { return $site->json('modules') }


sub all {
    return ('' => 0, map { ($_->{module} // '') => $_->{cpu_seconds} }
            @{ modules()->{modules} });
}


sub seconds {
    my ($module) = @_;

    my %all = all();

    return $all{$module} // 0;
}


sub goes_on {
    my ($what, @gone) = @_;

    my $before = seconds($own);

    ok(until_true(60, sub {
        my %now = map { $_ => 1 } $site->workers;
        return keys %now == 2 && !grep { $now{$_} } @gone;
    }), "$what: there are new workers");

    my $load = Profile::load($site, '/one');

    cmp_ok(seconds($own), '>=', $before, '... nothing was lost');
    ok(until_true(120, sub { seconds($own) > $before + 0.3 }),
       '... and it goes on');

    Profile::end($load);
}
