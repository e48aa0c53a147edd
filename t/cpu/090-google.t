#!/usr/bin/perl

# Debian's google-pprof, the script of gperftools, on a live nginx: it reads
# its own format only, and asks for names at the page beside.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep);
use Site;
use Profile;
use Sampled;

my $site = Site->new(
    workers  => 2,
    modules  => [ Profile::test_module(), Profile::lua_modules() ],
    handlers => $Profile::handlers,
    http     => 'profiling_interval 1s; keepalive_requests 1000000;
                 profiling_cpu_rate 1000;',
    server   => <<'END',
        location = /one { profiling_test one 8000000 DIR/burnt; }
        location = /three { profiling_test three 8000000 DIR/burnt; }
        location = /lua {
            content_by_lua_block {
                local x = 0
                for i = 1, 3000000 do x = x + i % 7 end
                ngx.say(x)
            }
        }
END
);

my $burnt = $site->dir . '/burnt';

spew($burnt, '');
chmod 0666, $burnt;

$site->start;

my $tree = 'http://127.0.0.1:' . $site->port . '/debug/pprof';
my @loads = map { load($site, '/one', '/three') } 1 .. 2;

live();
file();
Profile::end($_) for @loads;

machine_code();

$site->stop;

done_testing();


sub google {
    local %ENV = (%ENV, HOME => $Profile::dir, PPROF_TMPDIR => $Profile::dir);
    delete @ENV{qw(http_proxy HTTP_PROXY all_proxy ALL_PROXY)};

    my $text = run('google-pprof', '--text', @_);
    my %cum;

    # flat, its share, the sum of shares, cumulative, its share, name
    while ($text =~ /^\s*\d+\s+\S+%\s+\S+%\s+\d+\s+(\S+)%\s(.*)$/mg) {
        $cum{$2} = $1 / 100;
    }

    return ($text, \%cum);
}


sub live {
    my $from = length slurp($burnt);
    my ($text, $cum) = google('--seconds=3', "$tree/legacy");
    my %burnt;

    for (split /\n/, substr slurp($burnt), $from) {
        my (undef, $begin, $end, $what) = split ' ';
        $burnt{$what} += $end - $begin;
    }

    is($?, 0, 'google-pprof takes a profile of a live nginx') or diag($text);

    my ($one, $three) = @$cum{qw(profiling_test_one_cfi
                                 profiling_test_three_cfi)};

    # of what both burnt while the tool was at work, of which the profile has
    # most: as if each sample had come by itself
    my ($total) = $text =~ /^Total: (\d+) samples$/m;
    my $n = ($total // 0) * (($one // 0) + ($three // 0)) / 4;
    my $part = $burnt{'/one'} / ($burnt{'/one'} + $burnt{'/three'});

    cmp_ok($n, '>=', 50, '... with samples');
    is_near(($one // 0) / ((($one // 0) + ($three // 0)) || 1), $part,
            sqrt($part * (1 - $part) / ($n || 1)),
            '... functions of a module have names, and their shares');
    cmp_ok($cum->{'profiling_test_inlined_cfi (inline)'} // 0, '>', 0.5,
           '... and inlined calls') or diag($text);

    # what all stacks have in common may be left out, and it says so
    like($text, qr/\bngx_http_core_content_phase\b/, '... and callers');
    is(scalar(grep { /^0x/ && $cum->{$_} > 0.05 } keys %$cum), 0,
       '... none is a bare address') or diag($text);
}


sub file {
    my $got = $site->request('/debug/pprof/profile?seconds=1&format=legacy',
                             seconds => 20);

    is($got->{headers}{'content-type'}, 'application/octet-stream',
       'the same format can be asked for');

    my @words = unpack 'Q<5', $got->{body};
    is("@words", '0 3 0 1000 0', '... its header');

    # Go reads this format as well, with the mappings at its end

    my $file = "$Profile::dir/legacy";
    spew($file, $got->{body});

    my $raw = go('-raw', $file);
    is($?, 0, '... go tool pprof reads it') or diag($raw);
    like($raw, qr/^PeriodType: cpu nanoseconds$/m, '... as a CPU profile');
    like($raw, qr/^Period: 1000000$/m, '... of 1000 Hz');
    like($raw, qr{^\d+: 0x\w+/0x\w+/0x\w+ \S*libc\.so\.6 }m,
         '... with mappings');

    my ($p) = Profile::take($site, seconds => 1);
    is_valid($p, 'beside it the other format');
}


# frames that are no functions have names, too

sub machine_code {
    my $load = load($site, '/lua');
    sleep 0.2;

    my ($text, $cum) = google('--seconds=2', "$tree/legacy");
    Profile::end($load);

    cmp_ok($cum->{'[jit]'} // 0, '>', 0.5, 'code made at run time is [jit]')
        or diag($text);
}
