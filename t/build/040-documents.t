#!/usr/bin/perl

# What the documents say works: each command of README.md and docs/ runs
# against a live nginx or, if it builds something, is an existing target of
# make with existing variables and files.  The configurations that they show
# are valid, and their links lead somewhere.

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;
use Floors ();
use Modules ();
use Site;
use Trace ();

my @documents = ('README.md', 'conf/fleet/README.md', glob 'docs/*.md');
my $dir = tempdir(CLEANUP => 1);

my $site = Site->new(
    workers  => 2,
    http     => 'profiling_heap_rate 4k; profiling_budget off; '
                . 'profiling_expensive cpu=1h;',
    handlers => "include $ENV{TEST_PROFILING_DIR}/conf/snippets/profiling.conf;",
    server   => <<'END')->start;
        location = /backend/assets/catalog.json {
            proxy_pass http://127.0.0.1:PORT/data;
        }
        location = /data { return 200 "data"; }
END

my $url = 'http://127.0.0.1:' . $site->port;
my %seen;

for my $document (@documents) {
    my $text = slurp($document);

    do_as_said($document, $_) for grep { !$seen{$_}++ } commands($text);
    links($document, $text);
}

cmp_ok(scalar keys %seen, '>', 25, 'there are commands in the documents');
configuration(slurp('README.md') =~ /^```nginx\n(.*?)^```/ms);
tools_are_installed(slurp('README.md'));
walks(slurp('docs/ARCHITECTURE.md'));

$site->stop;

done_testing;


# Lines of blocks that are for a shell, and what is set as code in the text
# and begins with the name of a tool.

sub commands {
    my $text = shift;

    my @found;

    $text =~ s{^[ ]*```(\w*)\n(.*?)^[ ]*```}{
        my ($kind, $block) = ($1, $2);
        $block =~ s/\\\n\s*//g;
        push @found, grep { /\S/ && !/^\s*#/ } split /\n/, $block
            if $kind eq 'sh';
        '';
    }gmse;

    # with arguments: the name of a tool alone is no command
    push @found, grep { m{^(?:make|curl|(?:/\S+/)?go tool \w+|wrk) \S} }
                 map { s/\s+/ /gr } $text =~ /`([^`]+)`/g;

    return map { s/\s+#.*//r =~ s/^\s+|\s+$//gr =~ s/\\\|/|/gr } @found;
}


sub do_as_said {
    my ($document, $command) = @_;

    my $name = "$document: $command";

    return make($name, $1) if $command =~ /^make\b *(.*)/;
    return packages($name, $1) if $command =~ /^apt install (.*)/;

    # what it would take, and whom it would ask
    $command =~ s{http://127\.0\.0\.1:8151}{$url}g;
    $command =~ s{\bURL\b}{$url/debug/pprof/heap}g;
    $command =~ s/\bseconds=\d+/seconds=1/g;
    $command =~ s/-d60s/-d1s/g;
    $command =~ s/^curl /curl -f /;

    if ($command =~ s{(?:/\S+/)?go tool trace}{GO tool trace -pprof=net}) {
        my $go = Trace::have_go();

        SKIP: { skip("no go 1.22: install golang-1.22-go of backports", 1) if !$go }
        return if !$go;

        $command =~ s/GO/$go/;
    }

    if ($command !~ m{^(?:curl|(?:/\S+/)?go tool \w+|wrk)\b}) {
        fail("$name: not known to this test");
        return;
    }

    my $said = run('env', "HOME=$dir", "PPROF_TMPDIR=$dir", 'timeout', 30,
                   'bash', '-o', 'pipefail', '-c',
                   "cd $dir && { " . beside_load($command) . '; } < /dev/null');
    my $status = $?;

    ok($status == 0 && (length $said || $command =~ / -o \S/), $name)
        or diag("$command: $status\n", $said);

    # wrk is content with any answer
    unlike($said, qr/^(?:error|.*parsing profile|curl:|Non-2xx)/m, '... works')
        or diag($said);

    # what a reader looks for stands at the top; of the heap that is in use
    # there may be no sample
    my ($top) = $said =~ /\A((?:.*\n){0,10})/;
    my $total = $command =~ m{/heap$} && $command !~ /-sample_index/
                ? qr/\S+/ : qr/[1-9]\S*/;
    like($top, qr/^ *location: Total $total\n.*: /m, '... and its location')
        if $command =~ / -tags /;
}


# What is asked of the CPU needs a load that takes some.

sub beside_load {
    my $command = shift;

    return $command if $command !~ m{/pprof/profile};

    return "wrk -t1 -c4 -d60s $url/data > load & load=\$!; "
           . "$command; said=\$?; kill \$load; (exit \$said)";
}


# Nothing is built again here: targets, variables, files.

sub make {
    my ($name, $words) = @_;

    my $makefile = slurp('Makefile');

    $makefile =~ s/^include (\S+)$/slurp($1)/meg;

    my ($configurations) = slurp('tools/matrix') =~ /^all="(.*?)"/ms;
    $configurations .= ' given';
    my @wrong;

    while ($words =~ /\G\s*(?:(\w+)=("[^"]*"|\S*)|(\S+))/g) {
        my ($variable, $value, $target) = ($1, $2, $3);

        if (defined $target) {
            push @wrong, "no target $target"
                if $makefile !~ /^(?:[\w ]+ )?\Q$target\E(?: [\w ]+)?:/m;
            next;
        }

        push @wrong, "no variable $variable"
            if $makefile !~ /\$\((?:\w+ )?$variable\b/;

        next if $variable ne 'T';

        for my $one (grep { length } split /[\s"]+/, $value) {
            my $there = $words =~ /^matrix/ ? $configurations =~ /\b\Q$one\E\b/
                                            : -e $one;
            push @wrong, "no $one" if !$there;
        }
    }

    is("@wrong", '', $name);
}


# Nothing is installed here either: packages that the tests themselves need.

sub packages {
    my ($name, $words) = @_;

    my $known = slurp('tools/install-deps');
    my @unknown = grep { $known !~ /(?<![\w-])\Q$_\E(?![\w-])/ }
                  grep { length } split / /, $words =~ s/-t \S+//r;

    is("@unknown", '', $name);
}


# What a command needs and "make run" does not install is named before it.

sub tools_are_installed {
    my $text = shift;

    my %package = (wrk => 'wrk', curl => 'curl', jq => 'jq',
                   'go tool pprof' => 'golang-go',
                   'go tool trace' => 'golang-1.22-go');

    for my $tool (sort keys %package) {
        next if $text !~ /^\Q$tool\E |`(?:\S+\/)?\Q$tool\E |\| \Q$tool\E /m;

        my ($begin, $used) = ($text, $-[0]);

        like(substr($begin, 0, $used),
             qr/^apt install .*(?<![\w-])\Q$package{$tool}\E(?![\w-])/m,
             "README.md says where $tool comes from, before it is used");
    }
}


# The walks of the architecture: files that are there, each named once, on its
# own floor, and none higher than the one above.

sub walks {
    my $text = shift;

    my ($walks) = $text =~ /^## Three walks$(.*?)^## /ms;
    my %title = map { s/\n.*//sr => $_ } split /^### /m, $walks;

    is(scalar grep({ /\|/ } values %title), 3, 'three walks');

    for my $walk (grep { $title{$_} =~ /\|/ } sort keys %title) {
        my (%seen, @wrong);
        my $above = 99;

        for my $line (split /\n/, $title{$walk}) {
            my ($floor, $name) = $line =~ /^\| (\d+) \| `([^`]+)`/;

            $above = 99 if $line !~ /^\|/;
            next if !defined $name;

            my $file = -e $name ? $name : "ngx_http_profiling_module/$name";
            my $real = $file =~ m{^html/} ? $floor : Floors::of($file);

            push @wrong, "$name: not there" if !-e $file;
            push @wrong, "$name: named again" if $seen{$name}++;
            push @wrong, "$name: upwards" if $floor > $above;
            push @wrong, "$name: on floor $real"
                if !defined $real || int $real != $floor;
            $above = $floor;
        }

        is("@wrong", '', "the walk: $walk");
        cmp_ok(scalar keys %seen, '>', 5, '... of files');
    }
}


sub links {
    my ($document, $text) = @_;

    for my $link ($text =~ /\]\(([^)\s]+)\)/g) {
        next if $link =~ /^https?:/;

        my ($file, $anchor) = split /#/, $link;
        my $path = length $file ? dirname($document) . "/$file" : $document;

        ok(-e $path, "$document: $link is there");

        next if !defined $anchor;

        my %anchors = map { lc =~ s/[^\w -]//gr =~ s/ /-/gr => 1 }
                      slurp($path) =~ /^#+ +(.*)$/mg;
        ok($anchors{$anchor}, '... and its chapter');
    }
}


# in the directory of the installation, where its paths are

sub configuration {
    my $text = shift;

    my $root = $ENV{TEST_PROFILING_DIR};
    my $file = "$root/conf/readme.conf";
    my $port = $site->port(1);

    $text =~ s/^load_module.*\n//m if Modules::static();
    $text =~ s/:8151/:$port/;
    spew($file, "$text\nevents {}\npid $dir/pid;\n");

    my $said = run($ENV{TEST_NGINX_BINARY}, '-t', '-q', '-e', "$dir/error.log",
                   '-p', $root, '-c', $file);
    is("$? $said", '0 ', 'the configuration of the README is one');
    unlink $file;
}
