
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_connection_count.h"
#include "ngx_prof_context.h"
#include "ngx_prof_drain.h"
#include "ngx_prof_request.h"
#include "ngx_prof_connection_table.h"


/* entries of the list whose connections are prefetched */
#define NGX_PROF_AHEAD  8


/* a count in progress; it may take several passes of the event loop */

typedef struct {
    ngx_int_t  (*step)(ngx_cycle_t *cycle, ngx_prof_gauges_t *g);
    ngx_uint_t   next;
    ngx_uint_t   found;
} ngx_prof_connection_count_t;


static ngx_int_t ngx_prof_count_list(ngx_cycle_t *cycle, ngx_prof_gauges_t *g);
static ngx_int_t ngx_prof_count_clients(ngx_cycle_t *cycle,
    ngx_prof_gauges_t *g);
static ngx_int_t ngx_prof_count_table(ngx_cycle_t *cycle,
    ngx_prof_gauges_t *g);
static void ngx_prof_count_reset(ngx_prof_gauges_t *g);
static void ngx_prof_connection_count(ngx_connection_t *c,
    ngx_prof_connection_sort_e sort, ngx_prof_gauges_t *g);
static void ngx_prof_client_count(ngx_connection_t *c, ngx_prof_gauges_t *g);
static void ngx_prof_stream_count(const ngx_prof_context_t *context,
    ngx_prof_gauges_t *g);


static ngx_prof_connection_count_t  ngx_prof_count;


ngx_int_t
ngx_prof_connections_count(ngx_cycle_t *cycle, ngx_uint_t *from,
    ngx_prof_gauges_t *g)
{
    ngx_int_t                     rc;
    ngx_prof_connection_count_t  *count;

    if (cycle->connections == NULL) {

        /* a single process that was reloaded: nginx makes no new table */

        return NGX_OK;
    }

    count = &ngx_prof_count;

    if (*from == 0) {
        count->next = 0;
        count->found = 0;

        /* a worker that drains: what each connection holds it for */

        count->step = (ngx_prof_connection_table() && !g->draining)
                      ? ngx_prof_count_list
                      : ngx_prof_count_table;

        ngx_prof_drain_begin();
    }

    rc = count->step(cycle, g);

    if (rc == NGX_AGAIN) {
        *from = 1;
        return NGX_AGAIN;
    }

    g->free = cycle->free_connection_n;
    ngx_prof_drain_end(&g->drain);

    return NGX_OK;
}


/* counts what is not a client; clients are counted in the record */

static ngx_int_t
ngx_prof_count_list(ngx_cycle_t *cycle, ngx_prof_gauges_t *g)
{
    ngx_uint_t                    last;
    ngx_connection_t             *c;
    ngx_prof_connection_sort_e    sort;
    ngx_prof_connection_count_t  *count;
    ngx_prof_connection_table_t  *table;

    count = &ngx_prof_count;
    table = ngx_prof_connection_table();
    last = count->next + NGX_PROF_CONNECTIONS_STEP;

    while (count->next < ngx_min(last, table->n)) {

        if (count->next + NGX_PROF_AHEAD < table->n) {
            c = &cycle->connections[table->list[count->next
                                                + NGX_PROF_AHEAD]];
            __builtin_prefetch(&c->fd);
            __builtin_prefetch(&c->listening);
            __builtin_prefetch(&c->requests);
        }

        c = ngx_prof_connection_table_entry(count->next, &sort);

        if (c) {
            ngx_prof_connection_count(c, sort, g);
            count->next++;
        }
    }

    if (count->next < table->n) {
        return NGX_AGAIN;
    }

    count->next = 0;

    if (!ngx_prof_connection_table_complete()) {
        ngx_prof_count_reset(g);
        count->step = ngx_prof_count_table;
        return NGX_AGAIN;
    }

    g->connections += table->http + table->clients;
    g->other += table->clients;
    g->active = table->http;
    g->waiting = ngx_min(cycle->reusable_connections_n, g->active);

    count->step = ngx_prof_count_clients;

    return ngx_prof_count_clients(cycle, g);
}


/* counts clients that are not idle: they are served, or read from */

static ngx_int_t
ngx_prof_count_clients(ngx_cycle_t *cycle, ngx_prof_gauges_t *g)
{
    ngx_uint_t                    last, busy, high;
    ngx_prof_connection_count_t  *count;
    ngx_prof_context_t           *context;

    count = &ngx_prof_count;
    busy = g->active - g->waiting;
    high = ngx_prof_array_size ? ngx_prof_connection_table()->high
                                         : 0;
    last = ngx_min(count->next + NGX_PROF_CONTEXTS_STEP, high);

    while (count->next < last && g->writing < busy) {
        context = ngx_prof_context_at(count->next++);

        if (ngx_prof_context_active(context)) {
            g->writing++;
            ngx_prof_stream_count(context, g);
        }
    }

    if (g->writing < busy && last < high) {
        return NGX_AGAIN;
    }

    g->reading = busy - g->writing;

    return NGX_OK;
}


/* counts by a walk of the table: without a record, or if it is incomplete */

static ngx_int_t
ngx_prof_count_table(ngx_cycle_t *cycle, ngx_prof_gauges_t *g)
{
    ngx_uint_t                    i, last, used;
    ngx_connection_t             *c;
    ngx_prof_connection_count_t  *count;

    count = &ngx_prof_count;
    c = cycle->connections;

    last = ngx_min(count->next + NGX_PROF_CONNECTIONS_STEP,
                   cycle->connection_n);

    /*
     * nginx hands out the lowest indices first: the walk may end once all
     * entries in use are found
     */

    used = cycle->connection_n - cycle->free_connection_n;

    for (i = count->next; i < last && count->found < used; i++) {
        if (ngx_prof_is_open(&c[i])) {
            count->found++;
            ngx_prof_connection_count(&c[i], ngx_prof_connection_sort(&c[i]),
                                      g);
        }
    }

    count->next = last;

    if (last < cycle->connection_n && count->found < used) {
        return NGX_AGAIN;
    }

    ngx_prof_connection_table_found(count->found);

    return NGX_OK;
}


static void
ngx_prof_count_reset(ngx_prof_gauges_t *g)
{
    g->connections = 0;
    g->upstream = 0;
    g->keepalive = 0;
    g->other = 0;
    g->streams = 0;
}


static void
ngx_prof_connection_count(ngx_connection_t *c, ngx_prof_connection_sort_e sort,
    ngx_prof_gauges_t *g)
{
    switch (sort) {

    case NGX_PROF_SORT_HTTP:
        ngx_prof_stream_count(ngx_prof_context(c), g);
        ngx_prof_client_count(c, g);
        break;

    case NGX_PROF_SORT_QUIC:
        ngx_prof_client_count(c, g);
        break;

    case NGX_PROF_SORT_STREAM:
        g->streams++;
        break;

    case NGX_PROF_SORT_PEER:
        if (c->idle) {
            g->keepalive++;

        } else {
            g->upstream++;
        }

        break;

    case NGX_PROF_SORT_CLIENT:
    case NGX_PROF_SORT_RESOLVER:
        g->other++;
        break;

    default:

        /* nginx's own connections, and extra streams of a client of HTTP/3 */

        return;
    }

    g->connections++;
}


static void
ngx_prof_client_count(ngx_connection_t *c, ngx_prof_gauges_t *g)
{
    g->active++;

    if (g->draining) {
        ngx_prof_drain_count(ngx_prof_context_find(c));
    }

    if (ngx_prof_request_active(c)) {
        g->writing++;

    } else if (c->reusable) {
        g->waiting++;

    } else {
        g->reading++;
    }
}


/* counts streams of HTTP/2: each has a connection outside nginx's table */

static void
ngx_prof_stream_count(const ngx_prof_context_t *context, ngx_prof_gauges_t *g)
{
    if (context) {
        g->streams += context->streams;
        g->connections += context->streams;
    }
}
