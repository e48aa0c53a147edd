#!/usr/bin/perl

# A module whose symbols are stripped, as an nginx that was installed has it:
# functions are named by it, and by its debug file in debuginfod's cache.

use strict;
use warnings;

use File::Path qw(make_path);
use Test::More;
use Site;
use Profile;
use Sampled;

my $module = Profile::test_module();
my $dir = File::Temp::tempdir(CLEANUP => 1);
my $stripped = "$dir/ngx_http_profiling_test_module.so";
my ($id) = qx(readelf -n $module) =~ /Build ID: ([0-9a-f]+)/;

plan(skip_all => "the compiler gives no build ids") if !$id;

chmod 0755, $dir;
make_path("$dir/cache/$id");
system("strip -o $stripped $module") == 0 or die;
system("objcopy --only-keep-debug $module $dir/cache/$id/debuginfo") == 0
    or die;

my %at = (without => {}, with => { DEBUGINFOD_CACHE_PATH => "$dir/cache" });

for my $what (sort keys %at) {
    my $site = Site->new(
        workers  => 2,
        modules  => [ $stripped ],
        handlers => $Profile::handlers,
        env      => $at{$what},
        http     => 'profiling_cpu_rate 1000;',
        server   => 'location = /burn { profiling_test deep 4000000 DIR/b; }',
    );

    my $burnt = $site->dir . '/b';
    spew($burnt, '');
    chmod 0666, $burnt;
    $site->start;

    my $load = Profile::load($site, '/burn');
    my $burns = labelled(location => '= /burn');
    my $p = Profile::take_until($site, sub { sum($_[0], $burns) > 0.5e9 },
                                seconds => 2);
    my @kept = kept($site);

    # ... through a reload, by new workers
    my %old = map { $_ => 1 } $site->workers;

    kill 'HUP', $site->{pid};
    ok(until_true(60, sub { !grep { $old{$_} } $site->workers }),
       "$what debug file: other workers");
    Profile::take($site, seconds => 1);
    Profile::end($load);

    cmp_ok(scalar @kept, '>', 0, 'what an encoder learns is kept');
    is_deeply([ grep { my $k = $_; grep { $_ eq $k } @kept } kept($site) ],
              \@kept, '... and stays, through a reload');

    my $name = 'ngx_http_profiling_test_module';

    is_mostly($p, 0.9, "$what debug file: the module is the label", $burns,
              labelled(module => $name));

    my $static = $what eq 'with' ? has("profiling_test_descend_cfi")
                                 : has(qr/^$name\+0x[0-9a-f]+$/);
    is_mostly($p, 0.9, "$what debug file: a static function", $burns, $static);

    $site->stop;
}

done_testing();


# the records of what is kept, of which the master has the file

sub kept {
    my ($pid) = slurp(shift->dir . "/nginx.pid") =~ /(\d+)/;
    my ($fd) = grep { (readlink // '') =~ m{^/memfd:nginx profiling names} }
               glob "/proc/$pid/fd/*";

    open my $f, '<:raw', $fd or die "no file of what is kept\n";
    read $f, my $list, 32 + 128 * 24;

    return grep { !/^\0*$/ } unpack '(a24)128', substr $list, 32;
}
