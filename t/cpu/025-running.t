#!/usr/bin/perl

# The labels of CPU time, memory and pauses while a request has subrequests: of
# all requests on the stack, the one that runs.  After a subrequest has ended,
# its main request runs below the frames that served the subrequest; what a
# subrequest sends is compressed as its main request's, below them too.  Over
# HTTP/1.1 and HTTP/2.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Heap;
use Modules;
use Profile;
use Site;
use Whose;

Modules::skip_unbuilt('auth_request', 1) unless Modules::built('auth_request');

# what is asked for, and where it is compressed
my %of = (
    'a proxied auth_request'    => ['/auth/text', '/auth/'],
    'an auth_request'           => ['/returned/text', '/returned/'],
    'SSI, proxied'              => ['/ssi/ssi', '/ssi/'],
    'SSI of a large text'       => ['/ssi/large', '/ssi/'],
    'SSI in SSI'                => ['/ssi/outer', '/ssi/'],
    'what is added'             => ['/added/text', '/added/'],
    'a large text that is added' => ['/preceded/empty', '/preceded/'],
    'a mirror'                  => ['/mirror/text', '/mirror/'],
    'nested subrequests'        => ['/nested/text', '/nested/'],
    'a subrequest of Lua'       => ['/lua/text', '/lua/'],
    'slices'                    => ['/slices/text', '/slices/'],
    'an update in the background' => ['/updated/stale', '/updated/'],
);

my @lua = Modules::static() ? () : Profile::lua_modules();

my $site = Site->new(
    workers  => 1,
    modules  => \@lua,
    handlers => $Profile::handlers,
    http     => <<'END',
    profiling_cpu_rate 1000;
    profiling_heap_rate 16k; profiling_budget off;
    profiling_pause_threshold 2ms;
    keepalive_requests 1000000;
    gzip_types *;
    gzip_min_length 1;
    proxy_cache_path DIR/cache keys_zone=cache:1m;

    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "behind\n"; }
        location /text { alias DIR/html/text; }
        location /behind/large { alias DIR/html/text; }

        # it is stale as soon as it is cached
        location /stale { alias DIR/html/text;
                          add_header X-Accel-Expires @1; }
    }
END
    server   => <<'END' . (@lua ? <<'END' : ''));
        listen 127.0.0.1:PORT2 http2;
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
        location /preceded/ { gzip on; add_before_body /behind/large;
                              addition_types *; alias DIR/html/; }
        location /updated/ { gzip on; proxy_pass http://127.0.0.1:PORT1/;
                             proxy_cache cache;
                             proxy_cache_use_stale updating;
                             proxy_cache_background_update on; }
        location /mirror/ { gzip on; mirror /behind/m; alias DIR/html/; }
        # a slice is compressed as parts of it come: slowly, for pauses
        location /slices/ { gzip on; gzip_comp_level 9; slice 64k;
                            proxy_set_header Range $slice_range;
                            proxy_pass http://127.0.0.1:PORT1/; }
END
        location /lua/ { gzip on; alias DIR/html/;
            access_by_lua_block { ngx.location.capture("/behind/lua") } }
END

srand 1;
my $text = join '', map { sprintf "%x\n", rand 1 << 30 } 1 .. 20000;
spew($site->dir . '/html/text', $text);
spew($site->dir . '/html/ssi', '<!--# include virtual="/behind/s" -->' . $text
                               . '<!--# include virtual="/behind/t" -->');
spew($site->dir . '/html/large', '<!--# include virtual="/behind/large" -->');
spew($site->dir . '/html/outer', '<!--# include virtual="/ssi/ssi" -->');
spew($site->dir . '/html/empty', "\n");
$site->start;

for my $name (sort keys %of) {
    next if $name =~ /Lua/ && !@lua;
    running("$name, HTTP/1.1", @{ $of{$name} }, 0, '--h1', '-c', 2);

    # Lua has no subrequests of a stream
    next if $name =~ /Lua/;
    running("$name, HTTP/2", @{ $of{$name} }, 2, '-c', 1, '-m', 2);
}

$site->stop;

done_testing();


sub running {
    my ($name, $path, $place, $port, @protocol) = @_;

    my $before = Heap::take($site);
    my $began = time();
    my $load = Profile::command('h2load', @protocol, '-D', 280,
                                '-H', 'Accept-Encoding: gzip',
                                'http://127.0.0.1:' . $site->port($port)
                                . $path);
    my $p = Profile::take_until($site,
                                sub { sum($_[0], has('deflate')) > 0.25e9 },
                                seconds => 1);
    my @pauses = pauses_since($site, $began, 60, sub { @_ >= 10 }, sub {
        grep { /deflate/ } @{ $_[0]{stack} };
    });
    Profile::end($load);
    my $after = Heap::take($site);

    cmp_ok(share($p, has('deflate'), labelled(location => $place)) // 0, '>=',
           0.98, "$name: what is compressed is the main request's")
        or wrong($p, has('deflate'));

    # nginx has the memory of a compression in one piece, and nothing else is as
    # large
    is_memory($name, $before, $after,
              [ sub { $_[0]{labels}{bytes} >= 200000 } ],
              labelled(location => $place));
    are_pauses($name, $place, @pauses);
}
