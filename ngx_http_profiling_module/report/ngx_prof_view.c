
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_view.h"
#include "ngx_prof_base.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_label.h"
#include "ngx_prof_names.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static void ngx_prof_view_cpu(ngx_prof_json_t *j, const ngx_prof_figures_t *f);
static void ngx_prof_view_pauses(ngx_prof_json_t *j,
    const ngx_prof_figures_t *f);
static void ngx_prof_view_connections(ngx_prof_json_t *j,
    const ngx_prof_figures_t *f);
static void ngx_prof_view_requests(ngx_prof_json_t *j,
    const ngx_prof_figures_t *f, const ngx_prof_counts_t *counts);
static void ngx_prof_view_loop(ngx_prof_json_t *j,
    const ngx_prof_figures_t *f);
static void ngx_prof_view_classes(ngx_prof_json_t *j,
    const ngx_prof_counts_t *counts);
static void ngx_prof_view_codes(ngx_prof_json_t *j,
    const ngx_prof_counts_t *counts);
static ngx_uint_t ngx_prof_view_told(uint64_t unavailable,
    const ngx_prof_reason_t *before, const char *name);


void
ngx_prof_view_figures(ngx_prof_json_t *j, const ngx_prof_figures_t *f,
    const ngx_prof_counts_t *counts)
{
    ngx_prof_view_memory_object(j, f);
    ngx_prof_view_cpu(j, f);
    ngx_prof_view_figure(j, "goroutines", f->gauges->connections,
                         f->unavailable & NGX_PROF_NO_TICK);
    ngx_prof_view_pauses(j, f);
    ngx_prof_view_double(j, "request_rate", f->request_rate,
                         f->unavailable & NGX_PROF_NO_INTERVAL);
    ngx_prof_view_double(j, "error_rate", f->error_rate,
                         f->unavailable & NGX_PROF_NO_INTERVAL);
    ngx_prof_view_means(j, f->requests, f->errors, f->uptime);
    ngx_prof_view_connections(j, f);
    ngx_prof_view_requests(j, f, counts);
    ngx_prof_view_loop(j, f);
    ngx_prof_view_figure(j, "descriptors", f->gauges->descriptors,
                           f->unavailable
                           & (NGX_PROF_NO_FDS|NGX_PROF_NO_TICK));
}


void
ngx_prof_view_means(ngx_prof_json_t *j, uint64_t requests, uint64_t errors,
    double uptime)
{
    ngx_prof_view_double(j, "request_rate_mean", (double) requests / uptime,
                         uptime <= 0);
    ngx_prof_view_double(j, "error_rate_mean", (double) errors / uptime,
                         uptime <= 0);
}


void
ngx_prof_view_double(ngx_prof_json_t *j, const char *key, double value,
    uint64_t unavailable)
{
    if (unavailable) {
        ngx_prof_json_null(j, key);
        return;
    }

    ngx_prof_json_double(j, key, value);
}


void
ngx_prof_view_figure(ngx_prof_json_t *j, const char *key, uint64_t value,
    uint64_t unavailable)
{
    if (unavailable) {
        ngx_prof_json_null(j, key);
        return;
    }

    ngx_prof_json_uint(j, key, value);
}


void
ngx_prof_view_memory_object(ngx_prof_json_t *j, const ngx_prof_figures_t *f)
{
    uint64_t                  none, heap, alloc, memory, stacks;
    const ngx_prof_gauges_t  *g;

    g = f->gauges;
    none = NGX_PROF_NO_TICK|NGX_PROF_NO_SAMPLE;
    heap = f->unavailable & (none|NGX_PROF_NO_HEAP);
    alloc = f->unavailable
            & (NGX_PROF_NO_SAMPLE|NGX_PROF_NO_ALLOC|NGX_PROF_NO_COUNT);
    memory = f->unavailable & (none|NGX_PROF_NO_MEMORY);
    stacks = f->unavailable & (none|NGX_PROF_NO_STACKS);

    ngx_prof_json_open(j, "memory", '{');
    ngx_prof_view_figure(j, "alloc", g->heap_alloc, heap);
    ngx_prof_view_figure(j, "total_alloc", f->totals->total_alloc,
                         alloc);
    ngx_prof_view_figure(j, "mallocs", f->totals->mallocs, alloc);
    ngx_prof_view_figure(j, "frees", f->totals->frees, alloc);
    ngx_prof_view_figure(j, "sys", f->sys, memory);
    ngx_prof_view_figure(j, "heap_alloc", g->heap_alloc, heap);
    ngx_prof_view_figure(j, "heap_sys", g->heap_sys, heap);
    ngx_prof_view_figure(j, "heap_inuse", g->heap_alloc, heap);
    ngx_prof_view_figure(j, "heap_idle",
                         g->heap_sys - g->heap_alloc, heap);
    ngx_prof_json_bool(j, "heap_estimated",
                       (g->estimated & NGX_PROF_ESTIMATED_HEAP) != 0);
    ngx_prof_view_figure(j, "stack_inuse", g->stack_inuse, stacks);
    ngx_prof_view_figure(j, "stack_sys", g->stack_sys, stacks);

    ngx_prof_view_double(j, "usage_percent", f->usage, memory);
    ngx_prof_view_figure(j, "anonymous", g->anonymous, memory);
    ngx_prof_view_figure(j, "inherited", g->inherited, memory);
    ngx_prof_json_bool(j, "inherited_estimated",
                       (g->estimated & NGX_PROF_ESTIMATED_INHERITED) != 0);
    ngx_prof_view_figure(j, "shared", g->shared, memory);
    ngx_prof_view_figure(j, "files", g->files, memory);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_cpu(ngx_prof_json_t *j, const ngx_prof_figures_t *f)
{
    uint64_t                  tick, usage;
    const ngx_prof_totals_t  *t;

    t = f->totals;
    tick = f->unavailable & NGX_PROF_NO_TICK;
    usage = f->unavailable & NGX_PROF_NO_USAGE;

    ngx_prof_json_open(j, "cpu", '{');
    ngx_prof_json_int(j, "num_cpu", ngx_ncpu);
    ngx_prof_view_figure(j, "num_goroutine", f->gauges->connections, tick);
    ngx_prof_view_figure(j, "num_cgo_call", t->tasks,
                           f->unavailable & NGX_PROF_NO_TASKS);
    ngx_prof_view_double(j, "user_seconds", ngx_prof_us_seconds(t->user),
                         usage);
    ngx_prof_view_double(j, "system_seconds", ngx_prof_us_seconds(t->system),
                         usage);
    ngx_prof_view_double(j, "usage_percent", f->cpu_usage,
                         usage | (f->unavailable & NGX_PROF_NO_INTERVAL));
    ngx_prof_view_figure(j, "threads", f->gauges->threads,
                         tick | (f->unavailable & NGX_PROF_NO_MEMORY));
    ngx_prof_json_uint(j, "voluntary_switches", t->voluntary);
    ngx_prof_json_uint(j, "involuntary_switches", t->involuntary);
    ngx_prof_json_uint(j, "minor_faults", t->minor_faults);
    ngx_prof_json_uint(j, "major_faults", t->major_faults);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_pauses(ngx_prof_json_t *j, const ngx_prof_figures_t *f)
{
    uint64_t                  loop;
    const ngx_prof_totals_t  *t;

    t = f->totals;
    loop = f->unavailable & NGX_PROF_NO_LOOP;

    ngx_prof_json_open(j, "gc", '{');
    ngx_prof_view_figure(j, "num_gc", t->pauses, loop);
    ngx_prof_view_figure(j, "pause_total_ns", t->pause_total, loop);
    ngx_prof_view_figure(j, "last_pause_ns", f->last_pause, loop);

    ngx_prof_view_double(j, "pause_percent",
                         100.0 * ngx_prof_share(t->pause_total, f->lived),
                         loop || f->lived == 0);
    ngx_prof_view_figure(j, "next_gc", f->gauges->next_gc,
                         f->unavailable
                         & (NGX_PROF_NO_TRIM|NGX_PROF_NO_TICK));
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_connections(ngx_prof_json_t *j, const ngx_prof_figures_t *f)
{
    uint64_t                  accept, tick;
    const ngx_prof_gauges_t  *g;

    g = f->gauges;
    accept = f->unavailable & NGX_PROF_NO_ACCEPT;
    tick = f->unavailable & NGX_PROF_NO_TICK;

    ngx_prof_json_open(j, "connections", '{');
    ngx_prof_view_figure(j, "active", g->active, tick);
    ngx_prof_view_figure(j, "reading", g->reading, tick);
    ngx_prof_view_figure(j, "writing", g->writing, tick);
    ngx_prof_view_figure(j, "waiting", g->waiting, tick);
    ngx_prof_view_figure(j, "upstream", g->upstream, tick);
    ngx_prof_view_figure(j, "upstream_idle", g->keepalive, tick);
    ngx_prof_view_figure(j, "other", g->other, tick);
    ngx_prof_view_figure(j, "free", g->free, tick);
    ngx_prof_view_figure(j, "accepted", f->totals->accepted,
                         accept);
    ngx_prof_view_figure(j, "handled",
                         f->totals->accepted - f->totals->dropped,
                         accept);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_requests(ngx_prof_json_t *j, const ngx_prof_figures_t *f,
    const ngx_prof_counts_t *counts)
{
    ngx_prof_json_open(j, "requests", '{');
    ngx_prof_json_uint(j, "total", f->requests);
    ngx_prof_json_uint(j, "errors", f->errors);
    ngx_prof_json_uint(j, "client_errors", f->client_errors);

    if (counts) {
        ngx_prof_view_by_status(j, counts);
    }

    ngx_prof_json_uint(j, "bytes_in", f->bytes_in);
    ngx_prof_json_uint(j, "bytes_out", f->bytes_out);
    ngx_prof_view_quantiles(j, "latency", &f->latency);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_loop(ngx_prof_json_t *j, const ngx_prof_figures_t *f)
{
    const ngx_prof_totals_t  *t;

    t = f->totals;

    if (f->unavailable & NGX_PROF_NO_LOOP) {
        ngx_prof_json_null(j, "event_loop");
        return;
    }

    ngx_prof_json_open(j, "event_loop", '{');
    ngx_prof_json_uint(j, "iterations", t->iterations);
    ngx_prof_json_uint(j, "events", t->events);
    ngx_prof_view_double(j, "utilization", f->utilization,
                         f->unavailable & NGX_PROF_NO_INTERVAL);
    ngx_prof_json_double(j, "wait_seconds", ngx_prof_seconds(t->wait));
    ngx_prof_json_double(j, "busy_seconds", ngx_prof_seconds(t->busy));
    ngx_prof_view_quantiles(j, "latency", &f->passes);
    ngx_prof_json_close(j, '}');
}


void
ngx_prof_view_quantiles(ngx_prof_json_t *j, const char *key,
    const ngx_prof_quantiles_t *q)
{
    ngx_uint_t      i;
    uint64_t        ns[5];

    static const char *const  names[] = { "p50", "p90", "p99", "p999", "max" };

    ns[0] = q->p50;
    ns[1] = q->p90;
    ns[2] = q->p99;
    ns[3] = q->p999;
    ns[4] = q->max;

    ngx_prof_json_open(j, key, '{');
    ngx_prof_json_cstring(j, "unit", "seconds");

    for (i = 0; i < 5; i++) {

        if (q->number == 0) {
            ngx_prof_json_null(j, names[i]);
            continue;
        }

        ngx_prof_json_double(j, names[i], ngx_prof_seconds(ns[i]));
    }

    ngx_prof_json_close(j, '}');
}


/*
 * Each request is counted twice: in its class, so that 1xx to 5xx and none add
 * up to all, and by its status, if that status is listed.
 */

void
ngx_prof_view_by_status(ngx_prof_json_t *j, const ngx_prof_counts_t *counts)
{
    ngx_prof_json_open(j, "by_status", '{');
    ngx_prof_view_classes(j, counts);
    ngx_prof_view_codes(j, counts);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_classes(ngx_prof_json_t *j, const ngx_prof_counts_t *counts)
{
    char        name[sizeof("1xx")];
    uint64_t    none;
    ngx_uint_t  class;

    for (class = 1; class <= 5; class++) {
        (void) snprintf(name, sizeof(name), "%dxx", (int) class);
        ngx_prof_json_uint(j, name, ngx_prof_counts_class(counts, class));
    }

    none = ngx_prof_counts_class(counts, 0);

    if (none) {
        ngx_prof_json_uint(j, "none", none);
    }
}


static void
ngx_prof_view_codes(ngx_prof_json_t *j, const ngx_prof_counts_t *counts)
{
    char        name[NGX_INT_T_LEN + 1];
    ngx_uint_t  i, status, other;

    for (i = 0; i < NGX_PROF_CODES; i++) {

        if (counts->plain.code[i] == 0
            || ngx_prof_code_status(i, &status, &other) != NGX_OK
            || status == 0
            || other)
        {
            continue;
        }

        (void) snprintf(name, sizeof(name), "%d", (int) status);
        ngx_prof_json_uint(j, name, counts->plain.code[i]);
    }
}


void
ngx_prof_view_worker(ngx_prof_json_t *j, const ngx_prof_worker_t *w)
{
    ngx_prof_json_int(j, "pid", w->pid);

    if (w->worker < NGX_PROF_SLOTS_MAX) {
        ngx_prof_json_uint(j, "worker", w->worker);

    } else {
        ngx_prof_json_cstring(j, "process", ngx_prof_process_name(w->worker));
    }

    ngx_prof_json_uint(j, "slot", w->index);
    ngx_prof_json_uint(j, "generation", w->generation);
    ngx_prof_json_cstring(j, "state",
                          ngx_prof_state_name(w->state));
    ngx_prof_view_day(j, "started", w->claimed);
    ngx_prof_json_time(j, "last_seen",
                       ngx_prof_time()
                       - w->silent / NGX_PROF_NSEC_PER_MSEC);
    ngx_prof_view_day(j, "collected", w->gauges.clock);
}


void
ngx_prof_view_day(ngx_prof_json_t *j, const char *key, uint64_t clock)
{
    ngx_prof_json_time(j, key, ngx_prof_zone_day(ngx_prof_process.zone, clock));
}


void
ngx_prof_view_place(ngx_prof_json_t *j, uint64_t label)
{
    ngx_prof_place_name_t  place;

    ngx_prof_label_where(label, &place);

    if (place.server.len) {
        ngx_prof_json_string(j, "server", place.server.data,
                             place.server.len);

    } else {
        ngx_prof_json_null(j, "server");
    }

    if (place.has_location) {
        ngx_prof_json_string(j, "location", place.location.data,
                             place.location.len);

    } else {
        ngx_prof_json_null(j, "location");
    }
}


/* whether an earlier reason, of those that apply, names the field */

static ngx_uint_t
ngx_prof_view_told(uint64_t unavailable, const ngx_prof_reason_t *before,
    const char *name)
{
    size_t                    n;
    const char               *p;
    const ngx_prof_reason_t  *reason;

    for (reason = ngx_prof_reasons; reason != before; reason++) {

        if (!(unavailable & reason->bit)) {
            continue;
        }

        for (p = reason->fields; *p; p += n + (p[n] == ' ')) {
            n = strcspn(p, " ");

            if (strlen(name) == n && strncmp(p, name, n) == 0) {
                return 1;
            }
        }
    }

    return 0;
}


/* { "memory.total_alloc": "reason", ... } */

void
ngx_prof_view_cause(ngx_prof_json_t *j, const char *key,
    const uint64_t *frames, ngx_uint_t n)
{
    ngx_int_t  i;

    i = ngx_prof_frame_cause(frames, n);

    if (i == NGX_ERROR) {
        ngx_prof_json_null(j, key);

    } else {
        ngx_prof_json_cstring(j, key, ngx_prof_names_get(frames[i]));
    }
}


void
ngx_prof_view_unavailable(ngx_prof_json_t *j, uint64_t unavailable)
{
    char                      name[64];
    size_t                    n;
    const char               *p;
    const ngx_prof_reason_t  *reason;

    ngx_prof_json_open(j, "unavailable", '{');

    for (reason = ngx_prof_reasons; reason->bit; reason++) {

        if (!(unavailable & reason->bit)) {
            continue;
        }

        for (p = reason->fields; *p; p += n + (p[n] == ' ')) {
            n = strcspn(p, " ");

            (void) snprintf(name, sizeof(name), "%.*s", (int) n, p);

            if (!ngx_prof_view_told(unavailable, reason, name)) {
                ngx_prof_json_cstring(j, name, reason->reason);
            }
        }
    }

    ngx_prof_json_close(j, '}');
}
