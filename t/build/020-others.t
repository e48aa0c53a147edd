#!/usr/bin/perl

# Other modules in the same nginx, loaded before and after this one, and used
# by the same requests: filters (headers, brotli), handlers (Lua, njs, echo), a
# stream server.  Counts, status, labels and answers stay right.  Modules that
# are not installed are skipped, and named.

use strict;
use warnings;

use Test::More;
use Modules ();
use Profile;
use Site;

my $dir = '/usr/lib/nginx/modules';

# what each serves, and what the answer has
my @others = (
    [ 'lua', [qw(ndk_http_module ngx_http_lua_module)], <<'END', qr/^lua 3\n$/ ],
        location = /lua { content_by_lua_block { ngx.say("lua ", 1 + 2) } }
END
    [ 'njs', ['ngx_http_js_module'], <<'END', qr/^njs 3$/ ],
        location = /njs { js_content site.answer; }
END
    [ 'echo', ['ngx_http_echo_module'], <<'END', qr/^echo\nsub$/ ],
        location = /echo { echo echo; echo_location /sub; }
END
    [ 'headers', ['ngx_http_headers_more_filter_module'], <<'END', qr/^h$/ ],
        location = /headers { more_set_headers "X-More: yes"; return 200 h; }
END
    [ 'brotli', ['ngx_http_brotli_filter_module',
                 'ngx_http_brotli_static_module'], <<'END', qr/./ ],
        location = /brotli { brotli on; brotli_types *; return 200 $pad; }
END
    [ 'stream', ['ngx_stream_module'], '', undef ],
);

my @there = grep { my $o = $_;
                   !grep { !-e Modules::other("$dir/$_.so") } @{ $o->[1] } }
            @others;
my %there = map { $_->[0] => 1 } @there;

plan(skip_all => 'no modules of others: tools/install-deps test matrix') if !@there;

for my $o (grep { !$there{$_->[0]} } @others) {
    SKIP: { skip("no $o->[0] module: tools/install-deps test matrix installs it", 1) }
}

# make matrix has an order of its own
my @orders = $ENV{MODULES_BEFORE} || $ENV{MODULES_AFTER} ? 'as configured'
             : ('before', 'after');

for my $order (@orders) {
    at_work($order);
}

done_testing;


sub at_work {
    my $order = shift;

    my @paths = map { Modules::other("$dir/$_.so") } map { @{ $_->[1] } } @there;

    local $ENV{MODULES_BEFORE} = "@paths" if $order eq 'before';
    local $ENV{MODULES_AFTER} = "@paths" if $order eq 'after';

    my $site = Site->new(
        workers  => 2,
        handlers => $Profile::handlers,
        main     => $there{stream} ? 'stream { server { listen 127.0.0.1:PORT1;
                                       proxy_pass 127.0.0.1:PORT; } }' : '',
        http     => $Site::fast . ($there{njs} ? 'js_path DIR;
                                                  js_import site.js;' : ''),
        server   => 'set $pad "'. 'brotli ' x 400 . '";'
                    . join('', map { $_->[2] } @there)
                    . 'location = /sub { return 200 sub; }');

    spew($site->dir . '/site.js', <<'END');
function answer(r) { r.return(200, 'njs ' + (1 + 2)); }
export default {answer};
END

    $site->start;

    for my $o (grep { defined $_->[3] } @there) {
        answers($site, $order, @$o);
    }

    if ($there{stream}) {
        my $got = $site->request('/sub', to => '127.0.0.1:' . $site->port(1));
        is($got->{body}, 'sub', "$order: through a stream server");
    }

    labels($site, $order);
    $site->stop;
}


sub answers {
    my ($site, $order, $name, undef, undef, $body) = @_;

    for (1 .. 5) {
        my $got = $site->request("/$name",
                                 headers => ['Accept-Encoding: br']);

        like("$got->{status} $got->{body}", qr/^200 /, "$order: $name answers")
            if $_ == 1;
        like($got->{body}, $body, '... with what it should') if $_ == 1;

        is($got->{headers}{'x-more'}, 'yes', '... and its header')
            if $_ == 1 && $name eq 'headers';
        is($got->{headers}{'content-encoding'}, 'br', '... compressed')
            if $_ == 1 && $name eq 'brotli';
    }

    my $location;
    ok(until_true(10, sub { $location = $site->location('main', "= /$name");
                            $location && $location->{requests} == 5 }),
       '... its requests are counted') or diag(explain($location));
    is($location && $location->{by_status}{'2xx'}, 5, '... with their status');
}


sub labels {
    my ($site, $order) = @_;

    my @paths = map { "/$_->[0]" } grep { defined $_->[3] } @there or return;
    my @loads = map { load($site, @paths) } 1 .. 2;
    my (%seen, $p);

    # as many profiles as it takes until each was seen at work
    ok(until_true(60, sub {
        $p = Profile::take($site, seconds => 1);
        $seen{$_->{labels}{location} // ''} = 1 for @{ $p->{samples} };
        return !grep { !$seen{"= $_"} } @paths;
    }), "$order: profiles name the locations of all") or diag(explain(\%seen));

    Profile::end($_) for @loads;
    is_valid($p, '... and are valid');
}
