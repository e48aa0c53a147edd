#!/usr/bin/perl

# /debug/pprof/goroutine in all its forms, read by the usual tools.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);
use Site;
use Profile;
use Dump;

my $site = Site->new(
    workers  => 2,
    handlers => $Profile::handlers,
    http     => <<'END',
    profiling_interval 100ms;
    client_header_timeout 600s;
    keepalive_timeout 600s;
    proxy_read_timeout 600s;
    upstream quiet { server 127.0.0.1:PORT3; }
END
    server   => <<'END',
        location / { return 200 "ok"; }
        location /slow/ { proxy_pass http://quiet; }
        location ~ \.(slow|"x\\\\y)$ { proxy_pass http://quiet; }
END
);

my $quiet = Dump::quiet($site->port(3));

$site->start;

my @clients = map { opened($site, "GET /slow/$_ HTTP/1.1\r\nHost: main\r\n\r\n") }
              1 .. 20;
push @clients, opened($site, "GET /a.slow HTTP/1.1\r\nHost: main\r\n\r\n");
my @idle = map { opened($site) } 1 .. 5;

# one worker may have accepted all of them but the one that asks

until_true(60, sub {
    my %has = map { $_->{worker} => 1 }
              find(dump_of($site), kind => 'client', state => qr/^waiting/);
    push @idle, opened($site) if keys %has < 2;
    return keys %has == 2;
});

push @clients, @idle;

ok(until_true(60, sub { my $d = dump_of($site);
                       ($d->{by_kind}{upstream} // 0) == 21
                       && $d->{count} == 21 * 2 + @idle + 1 }),
   'all connections are there');

binary();
text();
full();
delta();
arguments();
go_reads();

cmp_ok(rows()->{goroutine}, '>', 15, 'the index has their number');

$site->stop;

done_testing();


sub get {
    my ($args, %o) = @_;

    return $site->request("/debug/pprof/goroutine$args", %o);
}


sub profile {
    my $args = shift;

    return Profile::decode(get($args)->{body});
}


sub count {
    my ($p, @conditions) = @_;

    my $n = 0;

    SAMPLE: for my $s (@{ $p->{samples} }) {
        for my $condition (@conditions) {
            next SAMPLE unless $condition->($s);
        }

        $n += $s->{count};
    }

    return $n;
}


sub binary {
    my $got = get('');

    is($got->{status}, 200, 'profile: status');
    is($got->{headers}{'content-type'}, 'application/octet-stream',
       '... type');
    is($got->{headers}{'content-disposition'},
       'attachment; filename="goroutine"', '... file name');
    is($got->{headers}{'x-content-type-options'}, 'nosniff', '... nosniff');

    my $p = Profile::decode($got->{body});
    my $d = $p->{decoded};
    my @bad = Encoder::check_profile($d);

    ok(!@bad, '... valid') or diag(map { "$_\n" } @bad);
    is("@{ $d->{types} }", 'goroutine/count', '... type of its samples');
    is("$d->{period_type} $d->{period}", 'goroutine/count 1', '... period');
    is($d->{duration}, 0, '... no duration');

    my $here = labelled(server => 'main', location => '/slow/',
                        upstream => 'quiet',
                        state => 'waiting for response');

    is(count($p, $here, labelled(kind => 'client')), 20,
       '20 clients of the slow upstream');
    is(count($p, $here, labelled(kind => 'upstream')), 20,
       '... and 20 connections to it');
    is(count($p, labelled(location => '~ \.(slow|"x\\\\y)$')), 2,
       'a location that needs quoting');
    is(count($p, labelled(state => 'waiting', kind => 'client')), @idle,
       'connections without a request');

    my ($s) = grep { $here->($_) } @{ $p->{samples} };
    like($s->{frames}[-1], qr/^\[(?:client|upstream)\]$/,
         'the outermost frame is the kind');
    my %pids = map { $_->{labels}{pid} => 1 } @{ $p->{samples} };
    is(join(' ', sort keys %pids), join(' ', sort $site->workers),
       'all workers');

    my ($pid) = $site->workers;
    $p = profile("?worker=$pid");
    is(scalar(grep { $_->{labels}{pid} != $pid } @{ $p->{samples} }), 0,
       'one worker can be asked for alone');
}


sub text {
    my $got = get('?debug=1');

    is($got->{headers}{'content-type'}, 'text/plain; charset=utf-8',
       'debug=1: type');
    is($got->{headers}{'content-disposition'}, undef, '... no file');
    like($got->{body}, qr/^goroutine profile: total (\d+)\n\d+ @ 0x/,
         '... header');

    my ($total) = $got->{body} =~ /total (\d+)/;
    my $sum = 0;
    $sum += $_ for $got->{body} =~ /^(\d+) @/mg;
    is($sum, $total, '... is the sum');
    cmp_ok($total, '>=', 47, '... of all');
    like($got->{body}, qr/^# labels: \{.*"location":"\/slow\/".*\}$/m,
         '... labels');
}


# what readers of Go's format look for: Go's own traceback, panicparse,
# goroutine-inspect

sub full {
    my $got = get('?debug=2');

    is($got->{headers}{'content-type'}, 'text/plain; charset=utf-8',
       'debug=2: type');

    my @blocks = split /\n\n/, $got->{body};
    my (@bad, %ids);

    for my $block (@blocks) {
        my ($head, @lines) = split /\n/, $block;

        push @bad, $head
            if $head !~ /^goroutine\ (\d+)\ \[([^\],]+)(?:,\ (\d+)\ minutes)?
                         (?:,\ locked\ to\ thread)?\]:$/x
               || $ids{$1}++;
        push @bad, "odd: $block" if @lines % 2 || !@lines;

        while (my ($function, $file) = splice @lines, 0, 2) {
            push @bad, $function if $function !~ /^(\S.*)\(([^()]*)\)$/;
            push @bad, $file
                if $file !~ /^\t(.+):(\d+)(?: \+0x([0-9a-f]+))?$/;
        }
    }

    ok(!@bad, 'debug=2: every line is as Go writes it')
        or diag(map { "$_\n" } @bad[0 .. ($#bad < 10 ? $#bad : 10)]);
    cmp_ok(scalar @blocks, '>=', 47, '... all connections');
    is(scalar(() = get('?debug=2&limit=3')->{body} =~ /^goroutine/mg), 3,
       '... or as many as wanted');
}


sub delta {
    my ($p, $took);
    my $seconds = 1;

    # once more, and longer, where others keep the clients from it until it
    # has ended

    ok(until_true(120, sub {
        $seconds *= 2;

        my @gone = map { slow($_) } 1 .. 20;

        until_true(60, sub {
            dump_of($site)->{by_kind}{client} == @clients + @gone + 1;
        }) or return;

        my $began = time();
        my $s = $site->connect;

        print $s "GET /debug/pprof/goroutine?seconds=$seconds HTTP/1.1\r\n"
                 . "Host: main\r\nConnection: close\r\n\r\n";
        $s->flush;
        was_read($s);

        close $_ for @gone;

        my @more = map { slow($_) } 1 .. 7;

        push @clients, @more;
        was_read($_) for @more;

        my $in_time = time() - $began < $seconds - 0.1;

        my $got = Site::parse(Site::read_all($s, 60));
        return if Profile::late($got);

        $p = Profile::decode($got->{body});
        $took = time() - $began;
        return $in_time;
    }), 'a delta');

    my $here = labelled(location => '/slow/', kind => 'client');

    is(count($p, $here), -13, '... 20 are gone, 7 came');
    is(count($p, labelled(state => 'waiting')), 0,
       '... what stayed is not in it');
    cmp_ok($p->{decoded}{duration}, '>=', $seconds * 1e9,
           '... with its duration');
    cmp_ok($p->{decoded}{duration}, '<=', 1e9 * $took,
           '... no longer than was seen');
}


sub slow {
    return opened($site, "GET /slow/$_[0] HTTP/1.1\r\nHost: main\r\n\r\n");
}


sub arguments {
    my $got = get('?seconds=0');
    is($got->{status}, 400, 'seconds=0: refused');
    is($got->{body}, "invalid value for \"seconds\" - must be a positive "
                     . "integer\n", '... as Go does');
    is($got->{headers}{'x-go-pprof'}, 1, '... for its tool');
    is(get('?seconds=x')->{status}, 400, 'seconds=x');
    is(get('?seconds=-1')->{status}, 400, 'seconds=-1');
    $got = get('?seconds=1&debug=1');
    is($got->{body}, "seconds and debug params are incompatible\n",
       'seconds and debug');
    is(get('?debug=x')->{headers}{'content-type'},
       'application/octet-stream', 'debug=x means 0');
    is(get('?worker=1')->{status}, 404, 'no such worker');
    is(get('?worker=x')->{status}, 400, 'no worker at all');

    $got = get('', method => 'HEAD');
    is($got->{status}, 200, 'HEAD');
    is($got->{body}, '', '... has no body');
    is(get('', method => 'POST')->{status}, 405, 'POST');
}


sub go_reads {
    SKIP: {
        skip 'no go: install golang-go', 6 if system('command -v go > /dev/null') != 0;

        my $url = 'http://127.0.0.1:' . $site->port . '/debug/pprof/goroutine';
        my $said = Profile::go('-raw', $url);

        is($?, 0, 'go tool pprof -raw') or diag($said);
        like($said, qr/^PeriodType: goroutine count$/m, '... its type');

        $said = Profile::go('-top', $url);
        like($said, qr/\[client\]/, 'go tool pprof -top') or diag($said);

        $said = Profile::go('-top', '-cum', '-tagroot=location', $url);
        like($said, qr{^\s*\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+/slow/}m,
             '-tagroot=location') or diag($said);

        my $file = "$Profile::dir/goroutine.txt";
        spew($file, get('?debug=1')->{body});
        $said = Profile::go('-raw', $file);
        is($?, 0, 'debug=1 is read, too') or diag($said);
        like($said, qr/goroutine/, '... as such');
    }
}


sub rows {
    my $body = $site->request('/debug/pprof/')->{body};
    my %rows;

    $rows{$2} = $1
        while $body =~ m{<tr><td>(\d+)</td><td><a href="(\w+)\?debug=1">}g;

    return \%rows;
}
