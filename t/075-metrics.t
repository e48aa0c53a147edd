#!/usr/bin/perl

# docs/METRICS.md is the reference of all metrics: every family that a server
# exposes has a row there, with its type and labels, and every row is exposed.

use strict;
use warnings;

use Test::More;
use Profile;
use Site;

my %documented = rows('docs/METRICS.md');

my $site = Site->new(
    workers => 1,
    http    => <<'END',
    profiling_interval 100ms;
    proxy_cache_path DIR/cache keys_zone=cached:64k max_size=1m;
    limit_req_zone $uri zone=limit:64k rate=1000r/s;
    profiling_expensive cpu=1s;
    upstream dead {
        server 127.0.0.1:PORT8 fail_timeout=600s;
        server 127.0.0.1:PORT9 fail_timeout=600s;
    }

    server {
        listen 127.0.0.1:PORT3 ssl;
        ssl_certificate DIR/tls.crt;
        ssl_certificate_key DIR/tls.key;
        location / { return 200 "x"; }
    }

    upstream again {
        server 127.0.0.1:PORT8;
        server 127.0.0.1:PORT1 backup;
    }

    server {
        listen 127.0.0.1:PORT1;
        location / { return 200 "x"; }
    }
END
    server  => <<'END');
    location = /secure { proxy_pass https://127.0.0.1:PORT3; }
    location = /cached { proxy_cache cached; proxy_pass http://127.0.0.1:PORT1; }
    location = /up { proxy_pass http://127.0.0.1:PORT1; }
    location = /again { proxy_pass http://again; }
    location = /moved { try_files /none /failed; }
    location = /failed { error_page 404 /page; return 404; }
    location = /page { return 200 "x"; }
    location = /late { mirror /silent; empty_gif; }
    location = /silent { proxy_pass http://127.0.0.1:PORT2;
                         proxy_read_timeout 10ms; }
    location = /dead { proxy_pass http://dead; }
END

Profile::certificate($site);
$site->start;

# says nothing, so that a mirror outlasts its response
my $silent = IO::Socket::INET->new(Listen => 1, ReuseAddr => 1,
                                   LocalAddr => '127.0.0.1:' . $site->port(2))
             or die "cannot listen: $!\n";

$site->request($_) for qw(/up /cached /secure /again /moved /late /dead /dead);

my (%type, %labels);

# the gauges are there from the first tick on
for (1 .. 600) {
    last if defined $type{memory_bytes};
    select undef, undef, undef, 0.1;
    families($site->request('/metrics')->{body});
}

is_deeply([sort keys %documented], [sort keys %type],
          'the reference has the families that are told, and no others');

for my $name (sort keys %type) {
    my $row = $documented{$name} or next;

    is($row->{type}, $type{$name}, "$name: its type");
    is_deeply($row->{labels}, $labels{$name} // [], "$name: its labels");
    isnt($row->{unit}, '', "$name: a unit");
}

$site->stop;

done_testing;


sub rows {
    my $file = shift;

    open my $in, '<', $file or die "$file: $!\n";

    my %rows;

    while (my $line = <$in>) {
        my ($name, $type, $labels, $unit)
            = $line =~ /^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.*?) \| .+ \|$/
            or next;

        $rows{$name} = { type => $type, unit => $unit,
                         labels => [sort $labels =~ /`(\w+)`/g] };
    }

    return %rows;
}


sub families {
    my $text = shift;

    $type{$1} = $2 while $text =~ /^# TYPE nginx_profiling_(\w+) (\w+)$/mg;

    while ($text =~ /^nginx_profiling_(\w+)(?:\{(.*)\})? /mg) {
        my ($name, $set) = ($1, $2 // '');

        $name =~ s/_(?:bucket|sum|count)$// if !exists $type{$name};

        my @found = sort grep { $_ ne 'le' } $set =~ /(\w+)="/g;
        $labels{$name} = \@found;
    }
}
