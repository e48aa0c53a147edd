#!/usr/bin/perl

# nginx under valgrind's memcheck: all endpoints, good and bad requests, clients
# that go away, a reload.  A finding counts if a function of the module is in
# its stack.

use strict;
use warnings;

use Fault;
use Test::More;

plan(skip_all => 'a sanitizer and valgrind do not go together')
    if $ENV{SANITIZE};
plan(skip_all => 'no valgrind') unless grep { -x "$_/valgrind" }
                                       split /:/, $ENV{PATH};

{
    my $n = Fault->new(name => 'memcheck', workers => 1, ports => 3,
                       timeout => 60,
                       profiling => 'profiling_interval 100ms; '
                                    . 'profiling_heap_rate 4k;',
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

    # the master and two workers, one after the other
    $n->start(seconds => 60);

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
            my $r = $n->get($path, headers => "Accept-Encoding: gzip\r\n");
            push @failed, failure($path, $r) if $r->{error};
        }

        is("@failed", '', '... all is answered');

        my ($pid) = map { $_->{pid} }
                    grep { $_->{generation} == $generation }
                    @{ $m->{workers} };

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

        wait_for(30, sub {
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
    ok($n->stop('QUIT', 60), 'nginx ends');

    my @logs = glob "$dir/valgrind.*";
    my @findings = map { findings($_) } @logs;
    my @ended = grep { Fault::slurp($_) =~ /ERROR SUMMARY/ } @logs;

    is(@ended, 3, 'valgrind has reported all processes')
        or diag("@logs");
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


# Blocks of lines "==pid== ...", apart by empty ones.  The walk up a stack and
# the search on it read what others have left there, and believe none of it.

sub findings {
    my $path = shift;

    my $text = Fault::slurp($path);
    $text =~ s/^==\d+== ?//mg;

    return grep {
        /ngx_http_profiling_|profiling_module\.so/
        # valgrind takes memmove() for memcpy() where they are the same code
        && !/memmove \(string_fortified/
        && /Invalid|uninit|lost|Mismatched|overlap|points to|illegal/i
        # what a search on the stack reads, it reads above the stack pointer
        # of the thread; valgrind has other bounds while a signal is handled
        && !/Invalid.read.*\n\s+at.*ngx_http_profiling_(?:context|unwind)[^\0]*
             on.thread.\d+'s.stack/x
        && !/uninit.*\n\s+at .*ngx_http_profiling_(?:context|unwind|walk)/
    } split /\n\s*\n/, $text;
}
