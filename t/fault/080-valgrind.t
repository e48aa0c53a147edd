#!/usr/bin/perl

# nginx under valgrind's memcheck: all endpoints, good and bad requests, clients
# that go away, a reload.  A finding counts if a function of the module is in
# its stack.

use strict;
use warnings;

use Fault;
use Memcheck qw(findings found);
use Sanitized;
use Test::More;

skip_all_sanitized('it and valgrind do not go together');
plan(skip_all => 'no valgrind: install it') unless grep { -x "$_/valgrind" }
                                       split /:/, $ENV{PATH};

told_apart();

{
    my $n = Fault->new(name => 'memcheck', workers => 1, ports => 3,
                       timeout => 60,
                       profiling => 'profiling_interval 100ms; '
                                    . 'profiling_heap_rate 4k; profiling_budget off;',
                       http => <<'END', server => <<'END2');
    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "from behind\n"; }
    }
END
        listen 127.0.0.1:PORT2 http2;
        location /debug/pprof/ { profiling_pprof; }
        location /proxy/ { proxy_pass http://127.0.0.1:PORT1; }
        location /gzip/ { alias DIR/html/; gzip on; gzip_types text/plain;
                          gzip_min_length 1; }
        location ~ ^/regex/(.*)$ { return 200 "$1"; }
        location @named { return 200 "named"; }
        location /try/ { try_files $uri @named; }
        location /sub/ { auth_request /empty; return 200 "sub"; }
END2

    my $dir = $n->dir;

    $n->{wrapper} = ['valgrind', '--tool=memcheck', '--leak-check=full',
                     '--show-leak-kinds=definite', '--num-callers=20',
                     '--track-origins=no', '--error-exitcode=0',
                     '--suppressions=t/fault/valgrind.supp',
                     "--log-file=$dir/valgrind.%p"];

    Fault::spew("$dir/html/page.txt", "page of text\n" x 500);

    $n->start(seconds => 60);

    # the master and two workers, one after the other; there are children that
    # only try what workers may do, which valgrind reports as well
    my @processes = $n->{pid};

    my @paths = ('/empty', '/proxy/x', '/gzip/page.txt', '/gzip/none',
                 '/regex/a', '/try/x', '/sub/x');
    my @endpoints = (map({ "/api/profiling/$_" }
                         qw(metrics metrics/history metrics/history?count=9
                            memory gc goroutines runtime health locations
                            metrics?worker=1 metrics?worker=x none
                            metrics/history?count=0
                            metrics/history?since=2026-02-10T09:59:58Z),
                         ''),
                     '/metrics',
                     map({ "/debug/pprof/$_" }
                         qw(heap heap?debug=1 heap?gc=1 allocs threadcreate
                            threadcreate?debug=1)),
                     '/api/profiling/heap-dump');

    for my $generation (1, 2) {
        my $m = $n->until('metrics', 60, sub {
            my @w = grep { $_->{state} eq 'running' } @{ $_[0]{workers} };
            return @w && $w[0]{generation} == $generation;
        });
        ok($m->{met}, "a worker of generation $generation");

        my @failed;

        for my $path (@paths, @endpoints) {
            my $r = $n->get($path, headers => "Accept-Encoding: gzip\r\n"
                                               . "Sec-Fetch-Site: same-origin"
                                               . "\r\n");
            push @failed, failure($path, $r) if $r->{error};
        }

        is("@failed", '', '... all is answered');

        my ($pid) = map { $_->{pid} }
                    grep { $_->{generation} == $generation }
                    @{ $m->{workers} };

        push @processes, $pid;
        @failed = ();

        for my $endpoint (@endpoints) {
            my $sign = $endpoint =~ /\?/ ? '&' : '?';
            my $r = $n->get("$endpoint${sign}worker=$pid");
            push @failed, failure("$endpoint${sign}worker=$pid", $r)
                if $r->{error};

            $r = $n->get($endpoint, method => 'HEAD');
            $r = $n->get($endpoint, method => 'POST',
                         body => 'x' x 100);
            $r = $n->get($endpoint,
                         headers => "Accept: application/openmetrics-text\r\n"
                                    . "Sec-Fetch-Site: cross-site\r\n");
        }

        is("@failed", '', '... for one worker too');

        my $said = run_command('h2load', '-n', 40, '-c', 2, '-m', 4,
                               'http://127.0.0.1:' . $n->port(2) . '/empty');
        like($said, qr/ 40 succeeded/, '... over HTTP/2');

        # at most one a second, and there was one a moment ago

        my $gc;

        wait_for(60, sub {
            $gc = $n->api('force-gc', method => 'POST');
            return $gc->{http} != 429;
        });

        is($gc->{http}, 200, '... force-gc is answered');

        # clients that go away

        for my $path (@endpoints, '/proxy/x') {
            my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port);
            syswrite $s, "GET $path HTTP/1.1\r\nHost: main\r\n\r\n";
            close $s;
        }

        $n->get('/empty');
        $n->ticked;

        $n->signal('HUP') if $generation == 1;
    }

    # valgrind looks for leaks then
    ok($n->stop('QUIT', 150), 'nginx ends');

    my @logs = glob "$dir/valgrind.*";
    my @findings = map { findings($_) } @logs;
    my %log = map { $_ => 1 } @logs, map { "$dir/valgrind.$_" } @processes;
    my @unreported = grep { !-e $_ || Fault::slurp($_) !~ /ERROR SUMMARY/ }
                     sort keys %log;

    is("@unreported", '', 'valgrind has reported all processes');
    is_deeply(\@findings, [], '... and found nothing in the module')
        or diag(join "\n", @findings);
}

done_testing();


# Which request was not answered, how, and what came of it.

sub failure {
    my ($path, $r) = @_;

    return sprintf('%s: %s after %d bytes;', $path, $r->{error},
                   length($r->{got} // ''));
}


# What is no finding is a word in the frame of a signal that nginx handles,
# see t/lib/Memcheck.pm; anything else about it is one.

sub told_apart {
    my $hole = <<'END';
==1== Invalid read of size 8
==1==    at 0x5481CD9: ngx_prof_context_scan (context.c:614)
==1==    by 0x54826A5: ngx_prof_context_label (context.c:580)
==1==    by 0x549FCE4: ngx_prof_pause_look (stall.c:254)
==1==    by 0x5482C08: ngx_prof_signal_handler (signal.c:94)
==1==    by 0x4EC404F: ??? (in /usr/lib/x86_64-linux-gnu/libc.so.6)
==1==    by 0x4F8034D: write (write.c:26)
==1==    by 0x12EC8A: ngx_log_error_core (in /usr/sbin/nginx)
==1==    by 0x157A23: ??? (in /usr/sbin/nginx)
==1==    by 0x4EC404F: ??? (in /usr/lib/x86_64-linux-gnu/libc.so.6)
==1==    by 0x4F802AA: read (read.c:26)
==1==    by 0x12D3AD: main (in /usr/sbin/nginx)
==1==  Address 0x1ffefffbf0 is on thread 1's stack
END

    my %other = (
        'below the stack pointer'  => [ qr/\n\z/,
                                        "\n==1==  8 bytes below stack "
                                        . "pointer\n" ],
        'of no thread'             => [ qr/is on .*/, 'is not stack\'d' ],
        'of another size'          => [ qr/size 8/, 'size 4' ],
        'a write'                  => [ qr/read/, 'write' ],
        'of another function'      => [ qr/context_scan/, 'unwind_load' ],
        'outside of the search'    => [ qr/context_label/, 'context_init' ],
        'in no handler of a signal' => [ qr/.*157A23.*\n.*\n/, '' ],
    );

    is_deeply([ found($hole) ], [], 'a hole in a frame is no finding');

    for my $name (sort keys %other) {
        my ($what, $by) = @{ $other{$name} };
        (my $text = $hole) =~ s/$what/$by/;

        is(scalar(found($text)), 1, "... what is $name is one");
    }
}
