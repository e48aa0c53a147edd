#!/usr/bin/perl

# Configurations that do not fit the zone, at start and at reload, and workers
# that find no slot.

use strict;
use warnings;

use Fault;
use Health;
use IO::Socket::INET;
use Test::More;

my $zone = 'profiling_interval 200ms;
            profiling_zone zone=prof:16m slots=6; profiling_history 200;';

my $n = Fault->new(name => 'zone', profiling => $zone);

$n->start;
$n->get('/empty') for 1 .. 5;
$n->until('metrics', 60, sub { $_[0]{metrics}{requests}{total} == 5 });
$n->until('metrics/history', 60, sub { $_[0]{count} > 2 });

for my $case (['another size', qr/slots=6/, 'zone=prof:20m', 'zone=prof:16m',
               qr/size 20971520 .*"prof".* 16777216 bytes/],
              ['fewer slots', qr/x/, 'slots=5', 'slots=6',
               qr/slots=5 .*"prof".* 6 slots/],
              ['another history', qr/x/, 'profiling_history 300',
               'profiling_history 200',
               qr/profiling_history 300 .*200 samples.*"prof"/])
{
    my ($name, undef, $new, $old, $message) = @$case;

    (my $changed = $zone) =~ s/\Q$old\E/$new/;

    my $length = length $n->log;
    my @before = sort $n->workers;

    $n->configure(profiling => $changed);
    $n->signal('HUP');

    my $said = wait_for(60, sub {
        my ($line) = substr($n->log, $length) =~ /^(.*\[emerg\].*)$/m;
        return $line;
    });

    like($said, $message, "$name is refused, and both are named");

    is_deeply([ sort $n->workers ], \@before, '... the workers go on');
    is($n->api('metrics')->{metrics}{requests}{total}, 5, '... with totals');
    is($n->api('runtime')->{generation}, 1, '... and no new generation');
}

ok($n->reload(profiling => $zone . 'profiling_pause_threshold 33ms;'),
   'another setting is taken over');
is($n->api('runtime')->{settings}{profiling_pause_threshold_ms}, 33,
   '... and is in force');
is($n->api('metrics')->{metrics}{requests}{total}, 5, '... totals are kept');
is($n->api('runtime')->{generation}, 2, '... in generation 2');

# another name is another zone

ok($n->reload(profiling => 'profiling_interval 200ms;
                            profiling_zone zone=other:16m;'),
   'a zone of another name is taken');
is($n->api('metrics')->{metrics}{requests}{total}, 0, '... and starts at 0');

unlike($n->log, qr/\[(?:alert|crit)\]/, 'no alert in the log');
$n->stop;


# too small at the start

my $small = Fault->new(name => 'small',
                       profiling => 'profiling_zone zone=tiny:64k slots=64;');

$small->configure;
my $said = run_command($small->command);
my $status = $?;

isnt($status, 0, 'a zone that does not hold its header stops the start');

my ($line) = ($said . $small->log) =~ /^(.*"tiny".*too small.*)$/m;
like($line, qr/\[emerg\].* of 64k .*at least \d+k in .*:\d+$/,
     '... by a message with what it has and what is needed');

my ($needed) = ($line // '') =~ /at least (\d+k)/;

$small->start(profiling => "profiling_zone zone=tiny:$needed slots=64;");
is($small->get('/empty')->{status}, 200, '... which is enough to serve');

my $health = $small->api('health');
is($health->{status}, 'degraded', '... and health tells what is missing');
like("@{ $health->{issues} }", qr/workers without a slot/, '... slots');
like($small->log, qr/\[warn\].*has room for 0 slots of 64/, '... as the log');
like($small->get('/metrics')->{body},
     qr/^nginx_profiling_workers_without_slot [1-9]/m, '... and /metrics');
$small->stop;


# slots, but no page for any place

my $crowd = Fault->new(name => 'crowd',
                       profiling => 'profiling_history 10;
                                     profiling_zone zone=crowd:2m slots=4;',
                       server => join('', map {
                           "        location /p$_ { return 200 x; }\n"
                       } 1 .. 600));

$crowd->start;
$crowd->get("/p$_") for 1 .. 600;

my $told = $crowd->until('health', 60, sub {
    return $_[0]{status} eq 'degraded';
});
ok($told->{met}, 'a zone that is full is told by health');
like("@{ $told->{issues} }", qr/zone (?:is full|has no room)/, '... so');

my $lines = () = $crowd->log =~ /\[warn\].* (?:is full|no room for)/g;
is($lines, 1, '... once by the log') or diag($crowd->log);

my $locations = $crowd->api('locations')->{locations};
my ($rest) = grep { $_->{location} eq '(other)' } @$locations;
my $sum = 0;
$sum += $_->{requests} for grep { ($_->{location} // '') =~ /^\/p|^\(other/ }
                           @$locations;

ok($rest->{requests}, '... its requests are of (other)');
is($sum, 600, '... and none is lost');
like($crowd->get('/metrics')->{body},
     qr/^nginx_profiling_requests_total\{server="\(other\)",location="\(other\)",
        status="2xx"\}\ $rest->{requests}$/mx, '... in /metrics too');
$crowd->stop;


# slots exhausted

my $two = Fault->new(name => 'two', server => <<'END',
        location /slow { limit_rate 10; return 200 "$request_id$request_id"; }
END
    profiling => 'profiling_interval 200ms;
                  profiling_zone zone=two:16m slots=2;');

$two->start;

# both workers have to drain when they are told to exit: each serves clients

my @slow;

wait_for(60, sub {
    push @slow, IO::Socket::INET->new('127.0.0.1:' . $two->port);
    syswrite $slow[-1], "GET /slow HTTP/1.0\r\n\r\n";
    my $m = $two->ticked;
    return 2 == grep { $_->{connections}{writing} } @{ $m->{workers} };
}) or fail('both workers serve a slow client');

my @old = $two->workers;

$two->signal('HUP');
ok(wait_for(60, sub { $two->workers == 4 && $two->running == 2 }),
   'new workers run beside the draining ones');

my $m = $two->until('metrics', 60, sub {
    return $_[0]{overhead}{unprofiled_workers} == 2;
});
ok($m->{met}, '... and are counted as not profiled');

is_deeply([ sort { $a <=> $b } map { $_->{pid} } @{ $m->{workers} } ],
          [ sort { $a <=> $b } @old ], '... and not shown');

is($two->get('/empty')->{status}, 200, '... but serve requests');

for my $endpoint ('metrics', 'metrics/history', 'memory', 'gc', 'goroutines',
                  'runtime', 'health', 'locations')
{
    is($two->api($endpoint)->{http}, 200, "... and $endpoint");
}

is($two->get('/metrics')->{status}, 200, '... and the text for Prometheus');

my $r = $two->get('/api/profiling/force-gc', method => 'POST');
like($r->{status}, qr/^(?:200|503)$/, '... and refuse force-gc') or
    diag(explain($r));

my @lines = $two->log =~ /^.*slots of profiling zone "two" are taken.*$/mg;
is(@lines, 2, 'one line each in the log') or diag(@lines);

my $sick = $two->api('health');
is($sick->{status}, 'degraded', '... and health is degraded');
like("@{ $sick->{issues} }", qr/without a slot.*: 2;/, '... for two workers');

my %new = map { $_ => 1 } $two->workers;
delete @new{@old};

@slow = ();

ok(wait_for(60, sub { $two->workers == 2 }), 'the old ones have gone');
$m = $two->until('metrics', 60, sub { @{ $_[0]{workers} } == 2 });
ok($m->{met}, 'the workers that had no slot have those')
    or diag(explain($m->{workers}), $two->log);
is_deeply([ sort map { $_->{pid} } @{ $m->{workers} } ], [ sort keys %new ],
          '... the same processes');

my $before = $two->api('metrics')->{metrics}{requests}{total};
$two->get('/empty') for 1 .. 20;
$m = $two->until('metrics', 60, sub {
    return $_[0]{metrics}{requests}{total} >= $before + 20;
});
ok($m->{met}, '... and count what they serve');
is_deeply(ailments($two->api('health')), [], '... health is well again');

ok($two->stop('QUIT'), 'nginx ends');
unlike($two->log, qr/\[(?:alert|crit|emerg)\]|signal 11/, 'no alert');

done_testing();
