
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_view.h"
#include "ngx_http_profiling_allocator.h"
#include "ngx_http_profiling_version.h"


typedef struct {
    ngx_http_profiling_pause_t   pause[2 * NGX_HTTP_PROFILING_PAUSES];
    ngx_uint_t                   n;
} ngx_http_profiling_recent_t;


static void ngx_http_profiling_gc_slot(ngx_http_profiling_snapshot_t *s,
    ngx_uint_t n, ngx_http_profiling_recent_t *recent);
static int ngx_libc_cdecl ngx_http_profiling_gc_later(const void *one,
    const void *two);
static void ngx_http_profiling_gc_print(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_recent_t *recent);
static void ngx_http_profiling_runtime_settings(ngx_http_profiling_json_t *j,
    ngx_http_profiling_snapshot_t *s);
static void ngx_http_profiling_runtime_versions(
    ngx_http_profiling_json_t *j);
static size_t ngx_http_profiling_runtime_duration(u_char *buf, size_t size,
    double seconds);


ngx_int_t
ngx_http_profiling_view_gc(ngx_http_profiling_work_t *w)
{
    ngx_http_profiling_json_t      *j;
    ngx_http_profiling_recent_t    *recent;
    ngx_http_profiling_totals_t    *t;
    ngx_http_profiling_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;
    t = &s->totals;

    /* one slot a step: each has a ring of its own to be merged */

    if (w->data == NULL) {
        w->data = ngx_pcalloc(s->pool, sizeof(ngx_http_profiling_recent_t));
        if (w->data == NULL) {
            return NGX_ERROR;
        }
    }

    recent = w->data;

    if (w->next < s->zone->slots) {
        ngx_http_profiling_gc_slot(s, w->next++, recent);
        return NGX_AGAIN;
    }

    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_json_uint(j, "num_gc", t->pauses);
    ngx_http_profiling_json_uint(j, "pause_total", t->pause_total);
    ngx_http_profiling_json_double(j, "pause_total_ms",
                                   (double) t->pause_total / 1e6);
    ngx_http_profiling_json_time(j, "last_gc", s->last_pause_time);

    if (s->gauges.unavailable & NGX_HTTP_PROFILING_NO_TRIM) {
        ngx_http_profiling_json_null(j, "next_gc_mb");

    } else {
        ngx_http_profiling_json_double(j, "next_gc_mb",
                                   (double) s->gauges.next_gc / 1048576);
    }

    ngx_http_profiling_json_double(j, "gc_cpu_fraction",
                     ngx_http_profiling_snapshot_lived(s)
                     ? (double) t->pause_total
                       / (double) ngx_http_profiling_snapshot_lived(s) : 0);

    ngx_http_profiling_json_uint(j, "forced", t->trims);
    ngx_http_profiling_json_uint(j, "threshold_ms",
                       s->conf->setting[NGX_HTTP_PROFILING_PAUSE_THRESHOLD]);
    ngx_http_profiling_json_uint(j, "avg_pause_ns",
                                 t->pauses ? t->pause_total / t->pauses : 0);

    ngx_http_profiling_gc_print(j, recent);
    ngx_http_profiling_view_unavailable(j, s->gauges.unavailable);
    ngx_http_profiling_json_close(j, '}');

    return NGX_DONE;
}


/* merges the pauses of one slot: the latest of all, the last one first */

static void
ngx_http_profiling_gc_slot(ngx_http_profiling_snapshot_t *s, ngx_uint_t n,
    ngx_http_profiling_recent_t *recent)
{
    ngx_uint_t                   i;
    ngx_http_profiling_slot_t   *slot;
    ngx_http_profiling_pause_t  *to, *from;

    slot = ngx_http_profiling_zone_slot(s->zone, n);

    if (ngx_http_profiling_load(&slot->claims) == 0
        || ngx_http_profiling_load(&slot->totals.pauses) == 0)
    {
        return;
    }

    for (i = 0; i < NGX_HTTP_PROFILING_PAUSES; i++) {
        from = &slot->pause[i];
        to = &recent->pause[recent->n];

        if (ngx_http_profiling_record_read(&from->seq, &to->number,
                                           &from->number,
                                           NGX_HTTP_PROFILING_PAUSE_BODY)
            != NGX_OK
            || to->number == 0
            || (s->filter && (ngx_pid_t) to->pid != s->filter))
        {
            continue;
        }

        recent->n++;
    }

    ngx_qsort(recent->pause, recent->n, sizeof(ngx_http_profiling_pause_t),
              ngx_http_profiling_gc_later);

    recent->n = ngx_min(recent->n, NGX_HTTP_PROFILING_PAUSES);
}


static int ngx_libc_cdecl
ngx_http_profiling_gc_later(const void *one, const void *two)
{
    const ngx_http_profiling_pause_t  *a, *b;

    a = one;
    b = two;

    if (a->time != b->time) {
        return a->time < b->time ? 1 : -1;
    }

    if (a->number != b->number) {
        return a->number < b->number ? 1 : -1;
    }

    return 0;
}


static void
ngx_http_profiling_gc_print(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_recent_t *recent)
{
    ngx_uint_t                         i;
    const ngx_http_profiling_pause_t  *p;

    ngx_http_profiling_json_open(j, "recent_pauses_ns", '[');

    for (i = 0; i < recent->n; i++) {
        ngx_http_profiling_json_uint(j, NULL, recent->pause[i].duration);
    }

    ngx_http_profiling_json_close(j, ']');
    ngx_http_profiling_json_open(j, "recent", '[');

    for (i = 0; i < recent->n; i++) {
        p = &recent->pause[i];

        ngx_http_profiling_json_open(j, NULL, '{');
        ngx_http_profiling_json_uint(j, "worker", p->pid);
        ngx_http_profiling_json_time(j, "time", p->time);
        ngx_http_profiling_json_uint(j, "duration_ns", p->duration);

        if (p->cause == NGX_HTTP_PROFILING_CAUSE_TRIM) {
            ngx_http_profiling_json_cstring(j, "cause", "force-gc");

        } else {
            ngx_http_profiling_json_null(j, "cause");
        }

        ngx_http_profiling_json_close(j, '}');
    }

    ngx_http_profiling_json_close(j, ']');
}


ngx_int_t
ngx_http_profiling_view_goroutines(ngx_http_profiling_work_t *w)
{
    ngx_http_profiling_json_t      *j;
    ngx_http_profiling_gauges_t    *g;
    ngx_http_profiling_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;
    g = &s->gauges;

    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_json_uint(j, "count", g->connections);
    ngx_http_profiling_json_time(j, "timestamp", s->time);

    ngx_http_profiling_json_open(j, "states", '{');
    ngx_http_profiling_json_uint(j, "reading", g->reading);
    ngx_http_profiling_json_uint(j, "writing", g->writing);
    ngx_http_profiling_json_uint(j, "waiting", g->waiting);
    ngx_http_profiling_json_uint(j, "upstream", g->upstream);
    ngx_http_profiling_json_uint(j, "upstream_idle", g->keepalive);
    ngx_http_profiling_json_uint(j, "other", g->other);
    ngx_http_profiling_json_close(j, '}');

    ngx_http_profiling_json_null(j, "stack_trace");
    ngx_http_profiling_json_open(j, "unavailable", '{');
    ngx_http_profiling_json_cstring(j, "stack_trace",
                              "this version counts connections, it does not "
                              "list them");
    ngx_http_profiling_json_close(j, '}');
    ngx_http_profiling_json_close(j, '}');

    return NGX_DONE;
}


ngx_int_t
ngx_http_profiling_view_runtime(ngx_http_profiling_work_t *w)
{
    double                          uptime;
    u_char                          text[64];
    size_t                          len;
    uint64_t                        requests, errors;
    ngx_uint_t                      i;
    ngx_http_profiling_json_t      *j;
    ngx_http_profiling_worker_t    *worker;
    ngx_http_profiling_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;

    uptime = ngx_http_profiling_snapshot_uptime(s);
    len = ngx_http_profiling_runtime_duration(text, sizeof(text), uptime);
    requests = ngx_http_profiling_counts_requests(&s->all);
    errors = ngx_http_profiling_counts_class(&s->all, 5);

    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_json_double(j, "uptime_seconds", uptime);
    ngx_http_profiling_json_string(j, "uptime", text, len);
    ngx_http_profiling_json_time(j, "start_time", s->zone->start_time);
    ngx_http_profiling_json_cstring(j, "go_version", "nginx/" NGINX_VERSION);
    ngx_http_profiling_json_int(j, "num_cpu", ngx_ncpu);
    ngx_http_profiling_json_uint(j, "num_goroutine", s->gauges.connections);

    if (s->gauges.unavailable & NGX_HTTP_PROFILING_NO_TASKS) {
        ngx_http_profiling_json_null(j, "num_cgo_call");

    } else {
        ngx_http_profiling_json_uint(j, "num_cgo_call", s->totals.tasks);
    }

    ngx_http_profiling_json_uint(j, "request_count", requests);
    ngx_http_profiling_json_uint(j, "error_count", errors);
    ngx_http_profiling_json_uint(j, "client_error_count",
                              ngx_http_profiling_counts_class(&s->all, 4));
    ngx_http_profiling_json_double(j, "request_rate",
                            uptime > 0 ? (double) requests / uptime : 0);
    ngx_http_profiling_json_double(j, "error_rate",
                            uptime > 0 ? (double) errors / uptime : 0);

    ngx_http_profiling_runtime_versions(j);

    ngx_http_profiling_json_uint(j, "generation",
                              ngx_http_profiling_load(&s->zone->generation));
    ngx_http_profiling_json_time(j, "reload_time",
                             ngx_http_profiling_load(&s->zone->reload_time));

    ngx_http_profiling_json_open(j, "workers", '[');
    worker = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {
        ngx_http_profiling_json_open(j, NULL, '{');
        ngx_http_profiling_view_worker(j, &worker[i]);
        ngx_http_profiling_json_close(j, '}');
    }

    ngx_http_profiling_json_close(j, ']');
    ngx_http_profiling_runtime_settings(j, s);
    ngx_http_profiling_view_unavailable(j, s->gauges.unavailable);
    ngx_http_profiling_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_http_profiling_runtime_versions(ngx_http_profiling_json_t *j)
{
    const char  *version;

    ngx_http_profiling_json_cstring(j, "nginx_version", NGINX_VERSION);
    ngx_http_profiling_json_cstring(j, "module_version",
                                    NGX_HTTP_PROFILING_VERSION);

    version = ngx_http_profiling_version_pcre();

    if (version) {
        ngx_http_profiling_json_cstring(j, "pcre_version", version);

    } else {
        ngx_http_profiling_json_null(j, "pcre_version");
    }

    version = ngx_http_profiling_version_openssl();

    if (version) {
        ngx_http_profiling_json_cstring(j, "openssl_version", version);

    } else {
        ngx_http_profiling_json_null(j, "openssl_version");
    }

    version = ngx_http_profiling_version_zlib();

    if (version) {
        ngx_http_profiling_json_cstring(j, "zlib_version", version);

    } else {
        ngx_http_profiling_json_null(j, "zlib_version");
    }

    ngx_http_profiling_json_cstring(j, "allocator",
                                    ngx_http_profiling_allocator_name());
}


static void
ngx_http_profiling_runtime_settings(ngx_http_profiling_json_t *j,
    ngx_http_profiling_snapshot_t *s)
{
    ngx_uint_t                           i;
    const ngx_http_profiling_setting_t  *setting;

    static const char *const  units[] = { "", "_percent", "_ms", "_bytes" };

    char                                 name[64];

    ngx_http_profiling_json_open(j, "settings", '{');

    for (i = 0; i < NGX_HTTP_PROFILING_SETTINGS; i++) {
        setting = &ngx_http_profiling_settings[i];

        (void) snprintf(name, sizeof(name), "%s%s", setting->name,
                        units[setting->kind]);

        if (i == NGX_HTTP_PROFILING_MEMORY_LIMIT) {
            ngx_http_profiling_json_uint(j, name, s->conf->memory_limit);
            continue;
        }

        if (s->conf->setting[i] == 0 && setting->zero) {
            ngx_http_profiling_json_null(j, name);
            continue;
        }

        ngx_http_profiling_json_int(j, name, s->conf->setting[i]);
    }

    ngx_http_profiling_json_string(j, "profiling_zone",
                                   s->conf->zone_name.data,
                                   s->conf->zone_name.len);
    ngx_http_profiling_json_uint(j, "profiling_zone_bytes",
                                 s->conf->shm_zone->shm.size);
    ngx_http_profiling_json_uint(j, "profiling_zone_slots", s->zone->slots);
    ngx_http_profiling_json_uint(j, "profiling_zone_locations",
                                 s->zone->places);
    ngx_http_profiling_json_close(j, '}');
}


/* as Go's time.Duration prints it: "1h0m0.5s", "2m3s", "250ms" */

static size_t
ngx_http_profiling_runtime_duration(u_char *buf, size_t size, double seconds)
{
    u_char    *p, *last;
    uint64_t   ms, whole;

    ms = (uint64_t) (seconds * 1e3);
    whole = ms / 1000;
    ms %= 1000;
    last = buf + size;

    if (whole == 0 && ms) {
        return ngx_slprintf(buf, last, "%uLms", ms) - buf;
    }

    p = buf;

    if (whole >= 3600) {
        p = ngx_slprintf(p, last, "%uLh", whole / 3600);
    }

    if (whole >= 60) {
        p = ngx_slprintf(p, last, "%uLm", whole / 60 % 60);
    }

    p = ngx_slprintf(p, last, "%uL", whole % 60);

    if (ms) {
        p = ngx_slprintf(p, last, ".%03uL", ms);

        while (p[-1] == '0') {
            p--;
        }
    }

    return ngx_slprintf(p, last, "s") - buf;
}
