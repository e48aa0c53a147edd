
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_entry.h"
#include "ngx_http_profiling_context.h"
#include "ngx_http_profiling_pool.h"
#include "ngx_http_profiling_roster.h"


/* blocks of one pool that are looked at: a bound of the time it takes */
#define NGX_HTTP_PROFILING_ENTRY_BLOCKS    512

/* requests of one connection, subrequests included, the same */
#define NGX_HTTP_PROFILING_ENTRY_REQUESTS  64

/* upstreams whose number is remembered, a power of two */
#define NGX_HTTP_PROFILING_ENTRY_KNOWN     256

/* ids of what has no number of nginx's own; all fit into a double */
#define NGX_HTTP_PROFILING_ID_STREAM       ((uint64_t) 1 << 52)
#define NGX_HTTP_PROFILING_ID_UNNUMBERED   ((uint64_t) 1 << 50)


static void ngx_http_profiling_entry_init(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c, ngx_uint_t kind);
static void ngx_http_profiling_entry_client(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c);
static void ngx_http_profiling_entry_idle(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c, ngx_http_connection_t *hc);
static void ngx_http_profiling_entry_request(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c, ngx_http_request_t *r);
static ngx_http_request_t *ngx_http_profiling_entry_is_request(
    const ngx_connection_t *c);
static ngx_uint_t ngx_http_profiling_entry_state(ngx_connection_t *c,
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_profiling_entry_is_reading(
    const ngx_http_request_t *r);
static ngx_uint_t ngx_http_profiling_entry_upstream_state(
    ngx_http_request_t *r);
static void ngx_http_profiling_entry_upstream(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c);
static ngx_http_request_t *ngx_http_profiling_entry_owner(
    const ngx_connection_t *c, ngx_http_request_t **request);
static ngx_http_request_t *ngx_http_profiling_entry_next(
    ngx_http_request_t *r, ngx_uint_t *n);
static void ngx_http_profiling_entry_handlers(ngx_http_profiling_entry_t *e,
    ngx_http_request_t *r);
static void ngx_http_profiling_entry_push(ngx_http_profiling_entry_t *e,
    uintptr_t handler);
static uint32_t ngx_http_profiling_entry_place(ngx_http_request_t *r);
static uint32_t ngx_http_profiling_entry_number(
    const ngx_http_upstream_srv_conf_t *us);
static uint64_t ngx_http_profiling_entry_pool(ngx_http_profiling_entry_t *e,
    ngx_pool_t *pool);


/* c->log->handler of clients, and the handler of connections to upstreams */
static ngx_log_handler_pt    ngx_http_profiling_entry_log;
static ngx_event_handler_pt  ngx_http_profiling_entry_handler;

static struct {
    const ngx_http_upstream_srv_conf_t  *upstream;
    uint32_t                             number;
} ngx_http_profiling_entry_known[NGX_HTTP_PROFILING_ENTRY_KNOWN];


#define ngx_http_profiling_entry_handle(e, handler)                           \
    ngx_http_profiling_entry_push(e, (uintptr_t) (handler))


void
ngx_http_profiling_entry_begin(ngx_cycle_t *cycle, ngx_uint_t max)
{
    ngx_uint_t         i;
    ngx_connection_t  *c;

    /* another configuration may have other upstreams at these addresses */

    ngx_memzero(ngx_http_profiling_entry_known,
                sizeof(ngx_http_profiling_entry_known));

    if (ngx_http_profiling_entry_log || cycle->connections == NULL) {
        return;
    }

    for (i = 0; i < cycle->connection_n && i < max; i++) {
        c = &cycle->connections[i];

        if (ngx_http_profiling_is_open(c)
            && c->listening
            && c->listening->handler == ngx_http_init_connection
            && c->read
            && !c->read->accept
            && c->log
            && c->log->handler
            && c->log->handler != c->listening->log.handler)
        {
            ngx_http_profiling_entry_log = c->log->handler;
            return;
        }
    }
}


ngx_int_t
ngx_http_profiling_entry_read(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c)
{
    if (c->read == NULL || c->read->accept || c->read->channel) {
        return NGX_DECLINED;
    }

    if (c->listening) {
        ngx_http_profiling_entry_init(e, c, NGX_HTTP_PROFILING_KIND_CLIENT);
        ngx_http_profiling_entry_client(e, c);

    } else if (c->read->resolver) {
        ngx_http_profiling_entry_init(e, c, NGX_HTTP_PROFILING_KIND_RESOLVER);
        e->state = NGX_HTTP_PROFILING_DUMP_RESOLVING;

    } else if (c->idle) {
        ngx_http_profiling_entry_init(e, c,
                                      NGX_HTTP_PROFILING_KIND_KEEPALIVE);
        e->state = NGX_HTTP_PROFILING_DUMP_IDLE;
        e->connection_pool = ngx_http_profiling_entry_pool(e, c->pool);

    } else {
        ngx_http_profiling_entry_init(e, c, NGX_HTTP_PROFILING_KIND_UPSTREAM);
        ngx_http_profiling_entry_upstream(e, c);
    }

    return NGX_OK;
}


static void
ngx_http_profiling_entry_init(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c, ngx_uint_t kind)
{
    e->connection = c;
    e->request = NULL;
    e->owner = NULL;
    e->kind = kind;
    e->state = NGX_HTTP_PROFILING_DUMP_OTHER;
    e->label = 0;
    e->connection_pool = 0;
    e->request_pool = 0;
    e->cut = 0;
    e->depth = 0;

    e->id = c->number ? c->number
                      : NGX_HTTP_PROFILING_ID_UNNUMBERED
                        | (uint64_t) ngx_pid << 24 | (c->fd & 0xffffff);

    ngx_http_profiling_entry_handle(e, c->read->handler);
    ngx_http_profiling_entry_handle(e, c->write->handler);
}


/*
 * When TLS has still to say goodbye, nginx has freed the request already, and
 * c->data with it.
 */

ngx_uint_t
ngx_http_profiling_entry_closing(const ngx_connection_t *c)
{
#if (NGX_HTTP_SSL)

    if (c->ssl && c->ssl->handler == ngx_http_close_connection) {
        return 1;
    }

#endif

    return c->destroyed && !c->idle;
}


static void
ngx_http_profiling_entry_client(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c)
{
    ngx_http_request_t        *r;
#if (NGX_HTTP_V2)
    ngx_http_v2_connection_t  *h2c;
#endif

    e->connection_pool = ngx_http_profiling_entry_pool(e, c->pool);

    if (c->listening->handler != ngx_http_init_connection
        || c->type != SOCK_STREAM)
    {
        e->kind = NGX_HTTP_PROFILING_KIND_OTHER;
        return;
    }

    if (c->data == NULL || ngx_http_profiling_entry_closing(c)) {
        e->state = NGX_HTTP_PROFILING_DUMP_CLOSING;
        return;
    }

#if (NGX_HTTP_V2)

    h2c = ngx_http_profiling_entry_v2(c);

    if (h2c) {
        ngx_http_profiling_entry_idle(e, c, h2c->http_connection);
        ngx_http_profiling_entry_handle(e, h2c->state.handler);

        e->connection_pool += ngx_http_profiling_entry_pool(e, h2c->pool);
        e->state = c->reusable ? NGX_HTTP_PROFILING_DUMP_KEEPALIVE
                               : NGX_HTTP_PROFILING_DUMP_STREAMS;
        return;
    }

#endif

    r = ngx_http_profiling_entry_is_request(c);

    if (r) {
        e->request_pool = ngx_http_profiling_entry_pool(e, r->main->pool);
        ngx_http_profiling_entry_request(e, c, r);
        return;
    }

    ngx_http_profiling_entry_idle(e, c, c->data);
}


/* the first word of what HTTP/2 keeps is the connection; of others it is not */

#if (NGX_HTTP_V2)

ngx_http_v2_connection_t *
ngx_http_profiling_entry_v2(const ngx_connection_t *c)
{
    ngx_http_v2_connection_t  *h2c;

    if (c->listening->handler != ngx_http_init_connection
        || c->type != SOCK_STREAM
        || c->data == NULL
        || ngx_http_profiling_entry_closing(c))
    {
        return NULL;
    }

    h2c = c->data;

    return (h2c->connection == c) ? h2c : NULL;
}


void
ngx_http_profiling_entry_stream(ngx_http_profiling_entry_t *e,
    ngx_http_v2_stream_t *stream)
{
    ngx_connection_t    *fc;
    ngx_http_request_t  *r;

    fc = stream->request->connection;

    ngx_http_profiling_entry_init(e, fc, NGX_HTTP_PROFILING_KIND_STREAM);

    e->id = NGX_HTTP_PROFILING_ID_STREAM
            | (uint64_t) (fc->number & 0x7fffffff) << 21
            | (stream->node->id & 0x1fffff);

    e->request_pool = ngx_http_profiling_entry_pool(e, stream->request->pool)
                      + ngx_http_profiling_entry_pool(e, stream->pool);

    r = ngx_http_profiling_entry_is_request(fc);

    ngx_http_profiling_entry_request(e, fc, r ? r : stream->request);
}

#endif


/* the one that is served: a subrequest too; NULL: c->data is something else */

static ngx_http_request_t *
ngx_http_profiling_entry_is_request(const ngx_connection_t *c)
{
    ngx_http_request_t  *r;

    r = c->data;

    if (r == NULL
        || r->signature != NGX_HTTP_MODULE
        || r->connection != c
        || r->pool == NULL)
    {
        return NULL;
    }

    return r;
}


static void
ngx_http_profiling_entry_idle(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c, ngx_http_connection_t *hc)
{
    ngx_http_profiling_loc_conf_t  *lcf;

    lcf = hc->conf_ctx->loc_conf[ngx_http_profiling_module.ctx_index];
    e->label = ngx_http_profiling_label(lcf->place + 1, 0, 0);

    e->state = c->idle ? NGX_HTTP_PROFILING_DUMP_KEEPALIVE
                       : NGX_HTTP_PROFILING_DUMP_WAITING;

#if (NGX_HTTP_SSL)

    if (c->ssl && !c->ssl->handshaked) {
        e->state = NGX_HTTP_PROFILING_DUMP_TLS;
        ngx_http_profiling_entry_handle(e, c->ssl->handler);
    }

#endif
}


static void
ngx_http_profiling_entry_request(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c, ngx_http_request_t *r)
{
    ngx_uint_t            n;
    ngx_http_request_t   *sr;
    ngx_http_upstream_t  *u;

    e->request = r->main;
    e->state = ngx_http_profiling_entry_state(c, r);
    e->label = ngx_http_profiling_entry_place(r->main);

    if (e->state == NGX_HTTP_PROFILING_DUMP_TASK) {
        e->kind = NGX_HTTP_PROFILING_KIND_TASK;
    }

    n = 0;

    for (sr = r->main; sr; sr = ngx_http_profiling_entry_next(sr, &n)) {

        ngx_http_profiling_entry_handlers(e, sr);

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
            && u->state->connect_time != (ngx_msec_t) -1)
        {
            ngx_http_profiling_entry_handler =
                                          u->peer.connection->read->handler;
        }
    }

    if (e->owner) {
        e->label |= ngx_http_profiling_label(0,
                 ngx_http_profiling_entry_number(e->owner->upstream->upstream),
                 0);
    }
}


/* the tree of subrequests, parents first; NULL: that were all */

static ngx_http_request_t *
ngx_http_profiling_entry_next(ngx_http_request_t *r, ngx_uint_t *n)
{
    ngx_http_request_t            *parent;
    ngx_http_postponed_request_t  *pr;

    if (++*n == NGX_HTTP_PROFILING_ENTRY_REQUESTS) {
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


/* the handlers that nginx calls for a request at its next events */

static void
ngx_http_profiling_entry_handlers(ngx_http_profiling_entry_t *e,
    ngx_http_request_t *r)
{
    ngx_http_upstream_t        *u;
    ngx_http_core_main_conf_t  *cmcf;

    ngx_http_profiling_entry_handle(e, r->read_event_handler);
    ngx_http_profiling_entry_handle(e, r->write_event_handler);

    if (r->write_event_handler == ngx_http_core_run_phases) {
        cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

        ngx_http_profiling_entry_handle(e,
                      cmcf->phase_engine.handlers[r->phase_handler].handler);
        ngx_http_profiling_entry_handle(e, r->content_handler);
    }

    u = r->upstream;

    if (u && u->peer.connection) {
        ngx_http_profiling_entry_handle(e, u->read_event_handler);
        ngx_http_profiling_entry_handle(e, u->write_event_handler);
    }
}


static void
ngx_http_profiling_entry_push(ngx_http_profiling_entry_t *e,
    uintptr_t handler)
{
    if (handler == 0
        || e->depth == NGX_HTTP_PROFILING_DUMP_STACK
        || (e->depth && e->stack[e->depth - 1] == handler))
    {
        return;
    }

    e->stack[e->depth++] = handler;
}


static ngx_uint_t
ngx_http_profiling_entry_state(ngx_connection_t *c, ngx_http_request_t *r)
{
    ngx_uint_t           state;
    ngx_http_request_t  *m;

    m = r->main;

    if (m->blocked || m->aio || r->aio) {
        return NGX_HTTP_PROFILING_DUMP_TASK;
    }

    if (m->http_state == NGX_HTTP_READING_REQUEST_STATE) {
        return NGX_HTTP_PROFILING_DUMP_READING;
    }

    state = ngx_http_profiling_entry_upstream_state(r);

    if (state == NGX_HTTP_PROFILING_DUMP_OTHER && r != m) {
        state = ngx_http_profiling_entry_upstream_state(m);
    }

    if (state != NGX_HTTP_PROFILING_DUMP_OTHER) {
        return state;
    }

    if (m->lingering_time) {
        return NGX_HTTP_PROFILING_DUMP_LINGERING;
    }

    if (ngx_http_profiling_entry_is_reading(m)) {
        return NGX_HTTP_PROFILING_DUMP_BODY;
    }

    if (c->write->delayed) {
        return NGX_HTTP_PROFILING_DUMP_DELAYED;
    }

    if (m->header_sent && (c->buffered || m->buffered || m->out)) {
        return NGX_HTTP_PROFILING_DUMP_SENDING;
    }

    return NGX_HTTP_PROFILING_DUMP_PROCESSING;
}


/* nginx blocks reading when the body is complete */

static ngx_uint_t
ngx_http_profiling_entry_is_reading(const ngx_http_request_t *r)
{
    return r->reading_body
           || (r->request_body
               && r->request_body->rest != 0
               && r->request_body->post_handler
               && r->read_event_handler != ngx_http_block_reading);
}


/* OTHER: the request does not wait for an upstream */

static ngx_uint_t
ngx_http_profiling_entry_upstream_state(ngx_http_request_t *r)
{
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL) {
        return NGX_HTTP_PROFILING_DUMP_OTHER;
    }

    if (u->resolved && u->resolved->ctx) {
        return NGX_HTTP_PROFILING_DUMP_RESOLVING;
    }

    if (u->peer.connection == NULL || u->state == NULL) {
        return NGX_HTTP_PROFILING_DUMP_OTHER;
    }

    if (u->state->connect_time == (ngx_msec_t) -1) {
        return NGX_HTTP_PROFILING_DUMP_CONNECTING;
    }

    if (u->state->header_time == (ngx_msec_t) -1) {
        return u->request_body_sent ? NGX_HTTP_PROFILING_DUMP_RESPONSE
                                    : NGX_HTTP_PROFILING_DUMP_REQUEST;
    }

    if (u->upgrade) {
        return NGX_HTTP_PROFILING_DUMP_UPGRADED;
    }

    c = r->connection;

    if (c->write->delayed) {
        return NGX_HTTP_PROFILING_DUMP_DELAYED;
    }

    /* what the upstream sent is kept back by the client */

    if (!c->write->ready && (c->buffered || r->main->out)) {
        return NGX_HTTP_PROFILING_DUMP_SENDING;
    }

    return NGX_HTTP_PROFILING_DUMP_UPSTREAM;
}


static void
ngx_http_profiling_entry_upstream(ngx_http_profiling_entry_t *e,
    ngx_connection_t *c)
{
    ngx_http_request_t  *r;

    e->connection_pool = ngx_http_profiling_entry_pool(e, c->pool);
    e->owner = ngx_http_profiling_entry_owner(c, &e->request);

    if (e->owner == NULL) {

        if (e->request) {
            e->label = ngx_http_profiling_entry_place(e->request);
        }

        return;
    }

    r = e->owner;

    e->request = r;
    e->state = ngx_http_profiling_entry_upstream_state(r);
    e->label = ngx_http_profiling_entry_place(r)
               | ngx_http_profiling_label(0,
                       ngx_http_profiling_entry_number(r->upstream->upstream),
                       0);

#if (NGX_HTTP_SSL)

    if (c->ssl && !c->ssl->handshaked) {
        ngx_http_profiling_entry_handle(e, c->ssl->handler);
    }

#endif

    ngx_http_profiling_entry_handle(e, r->upstream->read_event_handler);
    ngx_http_profiling_entry_handle(e, r->upstream->write_event_handler);
}


/*
 * The request whose upstream a connection leads to.  The connection writes to
 * the log of its client, and what stands there leads to the main request.
 * *request: that one, also if it is somebody else's connection, of a module.
 */

static ngx_http_request_t *
ngx_http_profiling_entry_owner(const ngx_connection_t *c,
    ngx_http_request_t **request)
{
    ngx_uint_t           n;
    ngx_http_request_t  *r;
    ngx_http_log_ctx_t  *ctx;

    if (ngx_http_profiling_entry_log
        && c->log
        && c->log->handler == ngx_http_profiling_entry_log
        && c->log->data)
    {
        ctx = c->log->data;
        n = 0;

        *request = ctx->request;

        for (r = ctx->request; r; r = ngx_http_profiling_entry_next(r, &n)) {

            if (r->upstream && r->upstream->peer.connection == c) {
                return r;
            }
        }
    }

    /* subrequests in the background are in no list */

    if (ngx_http_profiling_entry_handler
        && c->read->handler == ngx_http_profiling_entry_handler)
    {
        r = c->data;

        if (r->upstream && r->upstream->peer.connection == c) {
            return r;
        }
    }

    return NULL;
}


static uint32_t
ngx_http_profiling_entry_place(ngx_http_request_t *r)
{
    ngx_http_profiling_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    return ngx_http_profiling_label(lcf->place + 1, 0, 0);
}


/* of an upstream in the zone, 0: it has none */

static uint32_t
ngx_http_profiling_entry_number(const ngx_http_upstream_srv_conf_t *us)
{
    ngx_uint_t                      i, n;
    ngx_http_profiling_zone_t      *zone;
    ngx_http_profiling_upstream_t  *upstream;

    if (us == NULL) {
        return 0;
    }

    i = ((uintptr_t) us >> 4) * 0x9e3779b97f4a7c15ULL >> 40
        & (NGX_HTTP_PROFILING_ENTRY_KNOWN - 1);

    if (ngx_http_profiling_entry_known[i].upstream == us) {
        return ngx_http_profiling_entry_known[i].number;
    }

    ngx_http_profiling_entry_known[i].upstream = us;
    ngx_http_profiling_entry_known[i].number = 0;

    zone = ngx_http_profiling_process.zone;

    for (n = 1; n < ngx_http_profiling_load_acquire(&zone->upstream_n); n++) {
        upstream = &zone->upstream[n];

        if (upstream->len == ngx_min(us->host.len,
                                     NGX_HTTP_PROFILING_UPSTREAM_LEN)
            && ngx_memcmp(upstream->name, us->host.data, upstream->len) == 0)
        {
            ngx_http_profiling_entry_known[i].number = (uint32_t) n;
            break;
        }
    }

    return ngx_http_profiling_entry_known[i].number;
}


static uint64_t
ngx_http_profiling_entry_pool(ngx_http_profiling_entry_t *e,
    ngx_pool_t *pool)
{
    ngx_http_profiling_pool_t  m;

    if (pool == NULL) {
        return 0;
    }

    ngx_memzero(&m, sizeof(ngx_http_profiling_pool_t));

    if (ngx_http_profiling_pool_measure(&m, pool,
                                        NGX_HTTP_PROFILING_ENTRY_BLOCKS)
        != NGX_OK)
    {
        e->cut++;
    }

    return m.size;
}
