#!/usr/bin/perl

# Answers to any question, whatever clients send: limits, invalid parameters,
# bytes that are no text, names in place of addresses, other processes.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Site;
use Profile;
use Dump;

my %conf = (
    workers  => 2,
    handlers => $Profile::handlers,
    http     => <<'END',
    profiling_interval 100ms;
    underscores_in_headers on;
    upstream quiet { server 127.0.0.1:PORT3; }
    server {
        listen unix:DIR/socket;
        server_name unix;
        location / { proxy_pass http://quiet; }
    }
END
    server   => <<'END',
        location / { proxy_pass http://quiet; }
        location /direct { proxy_pass http://127.0.0.1:PORT3; }
END
);

my $site = Site->new(%conf);
my $quiet = Dump::quiet($site->port(3));

$site->start;

limits();
parameters();
hostile();
shared();
$site->stop;

anonymous();
small();
single();
reload();

done_testing();


sub get { return "GET $_[0] HTTP/1.1\r\nHost: main\r\n\r\n" }


sub limits {
    my @clients = map { opened($site, get("/$_")) } 1 .. 20;

    ok(until_true(60, sub { dump_of($site)->{count} == 41 }), '41 of them');

    my $dump = dump_of($site);
    is_dump($dump, 'without a limit');
    is($dump->{limit}, 1000, 'limit: 1000 if it is not given');
    ok(!$dump->{truncated}, '... not truncated');

    for my $limit (0, 1, 7, 40) {
        $dump = dump_of($site, "limit=$limit");
        is_dump($dump, "limit=$limit");
        is(scalar @{ $dump->{goroutines} }, $limit, '... is kept');
        ok($dump->{truncated}, '... and said');
        is($dump->{count}, 41, '... the count is of all');
    }

    my %seen;

    for my $pid ($site->workers) {
        $dump = dump_of($site, "worker=$pid");
        is(scalar(grep { $_->{worker} != $pid } @{ $dump->{goroutines} }), 0,
           "worker=$pid: its own connections alone");
        $seen{$_->{uri}}++ for find($dump, kind => 'client', uri => qr{^/\d});
    }

    is(scalar keys %seen, 20, 'together they have all');
}


sub parameters {
    for my $bad ('limit=x', 'limit=-1', 'limit=10001', 'limit=', 'limit=1.5',
                 'worker=x')
    {
        my $got = $site->request("/api/profiling/goroutines?$bad");
        is($got->{status}, 400, "$bad is refused");
    }

    my $error = $site->json('goroutines?limit=abc')->{error}{message};
    is($error, 'limit must be an integer from 0 to 10000, not "abc"',
       'in words');
    is($site->request('/api/profiling/goroutines?worker=1')->{status}, 404,
       'no such worker');
    is($site->request('/api/profiling/goroutines', method => 'HEAD')->{status},
       200, 'HEAD');
    is($site->request('/api/profiling/goroutines', method => 'POST')->{status},
       405, 'POST');
}


# nothing that a client sends may break the answer

sub hostile {
    my @uris = ('/%00%ff%22%5c', "/\xff\xfe\x80", '/"\\\\<script>',
                '/' . 'a' x 5000, "/\xe2\x82", '/{"a":[1]}', '//..//x',
                '/%0d%0agoroutine%201%20[running]:', '/a#b?c');
    my @hosts = ('main', "\xc3\x28", 'a' x 200, '127.0.0.1', '[::1]');
    my @clients;

    for my $uri (@uris) {
        push @clients, opened($site, "GET $uri HTTP/1.1\r\nHost: "
                                     . $hosts[@clients % @hosts] . "\r\n\r\n");
    }

    push @clients, opened($site, "M\x01\x02");
    push @clients, opened($site, "\x16\x03\x01\x02\x00");
    push @clients, opened($site, "X" x 300 . " / HTTP/1.1\r\n");
    push @clients, opened($site, get('/unix'),
                          to => $site->dir . '/socket');

    my $dump;

    ok(until_true(60, sub { $dump = dump_of($site);
                           $dump->{by_kind}{upstream} >= 5 }),
       'strange requests are there');
    is_dump($dump, 'strange requests');

    is(scalar(() = find($dump, uri => '/"\\\\<script>')), 2,
       'what needs quoting is quoted');
    my ($long) = grep { length($_->{uri} // '') > 300 }
                 @{ $dump->{goroutines} };
    cmp_ok(length $long->{uri}, '<=', 512, 'long ones are cut');
    is(scalar(grep { ($_->{uri} // '') =~ /c$/ } @{ $dump->{goroutines} }), 0,
       'queries are not told, behind what ever they stand');
    is(scalar(() = find($dump, server => 'unix', client => 'unix:')), 2,
       'clients on a unix socket');
    is($site->request('/debug/pprof/goroutine?debug=2')->{status}, 200,
       'text of them');
    is($site->request('/debug/pprof/goroutine')->{status}, 200,
       'profile of them');
}


# several readers at once

sub shared {
    my @got = map { Profile::background(sub {
                  my $n = 0;

                  # of a worker that others keep from the CPU there is a stack

                  until_true(60, sub {
                      my $got = $site->request('/api/profiling/goroutines');
                      die "status $got->{status}" if $got->{status} != 200;
                      my $d = Json::decode_json($got->{body});

                      return if grep { $_->{answer} ne 'answered' }
                                     @{ $d->{workers} };

                      die 'torn' if @{ $d->{goroutines} } != $d->{count};
                      return ++$n == 15;
                  }) or die "whole only $n times";

                  return 'whole';
              }) } 1 .. 6;

    is(join(' ', map { Profile::finish($_) // 'failed' } @got),
       join(' ', ('whole') x 6), 'several readers at once');
}


sub anonymous {
    my $hidden = Site->new(%conf, port => $site->port,
                           noise => qr/open socket|aborting/,
                           http => "profiling_anonymize on; "
                                   . "profiling_heap_rate 512; profiling_budget off; $conf{http}");

    $hidden->start;

    my @clients = map { opened($hidden, get($_)) }
                  ('/secret/a?x=1', '/secret/a?x=2', '/secret/b', '/direct');
    my $dump;

    ok(until_true(60, sub { $dump = dump_of($hidden);
                           ($dump->{by_kind}{upstream} // 0) == 4 }),
       'anonymous: the connections are there');

    my $body = $hidden->request('/api/profiling/goroutines')->{body};
    unlike($body, qr/secret/, 'anonymous: no uri');
    unlike($body, qr/127\.0\.0\.1/, '... no address');
    unlike($hidden->request('/debug/pprof/goroutine?debug=2')->{body},
           qr/secret|127\.0\.0\.1/, '... in the text neither');
    unlike($hidden->request('/debug/pprof/goroutine?debug=1')->{body},
           qr/secret|127\.0\.0\.1/, '... nor with labels');

    unplaced($hidden);

    my %uris;
    $uris{ $_->{uri} }++ for find($dump, kind => 'client', location => '/');
    is(join(' ', sort values %uris), '1 2', 'the same uri, the same name');
    is(scalar(grep { !/^uri-[0-9a-f]{16}$/ } keys %uris), 0, '... of a form');

    my ($one) = find($dump, kind => 'client', location => '/');
    like($one->{client}, qr/^addr-[0-9a-f]{16}$/, 'a client has a name');
    is($one->{upstream_name}, 'quiet', 'upstreams keep their names');

    my ($again) = find(dump_of($hidden), id => $one->{id});
    is($again->{uri}, $one->{uri}, 'the name stays');
    is($again->{client}, $one->{client}, '... of the client as well');

    $hidden->write(http => $conf{http});
    kill 'HUP', $hidden->{pid};

    # the old workers keep the connections, a new one tells of them
    ok(until_true(60, sub { $hidden->request('/api/profiling/goroutines')
                            ->{body} =~ /secret/ }),
       'without the directive all is told');

    $hidden->write(http => "profiling_anonymize on; $conf{http}");
    kill 'HUP', $hidden->{pid};

    ok(until_true(60, sub {
           my $got = $hidden->request('/api/profiling/goroutines');
           $body = $got->{body};
           return $got->{status} == 200 && $body !~ /secret/;
       }), 'and with it again nothing');
    like($body, qr/\Q$one->{uri}\E/, 'names stay the same over reloads');

    $hidden->stop;

    my ($status, $said) = $hidden->check(
                           http => "profiling_anonymize maybe; $conf{http}");
    isnt($status, 0, 'on or off');
    like($said, qr/"maybe".*must be "on" or "off"/, '... it says');
}


# Profiles name no address, and do not tell where objects are mapped.

sub unplaced {
    my $hidden = shift;

    my @told;

    my @clients;

    ok(until_true(60, sub {
        push @clients, opened($hidden, get('/direct'));
        my $heap = Profile::take($hidden, path => '/debug/pprof/heap');
        return grep { /^addr-/ } @{ $heap->{decoded}{strings} };
    }), '... a profile of the heap has an upstream');

    push @told, grep { /^127\.0\.0\.1/ } map { @{ $_->{decoded}{strings} } }
         map { Profile::take($hidden, path => "/debug/pprof/$_") }
         qw(goroutine heap block);
    is("@told", '', '... no address in profiles');

    no warnings 'portable';

    my @maps = map { slurp("/proc/$_/maps") =~ /^(\w+-\w+) /mg }
               $hidden->workers;
    @maps = map { [ map { hex } split /-/ ] } @maps;
    my $mapped = sub {
        return grep { $_[0] >= $_->[0] && $_[0] < $_->[1] } @maps;
    };

    my $p = Profile::take($hidden, path => '/debug/pprof/goroutine')->{decoded};
    cmp_ok(scalar @{ $p->{locations} }, '>', 3, '... a profile has stacks');
    is(scalar(grep { $mapped->($_->{address}) } @{ $p->{locations} }), 0,
       '... whose addresses are not where code is');
    is(scalar(grep { $mapped->($_->{start}) || $mapped->($_->{limit} - 1) }
                   @{ $p->{mappings} }), 0, '... nor are its mappings');

    for ('goroutine', 'heap', 'threadcreate') {
        my @at = $hidden->request("/debug/pprof/$_?debug=1")->{body}
                 =~ /\b0x([0-9a-f]{6,})\b/g;
        is(scalar(grep { $mapped->(hex) } @at), 0,
           '... nor is any of ' . @at . " in the text of $_");
    }

    my ($named) = grep { $_->{mapping} } @{ $p->{locations} };
    my ($exec) = slurp('/proc/' . ($hidden->workers)[0] . '/maps')
                 =~ /^(\w+)-\w+ r-xp .*\/nginx$/m;
    my $symbols = $hidden->request(sprintf '/debug/pprof/symbol?0x%x+0x%x',
                                   $named->{address}, 0x1000 + hex $exec)
                         ->{body};
    like($symbols, qr/^0x\w+ \S+\n\z/m, '... symbol names what they tell');
    is(scalar(() = $symbols =~ /^0x/mg), 1, '... and no real address');
}


# a zone that has no room for dumps

sub small {
    my $small = Site->new(%conf, port => $site->port,
                          http => 'profiling_zone zone=p:3m slots=4; '
                                  . 'profiling_history 10;' . $conf{http});

    $small->start;

    my $d = $small->json('goroutines');
    my $room = defined $d->{goroutines};

    ok($room || $d->{unavailable}{stack_trace},
       'a small zone: an answer, or why there is none');
    is(defined $d->{stack_trace}, $room, '... not both');
    like($small->request('/debug/pprof/goroutine?debug=1')->{body},
         $room ? qr/^goroutine profile/ : qr/no room for dumps/,
         '... as a profile');
    is($small->request('/api/profiling/memory')->{status}, 200,
       '... memory goes on');

    $small->stop;
}


sub single {
    my $single = Site->new(%conf, port => $site->port, workers => 0);

    $single->start;

    my @clients = map { opened($single, get("/$_")) } 1 .. 5;
    my $dump;

    ok(until_true(60, sub { $dump = dump_of($single);
                           $dump->{count} == 11 }),
       'a single process lists its connections');
    is_dump($dump, 'single process');

    $single->stop;
}


# workers that drain keep their connections, and tell of them

sub reload {
    my $reload = Site->new(%conf, port => $site->port,
                           noise => qr/open socket|aborting/);

    $reload->start;

    my @clients = map { opened($reload, get("/$_")) } 1 .. 10;

    ok(until_true(60, sub { dump_of($reload)->{count} == 21 }), 'before');

    kill 'HUP', $reload->{pid};

    my $dump;

    ok(until_true(60, sub {
           $dump = dump_of($reload);
           my %generations = map { $_->{generation} => 1 }
                             @{ $dump->{workers} };
           return keys %generations == 2 && $dump->{count} == 21;
       }), 'a reload: old and new workers tell of theirs');
    is_dump($dump, 'two generations');

    $_->close for @clients;
    $reload->stop;
}
