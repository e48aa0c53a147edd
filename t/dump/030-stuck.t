#!/usr/bin/perl

# Stuck workers in another worker's dump: with the stack in which each is
# stuck, its location, and for how long.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;
use Dump;

my $site = Site->new(
    workers  => 4,
    modules  => [ Profile::test_module(), Profile::lua_modules() ],
    handlers => $Profile::handlers,
    noise    => qr/exited on signal 9|was killed by SIGKILL/,
    server   => <<'END',
        location = /lua {
            content_by_lua_block {
                local x = 0
                while true do x = (x + 1) % 1000003 end
            }
        }
        location /c/ { location /c/spin { profiling_test spin; } }
        location = /fifo {
            content_by_lua_block {
                local f = io.open("DIR/fifo", "r")
                f:read("*a")
            }
        }
END
);

system('mkfifo', '-m', '666', $site->dir . '/fifo') == 0 or die;

$site->start;

my %begun;
my @held = map { $begun{$_} = time(); opened($site, "GET $_ HTTP/1.1\r\nHost: main\r\n\r\n") }
           '/lua', '/c/spin', '/fifo';

# each of them may have come to a worker that hangs already, and waits there
my $dump;

ok(until_true(60, sub { ask(); 3 == (() = find($dump, state => 'stuck')) }),
   'three workers hang, another one tells') or diag(Dump::listed($dump));

# some time later

my $told = time();
my %first = map { $_->{location} => $_->{wait_seconds} }
            find($dump, state => 'stuck');

sleep 1;

my $began = time();
ask();

is_dump($dump, 'workers that hang');

for (['= /lua', qr/^content_by_lua\(nginx\.conf:\d+\):3 main chunk$/],
     ['/c/spin', qr/profiling_test_one_cfi/], ['= /fifo', qr/read/])
{
    my ($location, $function) = @$_;
    my $name = $location =~ s/^= //r;

    my $g = one($dump, "$name: one worker", state => 'stuck',
                location => $location);
    is($g->{server}, 'main', '... its server');
    cmp_ok($g->{wait_seconds}, '<=', time() - $begun{$name} + 0.1,
           '... not for longer than it has hung');
    cmp_ok($g->{wait_seconds}, '>=', $first{$location} + $began - $told - 0.1,
           '... and not for less');
    is($g->{stack}[-1], '[stuck worker]', '... the root of its stack');
    ok(scalar grep({ $_ =~ $function } @{ $g->{stack} }),
       '... and where it hangs') or diag("@{ $g->{stack} }");
    is(scalar grep({ $_->{pid} == $g->{worker}
                     && $_->{answer} eq 'stuck' } @{ $dump->{workers} }), 1,
       '... told of the worker, too');
}

like($dump->{stack_trace}, qr/^goroutine \d+ \[stuck\]:$/m,
     'they are in the text');
is(scalar(grep { $_->{answer} eq 'answered' } @{ $dump->{workers} }), 1,
   'one worker answered');

my $p = Profile::decode($site->request('/debug/pprof/goroutine')->{body});
my @stuck = grep { labelled(state => 'stuck')->($_)
                   && defined $_->{labels}{location} } @{ $p->{samples} };
is(scalar @stuck, 3, 'and in the profile');
is(scalar(grep { has('profiling_test_one_cfi')->($_)
                 && $_->{labels}{location} eq '/c/spin' } @stuck), 1,
   '... with their stacks');

# a worker that waits for the processor is not stuck: all is well again

kill 'KILL', map { $_->{worker} } find($dump, state => 'stuck');
until_true(60, sub { @{ [ $site->workers ] } == 4 });

ok(until_true(60, sub { ask(); !find($dump, state => 'stuck')
                              && 4 == @{ $dump->{workers} } }),
   'workers that came instead of them answer');

$site->stop;

done_testing();


# A connection may come to a worker that hangs: then another one is made.

sub ask {
    for (1 .. 20) {
        my $s = $site->connect;
        Dump::send_to($s, "GET /api/profiling/goroutines HTTP/1.1\r\n"
                          . "Host: main\r\nConnection: close\r\n\r\n");

        next unless IO::Select->new($s)->can_read(10);

        my $got = Site::parse(Site::read_all($s, 60));
        $dump = Json::decode_json($got->{body});
        return $dump;
    }

    die "no worker answers\n";
}
