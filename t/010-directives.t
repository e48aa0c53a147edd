#!/usr/bin/perl

# Every directive under nginx -t: what is refused and with which message, where
# a directive may stand, and each environment variable.

use strict;
use warnings;

use Test::More;
use Site;

my $site = Site->new;
my $conf = $site->dir . '/nginx.conf';
my $log = qr/\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[emerg\] \d+#\d+: /;


# The directive stands alone in its line; nginx tells the line's number.

sub said {
    my ($text, %env) = @_;

    my ($status, $said) = $site->check(conf => $text, env => \%env);

    # what comes before and after what a module says
    $said =~ s/^nginx: \[emerg\] //;
    $said =~ s/^nginx: configuration file .* test failed\n//m;

    return ($status, $said);
}


sub in_http {
    my $directives = shift;

    return <<"END";
load_module MODULE;
events {}
http {
$directives
    server {
        listen 127.0.0.1:PORT;
        location /api/profiling/ { profiling_api; }
    }
}
END
}


sub refused {
    my ($directives, $message, $line) = @_;

    $line ||= 4;

    my ($status, $said) = said(in_http($directives));

    is("$status $said", "1 $message in $conf:$line\n",
       "refused: " . $directives =~ s/\s+/ /gr);
}


sub accepted {
    my $directives = shift;

    my ($status, $said) = said(in_http($directives));

    is("$status $said", '0 ', "accepted: $directives");
}


# values

my $time = 'it must be a time from %dms to 1h%s';

my @settings = (
    [ profiling_interval => sprintf($time, 100, ''),
      [qw(100ms 2s 60m 1h 2 1.5s 1m2.5s 3600.000s 0.1s 1m30s)],
      [qw(99ms 0 0s 3600001ms 61m 2h 0.0999s -1s 1.5 1.5ms .5m 1..5s 1.s
          abc 2x 1.5sx 99999999999999999999s), '""'] ],

    [ profiling_history => 'it must be a number from 1 to 100000',
      [qw(1 1000 100000)], [qw(0 100001 -1 1k 10.5 abc), '""'] ],

    [ profiling_memory_limit => 'it must be a size of at least 1m, or "auto"',
      [qw(auto 1m 1048576 1024k 2G)],
      [qw(1048575 0 1023k off -1m 1t 99999999999g)] ],

    [ profiling_memory_warning => 'it must be a percentage from 1% to 100%',
      [qw(1 75 75% 90)], [qw(0 101 0% 101% 75%% % 7.5)] ],

    [ profiling_memory_critical => 'it must be a percentage from 1% to 100%',
      [qw(75 90% 100)], [qw(0 101 all)] ],

    [ profiling_goroutine_warning => 'it must be a number from 1 to '
                                     . '1000000000',
      [qw(1 5000 10000)], [qw(0 1000000001 5k off)] ],

    [ profiling_goroutine_critical => 'it must be a number from 1 to '
                                      . '1000000000',
      [qw(5000 1000000000)], [qw(0 1000000001 -5)] ],

    [ profiling_pause_threshold => sprintf($time, 1, ''),
      [qw(1ms 10ms 1h 0.25s)], [qw(0 0ms 3600001ms off)] ],

    [ profiling_cpu_rate => 'it must be a number from 1 to 1000',
      [qw(1 100 1000)], [qw(0 1001 off 99.5)] ],

    [ profiling_heap_rate => 'it must be a size from 1 to 1g, or "off"',
      [qw(1 512k 1g 1024m off)], [qw(0 1025m 2g auto on)] ],

    [ profiling_block_rate => sprintf($time, 1, ', or "off"'),
      [qw(1ms 2s off)], [qw(0 61m auto)] ],

    [ profiling_mutex_fraction => 'it must be a number from 1 to 1000000, or '
                                  . '"off"',
      [qw(1 1000000 off)], [qw(0 1000001 OFF)] ],

    [ profiling_trace_buffer => 'it must be a size from 256k to 1g',
      [qw(256k 4m 1g)], [qw(262143 2g off)] ],

    [ profiling_anonymize => 'it must be "on" or "off"',
      [qw(on off)], [qw(1 0 yes ON)] ],

    [ profiling_answer_memory => 'it must be a size from 1m to 1024g',
      [qw(1m 64m 1024k 2g)], [qw(1023k 0 off)] ],

    [ profiling_crash => 'it must be "on" or "off"',
      [qw(on off)], [qw(1 0 yes ON)] ],

    [ profiling_budget => 'it must be a percentage from 1% to 100%, '
                          . 'or "off"',
      [qw(1 1% 100% off)], [qw(0 101 0.5% none)] ],
    [ profiling_record => 'it must be a time from 1m to 24h, or "off"',
      [qw(1m 15m 90s 24h off)], [qw(0 59s 25h on)] ],
    [ profiling_record_rate => 'it must be a number from 1 to 1000',
      [qw(1 49 1000)], [qw(0 1001 off 49.5)] ],

    [ profiling_incidents => 'it must be a number from 1 to 256, or "off"',
      [qw(1 16 256 off)], [qw(0 257 on)] ],
);

for my $setting (@settings) {
    my ($name, $must, $good, $bad) = @$setting;

    for (@$good) {
        accepted("$name $_;");
    }

    for (@$bad) {
        (my $value = $_) =~ s/^""$//;
        refused("$name $_;",
                qq{invalid value "$value" of "$name", $must});
    }

    refused("$name $good->[0];\n$name $good->[0];",
            qq{"$name" directive is duplicate}, 5);
    refused("$name;",
            qq{invalid number of arguments in "$name" directive});
    refused("$name 1 2;",
            qq{invalid number of arguments in "$name" directive});
}

accepted('profiling_interval "1m 30s";');

# warning and critical

refused("profiling_memory_warning 80;\nprofiling_memory_critical 79;",
        '"profiling_memory_warning" (80) is above '
        . '"profiling_memory_critical" (79)', 4);
refused("profiling_memory_critical 79;\nprofiling_memory_warning 80;",
        '"profiling_memory_warning" (80) is above '
        . '"profiling_memory_critical" (79)', 5);
refused('profiling_memory_warning 91;',
        '"profiling_memory_warning" (91) is above '
        . '"profiling_memory_critical" (90, the default)', 4);
refused('profiling_goroutine_critical 4999;',
        '"profiling_goroutine_warning" (5000, the default) is above '
        . '"profiling_goroutine_critical" (4999)', 4);
accepted("profiling_memory_warning 80;\nprofiling_memory_critical 80;");

# flags and enumerations

for my $value (qw(on off)) {
    accepted("profiling $value;");
}

refused('profiling maybe;',
        'invalid value "maybe" in "profiling" directive, it must be "on" or '
        . '"off"');
refused("profiling on;\nprofiling on;", '"profiling" directive is duplicate',
        5);

for my $value (qw(local any)) {
    accepted("profiling_access $value;");
}

refused('profiling_access remote;', 'invalid value "remote" of '
        . '"profiling_access", it must be "local" or "any"');
refused("profiling_access any;\nprofiling_access any;",
        '"profiling_access" directive is duplicate', 5);

# the zone

my $takes = '"profiling_zone" takes zone=name:size [slots=number]';

accepted('profiling_zone zone=p:8m;');
accepted('profiling_zone zone=p:8m slots=4;');
accepted('profiling_zone slots=4 zone=p:8m;');
refused('profiling_zone zone=p:0;', "invalid parameter \"zone=p:0\", $takes");
refused('profiling_zone zone=p:;', "invalid parameter \"zone=p:\", $takes");
refused('profiling_zone zone=p;', "invalid parameter \"zone=p\", $takes");
refused('profiling_zone zone=:1m;', "invalid parameter \"zone=:1m\", $takes");
refused('profiling_zone zone=p:x;', "invalid parameter \"zone=p:x\", $takes");
refused('profiling_zone p:1m;', "invalid parameter \"p:1m\", $takes");
refused('profiling_zone zone=p:8m zone=q:8m;',
        "invalid parameter \"zone=q:8m\", $takes");
refused('profiling_zone slots=4;',
        '"profiling_zone" must have "zone" parameter');
refused('profiling_zone slots=4 slots=5;',
        '"profiling_zone" must have "zone" parameter');

for my $slots (qw(0 4097 -1 x), '') {
    refused("profiling_zone zone=p:8m slots=$slots;",
            "invalid value \"slots=$slots\", slots must be from 1 to 4096");
}

refused("profiling_zone zone=p:8m;\nprofiling_zone zone=p:8m;",
        '"profiling_zone" directive is duplicate', 5);
refused('profiling_zone;',
        'invalid number of arguments in "profiling_zone" directive');

# bounds of what is expensive

accepted("profiling_expensive $_;")
    for 'cpu=10ms', 'cpu=10ms loop=20ms wait=50ms alloc=8m', 'alloc=1',
        'wait=1h cpu=1s';
accepted("server { profiling_expensive cpu=1s;\n"
         . "location / { profiling_expensive loop=1s; } }");

for my $bad (qw(cpu=0 cpu=x cpu= loop=-1 wait=1x alloc=0 alloc=x time=1s off),
             '1s') {
    refused("profiling_expensive $bad;",
            "invalid parameter \"$bad\", \"profiling_expensive\" takes "
            . '[cpu=time] [loop=time] [wait=time] [alloc=size], each once and '
            . 'more than 0');
}

refused('profiling_expensive cpu=1s cpu=2s;',
        'invalid parameter "cpu=2s", "profiling_expensive" takes [cpu=time] '
        . '[loop=time] [wait=time] [alloc=size], each once and more than 0');
refused("profiling_expensive cpu=1s;\nprofiling_expensive cpu=1s;",
        '"profiling_expensive" directive is duplicate', 5);
refused('profiling_expensive;',
        'invalid number of arguments in "profiling_expensive" directive');

# what is slow

accepted("profiling_slow $_;") for 'off', '1s', '50ms rate=1 keep=1',
                                   '1h keep=65536 rate=65536';
accepted("profiling_slow 1s;\nserver { profiling_slow off;\n"
         . "location / { profiling_slow 2s; } }");

for ([x => 'x'], [0 => 0], ['1s rate=0' => 'rate=0'], ['off rate=1' => 'off'],
     ['1s keep=x' => 'keep=x'], ['1s keep=65537' => 'keep=65537'],
     ['1s rate=' => 'rate='], ['1s many=1' => 'many=1'],
     ['1s rate=1 rate=2' => 'rate=2']) {
    refused("profiling_slow $_->[0];",
            "invalid parameter \"$_->[1]\", \"profiling_slow\" takes time | "
            . 'off [rate=number] [keep=number], numbers from 1 to 65536');
}

refused("profiling_slow 1s;\nprofiling_slow off;",
        '"profiling_slow" directive is duplicate', 5);

# handlers

for my $name (qw(profiling_api profiling_pprof profiling_prometheus)) {
    refused("server { listen 127.0.0.1:PORT1; location / {\n$name on; } }",
            "invalid number of arguments in \"$name\" directive", 5);

    refused("$name;", "\"$name\" directive is not allowed here");

    refused("server {\n$name; }", "\"$name\" directive is not allowed here",
            5);
}

refused("server { location / { profiling_api;\nprofiling_prometheus; } }",
        '"profiling_prometheus" directive conflicts with another handler of '
        . 'the module', 5);
refused("server { location / { profiling_api;\nprofiling_api; } }",
        '"profiling_api" directive conflicts with another handler of '
        . 'the module', 5);

# places where a directive may not stand

for my $directive ('profiling_zone zone=p:8m',
                   map { "$_->[0] $_->[2][0]" } @settings)
{
    my ($name) = split ' ', $directive;

    refused("server {\n$directive; }",
            "\"$name\" directive is not allowed here", 5);
    refused("server { location / {\n$directive; } }",
            "\"$name\" directive is not allowed here", 5);
}

for my $name (qw(profiling profiling_access profiling_zone profiling_api
                 profiling_interval))
{
    my ($status, $said) = said("load_module MODULE;\nevents {}\n$name on;\n");

    is("$status $said",
       "1 \"$name\" directive is not allowed here in $conf:3\n",
       "$name outside of http");
}

accepted("server { profiling off; profiling_access any;\n"
         . "location / { profiling on; profiling_access local; } }");


# variables

sub variable {
    my ($name, $directive, $value, $message) = @_;

    my ($status, $said) = said(in_http(''), $name => $value);

    if (defined $message) {
        my $end = $message eq '' ? '' : ", $message";
        is("$status $said",
           "1 invalid value \"$value\" of \"$directive\" in the environment "
           . "variable \"$name\"$end\n", "refused: $name=$value");

    } else {
        is("$status $said", '0 ', "accepted: $name=$value");
    }
}

my @variables = (
    [ METRICS_INTERVAL => 'profiling_interval',
      sprintf($time, 100, ''),
      [qw(2s 1.5s 2m0s 100ms 1h), ''], [qw(99ms abc 2h 1.5)] ],
    [ METRICS_MAX_SIZE => 'profiling_history',
      'it must be a number from 1 to 100000',
      [qw(1 1000), ''], [qw(0 1e3 100001)] ],
    [ MEMORY_WARNING_PCT => 'profiling_memory_warning',
      'it must be a percentage from 1% to 100%',
      [qw(1 90 75%), ''], [qw(0 101 high)] ],
    [ MEMORY_CRITICAL_PCT => 'profiling_memory_critical',
      'it must be a percentage from 1% to 100%',
      [qw(75 100), ''], [qw(0 101)] ],
    [ GOROUTINE_WARNING => 'profiling_goroutine_warning',
      'it must be a number from 1 to 1000000000',
      [qw(1 10000), ''], [qw(0 many)] ],
    [ GOROUTINE_CRITICAL => 'profiling_goroutine_critical',
      'it must be a number from 1 to 1000000000',
      [qw(5000 1000000000), ''], [qw(0 -1)] ],
    [ ENABLE_PROFILING => 'profiling',
      'it must be true or false',
      [qw(true false TRUE False 1 0 t f on off yes no), ''],
      [qw(maybe 2 tru)] ],
);

for (@variables) {
    my ($name, $directive, $must, $good, $bad) = @$_;

    variable($name, $directive, $_) for @$good;
    variable($name, $directive, $_, $must) for @$bad;
}

for (['MEMORY_WARNING_PCT', 91, 'memory', 90],
     ['GOROUTINE_WARNING', 10001, 'goroutine', 10000])
{
    my ($name, $value, $of, $default) = @$_;
    my ($status, $said) = said(in_http(''), $name => $value);

    is("$status $said", "1 \"profiling_${of}_warning\" ($value, $name) is above "
       . "\"profiling_${of}_critical\" ($default, the default)\n",
       "the variable is named: $name=$value");

    my $critical = $value - 1;

    ($status, $said) = said(in_http("profiling_${of}_critical $critical;"),
                            $name => $value);

    is("$status $said", "1 \"profiling_${of}_warning\" ($value, $name) is above "
       . "\"profiling_${of}_critical\" ($critical) in $conf:4\n",
       "... and the line of the directive");
}

my ($status, $said) = said(in_http('profiling_interval 5s;'),
                           METRICS_INTERVAL => 'abc');
is("$status $said", '0 ', 'a variable that a directive overrides is not read');

($status, $said) = said(<<'END', METRICS_INTERVAL => 'abc');
load_module MODULE;
events {}
http { server { listen 127.0.0.1:PORT; } }
END

is("$status $said", '0 ', 'nor is one if the module is not used');


# configurations that are whole

for my $handler (qw(profiling_api profiling_pprof profiling_prometheus)) {
    my ($status, $said) = said(<<"END");
load_module MODULE;
events {}
http { server { listen 127.0.0.1:PORT; location / { $handler; } } }
END

    is("$status $said", '0 ', "$handler and nothing else");
}

# any size that holds the header is enough to start; nginx itself wants 32k

for my $size (1, 64) {
    my $directive = "profiling_zone zone=p:${size}k slots=4096;";
    my (undef, $refusal) = said(in_http($directive));
    my ($header) = $refusal =~ /at least (\d+k)/;

    refused($directive, "profiling zone \"p\" of ${size}k is too small, it must "
            . 'have at least ' . ($header // ''));
}

my ($header) = (said(in_http('profiling_zone zone=p:1k;')))[1] =~ /at least (\d+)k/;

refused('profiling_zone zone=p:' . ($header - 1) . 'k;',
        'profiling zone "p" of ' . ($header - 1) . 'k is too small, it must have '
        . "at least ${header}k");

for my $size ("${header}k", '256k', '1m', '3m', '64m') {
    ($status, $said) = said(in_http("profiling_zone zone=p:$size;"));
    is($status, 0, "a zone of $size") or diag($said);
}

# a reload has its workers beside those that finish their connections

for my $case ([4, 2, 0], [4, 3, 1], [7, 4, 1], [8, 4, 0]) {
    my ($slots, $workers, $warned) = @$case;

    (undef, $said) = said("worker_processes $workers;\n"
                          . in_http("profiling_zone zone=p:64m slots=$slots;"));
    is(scalar($said =~ /slots=$slots .* fewer than twice the $workers workers/),
       $warned ? 1 : '', "$slots slots of $workers workers");
}

done_testing;
