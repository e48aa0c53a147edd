#!/usr/bin/perl

# Promises of SECURITY.md that no other test checks: which files the encoder
# opens, whatever a client asks for; that it has no network and none of the
# worker's descriptors; signals from strangers; what no answer reveals; access
# rules behind realip with the PROXY protocol, and for other methods.

use strict;
use warnings;

use Compress::Raw::Zlib;
use Fault;
use File::Copy qw(copy);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Sound;
use Sanitized;
use Test::More;

files();
signals();
strangers();
secrets();
rules();

done_testing();


# The encoder below strace, beside a copy of the module.

sub files {
  SKIP: {
    run_command('strace', '-o', '/dev/null', 'true');
    skip('no strace that may trace: install it, allow ptrace', 1) if $?;
    skip_sanitized('it opens files of its own', 1);

    my $n = Fault->new(name => 'files', server => <<'END');
        location ^~ /debug/pprof/ { profiling_pprof; }
        location = /work { return 200 "ok"; }
END
    my $dir = $n->dir . '/modules';

    mkdir $dir;
    chmod 0755, $dir;
    copy($ENV{TEST_NGINX_LOAD_MODULES}, "$dir/module.so") or die "$!\n";
    chmod 0777, $n->dir;

    my $shim = observable($dir);
    my $encoder = "$dir/ngx_http_profiling_encoder";

    Fault::spew($encoder, join "\n", '#!/bin/sh',
        'ls -l /proc/self/fd > ' . $n->dir . '/fds.$$',
        'env > ' . $n->dir . '/env.$$',
        'exec strace -f -qq -e trace=%file,%network,prctl,prlimit64'
        . " -E LD_PRELOAD=$shim -o " . $n->dir . '/strace.$$'
        . " $ENV{ENCODER} \"\$@\"", '');
    chmod 0755, $encoder;

    $n->{module} = "$dir/module.so";
    $n->start;

    my %mapped = map { $_ => 1 } $ENV{ENCODER}, $shim,
                 map { slurp("/proc/$_/maps") =~ m{(/\S+)$}mg } $n->workers;
    my $evil = '/etc/hostname';

    for my $path (qw(profile?seconds=1 heap allocs block mutex goroutine
                     goroutine?debug=2 trace?seconds=0.05
                     symbol?0x401000+/etc/hostname))
    {
        my $query = join '&', map { "$_=$evil" }
                    qw(file path binary debug_dir server location format
                       worker exe symbols);

        # one that is refused, and one with what it does not know
        $n->get("/debug/pprof/$path" . ($path =~ /\?/ ? '&' : '?') . $query);

        my $r = $n->get("/debug/pprof/$path" . ($path =~ /\?/ ? '&' : '?')
                        . "file=$evil&x=$evil&server=$evil&location=$evil",
                        headers => "X-File: $evil\r\nReferer: $evil\r\n");
        is($r->{status}, 200, "$path is answered");
    }

    opened($n, %mapped);
    inherited($n);
    ok($n->stop('QUIT'), 'nginx ends');
  }
}


# The encoder lets nobody look at it: with this it does.

sub observable {
    my $dir = shift;

    return preload($dir, <<'END');
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int prctl(int option, ...)
{
    va_list  args;
    long     value;

    va_start(args, option);
    value = va_arg(args, long);
    va_end(args);

    return option == PR_SET_DUMPABLE ? 0
           : (int) syscall(SYS_prctl, option, value, 0, 0, 0);
}
END
}


sub opened {
    my ($n, %mapped) = @_;

    my $text = join '', map { slurp($_) } glob $n->dir . '/strace.*';

    # the counters of make coverage are files
    $text =~ s/^.*\.gcda".*\n//mg if $ENV{COVERAGE};

    my @opened = $text =~ /\bopen(?:at)?\([^"]*"([^"]*)"/g;
    my @odd = grep {
        !$mapped{$_} && !m{^/usr/lib/debug/|\.debug$|/debuginfod|^/proc/
                           |^/etc/ld\.so\.|/lib[^/]*\.so[.\d]*$
                           |glibc-hwcaps|/locale|gconv}x
    } @opened;
    my %odd = map { $_ => 1 } @odd;

    cmp_ok(scalar @opened, '>', 20, 'the encoder has opened files');
    is(join(' ', sort keys %odd), '',
       '... what the workers have mapped, debug files, its own libraries');
    is(scalar(grep { /hostname/ } @opened), 0,
       '... and none that a client names');
    unlike($text, qr/^\d+ +(?:socket|connect|bind|sendto)\(/m,
           '... it uses no network');
    my @runs = $text =~ /\bexecve\("([^"]*)"/g;
    is(scalar(grep { $_ ne $ENV{ENCODER} } @runs), 0, '... and runs nothing')
        or diag("@runs");

    is(scalar(grep { !m{"/proc/self/oom_score_adj"} }
              $text =~ /\bopen(?:at)?\([^)]*O_(?:WRONLY|RDWR|CREAT)/g),
       0, '... nor writes a file, but its own score for the kernel');
    like($text, qr/\bprctl\(PR_SET_NO_NEW_PRIVS, 1/, '... it has no way up');
    cmp_ok(scalar(grep { $mapped{$_} && m{/nginx$} } @opened), '>', 0,
           '... nginx itself among them');
    like($text, qr/\bprlimit64\(0, $_, \{/, "... it limits itself: $_")
        for qw(RLIMIT_AS RLIMIT_CPU RLIMIT_CORE);
}


sub inherited {
    my $n = shift;

    my $fds = join '', map { slurp($_) } glob $n->dir . '/fds.*';
    my $kept = ' 4 -> /memfd:nginx profiling names';

    unlike($fds =~ s/\Q$kept\E//gr,
           qr/ (?:[4-9]|\d\d) -> | [3-9] -> socket:|anon_inode/,
           '... it inherits no descriptor but three, and what is kept');

    # a shell adds PWD and its like
    my $env = join '', map { slurp($_) } glob $n->dir . '/env.*';
    is(join(' ', grep { !/^(?:LC_ALL|DEBUGINFOD_CACHE_PATH|XDG_CACHE_HOME
                                |HOME|PWD|OLDPWD|SHLVL|_)=/x }
                 split /\n/, $env), '', '... nor the environment but for the cache of debug files');
}


# What workers signal, while profiles of both are made: themselves, and their
# encoders.

sub signals {
  SKIP: {
    run_command('strace', '-o', '/dev/null', 'true');
    skip('no strace that may trace: install it, allow ptrace', 1) if $?;
    skip_sanitized('its leak checker traces too', 1);

    my $n = Fault->new(name => 'signals', workers => 2, server => <<'END');
        location ^~ /debug/pprof/ { profiling_pprof; }
END
    my $file = $n->dir . '/signals';

    $n->{wrapper} = ['strace', '-f', '-qq', '--seccomp-bpf', '-e',
                     'signal=none', '-e', 'trace=execve,kill,tkill,tgkill,'
                     . 'rt_sigqueueinfo,rt_tgsigqueueinfo', '-o', $file];
    $n->start;

    my @workers = $n->running;

    for my $path (qw(heap profile?seconds=1 goroutine block?seconds=1)) {
        is($n->get("/debug/pprof/$path", timeout => 120)->{status}, 200,
           "$path of workers whose signals are seen");
    }

    # its client leaves
    my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port);
    syswrite $s, "GET /debug/pprof/heap HTTP/1.1\r\nHost: main\r\n\r\n";
    close $s;
    is($n->get('/debug/pprof/heap', timeout => 120)->{status}, 200, 'one more');

    my @lines = split /\n/, slurp($file);
    my %ours = map { /^(\d+) +execve\(.*encoder"/ ? ($1 => 1) : () } @lines;
    my @odd;

    for (@lines) {
        my ($from, $to, $signal) = /^(\d+) +\w*(?:kill|queueinfo)\((\d+), .*?(\w+)[,)]/
            or next;

        push @odd, $_ if (grep { $_ == $from } @workers) && $to != $from
                         && !$ours{$to} && $signal ne '0';
    }

    cmp_ok(scalar keys %ours, '>', 0, 'encoders are seen');
    is_deeply(\@odd, [], 'workers signal none but themselves and encoders');

    $n->stop;
  }
}


# Signals that others of the same user, or root, send while a profile is taken:
# plain, queued, like thread signals, like those of timers and all the others.
# The values are addresses of entries, in and between them, as they are and as
# timers have them.

sub strangers {
    no warnings 'portable';

    my $n = Fault->new(name => 'strangers', workers => 2, server => <<'END');
        location ^~ /debug/pprof/ { profiling_pprof; }
END

    $n->start;

    my @workers = $n->running;
    my %symbol = reverse map { /^(\w+) \w (ngx_prof_(?:threads|pause_pass))$/ }
                         split /\n/, run_command('nm', $n->{module});
    is(keys %symbol, 2, 'the entries are found');

    # each worker begins to sample
    my $take = sub { $n->get('/debug/pprof/profile?seconds=1', timeout => 60) };
    is($take->()->{status}, 200, 'a profile');

    my $sampled = $n->ticked->{overhead}{sampler}{samples};
    my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port);

    syswrite $s, "GET /debug/pprof/profile?seconds=8 HTTP/1.1\r\n"
                 . "Host: main\r\nConnection: close\r\n\r\n";
    ok(wait_for(60, sub {
        $n->get('/empty') for 1 .. 500;
        my $now = $n->ticked->{overhead}{sampler}{samples};
        return $now > $sampled && ($sampled = $now);
    }), 'a profile is being taken');

    my ($sent, %secret) = (0);

    for my $pid (@workers) {
        my ($base) = slurp("/proc/$pid/maps")
                     =~ m{^(\w+)-\w+ r--p 0+ .*/\Qngx_http_profiling_module.so\E$}m
            or BAIL_OUT('the module is not mapped');
        my ($threads, $pass) = map { hex($base) + hex $symbol{"ngx_prof_$_"} }
                                    qw(threads pause_pass);
        my @own = map { hex } slurp("/proc/$pid/timers")
                              =~ m{^signal: 27/(\w+)$}mg;

        $secret{$pid} = join ' ', @own;

        my @at = (0, 1, -1, 4702111234474983745, $pass,
                  map({ $threads + $_ } 0, 1, 8, 24, 4096, 100000),
                  map({ my $own = $_; map { $own ^ $_ } 1, 8, 16, 64, 1 << 12,
                                                        1 << 14, 1 << 40 }
                      @own));

        $sent += forge($pid, $threads, @at);
    }

    isnt($secret{ $workers[0] }, $secret{ $workers[1] },
         'each worker has a secret of its own');

    my $got = '';
    1 while sysread $s, $got, 65536, length $got;
    like($got, qr{^HTTP/1\.1 200}, 'the profile is answered');

    my $m = $n->ticked;

    is_deeply([ sort $n->running ], [ sort @workers ],
              "$sent signals of strangers end no worker");
    cmp_ok($m->{overhead}{sampler}{samples} - $sampled, '<', $sent / 10,
           '... and nothing is sampled by them');

    is($n->get('/empty')->{status}, 200, '... which serve');
    is($take->()->{status}, 200, '... and are profiled');
    is_sound($n);
    ok($n->stop('QUIT'), 'nginx ends');
}


# how many signals a worker got, most of them with the address of its entries

sub forge {
    my ($pid, $threads, @at) = @_;

    # those of kill(), and of a thread
    my $sent = kill('PROF', ($pid) x 20);
    $sent += 0 == syscall(234, $pid, $pid, 27) for 1 .. 20;

    # the kernel lets nobody forge some of them
    for my $code (-60, -7 .. 2, 128) {
        for my $value (@at) {
            my $info = pack 'iiix4iix![8]q x80', 27, 0, $code, 0, 50, $value;

            for (1 .. ($value == $threads && $code < 0 ? 40 : 2)) {
                $sent += 0 == syscall(129, $pid, 27, $info);
                $sent += 0 == syscall(297, $pid, $pid, 27, $info);
                select undef, undef, undef, 0.001 if $code < 0;
            }
        }
    }

    return $sent;
}


# A token that is in all parts of requests, and in the answers, of connections
# that are under way while everything is asked.

sub secrets {
    my $token = 'zyTOKENqx4711';
    my $n = Fault->new(name => 'secrets', ports => 2, server => <<'END');
        location ^~ /debug/pprof/ { profiling_pprof; }
        location /hold/ { proxy_pass http://127.0.0.1:PORT1; }
        location /told { return 200 "told"; }
END
    my $quiet = IO::Socket::INET->new(Listen => 50, ReuseAddr => 1,
                                      LocalAddr => '127.0.0.1:' . $n->port(1))
        or die "listen() failed: $!\n";

    $n->{env} = { PASSWORD => $token };
    $n->start;

    my $head = "Host: main\r\nAuthorization: Basic $token\r\n"
               . "Cookie: session=$token\r\nX-$token: $token\r\n"
               . "Referer: http://x/?$token\r\nUser-Agent: $token\r\n";

    my @held = map {
        my $s = IO::Socket::INET->new('127.0.0.1:' . $n->port);
        syswrite $s, "POST /hold/$_?key=$token HTTP/1.1\r\n$head"
                     . "Content-Length: 20\r\n\r\n$token...";
        $s;
    } 1 .. 8;

    $n->get("/told?key=$token", headers => $head =~ s/^Host.*\r\n//r)
        for 1 .. 20;
    $n->until('goroutines', 60, sub {
        return 8 <= grep { ($_->{uri} // '') =~ m{^/hold/} }
                    @{ $_[0]{goroutines} };
    })->{met} or fail('the connections are shown');

    my @told;

    for my $path (@endpoints, '/debug/pprof/trace?seconds=0.1',
                  '/debug/pprof/trace?seconds=0.1&format=perfetto')
    {
        my $body = $n->get($path, timeout => 60)->{body} // '';

        push @told, $path if plain($body) =~ /TOKEN/i;
    }

    is("@told", '', 'no answer tells headers, queries, bodies, environment');
    unlike($n->log =~ s/request: "[^"]*"|upstream: "[^"]*"//gr, qr/TOKEN/,
           '... nor does the log more than nginx\'s own lines');
    @held = ();
    undef $quiet;
    ok($n->stop('QUIT'), 'nginx ends');
}


sub plain {
    my $body = shift;

    return $body if $body !~ /^\x1f\x8b/;

    my $z = Compress::Raw::Zlib::Inflate->new(-WindowBits => WANT_GZIP);
    my $out = '';
    $z->inflate($body, $out);

    return $out;
}


# realip that believes everybody: the PROXY protocol and headers make nobody
# local, and strangers of those that are; and each method is refused alike.

sub rules {
    my ($own) = run_command('ip', '-o', '-4', 'addr', 'show', 'scope',
                            'global') =~ /inet (\S+?)\//;

  SKIP: {
    skip('no address but loopback: it takes a network', 1) unless $own;

    my $n = Fault->new(name => 'rules', ports => 3, http => <<'END',
    set_real_ip_from 0.0.0.0/0;
    set_real_ip_from unix:;
    server {
        listen 127.0.0.1:PORT2 proxy_protocol;
        location /debug/pprof/ { profiling_pprof; }
        location /api/profiling/ { profiling_api; }
        location = /metrics { profiling_prometheus; }
    }
END
                       server => <<"END");
        listen $own:PORT;
        listen $own:PORT1 proxy_protocol;
        listen 127.0.0.1:PORT1 proxy_protocol;
        listen unix:DIR/sock proxy_protocol;
        real_ip_header proxy_protocol;
        location ^~ /debug/pprof/ { profiling_pprof; }
        location /denied/ { deny all; profiling_api; }
END

    $n->start;

    my $to = sub {
        my ($s, $line, $method, $path) = @_;

        syswrite $s, "$line$method $path HTTP/1.0\r\n"
                     . "Content-Length: 0\r\n\r\n";

        my $got = '';
        1 while sysread $s, $got, 65536, length $got;

        return $got =~ m{^HTTP/1\.1 (\d+)} ? $1 : $got eq '' ? 'closed' : $got;
    };
    my $inet = sub {
        return IO::Socket::INET->new(PeerAddr => "$_[0]:" . $n->port($_[1]));
    };
    my $claims = 'PROXY TCP4 127.0.0.1 127.0.0.1 1 2' . "\r\n";
    my $foreign = 'PROXY TCP4 8.8.8.8 127.0.0.1 1 2' . "\r\n";

    for my $path ('/api/profiling/gc', '/metrics', '/debug/pprof/cmdline') {
        is($to->($inet->($own, 1), $claims, 'GET', $path), 403,
           "$path: another host that claims to be this one");

        for (['another host', $foreign, 403], ['this one', $claims, 200]) {
            my ($whom, $line, $status) = @$_;

            is($to->($inet->('127.0.0.1', 1), $line, 'GET', $path), $status,
               "... a local proxy that asks for $whom");
            is($to->(IO::Socket::UNIX->new(Peer => $n->dir . '/sock'), $line,
                     'GET', $path), $status, '... over a unix socket too');
        }

        is($to->($inet->('127.0.0.1', 2), $foreign, 'GET', $path), 403,
           '... and without realip');

        for my $method (qw(HEAD POST PUT DELETE OPTIONS PATCH)) {
            is($to->($inet->($own, 0), '', $method, $path), 403,
               "... $method of another host");
        }
    }

    is($to->($inet->('127.0.0.1', 0), '', 'GET', '/denied/gc'), 403,
       'deny of nginx holds for local clients too');
    is($n->api('gc')->{http}, 200, 'and others are answered');
    ok($n->stop('QUIT'), 'nginx ends');
  }
}
