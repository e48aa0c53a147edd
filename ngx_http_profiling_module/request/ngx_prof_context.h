
/*
 * Which request is on the processor.
 *
 * A table beside nginx's connections, with the same indices, says which
 * request a connection serves: from the request's first phase until it is
 * logged, before nginx frees it.  Hash tables by address hold streams,
 * subrequests and requests that have an upstream.  The signal handler looks
 * for a word on the live stack that points into nginx's arrays of connections
 * or events, and reads only those arrays and these tables.  It compares
 * addresses that lie in nginx's pools and never follows them: requests and
 * connections end without notice, and others get their addresses.  The one
 * exception is a connection with a TLS handshake in progress: what nginx keeps
 * in its pool is read, which lives as long as the connection has a descriptor.
 */


#ifndef _NGX_PROF_CONTEXT_H_INCLUDED_
#define _NGX_PROF_CONTEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_base.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/*
 * A connection's entry.  For HTTP/2 and HTTP/3 it holds the stream that came
 * last; each stream has an entry of its own and keeps its start time in its
 * pool.
 */

typedef struct {
    uintptr_t                     request;  /* main, alive; 0: none */
    uintptr_t                     connection;   /* of the request */
    uint64_t                      number;   /* of nginx's connection, unless
                                               it is the latest.  Without a
                                               request: its server is chosen */
    uint64_t                      life;     /* see below; 0: none yet */
    uint64_t                      start;    /* ns, when the pass in which it
                                               began started */
    uint64_t                      streams;  /* being served */
    uint64_t                      place;    /* + 1 */
    uintptr_t                     counted;  /* see route.h */
    uint64_t                      end;      /* ngx_prof_loop_ticks() when bytes
                                               of the response went to the
                                               kernel last; 0: none did */
    uint64_t                      sent;     /* of a stream: its header was
                                               sent */
    uint64_t                      subs;     /* number of subrequests, if
                                               life is set */
} ngx_prof_context_t;


/*
 * The request that began last.  It moves to the table when another one begins;
 * by then most have ended.  A worker that is not profiled has
 * NGX_PROF_NO_REQUEST here, so that no request begins.
 */
#define NGX_PROF_NO_REQUEST  ((uintptr_t) -1)

extern ngx_prof_context_t   ngx_prof_latest
    NGX_PROF_HIDDEN;

/* the module's ctx_index, cheaper to read than its public structure */
extern ngx_uint_t                     ngx_prof_context_conf
    NGX_PROF_HIDDEN;

/* the worker fills these when it starts; sizes are in bytes */
extern ngx_prof_context_t  *ngx_prof_contexts
    NGX_PROF_HIDDEN;
extern ngx_connection_t              *ngx_prof_array
    NGX_PROF_HIDDEN;
extern size_t                         ngx_prof_array_size
    NGX_PROF_HIDDEN;


struct epoll_event;


/*
 * What the current pass of the event loop works on, for signal handlers of the
 * main thread.  nginx's function that waits for events also calls their
 * handlers.
 */

typedef struct {
    const struct epoll_event  *events;
    ngx_int_t                  n;               /* of the latest pass */
    uintptr_t                  caller;          /* a return address in the
                                                   function that waits, 0:
                                                   unknown */

    /*
     * own is the epoll descriptor of the worker's event loop, -1 until its
     * first pass.  ep is what each pass compares with: own, or -1 while passes
     * are diverted
     */
    int                        own;
    int                        ep;
    ngx_uint_t                 diverted;        /* bits: who asks for it */
} ngx_prof_dispatch_t;


#define NGX_PROF_DIVERT_TRACE   1
#define NGX_PROF_DIVERT_SLICES  2


extern ngx_prof_dispatch_t  ngx_prof_dispatch
    NGX_PROF_HIDDEN;


/* 1: passes leave the short way; 0: they no longer do, for whom asked */

static ngx_inline void
ngx_prof_dispatch_divert(ngx_uint_t who, ngx_uint_t on)
{
    if (on) {
        ngx_prof_dispatch.diverted |= who;

    } else {
        ngx_prof_dispatch.diverted &= ~who;
    }

    ngx_prof_dispatch.ep = ngx_prof_dispatch.diverted ? -1
                                                      : ngx_prof_dispatch.own;
}


/* master, in postconfiguration and when the configuration is in force */
ngx_int_t ngx_prof_context_init(ngx_conf_t *cf);
void ngx_prof_context_register(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/*
 * Worker: base is where the scan of the stack begins until the event loop has
 * set a better place: the address of a frame below which handlers are called.
 */
void ngx_prof_context_init_process(ngx_cycle_t *cycle, uintptr_t base);

/*
 * Worker: sets the address up to which the stack belongs to what the event
 * loop calls.  The loop's own frame lies above; its unused words keep
 * connections of earlier events.
 */
void ngx_prof_context_base(uintptr_t base);


/* worker: whether a connection is in nginx's table */

static ngx_inline ngx_uint_t
ngx_prof_context_has(const ngx_connection_t *c)
{
    return (uintptr_t) c - (uintptr_t) ngx_prof_array < ngx_prof_array_size;
}


/* worker: the entry of a connection of nginx's table, else NULL */

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


/*
 * worker and its signal handlers: does the connection serve the latest
 * request?
 */

static ngx_inline ngx_uint_t
ngx_prof_context_is_latest(const ngx_connection_t *c)
{
    return ngx_prof_latest.request != 0
           && ngx_prof_latest.connection == (uintptr_t) c;
}


/*
 * Worker and its signal handlers: what is known of a connection of nginx's
 * table, else NULL.
 */

static ngx_inline ngx_prof_context_t *
ngx_prof_context_find(const ngx_connection_t *c)
{
    return ngx_prof_context_is_latest(c)
           ? &ngx_prof_latest : ngx_prof_context(c);
}


/* the same by the index in nginx's table, never NULL */

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


/* worker: the module's configuration of the location that a request is in */

static ngx_inline ngx_prof_loc_conf_t *
ngx_prof_context_location(const ngx_http_request_t *r)
{
    return r->loc_conf[ngx_prof_context_conf];
}


/* worker: the place + 1 of a request, as labels have it */

static ngx_inline uint64_t
ngx_prof_context_place(const ngx_http_request_t *r)
{
    return ngx_prof_context_location(r)->marked;
}


/* worker: a connection begins to serve a request */

static ngx_inline void
ngx_prof_context_note(ngx_prof_context_t *context, ngx_http_request_t *r)
{
    context->connection = (uintptr_t) r->connection;
    context->life = 0;
    context->start = ngx_prof_process.slot->pass_start;
    context->counted = (uintptr_t) ngx_prof_context_location(r);
    context->place = ngx_prof_context_place(r);
    context->end = 0;

    /* a signal handler that finds the request finds the rest set */

    __atomic_signal_fence(__ATOMIC_RELEASE);
    context->request = (uintptr_t) r;
}


/*
 * Worker: a stream, with its own connection outside nginx's table, has begun,
 * or has ended.
 */
void ngx_prof_context_carry(ngx_http_request_t *r);
void ngx_prof_context_drop(const ngx_connection_t *c);


/*
 * Worker: a TLS handshake has come to where nginx chooses the server that
 * answers, by its name.
 */
void ngx_prof_context_answered(const ngx_connection_t *c);

/*
 * Worker and its signal handlers: what is known of the request that a client's
 * connection or a stream serves, by the connection's address; NULL: nothing.
 */
ngx_prof_context_t *ngx_prof_context_owner(uintptr_t client);


/*
 * Worker: records the place of a request that is not the latest one.  A
 * subrequest is known from then on.
 */
void ngx_prof_context_located(ngx_http_request_t *r);

/* worker: the index of an upstream in the zone, 0: unknown */
ngx_uint_t ngx_prof_context_upstream(const ngx_http_upstream_srv_conf_t *us);

/* worker: makes a request findable by its own address */
void ngx_prof_context_known(ngx_prof_context_t *owner);


/* for label.c */

/*
 * Requests by address: subrequests, requests that have or had an upstream, and
 * requests that had not ended when another began.  An entry is never removed.
 * It is valid as long as the main request still has the same life, a number
 * that is never used twice.
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

/* the address up to which the stack belongs to what the event loop calls */
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


/* what reads parts of the stack that a sanitizer takes for unused */
#define ngx_prof_unchecked                                                    \
    __attribute__((no_sanitize("address", "thread")))

/*
 * Signal-safe: which of a request and its subrequests runs, from the walk up
 * the stack, of which frames below sp are ours; otherwise: it is not known.
 */
uintptr_t ngx_prof_context_running(const ngx_prof_context_t *owner,
    const ngx_prof_unwind_path_t *walk, uintptr_t sp, uintptr_t otherwise);

/* signal-safe: the entry of a living request, or NULL */
const ngx_prof_request_t *ngx_prof_context_request(uintptr_t r);

/* signal-safe: the entry of a stream by the address of its request, or NULL */
ngx_prof_context_t *ngx_prof_context_stream_of(uintptr_t r);


#endif /* _NGX_PROF_CONTEXT_H_INCLUDED_ */
