
/*
 * The passes of a worker's event loop during a trace: the connection or
 * request that each belongs to, and what has changed at its end.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <sys/epoll.h>
#include "ngx_prof_trace_pass.h"
#include "ngx_prof_trace_request.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_trace_watch.h"
#include "ngx_prof_trace.h"


static ngx_uint_t ngx_prof_trace_target(const struct epoll_event *event, int n,
    ngx_uint_t *timer);
static void ngx_prof_trace_event(ngx_connection_t *c, ngx_uint_t timer,
    uint64_t now);
static void ngx_prof_trace_connection(ngx_connection_t *c,
    ngx_prof_wire_t *wire, uint64_t now);
static void ngx_prof_trace_tls(ngx_uint_t connection, uint64_t now);
static void ngx_prof_trace_closed(ngx_uint_t connection, uint64_t now);
static void ngx_prof_trace_subs(ngx_prof_traced_t *t, uint64_t now);


void
ngx_prof_trace_requests_pass(uint64_t now, const struct epoll_event *event,
    int n)
{
    ngx_uint_t         i, timer;
    ngx_connection_t  *c;
    ngx_prof_watch_t  *w;

    w = &ngx_prof_watch;

    w->pass = now;
    w->target = 0;
    w->client = 0;
    w->current = NULL;
    w->request = NULL;
    ngx_prof_tracing.goroutine = 0;

    i = ngx_prof_trace_target(event, n, &timer);

    if (i == 0) {
        (void) ngx_prof_trace_put(NGX_PROF_TRACE_PASS, now, 0, NULL);
        return;
    }

    c = &w->cycle->connections[i - 1];

    if (c->fd == (ngx_socket_t) -1 || c->read->channel) {
        (void) ngx_prof_trace_put(NGX_PROF_TRACE_PASS, now, 0, NULL);
        return;
    }

    if (c->read->accept) {
        (void) ngx_prof_trace_put(NGX_PROF_TRACE_ACCEPT, now, 0, NULL);
        return;
    }

    w->target = i;
    ngx_prof_trace_event(c, timer, now);
}


/*
 * the index + 1 of the connection of an event or, without one, of the next
 * timer
 */

static ngx_uint_t
ngx_prof_trace_target(const struct epoll_event *event, int n,
    ngx_uint_t *timer)
{
    uintptr_t           i;
    ngx_cycle_t        *cycle;
    ngx_event_t        *ev;
    ngx_rbtree_node_t  *root, *node;

    cycle = ngx_prof_watch.cycle;
    *timer = 0;

    if (n > 0) {

        /* the lowest bit tells instances of an event apart */

        i = (((uintptr_t) event[0].data.ptr & ~(uintptr_t) 1)
             - (uintptr_t) cycle->connections)
            / sizeof(ngx_connection_t);

    } else if (n == 0) {
        *timer = 1;
        root = ngx_event_timer_rbtree.root;

        if (root == ngx_event_timer_rbtree.sentinel) {
            return 0;
        }

        node = ngx_rbtree_min(root, ngx_event_timer_rbtree.sentinel);
        ev = (ngx_event_t *) ((char *) node - offsetof(ngx_event_t, timer));

        i = ((uintptr_t) ev - (uintptr_t) cycle->read_events)
            / sizeof(ngx_event_t);

        if (i >= cycle->connection_n) {
            i = ((uintptr_t) ev - (uintptr_t) cycle->write_events)
                / sizeof(ngx_event_t);
        }

    } else {
        return 0;
    }

    return (i < cycle->connection_n) ? i + 1 : 0;
}


static void
ngx_prof_trace_event(ngx_connection_t *c, ngx_uint_t timer, uint64_t now)
{
    ngx_uint_t             type;
    ngx_prof_wire_t       *wire;
    ngx_prof_watch_t      *w;
    ngx_prof_trace_key_t  *key;

    w = &ngx_prof_watch;

    wire = &w->wires[c - w->cycle->connections];
    type = timer ? NGX_PROF_TRACE_TIMER
                 : NGX_PROF_TRACE_EVENT;

    /*
     * the request of a client's connection, or of an upstream's, which has it
     * as data
     */

    key = ngx_prof_trace_find(wire->request ? wire->request
                                                      : c->data);

    if (wire->goroutine && wire->number != c->number) {
        (void) ngx_prof_trace_tell(NGX_PROF_TRACE_CLOSE, now, wire->goroutine);
        ngx_memzero(wire, sizeof(ngx_prof_wire_t));
        key = ngx_prof_trace_find(c->data);
    }

    if (key) {
        w->current = key->traced;
        w->request = key->request;
        w->client = key->traced->connection;
        ngx_prof_tracing.goroutine = key->traced->goroutine;

        (void) ngx_prof_trace_tell(type, now, key->traced->goroutine);
        return;
    }

    if (wire->goroutine == 0) {
        ngx_prof_trace_connection(c, wire, now);
        return;
    }

    ngx_prof_tracing.goroutine = wire->goroutine;
    (void) ngx_prof_trace_tell(type, now, wire->goroutine);
}


static void
ngx_prof_trace_connection(ngx_connection_t *c, ngx_prof_wire_t *wire,
    uint64_t now)
{
    ngx_prof_watch_t  *w;

    w = &ngx_prof_watch;

    if (ngx_prof_trace_put(NGX_PROF_TRACE_CONNECTION, now, 0, NULL) != NGX_OK)
    {
        return;
    }

    wire->goroutine = ++w->goroutines;
    wire->number = c->number;
    wire->handshake = 1;

    ngx_prof_tracing.goroutine = wire->goroutine;

#if (NGX_SSL)

    if (c->ssl && c->ssl->handshaked) {
        wire->handshake = 0;
    }

#endif
}


/* the pass ends */

void
ngx_prof_trace_requests_wait(uint64_t now)
{
    uint64_t            reason;
    ngx_event_t        *wev;
    ngx_prof_watch_t   *w;
    ngx_prof_traced_t  *t;

    w = &ngx_prof_watch;
    t = w->current;
    reason = NGX_PROF_TRACE_WAIT_NETWORK;

    if (w->pass == 0) {

        /* the trace began during this pass */

        return;
    }

    if (t) {
        ngx_prof_trace_stage(t, w->request, now);
        ngx_prof_trace_subs(t, now);

        wev = t->key.request->connection->write;

        if (wev->delayed && wev->timer_set) {
            reason = NGX_PROF_TRACE_WAIT_TIMER;
        }
    }

    if (w->target) {
        ngx_prof_trace_tls(w->target - 1, now);
        ngx_prof_trace_closed(w->target - 1, now);
    }

    if (w->client && w->client != w->target) {
        ngx_prof_trace_closed(w->client - 1, now);
    }

    (void) ngx_prof_trace_tell(NGX_PROF_TRACE_WAIT, now, reason);

    w->current = NULL;
    ngx_prof_tracing.goroutine = 0;
}


/* only at its end is a pass known to belong to a handshake */

static void
ngx_prof_trace_tls(ngx_uint_t connection, uint64_t now)
{
#if (NGX_SSL)

    ngx_connection_t  *c;
    ngx_prof_wire_t   *wire;

    wire = &ngx_prof_watch.wires[connection];

    if (!wire->handshake) {
        return;
    }

    c = &ngx_prof_watch.cycle->connections[connection];

    if (c->fd != (ngx_socket_t) -1
        && c->ssl
        && ngx_prof_tracing.goroutine == wire->goroutine)
    {
        wire->handshake = !c->ssl->handshaked;
        (void) ngx_prof_trace_tell(NGX_PROF_TRACE_TLS, now, !wire->handshake);
    }

#endif
}


static void
ngx_prof_trace_closed(ngx_uint_t connection, uint64_t now)
{
    ngx_connection_t  *c;
    ngx_prof_wire_t   *wire;
    ngx_prof_watch_t  *w;

    w = &ngx_prof_watch;
    wire = &w->wires[connection];
    c = &w->cycle->connections[connection];

    if (wire->goroutine
        && (c->fd == (ngx_socket_t) -1 || c->number != wire->number))
    {
        (void) ngx_prof_trace_tell(NGX_PROF_TRACE_CLOSE, now, wire->goroutine);
        ngx_memzero(wire, sizeof(ngx_prof_wire_t));
    }
}


/* subrequests live as long as their main request, in its memory */

static void
ngx_prof_trace_subs(ngx_prof_traced_t *t, uint64_t now)
{
    ngx_uint_t             i;
    ngx_prof_trace_key_t  *key;

    if (t->subs == 0) {
        return;
    }

    for (i = 0; i < NGX_PROF_TRACE_SUBS; i++) {
        key = &t->sub[i];

        if (key->request && key->request->done) {
            (void) ngx_prof_trace_tell(
                                          NGX_PROF_TRACE_SUB_END,
                                          now, key->number);
            ngx_prof_trace_remove(key);
        }
    }
}
