
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include "ngx_http_profiling_roster.h"


/* what is known of a place of the table */
#define NGX_HTTP_PROFILING_CLIENT  0x1      /* its pool will tell of its end */
#define NGX_HTTP_PROFILING_PEER    0x2      /* any other connection */
#define NGX_HTTP_PROFILING_LISTED  0x4      /* it is in the list */
#define NGX_HTTP_PROFILING_KIND    3        /* ngx_http_profiling_peer_e << */


static ngx_int_t ngx_http_profiling_roster_add(ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t flags);
static ngx_int_t ngx_http_profiling_roster_add_conn(ngx_connection_t *c);
static void ngx_http_profiling_roster_see(ngx_connection_t *c);
static ngx_uint_t ngx_http_profiling_roster_is_client(
    const ngx_connection_t *c);
static void ngx_http_profiling_roster_client(ngx_connection_t *c,
    ngx_uint_t place);
static void ngx_http_profiling_roster_list(ngx_uint_t place);
static void ngx_http_profiling_roster_gone(void *data);


static ngx_http_profiling_roster_t   ngx_http_profiling_open;
static u_char                       *ngx_http_profiling_open_places;
static ngx_connection_t             *ngx_http_profiling_open_table;
static size_t                        ngx_http_profiling_open_size;
static ngx_event_actions_t           ngx_http_profiling_open_actions;


void
ngx_http_profiling_roster_init(ngx_cycle_t *cycle)
{
    u_char      *places;
    uint32_t    *list;
    ngx_uint_t   i;

    if (cycle->connections == NULL) {
        return;
    }

    places = ngx_pcalloc(cycle->pool, cycle->connection_n);
    list = ngx_palloc(cycle->pool, cycle->connection_n * sizeof(uint32_t));

    if (places == NULL || list == NULL) {
        return;
    }

    ngx_memzero(&ngx_http_profiling_open, sizeof(ngx_http_profiling_open));

    ngx_http_profiling_open.list = list;
    ngx_http_profiling_open_places = places;
    ngx_http_profiling_open_table = cycle->connections;
    ngx_http_profiling_open_size = cycle->connection_n
                                   * sizeof(ngx_connection_t);

    /* listening sockets, and what other modules have begun with */

    for (i = 0; i < cycle->connection_n; i++) {
        if (ngx_http_profiling_is_open(&cycle->connections[i])) {
            ngx_http_profiling_roster_see(&cycle->connections[i]);
        }
    }

    ngx_http_profiling_open_actions = ngx_event_actions;

    ngx_event_actions.add = ngx_http_profiling_roster_add;

    if (ngx_event_actions.add_conn) {
        ngx_event_actions.add_conn = ngx_http_profiling_roster_add_conn;
    }
}


static ngx_int_t
ngx_http_profiling_roster_add(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t flags)
{
    ngx_http_profiling_roster_see(ev->data);

    return ngx_http_profiling_open_actions.add(ev, event, flags);
}


static ngx_int_t
ngx_http_profiling_roster_add_conn(ngx_connection_t *c)
{
    ngx_http_profiling_roster_see(c);

    return ngx_http_profiling_open_actions.add_conn(c);
}


/* streams of HTTP/2 and others have connections outside the table */

static void
ngx_http_profiling_roster_see(ngx_connection_t *c)
{
    u_char      known;
    uintptr_t   offset;
    ngx_uint_t  place, client;

    offset = (uintptr_t) c - (uintptr_t) ngx_http_profiling_open_table;

    if (offset >= ngx_http_profiling_open_size) {
        return;
    }

    place = offset / sizeof(ngx_connection_t);
    known = ngx_http_profiling_open_places[place];

    client = ngx_http_profiling_roster_is_client(c);

    if (client && !(known & NGX_HTTP_PROFILING_CLIENT)) {
        ngx_http_profiling_roster_client(c, place);
    }

    /* a peer may be another one than the one before */

    if (!client) {
        ngx_http_profiling_roster_list(place);
    }
}


/* a listening socket has a connection too, which has no pool */

static ngx_uint_t
ngx_http_profiling_roster_is_client(const ngx_connection_t *c)
{
    return c->listening && c->pool;
}


static void
ngx_http_profiling_roster_client(ngx_connection_t *c, ngx_uint_t place)
{
    ngx_uint_t           http;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(c->pool, 0);
    if (cln == NULL) {
        return;
    }

    http = (c->listening->handler == ngx_http_init_connection);

    cln->handler = ngx_http_profiling_roster_gone;
    cln->data = (void *) (uintptr_t) (place << 1 | http);

    if (http) {
        ngx_http_profiling_open.http++;

    } else {
        ngx_http_profiling_open.clients++;
    }

    ngx_http_profiling_open.high = ngx_max(ngx_http_profiling_open.high,
                                           place + 1);

    /* it may still be in the list for what was there before */

    ngx_http_profiling_open_places[place] &= NGX_HTTP_PROFILING_LISTED;
    ngx_http_profiling_open_places[place] |= NGX_HTTP_PROFILING_CLIENT;
}


static void
ngx_http_profiling_roster_gone(void *data)
{
    uintptr_t  n;

    n = (uintptr_t) data;

    if (n & 1) {
        ngx_http_profiling_open.http--;

    } else {
        ngx_http_profiling_open.clients--;
    }

    ngx_http_profiling_open_places[n >> 1] &= ~NGX_HTTP_PROFILING_CLIENT;
}


static void
ngx_http_profiling_roster_list(ngx_uint_t place)
{
    u_char                       *known;
    ngx_http_profiling_roster_t  *open;

    open = &ngx_http_profiling_open;
    known = &ngx_http_profiling_open_places[place];

    if (!(*known & NGX_HTTP_PROFILING_LISTED)) {
        open->list[open->n++] = (uint32_t) place;
    }

    *known = NGX_HTTP_PROFILING_PEER|NGX_HTTP_PROFILING_LISTED;
}


ngx_http_profiling_roster_t *
ngx_http_profiling_roster(void)
{
    return ngx_http_profiling_open_places ? &ngx_http_profiling_open : NULL;
}


ngx_connection_t *
ngx_http_profiling_roster_entry(ngx_uint_t i, ngx_http_profiling_peer_e *peer)
{
    u_char                       *known;
    ngx_uint_t                    place;
    ngx_connection_t             *c;
    ngx_http_profiling_roster_t  *open;

    open = &ngx_http_profiling_open;
    place = open->list[i];
    known = &ngx_http_profiling_open_places[place];
    c = &ngx_http_profiling_open_table[place];

    if (!(*known & NGX_HTTP_PROFILING_PEER)
        || !ngx_http_profiling_is_open(c)
        || ngx_http_profiling_roster_is_client(c))
    {
        *known &= NGX_HTTP_PROFILING_CLIENT;
        open->list[i] = open->list[--open->n];

        return NULL;
    }

    *peer = *known >> NGX_HTTP_PROFILING_KIND;

    if (*peer == NGX_HTTP_PROFILING_PEER_UNKNOWN) {
        *peer = ngx_http_profiling_roster_peer(c);
        *known |= *peer << NGX_HTTP_PROFILING_KIND;
    }

    return c;
}


ngx_http_profiling_peer_e
ngx_http_profiling_roster_peer(const ngx_connection_t *c)
{
    /* listening sockets, the master's channel and our own eventfd */

    if (c->read == NULL || c->read->accept || c->read->channel) {
        return NGX_HTTP_PROFILING_PEER_OWN;
    }

    return c->read->resolver ? NGX_HTTP_PROFILING_PEER_RESOLVER
                             : NGX_HTTP_PROFILING_PEER_UPSTREAM;
}


ngx_uint_t
ngx_http_profiling_roster_complete(void)
{
    ngx_http_profiling_roster_t  *open;

    open = &ngx_http_profiling_open;

    return open->http + open->clients + open->n + open->strange
           == ngx_cycle->connection_n - ngx_cycle->free_connection_n;
}


void
ngx_http_profiling_roster_found(ngx_uint_t n)
{
    ngx_http_profiling_roster_t  *open;

    open = &ngx_http_profiling_open;

    if (n == open->http + open->clients + open->n) {
        open->strange = ngx_cycle->connection_n - ngx_cycle->free_connection_n
                        - n;
    }
}
