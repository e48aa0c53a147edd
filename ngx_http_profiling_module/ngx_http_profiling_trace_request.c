
/*
 * What a worker's event loop does while a trace runs: which connection or
 * request a pass belongs to, where a request is in its phases and with its
 * upstream.  Seen from the event loop, and from nginx's own tables of phases,
 * whose functions are called through ours as long as the trace runs.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <sys/epoll.h>
#include "ngx_http_profiling_trace.h"
#include "ngx_http_profiling_raw_trace.h"


/* buckets of requests by address, a power of two */
#define NGX_HTTP_PROFILING_TRACE_BUCKETS   8192

/* requests allocated at a time, and at most */
#define NGX_HTTP_PROFILING_TRACE_BLOCK     64
#define NGX_HTTP_PROFILING_TRACE_REQUESTS  262144

/* subrequests of one request that are known at a time */
#define NGX_HTTP_PROFILING_TRACE_SUBS      6

#define NGX_HTTP_PROFILING_TRACE_NO_PHASE  255

/* upstreams whose number is remembered, a power of two */
#define NGX_HTTP_PROFILING_TRACE_NAMES     64


typedef struct ngx_http_profiling_traced_s  ngx_http_profiling_traced_t;


/* a request by its address; subrequests are found by theirs, too */

typedef struct ngx_http_profiling_trace_key_s  ngx_http_profiling_trace_key_t;

struct ngx_http_profiling_trace_key_s {
    ngx_http_request_t               *request;      /* NULL: not used */
    ngx_http_profiling_traced_t      *traced;
    ngx_http_profiling_trace_key_t   *next;
    uint64_t                          number;       /* of a subrequest */
};


struct ngx_http_profiling_traced_s {
    uint32_t                          goroutine;
    ngx_uint_t                        connection;   /* index + 1, 0: stream */
    ngx_uint_t                        phase;
    ngx_int_t                         handler;      /* the latest, index */
    ngx_uint_t                        place;
    ngx_uint_t                        stage;        /* of the upstream */
    uint64_t                          subs;         /* so far */
    ngx_http_profiling_traced_t      *next;         /* free ones */
    ngx_http_profiling_trace_key_t    key;
    ngx_http_profiling_trace_key_t    sub[NGX_HTTP_PROFILING_TRACE_SUBS];
};


/* of nginx's table of connections */

typedef struct {
    uint32_t                          goroutine;    /* 0: none */
    uint32_t                          handshake;    /* TLS: it is not over */
    ngx_atomic_uint_t                 number;       /* c->number */
    ngx_http_request_t               *request;      /* being served */
} ngx_http_profiling_wire_t;


typedef struct {
    ngx_cycle_t                      *cycle;
    ngx_http_core_main_conf_t        *cmcf;
    ngx_http_phase_handler_t         *handlers;
    ngx_uint_t                        handler_n;
    ngx_http_phase_handler_pt        *checkers;     /* nginx's own */
    u_char                           *phases;       /* of each handler */
    ngx_http_handler_pt               log;          /* the first of them */
    ngx_pool_t                       *pool;

    ngx_http_profiling_wire_t        *wires;
    ngx_http_profiling_trace_key_t  **buckets;
    ngx_http_profiling_traced_t      *free;
    ngx_uint_t                        traced_n;
    uint32_t                          goroutines;   /* handed out */

    /* of this pass */

    uint64_t                          pass;         /* ns */
    ngx_uint_t                        target;       /* connection, index + 1 */
    ngx_uint_t                        client;       /* of the current request */
    ngx_http_profiling_traced_t      *current;      /* request, or NULL */
    ngx_http_request_t               *request;      /* that, or below it */

    struct {
        ngx_http_upstream_srv_conf_t *upstream;
        ngx_uint_t                    index;
    }                                 names[NGX_HTTP_PROFILING_TRACE_NAMES];
} ngx_http_profiling_watch_t;


static ngx_int_t ngx_http_profiling_trace_phases(
    ngx_http_profiling_watch_t *w);
static ngx_int_t ngx_http_profiling_trace_checker(ngx_http_request_t *r,
    ngx_http_phase_handler_t *ph);
static void ngx_http_profiling_trace_leave(ngx_http_profiling_traced_t *t);
static void ngx_http_profiling_trace_phase(ngx_http_profiling_traced_t *t,
    ngx_http_request_t *r, ngx_int_t handler);
static ngx_int_t ngx_http_profiling_trace_log(ngx_http_request_t *r);
static ngx_uint_t ngx_http_profiling_trace_target(
    const struct epoll_event *event, int n, ngx_uint_t *timer);
static void ngx_http_profiling_trace_event(ngx_connection_t *c,
    ngx_uint_t timer, uint64_t now);
static void ngx_http_profiling_trace_connection(ngx_connection_t *c,
    ngx_http_profiling_wire_t *wire, uint64_t now);
static void ngx_http_profiling_trace_tls(ngx_uint_t connection, uint64_t now);
static void ngx_http_profiling_trace_closed(ngx_uint_t connection,
    uint64_t now);
static void ngx_http_profiling_trace_stage(ngx_http_profiling_traced_t *t,
    ngx_http_request_t *r, uint64_t now);
static ngx_uint_t ngx_http_profiling_trace_upstream(ngx_http_request_t *r);
static ngx_uint_t ngx_http_profiling_trace_name(
    ngx_http_upstream_srv_conf_t *us);
static void ngx_http_profiling_trace_subs(ngx_http_profiling_traced_t *t,
    uint64_t now);
static ngx_http_profiling_traced_t *ngx_http_profiling_trace_enter(
    ngx_http_request_t *r);
static ngx_http_profiling_traced_t *ngx_http_profiling_trace_request(
    ngx_http_request_t *r, uint64_t now);
static uint64_t ngx_http_profiling_trace_since(ngx_http_request_t *r,
    uint64_t now);
static void ngx_http_profiling_trace_sub(ngx_http_profiling_traced_t *t,
    ngx_http_request_t *r);
static void ngx_http_profiling_trace_forget(ngx_http_profiling_traced_t *t);
static ngx_http_profiling_trace_key_t *ngx_http_profiling_trace_find(
    const void *r);
static void ngx_http_profiling_trace_insert(
    ngx_http_profiling_trace_key_t *key, ngx_http_request_t *r);
static void ngx_http_profiling_trace_remove(
    ngx_http_profiling_trace_key_t *key);
static ngx_int_t ngx_http_profiling_trace_tell(ngx_uint_t type,
    uint64_t time, uint64_t arg);


static ngx_http_profiling_watch_t  ngx_http_profiling_watch;


#define ngx_http_profiling_trace_bucket(r)                                    \
    (&ngx_http_profiling_watch.buckets[                                       \
        ((uintptr_t) (r) >> 4) * 0x9e3779b97f4a7c15ULL >> 40                  \
        & (NGX_HTTP_PROFILING_TRACE_BUCKETS - 1)])


ngx_int_t
ngx_http_profiling_trace_requests_start(void)
{
    ngx_uint_t                   i;
    ngx_cycle_t                 *cycle;
    ngx_http_handler_pt         *log;
    ngx_http_profiling_watch_t  *w;

    w = &ngx_http_profiling_watch;
    cycle = (ngx_cycle_t *) ngx_cycle;

    ngx_memzero(w, sizeof(ngx_http_profiling_watch_t));

    w->cycle = cycle;
    w->cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                                  ngx_http_core_module);

    w->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cycle->log);
    if (w->pool == NULL) {
        return NGX_ERROR;
    }

    /* large: from the system, as zeros that are not touched yet */

    w->wires = calloc(cycle->connection_n, sizeof(ngx_http_profiling_wire_t));
    w->buckets = ngx_pcalloc(w->pool, NGX_HTTP_PROFILING_TRACE_BUCKETS
                                    * sizeof(ngx_http_profiling_trace_key_t *));

    if (w->wires == NULL
        || w->buckets == NULL
        || ngx_http_profiling_trace_phases(w) != NGX_OK)
    {
        free(w->wires);
        ngx_destroy_pool(w->pool);
        w->pool = NULL;
        return NGX_ERROR;
    }

    for (i = 0; i < w->handler_n; i++) {
        w->handlers[i].checker = ngx_http_profiling_trace_checker;
    }

    log = w->cmcf->phases[NGX_HTTP_LOG_PHASE].handlers.elts;
    w->log = log[0];
    log[0] = ngx_http_profiling_trace_log;

    return NGX_OK;
}


void
ngx_http_profiling_trace_requests_stop(void)
{
    ngx_uint_t                   i;
    ngx_http_handler_pt         *log;
    ngx_http_profiling_watch_t  *w;

    w = &ngx_http_profiling_watch;

    if (w->pool == NULL) {
        return;
    }

    for (i = 0; i < w->handler_n; i++) {
        w->handlers[i].checker = w->checkers[i];
    }

    log = w->cmcf->phases[NGX_HTTP_LOG_PHASE].handlers.elts;
    log[0] = w->log;

    free(w->wires);
    ngx_destroy_pool(w->pool);
    w->pool = NULL;
}


/*
 * nginx's table of handlers does not tell their phases, but has them in their
 * order, with the handlers of each as they were registered, last first.
 */

static ngx_int_t
ngx_http_profiling_trace_phases(ngx_http_profiling_watch_t *w)
{
    ngx_int_t                  k;
    ngx_uint_t                 i, n, phase;
    ngx_http_handler_pt       *h;
    ngx_http_phase_handler_t  *ph;

    w->handlers = w->cmcf->phase_engine.handlers;

    for (n = 0; w->handlers[n].checker; n++) { /* void */ }

    w->handler_n = n;
    w->checkers = ngx_palloc(w->pool, n * sizeof(ngx_http_phase_handler_pt));
    w->phases = ngx_palloc(w->pool, n);

    if (w->checkers == NULL || w->phases == NULL) {
        return NGX_ERROR;
    }

    phase = 0;

    for (i = 0; i < n; i++) {
        ph = &w->handlers[i];
        w->checkers[i] = ph->checker;

        if (ph->checker == ngx_http_core_find_config_phase) {
            phase = NGX_HTTP_FIND_CONFIG_PHASE;

        } else if (ph->checker == ngx_http_core_post_rewrite_phase) {
            phase = NGX_HTTP_POST_REWRITE_PHASE;

        } else if (ph->checker == ngx_http_core_post_access_phase) {
            phase = NGX_HTTP_POST_ACCESS_PHASE;

        } else {

            for ( /* void */ ; phase < NGX_HTTP_LOG_PHASE; phase++) {
                h = w->cmcf->phases[phase].handlers.elts;

                for (k = w->cmcf->phases[phase].handlers.nelts - 1;
                     k >= 0 && h[k] != ph->handler;
                     k--)
                {
                    /* void */
                }

                if (k >= 0) {
                    break;
                }
            }

            if (phase == NGX_HTTP_LOG_PHASE) {
                return NGX_ERROR;
            }
        }

        w->phases[i] = (u_char) phase;
    }

    return w->cmcf->phases[NGX_HTTP_LOG_PHASE].handlers.nelts ? NGX_OK
                                                              : NGX_ERROR;
}


/* it may end the request, whose memory is then gone, and even begin another */

static ngx_int_t
ngx_http_profiling_trace_checker(ngx_http_request_t *r,
    ngx_http_phase_handler_t *ph)
{
    ngx_int_t                     rc, handler;
    uint32_t                      goroutine;
    ngx_http_phase_handler_pt     checker;
    ngx_http_profiling_watch_t   *w;
    ngx_http_profiling_traced_t  *t;

    w = &ngx_http_profiling_watch;

    handler = ph - w->handlers;
    checker = w->checkers[handler];

    t = ngx_http_profiling_trace_enter(r);

    if (t == NULL) {
        return checker(r, ph);
    }

    ngx_http_profiling_trace_phase(t, r, handler);
    goroutine = t->goroutine;

    rc = checker(r, ph);

    if (rc == NGX_OK
        && w->pool
        && w->current == t
        && t->goroutine == goroutine
        && t->phase != NGX_HTTP_PROFILING_TRACE_NO_PHASE)
    {
        ngx_http_profiling_trace_leave(t);
    }

    return rc;
}


/* of several requests on one connection, that goes on with the others */

static void
ngx_http_profiling_trace_leave(ngx_http_profiling_traced_t *t)
{
    uint64_t                     now;
    ngx_http_profiling_wire_t   *wire;
    ngx_http_profiling_watch_t  *w;

    w = &ngx_http_profiling_watch;
    now = ngx_http_profiling_clock();

    t->phase = NGX_HTTP_PROFILING_TRACE_NO_PHASE;

    (void) ngx_http_profiling_trace_put(NGX_HTTP_PROFILING_TRACE_PHASE_END,
                                        now, 0, NULL);

    if (t->connection || w->target == 0) {
        return;
    }

    wire = &w->wires[w->target - 1];

    if (wire->goroutine == 0) {
        return;
    }

    ngx_http_profiling_trace_stage(t, w->request, now);

    (void) ngx_http_profiling_trace_tell(NGX_HTTP_PROFILING_TRACE_SWITCH, now,
                                         wire->goroutine);
    w->current = NULL;
    ngx_http_profiling_tracing.goroutine = wire->goroutine;
}


static void
ngx_http_profiling_trace_phase(ngx_http_profiling_traced_t *t,
    ngx_http_request_t *r, ngx_int_t handler)
{
    uint64_t                        now;
    ngx_uint_t                      phase;
    ngx_http_profiling_loc_conf_t  *lcf;

    phase = ngx_http_profiling_watch.phases[handler];
    now = 0;

    if (r == r->main) {
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

        if (handler < t->handler) {
            now = ngx_http_profiling_clock();
            (void) ngx_http_profiling_trace_put(
                                         NGX_HTTP_PROFILING_TRACE_REDIRECT,
                                         now, 0, NULL);
        }

        t->handler = handler;

        if (t->place != lcf->place) {
            now = now ? now : ngx_http_profiling_clock();
            t->place = lcf->place;
            (void) ngx_http_profiling_trace_tell(
                                         NGX_HTTP_PROFILING_TRACE_PLACE, now,
                                         lcf->place);
        }
    }

    if (phase != t->phase) {
        now = now ? now : ngx_http_profiling_clock();
        t->phase = phase;
        (void) ngx_http_profiling_trace_put(NGX_HTTP_PROFILING_TRACE_PHASE
                                            + phase, now, 0, NULL);
    }
}


/* the end of a request: also of one that never came to its phases */

static ngx_int_t
ngx_http_profiling_trace_log(ngx_http_request_t *r)
{
    uint64_t                        args[2], now;
    ngx_http_handler_pt             log;
    ngx_http_profiling_watch_t     *w;
    ngx_http_profiling_traced_t    *t;
    ngx_http_profiling_loc_conf_t  *lcf;

    w = &ngx_http_profiling_watch;
    log = w->log;

    if (r != r->main) {
        return log(r);
    }

    t = ngx_http_profiling_trace_enter(r);

    if (t) {
        now = ngx_http_profiling_clock();
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

        if (t->place != lcf->place) {
            (void) ngx_http_profiling_trace_tell(
                                         NGX_HTTP_PROFILING_TRACE_PLACE, now,
                                         lcf->place);
        }

        args[0] = r->err_status ? r->err_status : r->headers_out.status;
        args[1] = (uint64_t) r->connection->sent;

        (void) ngx_http_profiling_trace_put(NGX_HTTP_PROFILING_TRACE_END, now,
                                            2, args);
        ngx_http_profiling_trace_forget(t);
    }

    return log(r);
}


void
ngx_http_profiling_trace_requests_pass(uint64_t now,
    const struct epoll_event *event, int n)
{
    ngx_uint_t                   i, timer;
    ngx_connection_t            *c;
    ngx_http_profiling_watch_t  *w;

    w = &ngx_http_profiling_watch;

    w->pass = now;
    w->target = 0;
    w->client = 0;
    w->current = NULL;
    w->request = NULL;
    ngx_http_profiling_tracing.goroutine = 0;

    i = ngx_http_profiling_trace_target(event, n, &timer);

    if (i == 0) {
        (void) ngx_http_profiling_trace_put(NGX_HTTP_PROFILING_TRACE_PASS,
                                            now, 0, NULL);
        return;
    }

    c = &w->cycle->connections[i - 1];

    if (c->fd == (ngx_socket_t) -1 || c->read->channel) {
        (void) ngx_http_profiling_trace_put(NGX_HTTP_PROFILING_TRACE_PASS,
                                            now, 0, NULL);
        return;
    }

    if (c->read->accept) {
        (void) ngx_http_profiling_trace_put(NGX_HTTP_PROFILING_TRACE_ACCEPT,
                                            now, 0, NULL);
        return;
    }

    w->target = i;
    ngx_http_profiling_trace_event(c, timer, now);
}


/* the connection of an event or, without one, of the next timer; index + 1 */

static ngx_uint_t
ngx_http_profiling_trace_target(const struct epoll_event *event, int n,
    ngx_uint_t *timer)
{
    uintptr_t           offset, size;
    ngx_cycle_t        *cycle;
    ngx_event_t        *ev;
    ngx_rbtree_node_t  *root, *node;

    cycle = ngx_http_profiling_watch.cycle;
    *timer = 0;

    if (n > 0) {

        /* the lowest bit tells instances of an event apart */

        offset = ((uintptr_t) event[0].data.ptr & ~(uintptr_t) 1)
                 - (uintptr_t) cycle->connections;
        size = sizeof(ngx_connection_t);

    } else if (n == 0) {
        *timer = 1;
        root = ngx_event_timer_rbtree.root;

        if (root == ngx_event_timer_rbtree.sentinel) {
            return 0;
        }

        node = ngx_rbtree_min(root, ngx_event_timer_rbtree.sentinel);
        ev = (ngx_event_t *) ((char *) node - offsetof(ngx_event_t, timer));

        offset = (uintptr_t) ev - (uintptr_t) cycle->read_events;
        size = sizeof(ngx_event_t);

        if (offset >= cycle->connection_n * size) {
            offset = (uintptr_t) ev - (uintptr_t) cycle->write_events;
        }

    } else {
        return 0;
    }

    return (offset < cycle->connection_n * size) ? offset / size + 1 : 0;
}


static void
ngx_http_profiling_trace_event(ngx_connection_t *c, ngx_uint_t timer,
    uint64_t now)
{
    ngx_uint_t                       type;
    ngx_http_profiling_wire_t       *wire;
    ngx_http_profiling_watch_t      *w;
    ngx_http_profiling_trace_key_t  *key;

    w = &ngx_http_profiling_watch;

    wire = &w->wires[c - w->cycle->connections];
    type = timer ? NGX_HTTP_PROFILING_TRACE_TIMER
                 : NGX_HTTP_PROFILING_TRACE_EVENT;

    /* that of a client, or of an upstream, whose data is the request */

    key = ngx_http_profiling_trace_find(wire->request ? wire->request
                                                      : c->data);

    if (wire->goroutine && wire->number != c->number) {
        (void) ngx_http_profiling_trace_tell(NGX_HTTP_PROFILING_TRACE_CLOSE,
                                             now, wire->goroutine);
        ngx_memzero(wire, sizeof(ngx_http_profiling_wire_t));
        key = ngx_http_profiling_trace_find(c->data);
    }

    if (key) {
        w->current = key->traced;
        w->request = key->request;
        w->client = key->traced->connection;
        ngx_http_profiling_tracing.goroutine = key->traced->goroutine;

        (void) ngx_http_profiling_trace_tell(type, now,
                                             key->traced->goroutine);
        return;
    }

    if (wire->goroutine == 0) {
        ngx_http_profiling_trace_connection(c, wire, now);
        return;
    }

    ngx_http_profiling_tracing.goroutine = wire->goroutine;
    (void) ngx_http_profiling_trace_tell(type, now, wire->goroutine);
}


static void
ngx_http_profiling_trace_connection(ngx_connection_t *c,
    ngx_http_profiling_wire_t *wire, uint64_t now)
{
    ngx_http_profiling_watch_t  *w;

    w = &ngx_http_profiling_watch;

    if (ngx_http_profiling_trace_put(NGX_HTTP_PROFILING_TRACE_CONNECTION, now,
                                     0, NULL)
        != NGX_OK)
    {
        return;
    }

    wire->goroutine = ++w->goroutines;
    wire->number = c->number;
    wire->handshake = 1;

    ngx_http_profiling_tracing.goroutine = wire->goroutine;

#if (NGX_SSL)

    if (c->ssl && c->ssl->handshaked) {
        wire->handshake = 0;
    }

#endif
}


/* the pass is over */

void
ngx_http_profiling_trace_requests_wait(uint64_t now)
{
    uint64_t                      reason;
    ngx_event_t                  *wev;
    ngx_http_profiling_watch_t   *w;
    ngx_http_profiling_traced_t  *t;

    w = &ngx_http_profiling_watch;
    t = w->current;
    reason = NGX_HTTP_PROFILING_TRACE_WAIT_NETWORK;

    if (w->pass == 0) {

        /* the trace began in the middle of it */

        return;
    }

    if (t) {
        ngx_http_profiling_trace_stage(t, w->request, now);
        ngx_http_profiling_trace_subs(t, now);

        wev = t->key.request->connection->write;

        if (wev->delayed && wev->timer_set) {
            reason = NGX_HTTP_PROFILING_TRACE_WAIT_TIMER;
        }
    }

    if (w->target) {
        ngx_http_profiling_trace_tls(w->target - 1, now);
        ngx_http_profiling_trace_closed(w->target - 1, now);
    }

    if (w->client && w->client != w->target) {
        ngx_http_profiling_trace_closed(w->client - 1, now);
    }

    (void) ngx_http_profiling_trace_tell(NGX_HTTP_PROFILING_TRACE_WAIT, now,
                                         reason);

    w->current = NULL;
    ngx_http_profiling_tracing.goroutine = 0;
}


/* a pass of a handshake is known as one when it is over */

static void
ngx_http_profiling_trace_tls(ngx_uint_t connection, uint64_t now)
{
#if (NGX_SSL)

    ngx_connection_t           *c;
    ngx_http_profiling_wire_t  *wire;

    wire = &ngx_http_profiling_watch.wires[connection];

    if (!wire->handshake) {
        return;
    }

    c = &ngx_http_profiling_watch.cycle->connections[connection];

    if (c->ssl && ngx_http_profiling_tracing.goroutine == wire->goroutine) {
        wire->handshake = !c->ssl->handshaked;
        (void) ngx_http_profiling_trace_tell(NGX_HTTP_PROFILING_TRACE_TLS,
                                             now, !wire->handshake);
    }

#endif
}


static void
ngx_http_profiling_trace_closed(ngx_uint_t connection, uint64_t now)
{
    ngx_connection_t            *c;
    ngx_http_profiling_wire_t   *wire;
    ngx_http_profiling_watch_t  *w;

    w = &ngx_http_profiling_watch;
    wire = &w->wires[connection];
    c = &w->cycle->connections[connection];

    if (wire->goroutine
        && (c->fd == (ngx_socket_t) -1 || c->number != wire->number))
    {
        (void) ngx_http_profiling_trace_tell(NGX_HTTP_PROFILING_TRACE_CLOSE,
                                             now, wire->goroutine);
        ngx_memzero(wire, sizeof(ngx_http_profiling_wire_t));
    }
}


static void
ngx_http_profiling_trace_stage(ngx_http_profiling_traced_t *t,
    ngx_http_request_t *r, uint64_t now)
{
    uint64_t    args[2];
    ngx_uint_t  stage;

    stage = ngx_http_profiling_trace_upstream(r);

    if (stage == t->stage) {
        return;
    }

    t->stage = stage;

    args[0] = stage;
    args[1] = stage ? ngx_http_profiling_trace_name(r->upstream->upstream)
                    : 0;

    (void) ngx_http_profiling_trace_put(NGX_HTTP_PROFILING_TRACE_UPSTREAM,
                                        now, 2, args);
}


static ngx_uint_t
ngx_http_profiling_trace_upstream(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    /* without a cleanup it is not begun, or over */

    if (u == NULL || u->cleanup == NULL) {
        return NGX_HTTP_PROFILING_TRACE_UPSTREAM_NONE;
    }

    if (u->header_sent) {
        return NGX_HTTP_PROFILING_TRACE_UPSTREAM_BODY;
    }

    if (u->peer.connection == NULL
        || u->state == NULL
        || u->state->connect_time == (ngx_msec_t) -1)
    {
        return NGX_HTTP_PROFILING_TRACE_UPSTREAM_CONNECT;
    }

    return u->request_body_sent ? NGX_HTTP_PROFILING_TRACE_UPSTREAM_HEADER
                                : NGX_HTTP_PROFILING_TRACE_UPSTREAM_SEND;
}


/* its number in the zone, 0: not known */

static ngx_uint_t
ngx_http_profiling_trace_name(ngx_http_upstream_srv_conf_t *us)
{
    size_t                      len;
    ngx_uint_t                  i, at, n;
    ngx_http_profiling_zone_t  *zone;

    if (us == NULL) {
        return 0;
    }

    at = ((uintptr_t) us >> 6) & (NGX_HTTP_PROFILING_TRACE_NAMES - 1);

    if (ngx_http_profiling_watch.names[at].upstream == us) {
        return ngx_http_profiling_watch.names[at].index;
    }

    zone = ngx_http_profiling_process.zone;
    len = ngx_min(us->host.len, NGX_HTTP_PROFILING_UPSTREAM_LEN);
    n = ngx_http_profiling_load_acquire(&zone->upstream_n);

    for (i = 1; i < n; i++) {

        /* a name that was cut ends in dots */

        if (zone->upstream[i].len == len
            && ngx_memcmp(zone->upstream[i].name, us->host.data,
                          (us->host.len > len) ? len - 3 : len)
               == 0)
        {
            break;
        }
    }

    ngx_http_profiling_watch.names[at].upstream = us;
    ngx_http_profiling_watch.names[at].index = (i < n) ? i : 0;

    return ngx_http_profiling_watch.names[at].index;
}


/* subrequests live as long as their main request: its memory is theirs */

static void
ngx_http_profiling_trace_subs(ngx_http_profiling_traced_t *t, uint64_t now)
{
    ngx_uint_t                       i;
    ngx_http_profiling_trace_key_t  *key;

    if (t->subs == 0) {
        return;
    }

    for (i = 0; i < NGX_HTTP_PROFILING_TRACE_SUBS; i++) {
        key = &t->sub[i];

        if (key->request && key->request->done) {
            (void) ngx_http_profiling_trace_tell(
                                          NGX_HTTP_PROFILING_TRACE_SUB_END,
                                          now, key->number);
            ngx_http_profiling_trace_remove(key);
        }
    }
}


/* the request that nginx works on now; NULL: there is no room for it */

static ngx_http_profiling_traced_t *
ngx_http_profiling_trace_enter(ngx_http_request_t *r)
{
    uint64_t                         now;
    ngx_http_profiling_watch_t      *w;
    ngx_http_profiling_traced_t     *t;
    ngx_http_profiling_trace_key_t  *key;

    w = &ngx_http_profiling_watch;

    key = ngx_http_profiling_trace_find(r->main);

    if (key == NULL) {
        now = ngx_http_profiling_clock();
        t = ngx_http_profiling_trace_request(r->main, now);

        if (t == NULL) {
            return NULL;
        }

    } else {
        t = key->traced;

        if (w->current != t) {
            now = ngx_http_profiling_clock();
            (void) ngx_http_profiling_trace_tell(
                                            NGX_HTTP_PROFILING_TRACE_SWITCH,
                                            now, t->goroutine);
        }
    }

    w->current = t;
    w->request = r;
    w->client = t->connection;
    ngx_http_profiling_tracing.goroutine = t->goroutine;

    if (r != r->main) {
        ngx_http_profiling_trace_sub(t, r);
    }

    return t;
}


static ngx_http_profiling_traced_t *
ngx_http_profiling_trace_request(ngx_http_request_t *r, uint64_t now)
{
    uint64_t                      args[3], method;
    ngx_uint_t                    i, stream;
    ngx_connection_t             *c;
    ngx_http_profiling_watch_t   *w;
    ngx_http_profiling_traced_t  *t;

    w = &ngx_http_profiling_watch;

    if (w->free == NULL) {

        if (w->traced_n >= NGX_HTTP_PROFILING_TRACE_REQUESTS) {
            return NULL;
        }

        t = ngx_pcalloc(w->pool, NGX_HTTP_PROFILING_TRACE_BLOCK
                                 * sizeof(ngx_http_profiling_traced_t));
        if (t == NULL) {
            return NULL;
        }

        for (i = 0; i < NGX_HTTP_PROFILING_TRACE_BLOCK; i++) {
            t[i].next = w->free;
            w->free = &t[i];
        }

        w->traced_n += NGX_HTTP_PROFILING_TRACE_BLOCK;
    }

    /* connections of streams lie outside of nginx's table */

    c = r->connection;
    i = (ngx_uint_t) (((uintptr_t) c - (uintptr_t) w->cycle->connections)
                      / sizeof(ngx_connection_t));
    stream = (i >= w->cycle->connection_n);

    for (method = 0; r->method >> method > 1; method++) { /* void */ }

    args[0] = method;
    args[1] = stream ? NGX_HTTP_PROFILING_TRACE_REQUEST_STREAM : 0;
    args[2] = ngx_http_profiling_trace_since(r, now);

    if (ngx_http_profiling_trace_put(NGX_HTTP_PROFILING_TRACE_REQUEST, now, 3,
                                     args)
        != NGX_OK)
    {
        return NULL;
    }

    t = w->free;
    w->free = t->next;

    t->goroutine = ++w->goroutines;
    t->connection = stream ? 0 : i + 1;
    t->phase = NGX_HTTP_PROFILING_TRACE_NO_PHASE;
    t->handler = 0;
    t->place = NGX_CONF_UNSET_UINT;
    t->stage = NGX_HTTP_PROFILING_TRACE_UPSTREAM_NONE;
    t->subs = 0;
    t->key.traced = t;

    ngx_http_profiling_trace_insert(&t->key, r);

    if (!stream) {
        w->wires[i].request = r;
    }

    return t;
}


/* ns: exactly if it began in this pass, else by nginx's own start, in ms */

static uint64_t
ngx_http_profiling_trace_since(ngx_http_request_t *r, uint64_t now)
{
    int64_t      ms;
    uint64_t     pass;
    ngx_time_t  *tp;

    tp = ngx_timeofday();
    ms = (int64_t) (tp->sec - r->start_sec) * 1000
         + ((int64_t) tp->msec - (int64_t) r->start_msec);

    pass = ngx_http_profiling_watch.pass;
    pass = (pass && now > pass) ? now - pass : 0;

    return pass + (uint64_t) ngx_max(ms, 0) * 1000000;
}


static void
ngx_http_profiling_trace_sub(ngx_http_profiling_traced_t *t,
    ngx_http_request_t *r)
{
    ngx_uint_t                       i;
    ngx_http_profiling_trace_key_t  *free;

    if (ngx_http_profiling_trace_find(r)) {
        return;
    }

    free = NULL;

    for (i = 0; i < NGX_HTTP_PROFILING_TRACE_SUBS; i++) {
        if (t->sub[i].request == NULL) {
            free = &t->sub[i];
            break;
        }
    }

    if (free == NULL) {
        return;
    }

    free->traced = t;
    free->number = ++t->subs;
    ngx_http_profiling_trace_insert(free, r);

    (void) ngx_http_profiling_trace_tell(NGX_HTTP_PROFILING_TRACE_SUB,
                                         ngx_http_profiling_clock(),
                                         free->number);
}


static void
ngx_http_profiling_trace_forget(ngx_http_profiling_traced_t *t)
{
    ngx_uint_t                   i;
    ngx_http_profiling_watch_t  *w;

    w = &ngx_http_profiling_watch;

    if (t->connection) {
        w->wires[t->connection - 1].request = NULL;
        ngx_http_profiling_tracing.goroutine =
                                      w->wires[t->connection - 1].goroutine;

    } else {
        ngx_http_profiling_tracing.goroutine = w->target
                                   ? w->wires[w->target - 1].goroutine : 0;
    }

    ngx_http_profiling_trace_remove(&t->key);

    for (i = 0; t->subs && i < NGX_HTTP_PROFILING_TRACE_SUBS; i++) {
        if (t->sub[i].request) {
            ngx_http_profiling_trace_remove(&t->sub[i]);
        }
    }

    t->goroutine = 0;
    t->next = w->free;
    w->free = t;

    if (w->current == t) {
        w->current = NULL;
        w->request = NULL;
    }
}


static ngx_http_profiling_trace_key_t *
ngx_http_profiling_trace_find(const void *r)
{
    ngx_http_profiling_trace_key_t  *key;

    if (r == NULL) {
        return NULL;
    }

    for (key = *ngx_http_profiling_trace_bucket(r); key; key = key->next) {
        if (key->request == r) {
            return key;
        }
    }

    return NULL;
}


static void
ngx_http_profiling_trace_insert(ngx_http_profiling_trace_key_t *key,
    ngx_http_request_t *r)
{
    ngx_http_profiling_trace_key_t  **bucket;

    bucket = ngx_http_profiling_trace_bucket(r);

    key->request = r;
    key->next = *bucket;
    *bucket = key;
}


static void
ngx_http_profiling_trace_remove(ngx_http_profiling_trace_key_t *key)
{
    ngx_http_profiling_trace_key_t  **p;

    p = ngx_http_profiling_trace_bucket(key->request);

    while (*p != key) {
        p = &(*p)->next;
    }

    *p = key->next;
    key->request = NULL;
}


static ngx_int_t
ngx_http_profiling_trace_tell(ngx_uint_t type, uint64_t time, uint64_t arg)
{
    return ngx_http_profiling_trace_put(type, time, 1, &arg);
}
