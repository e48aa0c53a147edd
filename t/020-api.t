# The endpoints of /api/profiling/: the original specification's fields and
# their types, methods, parameters, headers, errors.

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Modules ();
use ProfilingBlocks;

log_level('info');
no_shuffle();
no_long_string();

# more memory than the least profiling_memory_limit, however small nginx is
worker_connections(8192);

our $memory = join ' ', map { "memory.$_:integer" }
    qw(alloc total_alloc sys heap_alloc heap_sys heap_inuse heap_idle
       stack_inuse stack_sys);

our $api = <<'END';
    location /api/profiling/ { profiling_api; }
END

our $fast = "profiling_interval 100ms;";

our $echo = Modules::other('/usr/lib/nginx/modules/ngx_http_echo_module.so');

# endpoint, then field:type

our @shapes = (
    ['memory', split(' ', $memory),
     map({ "details.$_:number" } qw(alloc_mb total_alloc_mb sys_mb
                                    heap_alloc_mb heap_sys_mb stack_mb)),
     qw(memory.usage_percent:number workers.*.memory:object
        zones.*.name:string zones.*.size:integer zones.*.free:integer)],

    ['gc', qw(num_gc:integer pause_total:integer pause_total_ms:number
              last_gc:null next_gc_mb:number gc_cpu_fraction:number
              recent_pauses_ns:list avg_pause_ns:integer recent:list)],

    ['goroutines', qw(count:integer timestamp:time)],

    ['runtime', qw(uptime_seconds:number uptime:string start_time:time
                   go_version:string num_cpu:integer num_goroutine:integer
                   num_cgo_call:integer request_count:integer
                   error_count:integer request_rate:number error_rate:number
                   nginx_version:string module_version:string
                   pcre_version:string openssl_version:string
                   zlib_version:string generation:integer reload_time:null
                   workers.*.pid:integer settings:object)],

    ['health', qw(status:string timestamp:time uptime_seconds:number
                  memory_usage_pct:number num_goroutines:integer issues:list
                  workers.*.pid:integer workers.*.state:string)],
);

# those of the n-th endpoint asked

sub fields {
    my ($endpoint, @fields) = @{ $shapes[$_[0] % @shapes] };

    return @fields;
}

run_tests();

__DATA__

=== TEST 1: metrics has the fields of the original
--- http_config eval: $main::fast
--- config eval: $main::api
--- request
GET /api/profiling/metrics
--- wait: 0.01
--- response_body_filters eval
main::types(qw(timestamp:time metrics:object uptime:number
    metrics.memory.usage_percent:number
    metrics.cpu.num_cpu:integer metrics.cpu.num_goroutine:integer
    metrics.cpu.num_cgo_call:integer metrics.goroutines:integer
    metrics.gc.num_gc:integer metrics.gc.pause_total_ns:integer
    metrics.gc.last_pause_ns:integer metrics.gc.pause_percent:number
    metrics.gc.next_gc:integer metrics.request_rate:number
    metrics.error_rate:number), map { "metrics.$_" } split ' ', $main::memory)
--- response_body chomp
--- response_headers
Content-Type: application/json; charset=utf-8
Cache-Control: no-store
X-Content-Type-Options: nosniff
--- error_code: 200



=== TEST 2: metrics has what nginx adds
--- http_config eval: $main::fast
--- config eval: $main::api
--- request
GET /api/profiling/metrics
--- response_body_filters eval
main::types(map({ "metrics.connections.$_:integer" }
          qw(active reading writing waiting upstream free accepted handled)),
      map({ "metrics.requests.$_:integer" } qw(total bytes_in bytes_out
          by_status.1xx by_status.2xx by_status.3xx by_status.4xx
          by_status.5xx)),
      map({ "metrics.requests.latency.$_:null" } qw(p50 p90 p99 p999 max)),
      map({ "metrics.event_loop.$_:integer" } qw(iterations events)),
      map({ "metrics.event_loop.$_:number" }
          qw(utilization wait_seconds busy_seconds latency.p50 latency.p99
             latency.max)),
      map({ "metrics.cpu.$_:number" }
          qw(user_seconds system_seconds usage_percent)),
      qw(workers.*.pid:integer workers.*.slot:integer
         workers.*.generation:integer workers.*.state:string
         workers.*.last_seen:time workers.*.memory:object
         workers.*.requests:object workers.*.event_loop:object
         overhead.collect_ns:integer overhead.samples:integer
         unavailable:object))
--- response_body chomp
--- error_code: 200



=== TEST 3: latencies of nothing are null, and why
--- http_config eval: $main::fast
--- config
    location /api/profiling/ { profiling_api; }
    location = /ok { return 200; }
--- request eval
["GET /api/profiling/metrics", "GET /api/profiling/locations", "GET /ok",
 "GET /api/profiling/metrics"]
--- response_body_filters eval: main::reasons(qw(requests.latency latency upstream.latency))
--- response_body eval
["requests.latency: no request that is counted has ended\n",
 "latency: no request of the location has ended\n"
 . "upstream.latency: no request of the location was answered by an upstream\n",
 "", ""]



=== TEST 4: history
--- http_config eval: $main::fast
--- config
    location /api/profiling/ { profiling_api; }
    location = /sleep { echo_sleep 0.4; echo ok; }
--- main_config eval: "load_module $main::echo;"
--- skip_eval: 4: !-e $main::echo
--- request eval
["GET /sleep", "GET /api/profiling/metrics/history"]
--- response_body_filters eval
my $types = main::types(qw(samples:list count:integer uptime:number
    samples.*.timestamp:time
    samples.*.cpu.num_cpu:integer samples.*.cpu.num_goroutine:integer
    samples.*.cpu.num_cgo_call:integer samples.*.goroutines:integer
    samples.*.gc.num_gc:integer samples.*.gc.pause_total_ns:integer
    samples.*.gc.last_pause_ns:integer samples.2.gc.pause_percent:number
    samples.*.gc.next_gc:integer samples.*.workers:integer
    samples.*.memory.usage_percent:number),
    map { "samples.*.$_" } split ' ', $main::memory);
sub { $_[0] eq "ok\n" ? '' : $types->($_[0]) }
--- response_body eval
["", ""]
--- error_code eval
[200, 200]



=== TEST 5: the fields of the others
--- http_config eval: $main::fast
--- config eval: $main::api
--- request eval
[map { "GET /api/profiling/$_->[0]" } @main::shapes]
--- response_body_filters eval
my $n = 0;
sub { main::types(main::fields($n++))->($_[0]) }
--- response_body eval
[map { '' } @main::shapes]
--- error_code eval
[map { 200 } @main::shapes]



=== TEST 6: health is healthy
--- http_config
profiling_memory_limit 64g;
--- config eval: $main::api
--- request
GET /api/profiling/health
--- response_body_filters eval: main::pick(qw(status issues))
--- response_body
"healthy"
[]
--- error_code: 200



=== TEST 7: health is unhealthy, and is 503, above the critical value
--- http_config
profiling_interval 100ms;
profiling_memory_limit 1m;
profiling_memory_critical 100;
--- config eval: $main::api
--- request
GET /api/profiling/health
--- response_body_filters eval: main::pick(qw(status issues))
--- response_body
"unhealthy"
["high memory usage"]
--- error_code: 503



=== TEST 8: the tree describes itself
--- config eval: $main::api
--- request
GET /api/profiling/
--- response_body_filters eval: main::pick(qw(endpoints.0.name endpoints.0.method))
--- response_body
"metrics"
"GET"
--- error_code: 200



=== TEST 9: HEAD has the headers and no body
--- config eval: $main::api
--- raw_request eval
"HEAD /api/profiling/metrics HTTP/1.1\r
Host: localhost\r
Connection: close\r
\r
"
--- response_headers_like
Content-Type: application/json; charset=utf-8
Content-Length: [1-9]\d+
Cache-Control: no-store
--- response_body chomp
--- error_code: 200



=== TEST 10: HEAD of every endpoint
--- config eval: $main::api
--- request eval
[map { "HEAD /api/profiling/$_" } '', qw(metrics metrics/history memory gc
 goroutines runtime health locations)]
--- error_code eval
[(200) x 9]
--- response_body eval
[('') x 9]



=== TEST 11: other methods are 405 with Allow
--- config eval: $main::api
--- request eval
[map { ("POST /api/profiling/$_\nx=1", "DELETE /api/profiling/$_") }
 qw(metrics metrics/history memory gc goroutines runtime health locations),
 '']
--- error_code eval
[(405) x 18]
--- response_headers eval
[("Allow: GET, HEAD\nContent-Type: application/json; charset=utf-8\nCache-Control: no-store") x 18]
--- response_body_filters eval: main::pick(qw(error.status error.message))
--- response_body eval
[("405\n\"method POST is not allowed, use GET, HEAD\"\n",
  "405\n\"method DELETE is not allowed, use GET, HEAD\"\n") x 9]



=== TEST 12: force-gc takes POST only
--- config eval: $main::api
--- request eval
["GET /api/profiling/force-gc", "HEAD /api/profiling/force-gc",
 "PUT /api/profiling/force-gc"]
--- error_code eval
[405, 405, 405]
--- response_headers eval
[("Allow: POST") x 3]
--- response_body_filters eval
my $pick = main::pick(qw(error.status error.message)); sub { $_[0] eq '' ? '' : $pick->($_[0]) }
--- response_body eval
["405\n\"method GET is not allowed, use POST\"\n", "",
 "405\n\"method PUT is not allowed, use POST\"\n"]



=== TEST 13: an unknown method
--- config eval: $main::api
--- raw_request eval
"BREW /api/profiling/gc HTTP/1.1\r
Host: localhost\r
Connection: close\r
\r
"
--- response_headers
Allow: GET, HEAD
--- response_body_filters eval: main::pick(qw(error.message))
--- response_body
"method BREW is not allowed, use GET, HEAD"
--- error_code: 405



=== TEST 14: unknown paths are 404, whatever the method
--- config eval: $main::api
--- request eval
["GET /api/profiling/metric", "GET /api/profiling/metricss",
 "GET /api/profiling/metrics/", "GET /api/profiling/metrics/histor",
 "GET /api/profiling/x/metrics", "GET /api/profiling/Metrics",
 "POST /api/profiling/nothing\n", "GET /api/profiling/metrics%00",
 "GET /api/profiling/%22%3Cscript%3E", "GET /api/profiling/history"]
--- error_code eval
[(404) x 7, 400, 404, 404]
--- response_headers eval
[("Content-Type: application/json; charset=utf-8\nCache-Control: no-store") x 7,
 "Content-Type: text/html",
 ("Content-Type: application/json; charset=utf-8") x 2]
--- response_body_filters eval
my $pick = main::pick(qw(error)); sub { $_[0] =~ /^<html>/ ? '' : $pick->($_[0]) }
--- response_body eval
[("{\"message\":\"unknown endpoint\",\"status\":404}\n") x 7, "",
 ("{\"message\":\"unknown endpoint\",\"status\":404}\n") x 2]



=== TEST 15: a bad count
--- config eval: $main::api
--- request eval
[map { "GET /api/profiling/metrics/history?count=$_" }
 qw(abc 0 1001 -1 1.5 1e2 %22 %C3%28 99999999999999999999), '',
 'x' x 100, '%00', '1&count=0']
--- error_code eval
[(400) x 12, 200]
--- response_body_filters eval
my $pick = main::pick(qw(error.message)); sub { $_[0] =~ /"error"/ ? $pick->($_[0]) : '' }
--- response_body eval
[(map { "\"count must be an integer from 1 to 1000, not \\\"$_\\\"\"\n" }
  qw(abc 0 1001 -1 1.5 1e2 \"), "\xef\xbf\xbd(", "99999999999999999999", '',
  'x' x 64, '\u0000'), '']



=== TEST 16: the original's count values
--- config eval: $main::api
--- request eval
[map { "GET /api/profiling/metrics/history?count=$_" } qw(1 100 1000 %31)]
--- error_code eval
[(200) x 4]



=== TEST 17: profiling_history bounds count
--- http_config
profiling_history 50;
--- config eval: $main::api
--- request eval
[map { "GET /api/profiling/metrics/history?count=$_" } qw(50 51)]
--- error_code eval
[200, 400]
--- response_body_filters eval: main::pick(qw(error.message))
--- response_body eval
["", "\"count must be an integer from 1 to 50, not \\\"51\\\"\"\n"]



=== TEST 18: a bad since
--- config eval: $main::api
--- request eval
[map { "GET /api/profiling/metrics/history?since=$_" }
 'yesterday', '', '2026-02-10', '2026-02-10T09:59:58',
 '2026-13-10T09:59:58Z', '2026-02-32T09:59:58Z', '2026-02-10T24:59:58Z',
 '2026-02-10T09:60:58Z', '2026-02-10T09:59:61Z', '2026-02-10T09:59:58Zx',
 '2026-%202-10T09:59:58Z',
 '2026-02-10T09:59:%2B8Z', '2026-02-10T09:59:58.Z', '2026-02-30T09:59:58Z',
 '1969-12-31T23:59:59Z', '2026-02-10T09:59:58Z%00']
--- error_code eval
[(400) x 16]
--- response_body_filters eval
my $pick = main::pick(qw(error.status error.message));
sub { my $s = $pick->($_[0]); $s =~ s/not .*/not .../; $s }
--- response_body eval
[("400\n\"since must be a time such as 2026-02-10T09:59:58Z, not ...\n") x 16]



=== TEST 19: a good since
--- config eval: $main::api
--- request eval
[map { "GET /api/profiling/metrics/history?since=$_" }
 qw(2026-02-10T09:59:58Z 2026-02-10T09:59:58.25Z 2026-02-10T09%3A59%3A58Z
    2026-02-10T09:59:58.123456789Z 2024-02-29T00:00:00Z
    2026-02-10T09:59:58+01:00)]
--- error_code eval
[(200) x 6]



=== TEST 20: a bad worker, at every endpoint
--- config eval: $main::api
--- request eval
[(map { "GET /api/profiling/$_?worker=1x" }
  qw(metrics metrics/history memory gc goroutines runtime health locations)),
 "POST /api/profiling/force-gc?worker=1x\n"]
--- error_code eval
[(400) x 9]
--- response_body_filters eval: main::pick(qw(error.message))
--- response_body eval
[("\"worker must be the pid of a worker, not \\\"1x\\\"\"\n") x 9]



=== TEST 21: more bad workers
--- config eval: $main::api
--- request eval
[map { "GET /api/profiling/gc?worker=$_" } '', qw(-1 0 0x1 %3Cscript%3E)]
--- error_code eval
[(400) x 5]
--- response_body_filters eval: main::pick(qw(error.message))
--- response_body eval
[map { "\"worker must be the pid of a worker, not \\\"$_\\\"\"\n" }
 '', qw(-1 0 0x1 <script>)]



=== TEST 22: an unknown worker
--- config eval: $main::api
--- request eval
["GET /api/profiling/gc?worker=1", "GET /api/profiling/metrics?worker=99999999",
 "GET /api/profiling/gc?worker=4294967297", "POST /api/profiling/force-gc?worker=1\n"]
--- error_code eval
[404, 404, 400, 404]
--- response_body_filters eval: main::pick(qw(error))
--- response_body eval
["{\"message\":\"there is no worker 1\",\"status\":404}\n",
 "{\"message\":\"there is no worker 99999999\",\"status\":404}\n",
 "{\"message\":\"worker must be the pid of a worker, not \\\"4294967297\\\"\",\"status\":400}\n",
 "{\"message\":\"there is no worker 1\",\"status\":404}\n"]



=== TEST 23: parameters that are not known are left alone
--- config eval: $main::api
--- request eval
["GET /api/profiling/gc?count=x&since=y&_=1", "GET /api/profiling/gc?",
 "GET /api/profiling/gc?&&&=&worker"]
--- error_code eval
[(200) x 3]



=== TEST 24: profiling off in http
--- http_config
profiling off;
--- config
    location /api/profiling/ { profiling_api; }
    location = /metrics { profiling_prometheus; }
    location /debug/pprof/ { profiling_pprof; }
--- request eval
["GET /api/profiling/metrics", "POST /api/profiling/force-gc\n", "GET /metrics",
 "GET /debug/pprof/heap"]
--- error_code eval
[(503) x 4]
--- response_body eval
["{\"error\":{\"status\":503,\"message\":\"profiling is off\"}}",
 "{\"error\":{\"status\":503,\"message\":\"profiling is off\"}}",
 "profiling is off\n", "profiling is off\n"]



=== TEST 25: other prefixes than /api/profiling/
--- config
    location /p/ { profiling_api; }
    location /q { profiling_api; }
    location = /exact/health { profiling_api; }
    location = /anything { profiling_api; }
    location ~ ^/re/(.*)$ { profiling_api; }
    location ~ /plain/ { profiling_api; }
    location ^~ /caret/ { profiling_api; }
    location /a/b/metrics/ { profiling_api; }
--- request eval
["GET /p/gc", "GET /p/metrics/history", "GET /q/gc", "GET /q/", "GET /qgc",
 "GET /exact/health", "GET /anything", "GET /re/x/gc", "GET /plain/x/gc",
 "GET /plain/gc", "GET /caret/gc", "GET /a/b/metrics/gc",
 "GET /a/b/metrics/history"]
--- error_code eval
[200, 200, 200, 200, 404, 200, 404, 200, 200, 200, 200, 200, 404]



=== TEST 26: a handler in "if" and in limit_except
--- config
    location /if/ {
        if ($arg_x) { set $y 1; }
        profiling_api;
    }
    location = /if/exact/health {
        if ($arg_x) { set $y 1; }
        profiling_api;
    }
    location /only/ {
        profiling_api;
        limit_except GET { deny all; }
    }
    location /lax/ {
        profiling_api;
        limit_except POST { allow all; }
    }
--- request eval
["GET /if/gc", "GET /if/gc?x=1", "GET /if/exact/health",
 "GET /if/exact/health?x=1", "GET /only/gc", "POST /only/force-gc\n",
 "POST /lax/force-gc\n", "GET /lax/gc", "GET /if/gcc?x=1"]
--- error_code eval
[200, 200, 200, 200, 200, 403, 200, 200, 404]
--- response_body_filters eval
my $pick = main::pick(qw(num_gc status));
sub { my $s = $_[0] =~ /^\{/ ? $pick->($_[0]) : ''; $s =~ s/^(\d+)$/n/m; $s }
--- response_body eval
["n\n", "n\n", "\"healthy\"\n", "\"healthy\"\n", "n\n", "", "n\n", "n\n", ""]



=== TEST 27: auth_basic and deny come first
--- config
    location /closed/ { deny all; profiling_api; }
    location /secret/ { auth_basic "x"; auth_basic_user_file passwd; profiling_api; }
--- user_files
>>> ../conf/passwd
user:{PLAIN}word
--- more_headers eval
["", "", "Authorization: Basic dXNlcjp3b3Jk", "Authorization: Basic dXNlcjp3cm9u"]
--- request eval
["GET /closed/gc", "GET /secret/gc", "GET /secret/gc", "GET /secret/gc"]
--- error_code eval
[403, 401, 200, 401]



=== TEST 28: the pprof tree speaks text
--- config
    location /debug/pprof/ { profiling_pprof; }
--- request
GET /debug/pprof/nonsense
--- response_headers
Content-Type: text/plain; charset=utf-8
X-Go-Pprof: 1
--- response_body
Unknown profile
--- error_code: 404



=== TEST 29: gzip compresses the answers
--- skip_eval: 3: !Modules::built('gzip')
--- config
    gzip on;
    gzip_types application/json;
    location /api/profiling/ { profiling_api; }
--- request
GET /api/profiling/metrics
--- more_headers
Accept-Encoding: gzip
--- response_headers
Content-Encoding: gzip
Content-Type: application/json; charset=utf-8
--- error_code: 200
