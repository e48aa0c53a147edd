#!/usr/bin/perl

# make soak: hours in a short time.  Mixed load, scrapers that pull
# everything, a reload every 20 seconds, a kill -9 every 30; what each process
# holds is read all the while, and so is a second nginx without the module
# that is reloaded and killed at the same times.
#
# SOAK_SECONDS: how long, 3600.  SOAK_REPORT: the file for the figures.

use strict;
use warnings;

use Fault;
use JSON::PP;
use List::Util qw(max min sum0);
use Sound;
use Test::More;

my $seconds = $ENV{SOAK_SECONDS} || 3600;
my ($reload_every, $kill_every, $look_every) = (20, 30, 5);

# what begins with the first requests and reloads is no slope
my $warm = max(60, $seconds / 5);

# a slope that is told from 0 by 5 sigma, and more than this over an hour
my %most = (master => 1.5e6, shared => 4e6, worker => 2e6);

my %o = (ports => 3, http => <<'END', server => <<'END2');
    gzip_types text/plain;
    keepalive_requests 100000;
    keepalive_timeout 5s;
    upstream behind {
        server 127.0.0.1:PORT1;
        keepalive 8;
        keepalive_timeout 5s;
    }
    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "from behind\n"; }
    }
END
        listen 127.0.0.1:PORT2 http2;
        location /static/ { alias DIR/html/; }
        location /gzip/ { alias DIR/html/; gzip on; }
        location /proxy/ { proxy_pass http://behind/; proxy_http_version 1.1;
                           proxy_set_header Connection ""; }
        location ~ ^/regex/(\d+)$ { return 200 "$1"; }
END2

my $with = Fault->new(name => 'with', %o, profiling =>
                      'profiling_interval 1s; profiling_history 60;',
                      server => "$o{server}\n"
                      . 'location ^~ /debug/pprof/ { profiling_pprof; }');
my $without = Fault->new(name => 'without', %o, module => 0);

my (@clients, @scrapers, @scraped, %series, %ages);
my ($reloads, $kills, $looks) = (0, 0, 0);

for my $n ($with, $without) {
    Fault::spew($n->dir . '/html/page.txt', join '', map {
        "line $_ of a page that compresses\n" } 1 .. 400);
    $n->start;
}

$with->ticked;
all_answers_valid($with, 'before');

my $before = usage($with);
my $began = time;
my $first = $with->api('metrics');

begin();
go();
finish();
report();

done_testing();


sub begin {
    my $script = $with->dir . '/mixed.lua';

    Fault::spew($script, <<'END');
local paths = { "/empty", "/static/page.txt", "/gzip/page.txt", "/proxy/x",
                "/regex/12", "/none" }
local n = 0
function request()
    n = n + 1
    return wrk.format("GET", paths[n % #paths + 1],
                      { ["Accept-Encoding"] = "gzip" })
end
function delay() return 40 end
END

    for my $n ($with, $without) {
        push @clients, Fault::background($n->dir . '/wrk', 'wrk', '-t1',
            '-c' . ($n->{module} ? 24 : 4), "-d${seconds}s", '-s', $script,
            'http://127.0.0.1:' . $n->port . '/');
    }

    push @clients, Fault::background(sub {
        run_command('h2load', '-n', 400, '-c', 4, '-m', 8, '--rps', 25,
                    'http://127.0.0.1:' . $with->port(2) . '/proxy/h2')
            while getppid() != 1;
    });

    scraper('api', 1, grep { m{^/(?:api|metrics)} && !/=1$/ } @endpoints);
    scraper('pprof', 2, grep { m{pprof} && !/=1$|trace/ } @endpoints);
    scraper('profile', 0, '/debug/pprof/profile?seconds=5');
    scraper('trace', 10, '/debug/pprof/trace?seconds=1');
}


# Asks for paths in turn, so many seconds between two rounds.

sub scraper {
    my ($name, $pause, @paths) = @_;

    my $file = $with->dir . "/scraper-$name";

    my $pid = Fault::background(sub {
        my %saw = (answered => 0, lost => 0, late => 0, bad => []);
        my $end;

        $SIG{TERM} = sub { $end = 1 };

        until ($end) {
            for my $path (@paths) {
                last if $end;

                my $r = $with->get($path, timeout => 60);

                # its worker was killed, or the signal came
                $saw{lost}++, next if $r->{error};

                # a machine with too much to do, told as such
                $saw{late}++, next
                    if $r->{status} == 500
                       && $r->{body} =~ /time limit exceeded|took too long/;

                my $wrong = $r->{status} != 200 ? "$r->{status} $r->{body}"
                            : invalid($path, @$r{qw(status head body)});

                $saw{answered}++;
                push @{ $saw{bad} }, substr "$path: $wrong", 0, 300 if $wrong;
            }

            sleep $pause unless $end;
        }

        Fault::spew($file, encode_json(\%saw));
    });

    push @scrapers, [$name, $pid, $file];
}


sub go {
    my ($reload, $kill, $look) = ($began + $reload_every,
                                  $began + $kill_every, $began);

    while (time < $began + $seconds) {
        my $now = time;

        if ($now >= $look) {
            look($now - $began);
            $look = $now + $look_every;
        }

        if ($now >= $reload) {
            $reloads++ if 2 == grep { $_->reload } $with, $without;
            $reload += $reload_every;
        }

        if ($now >= $kill) {
            for my $n ($with, $without) {
                my @running = $n->running;
                $kills += kill 'KILL', $running[rand @running] if @running;
            }

            $kill += $kill_every;
        }

        sleep 0.2;
    }
}


# bytes, of one process

sub memory {
    my $pid = shift;

    my %of = slurp("/proc/$pid/smaps_rollup")
             =~ /^(Rss|Pss|Anonymous):\s+(\d+) kB/mg;

    return { map { $_ => 1024 * $of{$_} } keys %of };
}


# Bytes that the zones of a master really have, whoever has touched them;
# root may look.

sub shared {
    my $pid = shift;

    my $blocks = 0;

    for my $line (grep { m{/dev/zero} } split /\n/, slurp("/proc/$pid/maps")) {
        my ($range) = split ' ', $line;
        my @stat = stat "/proc/$pid/map_files/$range" or return;
        $blocks += $stat[12];
    }

    return 512 * $blocks;
}


sub look {
    my $at = shift;

    $looks++;

    for my $n ($with, $without) {
        my @workers = $n->workers;
        my $name = $n->{module} ? '' : ', without';
        my %of = map { $_ => memory($_) } $n->{pid}, @workers;
        my $master = $of{ $n->{pid} };
        my @fds = glob "/proc/$n->{pid}/fd/*";

        add("master RSS$name", $at, $master->{Rss});
        add("master anonymous$name", $at, $master->{Anonymous});
        add("master PSS$name", $at, $master->{Pss});
        add("master descriptors$name", $at, scalar @fds);
        add("processes$name", $at, scalar Fault::children($n->{pid}));
        add("shared memory$name", $at, shared($n->{pid}));

        for my $pid (@workers) {
            my $born = $ages{$pid} ||= $at;
            my $anonymous = $of{$pid}{Anonymous} or next;
            my @held = glob "/proc/$pid/fd/*";

            # those of the same age are alike
            next if $at - $born < 10 || $at - $born >= 15;

            add("worker of 10 s$name, anonymous", $at, $anonymous);
            add("worker of 10 s$name, RSS", $at, $of{$pid}{Rss});
            add("worker of 10 s$name, descriptors", $at, scalar @held);
        }
    }
}


sub add {
    my ($name, $at, $value) = @_;

    push @{ $series{$name} }, [$at, $value] if defined $value && $at >= $warm;
}


sub finish {
    Fault::reap($_, 'KILL') for @clients;

    for my $scraper (@scrapers) {
        my ($name, $pid, $file) = @$scraper;

        Fault::reap($pid, 'TERM');
        my $saw = decode_json(slurp($file));

        cmp_ok($saw->{answered}, '>', 0,
               "$name: $saw->{answered} answers, $saw->{lost} lost");
        push @scraped, "$name: $saw->{answered} answers, $saw->{lost} lost by "
                       . "kills, $saw->{late} took the encoder too long\n";
        cmp_ok($saw->{late}, '<=', 1 + $saw->{answered} / 100,
               '... hardly any took the encoder too long');
        is(scalar @{ $saw->{bad} }, 0, '... all valid')
            or diag(map { "$_\n" } @{ $saw->{bad} }[0 .. min(9,
                                                    $#{ $saw->{bad} })]);

        # by a kill each of them may lose what it is at
        cmp_ok($saw->{lost}, '<=', $kills + 1, '... and few lost by kills');
    }

    cmp_ok($reloads, '>=', int($seconds / $reload_every / 2),
           "$reloads reloads");
    cmp_ok($kills, '>=', int($seconds / $kill_every), "$kills kills");

    is_deeply([ monotonic_errors($first, $with->ticked) ], [],
              'no counter is less than at the start');

    nothing_left($with, $before, 'when it is over', seconds => 60);
    all_answers_valid($with, 'after');
    is_sound($with, 9 => $kills);
    is_sound($without, 9 => $kills);
}


# Least squares: value at the mean, slope and its standard error, an hour.

sub slope {
    my @points = @_;

    my $n = @points;
    return if $n < 8;

    my $x = sum0(map { $_->[0] } @points) / $n;
    my $y = sum0(map { $_->[1] } @points) / $n;
    my $xx = sum0(map { ($_->[0] - $x) ** 2 } @points) or return;
    my $b = sum0(map { ($_->[0] - $x) * ($_->[1] - $y) } @points) / $xx;
    my $rest = sum0(map { ($_->[1] - $y - $b * ($_->[0] - $x)) ** 2 }
                    @points) / ($n - 2);

    return ($y, 3600 * $b, 3600 * sqrt($rest / $xx));
}


sub report {
    my @lines = sprintf "%d s, %d reloads, %d kills, %d looks; after %d s:\n",
                        $seconds, $reloads, $kills, $looks, $warm;

    push @lines, sprintf "%-40s %14s %14s %12s %7s\n", 'what', 'mean',
                         'an hour', '+-', 'n';

    for my $name (sort keys %series) {
        my @points = @{ $series{$name} };
        my ($mean, $slope, $error) = slope(@points) or next;

        push @lines, sprintf "%-40s %14.1f %+14.1f %12.1f %7d\n", $name,
                             $mean, $slope, $error, scalar @points;

        next if $name =~ /without/;

        my ($kind) = $name =~ /^(master|shared|worker)/;
        my $limit = $name =~ /descriptors|processes/ ? 1
                    : $most{ $kind // '' } // 1;

        # what chance makes of few points is no slope
        ok($slope <= $limit || $slope - 5 * $error <= 0, "$name: flat")
            or diag("$slope +- $error an hour");
    }

    push @lines, @scraped;
    diag(@lines);
    Fault::spew($ENV{SOAK_REPORT}, join '', @lines) if $ENV{SOAK_REPORT};
}
