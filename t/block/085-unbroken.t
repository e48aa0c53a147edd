#!/usr/bin/perl

# No call of others is broken off: what waits with a timeout, which no signal
# handler restarts, lasts as long as it would without the module, while other
# workers tick, see it hang, capture and dump.  Each by a hooked call and by
# one that no hook knows.

use strict;
use warnings;

use Test::More;
use Site;
use Profile;

my @calls = qw(recv read recvmsg readv send write sendmsg writev poll ppoll
               select nanosleep clock_nanosleep usleep epoll_wait
               sem_timedwait);
my @ways = map { ($_, "raw-$_") } @calls;

my $ms = 1300;

# LuaJIT calls the library by itself
my @lua = Modules::static() ? () : Profile::lua_modules();
my %ffi = @lua ? ('ffi-poll' => "ffi.C.poll(nil, 0, $ms)",
                  'ffi-usleep' => "ffi.C.usleep(${ms}000)") : ();

push @ways, sort keys %ffi;

my $site = Site->new(
    workers  => 3,
    modules  => [ Profile::test_module(), @lua ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 100ms;' . (@lua ? <<'END' : ''),
    init_by_lua_block {
        ffi = require "ffi"
        ffi.cdef[[int poll(void *p, unsigned long n, int ms);
                  int usleep(unsigned us);]]
    }
END
    server   => join('', map {
        $ffi{$_} ? "location = /$_ { content_by_lua_block {
                        local whole = $ffi{$_} == 0
                        ngx.log(ngx.INFO, 'waited by $_: ',
                                whole and 'whole' or 'broken', '\\n')
                        ngx.say('done') } }\n"
                 : "location = /$_ { profiling_test wait_timed $ms $_; }\n"
    } @ways),
);

$site->start;

broken($_) for @ways;

my $log = $site->log;

like($log, qr/waited by \Q$_\E: whole$/m, "$_() lasts its time") for @ways;
unlike($log, qr/waited by .*: (?!whole)/, 'none is broken off');

# One that no hook knows is seen from outside, after a second: where the other
# workers had no time for that, it is called again.

my @untold = untold();

until_true(60, sub {
    broken($_) for @untold;
    return !(@untold = untold());
});

is("@untold", '', 'each is told as a pause that was blocked');

$site->stop;

done_testing();


sub untold {
    my %told = map { ($_->{location} // '') => 1 }
               grep { ($_->{blocked_ns} // 0) > 0.5 * $_->{duration_ns} }
               @{ $site->json('gc')->{recent} };

    return grep { !$told{"= /$_"} } @ways;
}


# others may have connections of those who ask: these are given up

sub broken {
    my $way = shift;

    my $asked = 0;
    my $s = $site->connect;

    print $s "GET /$way HTTP/1.1\r\nHost: main\r\nConnection: close\r\n\r\n";
    $s->flush;
    was_read($s);

    for my $path ('/api/profiling/health', '/api/profiling/goroutines',
                  '/api/profiling/gc', '/debug/pprof/profile?seconds=1',
                  '/debug/pprof/block')
    {
        my $got = $site->request($path, seconds => 3);
        $asked++ if ($got->{status} // 0) =~ /^(?:200|503)$/;
    }

    cmp_ok($asked, '>', 0, "$way(): others answer meanwhile");
    Site::read_all($s, 60);
}
