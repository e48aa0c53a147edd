#!/usr/bin/perl

# /debug/pprof and /api/profiling/cpu-profile as clients see them: methods,
# arguments, headers, errors, and go tool pprof against the live address.

use strict;
use warnings;

use Test::More;
use IO::Select;
use JSON::PP;
use Time::HiRes qw(sleep time);
use Site;
use Profile;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 1s;',
    server   => <<'END',
        location = /three { profiling_test three 2000000; }
        location = /debug/pprof { return 301 pprof/; }
        location /below/any/pprof { profiling_pprof; }
        location /files/ { client_body_in_file_only on; profiling_pprof; }
END
)->start;

my $load = load($site, '/three');
my $url = 'http://127.0.0.1:' . $site->port;
my %nosniff = ('x-content-type-options' => 'nosniff');

index_page();
cmdline();
profile();
head();
errors();
worker();
cpu_profile();
live();
symbol();

Profile::end($load);
$site->stop;

done_testing();


sub answers {
    my ($got, $status, %headers) = @_;

    my $name = delete $headers{name};

    is($got->{status}, $status, "$name: $status") or diag($got->{body});

    for my $key (sort keys %headers) {
        is($got->{headers}{$key}, $headers{$key}, "$name: $key");
    }
}


sub index_page {
    my $got = $site->request('/debug/pprof/');

    answers($got, 200, %nosniff, name => 'index',
            'content-type' => 'text/html; charset=utf-8');
    like($got->{body}, qr{<a href="$_\?debug=1">$_</a>}, "... has $_")
        for qw(cmdline profile);
    like($got->{body}, qr{<li>profile: CPU}, '... and says what they are');

    answers($site->request('/debug/pprof'), 301, name => 'without a slash');
    answers($site->request('/below/any/pprof'), 301, location => 'pprof/',
            name => 'the same below any path');
    answers($site->request('/below/any/pprof/'), 200, name => 'what is there');
}


sub cmdline {
    my $got = $site->request('/debug/pprof/cmdline');

    answers($got, 200, %nosniff, name => 'cmdline',
            'content-type' => 'text/plain; charset=utf-8');
    is($got->{body}, join("\0", $site->command), '... is how nginx was started');
}


# what is no positive integer means the default, so only this is waited for

sub profile {
    for my $query ('seconds=1', 'seconds=01', 'x=2&seconds=1&seconds=50') {
        my $began = time();
        my $got = $site->request("/debug/pprof/profile?$query");

        answers($got, 200, %nosniff, name => $query,
                'content-type' => 'application/octet-stream',
                'content-disposition' => 'attachment; filename="profile"',
                'content-encoding' => undef);
        cmp_ok(time() - $began, '>=', 1, "$query: a second");
        cmp_ok(Profile::decode($got->{body})->{decoded}{duration}, '<', 30e9,
               "$query: not the default");
    }

    my %open = map { $_ => $site->connect } '', '?seconds=0', '?seconds=-1',
               '?seconds=x', '?seconds=1.5', '?seconds=';

    for my $query (sort keys %open) {
        my $s = $open{$query};
        print $s "GET /debug/pprof/profile$query HTTP/1.1\r\n"
                 . "Host: main\r\n\r\n";
        $s->flush;
    }

    sleep 2.5;

    for my $query (sort keys %open) {
        is(Site::read_all($open{$query}, 0.05), '',
           "\"$query\": the default is longer");
    }
}


sub head {
    # at once: what lasts as long as they ask for is not waited for
    for my $path ('/debug/pprof/profile?seconds=300',
                  '/api/profiling/cpu-profile?duration=300')
    {
        my $got = $site->request($path, method => 'HEAD');

        answers($got, 200, %nosniff, name => "HEAD $path",
                'content-type' => 'application/octet-stream');
        is($got->{body}, '', '... has no body');
    }

    answers($site->request('/debug/pprof/', method => 'HEAD'), 200,
            name => 'HEAD of the index');
}


sub errors {
    my %text = (%nosniff, 'content-type' => 'text/plain; charset=utf-8',
                'x-go-pprof' => 1, 'content-disposition' => undef);

    my $got = $site->request('/debug/pprof/nothing');
    answers($got, 404, %text, name => 'an unknown profile');
    is($got->{body}, "Unknown profile\n", '... in words of Go');

    for my $page (qw(profile heap allocs block mutex threadcreate goroutine)) {
        $got = $site->request("/debug/pprof/$page?seconds=301");
        answers($got, 400, %text, name => "$page, too long");
        like($got->{body},
             qr/^profile duration exceeds the limit of 300 seconds\n\z/,
             '... says so');
    }

    $got = $site->request('/debug/pprof/profile?seconds=1', method => 'POST',
                          body => 'x=1');
    answers($got, 405, %text, name => 'POST', allow => 'GET, HEAD');

    $got = $site->request('/debug/pprof/profile?seconds=1&worker=x');
    answers($got, 400, %text, name => 'worker=x');

    $got = $site->request('/debug/pprof/profile?seconds=1&format=legacy');
    answers($got, 400, %text, name => 'a format that there is none of');
    like($got->{body}, qr/^format must be pprof.*"legacy"\n\z/,
         '... says which there is');

    $got = $site->request("/debug/pprof/profile?seconds=1&worker=$$");
    answers($got, 404, %text, name => 'a pid of another');
}


sub worker {
    my ($pid) = $site->workers;
    my $p = Profile::take($site, seconds => 1, args => "&worker=$pid");

    is_valid($p, 'one worker');
    is(scalar(grep { $_->{labels}{pid} != $pid } @{ $p->{samples} }), 0,
       '... and no other');
}


sub cpu_profile {
    my $path = '/api/profiling/cpu-profile';
    my $asked = time();
    my $got = $site->request("$path?duration=1");
    my $now = time();

    answers($got, 200, %nosniff, name => 'cpu-profile',
            'content-type' => 'application/octet-stream');

    my ($stamp) = ($got->{headers}{'content-disposition'} // '')
                  =~ /^attachment; filename="?cpu-(\d+)\.prof"?$/;
    ok(defined $stamp && $stamp >= int $asked && $stamp <= $now,
       '... its file has the time')
        or diag($got->{headers}{'content-disposition'});
    is_valid(Profile::decode($got->{body}), 'cpu-profile');

    for my $bad (qw(0 -1 301 x 1.5 1s 99999999999999999999), '') {
        my $got = $site->request("$path?duration=$bad");

        answers($got, 400, name => "duration=$bad", %nosniff,
                'content-type' => 'application/json; charset=utf-8');
        my $error = eval { decode_json($got->{body})->{error} } || {};
        is($error->{status}, 400, '... in JSON');
        like($error->{message} // '', qr/duration must be .* 1 to 300/,
             '... says what is allowed');
    }

    answers($site->request("$path?duration=1&worker=1"), 404,
            name => 'no worker', 'content-type' =>
            'application/json; charset=utf-8');
}


# without -symbolize=none: it asks the server for names if it needs them

sub live {
    local $ENV{HOME} = $Profile::dir;
    local $ENV{PPROF_TMPDIR} = "$Profile::dir/live";

    my $top = run(qw(go tool pprof -top), "$url/debug/pprof/profile?seconds=1");
    is($?, 0, 'go tool pprof of the live address') or diag($top);
    like($top, qr/profiling_test_three_cfi/, '... has names');

    $top = run(qw(go tool pprof -seconds 1 -top), '127.0.0.1:' . $site->port);
    like($top, qr/^Type: cpu$/m, '... of host:port alone');

    for my $how (qw(remote force)) {
        my $said = run(qw(go tool pprof), "-symbolize=$how", '-top',
                       "$url/debug/pprof/profile?seconds=1");
        is($?, 0, "-symbolize=$how");
        like($said, qr/profiling_test_three_cfi/, '... keeps the names')
            or diag($said);
        unlike($said, qr/Unrecognized|cannot|error/i, '... without a word')
            or diag($said);
    }
}


sub symbol {
    my $p = Profile::take($site, seconds => 1);
    my $d = $p->{decoded};
    my %name;

    for my $l (@{ $d->{locations} }) {
        my $f = $d->{functions}[$l->{line}[-1]{function} - 1];
        $name{ sprintf '0x%x', $l->{address} } = $f->{name}
            if $f->{name} !~ /^\[/;
    }

    my @pcs = (sort keys %name)[0 .. 9];
    my $list = join '+', @pcs;

    my $empty = $site->request('/debug/pprof/symbol');
    answers($empty, 200, %nosniff, name => 'symbol',
            'content-type' => 'text/plain; charset=utf-8');
    is($empty->{body}, "num_symbols: 1\n", '... says that there are names');

    for my $got ($site->request("/debug/pprof/symbol?$list"),
                 $site->request('/debug/pprof/symbol', method => 'POST',
                                body => $list))
    {
        is($got->{status}, 200, 'symbol');
        my ($first, @rows) = split /\n/, $got->{body};
        is($first, 'num_symbols: 1', '... first line');

        my %got = map { split / /, $_, 2 } @rows;
        is(scalar(grep { ($got{$_} // '') eq $name{$_} } @pcs), scalar @pcs,
           '... and the names')
            or diag(map { "$_: $name{$_}, " . ($got{$_} // 'none') . "\n" }
                    @pcs);
    }

    my $got = $site->request('/debug/pprof/symbol?0x1+junk++0xfffffffffffff');
    answers($got, 200, name => 'addresses of nothing');

    # larger than nginx keeps in memory
    $got = $site->request('/debug/pprof/symbol', method => 'POST',
                          body => join '+', ($list) x 300);
    answers($got, 200, name => 'many addresses');
    like($got->{body}, qr/^\Q$pcs[0]\E \Q$name{$pcs[0]}\E$/m, '... with names');

    # nginx has the part that came with the header in a buffer of its own, and
    # what is large in a file
    for my $before (300, 3000) {
        $got = $site->request('/debug/pprof/symbol', method => 'POST',
                              body => join '+', ('0x00001') x $before, $pcs[0]);
        like($got->{body}, qr/^\Q$pcs[0]\E \Q$name{$pcs[0]}\E$/m,
             "... the last one behind $before others");
    }

    # an end that nginx tells by a buffer of its own

    for ([ [], qr/^num_symbols: 1\n\z/ ],
         [ ['0x1+', $pcs[0]], qr/^\Q$pcs[0]\E \Q$name{$pcs[0]}\E$/m ])
    {
        my ($pieces, $is) = @$_;

        $got = $site->request('/debug/pprof/symbol', method => 'POST',
                              pieces => $pieces);
        answers($got, 200, name => 'a body of ' . @$pieces . ' chunks');
        like($got->{body}, $is, '... is read');
    }

    large($list);
    by_and_by($pcs[0], $name{$pcs[0]});
}


# 128 KB of addresses, whatever the length of a body is told to be, or if it is
# not told at all

sub large {
    my $list = shift;

    my $most = 131072;
    my $body = substr join('+', ($list) x $most), 0, $most;
    my @post = (method => 'POST');
    my $head = "POST /debug/pprof/symbol HTTP/1.1\r\nHost: main\r\n";
    my $chunk = join '+', ('0x401000') x 1000;

    is($site->request('/debug/pprof/symbol', @post, body => $body)->{status},
       200, '128 KB of addresses');
    is($site->request('/debug/pprof/symbol', @post,
                      pieces => [ $body =~ /(.{1,8192})/gs ])->{status}, 200,
       '... in chunks too');

    # what is sent is but the header

    for my $expect ('', "Expect: 100-continue\r\n") {
        my $got = $site->raw($head . $expect . 'Content-Length: '
                             . ($most + 1) . "\r\n\r\n", seconds => 60,
                             until => qr/limit of $most bytes\n\z/);

        like($got, qr{^HTTP/1\.1 413 .*\nConnection: close\r\n}s,
             'a byte more is refused before it is sent');
        unlike($got, qr/ 100 /, '... nor asked for') if $expect;
    }

    # one that never ends

    my $s = $site->connect;
    my $sent = 0;
    my $select = IO::Select->new($s);

    syswrite $s, "${head}Transfer-Encoding: chunked\r\n\r\n";

    until ($select->can_read(0) || $sent > 100 * $most) {
        $sent += syswrite($s, sprintf "%x\r\n%s\r\n", length $chunk, $chunk)
                 || last;
    }

    like(Site::read_all($s, 60, qr/limit of $most bytes\n/),
         qr{^HTTP/1\.1 413 .*limit of $most bytes\n}s,
         'a body without an end is refused');
    cmp_ok($sent, '>=', $most, '... when so many bytes have come');
}


# byte by byte, also with a file that is asked for

sub by_and_by {
    my ($pc, $name) = @_;

    my $s = $site->connect;
    my $body = "0x1+$pc+zz";

    print $s "POST /debug/pprof/symbol HTTP/1.1\r\nHost: main\r\n"
             . "Connection: close\r\nContent-Length: " . length($body)
             . "\r\n\r\n";
    $s->flush;

    for my $byte (split //, $body) {
        was_read($s);
        print $s $byte;
        $s->flush;
    }

    like(Site::read_all($s, 60), qr/^\Q$pc\E \Q$name\E$/m,
         'a body that comes byte by byte');
    like($site->request('/files/debug/pprof/symbol', method => 'POST',
                        body => $pc)->{body}, qr/^\Q$pc\E \Q$name\E$/m,
         '... and one that nginx would write to a file');
}
