#!/usr/bin/perl

# Traces under bad conditions: clients that go away, killed workers, reloads,
# buffers that are too small, the end of the worker that answers.  The file is
# always valid, nothing keeps running, and no client notices.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;
use Trace qw(read_trace tool have_go requests traced);

my $site = Site->new(
    workers  => 2,
    modules  => [ "$Profile::modules/ngx_http_echo_module.so" ],
    handlers => $Profile::handlers,
    access   => 'DIR/access.log timed',
    noise    => qr/exited on signal 9|was killed by SIGKILL|worker process \d+ exited/,
    http     => <<'END',
    log_format timed '$request_time $status $body_bytes_sent $request_uri';
    profiling_interval 100ms;
    profiling_trace_buffer 256k;
    keepalive_requests 1000000;
END
    server => <<'END',
        location = /return { return 200 "hello\n"; }
        location = /proxy { proxy_pass http://127.0.0.1:PORT/return; }
        location = /late { echo_sleep 0.5; echo late; }
        location = /late-proxy { proxy_pass http://127.0.0.1:PORT/late; }
END
)->start;

aborts();
small_buffer();
kills();
reloads();
asker_goes();
asker_killed();

$site->stop;

done_testing();


sub valid {
    my ($data, $name) = @_;

    my $t = eval { read_trace($data) };
    ok($t, "$name: the trace is valid") or diag($@);

    SKIP: {
        skip 'no go 1.22: install golang-1.22-go of backports', 1 if !have_go();

        my ($code, undef, $said) = tool('-pprof=net', $data);
        is($code, 0, "$name: ... and go 1.22 reads it") or diag($said);
    }

    return $t || { gs => {}, events => 0 };
}


sub aborts {
    my ($data, $log) = traced($site, 'seconds=3', sub {
        for my $path (('/late', '/late-proxy') x 4) {
            my $s = $site->connect;
            print $s "GET $path HTTP/1.1\r\nHost: main\r\n\r\n";
            $s->flush;
            was_read($s);
            close $s;
        }

        # headers that never end, and ones that make no sense
        my @half = map { my $s = $site->connect;
                         print $s "GET /half"; $s->flush; $s } 1 .. 3;
        $site->raw("nonsense\r\n\r\n", seconds => 60) for 1 .. 3;
        was_read($_) for @half;
        close $_ for @half;

        # all of them have ended: whoever asks is one
        my $after = time();
        until_true(60, sub {
            my $m = $site->json('metrics');
            return $m->{metrics}{connections}{active} <= 1
                   && !grep { epoch($_->{collected}) <= $after }
                            @{ $m->{workers} };
        });
    });
    my $t = valid($data, 'clients that go away');

    my $ended = grep { $_->{name} !~ m{ /api/|/debug/} } requests($t);
    my $logged = grep { $_->[3] !~ /^\/api/ } @$log;
    is($ended, $logged, '... each request that nginx logged has ended');

    ok((grep { $_ == 499 } map { @{ $_->{logs}{status} } } requests($t)),
       '... some with the status of one whose client left');
    ok((grep { $_ == 400 } map { @{ $_->{logs}{status} } } requests($t)),
       '... some as bad requests');
}


# full load into buffers of 256k: what does not fit is missing, no more

sub small_buffer {
    my @loads = map { load($site, ('/return') x 20, '/proxy') } 1 .. 2;
    my $seconds = 0.6;

    # as long as others leave time for so much

    ok(until_true(60, sub {
        my ($data) = traced($site, "seconds=$seconds", sub { });
        my $t = valid($data, 'a small buffer under load');

        $seconds *= 2;
        return requests($t, 'GET = /return') > 1000;
    }), '... and tells of much');

    Profile::end($_) for @loads;
}


sub kills {
    my $load = load($site, { pause => 0.005 }, '/return', '/proxy');

    my ($data) = traced($site, 'seconds=4', sub {
        my $asked = asked();

        for (1 .. 3) {
            my ($victim) = grep { $_ != $asked } $site->workers;

            kill 'KILL', $victim;
            until_true(60, sub { $site->workers == 2
                                && !grep { $_ == $victim } $site->workers });
            at_work();
        }
    });

    Profile::end($load);

    my $t = valid($data, 'workers that are killed');
    my %m = map { ($_->{m} // 0) => 1 } values %{ $t->{gs} };

    cmp_ok(scalar keys %m, '>=', 3, '... their successors are in it');
}


# Until all workers that there are have been asked for something.

sub at_work {
    until_true(60, sub {
        my %workers = map { $_ => 1 } $site->workers;
        my $m = $site->json('metrics') or return;

        delete $workers{ $_->{pid} }
            for grep { $_->{requests}{total} } @{ $m->{workers} };
        return !%workers;
    });
}


# the worker that answers

sub asked {
    my $worker;

    until_true(60, sub {
        ($worker) = map { $_->{worker} }
                    grep { ($_->{uri} // '') eq '/debug/pprof/trace' }
                    @{ $site->json('goroutines')->{goroutines} };
        return $worker;
    });

    return $worker // die "no worker answers\n";
}


sub reloads {
    my $load = load($site, { pause => 0.005 }, '/return', '/proxy');
    my $long = load($site, '/late');

    my ($data) = traced($site, 'seconds=4', sub {
        for (1 .. 3) {
            my @before = $site->workers;
            kill 'HUP', $site->{pid};
            until_true(60, sub {
                my %old = map { $_ => 1 } @before;
                2 <= grep { !$old{$_} } $site->workers;
            });
            at_work();
        }
    });

    Profile::end($load);
    Profile::end($long);

    my $t = valid($data, 'reloads');
    my %m = map { ($_->{m} // 0) => 1 } values %{ $t->{gs} };

    cmp_ok(scalar keys %m, '>=', 6, '... workers of several generations');
}


# nothing is recorded any more, and another trace may begin

sub free {
    my $name = shift;

    ok(until_true(60, sub {
        $site->request('/debug/pprof/trace?seconds=0.01')->{status} == 200;
    }), "$name: another trace may begin");
}


sub asker_goes {
    my $s = $site->connect;
    print $s "GET /debug/pprof/trace?seconds=60 HTTP/1.1\r\nHost: main\r\n\r\n";
    $s->flush;

    until_true(60, sub {
        sleep 0.2;
        $site->request('/debug/pprof/trace?seconds=0.001')->{status} == 500;
    }) or fail('a long trace runs');

    close $s;
    free('the asker has gone');
}


sub asker_killed {
    my $b = Profile::background(sub {
        $site->request('/debug/pprof/trace?seconds=60', seconds => 60)
             ->{status};
    });

    until_true(60, sub {
        sleep 0.2;
        $site->request('/debug/pprof/trace?seconds=0.001')->{status} == 500;
    }) or fail('a long trace runs');

    kill 'KILL', $site->workers;
    until_true(60, sub { $site->workers == 2 });
    Profile::finish($b);

    free('the asker\'s worker was killed');
    is($site->request('/return')->{status}, 200, 'requests are served');
}
