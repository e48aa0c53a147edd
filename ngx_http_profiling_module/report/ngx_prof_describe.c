
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_describe.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_connections.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_worker.h"


/* parameters: bits */

#define NGX_PROF_PARAM_WORKER    0x01
#define NGX_PROF_PARAM_FIELDS    0x02
#define NGX_PROF_PARAM_COUNT     0x04
#define NGX_PROF_PARAM_SINCE     0x08
#define NGX_PROF_PARAM_LIMIT     0x10
#define NGX_PROF_PARAM_DURATION  0x20
#define NGX_PROF_PARAM_FORMAT    0x40
#define NGX_PROF_PARAM_RANGE     0x80    /* from and until */
#define NGX_PROF_PARAM_STEP      0x100
#define NGX_PROF_PARAM_SLOW      0x200   /* of slow requests */

/* of all that answer in JSON */
#define NGX_PROF_PARAM_JSON  (NGX_PROF_PARAM_WORKER|NGX_PROF_PARAM_FIELDS)


typedef struct {
    const char  *name;
    ngx_uint_t   params;
    const char  *units;
    const char  *meaning;
} ngx_prof_description_t;


typedef struct {
    ngx_uint_t   bit;
    const char  *name;
    const char  *type;
    const char  *unit;
    const char  *meaning;
    int64_t      initial;       /* the default; -1: there is none */
    int64_t      minimum;       /* -1: these are for no integers */
    int64_t      maximum;       /* -1: as many as profiling_history */
} ngx_prof_param_t;


static void ngx_prof_describe_param(ngx_prof_json_t *j,
    const ngx_prof_param_t *p);


static const ngx_prof_param_t  ngx_prof_params[] = {

    { NGX_PROF_PARAM_WORKER, "worker", "integer", "pid",
      "one worker alone", -1, -1, 0 },

    { NGX_PROF_PARAM_FIELDS, "fields", "string", "names",
      "members of the answer that are wanted, with commas between them: a.b is "
      "b in a, elements of lists count as the list", -1, -1, 0 },

    { NGX_PROF_PARAM_COUNT, "count", "integer", "samples",
      "the latest ones", 100, 1, -1 },

    { NGX_PROF_PARAM_SINCE, "since", "time", "RFC 3339, UTC",
      "samples after it", -1, -1, 0 },

    { NGX_PROF_PARAM_LIMIT, "limit", "integer", "connections",
      "how many are listed one by one", NGX_PROF_DUMP_LIMIT, 0,
      NGX_PROF_DUMP_LIMIT_MAX },

    { NGX_PROF_PARAM_DURATION, "duration", "integer", "seconds",
      "how long the profile takes", 30, 1, NGX_PROF_SECONDS_MAX },

    { NGX_PROF_PARAM_RANGE, "from", "time", "RFC 3339, Unix time or -10m",
      "where the answer begins", -1, -1, 0 },

    { NGX_PROF_PARAM_RANGE, "until", "time", "RFC 3339, Unix time or -90s",
      "where it ends: now, if it is not given", -1, -1, 0 },

    { NGX_PROF_PARAM_STEP, "step", "time", "seconds",
      "how long each step of the answer is", -1, -1, 0 },

    { NGX_PROF_PARAM_SLOW, "location", "string", "name",
      "requests of this location alone", -1, -1, 0 },

    { NGX_PROF_PARAM_SLOW, "server", "string", "name",
      "requests of this server alone", -1, -1, 0 },

    { NGX_PROF_PARAM_SLOW, "sort", "string", "time, seconds, cpu, blocked, "
      "alloc, client, sending, upstream, timer, other, loop or wait",
      "what comes first: the latest, or the most of it", -1, -1, 0 },

    { NGX_PROF_PARAM_SLOW, "limit", "integer", "requests",
      "how many are listed", 256, 1, 1000 },

    { NGX_PROF_PARAM_SLOW, "format", "string", "json or perfetto",
      "perfetto: for Perfetto and Chrome", -1, -1, 0 },

    { NGX_PROF_PARAM_FORMAT, "format", "string", "json or text",
      "of one report, by its number behind the name", -1, -1, 0 },
};


static const ngx_prof_description_t  ngx_prof_descriptions[] = {

    { "metrics", NGX_PROF_PARAM_JSON,
      "bytes, seconds, ns where the name says so",
      "all figures, of all workers and of each" },

    { "metrics/history",
      NGX_PROF_PARAM_JSON|NGX_PROF_PARAM_COUNT|NGX_PROF_PARAM_SINCE,
      "as of metrics",
      "samples of the figures, oldest first" },

    { "memory", NGX_PROF_PARAM_JSON,
      "bytes, MB where the name says so",
      "heap, resident and shared memory, stacks, pools, zones" },

    { "gc", NGX_PROF_PARAM_JSON,
      "ns, ms where the name says so",
      "pauses of the event loops, with cause, place and stack" },

    { "goroutines", NGX_PROF_PARAM_JSON|NGX_PROF_PARAM_LIMIT,
      "seconds, bytes",
      "connections by kind and state, and one by one" },

    { "runtime", NGX_PROF_PARAM_JSON,
      "seconds",
      "uptime, versions, settings in force" },

    { "health", NGX_PROF_PARAM_JSON,
      "seconds, percent",
      "healthy, degraded or unhealthy (503), with the issues" },

    { "capacity", NGX_PROF_PARAM_JSON,
      "connections, descriptors, pages, seconds, percent",
      "what may soon be full, by name and since when" },

    { "crashes", NGX_PROF_PARAM_JSON|NGX_PROF_PARAM_FORMAT,
      "bytes, seconds",
      "workers that died, the latest first, and each with all that is known" },

    { "slow", NGX_PROF_PARAM_JSON|NGX_PROF_PARAM_SLOW,
      "seconds, bytes",
      "slow requests, finished and in progress, each part by part" },

    { "locations", NGX_PROF_PARAM_JSON,
      "seconds, bytes",
      "requests, status, bytes, latency and cost by server and location" },

    { "upstreams", NGX_PROF_PARAM_JSON,
      "microseconds, bytes",
      "upstreams by peer: results, retries, times, reuse" },

    { "tls", NGX_PROF_PARAM_JSON,
      "microseconds, seconds",
      "TLS handshakes by protocol, key, resumption and result" },

    { "caches", NGX_PROF_PARAM_JSON,
      "bytes, requests",
      "caches: results and lock waits by location, size and limit" },

    { "incidents", NGX_PROF_PARAM_JSON,
      "seconds, bytes",
      "what was recorded around what went wrong, and each with its profile" },

    { "timeline", NGX_PROF_PARAM_JSON|NGX_PROF_PARAM_RANGE|NGX_PROF_PARAM_STEP,
      "seconds of CPU time",
      "CPU time by server, location and state, step by step" },

    { "modules", NGX_PROF_PARAM_JSON,
      "seconds of CPU time",
      "CPU time by module of nginx, from what is recorded" },

    { "reloads", NGX_PROF_PARAM_JSON,
      "seconds, bytes",
      "the start and the latest reloads by stage, with names waited for" },

    { "cpu-profile",
      NGX_PROF_PARAM_WORKER|NGX_PROF_PARAM_DURATION|NGX_PROF_PARAM_RANGE,
      "ns of CPU time",
      "CPU profile for go tool pprof, as a file" },

    { "heap-dump", NGX_PROF_PARAM_WORKER,
      "bytes",
      "profile of the heap for go tool pprof, as a file" },

    { "force-gc", NGX_PROF_PARAM_JSON,
      "ms, MB",
      "every worker returns free memory to the system" },

    { NULL, 0, "", "" }
};


void
ngx_prof_describe(ngx_prof_json_t *j, const ngx_str_t *name,
    const char *method, ngx_uint_t by_number)
{
    ngx_uint_t                     i;
    const ngx_prof_description_t  *d;

    for (d = ngx_prof_descriptions; d->name; d++) {

        if (ngx_strlen(d->name) == name->len
            && ngx_strncmp(d->name, name->data, name->len) == 0)
        {
            break;
        }
    }

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_string(j, "name", name->data, name->len);
    ngx_prof_json_cstring(j, "method", method);
    ngx_prof_json_bool(j, "by_number", by_number);
    ngx_prof_json_cstring(j, "meaning", d->meaning);
    ngx_prof_json_cstring(j, "units", d->units);
    ngx_prof_json_open(j, "parameters", '[');

    for (i = 0; i < sizeof(ngx_prof_params) / sizeof(ngx_prof_param_t); i++) {

        if (d->params & ngx_prof_params[i].bit) {
            ngx_prof_describe_param(j, &ngx_prof_params[i]);
        }
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_describe_param(ngx_prof_json_t *j, const ngx_prof_param_t *p)
{
    int64_t  maximum, initial;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_cstring(j, "name", p->name);
    ngx_prof_json_cstring(j, "type", p->type);
    ngx_prof_json_cstring(j, "unit", p->unit);
    ngx_prof_json_cstring(j, "meaning", p->meaning);

    if (p->minimum != -1) {
        maximum = (p->maximum == -1) ? ngx_prof_setting(NGX_PROF_HISTORY)
                                     : p->maximum;
        initial = ngx_min(p->initial, maximum);

        ngx_prof_json_int(j, "default", initial);
        ngx_prof_json_int(j, "minimum", p->minimum);
        ngx_prof_json_int(j, "maximum", maximum);
    }

    ngx_prof_json_close(j, '}');
}
