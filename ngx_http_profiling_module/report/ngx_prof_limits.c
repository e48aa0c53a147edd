
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_limits.h"
#include "ngx_prof_base.h"
#include "ngx_prof_capacity.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* ns: drops are reported for so long; a worker drains for long */
#define NGX_PROF_LIMIT_TOLD  ((uint64_t) 60 * NGX_PROF_NSEC_PER_SEC)
#define NGX_PROF_LIMIT_LONG  ((uint64_t) 300 * NGX_PROF_NSEC_PER_SEC)


static void ngx_prof_limits_worker(ngx_prof_snapshot_t *s,
    const ngx_prof_worker_t *w, ngx_prof_limit_pt handler, void *data);
static void ngx_prof_limits_listeners(ngx_prof_snapshot_t *s,
    ngx_prof_limit_pt handler, void *data);
static void ngx_prof_limits_zones(ngx_prof_snapshot_t *s,
    ngx_prof_limit_pt handler, void *data);
static u_char *ngx_prof_limit_drain(u_char *p, u_char *last,
    const ngx_prof_limit_t *limit, u_char *since, size_t len);


void
ngx_prof_limits(ngx_prof_snapshot_t *s, ngx_prof_limit_pt handler, void *data)
{
    ngx_uint_t          i;
    ngx_prof_worker_t  *w;

    w = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {

        if (w[i].known) {
            ngx_prof_limits_worker(s, &w[i], handler, data);
        }
    }

    if (s->filter == 0) {
        ngx_prof_limits_listeners(s, handler, data);
        ngx_prof_limits_zones(s, handler, data);
    }
}


static void
ngx_prof_limits_worker(ngx_prof_snapshot_t *s, const ngx_prof_worker_t *w,
    ngx_prof_limit_pt handler, void *data)
{
    ngx_prof_limit_t          limit;
    const ngx_prof_gauges_t  *g;

    g = &w->gauges;

    ngx_memzero(&limit, sizeof(ngx_prof_limit_t));
    limit.pid = w->pid;

    if (g->connections_since) {
        limit.kind = NGX_PROF_LIMIT_CONNECTIONS;
        limit.used = g->connection_n - g->free;
        limit.limit = g->connection_n;
        limit.level = ngx_prof_full_level(limit.used, limit.limit);
        limit.since = g->connections_since;
        handler(&limit, data);
    }

    if (g->descriptors_since) {
        limit.kind = NGX_PROF_LIMIT_DESCRIPTORS;
        limit.used = g->descriptors;
        limit.limit = g->descriptor_limit;
        limit.level = ngx_prof_full_level(limit.used, limit.limit);
        limit.since = g->descriptors_since;
        handler(&limit, data);
    }

    if (g->drain.since) {
        limit.kind = NGX_PROF_LIMIT_DRAIN;
        limit.used = g->drain.clients;
        limit.limit = 0;
        limit.since = g->drain.since;
        limit.level = (s->clock > limit.since + NGX_PROF_LIMIT_LONG);
        limit.drain = &g->drain;
        handler(&limit, data);
    }
}


static void
ngx_prof_limits_listeners(ngx_prof_snapshot_t *s, ngx_prof_limit_pt handler,
    void *data)
{
    u_char               buf[2 * NGX_SOCKADDR_STRLEN];
    uint64_t             lately;
    ngx_uint_t           i, n;
    ngx_prof_limit_t     limit;
    ngx_prof_listener_t  row;

    lately = 2 * ngx_prof_conf_ns(s->conf, NGX_PROF_INTERVAL);
    n = ngx_prof_listener_n();

    for (i = 0; i < n; i++) {
        ngx_prof_listener_get(i, n <= NGX_PROF_LISTENERS_READ ? s->clock : 0,
                              &row);

        if (row.since == 0
            && (row.rose == 0 || s->clock > row.rose + NGX_PROF_LIMIT_TOLD))
        {
            continue;
        }

        ngx_memzero(&limit, sizeof(ngx_prof_limit_t));
        ngx_prof_limit_listen(i, buf, &limit.name);

        limit.limit = row.limit;

        if (row.since) {
            limit.kind = NGX_PROF_LIMIT_QUEUE;
            limit.used = row.waiting;
            limit.level = ngx_prof_full_level(limit.used, limit.limit);
            limit.since = row.since;
            handler(&limit, data);
        }

        if (row.rose && s->clock <= row.rose + NGX_PROF_LIMIT_TOLD) {
            limit.kind = NGX_PROF_LIMIT_DROPS;
            limit.used = row.dropped;
            limit.level = (s->clock <= row.rose + lately) ? 2 : 1;
            limit.since = row.rose;
            handler(&limit, data);
        }
    }
}


static void
ngx_prof_limits_zones(ngx_prof_snapshot_t *s, ngx_prof_limit_pt handler,
    void *data)
{
    ngx_uint_t        i;
    ngx_prof_limit_t  limit;
    ngx_prof_pages_t  pages;

    for (i = 0;
         ngx_prof_capacity_pages(i, s->clock, &pages) == NGX_OK;
         i++)
    {
        if (pages.since == 0) {
            continue;
        }

        ngx_memzero(&limit, sizeof(ngx_prof_limit_t));

        limit.kind = NGX_PROF_LIMIT_ZONE;
        limit.name = pages.name;
        limit.used = pages.used;
        limit.limit = pages.pages;
        limit.level = ngx_prof_full_level(pages.used, pages.pages);
        limit.since = pages.since;

        handler(&limit, data);
    }
}


const char *
ngx_prof_limit_name(ngx_uint_t kind)
{
    static const char *const  names[] = {
        "connections", "descriptors", "accept queue", "dropped connections",
        "zone", "draining"
    };

    return names[kind];
}


u_char *
ngx_prof_limit_print(u_char *p, u_char *last, const ngx_prof_limit_t *limit,
    uint64_t clock)
{
    u_char  *end, since[NGX_INT64_LEN + 8];
    size_t   len;

    end = ngx_prof_limit_duration(since, since + sizeof(since),
                                  ngx_prof_passed(limit->since, clock));
    len = end - since;

    switch (limit->kind) {

    case NGX_PROF_LIMIT_CONNECTIONS:
        return ngx_slprintf(p, last, "worker %P has used %uL of its %uL "
                            "worker_connections for %*s", limit->pid,
                            limit->used, limit->limit, len, since);

    case NGX_PROF_LIMIT_DESCRIPTORS:
        return ngx_slprintf(p, last, "worker %P has opened %uL of its %uL "
                            "descriptors for %*s", limit->pid, limit->used,
                            limit->limit, len, since);

    case NGX_PROF_LIMIT_QUEUE:
        return ngx_slprintf(p, last, "the accept queue of listener %V has held "
                            "%uL of at most %uL connections for %*s",
                            &limit->name, limit->used, limit->limit, len,
                            since);

    case NGX_PROF_LIMIT_DROPS:
        return ngx_slprintf(p, last, "the accept queue of listener %V, of at "
                            "most %uL connections, was full: %uL were dropped "
                            "so far, the latest %*s ago", &limit->name,
                            limit->limit, limit->used, len, since);

    case NGX_PROF_LIMIT_ZONE:
        return ngx_slprintf(p, last, "zone \"%V\" of shared memory has used "
                            "%uL of its %uL pages for %*s", &limit->name,
                            limit->used, limit->limit, len, since);

    default:
        return ngx_prof_limit_drain(p, last, limit, since, len);
    }
}


/* "worker 812 drains for 2 h: 12 connections, 10 of them upgraded at /ws" */

static u_char *
ngx_prof_limit_drain(u_char *p, u_char *last, const ngx_prof_limit_t *limit,
    u_char *since, size_t len)
{
    uint64_t                 n;
    const ngx_prof_drain_t  *drain;
    ngx_prof_place_name_t    place;

    drain = limit->drain;

    p = ngx_slprintf(p, last, "worker %P drains for %*s: %uL connection%s",
                     limit->pid, len, since, limit->used,
                     limit->used == 1 ? "" : "s");

    n = drain->held_upgraded ? drain->held_upgraded : drain->held;

    if (n == 0
        || ngx_prof_zone_place_name(ngx_prof_process.zone, drain->place - 1,
                                    &place)
           != NGX_OK)
    {
        return p;
    }

    p = ngx_slprintf(p, last, ", %uL of them%s at %V", n,
                     drain->held_upgraded ? " upgraded" : "",
                     place.has_location ? &place.location : &place.server);

    if (place.has_location) {
        p = ngx_slprintf(p, last, " of server %V", &place.server);
    }

    return p;
}


u_char *
ngx_prof_limit_duration(u_char *p, u_char *last, uint64_t ns)
{
    uint64_t  s;

    s = ns / NGX_PROF_NSEC_PER_SEC;

    if (s < 120) {
        return ngx_slprintf(p, last, "%uL s", s);
    }

    if (s < 120 * 60) {
        return ngx_slprintf(p, last, "%uL min", s / 60);
    }

    return ngx_slprintf(p, last, "%uL h", s / 3600);
}


void
ngx_prof_limit_listen(ngx_uint_t i, u_char *buf, ngx_str_t *name)
{
    ngx_listening_t  *ls;

    ls = ngx_cycle->listening.elts;
    ls += i;

    *name = ls->addr_text;

#if (NGX_HAVE_REUSEPORT)

    if (ls->reuseport) {
        name->data = buf;
        name->len = ngx_snprintf(buf, 2 * NGX_SOCKADDR_STRLEN,
                                 "%V of worker %ui", &ls->addr_text,
                                 (ngx_uint_t) ls->worker)
                    - buf;
    }

#endif
}
