#!/usr/bin/perl

# Answers with 20,000 places: bounded in size, no series twice, and made in
# steps.  The worker's instructions are written down every so many basic
# blocks: whatever pass of the event loop is longer leaves a part in which the
# loop has not waited.

use strict;
use warnings;

use Fault;
use IO::Socket::INET;
use Sanitized;
use Test::More;

plan(skip_all => 'a sanitizer has instructions of its own') if sanitized();

run_command('valgrind', '--version');
plan(skip_all => 'no valgrind: install it') if $?;

large();

# four minutes of a processor: a release has them
stepped() if $ENV{MANY_STEPS};

done_testing();


# 20,000 that were all asked for

sub large {
    my $n = site('large', 20_000);

    $n->start(seconds => 300);
    used($n);

    my $text = $n->get('/metrics')->{body};
    my %seen;

    is(scalar(() = $text =~ /^nginx_profiling_requests_total\{server="s\d+\.test",
                             location="\/",status="2xx"\}\ 1$/mgx),
       $n->{places}, 'each of 20,000 places has its requests');
    is(join(' ', grep { $seen{$_}++ } $text =~ /^(nginx_\S+?(?:\{.*\})?) /mg),
       '', 'no series comes twice');
    cmp_ok(length $text, '<=', 3e6, '/metrics has 3 MB at most');

    ok($n->stop('QUIT'), 'nginx ends');
}


# As far as steps go by places, 600,000 instructions for 3,000 are 4 million for
# 20,000: some millisecond.

sub stepped {
    my $n = site('stepped', 3_000);
    my $out = $n->dir . '/temp';

    $n->{wrapper} = ['valgrind', '-q', '--tool=callgrind',
                     '--dump-every-bb=100000',
                     "--callgrind-out-file=$out/callgrind.%p"];

    $n->start(seconds => 600);
    used($n);

    my $worker = $n->api('metrics')->{workers}[0]{pid};
    my $file = "$out/callgrind.$worker";
    my $parts = 0;

    for my $path ('/metrics', map({ "/api/profiling/$_" } qw(health locations)),
                  map({ "/debug/pprof/$_" } qw(goroutine profile?seconds=1)))
    {
        my $first = latest($file);
        my $status = $n->get($path)->{status} // 0;
        my $last = latest($file);

        $parts += $last - $first;
        is($status, 200, "$path is answered");

        # a spawn, or the mappings of valgrind itself, may fill one part

        my %long = map { $_ => 1 } grep { !waited("$file.$_") }
                   $first + 1 .. $last;

        is(join(' ', grep { $long{$_ + 1} } sort keys %long), '',
           '... in passes of few instructions');

        unlink map { "$file.$_" } 1 .. $last - 1;
    }

    cmp_ok($parts, '>', 20, 'more than a few parts were written down');

    ok($n->stop('QUIT'), 'nginx ends');
}


sub site {
    my ($name, $places) = @_;

    return Fault->new(
        name => $name, workers => 1, ports => 2, level => 'error',
        timeout => 300, places => $places,
        profiling => 'profiling_interval 1s; profiling_pause_threshold 60s;
                      profiling_zone zone=m:256m slots=2;',
        server => 'location /debug/pprof/ { profiling_pprof; }',
        http => 'server_names_hash_max_size 262144;
                 keepalive_requests 1000000;'
                . join('', map {
            "server { listen 127.0.0.1:PORT1; server_name s$_.test;
                      location / { return 200 x; } }\n"
        } 1 .. $places));
}


# a request of each, on one connection

sub used {
    my $n = shift;

    my $places = $n->{places};
    my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port(1))
        or die "connect() failed: $!\n";
    my $i = 0;

    while ($i < $places) {
        my $to = $i + 100 > $places ? $places : $i + 100;
        my ($got, $want) = ('', $to - $i);

        print $s map { "GET / HTTP/1.1\r\nHost: s$_.test\r\n\r\n" }
                     $i + 1 .. $to;
        $s->flush;

        while ((() = $got =~ m{HTTP/1\.1 200}g) < $want
               || $got !~ /\r\n\r\nx\z/)
        {
            sysread($s, $got, 65536, length $got) or die "read() failed: $!\n";
        }

        $i = $to;
    }
}


# the number of the latest part

sub latest {
    my $file = shift;

    my ($latest) = sort { $b <=> $a } map { /\.(\d+)$/ ? $1 : () }
                   glob "$file.*";

    return $latest // 0;
}


sub waited {
    my $file = shift;

    return slurp($file) =~ /\(\d+\) ngx_prof_loop_wait\S*$/m;
}
