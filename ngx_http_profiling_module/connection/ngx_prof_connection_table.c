
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include "ngx_prof_connection_table.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_worker.h"


/* what is recorded of an entry of the table */
#define NGX_PROF_CLIENT  0x1                /* its pool's cleanup will
                                               report its end */
#define NGX_PROF_PEER    0x2                /* any other connection */
#define NGX_PROF_LISTED  0x4                /* it is in the list */
#define NGX_PROF_KIND    3                  /* ngx_prof_connection_sort_e << */


static ngx_int_t ngx_prof_connection_table_add(ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t flags);
static ngx_int_t ngx_prof_connection_table_add_conn(ngx_connection_t *c);
static void ngx_prof_connection_table_see(ngx_connection_t *c);
static ngx_uint_t ngx_prof_connection_table_is_client(
    const ngx_connection_t *c);
static void ngx_prof_connection_table_client(ngx_connection_t *c,
    ngx_uint_t place);
static void ngx_prof_connection_table_list(ngx_uint_t place);
static void ngx_prof_connection_table_gone(void *data);
static void ngx_prof_connection_table_begin(ngx_connection_t *c);
static void ngx_prof_connection_table_learn(const ngx_connection_t *c);


ngx_log_handler_pt                   ngx_prof_client_log;

static ngx_prof_connection_table_t  ngx_prof_open;
static u_char                      *ngx_prof_open_places;
static ngx_connection_t            *ngx_prof_open_table;
static size_t                       ngx_prof_open_size;
static ngx_event_actions_t          ngx_prof_open_actions;
static ngx_listening_t             *ngx_prof_open_listening;
static ngx_uint_t                   ngx_prof_open_listening_n;
static ngx_connection_handler_pt   *ngx_prof_open_handlers;


void
ngx_prof_connection_table_init(ngx_cycle_t *cycle)
{
    u_char           *places;
    uint32_t         *list;
    ngx_uint_t        i, n;
    ngx_listening_t  *ls;

    if (cycle->connections == NULL) {
        return;
    }

    places = ngx_pcalloc(cycle->pool, cycle->connection_n);
    list = ngx_palloc(cycle->pool, cycle->connection_n * sizeof(uint32_t));

    ls = cycle->listening.elts;
    n = cycle->listening.nelts;

    ngx_prof_open_handlers = ngx_palloc(cycle->pool,
                                       n * sizeof(ngx_connection_handler_pt));

    if (places == NULL
        || list == NULL
        || ngx_prof_open_handlers == NULL)
    {
        return;
    }

    for (i = 0; i < n; i++) {
        ngx_prof_open_handlers[i] = ls[i].handler;

        if (ls[i].type == SOCK_DGRAM) {
            ls[i].handler = ngx_prof_connection_table_begin;
        }
    }

    ngx_prof_open_listening = ls;
    ngx_prof_open_listening_n = n;

    ngx_memzero(&ngx_prof_open, sizeof(ngx_prof_open));

    ngx_prof_open.list = list;
    ngx_prof_open_places = places;
    ngx_prof_open_table = cycle->connections;
    ngx_prof_open_size = cycle->connection_n
                                   * sizeof(ngx_connection_t);

    /* listening sockets, and connections that other modules opened already */

    for (i = 0; i < cycle->connection_n; i++) {
        if (ngx_prof_is_open(&cycle->connections[i])) {
            ngx_prof_connection_table_see(&cycle->connections[i]);
        }
    }

    ngx_prof_open_actions = ngx_event_actions;

    ngx_event_actions.add = ngx_prof_connection_table_add;

    if (ngx_event_actions.add_conn) {
        ngx_event_actions.add_conn = ngx_prof_connection_table_add_conn;
    }
}


static ngx_int_t
ngx_prof_connection_table_add(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t flags)
{
    ngx_prof_connection_table_see(ev->data);

    return ngx_prof_open_actions.add(ev, event, flags);
}


static ngx_int_t
ngx_prof_connection_table_add_conn(ngx_connection_t *c)
{
    ngx_prof_connection_table_see(c);

    return ngx_prof_open_actions.add_conn(c);
}


/* some connections lie outside the table, as streams do */

static void
ngx_prof_connection_table_see(ngx_connection_t *c)
{
    u_char      known;
    uintptr_t   offset;
    ngx_uint_t  place, client;

    offset = (uintptr_t) c - (uintptr_t) ngx_prof_open_table;

    if (offset >= ngx_prof_open_size) {
        return;
    }

    place = offset / sizeof(ngx_connection_t);
    known = ngx_prof_open_places[place];

    client = ngx_prof_connection_table_is_client(c);

    if (client && !(known & NGX_PROF_CLIENT)) {
        ngx_prof_connection_table_client(c, place);
    }

    /* a peer's entry may have passed to another peer */

    if (!client) {
        ngx_prof_connection_table_list(place);
    }
}


/* a listening socket has a connection too, but no pool */

static ngx_uint_t
ngx_prof_connection_table_is_client(const ngx_connection_t *c)
{
    return c->listening
           && c->pool
           && ngx_prof_connection_table_handler(c->listening);
}


static void
ngx_prof_connection_table_client(ngx_connection_t *c, ngx_uint_t place)
{
    ngx_uint_t           http;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(c->pool, 0);
    if (cln == NULL) {
        return;
    }

    http = (ngx_prof_connection_table_handler(c->listening)
            == ngx_http_init_connection);

    cln->handler = ngx_prof_connection_table_gone;
    cln->data = (void *) (uintptr_t) (place << 1 | http);

    if (http) {
        ngx_prof_open.http++;
        ngx_prof_connection_table_learn(c);

    } else {
        ngx_prof_open.clients++;
    }

    ngx_prof_open.high = ngx_max(ngx_prof_open.high, place + 1);

    /* the index may still be in the list for an earlier connection */

    ngx_prof_open_places[place] &= NGX_PROF_LISTED;
    ngx_prof_open_places[place] |= NGX_PROF_CLIENT;
}


static void
ngx_prof_connection_table_gone(void *data)
{
    uintptr_t  n;

    n = (uintptr_t) data;

    if (n & 1) {
        ngx_prof_open.http--;

    } else {
        ngx_prof_open.clients--;
    }

    ngx_prof_open_places[n >> 1] &= ~NGX_PROF_CLIENT;
}


static void
ngx_prof_connection_table_list(ngx_uint_t place)
{
    u_char                       *known;
    ngx_prof_connection_table_t  *open;

    open = &ngx_prof_open;
    known = &ngx_prof_open_places[place];

    if (!(*known & NGX_PROF_LISTED)) {
        open->list[open->n++] = (uint32_t) place;
    }

    *known = NGX_PROF_PEER|NGX_PROF_LISTED;
}


ngx_prof_connection_table_t *
ngx_prof_connection_table(void)
{
    return ngx_prof_open_places ? &ngx_prof_open : NULL;
}


ngx_connection_t *
ngx_prof_connection_table_entry(ngx_uint_t i, ngx_prof_connection_sort_e *sort)
{
    u_char                       *known;
    ngx_uint_t                    place;
    ngx_connection_t             *c;
    ngx_prof_connection_table_t  *open;

    open = &ngx_prof_open;
    place = open->list[i];
    known = &ngx_prof_open_places[place];
    c = &ngx_prof_open_table[place];

    if (!(*known & NGX_PROF_PEER)
        || !ngx_prof_is_open(c)
        || ngx_prof_connection_table_is_client(c))
    {
        *known &= NGX_PROF_CLIENT;
        open->list[i] = open->list[--open->n];

        return NULL;
    }

    *sort = *known >> NGX_PROF_KIND;

    if (*sort == NGX_PROF_SORT_UNKNOWN) {
        *sort = ngx_prof_connection_sort(c);
        *known |= *sort << NGX_PROF_KIND;
    }

    return c;
}


ngx_prof_connection_sort_e
ngx_prof_connection_sort(const ngx_connection_t *c)
{
    /* listening sockets, the master's channel and our own eventfd */

    if (c->read == NULL || c->read->accept || c->read->channel) {
        return NGX_PROF_SORT_OWN;
    }

    if (c->listening == NULL) {
        return c->read->resolver ? NGX_PROF_SORT_RESOLVER
                                 : NGX_PROF_SORT_PEER;
    }

    if (ngx_prof_connection_table_handler(c->listening)
        != ngx_http_init_connection)
    {
        return NGX_PROF_SORT_CLIENT;
    }

    if (c->type == SOCK_DGRAM) {
        return NGX_PROF_SORT_QUIC;
    }

#if (NGX_QUIC)

    if (c->quic) {
        return (c->quic->id & NGX_QUIC_STREAM_UNIDIRECTIONAL)
               ? NGX_PROF_SORT_CONTROL
               : NGX_PROF_SORT_STREAM;
    }

#elif (NGX_COMPAT && nginx_version >= 1025000)

    /* this nginx may have been built without what these headers have */

    if (c->quic) {
        return NGX_PROF_SORT_CONTROL;
    }

#endif

    return NGX_PROF_SORT_HTTP;
}


ngx_connection_handler_pt
ngx_prof_connection_table_handler(const ngx_listening_t *ls)
{
    size_t  offset, size;

    size = sizeof(ngx_listening_t);
    offset = (uintptr_t) ls - (uintptr_t) ngx_prof_open_listening;

    if (offset >= ngx_prof_open_listening_n * size || offset % size) {
        return NULL;
    }

    return ngx_prof_open_handlers[offset / size];
}


/* called for each UDP client; for QUIC also for each stream */

static void
ngx_prof_connection_table_begin(ngx_connection_t *c)
{
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    if (slot && c->type == SOCK_DGRAM) {
        ngx_prof_add(&slot->totals.accepted, 1);
    }

#if (NGX_QUIC)

    if (c->quic) {
        ngx_prof_connection_table_learn(c->quic->parent);
    }

#endif

    ngx_prof_connection_table_handler(c->listening)(c);
}


/* learns from an HTTP client that nginx has initialized */

static void
ngx_prof_connection_table_learn(const ngx_connection_t *c)
{
    if (c->log->handler && c->log->handler != c->listening->log.handler) {
        ngx_prof_client_log = c->log->handler;
    }
}


ngx_uint_t
ngx_prof_connection_table_complete(void)
{
    ngx_prof_connection_table_t  *open;

    open = &ngx_prof_open;

    return open->http + open->clients + open->n + open->strange
           == ngx_cycle->connection_n - ngx_cycle->free_connection_n;
}


void
ngx_prof_connection_table_found(ngx_uint_t n)
{
    ngx_prof_connection_table_t  *open;

    open = &ngx_prof_open;

    if (n == open->http + open->clients + open->n) {
        open->strange = ngx_cycle->connection_n - ngx_cycle->free_connection_n
                        - n;
    }
}
