
/*
 * Which request is on the processor.
 *
 * A table beside nginx's connections, indexed like them, tells of the request
 * that a connection serves: from its first phase until it is logged, before
 * nginx frees it.  Tables by address tell of streams, of subrequests and of
 * requests that have an upstream.  The signal handler finds the connection by
 * a word on the live stack that points into nginx's arrays of connections or
 * events, and reads these arrays and these tables alone.  Addresses of what
 * lies in nginx's pools are compared, and never followed: requests and
 * connections end without telling, and others get their addresses.
 */


#ifndef _NGX_PROF_CONTEXT_H_INCLUDED_
#define _NGX_PROF_CONTEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_base.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/*
 * A connection's entry.  Of HTTP/2 and HTTP/3 it tells of the stream that has
 * come last; streams have entries of their own, and keep their start in their
 * pools.
 */

typedef struct {
    uintptr_t                     request;  /* main, alive; 0: none */
    uintptr_t                     connection;   /* of the request */
    uint64_t                      number;   /* of nginx's connection, unless
                                               it is the latest */
    uint64_t                      life;     /* see below; 0: none yet */
    uint64_t                      start;    /* ns, of the pass it began in */
    uint64_t                      streams;  /* being served */
    uint64_t                      place;    /* + 1 */
    uint64_t                      sent;     /* of a stream: its header */
    uint64_t                      subs;     /* noted, if there is a life */
} ngx_prof_context_t;


/*
 * The request that began last.  It goes to the table when another begins:
 * most have ended by then.  In a worker that is not profiled the request is
 * NGX_PROF_NO_REQUEST, so that none begins.
 */
#define NGX_PROF_NO_REQUEST  ((uintptr_t) -1)

extern ngx_prof_context_t   ngx_prof_latest
    NGX_PROF_HIDDEN;

/* the module's number, nearer than in its public structure */
extern ngx_uint_t                     ngx_prof_context_conf
    NGX_PROF_HIDDEN;

/* by the worker, when it starts; the size is in bytes */
extern ngx_prof_context_t  *ngx_prof_contexts
    NGX_PROF_HIDDEN;
extern ngx_connection_t              *ngx_prof_array
    NGX_PROF_HIDDEN;
extern size_t                         ngx_prof_array_size
    NGX_PROF_HIDDEN;


struct epoll_event;


/*
 * What a pass works on, for signal handlers of the main thread.  The function
 * of nginx that waits for events also calls their handlers.
 */

typedef struct {
    const struct epoll_event  *events;
    ngx_int_t                  n;               /* of the latest pass */
    uintptr_t                  caller;          /* an address in it, 0: not
                                                   known */

    /*
     * The descriptor of the worker's event loop, -1 until its first pass; the
     * same as each pass compares it, -1 too while a trace is on
     */
    int                        own;
    int                        ep;
} ngx_prof_dispatch_t;


extern ngx_prof_dispatch_t  ngx_prof_dispatch
    NGX_PROF_HIDDEN;


/* on: passes are those of a trace; off: no more */

static ngx_inline void
ngx_prof_dispatch_divert(ngx_uint_t on)
{
    ngx_prof_dispatch.ep = on ? -1 : ngx_prof_dispatch.own;
}


/* master, in postconfiguration and when the configuration is in force */
ngx_int_t ngx_prof_context_init(ngx_conf_t *cf);
void ngx_prof_context_register(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/*
 * Worker: base is where the scan of the stack begins until the event loop has
 * told a better place: the address of a frame that handlers are called below.
 */
void ngx_prof_context_init_process(ngx_cycle_t *cycle, uintptr_t base);

/*
 * Worker: the address up to which the stack belongs to what the event loop
 * calls.  What lies above is the loop's own frame, whose unused places keep
 * connections of earlier events.
 */
void ngx_prof_context_base(uintptr_t base);


/* worker: the table's entry of a connection of nginx's, else NULL */

static ngx_inline ngx_prof_context_t *
ngx_prof_context(const ngx_connection_t *c)
{
    uintptr_t  offset;

    offset = (uintptr_t) c - (uintptr_t) ngx_prof_array;

    if (offset >= ngx_prof_array_size) {
        return NULL;
    }

    return &ngx_prof_contexts[c - ngx_prof_array];
}


/* worker, and its signal handlers: does it serve the request above? */

static ngx_inline ngx_uint_t
ngx_prof_context_is_latest(const ngx_connection_t *c)
{
    return ngx_prof_latest.request != 0
           && ngx_prof_latest.connection == (uintptr_t) c;
}


/*
 * Worker, and its signal handlers: what is noted of a connection of nginx's
 * table, else NULL.
 */

static ngx_inline ngx_prof_context_t *
ngx_prof_context_find(const ngx_connection_t *c)
{
    return ngx_prof_context_is_latest(c)
           ? &ngx_prof_latest : ngx_prof_context(c);
}


/* the same of the connection with an index in nginx's table, never NULL */

static ngx_inline ngx_prof_context_t *
ngx_prof_context_at(ngx_uint_t i)
{
    return ngx_prof_context_is_latest(&ngx_prof_array[i])
           ? &ngx_prof_latest : &ngx_prof_contexts[i];
}


/* worker: whether a connection serves a request, or streams */

static ngx_inline ngx_uint_t
ngx_prof_context_active(const ngx_prof_context_t *context)
{
    return context->request != 0 || context->streams;
}


/* worker: the place + 1 of a request, as labels have it */

static ngx_inline uint64_t
ngx_prof_context_place(const ngx_http_request_t *r)
{
    ngx_prof_loc_conf_t  *lcf;

    lcf = r->loc_conf[ngx_prof_context_conf];

    return lcf->place + 1;
}


/* worker: a connection begins to serve a request */

static ngx_inline void
ngx_prof_context_note(ngx_prof_context_t *context, ngx_http_request_t *r)
{
    context->connection = (uintptr_t) r->connection;
    context->life = 0;
    context->start = ngx_prof_process.slot->pass_start;
    context->place = ngx_prof_context_place(r);

    /* a signal handler that finds the request finds the rest set */

    __atomic_signal_fence(__ATOMIC_RELEASE);
    context->request = (uintptr_t) r;
}


/*
 * Worker: a stream, by its own connection outside nginx's table, has begun;
 * or it has ended.
 */
void ngx_prof_context_carry(ngx_http_request_t *r);
void ngx_prof_context_drop(const ngx_connection_t *c);


/*
 * Worker, and its signal handlers: what is noted of the request that the
 * connection of a client, or of a stream, serves, by its address; NULL: none.
 */
ngx_prof_context_t *ngx_prof_context_owner(uintptr_t client);


/*
 * Worker: notes where a request is that is not the latest one: a subrequest
 * is known from then on.
 */
void ngx_prof_context_located(ngx_http_request_t *r);

/* worker: a request is to be found by its own address */
void ngx_prof_context_known(ngx_prof_context_t *owner);


/* for label.c */

/*
 * Requests by address: subrequests, those that have, or had, an upstream, and
 * those that have not ended when another began.  An entry is never removed.
 * It holds as long as the main request has its life, a number that is never
 * used twice.
 */

typedef struct {
    uintptr_t            request;
    uintptr_t            client;        /* its connection */
    uint64_t             life;
    uint32_t             place;         /* + 1, of a subrequest */
    uint32_t             upstream;
} ngx_prof_request_t;


extern ngx_event_t                   *ngx_prof_reads
    NGX_PROF_HIDDEN;
extern ngx_event_t                   *ngx_prof_writes
    NGX_PROF_HIDDEN;
extern ngx_uint_t                     ngx_prof_array_n
    NGX_PROF_HIDDEN;

/* where the stack begins to belong to what the event loop calls */
extern uintptr_t                      ngx_prof_base
    NGX_PROF_HIDDEN;


/* a listening socket, indexed like nginx's */

typedef struct {
    uint32_t             http;
    uint32_t             place;         /* + 1, of its server if it is one */
} ngx_prof_listen_t;


extern ngx_prof_listen_t   *ngx_prof_listens
    NGX_PROF_HIDDEN;
extern uintptr_t                      ngx_prof_listening
    NGX_PROF_HIDDEN;
extern ngx_uint_t                     ngx_prof_listen_n
    NGX_PROF_HIDDEN;


/*
 * Signal-safe: the entry of a request that is alive, or NULL; and that which a
 * stream has, or would take, by the address of its connection.
 */
const ngx_prof_request_t *ngx_prof_context_request(uintptr_t r);
ngx_prof_context_t *ngx_prof_context_carried(uintptr_t c);


#endif /* _NGX_PROF_CONTEXT_H_INCLUDED_ */
