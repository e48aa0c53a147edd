#!/usr/bin/perl

# A location that leaks, among others under load, with default settings: go
# tool pprof shows it first.
#
# LEAK_SECONDS=60 makes it a minute.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;
use Heap;

my $seconds = $ENV{LEAK_SECONDS} || 3;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => <<'END',
    keepalive_requests 100000;
    upstream back {
        server 127.0.0.1:PORT1;
        keepalive 4;
    }

    server {
        listen 127.0.0.1:PORT1;
        location / { alias DIR/html/; }
    }
END
    server   => <<'END',
        location = /leak { profiling_test leak 16384; }
        location = /empty { return 204; }
        location /static/ { alias DIR/html/; }
        location /gzip/ { gzip on; gzip_types *; alias DIR/html/; }
        location /proxy/ { proxy_pass http://back/; proxy_http_version 1.1;
                           proxy_set_header Connection ""; }
END
);

spew($site->dir . '/html/text', join '', map { "line $_\n" } 1 .. 2000);

$site->start;

my @workers = $site->workers;
my @loads = map { load($site, { pause => 0.001 }, '/empty', '/static/text',
                       '/gzip/text', '/proxy/text', '/leak') } 1 .. 2;

# enough has leaked to be sampled some hundred times
my $end = time() + $seconds;

until_true(60, sub {
    return time() > $end
           && total(Heap::take($site), 'inuse_space',
                    has('profiling_test_leak')) > 40e6;
});

Profile::end($_) for @loads;

my $p = Heap::take($site);
my @leak = (has('profiling_test_leak'));

cmp_ok(total($p, 'inuse_space', @leak), '>', 40e6, 'a location leaks');
is(total($p, 'inuse_space', @leak, labelled(location => '= /leak')),
   total($p, 'inuse_space', @leak), '... and is told');

# all stacks begin below main(), the first of the locations is what counts
my @args = ('-top', '-inuse_space', '-tagroot=location', $p->{file});
my $top = go(@args);
my ($flat) = $top =~ /^\s+flat\s.*\n(.*)$/m;

like($flat // $top, qr/ profiling_test_leak$/,
     '... its function in the top line of go tool pprof');

$top = go('-cum', @args);
my ($share, $first) = $top =~ m{(\S+)%\s+((?:=|\^~|~|/).*)$}m;

is($first, '= /leak', '... and the location before all others')
    or diag($top);
cmp_ok($share // 0, '>', 90, '... with nearly all that is in use');

diag(sprintf "%d MB in use by what leaks, %s%% of all that is told",
     total($p, 'inuse_space', @leak) / 1e6, $share // 0) if $seconds >= 60;

$site->stop;

done_testing();
