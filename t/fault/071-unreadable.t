#!/usr/bin/perl

# An nginx whose file the workers' user may execute and not read has its names
# all the same: the master opens the file for them, one descriptor more.

use strict;
use warnings;

use File::Copy qw(copy);
use Health;
use Site;
use Test::More;

plan skip_all => 'workers have a user of their own if root starts nginx' if $>;

my $binary = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my %took;

for my $mode (0755, 0711) {
    my $name = sprintf '%o', $mode;
    my $site = Site->new(
        main     => 'user nobody nogroup;',
        http     => 'profiling_interval 100ms; profiling_heap_rate 1; profiling_budget off;',
        handlers => $Site::handlers
                    . 'location /debug/pprof/ { profiling_pprof; }',
    );
    my $dir = $site->dir;

    chmod 0755, $dir;
    copy($binary, "$dir/nginx-$name") or die "copy: $!\n";
    chmod $mode, "$dir/nginx-$name";
    $site->{binary} = "$dir/nginx-$name";
    $site->start;

    is_deeply(ailments($site->json('health')), [], "$name: nginx runs");

    my $answer = $site->request('/debug/pprof/heap', seconds => 120);

    is($answer->{status}, 200, '... a profile is encoded');
    spew("$dir/heap", $answer->{body});

    my $raw = run('go', 'tool', 'pprof', '-raw', "$dir/heap");
    my %names = map { $_ => 1 } $raw =~ /\b(ngx_\w+)/g;

    cmp_ok(scalar(grep { !/^ngx_(?:prof|http_profiling)/ } keys %names), '>',
           10, '... with names of nginx\'s functions') or diag(keys %names);

    my ($pid) = $site->workers;
    $took{$name} = () = glob("/proc/$pid/fd/*");

    $site->stop;
}

is($took{711}, $took{755} + 1, 'a worker has one descriptor more');

done_testing;
