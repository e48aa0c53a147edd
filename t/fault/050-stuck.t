#!/usr/bin/perl

# A stuck worker - in a loop, in a blocking call, stopped by a signal - is
# named by the other workers' health check and by force-gc; when it continues,
# all is well again.

use strict;
use warnings;

use Fault;
use Sanitized;
use Test::More;

my @lua = map { "/usr/lib/nginx/modules/$_.so" }
          qw(ndk_http_module ngx_http_lua_module);

my $n = Fault->new(name => 'stuck', workers => 3, modules => \@lua,
                   profiling => 'profiling_interval 200ms;', server => <<'END');
        location /spin {
            content_by_lua_block {
                local f
                repeat f = io.open("DIR/go", "r") until f
                f:close()
                ngx.say("gone on")
            }
        }

        location /block {
            content_by_lua_block {
                os.execute("while ! [ -e DIR/go ]; do sleep 0.05; done")
                ngx.say("gone on")
            }
        }
END

$n->start;
$n->until('metrics', 60, sub { @{ $_[0]{workers} } == 3 });

for my $case (['a loop that burns the processor', '/spin', 'on the processor'],
              ['a call that blocks', '/block', 'blocking call'],
              ['a signal that stops it', undef, 'stopped by a signal'])
{
    my ($name, $path, $doing) = @$case;

    unlink $n->dir . '/go';

    # a stall that is over is told for a minute: it is no more than degraded
    is($n->until('health', 60, sub { $_[0]{status} ne 'unhealthy' })->{met}, 1,
       "healthy before $name");

    # its last tick may have been some time before it hangs
    my ($begin) = sort { $a <=> $b }
                  map { Fault::stamp($_->{collected}) }
                  @{ $n->api('metrics')->{workers} };
    my ($client, $victim);

    if ($path) {
        my $answer = $n->dir . '/answer';

        $client = background(sub {
            my $r = $n->get($path, timeout => 60);
            Fault::spew($answer, $r->{body} || $r->{error});
        });

    } else {
        ($victim) = $n->workers;
        kill 'STOP', $victim;
    }

    # on a busy machine others may seem stuck for a moment
    my $h = patient(60, sub {
        return $_[0]{status} eq 'unhealthy'
               && 1 == grep { $_->{state} eq 'stuck' } @{ $_[0]{workers} };
    });

    is($h->{http}, 503, "$name: health answers 503");

    my @stuck = grep { $_->{state} eq 'stuck' } @{ $h->{workers} };
    is(@stuck, 1, '... one worker is stuck');

    $victim ||= $stuck[0]{pid};
    is($stuck[0]{pid}, $victim, '... the right one');

    my ($issue) = grep { /worker $victim / } @{ $h->{issues} };
    like($issue, qr/worker $victim is stuck: .* (\d+\.\d) s, .*\Q$doing\E/,
         '... an issue names it, how long and what it does');

    like($issue, qr/ in content_by_lua\(nginx\.conf:\d+\):3 main chunk for /,
         '... and its line of Lua')
        if $doing eq 'on the processor';

    my ($for) = ($issue // '') =~ /(\d+\.\d) s/;
    cmp_ok($for // 0, '>=', 0.6, '... at least three intervals');
    cmp_ok($for // 99, '<=', time - $begin + 0.1, '... no longer than it is');

    # the time it is stuck for goes on
    my $later = patient(60, sub {
        my ($w) = grep { $_->{pid} == $victim } @{ $_[0]{workers} };
        return $w->{silent_seconds} > $stuck[0]{silent_seconds} + 0.3;
    });
    ok($later->{met}, '... and goes on');

    # the others answer; a connection may have gone to the stuck one, which
    # had it before it got stuck

    my $m = patient(60, sub {
        return 2 == grep { $_->{state} eq 'running' } @{ $_[0]{workers} };
    }, 'metrics');
    is($m->{http}, 200, '... metrics are answered');

    my ($w) = grep { $_->{pid} == $victim } @{ $m->{workers} };
    is($w->{state}, 'stuck', '... and show it');
    is(scalar(grep { $_->{state} eq 'running' } @{ $m->{workers} }), 2,
       '... and the others');

    # force-gc, which waits for all until its deadline

    my $gc;

    wait_for(60, sub {
        my $r = $n->get('/api/profiling/force-gc', method => 'POST',
                        timeout => 10);
        return 0 if $r->{error} || $r->{status} == 429;
        $gc = Json::decode_json($r->{body});
        return 1;
    });

    ok($gc && !$gc->{success},
       '... force-gc answers while it hangs, without success');

  SKIP: {
    skip_sanitized('its allocator gives nothing back', 1);

    is_deeply([ map { $_->{pid} } grep { !$_->{success} }
                @{ $gc->{workers} } ], [ $victim ], '... of that worker only');
  }

    # it goes on

    if ($client) {
        Fault::spew($n->dir . '/go', '');
        reap($client);
        is(Fault::slurp($n->dir . '/answer'), "gone on\n",
           '... its request is answered when it goes on');

    } else {
        kill 'CONT', $victim;
    }

    $h = patient(60, sub { $_[0]{status} ne 'unhealthy' });
    is($h->{http}, 200, '... and it is healthy again') or diag(explain($h));
    ok((grep { $_ == $victim } $n->workers), '... the same worker');

    $m = $n->api('gc');
    my ($pause) = grep {
        $_->{worker} == $victim && $_->{duration_ns} > 6e8
    } @{ $m->{recent} };
    ok($pause, '... the time is among the pauses') if $client;

  SKIP: {
    skip_sanitized('its allocator gives nothing back', 1);

    # once a second at most, and in time
    ok(wait_for(60, sub {
        my $late = $n->get('/api/profiling/force-gc', method => 'POST');
        return Json::decode_json($late->{body} || '{}')->{success};
    }), '... and force-gc succeeds');
  }
}

# a stuck worker that is killed is not stuck for ever

my ($victim) = $n->workers;
kill 'STOP', $victim;
patient(60, sub { $_[0]{status} eq 'unhealthy' });
kill 'KILL', $victim;

my $h = patient(60, sub {
    return $_[0]{status} ne 'unhealthy' && @{ $_[0]{workers} } == 3
           && !grep { $_->{pid} == $victim } @{ $_[0]{workers} };
});
ok($h->{met}, 'a stuck worker that is killed is gone')
    or diag(explain($h));

ok($n->stop('QUIT'), 'nginx ends');
unlike($n->log, qr/\[(?:alert|emerg|crit)\](?!.*(?:exited on signal 9|was killed by SIGKILL))/,
       'no alert');

done_testing();


# Like until(), but a connection that the stuck worker has accepted is given
# up soon.

sub patient {
    my ($seconds, $condition, $endpoint) = @_;

    my $last;

    my $met = wait_for($seconds, sub {
        my $r = $n->get('/api/profiling/' . ($endpoint || 'health'),
                        timeout => 3);
        return 0 if $r->{error};
        $last = Json::decode_json($r->{body});
        $last->{http} = $r->{status};
        return $condition->($last);
    });

    return { %{ $last || {} }, met => $met ? 1 : 0 };
}
