
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_capacity_view.h"
#include "ngx_prof_base.h"
#include "ngx_prof_capacity.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_json.h"
#include "ngx_prof_label.h"
#include "ngx_prof_limits.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


/* listening sockets of a step; of more than all, /metrics tells the busy */
#define NGX_PROF_CAPACITY_STEP  64
#define NGX_PROF_CAPACITY_ALL   256


/* of rows that have a name: the word for each */

typedef struct {
    const char  *name;
    const char  *type;
    const char  *help;
    size_t       offset;
} ngx_prof_named_family_t;


static void ngx_prof_view_full(const ngx_prof_limit_t *limit, void *data);
static void ngx_prof_view_workers(ngx_prof_json_t *j, ngx_prof_snapshot_t *s);
static void ngx_prof_view_drain(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_gauges_t *g);
static void ngx_prof_view_limit(ngx_prof_json_t *j, const char *key,
    uint64_t used, uint64_t limit, uint64_t since, uint64_t unavailable);
static void ngx_prof_view_listener(ngx_prof_json_t *j, ngx_uint_t i,
    uint64_t clock);
static void ngx_prof_view_pages(ngx_prof_json_t *j, uint64_t clock);
static void ngx_prof_view_own(ngx_prof_json_t *j, ngx_prof_snapshot_t *s);
static void ngx_prof_expose_capacity(ngx_prof_work_t *w);
static void ngx_prof_expose_worker_limits(ngx_prof_work_t *w);
static void ngx_prof_expose_worker(ngx_prof_work_t *w, const char *name,
    const ngx_prof_worker_t *worker, double value);
static void ngx_prof_expose_listeners(ngx_prof_work_t *w);
static ngx_uint_t ngx_prof_expose_listened(ngx_uint_t i, ngx_uint_t n,
    ngx_prof_listener_t *row);
static void ngx_prof_expose_pages(ngx_prof_work_t *w);
static void ngx_prof_expose_named(ngx_prof_work_t *w,
    const ngx_prof_named_family_t *family, const char *label,
    const ngx_str_t *name, const void *row);


ngx_int_t
ngx_prof_view_capacity(ngx_prof_work_t *w)
{
    ngx_uint_t            i, last, n;
    ngx_prof_json_t      *j;
    ngx_prof_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;
    n = ngx_prof_listener_n();

    if (w->next == 0) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_time(j, "timestamp", s->time);
        ngx_prof_json_uint(j, "warning_percent", NGX_PROF_FULL_WARNING);
        ngx_prof_json_uint(j, "critical_percent", NGX_PROF_FULL_CRITICAL);

        ngx_prof_json_open(j, "full", '[');
        ngx_prof_limits(s, ngx_prof_view_full, w);
        ngx_prof_json_close(j, ']');

        ngx_prof_view_workers(j, s);
        ngx_prof_view_own(j, s);
        ngx_prof_view_pages(j, s->clock);

        ngx_prof_json_open(j, "listeners", '[');
    }

    i = w->next * NGX_PROF_CAPACITY_STEP;
    last = ngx_min(i + NGX_PROF_CAPACITY_STEP, n);

    for ( /* void */ ; i < last; i++) {
        ngx_prof_view_listener(j, i, s->clock);
    }

    w->next++;

    if (i < n) {
        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_prof_view_full(const ngx_prof_limit_t *limit, void *data)
{
    ngx_prof_work_t *w = data;

    u_char           *p, text[1024];
    ngx_prof_json_t  *j;

    static const char *const  levels[] = { "notice", "warning", "critical" };

    j = &w->json;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_cstring(j, "kind", ngx_prof_limit_name(limit->kind));
    ngx_prof_json_cstring(j, "level", levels[limit->level]);

    if (limit->pid) {
        ngx_prof_json_int(j, "pid", limit->pid);
    }

    if (limit->name.len) {
        ngx_prof_json_string(j, "name", limit->name.data, limit->name.len);
    }

    ngx_prof_json_uint(j, "used", limit->used);
    ngx_prof_view_figure(j, "limit", limit->limit, limit->limit == 0);
    ngx_prof_view_day(j, "since", limit->since);

    p = ngx_prof_limit_print(text, text + sizeof(text), limit,
                             w->snapshot->clock);
    ngx_prof_json_string(j, "text", text, p - text);

    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_workers(ngx_prof_json_t *j, ngx_prof_snapshot_t *s)
{
    uint64_t            none;
    ngx_uint_t          i;
    ngx_prof_gauges_t  *g;
    ngx_prof_worker_t  *w;

    ngx_prof_json_open(j, "workers", '[');

    w = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {
        g = &w[i].gauges;
        none = w[i].known ? 0 : NGX_PROF_NO_TICK;

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_view_worker(j, &w[i]);
        ngx_prof_view_limit(j, "connections", g->connection_n - g->free,
                            g->connection_n, g->connections_since, none);
        ngx_prof_view_limit(j, "descriptors", g->descriptors,
                            g->descriptor_limit, g->descriptors_since,
                            none | (g->unavailable & NGX_PROF_NO_FDS));
        ngx_prof_view_double(j, "accept_wait_seconds",
                             ngx_prof_seconds(g->accept_wait),
                             none | (g->unavailable & NGX_PROF_NO_ACCEPT));

        if (none || g->drain.since == 0) {
            ngx_prof_json_null(j, "draining");

        } else {
            ngx_prof_view_drain(j, s, g);
        }

        ngx_prof_json_open(j, "unavailable", '{');

        if (none) {
            ngx_prof_json_cstring(j, "connections", "not known yet: the worker "
                                  "has not collected its first figures");

        } else if (g->unavailable & NGX_PROF_NO_FDS) {
            ngx_prof_json_cstring(j, "descriptors", "/proc/self/fd does not "
                                  "tell their number (Linux 6.2)");
        }

        ngx_prof_json_close(j, '}');
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


static void
ngx_prof_view_drain(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_gauges_t *g)
{
    const ngx_prof_drain_t  *drain;

    drain = &g->drain;

    ngx_prof_json_open(j, "draining", '{');
    ngx_prof_view_day(j, "since", drain->since);
    ngx_prof_json_double(j, "seconds",
                   ngx_prof_seconds(ngx_prof_passed(drain->since, s->clock)));
    ngx_prof_json_uint(j, "connections", g->connections);
    ngx_prof_json_uint(j, "clients", drain->clients);
    ngx_prof_json_uint(j, "upgraded", drain->upgraded);
    ngx_prof_view_place(j, ngx_prof_label(drain->place, 0, 0));
    ngx_prof_json_uint(j, "at_location", drain->held);
    ngx_prof_view_day(j, "oldest_request", drain->oldest);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_limit(ngx_prof_json_t *j, const char *key, uint64_t used,
    uint64_t limit, uint64_t since, uint64_t unavailable)
{
    if (unavailable) {
        ngx_prof_json_null(j, key);
        return;
    }

    ngx_prof_json_open(j, key, '{');
    ngx_prof_json_uint(j, "used", used);
    ngx_prof_view_figure(j, "limit", limit, limit == 0);
    ngx_prof_view_double(j, "percent", 100.0 * (double) used / (double) limit,
                         limit == 0);
    ngx_prof_view_day(j, "since", since);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_listener(ngx_prof_json_t *j, ngx_uint_t i, uint64_t clock)
{
    u_char                buf[2 * NGX_SOCKADDR_STRLEN];
    uint64_t              none;
    ngx_str_t             name;
    const char           *reason;
    ngx_prof_listener_t   row;

    ngx_prof_listener_get(i, clock, &row);
    ngx_prof_limit_listen(i, buf, &name);

    none = (row.state != NGX_PROF_LISTENER_READ);

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_string(j, "listen", name.data, name.len);
    ngx_prof_view_limit(j, "queue", row.waiting, row.limit, row.since, none);
    ngx_prof_view_figure(j, "dropped", row.dropped, none || !row.counted);
    ngx_prof_view_day(j, "last_drop", row.rose);

    ngx_prof_json_open(j, "unavailable", '{');

    reason = ngx_prof_listener_reason(row.state);

    if (reason) {
        ngx_prof_json_cstring(j, "queue", reason);
        ngx_prof_json_cstring(j, "dropped", reason);

    } else if (!row.counted) {
        ngx_prof_json_cstring(j, "dropped",
                              "the kernel has no SO_MEMINFO (Linux 4.12)");
    }

    ngx_prof_json_close(j, '}');
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_pages(ngx_prof_json_t *j, uint64_t clock)
{
    ngx_uint_t        i;
    ngx_prof_pages_t  pages;

    ngx_prof_json_open(j, "zones", '[');

    for (i = 0; ngx_prof_capacity_pages(i, clock, &pages) == NGX_OK; i++) {

        if (pages.pages == 0) {
            continue;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_string(j, "name", pages.name.data, pages.name.len);
        ngx_prof_json_uint(j, "size", pages.size);
        ngx_prof_view_limit(j, "pages", pages.used, pages.pages, pages.since,
                            0);
        ngx_prof_json_uint(j, "failed_allocations", pages.failed);
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


/* slots, pages and tables of the module */

static void
ngx_prof_view_own(ngx_prof_json_t *j, ngx_prof_snapshot_t *s)
{
    ngx_prof_capacity_t  c;

    ngx_prof_capacity(s, &c);

    ngx_prof_json_open(j, "module", '{');
    ngx_prof_view_limit(j, "slots", c.slots_used, c.slots, 0, 0);
    ngx_prof_view_limit(j, "pages", c.pages_used, c.pages,
                        c.since[NGX_PROF_OWN_PAGES], 0);
    ngx_prof_json_uint(j, "workers_without_slot", c.without_slot);
    ngx_prof_view_day(j, "workers_without_slot_since",
                      c.since[NGX_PROF_OWN_SLOTS]);
    ngx_prof_json_uint(j, "locations_uncounted", c.uncounted);
    ngx_prof_view_day(j, "locations_uncounted_since",
                      c.since[NGX_PROF_OWN_PLACES]);
    ngx_prof_json_uint(j, "names_lost", c.unnamed);
    ngx_prof_view_day(j, "names_lost_since", c.since[NGX_PROF_OWN_NAMES]);
    ngx_prof_json_uint(j, "tables_full", c.tables);
    ngx_prof_view_day(j, "tables_full_since", c.since[NGX_PROF_OWN_TABLES]);
    ngx_prof_json_uint(j, "trace_events_lost", c.events);
    ngx_prof_view_day(j, "trace_events_lost_since",
                      c.since[NGX_PROF_OWN_EVENTS]);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_expose_capacity(ngx_prof_work_t *w)
{
    ngx_prof_capacity_t  c;

    ngx_prof_capacity(w->snapshot, &c);

    ngx_prof_expose_family(w, "workers_without_slot", "gauge",
                           "Living workers that are not profiled.");
    ngx_prof_expose_value(w, "workers_without_slot", "",
                          (double) c.without_slot);

    ngx_prof_expose_family(w, "slots", "gauge", "Slots for workers.");
    ngx_prof_expose_value(w, "slots", "{state=\"used\"}",
                          (double) c.slots_used);
    ngx_prof_expose_value(w, "slots", "{state=\"free\"}",
                          (double) (c.slots - ngx_min(c.slots, c.slots_used)));

    ngx_prof_expose_family(w, "locations_uncounted", "gauge",
                           "Configured locations that are counted together, "
                           "for want of room.");
    ngx_prof_expose_value(w, "locations_uncounted", "",
                          (double) c.uncounted);

    ngx_prof_expose_family(w, "zone_pages", "gauge",
                           "Pages of the zone for what is counted by "
                           "location.");
    ngx_prof_expose_value(w, "zone_pages", "{state=\"used\"}",
                          (double) c.pages_used);
    ngx_prof_expose_value(w, "zone_pages", "{state=\"free\"}",
                          (double) (c.pages - c.pages_used));

    ngx_prof_expose_family(w, "zone_full", "gauge",
                           "1 if a location found no page since the latest "
                           "start or reload.");
    ngx_prof_expose_value(w, "zone_full", "", (double) c.full);

    ngx_prof_expose_family(w, "names_lost", "gauge",
                           "Upstreams and zones of shared memory without a "
                           "name of their own, for want of room.");
    ngx_prof_expose_value(w, "names_lost", "", (double) c.unnamed);

    ngx_prof_expose_family(w, "tables_full", "gauge",
                           "Tables of stacks that have no room left.");
    ngx_prof_expose_value(w, "tables_full", "", (double) c.tables);
}


void
ngx_prof_expose_limits(ngx_prof_work_t *w)
{
    ngx_prof_expose_capacity(w);
    ngx_prof_expose_worker_limits(w);
    ngx_prof_expose_listeners(w);
    ngx_prof_expose_pages(w);
}


static void
ngx_prof_expose_worker_limits(ngx_prof_work_t *w)
{
    size_t              at;
    double              value;
    ngx_uint_t          i, n;
    ngx_prof_gauges_t  *g;
    ngx_prof_worker_t  *worker;

    static const struct {
        const char  *name;
        const char  *help;
        uint64_t     unavailable;
        size_t       offset;
    } families[] = {
        { "connection_slots", "worker_connections of a worker.", 0,
          offsetof(ngx_prof_gauges_t, connection_n) },
        { "connection_slots_free",
          "worker_connections that a worker has left.", 0,
          offsetof(ngx_prof_gauges_t, free) },
        { "descriptors", "Descriptors that a worker has opened.",
          NGX_PROF_NO_FDS, offsetof(ngx_prof_gauges_t, descriptors) },
        { "descriptors_limit", "Descriptors that a worker may open.", 0,
          offsetof(ngx_prof_gauges_t, descriptor_limit) },
        { "accept_wait_seconds", "The longest time that a connection waited to "
          "be accepted, in the latest interval.", NGX_PROF_NO_ACCEPT,
          offsetof(ngx_prof_gauges_t, accept_wait) },
        { "draining_seconds", "How long a worker has been finishing its "
          "connections; 0: it is not.", 0,
          offsetof(ngx_prof_gauges_t, drain) },
    };

    worker = w->snapshot->workers.elts;

    for (n = 0; n < sizeof(families) / sizeof(families[0]); n++) {
        ngx_prof_expose_family(w, families[n].name, "gauge", families[n].help);
        at = families[n].offset;

        for (i = 0; i < w->snapshot->workers.nelts; i++) {
            g = &worker[i].gauges;

            if (!worker[i].known || (g->unavailable & families[n].unavailable))
            {
                continue;
            }

            value = (double) *(uint64_t *) ((u_char *) g + at);

            if (at == offsetof(ngx_prof_gauges_t, accept_wait)) {
                value /= NGX_PROF_NSEC_PER_SEC;

            } else if (at == offsetof(ngx_prof_gauges_t, drain)) {
                value = g->drain.since
                        ? ngx_prof_seconds(ngx_prof_passed(g->drain.since,
                                                   w->snapshot->clock))
                        : 0;

            } else if (at == offsetof(ngx_prof_gauges_t, descriptor_limit)
                       && g->descriptor_limit == 0)
            {
                continue;
            }

            ngx_prof_expose_worker(w, families[n].name, &worker[i], value);
        }
    }
}


/* a slot may have several living workers only one after the other */

static void
ngx_prof_expose_worker(ngx_prof_work_t *w, const char *name,
    const ngx_prof_worker_t *worker, double value)
{
    char  labels[64];

    (void) snprintf(labels, sizeof(labels), "{slot=\"%d\"}",
                    (int) worker->index);

    ngx_prof_expose_value(w, name, labels, value);
}


static void
ngx_prof_expose_listeners(ngx_prof_work_t *w)
{
    u_char               buf[2 * NGX_SOCKADDR_STRLEN];
    ngx_str_t            name;
    ngx_uint_t           i, n, k;
    ngx_prof_listener_t  row;

    static const ngx_prof_named_family_t  families[] = {
        { "listen_queue", "gauge", "Connections that wait to be accepted.",
          offsetof(ngx_prof_listener_t, waiting) },
        { "listen_queue_limit", "gauge",
          "Connections that may wait to be accepted.",
          offsetof(ngx_prof_listener_t, limit) },
        { "listen_drops_total", "counter",
          "Connections that the kernel dropped before they were accepted.",
          offsetof(ngx_prof_listener_t, dropped) },
    };

    n = ngx_prof_listener_n();

    for (k = 0; k < 3; k++) {
        ngx_prof_expose_family(w, families[k].name, families[k].type,
                               families[k].help);

        for (i = 0; i < n; i++) {

            if (!ngx_prof_expose_listened(i, n, &row)
                || (families[k].offset == offsetof(ngx_prof_listener_t, dropped)
                    && !row.counted))
            {
                continue;
            }

            ngx_prof_limit_listen(i, buf, &name);

            ngx_prof_expose_named(w, &families[k], "listen", &name, &row);
        }
    }
}


/* of thousands, those that have anything to tell */

static ngx_uint_t
ngx_prof_expose_listened(ngx_uint_t i, ngx_uint_t n, ngx_prof_listener_t *row)
{
    ngx_prof_listener_get(i, 0, row);

    return row->state == NGX_PROF_LISTENER_READ
           && (n <= NGX_PROF_CAPACITY_ALL || row->waiting || row->dropped);
}


static void
ngx_prof_expose_pages(ngx_prof_work_t *w)
{
    ngx_uint_t        i, k;
    ngx_prof_pages_t  pages;

    static const ngx_prof_named_family_t  families[] = {
        { "shared_zone_pages", "gauge", "Pages of a zone of shared memory.",
          offsetof(ngx_prof_pages_t, pages) },
        { "shared_zone_pages_used", "gauge", "Pages of a zone that are in use.",
          offsetof(ngx_prof_pages_t, used) },
        { "shared_zone_failed_total", "counter",
          "Small allocations in a zone that found no room.",
          offsetof(ngx_prof_pages_t, failed) },
    };

    for (k = 0; k < 3; k++) {
        ngx_prof_expose_family(w, families[k].name, families[k].type,
                               families[k].help);

        for (i = 0;
             ngx_prof_capacity_pages(i, w->snapshot->clock, &pages) == NGX_OK;
             i++)
        {
            if (pages.pages == 0) {
                continue;
            }

            ngx_prof_expose_named(w, &families[k], "zone", &pages.name, &pages);
        }
    }
}


static void
ngx_prof_expose_named(ngx_prof_work_t *w,
    const ngx_prof_named_family_t *family, const char *label,
    const ngx_str_t *name, const void *row)
{
    ngx_prof_expose_open(w, family->name, "");
    ngx_prof_expose_label(w, label, name);
    ngx_prof_text_printf(&w->json.text, "} %uL\n",
                         *(const uint64_t *) ((const u_char *) row
                                              + family->offset));
}
