#!/usr/bin/perl

# Reloads by stage: the name that one waits for is told, with how long; when the
# new workers begin, serve, and the old ones have gone; through more reloads than
# are kept.

use strict;
use warnings;

use Config;
use File::Temp qw(tempdir);
use Test::More;
use Profile;
use Site;
use Time::HiRes qw(sleep time);

my $dir = tempdir(CLEANUP => 1);

# a resolver that takes its time

spew("$dir/slow.c", <<'END');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");

    if (node && strcmp(node, "slow.test") == 0) {
        sleep(2);
        node = "127.0.0.1";
    }

    if (node && strcmp(node, "fast.test") == 0) {
        node = "127.0.0.1";
    }

    return real(node, service, hints, res);
}
END

system("cc -shared -fPIC -o $dir/slow.so $dir/slow.c") == 0
    or plan(skip_all => 'there is no compiler');

my $site = Site->new(
    workers => 1,
    seconds => 120,
    env     => { LD_PRELOAD => "$dir/slow.so" },
    http    => $Site::fast . <<'END',
    server {
        listen 127.0.0.1:PORT3 ssl;
        ssl_certificate DIR/tls.crt;
        ssl_certificate_key DIR/tls.key;
        location / { return 200; }
    }
    upstream one { server fast.test:PORT1; server slow.test:PORT1; }
END
    server  => <<'END');
        location /hold { proxy_pass http://127.0.0.1:PORT2; }
        location /one { proxy_pass http://one; }
        location /page { return 200 "x"; }
END

Profile::certificate($site);
$site->start;

my ($first) = @{ $site->json('reloads')->{reloads} };

is($first->{generation}, 1, 'the start is told of');
is($first->{stages}{names}, undef, '... without names');
ok($first->{unavailable}{'stages.names'}, '... and why');
cmp_ok($first->{stages}{configuration}, '>=', 2,
       '... the configuration waited for one');

my $silent = IO::Socket::INET->new(Listen => 8, ReuseAddr => 1,
                                   LocalAddr => '127.0.0.1:' . $site->port(2))
             or die;
my $held = $site->connect;

print $held "GET /hold HTTP/1.1\r\nHost: main\r\n\r\n";
$held->flush;
my $peer = $silent->accept;

my $begun = time;
reload(2);
my $took = time - $begun;

my ($last) = @{ $site->json('reloads')->{reloads} };
my ($slow) = grep { $_->{host} eq 'slow.test' } @{ $last->{names} };

cmp_ok($slow->{seconds}, '>=', 2, 'the name that a reload waited for');
ok(!$slow->{failed}, '... which was found');
ok((grep { $_->{host} eq 'fast.test' && $_->{seconds} < $slow->{seconds} }
    @{ $last->{names} }), '... and one that took no time');
cmp_ok($last->{stages}{names}, '>=', $slow->{seconds}, 'names are a stage');
cmp_ok($last->{stages}{configuration}, '>=', $last->{stages}{names},
       '... of reading the configuration');
cmp_ok($last->{stages}{certificates}, '>', 0, 'as are certificates');
cmp_ok($last->{stages}{$_}, '>', 0, "$_ took time") for qw(zones fork);
cmp_ok($last->{seconds}, '<=', $took, 'no more than was seen from outside');
is($last->{stages}{drain}, undef, 'an older worker has not gone');
cmp_ok($last->{"master_memory_$_"}, '>', 0, "memory of the master $_")
    for qw(before after);

# the older worker may still accept, at first

ok(until_true(60, sub {
    $site->request('/page');
    return defined $site->json('reloads')->{reloads}[0]{stages}{first_request};
}), 'the first request is seen');

close $peer;
close $held;

ok(until_true(60, sub {
    return defined $site->json('reloads')->{reloads}[0]{stages}{drain};
}), 'the last of the old workers has gone');

my %metrics = $site->request('/metrics')->{body}
              =~ /^nginx_profiling_(reload_seconds\{.*?\}) (\S+)$/mg;

cmp_ok($metrics{'reload_seconds{stage="names"}'}, '>=', 2, '/metrics: names');
cmp_ok($metrics{'reload_seconds{stage="drain"}'}, '>', 0, '... drain');

$site->write(http => $Site::fast, server => '');
reload($_) for 3 .. 20;

my $kept = $site->json('reloads')->{reloads};

is_deeply([ map { $_->{generation} } @$kept ], [ reverse 5 .. 20 ],
          'the latest 16 are kept');
is($kept->[0]{names_resolved}, 0, '... each with its own names');

$site->stop;
done_testing;


sub reload {
    my $generation = shift;

    kill 'HUP', $site->{pid};

    until_true(120, sub {
        my $got = $site->json('reloads');
        return @{ $got->{reloads} }
               && $got->{reloads}[0]{generation} == $generation
               && defined $got->{reloads}[0]{seconds};
    }) or die "nginx was not reloaded\n";
}
