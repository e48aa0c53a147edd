
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_connections.h"
#include "ngx_http_profiling_request.h"


static void ngx_http_profiling_connection_count(ngx_connection_t *c,
    ngx_http_profiling_gauges_t *g);
static void ngx_http_profiling_client_count(ngx_connection_t *c,
    ngx_http_profiling_gauges_t *g);


/* in the steps so far */
static ngx_uint_t  ngx_http_profiling_connections_found;


ngx_int_t
ngx_http_profiling_connections_count(ngx_cycle_t *cycle, ngx_uint_t *from,
    ngx_http_profiling_gauges_t *g)
{
    ngx_uint_t         i, last, used;
    ngx_connection_t  *c;

    c = cycle->connections;

    if (c == NULL) {

        /* a single process that was reloaded: nginx makes no new table */

        *from = cycle->connection_n;
        return NGX_OK;
    }

    last = ngx_min(*from + NGX_HTTP_PROFILING_CONNECTIONS_STEP,
                   cycle->connection_n);

    if (*from == 0) {
        ngx_http_profiling_connections_found = 0;
    }

    /* nginx hands out the lowest ones first: behind the last one in use
     * there is nothing to be seen */

    used = cycle->connection_n - cycle->free_connection_n;

    for (i = *from;
         i < last && ngx_http_profiling_connections_found < used;
         i++)
    {
        if (c[i].fd != (ngx_socket_t) -1) {
            ngx_http_profiling_connections_found++;
            ngx_http_profiling_connection_count(&c[i], g);
        }
    }

    *from = last;

    if (last < cycle->connection_n
        && ngx_http_profiling_connections_found < used)
    {
        return NGX_AGAIN;
    }

    g->free = cycle->free_connection_n;

    return NGX_OK;
}


static void
ngx_http_profiling_connection_count(ngx_connection_t *c,
    ngx_http_profiling_gauges_t *g)
{
    /* listening sockets, the master's channel and our own eventfd */

    if (c->read == NULL || c->read->accept || c->read->channel) {
        return;
    }

    g->connections++;

    if (c->listening) {
        ngx_http_profiling_client_count(c, g);

    } else if (c->read->resolver) {
        g->other++;

    } else if (c->idle) {
        g->keepalive++;

    } else {
        g->upstream++;
    }
}


static void
ngx_http_profiling_client_count(ngx_connection_t *c,
    ngx_http_profiling_gauges_t *g)
{
    if (c->listening->handler != ngx_http_init_connection) {
        g->other++;
        return;
    }

    g->active++;

    if (ngx_http_profiling_request_active(c)) {
        g->writing++;

    } else if (c->reusable) {
        g->waiting++;

    } else {
        g->reading++;
    }
}
