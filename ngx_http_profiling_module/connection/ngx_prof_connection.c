
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_connection.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_context.h"
#include "ngx_prof_label.h"
#include "ngx_prof_lua.h"
#include "ngx_prof_pool.h"
#include "ngx_prof_record.h"
#include "ngx_prof_connection_table.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* frames of Lua that are listed, with their phase */
#define NGX_PROF_CONNECTION_LUA       12

/* blocks of one pool that are read at most: bounds the time */
#define NGX_PROF_CONNECTION_BLOCKS    512

/* the same for requests of one connection, subrequests included */
#define NGX_PROF_CONNECTION_REQUESTS  64

/* clients with a request that are cached by their logs, a power of two */
#define NGX_PROF_CONNECTION_LOGS      4096

/* upstreams whose number is cached, a power of two */
#define NGX_PROF_CONNECTION_KNOWN     256

/* ids where nginx has no number; all fit into a double */
#define NGX_PROF_ID_STREAM       ((uint64_t) 1 << 52)
#define NGX_PROF_ID_UNNUMBERED   ((uint64_t) 1 << 50)


static void ngx_prof_connection_init(ngx_prof_connection_t *e,
    ngx_connection_t *c, ngx_uint_t kind);
static void ngx_prof_connection_client(ngx_prof_connection_t *e,
    ngx_connection_t *c, ngx_prof_connection_sort_e sort);
static void ngx_prof_connection_own(ngx_prof_connection_t *e,
    ngx_connection_t *c);
static ngx_http_connection_t *ngx_prof_connection_http(
    const ngx_connection_t *c, void *data);
static ngx_http_request_t *ngx_prof_connection_served(
    const ngx_connection_t *c);
static void ngx_prof_connection_idle(ngx_prof_connection_t *e,
    ngx_connection_t *c, ngx_http_connection_t *hc);
static void ngx_prof_connection_request(ngx_prof_connection_t *e,
    ngx_connection_t *c, ngx_http_request_t *r);
static ngx_uint_t ngx_prof_connection_state(ngx_connection_t *c,
    ngx_http_request_t *r);
static ngx_uint_t ngx_prof_connection_is_reading(const ngx_http_request_t *r);
static ngx_uint_t ngx_prof_connection_upstream_state(ngx_http_request_t *r);
static void ngx_prof_connection_upstream(ngx_prof_connection_t *e,
    ngx_connection_t *c);
static ngx_http_request_t *ngx_prof_connection_owner(const ngx_connection_t *c,
    ngx_http_request_t **request);
static ngx_http_request_t *ngx_prof_connection_logs(const ngx_log_t *log);
static ngx_http_request_t *ngx_prof_connection_next(ngx_http_request_t *r,
    ngx_uint_t *n);
static void ngx_prof_connection_handlers(ngx_prof_connection_t *e,
    ngx_http_request_t *r);
static void ngx_prof_connection_push(ngx_prof_connection_t *e,
    uintptr_t handler);
static uint32_t ngx_prof_connection_place(ngx_http_request_t *r);
static uint32_t ngx_prof_connection_number(
    const ngx_http_upstream_srv_conf_t *us);
static uint64_t ngx_prof_connection_pool(ngx_prof_connection_t *e,
    ngx_pool_t *pool);


/* the handler of connections to upstreams, learned from a request with one */
static ngx_event_handler_pt  ngx_prof_connection_handler;

/*
 * Connections to upstreams, and those of modules, use their client's log.
 * Entries may be stale: addresses are compared, never followed.
 */

static struct {
    const ngx_log_t         *log;
    const ngx_connection_t  *client;
} ngx_prof_connection_log[NGX_PROF_CONNECTION_LOGS];

static struct {
    const ngx_http_upstream_srv_conf_t  *upstream;
    uint32_t                             number;
} ngx_prof_connection_known[NGX_PROF_CONNECTION_KNOWN];


#define ngx_prof_connection_log_at(log)                                       \
    ngx_prof_connection_log[((uintptr_t) (log) >> 4)                          \
                            * 0x9e3779b97f4a7c15ULL >> 40                     \
                            & (NGX_PROF_CONNECTION_LOGS - 1)]

#define ngx_prof_connection_stream_id(c, id)                                  \
    (NGX_PROF_ID_STREAM                                                       \
     | (uint64_t) ((c)->number & 0x7fffffff) << 21 | ((id) & 0x1fffff))

#define ngx_prof_connection_handle(e, handler)                                \
    ngx_prof_connection_push(e, (uintptr_t) (handler))


void
ngx_prof_connection_begin(void)
{
    /* a new configuration may have other upstreams at these addresses */

    ngx_memzero(ngx_prof_connection_known, sizeof(ngx_prof_connection_known));
}


ngx_int_t
ngx_prof_connection_read(ngx_prof_connection_t *e, ngx_connection_t *c)
{
    ngx_prof_connection_sort_e  sort;

    sort = ngx_prof_connection_sort(c);

    switch (sort) {

    case NGX_PROF_SORT_HTTP:
    case NGX_PROF_SORT_QUIC:
        ngx_prof_connection_init(e, c, NGX_PROF_KIND_CLIENT);
        ngx_prof_connection_client(e, c, sort);
        break;

#if (NGX_QUIC)

    case NGX_PROF_SORT_STREAM:
        ngx_prof_connection_init(e, c, NGX_PROF_KIND_HTTP3);
        e->id = ngx_prof_connection_stream_id(c->quic->parent, c->quic->id);
        ngx_prof_connection_client(e, c, sort);
        break;

#endif

    case NGX_PROF_SORT_CLIENT:
        ngx_prof_connection_init(e, c, NGX_PROF_KIND_OTHER);

        if (ngx_prof_connection_table_handler(c->listening)) {
            ngx_prof_connection_own(e, c);

        } else {
            e->cut++;
        }

        break;

    case NGX_PROF_SORT_RESOLVER:
        ngx_prof_connection_init(e, c, NGX_PROF_KIND_RESOLVER);
        e->state = NGX_PROF_DUMP_RESOLVING;
        break;

    case NGX_PROF_SORT_PEER:

        if (c->idle) {

            /* whose pool this is, is unknown */

            ngx_prof_connection_init(e, c, NGX_PROF_KIND_KEEPALIVE);
            e->state = NGX_PROF_DUMP_IDLE;
            e->cut++;
            break;
        }

        ngx_prof_connection_init(e, c, NGX_PROF_KIND_UPSTREAM);
        ngx_prof_connection_upstream(e, c);
        break;

    default:
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_prof_connection_init(ngx_prof_connection_t *e, ngx_connection_t *c,
    ngx_uint_t kind)
{
    e->connection = c;
    e->log = NULL;
    e->request = NULL;
    e->owner = NULL;
    e->kind = kind;
    e->state = NGX_PROF_DUMP_OTHER;
    e->label = 0;
    e->connection_pool = 0;
    e->request_pool = 0;
    e->cut = 0;
    e->depth = 0;

    e->id = c->number ? c->number
                      : NGX_PROF_ID_UNNUMBERED
                        | (uint64_t) ngx_pid << 24 | (c->fd & 0xffffff);

    ngx_prof_connection_handle(e, c->read->handler);
    ngx_prof_connection_handle(e, c->write->handler);
}


/*
 * While TLS still shuts down, nginx has already freed the request, and c->data
 * with it.
 */

static ngx_uint_t
ngx_prof_connection_closing(const ngx_connection_t *c)
{
#if (NGX_HTTP_SSL)

    if (c->ssl && c->ssl->handler == ngx_http_close_connection) {
        return 1;
    }

#endif

    return c->destroyed && !c->idle;
}


/* for a connection whose pool and log nginx created and destroys with it */

static void
ngx_prof_connection_own(ngx_prof_connection_t *e, ngx_connection_t *c)
{
    e->connection_pool = ngx_prof_connection_pool(e, c->pool);
    e->log = c->log;
}


static void
ngx_prof_connection_client(ngx_prof_connection_t *e, ngx_connection_t *c,
    ngx_prof_connection_sort_e sort)
{
    ngx_http_request_t        *r;
    ngx_http_connection_t     *hc;
#if (NGX_HTTP_V2)
    ngx_http_v2_connection_t  *h2c;
#endif

    ngx_prof_connection_own(e, c);

    r = ngx_prof_connection_served(c);

    if (r) {
        e->request_pool = ngx_prof_connection_pool(e, r->main->pool);
        ngx_prof_connection_request(e, c, r);
        return;
    }

    if (c->data == NULL || ngx_prof_connection_closing(c)) {
        e->state = NGX_PROF_DUMP_CLOSING;
        return;
    }

    hc = c->data;

#if (NGX_HTTP_V2)

    h2c = ngx_prof_connection_v2(c);

    if (h2c) {
        hc = h2c->http_connection;

        ngx_prof_connection_handle(e, h2c->state.handler);
        e->connection_pool += ngx_prof_connection_pool(e, h2c->pool);
    }

#endif

    ngx_prof_connection_idle(e, c, ngx_prof_connection_http(c, hc));

    if (e->state == NGX_PROF_DUMP_TLS) {
        return;
    }

    if (sort == NGX_PROF_SORT_QUIC
#if (NGX_HTTP_V2)
        || h2c
#endif
       )
    {
        e->state = c->reusable ? NGX_PROF_DUMP_KEEPALIVE
                               : NGX_PROF_DUMP_STREAMS;
    }
}


/*
 * The state of an HTTP connection: it lies in the connection's own pool, and
 * holds an address of its listening socket.  NULL: data is something else.
 */

static ngx_http_connection_t *
ngx_prof_connection_http(const ngx_connection_t *c, void *data)
{
    size_t                  offset, size, conf;
    ngx_http_port_t        *port;
    ngx_http_connection_t  *hc;

    hc = data;
    port = c->listening->servers;

    if (!ngx_prof_pool_has(c->pool, hc,
                           sizeof(ngx_http_connection_t),
                           NGX_PROF_CONNECTION_BLOCKS))
    {
        return NULL;
    }

    size = sizeof(ngx_http_in_addr_t);
    conf = offsetof(ngx_http_in_addr_t, conf);

#if (NGX_HAVE_INET6)

    if (c->listening->sockaddr->sa_family == AF_INET6) {
        size = sizeof(ngx_http_in6_addr_t);
        conf = offsetof(ngx_http_in6_addr_t, conf);
    }

#endif

    offset = (uintptr_t) hc->addr_conf - (uintptr_t) port->addrs;

    return (offset < port->naddrs * size && offset % size == conf) ? hc : NULL;
}


/*
 * The request that a connection serves, from its first byte until nginx frees
 * it; or the subrequest that is sending now.  NULL: none.
 */

static ngx_http_request_t *
ngx_prof_connection_served(const ngx_connection_t *c)
{
    ngx_uint_t           n;
    ngx_http_request_t  *r, *sr;
    ngx_http_log_ctx_t  *ctx;

    if (ngx_prof_client_log == NULL
        || c->log->handler != ngx_prof_client_log
        || c->log->data == NULL)
    {
        return NULL;
    }

    ctx = c->log->data;
    r = ctx->request;

    if (r == NULL || r->connection != c || r->pool == NULL) {
        return NULL;
    }

    ngx_prof_connection_log_at(c->log).log = c->log;
    ngx_prof_connection_log_at(c->log).client = c;

    n = 0;

    for (sr = r; sr; sr = ngx_prof_connection_next(sr, &n)) {

        if (sr == c->data) {
            return sr;
        }
    }

    return r;
}


/*
 * the state of HTTP/2 begins with the connection's address; other data does
 * not
 */

#if (NGX_HTTP_V2)

ngx_http_v2_connection_t *
ngx_prof_connection_v2(const ngx_connection_t *c)
{
    ngx_http_v2_connection_t  *h2c;

    h2c = c->data;

    if (ngx_prof_connection_sort(c) != NGX_PROF_SORT_HTTP
        || ngx_prof_connection_closing(c)
        || !ngx_prof_pool_has(c->pool, h2c,
                              sizeof(ngx_http_v2_connection_t),
                              NGX_PROF_CONNECTION_BLOCKS)
        || h2c->connection != c
        || ngx_prof_connection_http(c, h2c->http_connection) == NULL)
    {
        return NULL;
    }

    return h2c;
}


void
ngx_prof_connection_stream(ngx_prof_connection_t *e,
    ngx_http_v2_stream_t *stream)
{
    ngx_connection_t    *fc;
    ngx_http_request_t  *r;

    fc = stream->request->connection;

    ngx_prof_connection_init(e, fc, NGX_PROF_KIND_STREAM);

    e->id = ngx_prof_connection_stream_id(fc, stream->node->id);
    e->log = fc->log;

    e->request_pool = ngx_prof_connection_pool(e, stream->request->pool)
                      + ngx_prof_connection_pool(e, stream->pool);

    r = ngx_prof_connection_served(fc);

    ngx_prof_connection_request(e, fc, r ? r : stream->request);
}

#endif


static void
ngx_prof_connection_idle(ngx_prof_connection_t *e, ngx_connection_t *c,
    ngx_http_connection_t *hc)
{
    ngx_prof_loc_conf_t  *lcf;

    if (hc) {
        lcf = hc->conf_ctx->loc_conf[ngx_http_profiling_module.ctx_index];
        e->label = ngx_prof_label(lcf->place + 1, 0, 0);
    }

    e->state = c->idle ? NGX_PROF_DUMP_KEEPALIVE
                       : NGX_PROF_DUMP_WAITING;

#if (NGX_HTTP_SSL)

    if (c->ssl && !c->ssl->handshaked) {
        e->state = NGX_PROF_DUMP_TLS;
        ngx_prof_connection_handle(e, c->ssl->handler);
    }

#endif
}


static void
ngx_prof_connection_request(ngx_prof_connection_t *e, ngx_connection_t *c,
    ngx_http_request_t *r)
{
    ngx_uint_t            n;
    ngx_http_request_t   *sr;
    ngx_http_upstream_t  *u;

    e->request = r->main;
    e->state = ngx_prof_connection_state(c, r);
    e->label = ngx_prof_connection_place(r->main);

    if (e->state == NGX_PROF_DUMP_TASK) {
        e->kind = NGX_PROF_KIND_TASK;
    }

    n = 0;

    for (sr = r->main; sr; sr = ngx_prof_connection_next(sr, &n)) {

        ngx_prof_connection_handlers(e, sr);

        u = sr->upstream;

        if (u == NULL || u->peer.connection == NULL) {
            continue;
        }

        if (e->owner == NULL || sr == r) {
            e->owner = sr;
        }

        if (u->peer.connection->data == sr
            && u->peer.connection->read->handler
               == u->peer.connection->write->handler
            && u->state
            && u->state->connect_time != (ngx_msec_t) -1
#if (NGX_HTTP_SSL)
            && (u->peer.connection->ssl == NULL
                || u->peer.connection->ssl->handshaked)
#endif
           )
        {
            ngx_prof_connection_handler =
                                          u->peer.connection->read->handler;
        }
    }

    if (e->owner) {
        e->label |= ngx_prof_label(0,
                 ngx_prof_connection_number(e->owner->upstream->upstream),
                 0);
    }
}


/* walks the tree of subrequests, parents first; NULL: no more */

static ngx_http_request_t *
ngx_prof_connection_next(ngx_http_request_t *r, ngx_uint_t *n)
{
    ngx_http_request_t            *parent;
    ngx_http_postponed_request_t  *pr;

    if (++*n == NGX_PROF_CONNECTION_REQUESTS) {
        return NULL;
    }

    for (pr = r->postponed; pr; pr = pr->next) {

        if (pr->request) {
            return pr->request;
        }
    }

    for ( /* void */ ; r != r->main; r = parent) {
        parent = r->parent;

        for (pr = parent->postponed; pr && pr->request != r; pr = pr->next) {
            /* void */
        }

        for (pr = pr ? pr->next : NULL; pr; pr = pr->next) {

            if (pr->request) {
                return pr->request;
            }
        }
    }

    return NULL;
}


/*
 * Adds the handlers that nginx will call for the request's next events, and
 * where its Lua waits for them
 */

static void
ngx_prof_connection_handlers(ngx_prof_connection_t *e, ngx_http_request_t *r)
{
    uint64_t                    pcs[NGX_PROF_CONNECTION_LUA];
    ngx_uint_t                  n;
    ngx_http_upstream_t        *u;
    ngx_http_core_main_conf_t  *cmcf;

    ngx_prof_connection_handle(e, r->read_event_handler);
    ngx_prof_connection_handle(e, r->write_event_handler);

    if (r->write_event_handler == ngx_http_core_run_phases) {
        cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

        ngx_prof_connection_handle(e,
                      cmcf->phase_engine.handlers[r->phase_handler].handler);
        ngx_prof_connection_handle(e, r->content_handler);
    }

    u = r->upstream;

    if (u && u->peer.connection) {
        ngx_prof_connection_handle(e, u->read_event_handler);
        ngx_prof_connection_handle(e, u->write_event_handler);
    }

    for (n = ngx_prof_lua_waits(r, pcs, NGX_PROF_CONNECTION_LUA); n; n--) {
        ngx_prof_connection_push(e, (uintptr_t) pcs[n - 1]);
    }
}


static void
ngx_prof_connection_push(ngx_prof_connection_t *e, uintptr_t handler)
{
    if (handler == 0
        || e->depth == NGX_PROF_DUMP_STACK
        || (e->depth && e->stack[e->depth - 1] == handler))
    {
        return;
    }

    e->stack[e->depth++] = handler;
}


static ngx_uint_t
ngx_prof_connection_state(ngx_connection_t *c, ngx_http_request_t *r)
{
    ngx_uint_t           state;
    ngx_http_request_t  *m;

    m = r->main;

#if (NGX_HTTP_CACHE)

    if ((r->cache && r->cache->waiting) || (m->cache && m->cache->waiting)) {
        return NGX_PROF_DUMP_LOCK;
    }

#endif

    if (m->blocked || m->aio || r->aio) {
        return NGX_PROF_DUMP_TASK;
    }

    if (m->http_state == NGX_HTTP_READING_REQUEST_STATE) {
        return NGX_PROF_DUMP_READING;
    }

    state = ngx_prof_connection_upstream_state(r);

    if (state == NGX_PROF_DUMP_OTHER && r != m) {
        state = ngx_prof_connection_upstream_state(m);
    }

    if (state != NGX_PROF_DUMP_OTHER) {
        return state;
    }

    if (m->lingering_time) {
        return NGX_PROF_DUMP_LINGERING;
    }

    if (ngx_prof_connection_is_reading(m)) {
        return NGX_PROF_DUMP_BODY;
    }

    if (c->write->delayed) {
        return NGX_PROF_DUMP_DELAYED;
    }

    if (m->header_sent && (c->buffered || m->buffered || m->out)) {
        return NGX_PROF_DUMP_SENDING;
    }

    return NGX_PROF_DUMP_PROCESSING;
}


/* nginx blocks reading when the body is complete */

static ngx_uint_t
ngx_prof_connection_is_reading(const ngx_http_request_t *r)
{
    return r->reading_body
           || (r->request_body
               && r->request_body->rest != 0
               && r->request_body->post_handler
               && r->read_event_handler != ngx_http_block_reading);
}


/* OTHER: the request does not wait for an upstream */

static ngx_uint_t
ngx_prof_connection_upstream_state(ngx_http_request_t *r)
{
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL) {
        return NGX_PROF_DUMP_OTHER;
    }

    if (u->resolved && u->resolved->ctx) {
        return NGX_PROF_DUMP_RESOLVING;
    }

    if (u->peer.connection == NULL || u->state == NULL) {
        return NGX_PROF_DUMP_OTHER;
    }

    if (u->state->connect_time == (ngx_msec_t) -1) {
        return NGX_PROF_DUMP_CONNECTING;
    }

    if (u->state->header_time == (ngx_msec_t) -1) {
        return u->request_body_sent ? NGX_PROF_DUMP_RESPONSE
                                    : NGX_PROF_DUMP_REQUEST;
    }

    if (u->upgrade) {
        return NGX_PROF_DUMP_UPGRADED;
    }

    c = r->connection;

    if (c->write->delayed) {
        return NGX_PROF_DUMP_DELAYED;
    }

    /* the client does not take what the upstream has sent */

    if (!c->write->ready && (c->buffered || r->main->out)) {
        return NGX_PROF_DUMP_SENDING;
    }

    return NGX_PROF_DUMP_UPSTREAM;
}


static void
ngx_prof_connection_upstream(ngx_prof_connection_t *e, ngx_connection_t *c)
{
    ngx_http_request_t  *r;

    e->owner = ngx_prof_connection_owner(c, &e->request);

    if (e->request) {
        e->log = c->log;
        e->label = ngx_prof_connection_place(e->request);
    }

    if (e->owner == NULL) {

        /*
         * a connection of a module, or of stream: whose pool it has is unknown
         */

        e->cut++;
        return;
    }

    ngx_prof_connection_own(e, c);

    r = e->owner;

    e->request = r;
    e->state = ngx_prof_connection_upstream_state(r);
    e->label = ngx_prof_connection_place(r)
               | ngx_prof_label(0,
                       ngx_prof_connection_number(r->upstream->upstream),
                       0);

#if (NGX_HTTP_SSL)

    if (c->ssl && !c->ssl->handshaked) {
        ngx_prof_connection_handle(e, c->ssl->handler);
    }

#endif

    ngx_prof_connection_handle(e, r->upstream->read_event_handler);
    ngx_prof_connection_handle(e, r->upstream->write_event_handler);
}


/*
 * Returns the request whose upstream a connection leads to. *request: the
 * client's request, also if the connection is a module's.
 */

static ngx_http_request_t *
ngx_prof_connection_owner(const ngx_connection_t *c,
    ngx_http_request_t **request)
{
    ngx_uint_t           n;
    ngx_http_request_t  *r;

    *request = ngx_prof_connection_logs(c->log);
    n = 0;

    for (r = *request; r; r = ngx_prof_connection_next(r, &n)) {

        if (r->upstream && r->upstream->peer.connection == c) {
            return r;
        }
    }

    /* background subrequests are in no list */

    if (ngx_prof_connection_handler
        && c->read->handler == ngx_prof_connection_handler)
    {
        r = c->data;

        if (r->upstream && r->upstream->peer.connection == c) {
            return r;
        }
    }

    return NULL;
}


/* the main request of the client that uses a log; NULL: unknown */

static ngx_http_request_t *
ngx_prof_connection_logs(const ngx_log_t *log)
{
    ngx_http_request_t      *r;
    const ngx_connection_t  *c;
    ngx_prof_context_t      *stream;

    c = ngx_prof_connection_log_at(log).client;

    if (log == NULL || ngx_prof_connection_log_at(log).log != log) {
        return NULL;
    }

    if (ngx_prof_context(c) == NULL) {

        /* a stream of HTTP/2 */

        stream = ngx_prof_context_owner((uintptr_t) c);

        return (stream && c->log == log)
               ? (ngx_http_request_t *) stream->request : NULL;
    }

    if (!ngx_prof_is_open(c) || c->log != log) {
        return NULL;
    }

    switch (ngx_prof_connection_sort(c)) {

    case NGX_PROF_SORT_HTTP:
    case NGX_PROF_SORT_STREAM:
        r = ngx_prof_connection_served(c);
        return r ? r->main : NULL;

    default:
        return NULL;
    }
}


static uint32_t
ngx_prof_connection_place(ngx_http_request_t *r)
{
    ngx_prof_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    return ngx_prof_label(lcf->place + 1, 0, 0);
}


/* the number of an upstream in the zone, 0: it has none */

static uint32_t
ngx_prof_connection_number(const ngx_http_upstream_srv_conf_t *us)
{
    ngx_uint_t  i;

    if (us == NULL) {
        return 0;
    }

    i = ((uintptr_t) us >> 4) * 0x9e3779b97f4a7c15ULL >> 40
        & (NGX_PROF_CONNECTION_KNOWN - 1);

    if (ngx_prof_connection_known[i].upstream == us) {
        return ngx_prof_connection_known[i].number;
    }

    ngx_prof_connection_known[i].upstream = us;
    ngx_prof_connection_known[i].number =
                                    (uint32_t) ngx_prof_context_upstream(us);

    return ngx_prof_connection_known[i].number;
}


static uint64_t
ngx_prof_connection_pool(ngx_prof_connection_t *e, ngx_pool_t *pool)
{
    ngx_prof_pool_t  m;

    if (pool == NULL) {
        return 0;
    }

    ngx_memzero(&m, sizeof(ngx_prof_pool_t));

    if (ngx_prof_pool_measure(&m, pool,
                              NGX_PROF_CONNECTION_BLOCKS) != NGX_OK) {
        e->cut++;
    }

    return m.size;
}
