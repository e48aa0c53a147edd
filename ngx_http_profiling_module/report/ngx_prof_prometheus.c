
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_prometheus.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_accept.h"
#include "ngx_prof_base.h"
#include "ngx_prof_busy.h"
#include "ngx_prof_capacity_view.h"
#include "ngx_prof_costs.h"
#include "ngx_prof_caches.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_expose_past.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_handshakes.h"
#include "ngx_prof_health.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_master.h"
#include "ngx_prof_overhead.h"
#include "ngx_prof_processes.h"
#include "ngx_prof_record.h"
#include "ngx_prof_reloads.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_text.h"
#include "ngx_prof_upstreams.h"
#include "ngx_prof_zone.h"


/* a family with one series per place; each step prints one place */

typedef struct {
    const char  *name;
    const char  *type;
    const char  *help;
    void       (*print)(ngx_prof_work_t *w, const char *name,
                        ngx_uint_t place,
                        const ngx_prof_counts_t *counts);

    /*
     * Which places it tells of, unless all are asked for: a total of each; what
     * has less weight of the busiest; histograms, which may be left out
     */
    enum {
        NGX_PROF_EACH = 0,
        NGX_PROF_BUSIEST,
        NGX_PROF_HISTOGRAM
    }            scope;

    size_t       offset;                    /* in a plain, if it tells of one
                                               figure of it */
} ngx_prof_family_t;


/* the position in the text */

typedef struct {
    ngx_uint_t        family;
    ngx_uint_t        place;
    ngx_prof_busy_t  *busy;                 /* NULL: it is not known yet */
    ngx_uint_t        known;
    ngx_uint_t        peers;                /* as of expose_upstreams() */
    ngx_uint_t        handshakes;           /* of expose_handshakes(), */
    ngx_uint_t        caches;               /* and of expose_caches() */
    ngx_prof_plain_t  costs;                /* of the places until now */
} ngx_prof_exposition_t;


static void ngx_prof_expose(ngx_prof_work_t *w);
static void ngx_prof_expose_info(ngx_prof_work_t *w);
static void ngx_prof_expose_health(ngx_prof_work_t *w);
static void ngx_prof_expose_memory(ngx_prof_work_t *w);
static void ngx_prof_expose_connections(ngx_prof_work_t *w);
static void ngx_prof_expose_loop(ngx_prof_work_t *w);
static void ngx_prof_expose_slots(ngx_prof_work_t *w, const char *name,
    const char *help, const char *label, size_t offset, double unit);
static void ngx_prof_expose_ended(ngx_prof_work_t *w);
static void ngx_prof_expose_place(ngx_prof_work_t *w,
    const ngx_prof_family_t *family, ngx_uint_t i);
static void ngx_prof_expose_requests(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts);
static void ngx_prof_expose_bytes(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts);
static void ngx_prof_expose_number(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts);
static void ngx_prof_expose_latency(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts);
static void ngx_prof_expose_upstream(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts);
static void ngx_prof_expose_after(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts);
static void ngx_prof_expose_cost(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts);


static const ngx_prof_family_t  ngx_prof_families[] = {

    { "requests_total", "counter", "Requests by server, location and status.",
      ngx_prof_expose_requests, NGX_PROF_EACH, 0 },

    { "request_bytes_total", "counter",
      "Bytes received from and sent to clients.",
      ngx_prof_expose_bytes, NGX_PROF_BUSIEST, 0 },

    { "requests_internal_total", "counter",
      "Error pages served for requests that another location counts.",
      ngx_prof_expose_number, NGX_PROF_EACH,
      offsetof(ngx_prof_plain_t, internal) },

    { "requests_handed_over_total", "counter",
      "Requests handed to another location, which counts them.",
      ngx_prof_expose_number, NGX_PROF_EACH,
      offsetof(ngx_prof_plain_t, handed_over) },

    { "request_duration_seconds", "histogram",
      "Time from a request's first byte to its response's last.",
      ngx_prof_expose_latency, NGX_PROF_HISTOGRAM, 0 },

    { "upstream_duration_seconds", "histogram",
      "Time that upstreams took to answer, in steps of 1 ms.",
      ngx_prof_expose_upstream, NGX_PROF_HISTOGRAM, 0 },

    { "upstream_no_live_total", "counter",
      "Tries of upstreams that had no live peer.",
      ngx_prof_expose_number, NGX_PROF_EACH,
      offsetof(ngx_prof_plain_t, no_live) },

    { "after_response_seconds_total", "counter",
      "Time that requests went on after their responses.",
      ngx_prof_expose_after, NGX_PROF_BUSIEST, 0 },

    { "request_cpu_seconds_total", "counter",
      "CPU time of requests; without location: the rest of the workers'.",
      ngx_prof_expose_cost, NGX_PROF_EACH, offsetof(ngx_prof_plain_t, cpu) },

    { "request_loop_seconds_total", "counter",
      "Time that requests held event loops.",
      ngx_prof_expose_cost, NGX_PROF_EACH, offsetof(ngx_prof_plain_t, loop) },

    { "request_wait_seconds_total", "counter",
      "Time that requests were ready and event loops served others.",
      ngx_prof_expose_cost, NGX_PROF_EACH, offsetof(ngx_prof_plain_t, wait) },

    { "request_blocked_seconds_total", "counter",
      "Time that requests held event loops in blocking calls.",
      ngx_prof_expose_cost, NGX_PROF_EACH,
      offsetof(ngx_prof_plain_t, blocked) },

    { "request_alloc_bytes_total", "counter",
      "Bytes allocated for requests.",
      ngx_prof_expose_cost, NGX_PROF_EACH, offsetof(ngx_prof_plain_t, alloc) },

    { NULL, NULL, NULL, NULL, NGX_PROF_EACH, 0 }
};


ngx_int_t
ngx_prof_view_prometheus(ngx_prof_work_t *w)
{
    ngx_prof_plain_t          rest;
    ngx_prof_snapshot_t      *s;
    ngx_prof_exposition_t    *e;
    const ngx_prof_family_t  *family;

    s = w->snapshot;

    if (w->data == NULL) {
        w->data = ngx_pcalloc(s->pool, sizeof(ngx_prof_exposition_t));
        if (w->data == NULL) {
            return NGX_ERROR;
        }

        e = w->data;
        e->busy = ngx_prof_busy_create(s->pool, s->zone);

        if (e->busy == NULL) {
            return NGX_ERROR;
        }

        w->master = ngx_prof_master_another() ? ngx_prof_master() : 0;

        ngx_prof_expose(w);

        return NGX_AGAIN;
    }

    e = w->data;

    if (!e->known) {
        e->known = (ngx_prof_busy_next(e->busy, s->zone) == NGX_DONE);
        return NGX_AGAIN;
    }

    family = &ngx_prof_families[e->family];

    if (family->name == NULL) {

        if (ngx_prof_expose_upstreams(w, &e->peers) == NGX_AGAIN
            || ngx_prof_expose_handshakes(w, &e->handshakes) == NGX_AGAIN
            || ngx_prof_expose_caches(w, &e->caches) == NGX_AGAIN)
        {
            return NGX_AGAIN;
        }

        if (w->open) {
            ngx_prof_text_puts(&w->json.text, "# EOF\n");
        }

        return NGX_DONE;
    }

    if (family->scope == NGX_PROF_HISTOGRAM
        && w->histograms == NGX_PROF_HISTOGRAMS_NONE)
    {
        e->family++;
        return NGX_AGAIN;
    }

    if (family->print == ngx_prof_expose_cost
        && !ngx_prof_costs_known(s, family->offset))
    {
        e->family++;
        return NGX_AGAIN;
    }

    if (e->place == 0) {
        ngx_memzero(&e->costs, sizeof(ngx_prof_plain_t));
        ngx_prof_expose_family(w, family->name, family->type, family->help);
    }

    if (e->place < ngx_prof_zone_place_n(s->zone)) {
        ngx_prof_expose_place(w, family, e->place++);
        return NGX_AGAIN;
    }

    if (family->print == ngx_prof_expose_cost) {
        ngx_prof_costs_rest(s, &e->costs, &rest);
        ngx_prof_costs_expose(w, family->name, -1, &rest, family->offset);
    }

    e->family++;
    e->place = 0;

    return NGX_AGAIN;
}


static void
ngx_prof_expose(ngx_prof_work_t *w)
{
    ngx_uint_t  quality;

    /* OpenMetrics is for who names it and does not like plain text better */

    quality = ngx_prof_accept(w->request, "application/openmetrics-text", 1);
    w->open = quality
              && quality >= ngx_prof_accept(w->request, "text/plain", 0);

    if (w->open) {
        ngx_str_set(&w->type, "application/openmetrics-text; version=1.0.0; "
                              "charset=utf-8");

    } else {
        ngx_str_set(&w->type, "text/plain; version=0.0.4; charset=utf-8");
    }

    ngx_prof_expose_info(w);
    ngx_prof_expose_limits(w);
    ngx_prof_expose_reload(w);
    ngx_prof_expose_health(w);
    ngx_prof_expose_deaths(w);
    ngx_prof_expose_past(w);
    ngx_prof_expose_memory(w);
    ngx_prof_expose_connections(w);
    ngx_prof_expose_loop(w);

    ngx_prof_expose_family(w, "cpu_seconds_total", "counter",
                           "CPU time of the workers.");
    ngx_prof_expose_slots(w, "cpu_seconds_total", NULL,
                                ",mode=\"user\"",
                                offsetof(ngx_prof_totals_t, user),
                                NGX_PROF_USEC_PER_SEC);
    ngx_prof_expose_slots(w, "cpu_seconds_total", NULL,
                                ",mode=\"system\"",
                                offsetof(ngx_prof_totals_t, system),
                                NGX_PROF_USEC_PER_SEC);
    ngx_prof_expose_ended(w);
    ngx_prof_expose_slots(w, "collector_seconds_total",
                          "Time that the module's own collector took.", "",
                          offsetof(ngx_prof_totals_t, tick_time),
                          NGX_PROF_NSEC_PER_SEC);
    ngx_prof_expose_processes(w);
    ngx_prof_overhead_expose(w);
}


static void
ngx_prof_expose_info(ngx_prof_work_t *w)
{
    ngx_prof_zone_t      *zone;
    ngx_prof_snapshot_t  *s;

    s = w->snapshot;
    zone = s->zone;

    if (w->open) {
        ngx_prof_expose_family(w, "build", "info",
                               "Versions of module and nginx.");
    } else {
        ngx_prof_expose_family(w, "build_info", "gauge",
                               "Versions of module and nginx.");
    }

    ngx_prof_expose_value(w, "build_info",
                     "{version=\"" NGX_PROF_VERSION "\",nginx=\""
                     NGINX_VERSION "\"}", 1);

    ngx_prof_expose_family(w, "start_time_seconds", "gauge",
                           "When nginx was started, Unix time.");
    ngx_prof_expose_value(w, "start_time_seconds", "",
                          (double) zone->start_time / 1e3);

    ngx_prof_expose_family(w, "generation", "gauge",
                           "Configurations in force so far.");
    ngx_prof_expose_value(w, "generation", "",
                          (double) zone->header->generation);

    ngx_prof_expose_family(w, "unprofiled_workers_total", "counter",
                           "Workers that found no slot.");
    ngx_prof_expose_value(w, "unprofiled_workers_total", "",
                 (double) ngx_prof_load(&zone->header->unprofiled));

    ngx_prof_expose_family(w, "locations_lost_total", "counter",
                           "Locations that the zone has no room "
                           "for.");
    ngx_prof_expose_value(w, "locations_lost_total", "",
                 (double) ngx_prof_load(&zone->header->place_lost));
}


static void
ngx_prof_expose_health(ngx_prof_work_t *w)
{
    char                  labels[64];
    ngx_uint_t            i, state, n;
    ngx_prof_health_t     h;
    ngx_prof_worker_t    *worker;
    ngx_prof_snapshot_t  *s;

    s = w->snapshot;
    worker = s->workers.elts;

    ngx_prof_health(s, &h);

    ngx_prof_expose_family(w, "health_status", "gauge",
                           "0 healthy, 1 degraded, 2 unhealthy.");
    ngx_prof_expose_value(w, "health_status", "",
                          (double) h.status);

    ngx_prof_expose_family(w, "workers", "gauge",
                           "Worker processes by state.");

    for (state = 0; state <= NGX_PROF_STUCK; state++) {

        for (i = 0, n = 0; i < s->workers.nelts; i++) {
            n += (worker[i].state == state);
        }

        (void) snprintf(labels, sizeof(labels), "{state=\"%s\"}",
                        ngx_prof_state_name(state));
        ngx_prof_expose_value(w, "workers", labels, (double) n);
    }
}


static void
ngx_prof_expose_memory(ngx_prof_work_t *w)
{
    uint64_t            none;
    ngx_prof_gauges_t  *g;

    g = &w->snapshot->gauges;
    none = g->unavailable;

    ngx_prof_expose_family(w, "memory_bytes", "gauge",
                           "Memory of the workers by kind.");

    if (!(none & NGX_PROF_NO_HEAP)) {
        ngx_prof_expose_value(w, "memory_bytes",
                         "{kind=\"heap_alloc\"}", (double) g->heap_alloc);
        ngx_prof_expose_value(w, "memory_bytes",
                         "{kind=\"heap_sys\"}", (double) g->heap_sys);
    }

    if (!(none & NGX_PROF_NO_MEMORY)) {
        ngx_prof_expose_value(w, "memory_bytes",
                         "{kind=\"anonymous\"}", (double) g->anonymous);
        ngx_prof_expose_value(w, "memory_bytes",
                         "{kind=\"shared\"}", (double) g->shared);
    }

    if (!(none & NGX_PROF_NO_STACKS)) {
        ngx_prof_expose_value(w, "memory_bytes",
                         "{kind=\"stack\"}", (double) g->stack_inuse);
    }

    ngx_prof_expose_family(w, "memory_limit_bytes", "gauge",
                           "Memory that nginx may use.");
    ngx_prof_expose_value(w, "memory_limit_bytes", "",
                                (double) w->snapshot->memory_limit);

    if (!(none & NGX_PROF_NO_FDS)) {
        ngx_prof_expose_family(w, "open_descriptors", "gauge",
                                   "Open file descriptors of the workers.");
        ngx_prof_expose_value(w, "open_descriptors", "",
                              (double) g->descriptors);
    }

    if (!(none & NGX_PROF_NO_MEMORY)) {
        ngx_prof_expose_family(w, "threads", "gauge",
                               "Threads of the workers.");
        ngx_prof_expose_value(w, "threads", "",
                              (double) g->threads);
    }
}


static void
ngx_prof_expose_connections(ngx_prof_work_t *w)
{
    ngx_prof_gauges_t  *g;
    ngx_prof_totals_t  *t;

    g = &w->snapshot->gauges;
    t = &w->snapshot->totals;

    ngx_prof_expose_family(w, "connections", "gauge",
                           "Connections by state.");
    ngx_prof_expose_value(w, "connections", "{state=\"reading\"}",
                          (double) g->reading);
    ngx_prof_expose_value(w, "connections", "{state=\"writing\"}",
                          (double) g->writing);
    ngx_prof_expose_value(w, "connections", "{state=\"waiting\"}",
                          (double) g->waiting);
    ngx_prof_expose_value(w, "connections", "{state=\"upstream\"}",
                          (double) g->upstream);
    ngx_prof_expose_value(w, "connections",
                          "{state=\"upstream_idle\"}",
                          (double) g->keepalive);
    ngx_prof_expose_value(w, "connections", "{state=\"other\"}",
                          (double) g->other);
    ngx_prof_expose_value(w, "connections", "{state=\"free\"}",
                          (double) g->free);

    if (g->unavailable & NGX_PROF_NO_ACCEPT) {
        return;
    }

    ngx_prof_expose_family(w, "connections_accepted_total",
                           "counter", "Connections accepted.");
    ngx_prof_expose_value(w, "connections_accepted_total", "",
                          (double) t->accepted);
    ngx_prof_expose_family(w, "connections_handled_total",
                           "counter", "Connections not dropped.");
    ngx_prof_expose_value(w, "connections_handled_total", "",
                          (double) (t->accepted - t->dropped));
}


static void
ngx_prof_expose_loop(ngx_prof_work_t *w)
{
    ngx_prof_totals_t  *t;

    t = &w->snapshot->totals;

    if (!(w->snapshot->gauges.unavailable & NGX_PROF_NO_TASKS)) {
        ngx_prof_expose_family(w, "thread_tasks_total", "counter",
                               "Tasks handed to thread pools.");
        ngx_prof_expose_value(w, "thread_tasks_total", "",
                              (double) t->tasks);
    }

    if (w->snapshot->gauges.unavailable & NGX_PROF_NO_LOOP) {
        return;
    }

    ngx_prof_expose_family(w, "pauses_total", "counter",
                           "Passes of event loops above "
                           "profiling_pause_threshold.");
    ngx_prof_expose_value(w, "pauses_total", "",
                          (double) t->pauses);
    ngx_prof_expose_family(w, "pause_seconds_total", "counter",
                           "Time spent in pauses.");
    ngx_prof_expose_value(w, "pause_seconds_total", "",
                          ngx_prof_seconds(t->pause_total));

    ngx_prof_expose_slots(w, "event_loop_passes_total",
                           "Passes of the event loops.", "",
                           offsetof(ngx_prof_totals_t, iterations),
                           1);
    ngx_prof_expose_slots(w, "event_loop_events_total",
                                "Events that the system reported.", "",
                                offsetof(ngx_prof_totals_t, events),
                                1);
    ngx_prof_expose_slots(w, "event_loop_busy_seconds_total",
                                "Time that event loops worked.", "",
                                offsetof(ngx_prof_totals_t, busy),
                                NGX_PROF_NSEC_PER_SEC);
    ngx_prof_expose_slots(w, "event_loop_wait_seconds_total",
                                "Time that event loops waited.", "",
                                offsetof(ngx_prof_totals_t, wait),
                                NGX_PROF_NSEC_PER_SEC);

    ngx_prof_expose_family(w, "event_loop_pass_seconds",
                           "histogram",
                           "Duration of passes of event loops.");
    ngx_prof_expose_histogram(w, "event_loop_pass_seconds", -1,
                              &w->snapshot->passes);
}


/*
 * A counter of each slot ever used.  The next owner continues the slot's
 * counters, so the series never falls.  help is NULL if the family was already
 * begun.
 */

static void
ngx_prof_expose_slots(ngx_prof_work_t *w, const char *name, const char *help,
    const char *label, size_t offset, double unit)
{
    char              labels[64];
    uint64_t         *value;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = w->snapshot->zone;

    if (help) {
        ngx_prof_expose_family(w, name, "counter", help);
    }

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->claims) == 0) {
            continue;
        }

        value = (uint64_t *) ((u_char *) &slot->totals + offset);

        (void) snprintf(labels, sizeof(labels), "{slot=\"%d\"%s}", (int) i,
                        label);
        ngx_prof_expose_value(w, name, labels,
                        (double) ngx_prof_load(value) / unit);
    }
}


/* CPU time that no slot has: workers had ended when it was known */

static void
ngx_prof_expose_ended(ngx_prof_work_t *w)
{
    const ngx_prof_deaths_t  *deaths;

    deaths = &w->snapshot->zone->header->deaths;

    ngx_prof_expose_value(w, "cpu_seconds_total",
                          "{slot=\"ended\",mode=\"user\"}",
                          ngx_prof_us_seconds(ngx_prof_load(&deaths->user)));
    ngx_prof_expose_value(w, "cpu_seconds_total",
                          "{slot=\"ended\",mode=\"system\"}",
                          ngx_prof_us_seconds(ngx_prof_load(&deaths->system)));
}


static void
ngx_prof_expose_place(ngx_prof_work_t *w, const ngx_prof_family_t *family,
    ngx_uint_t i)
{
    ngx_prof_counts_t      *counts;
    ngx_prof_exposition_t  *e;

    e = w->data;

    if (family->scope != NGX_PROF_EACH
        && w->histograms == NGX_PROF_HISTOGRAMS_BUSY
        && i != NGX_PROF_PLACE_OTHER
        && !ngx_prof_busy(e->busy, i))
    {
        return;
    }

    counts = &w->snapshot->scratch;
    ngx_memzero(counts, sizeof(ngx_prof_counts_t));

    if (ngx_prof_snapshot_place(w->snapshot, i, counts) == NGX_OK) {
        family->print(w, family->name, i, counts);
    }
}


static void
ngx_prof_expose_requests(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts)
{
    uint64_t                n;
    ngx_uint_t              class, errors;
    ngx_prof_exposition_t  *e;

    static const char *const  names[] = {
        "none", "1xx", "2xx", "3xx", "4xx", "5xx"
    };

    e = w->data;

    errors = w->histograms != NGX_PROF_HISTOGRAMS_BUSY
             || place == NGX_PROF_PLACE_OTHER
             || ngx_prof_busy(e->busy, place);

    for (class = 0; class <= 5; class++) {
        n = ngx_prof_counts_class(counts, class);

        /*
         * A counter that starts at 1 has not increased: rate() and alerts
         * would miss a location's first error.
         */

        if (n == 0 && (class != 5 || !errors)) {
            continue;
        }

        ngx_prof_expose_count(w, name, place, "status", names[class], n);
    }
}


static void
ngx_prof_expose_bytes(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    const ngx_prof_counts_t *counts)
{
    ngx_prof_expose_count(w, name, place, "direction", "in",
                          counts->plain.bytes_in);
    ngx_prof_expose_count(w, name, place, "direction", "out",
                          counts->plain.bytes_out);
}


static void
ngx_prof_expose_number(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts)
{
    uint64_t                n;
    ngx_prof_exposition_t  *e;

    e = w->data;
    n = *(const uint64_t *) ((const u_char *) &counts->plain
                             + ngx_prof_families[e->family].offset);

    if (n) {
        ngx_prof_expose_count(w, name, place, NULL, NULL, n);
    }
}


static void
ngx_prof_expose_latency(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    const ngx_prof_counts_t *counts)
{
    if (counts->latency.top) {
        ngx_prof_expose_histogram(w, name, place, &counts->latency);
    }
}


static void
ngx_prof_expose_upstream(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_counts_t *counts)
{
    if (counts->upstream.top) {
        ngx_prof_expose_histogram(w, name, place, &counts->upstream);
    }
}


static void
ngx_prof_expose_after(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    const ngx_prof_counts_t *counts)
{
    ngx_prof_text_t  *t;

    if (counts->plain.after == 0) {
        return;
    }

    t = &w->json.text;

    ngx_prof_expose_open(w, name, "");
    ngx_prof_expose_labels(w, place);
    ngx_prof_text_printf(t, "} %uL.%09uL\n",
                         counts->plain.after_time / NGX_PROF_NSEC_PER_SEC,
                         counts->plain.after_time % NGX_PROF_NSEC_PER_SEC);
}


static void
ngx_prof_expose_cost(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    const ngx_prof_counts_t *counts)
{
    ngx_prof_exposition_t  *e;

    e = w->data;

    if (counts->plain.loop) {
        ngx_prof_costs_add(&e->costs, &counts->plain);
        ngx_prof_costs_expose(w, name, place, &counts->plain,
                              ngx_prof_families[e->family].offset);
    }
}
