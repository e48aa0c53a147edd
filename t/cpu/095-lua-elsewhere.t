#!/usr/bin/perl

# Lines of Lua wherever stacks are: of the heap, of blocking calls, of pauses,
# of a worker that has died; and the reason where there are none.

use strict;
use warnings;

use Fault;
use Sanitized;
use Test::More;
use Site;
use Profile;

my %site = (
    workers  => 1,
    modules  => [ Profile::lua_modules() ],
    handlers => $Profile::handlers,
    noise    => qr/exited on signal 11|died of SIGSEGV/,
    http     => <<'END',
    profiling_interval 100ms;
    profiling_heap_rate 4096; profiling_budget off;
    profiling_cpu_rate 1000;
    keepalive_requests 1000000;
END
    server   => <<'END',
        location = /heap {
            content_by_lua_block {
                local s = string.rep('x', 60000)
                ngx.print(s)
            }
        }
        location = /block {
            content_by_lua_block {
                os.execute('sleep 0.06')
                ngx.print('done')
            }
        }
        location = /burn {
            content_by_lua_block {
                local x, finish = 0, os.clock() + 0.2
                while os.clock() < finish do x = (x + 1) % 1000003 end
                ngx.print('done')
            }
        }
        location = /wait {
            access_by_lua_block {
                local function wait()
                    ngx.sleep(60)
                    return 1
                end
                local x = wait()
            }
            content_by_lua_block { ngx.print('done') }
        }
        location = /die {
            content_by_lua_block {
                local ffi = require('ffi')
                local p = ffi.cast('int *', 16)
                ngx.print(p[0])
            }
        }
END
);

my $site = Site->new(%site);

$site->start;

heap();
blocking();
burning();
waiting();
death();

$site->stop;

# without crash handling memory is not read

my $off = Site->new(%site, http => "$site{http}\n    profiling_crash off;\n");

$off->start;
reason($off, qr/\[luajit\] has no frames of Lua: profiling_crash is off/);
$off->stop;

done_testing();


sub line {
    my ($line) = @_;

    return has(qr/^content_by_lua\(nginx\.conf:\d+\):$line main chunk$/);
}


sub heap {
    $site->request('/heap') for 1 .. 20;

    my $p = Profile::take($site, path => '/debug/pprof/allocs');
    my @of = grep { labelled(location => '= /heap')->($_) && line(3)->($_) }
             @{ $p->{samples} };

    ok(scalar @of, 'the heap has the line that prints');
    ok(scalar grep({ has('content_by_lua')->($_) } @of), '... and its phase');
}


sub blocking {
    $site->request('/block');

    my $p = Profile::take($site, path => '/debug/pprof/block');
    my @of = grep { line(2)->($_) } @{ $p->{samples} };

    ok(scalar @of, 'a blocking call has the line that waits')
        or diag(explain $p->{samples});
    is($of[0]{labels}{location}, '= /block', '... with its location') if @of;

    my ($pause) = grep { ($_->{location} // '') eq '= /block' }
                  @{ $site->json('gc')->{recent} };

    like($pause->{cause}, qr/^content_by_lua\(nginx\.conf:\d+\):2 main chunk$/,
         '... and so has the pause');
}


sub burning {
    my $pause;

    # what is seen of it depends on when the processor was had

    until_true(60, sub {
        $site->request('/burn');
        ($pause) = grep { ($_->{location} // '') eq '= /burn'
                          && ($_->{cause} // '') =~ /main chunk/ }
                   @{ $site->json('gc')->{recent} };
        return $pause;
    });

    like($pause->{cause}, qr/^content_by_lua\(nginx\.conf:\d+\):3 main chunk$/,
         'a pause that burns has the line of its loop');
    ok(scalar grep({ $_ eq 'content_by_lua' } @{ $pause->{stack} }),
       '... under its phase');
}


# a request that has yielded is told by the line that it goes on in

sub waiting {
    my $s = $site->connect;
    my $text;

    print $s "GET /wait HTTP/1.1\r\nHost: main\r\n\r\n";
    $s->flush;

    ok(until_true(60, sub {
        $text = $site->request('/debug/pprof/goroutine?debug=2')->{body};
        return $text =~ /access_by_lua\(nginx\.conf:\d+\):3 wait/;
    }), 'a connection has the line that its request waits in') or diag($text);

    my ($block) = grep { /:3 wait/ } split /\n\n/, $text;

    like($block // '', qr/:3\ wait.*:6\ main\ chunk.*
                         ^access_by_lua\b.*
                         ngx_http/smx, '... its caller and its phase');
    close $s;
}


sub death {
  SKIP: {
    skip_sanitized('they have handlers of their own', 1);

    my $log = $site->dir . '/error.log';

    $site->request('/die', once => 1);

    ok(until_true(60, sub {
        return slurp($log) =~ /died\ of\ SIGSEGV\ .*\ in\ .*
                               content_by_lua\(nginx\.conf:\d+\):4\ main\ chunk
                              /x;
    }), 'what a worker died of has the line that died')
        or diag(grep { /died of/ } split /^/, slurp($log));
  }
}


sub reason {
    my ($where, $like) = @_;

    my $load = Profile::load($where, { to => '127.0.0.1:' . $where->port },
                             '/burn');
    my $p;

    until_true(240, sub {
        $p = Profile::take($where, seconds => 1);
        return grep { has('[luajit]')->($_) } @{ $p->{samples} };
    });

    Profile::end($load);

    is(scalar(grep { has(qr/main chunk/)->($_) } @{ $p->{samples} }), 0,
       'without them no frame is guessed');
    ok(scalar grep({ $_ =~ $like } @{ $p->{comments} }),
       '... and a comment says why') or diag(explain $p->{comments});
}
