#!/usr/bin/perl

# What cannot work: another tool has taken SIGPROF, or the encoder is missing
# or broken.  This is reported clearly and once, and nothing else breaks.

use strict;
use warnings;

use File::Copy qw(copy);
use List::Util qw(sum0);
use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;

my $preload = <<'END';
#include <signal.h>
#include <string.h>

static volatile sig_atomic_t  seen;

static void handler(int n) { seen = seen + 1; }

static __attribute__((constructor)) void
take(void)
{
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = handler;
    sigaction(SIGPROF, &sa, NULL);
}
END

my $ports = 0;

# it takes its 20 seconds while the others are tried
# told from other processes by its argument
my $nap = "100.$$";
my ($hangs, $hang) = encoder('#!/bin/sh', "exec sleep $nap");
my $answer = Profile::background(sub {
    my $began = time();
    my $got = $hangs->request('/debug/pprof/profile?seconds=1',
                              seconds => 60);
    return "$got->{status}\n" . (time() - $began) . "\n$got->{body}";
});

taken('a preloaded handler', preload());
taken('gperftools', '/usr/lib/x86_64-linux-gnu/libprofiler.so.0')
    if -e '/usr/lib/x86_64-linux-gnu/libprofiler.so.0';

missing();
bad('ends at once', qr/without an answer/, '#!/bin/sh', 'exec false');
bad('complains', qr/no rhyme nor reason/, '#!/bin/sh',
    'echo no rhyme nor reason >&2; cat > /dev/null; exit 1');
bad('crashes', qr/without an answer/, '#!/bin/sh', 'kill -SEGV $$');
bad('writes no profile', qr/no profile/, '#!/bin/sh',
    'cat > /dev/null; echo garbage; echo complete >&2');
bad('is killed amid its answer', qr/amid its answer/, '#!/bin/sh',
    "$ENV{ENCODER} | head -c 300; kill -KILL \$\$");
endless('cat /dev/zero');
bad('is no program', qr/cannot be started|without an answer/,
    "\x7fELF", 'no');
hangs();

done_testing();


sub preload {
    my $file = "$Profile::dir/preload";

    spew("$file.c", $preload);
    Profile::sh($ENV{CC} || 'gcc', qw(-shared -fPIC -o), "$file.so", "$file.c");

    return "$file.so";
}


sub site {
    my %o = @_;

    return Site->new(workers => 2, handlers => $Profile::handlers,
                     # encoders, in nginx's own words
                     noise => qr/unknown process \d+ exited on signal/,
                     # one that waits in the background, and the others
                     port => ($ENV{TEST_NGINX_PORT} || 24000)
                             + ($ports++ ? 1 : 0),
                     server => 'location = /ok { return 200 "ok\n"; }', %o);
}


sub taken {
    my ($name, $library) = @_;

    my %env = (LD_PRELOAD => $library);
    $env{CPUPROFILE} = "$Profile::dir/gperftools.out" if $name !~ /preloaded/;

    my $site = site(env => \%env)->start;
    my $p = Profile::take($site, seconds => 1);

    is_valid($p, $name);
    is($p->{count}, 0, "$name: nothing is sampled");
    is(scalar(grep { /^worker \d+ was not sampled: SIGPROF has a handler/ }
              @{ $p->{comments} }), 2, '... the profile says so');
    is(() = $site->log =~ /\[warn\].*SIGPROF has a handler of another tool/g,
       2, '... and each worker, once');
    is($site->request('/ok')->{body}, "ok\n", '... and all goes on');
    is(Profile::take($site)->{count}, 0, '... the next time too');

    $site->stop;
}


# the encoder is looked for beside the module

sub encoder {
    my @text = @_;

    my $site = site(module => 0);
    my $dir = $site->dir . '/modules';

    mkdir $dir;
    copy($ENV{TEST_NGINX_LOAD_MODULES}, "$dir/module.so") or die $!;
    $site->{modules} = [ "$dir/module.so" ];

    if (@text) {
        my $file = "$dir/ngx_http_profiling_encoder";

        spew($file, join "\n", @text, '');
        chmod 0755, $file;
    }

    $site->start;

    return ($site, $dir);
}


sub is_error {
    my ($site, $name, $text) = @_;

    my $got = $site->request('/debug/pprof/profile?seconds=1');

    is($got->{status}, 500, "$name: an error");
    is($got->{headers}{'x-go-pprof'}, 1, '... as Go tells it');
    is($got->{headers}{'content-type'}, 'text/plain; charset=utf-8',
       '... as text');
    is($got->{headers}{'content-disposition'}, undef, '... without a file');
    like($got->{body}, qr/^profile not encoded: .*\n\z/, '... in a line');
    like($got->{body}, $text, '... that says what');

    $got = $site->request('/api/profiling/cpu-profile?duration=1');
    is($got->{status}, 500, '... and in JSON');
    my $error = eval { JSON::PP::decode_json($got->{body})->{error} } || {};
    like($error->{message} // '', $text, '... the same');

    is($site->request('/ok')->{body}, "ok\n", '... all goes on');
}


sub missing {
    my ($site) = encoder();

    is(() = $site->log =~ /\[warn\].*profiles cannot be encoded: .*encoder" /g,
       1, 'no encoder: nginx says so when it starts');

    is_error($site, 'no encoder', qr/the encoder cannot be started/);
    is(() = $site->log =~ /\[error\].*encoder/g, 2, '... one line each');

    $site->stop;
}


sub bad {
    my ($name, $text, @encoder) = @_;

    my ($site) = encoder(@encoder);

    is_error($site, "an encoder that $name", $text);
    is(() = $site->log =~ /\[error\].*(?:encode|execve)/g, 2,
       '... one line each');
    unlike($site->log, qr/profiles cannot be encoded/,
           '... and none at the start');

    $site->stop;
}


# one that writes as fast as it is read fills no memory and holds nobody up

sub endless {
    my @zeros = @_;
    my ($site) = encoder('#!/bin/sh', "exec @zeros");
    my $before = peak($site);

    is_error($site, 'an encoder without an end', qr/wrote no profile/);
    like($site->raw("GET /debug/pprof/profile?seconds=1 HTTP/1.0\r\n"
                    . "Host: main\r\n\r\n"), qr/would be too large\n\z/,
         '... for a client that takes no parts: it is too large');
    cmp_ok(peak($site) - $before, '<', 64 * 1024, '... takes few MB');

    # a busy machine may make any pass long

    ok(until_true(60, sub {
        my $long = long_passes($site);
        $site->request('/debug/pprof/profile?seconds=1');
        return long_passes($site) == $long;
    }), '... in passes of less than 17 ms');

    $site->stop;
}


# kB that the workers have had at most

sub peak {
    my $site = shift;

    return sum0(map { slurp("/proc/$_/status") =~ /^VmHWM:\s+(\d+)/m }
                $site->workers);
}


sub long_passes {
    my $metrics = $_[0]->request('/metrics')->{body};
    my $name = 'nginx_profiling_event_loop_pass_seconds';

    my ($all) = $metrics =~ /^${name}_count\S* (\d+)/m;
    my ($short) = $metrics =~ /^${name}_bucket\{[^}]*le="0.016777215"\} (\d+)/m;

    return $all - $short;
}


sub hangs {
    my ($status, $took, $body) = split /\n/, Profile::finish($answer), 3;

    is($status, 500, 'an encoder that hangs: an error');
    like($body, qr/the encoder took too long/, '... that says so');
    cmp_ok($took, '>', 15, '... after a while');
    is(() = $hangs->log =~ /\[error\].*took too long/g, 1, '... one line');

    my $find = sub {
        return grep { slurp($_) eq "sleep\0$nap\0" }
               glob '/proc/[0-9]*/cmdline';
    };

    ok(until_true(60, sub { !$find->() }), '... it is killed');

    # a client that goes away takes it along

    my $s = $hangs->connect;
    print $s "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: main\r\n\r\n";
    $s->flush;

    ok(until_true(60, $find), 'an encoder runs');
    close $s;
    ok(until_true(60, sub { !$find->() }), '... and ends with its client');

    $hangs->stop;
}
