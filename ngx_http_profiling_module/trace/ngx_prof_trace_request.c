
/*
 * Requests during a trace: when they begin and end, and which phase they are
 * in.  Seen from nginx's own table of phases, whose functions are wrapped in
 * ours during the trace.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include "ngx_prof_trace_request.h"
#include "ngx_prof_begun.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_context.h"
#include "ngx_prof_record.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_trace.h"


static ngx_int_t ngx_prof_trace_phases(ngx_prof_watch_t *w);
static ngx_int_t ngx_prof_trace_checker(ngx_http_request_t *r,
    ngx_http_phase_handler_t *ph);
static void ngx_prof_trace_leave(ngx_prof_traced_t *t);
static void ngx_prof_trace_phase(ngx_prof_traced_t *t, ngx_http_request_t *r,
    ngx_int_t handler, uint64_t now);
static ngx_int_t ngx_prof_trace_log(ngx_http_request_t *r);
static ngx_prof_traced_t *ngx_prof_trace_enter(ngx_http_request_t *r,
    uint64_t *now);
static ngx_prof_traced_t *ngx_prof_trace_request(ngx_http_request_t *r,
    uint64_t now);
static ngx_prof_traced_t *ngx_prof_trace_alloc(ngx_http_request_t *r);
static void ngx_prof_trace_gone(void *data);
static void ngx_prof_trace_known(ngx_prof_traced_t *t, ngx_http_request_t *r,
    ngx_uint_t connection);
static uint64_t ngx_prof_trace_method(ngx_http_request_t *r);
static uint64_t ngx_prof_trace_since(ngx_http_request_t *r, uint64_t now);
static void ngx_prof_trace_sub(ngx_prof_traced_t *t, ngx_http_request_t *r);
static void ngx_prof_trace_forget(ngx_prof_traced_t *t);
static void ngx_prof_trace_insert(ngx_prof_trace_key_t *key,
    ngx_http_request_t *r);
static ngx_uint_t ngx_prof_trace_upstream(ngx_http_request_t *r);
static ngx_uint_t ngx_prof_trace_name(ngx_http_upstream_srv_conf_t *us);


#define ngx_prof_trace_bucket(r)                                              \
    (&ngx_prof_watch.buckets[                                                 \
        ((uintptr_t) (r) >> 4) * 0x9e3779b97f4a7c15ULL >> 40                  \
        & (NGX_PROF_TRACE_BUCKETS - 1)])


ngx_int_t
ngx_prof_trace_requests_start(void)
{
    ngx_uint_t            i;
    ngx_cycle_t          *cycle;
    ngx_http_handler_pt  *log;
    ngx_prof_watch_t     *w;

    w = &ngx_prof_watch;
    cycle = (ngx_cycle_t *) ngx_cycle;

    ngx_memzero(w, sizeof(ngx_prof_watch_t));

    w->cycle = cycle;
    w->counted = ngx_prof_clock_counted();
    w->cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                                  ngx_http_core_module);

    w->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cycle->log);
    if (w->pool == NULL) {
        return NGX_ERROR;
    }

    /* large: calloc() maps it, so that pages are zero and untouched */

    w->wires = calloc(cycle->connection_n, sizeof(ngx_prof_wire_t));
    w->buckets = ngx_pcalloc(w->pool, NGX_PROF_TRACE_BUCKETS
                                    * sizeof(ngx_prof_trace_key_t *));

    if (w->wires == NULL
        || w->buckets == NULL
        || ngx_prof_trace_phases(w) != NGX_OK)
    {
        free(w->wires);
        ngx_destroy_pool(w->pool);
        w->pool = NULL;
        return NGX_ERROR;
    }

    for (i = 0; i < w->handler_n; i++) {
        w->handlers[i].checker = ngx_prof_trace_checker;
    }

    log = w->cmcf->phases[NGX_HTTP_LOG_PHASE].handlers.elts;
    w->log = log[0];
    log[0] = ngx_prof_trace_log;

    return NGX_OK;
}


/*
 * Reports the requests that exist when the trace begins.  Streams cannot be
 * found by a connection: they are reported when they enter a phase, or end.
 */

void
ngx_prof_trace_requests_existing(uint64_t now)
{
    uint64_t              args[2];
    ngx_uint_t            i;
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_prof_watch_t     *w;
    ngx_prof_traced_t    *t;
    ngx_prof_context_t   *context;
    ngx_prof_loc_conf_t  *lcf;

    w = &ngx_prof_watch;

    for (i = 0; i < w->cycle->connection_n; i++) {
        c = &w->cycle->connections[i];
        context = ngx_prof_context_find(c);

        if (context == NULL
            || context->connection != (uintptr_t) c
            || ngx_prof_context_owner((uintptr_t) c) != context)
        {
            continue;
        }

        r = (ngx_http_request_t *) context->request;

        lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

        if (lcf->handler) {
            continue;
        }

        t = ngx_prof_trace_alloc(r);

        if (t == NULL) {
            return;
        }

        args[0] = ngx_prof_trace_method(r);
        args[1] = lcf->place + 1;

        if (ngx_prof_trace_put(NGX_PROF_TRACE_EXISTING,
                               now, 2, args)
            != NGX_OK)
        {
            return;
        }

        ngx_prof_trace_known(t, r, i + 1);
        t->place = lcf->place;
    }
}


void
ngx_prof_trace_requests_stop(void)
{
    ngx_uint_t            i;
    ngx_http_handler_pt  *log;
    ngx_prof_watch_t     *w;

    w = &ngx_prof_watch;

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
 * nginx's table of handlers does not say which phase each belongs to.  It is
 * in the order of phases, and within a phase in the reverse order of
 * registration.
 */

static ngx_int_t
ngx_prof_trace_phases(ngx_prof_watch_t *w)
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

        if (ph->checker == ngx_http_core_post_rewrite_phase) {
            phase = NGX_HTTP_POST_REWRITE_PHASE;

        } else if (ph->checker == ngx_http_core_post_access_phase) {
            phase = NGX_HTTP_POST_ACCESS_PHASE;

        } else if (ph->handler == NULL) {
            phase = NGX_HTTP_FIND_CONFIG_PHASE;

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


/*
 * nginx's checker may end the request, which frees its memory, and may even
 * begin another one
 */

static ngx_int_t
ngx_prof_trace_checker(ngx_http_request_t *r, ngx_http_phase_handler_t *ph)
{
    uint64_t                   now;
    uint32_t                   goroutine;
    ngx_int_t                  rc, handler;
    ngx_http_phase_handler_pt  checker;
    ngx_prof_watch_t          *w;
    ngx_prof_traced_t         *t;

    w = &ngx_prof_watch;

    handler = ph - w->handlers;
    checker = w->checkers[handler];

    now = 0;
    t = w->current;

    if (t == NULL || w->request != r) {
        t = ngx_prof_trace_enter(r, &now);

        if (t == NULL) {
            return checker(r, ph);
        }
    }

    ngx_prof_trace_phase(t, r, handler, now);
    goroutine = t->goroutine;

    rc = checker(r, ph);

    if (rc == NGX_OK
        && w->pool
        && w->current == t
        && t->goroutine == goroutine
        && t->phase != NGX_PROF_TRACE_NO_PHASE)
    {
        ngx_prof_trace_leave(t);
    }

    return rc;
}


/*
 * of several requests on one connection: the connection goes on with the
 * others
 */

static void
ngx_prof_trace_leave(ngx_prof_traced_t *t)
{
    uint64_t           now;
    ngx_prof_wire_t   *wire;
    ngx_prof_watch_t  *w;

    w = &ngx_prof_watch;
    now = ngx_prof_trace_clock();

    t->phase = NGX_PROF_TRACE_NO_PHASE;

    (void) ngx_prof_trace_put(NGX_PROF_TRACE_PHASE_END, now, 0, NULL);

    if (t->connection || w->target == 0) {
        return;
    }

    wire = &w->wires[w->target - 1];

    if (wire->goroutine == 0) {
        return;
    }

    ngx_prof_trace_stage(t, w->request, now);

    (void) ngx_prof_trace_tell(NGX_PROF_TRACE_SWITCH, now, wire->goroutine);
    w->current = NULL;
    ngx_prof_tracing.goroutine = wire->goroutine;
}


static void
ngx_prof_trace_phase(ngx_prof_traced_t *t, ngx_http_request_t *r,
    ngx_int_t handler, uint64_t now)
{
    ngx_uint_t            phase;
    ngx_prof_loc_conf_t  *lcf;

    phase = ngx_prof_watch.phases[handler];

    if (r == r->main) {
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

        if (handler < t->handler) {
            now = now ? now : ngx_prof_trace_clock();
            (void) ngx_prof_trace_put(NGX_PROF_TRACE_REDIRECT, now, 0, NULL);
        }

        t->handler = handler;

        /*
         * a place that is only a server is reported at the end, if no location
         * is
         */

        if (t->place != lcf->place && lcf->context != NGX_PROF_IN_SERVER) {
            now = now ? now : ngx_prof_trace_clock();
            t->place = lcf->place;
            (void) ngx_prof_trace_tell(NGX_PROF_TRACE_PLACE, now, lcf->place);
        }
    }

    if (phase != t->phase) {
        now = now ? now : ngx_prof_trace_clock();
        t->phase = phase;
        (void) ngx_prof_trace_put(NGX_PROF_TRACE_PHASE + phase, now, 0, NULL);
    }
}


/* the end of a request, also if it never entered a phase */

static ngx_int_t
ngx_prof_trace_log(ngx_http_request_t *r)
{
    uint64_t              args[2], now;
    ngx_http_handler_pt   log;
    ngx_prof_watch_t     *w;
    ngx_prof_traced_t    *t;
    ngx_prof_loc_conf_t  *lcf;

    w = &ngx_prof_watch;
    log = w->log;

    if (r != r->main) {
        return log(r);
    }

    now = 0;
    t = ngx_prof_trace_enter(r, &now);

    if (t) {
        now = now ? now : ngx_prof_trace_clock();
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

        if (t->place != lcf->place) {
            (void) ngx_prof_trace_tell(NGX_PROF_TRACE_PLACE, now, lcf->place);
        }

        args[0] = r->err_status ? r->err_status : r->headers_out.status;
        args[1] = (uint64_t) r->connection->sent;

        (void) ngx_prof_trace_put(NGX_PROF_TRACE_END, now, 2, args);
        ngx_prof_trace_forget(t);
    }

    return log(r);
}


/*
 * Returns the request that nginx works on now; NULL: there is no room for it.
 * *now is set if the clock was read.
 */

static ngx_prof_traced_t *
ngx_prof_trace_enter(ngx_http_request_t *r, uint64_t *now)
{
    ngx_prof_watch_t      *w;
    ngx_prof_traced_t     *t;
    ngx_prof_trace_key_t  *key;

    w = &ngx_prof_watch;

    key = ngx_prof_trace_find(r->main);

    if (key == NULL) {
        *now = ngx_prof_trace_clock();
        t = ngx_prof_trace_request(r->main, *now);

        if (t == NULL) {
            return NULL;
        }

    } else {
        t = key->traced;

        if (w->current != t) {
            *now = ngx_prof_trace_clock();
            (void) ngx_prof_trace_tell(
                                            NGX_PROF_TRACE_SWITCH,
                                            *now, t->goroutine);
        }
    }

    w->current = t;
    w->request = r;
    w->client = t->connection;
    ngx_prof_tracing.goroutine = t->goroutine;

    if (r != r->main) {
        ngx_prof_trace_sub(t, r);
    }

    return t;
}


static ngx_prof_traced_t *
ngx_prof_trace_request(ngx_http_request_t *r, uint64_t now)
{
    uint64_t            args[3];
    uintptr_t           offset;
    ngx_uint_t          i;
    ngx_prof_watch_t   *w;
    ngx_prof_traced_t  *t;

    w = &ngx_prof_watch;
    t = ngx_prof_trace_alloc(r);

    if (t == NULL) {
        return NULL;
    }

    /* connections of streams lie outside nginx's table */

    offset = (uintptr_t) r->connection - (uintptr_t) w->cycle->connections;
    i = offset / sizeof(ngx_connection_t);
    i = (i < w->cycle->connection_n) ? i + 1 : 0;

    args[0] = ngx_prof_trace_method(r);
    args[1] = i ? 0 : NGX_PROF_TRACE_REQUEST_STREAM;
    args[2] = ngx_prof_trace_since(r, now);

    if (ngx_prof_trace_put(NGX_PROF_TRACE_REQUEST, now, 3, args) != NGX_OK) {
        return NULL;
    }

    ngx_prof_trace_known(t, r, i);

    return t;
}


/*
 * returns the first free entry; it stays in the list until the request is
 * known
 */

static ngx_prof_traced_t *
ngx_prof_trace_alloc(ngx_http_request_t *r)
{
    ngx_uint_t           i;
    ngx_pool_cleanup_t  *cln;
    ngx_prof_watch_t    *w;
    ngx_prof_traced_t   *t;

    w = &ngx_prof_watch;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_prof_trace_gone;
    cln->data = r;

    if (w->free) {
        return w->free;
    }

    if (w->traced_n >= NGX_PROF_TRACE_REQUESTS) {
        return NULL;
    }

    t = ngx_pcalloc(w->pool, NGX_PROF_TRACE_BLOCK * sizeof(ngx_prof_traced_t));
    if (t == NULL) {
        return NULL;
    }

    for (i = 0; i < NGX_PROF_TRACE_BLOCK; i++) {
        t[i].next = w->free;
        w->free = &t[i];
    }

    w->traced_n += NGX_PROF_TRACE_BLOCK;

    return w->free;
}


/* a module may end a request that it created without logging it */

static void
ngx_prof_trace_gone(void *data)
{
    ngx_prof_trace_key_t  *key;

    key = ngx_prof_watch.pool ? ngx_prof_trace_find(data)
                                        : NULL;
    if (key) {
        ngx_prof_trace_forget(key->traced);
    }
}


/* connection: its index + 1, 0: a stream */

static void
ngx_prof_trace_known(ngx_prof_traced_t *t, ngx_http_request_t *r,
    ngx_uint_t connection)
{
    ngx_prof_watch_t  *w;

    w = &ngx_prof_watch;

    w->free = t->next;

    t->goroutine = ++w->goroutines;
    t->connection = connection;
    t->phase = NGX_PROF_TRACE_NO_PHASE;
    t->handler = 0;
    t->place = NGX_CONF_UNSET_UINT;
    t->stage = NGX_PROF_TRACE_UPSTREAM_NONE;
    t->subs = 0;
    t->key.traced = t;

    ngx_prof_trace_insert(&t->key, r);

    if (connection) {
        w->wires[connection - 1].request = r;
    }
}


/* methods are bits: the number of the highest one */

static uint64_t
ngx_prof_trace_method(ngx_http_request_t *r)
{
    uint64_t  method;

    for (method = 0; r->method >> method > 1; method++) { /* void */ }

    return method;
}


/*
 * when the request began, in ns: exact if it began in this pass, else from
 * nginx's own start time, in ms
 */

static uint64_t
ngx_prof_trace_since(ngx_http_request_t *r, uint64_t now)
{
    uint64_t  pass;

    pass = ngx_prof_watch.pass;

    if (pass == 0 || pass > now) {
        pass = now;
    }

    return now - ngx_prof_begun(r, pass, pass);
}


static void
ngx_prof_trace_sub(ngx_prof_traced_t *t, ngx_http_request_t *r)
{
    ngx_uint_t             i;
    ngx_prof_trace_key_t  *free;

    if (ngx_prof_trace_find(r)) {
        return;
    }

    free = NULL;

    for (i = 0; i < NGX_PROF_TRACE_SUBS; i++) {
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
    ngx_prof_trace_insert(free, r);

    (void) ngx_prof_trace_tell(NGX_PROF_TRACE_SUB,
                               ngx_prof_trace_clock(),
                               free->number);
}


static void
ngx_prof_trace_forget(ngx_prof_traced_t *t)
{
    ngx_uint_t         i;
    ngx_prof_watch_t  *w;

    w = &ngx_prof_watch;

    if (t->connection) {
        w->wires[t->connection - 1].request = NULL;
        ngx_prof_tracing.goroutine =
                                      w->wires[t->connection - 1].goroutine;

    } else {
        ngx_prof_tracing.goroutine = w->target
                                   ? w->wires[w->target - 1].goroutine : 0;
    }

    ngx_prof_trace_remove(&t->key);

    for (i = 0; t->subs && i < NGX_PROF_TRACE_SUBS; i++) {
        if (t->sub[i].request) {
            ngx_prof_trace_remove(&t->sub[i]);
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


ngx_prof_trace_key_t *
ngx_prof_trace_find(const void *r)
{
    ngx_prof_trace_key_t  *key;

    for (key = *ngx_prof_trace_bucket(r); key; key = key->next) {
        if (key->request == r) {
            return key;
        }
    }

    return NULL;
}


static void
ngx_prof_trace_insert(ngx_prof_trace_key_t *key, ngx_http_request_t *r)
{
    ngx_prof_trace_key_t  **bucket;

    bucket = ngx_prof_trace_bucket(r);

    key->request = r;
    key->next = *bucket;
    *bucket = key;
}


void
ngx_prof_trace_remove(ngx_prof_trace_key_t *key)
{
    ngx_prof_trace_key_t  **p;

    p = ngx_prof_trace_bucket(key->request);

    while (*p != key) {
        p = &(*p)->next;
    }

    *p = key->next;
    key->request = NULL;
}


void
ngx_prof_trace_stage(ngx_prof_traced_t *t, ngx_http_request_t *r, uint64_t now)
{
    uint64_t    args[2];
    ngx_uint_t  stage;

    stage = ngx_prof_trace_upstream(r);

    if (stage == t->stage) {
        return;
    }

    t->stage = stage;

    args[0] = stage;
    args[1] = stage ? ngx_prof_trace_name(r->upstream->upstream)
                    : 0;

    (void) ngx_prof_trace_put(NGX_PROF_TRACE_UPSTREAM, now, 2, args);
}


static ngx_uint_t
ngx_prof_trace_upstream(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    /* without a cleanup the upstream has not begun, or has ended */

    if (u == NULL || u->cleanup == NULL) {
        return NGX_PROF_TRACE_UPSTREAM_NONE;
    }

    if (u->header_sent) {
        return NGX_PROF_TRACE_UPSTREAM_BODY;
    }

    if (u->peer.connection == NULL
        || u->state == NULL
        || u->state->connect_time == (ngx_msec_t) -1)
    {
        return NGX_PROF_TRACE_UPSTREAM_CONNECT;
    }

    return u->request_body_sent ? NGX_PROF_TRACE_UPSTREAM_HEADER
                                : NGX_PROF_TRACE_UPSTREAM_SEND;
}


/* the upstream's number in the zone, 0: unknown */

static ngx_uint_t
ngx_prof_trace_name(ngx_http_upstream_srv_conf_t *us)
{
    ngx_uint_t  at;

    if (us == NULL) {
        return 0;
    }

    at = ((uintptr_t) us >> 6) & (NGX_PROF_TRACE_NAMES - 1);

    if (ngx_prof_watch.names[at].upstream == us) {
        return ngx_prof_watch.names[at].index;
    }

    ngx_prof_watch.names[at].upstream = us;
    ngx_prof_watch.names[at].index = ngx_prof_context_upstream(us);

    return ngx_prof_watch.names[at].index;
}
