#!/usr/bin/perl

# Frames of Lua: function, file and line of what runs, interpreted and
# compiled, in coroutines, callbacks, metamethods, pcall, the collector, a state
# of its own for each request; under the phase that it runs in.

use strict;
use warnings;

use Test::More;
use Site;
use Profile;
use Sampled;

my $burn = <<'LUA';
local function burn(n)
    local x = 0
    for i = 1, n do x = (x + i) % 1000003 end -- HERE
    return x
end
LUA

my $outer = <<'LUA';
local function outer(n)
    local x = burn(n)
    return x
end
return outer
LUA

# Each burns in a line that is known, called from others that are.  A function
# is compiled unless the second word says that it is not.

my %burns = (
    plain => [ 'interpreted', $burn . $outer, qw(burn run) ],
    traced => [ 'compiled', $burn . $outer, qw(burn run) ],
    field => [ 'interpreted', <<'LUA', qw(burn method) ],
local t = {}
function t.burn(n)
    local x = 0
    for i = 1, n do x = (x + i) % 1000003 end -- HERE
    return x
end
function t:method(n, ...)
    local x = self.burn(n)
    return x, ...
end
return function(n) return (t:method(n, 1, 2)) end
LUA
    coroutine => [ 'interpreted', $burn . <<'LUA', 'burn', '' ],
local wrap = coroutine._wrap or coroutine.wrap
local function inside(n)
    local x = burn(n)
    return x
end
return function(n) local x = wrap(inside)(n) return x end
LUA
    grows => [ 'compiled', <<'LUA' ],
local function deep(n, a, b, c, d, e, f, g)
    if n == 0 then return 0 end
    return 1 + deep(n - 1, a, b, c, d, e, f, g) -- HERE
end
local function burn(n)
    local x = 0
    for i = 1, n / 100 do
        x = x + coroutine.wrap(deep)(60, 1, 2, 3, 4, 5, 6, 7)
    end
    return x
end
return burn
LUA
    metamethod => [ 'interpreted', <<'LUA', '', 'run' ],
local t = setmetatable({}, { __index = function(t, n)
    local x = 0
    for i = 1, n do x = (x + i) % 1000003 end -- HERE
    return x
end })
local function outer(n)
    local x = t[n]
    return x
end
return outer
LUA
    protected => [ 'interpreted', $burn . <<'LUA', '', 'run' ],
local function outer(n)
    local ok, x = pcall(burn, n)
    return x
end
return outer
LUA
    callback => [ 'interpreted', <<'LUA', '', 'run' ],
local ffi = require('ffi')
ffi.cdef('void qsort(void *, size_t, size_t, int (*)(int *, int *));')
local array = ffi.new('int[2]', 2, 1)
local n
local compare = ffi.cast('int (*)(int *, int *)', function(a, b)
    local x = 0
    for i = 1, n do x = (x + i) % 1000003 end -- HERE
    return 0
end)
local function outer(rounds)
    n = rounds
    ffi.C.qsort(array, 2, 4, compare)
    return 0
end
return outer
LUA
    strings => [ 'interpreted', <<'LUA' . $outer, qw(burn run) ],
local s = string.rep('abc ', 200)
local function burn(n)
    local x
    for i = 1, n / 3000 do x = s:gsub('(%w+) (%w+)', '%2 %1') end -- HERE
    return 0
end
LUA
    collector => [ 'interpreted', <<'LUA' . $outer, qw(burn run) ],
local keep = {}
local function burn(n)
    for i = 1, n / 40 do keep[i % 5000 + 1] = { i, {} } end -- HERE
    return 0
end
LUA
);

my $rounds = 200000;


my $locations = join '', map { <<"END" } sort keys %burns;
        location = /$_ {
            content_by_lua_block {
                local run = require('burn_$_')
                ngx.say(run($rounds))
            }
        }
END

my $site = Site->new(
    workers  => 1,
    modules  => [ Profile::lua_modules() ],
    handlers => $Profile::handlers,
    noise    => qr/lua_code_cache is off/,
    http     => <<'END',
    profiling_interval 1s;
    profiling_cpu_rate 1000;
    keepalive_requests 1000000;
    lua_package_path 'DIR/?.lua;;';
END
    server   => $locations . <<'END',
        location = /access {
            access_by_lua_file DIR/access.lua;
            content_by_lua_block { ngx.print('') }
        }
        location = /slept {
            access_by_lua_block {
                ngx.sleep(0.001)
                require('burn_traced')(200000)
            }
            content_by_lua_block { ngx.print('') }
        }
        location = /filtered {
            header_filter_by_lua_block { require('burn_traced')(200000) }
            return 200 "";
        }
        location = /logged {
            log_by_lua_block { require('burn_traced')(200000) }
            return 200 "";
        }
        location = /anew {
            lua_code_cache off;
            content_by_lua_block {
                local keep = {}
                local burn = coroutine.wrap(function(n)
                    local x = 0
                    for i = 1, n do
                        x = (x + i) % 1000003
                        keep[i % 99] = { i }
                    end
                    return x
                end)
                ngx.say(burn(200000))
                collectgarbage()
            }
        }
        location = /text {
            content_by_lua_block {
                local text = "local n = ...\n local x = 0\n for i = 1, n do "
                    .. "x = (x + i) % 1000003 end return x -- " .. string.rep('long ', 30)
                ngx.say(loadstring(text)(200000))
            }
        }
END
);

# of each chunk: where it burns
my %here;

for my $name (keys %burns) {
    my ($how, $text) = @{ $burns{$name} };

    $text = "jit.off(true, true)\n$text" if $how eq 'interpreted';
    spew($site->dir . "/burn_$name.lua", $text);
    $here{$name} = 1 + (() = $text =~ /\A(.*?)-- HERE/s ? $1 =~ /\n/g : ());
}

spew($site->dir . '/access.lua', "local function check(n)\n" . <<'LUA');
    local x = 0
    for i = 1, n do x = (x + i) % 1000003 end
    return x
end
local x = check(200000)
LUA

$site->start;

my @workers = $site->workers;

for my $name (sort keys %burns) {
    my $p = while_busy("/$name");
    my ($how, undef, $function, $caller) = @{ $burns{$name} };

    $caller = $caller ? " $caller" : '';

    my $here = frame("burn_$name.lua:$here{$name}", $function);
    my $mine = labelled(location => "= /$name");

    # one whose time is in making coroutines burns in no one line
    if (defined $function) {
        is_mostly($p, 0.95, "$name: $how, function, file and line of it",
                  lua($mine), has($here))
            or diag(counts($p, lua($mine)));
        is_mostly($p, 0.95, '... called from where it is', has($here),
                  has(qr/^burn_$name\.lua:\d+\Q$caller\E$/))
            or diag(counts($p, has($here)));
    }

    is_mostly($p, 0.95, '... under its phase', lua($mine),
              sub { outermost($_[0]) eq 'content_by_lua' })
        or diag(counts($p, lua($mine)));
    is_mostly($p, 0.99, '... down to the start', lua($mine), \&thread_start)
        or diag(counts($p, sub { lua($mine)->($_[0])
                                 && !thread_start($_[0]) }));
    is_mostly($p, 0.99, '... where its code ran, it is', machine($mine),
              \&named)
        or diag(counts($p, sub { machine($mine)->($_[0])
                                 && !named($_[0]) }));
}

fields();
phases();
text();
anew();

is("@{[ $site->workers ]}", "@workers", 'the worker is the same');

$site->stop;

done_testing();


sub while_busy {
    my $path = shift;

    my $load = load($site, { to => '127.0.0.1:' . $site->port }, $path);
    my $seconds = 1;
    my $p;

    # beside others the worker has little of the processor

    until_true(240, sub {
        $p = Profile::take($site, seconds => $seconds);
        $seconds = 2 * $seconds if $seconds < 16;
        return sum($p, lua()) >= 0.2e9;
    });

    Profile::end($load);

    return $p;
}


sub frame {
    my ($at, $function) = @_;

    return $function ? "$at $function" : $at;
}


# a function of Lua, and not the phase alone

sub named {
    return grep { /\.lua(?:[: ]|$)|_by_lua\(/ } @{ $_[0]{frames} };
}


# samples in which Lua runs

sub lua {
    my $mine = shift;

    return sub {
        return (!$mine || $mine->($_[0]))
               && grep { /\.lua:|_by_lua/ } @{ $_[0]{frames} };
    };
}


# those in which the machine does: what it has made, and calls

sub machine {
    my $mine = shift;

    return sub {
        my @frames = @{ $_[0]{frames} };

        return $mine->($_[0])
               && (grep({ $_ eq '[luajit]' } @frames) || lua()->($_[0]));
    };
}


sub outermost {
    my @lua = grep { /\.lua:|_by_lua/ } @{ $_[0]{frames} };

    return $lua[-1] // '';
}


sub counts {
    my ($p, $of) = @_;

    my %seen;

    for my $s (grep { $of->($_) } @{ $p->{samples} }) {
        $seen{ join "\n    ", @{ $s->{frames} } } += $s->{count};
    }

    my @most = sort { $seen{$b} <=> $seen{$a} } keys %seen;
    splice @most, 4 if @most > 4;

    return map { "$seen{$_}: $_\n" } @most;
}


# the fields of pprof, as go tool pprof takes them

sub fields {
    my $p = while_busy('/access');
    my $d = $p->{decoded};

    my ($function) = grep { $_->{name} eq 'access.lua:3 check' }
                          @{ $d->{functions} };

    ok($function, 'a file of access_by_lua_file')
        or return diag(counts($p, lua()));

    is($function->{file}, $site->dir . '/access.lua', '... with its path');
    is($function->{start_line}, 1, '... the line of the function');

    my ($line) = grep { $_->{function} == $function->{id} }
                 map { @{ $_->{line} } } @{ $d->{locations} };

    is($line->{line}, 3, '... and the line that runs');
    is_mostly($p, 0.95, '... under access_by_lua', has('access.lua:3 check'),
              sub { outermost($_[0]) eq 'access_by_lua' })
        or diag(counts($p, has('access.lua:3 check')));
}


sub phases {
    my %phase = (slept => 'access_by_lua', filtered => 'header_filter_by_lua',
                 logged => 'log_by_lua');

    for my $name (sort keys %phase) {
        my $p = while_busy("/$name");
        my $burns = has("burn_traced.lua:$here{traced} burn");

        is_mostly($p, 0.95, "$phase{$name} is the phase of what it runs",
                  $burns, sub { outermost($_[0]) eq $phase{$name} })
            or diag(counts($p, $burns));
    }
}


# a chunk of source text, with what no terminal should get

sub text {
    my $p = while_busy('/text');
    my @names = map { $_->{name} } @{ $p->{decoded}{functions} };

    my ($name) = grep { /^\[string/ } @names;

    like($name // '', qr/^\[string "local n = \.\.\.\\x0a local x = 0\\x0a .*\.\.\."\]:3/,
         'source text is cut, and escaped')
        or diag("@names");
    is(scalar(grep { /[\0-\x1f\x7f]/ } @names), 0, 'no name has odd bytes');
}


# a state that is made for a request, and goes away with it

sub anew {
    my $p = while_busy('/anew');
    my $mine = labelled(location => '= /anew');

    is_mostly($p, 0.95, 'lua_code_cache off: a function, where its code ran',
              machine($mine), \&named)
        or diag(counts($p, sub { machine($mine)->($_[0])
                                 && !named($_[0]) }));

    # what makes the state is Lua too, before any phase
    my $burns = has(qr/^content_by_lua\(/);

    is_mostly($p, 0.95, '... under its phase', $burns,
              sub { outermost($_[0]) eq 'content_by_lua' })
        or diag(counts($p, $burns));
}
