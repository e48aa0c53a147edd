#!/usr/bin/perl

# The labels of CPU time, memory and pauses while a request has subrequests: of
# all requests on the stack, the one that runs.  After a subrequest has ended,
# its main request runs below the frames that served the subrequest.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Heap qw(total);
use Modules;
use Profile;
use Site;

Modules::skip_unbuilt('auth_request', 1) unless Modules::built('auth_request');

# what is asked for, and where it is compressed
my %of = (
    'a proxied auth_request'    => ['/auth/text', '/auth/'],
    'an auth_request'           => ['/returned/text', '/returned/'],
    'SSI, proxied'              => ['/ssi/ssi', '/ssi/'],
    'what is added'             => ['/added/text', '/added/'],
    'a mirror'                  => ['/mirror/text', '/mirror/'],
    'nested subrequests'        => ['/nested/text', '/nested/'],
    'a subrequest of Lua'       => ['/lua/text', '/lua/'],
    'slices'                    => ['/slices/text', '/slices/'],
);

# Their subrequests' output is compressed as it comes, below frames whose holes
# may keep the subrequest: what is allocated there is not told apart.
my %passed = map { $_ => 1 } 'SSI, proxied', 'what is added', 'slices';

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::lua_modules() ],
    handlers => $Profile::handlers,
    http     => <<'END',
    profiling_cpu_rate 1000;
    profiling_heap_rate 16k;
    profiling_pause_threshold 2ms;
    keepalive_requests 1000000;
    gzip_types *;
    gzip_min_length 1;

    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "behind\n"; }
        location /text { alias DIR/html/text; }
    }
END
    server   => <<'END',
        gzip_proxied any;
        location = /authorized { internal; proxy_pass http://127.0.0.1:PORT1; }
        location = /allowed { internal; return 204; }
        location = /deep { internal; auth_request /authorized;
                           proxy_pass http://127.0.0.1:PORT1; }
        location /behind { proxy_pass http://127.0.0.1:PORT1; }

        location /auth/ { auth_request /authorized; gzip on;
                          alias DIR/html/; }
        location /returned/ { auth_request /allowed; gzip on;
                              alias DIR/html/; }
        location /nested/ { auth_request /deep; gzip on; alias DIR/html/; }
        location /ssi/ { gzip on; ssi on; ssi_types *; alias DIR/html/; }
        location /added/ { gzip on; add_before_body /behind/a;
                           add_after_body /behind/b; addition_types *;
                           alias DIR/html/; }
        location /mirror/ { gzip on; mirror /behind/m; alias DIR/html/; }
        # a slice is compressed as parts of it come: slowly, for pauses
        location /slices/ { gzip on; gzip_comp_level 9; slice 64k;
                            proxy_set_header Range $slice_range;
                            proxy_pass http://127.0.0.1:PORT1/; }
        location /lua/ { gzip on; alias DIR/html/;
            access_by_lua_block { ngx.location.capture("/behind/lua") } }
END
);

srand 1;
my $text = join '', map { sprintf "%x\n", rand 1 << 30 } 1 .. 20000;
spew($site->dir . '/html/text', $text);
spew($site->dir . '/html/ssi', '<!--# include virtual="/behind/s" -->' . $text
                               . '<!--# include virtual="/behind/t" -->');
$site->start;

for my $name (sort keys %of) {
    my ($path, $place) = @{ $of{$name} };
    my $before = Heap::take($site);
    my $began = time();
    my $load = Profile::command('h2load', '--h1', '-c', 2, '-D', 60,
                                '-H', 'Accept-Encoding: gzip',
                                'http://127.0.0.1:' . $site->port . $path);
    my $p = Profile::take_until($site,
                                sub { sum($_[0], has('deflate')) > 0.5e9 },
                                seconds => 1);
    my @pauses = pauses($began);
    my $after = Heap::take($site);
    Profile::end($load);

    cmp_ok(share($p, has('deflate'), labelled(location => $place)) // 0, '>=',
           0.98, "$name: what is compressed is the main request's")
        or wrong($p, has('deflate'));

    memory($name, $place, $before, $after) unless $passed{$name};

    my @wrong = grep { ($_ // '') ne $place } map { $_->{location} } @pauses;

    cmp_ok(scalar @pauses, '>', 0, "$name: there are pauses");
    cmp_ok(scalar @wrong, '<=', 0.02 * @pauses, '... each of its location')
        or diag("of @{[ scalar @pauses ]}: "
                . join ', ', map { $_ // 'none' } @wrong);
}

$site->stop;

done_testing();


sub memory {
    my ($name, $place, $before, $after) = @_;

    my ($right, $all) = map { allocated($after, @$_)
                              - allocated($before, @$_) }
                            [ labelled(location => $place) ], [];

    cmp_ok($all, '>', 0, "$name: memory is taken");
    cmp_ok($right, '>=', 0.98 * $all, '... by its location')
        or wrong($after, sub { $_[0]{labels}{bytes} >= 200000 });
}


# Bytes that compressions have taken: nginx has them in one piece each, and
# nothing else is as large.

sub allocated {
    return total(shift, 'alloc_space',
                 sub { $_[0]{labels}{bytes} >= 200000 }, @_);
}


# The latest pauses in which something was compressed, since this load began: a
# list that few pauses have reached holds those of earlier loads as well.

sub pauses {
    my $began = shift;

    my @pauses;

    until_true(60, sub {
        @pauses = grep { epoch($_->{time}) >= $began
                         && grep { /deflate/ } @{ $_->{stack} } }
                  @{ $site->json('gc')->{recent} };
        return @pauses >= 10;
    });

    return @pauses;
}
