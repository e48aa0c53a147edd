
/*
 * Which request is on the processor.
 *
 * A table beside nginx's connections, indexed like them, says which place
 * the request of a connection is at; it is written by the module's phase
 * handlers.  The signal handler finds the connection by a word on the live
 * stack that points into nginx's arrays of connections or events, and reads
 * nothing but these arrays and this table: no pointer is followed that could
 * dangle.
 */


#ifndef _NGX_HTTP_PROFILING_CONTEXT_H_INCLUDED_
#define _NGX_HTTP_PROFILING_CONTEXT_H_INCLUDED_


#include "ngx_http_profiling_module.h"
#include "ngx_http_profiling_unwind.h"


/* what a thread was doing; 4 bits of a label */

typedef enum {
    NGX_HTTP_PROFILING_STATE_IDLE = 0,      /* the event loop itself */
    NGX_HTTP_PROFILING_STATE_ACCEPT,
    NGX_HTTP_PROFILING_STATE_TLS,           /* first bytes of a connection */
    NGX_HTTP_PROFILING_STATE_READ,          /* request line and headers */
    NGX_HTTP_PROFILING_STATE_PHASE,         /* phases, up to the response */
    NGX_HTTP_PROFILING_STATE_UPSTREAM,
    NGX_HTTP_PROFILING_STATE_WRITE,         /* the rest of a response */
    NGX_HTTP_PROFILING_STATE_KEEPALIVE,
    NGX_HTTP_PROFILING_STATE_THREAD,        /* another thread */
    NGX_HTTP_PROFILING_STATE_OTHER,         /* mail, stream, resolver .. */
    NGX_HTTP_PROFILING_STATES
} ngx_http_profiling_request_state_e;


/* a label: place + 1 (16 bits, 0: unknown), upstream (12), state (4) */

#define ngx_http_profiling_label(place, upstream, state)                      \
    ((uint32_t) (place) << 16 | (uint32_t) (upstream) << 4 | (state))

#define ngx_http_profiling_label_place(label)     ((label) >> 16)
#define ngx_http_profiling_label_upstream(label)  ((label) >> 4 & 0xfff)
#define ngx_http_profiling_label_state(label)     ((label) & 0xf)


/*
 * A connection's entry.  Of HTTP/2 and HTTP/3 it tells of the stream that was
 * served last; streams keep their start in their pools.
 */

typedef struct {
    uint32_t                      place;    /* + 1, 0: no request */
    uint32_t                      active;   /* requests being served */
    uint64_t                      pass;     /* start of that which noted it */
    uint64_t                      start;    /* ns, monotonic, of the request */
    uintptr_t                     request;  /* never followed; 0: none */
} ngx_http_profiling_context_t;


/* by the worker, when it starts; the size is in bytes */
extern ngx_http_profiling_context_t  *ngx_http_profiling_contexts;
extern ngx_connection_t              *ngx_http_profiling_array;
extern size_t                         ngx_http_profiling_array_size;


const char *ngx_http_profiling_request_state_name(ngx_uint_t state);


/* master, in postconfiguration and when the configuration is in force */
ngx_int_t ngx_http_profiling_context_init(ngx_conf_t *cf);
void ngx_http_profiling_context_register(ngx_cycle_t *cycle,
    ngx_http_profiling_zone_t *zone);

/*
 * Worker: base is where the scan of the stack begins until the event loop has
 * told a better place: the address of a frame that handlers are called below.
 */
void ngx_http_profiling_context_init_process(ngx_cycle_t *cycle,
    uintptr_t base);

/*
 * Worker: the address up to which the stack belongs to what the event loop
 * calls.  What lies above is the loop's own frame, whose unused places keep
 * connections of earlier events.
 */
void ngx_http_profiling_context_base(uintptr_t base);


/* worker: the entry of a connection of nginx's table, else NULL */

static ngx_inline ngx_http_profiling_context_t *
ngx_http_profiling_context(const ngx_connection_t *c)
{
    uintptr_t  offset;

    offset = (uintptr_t) c - (uintptr_t) ngx_http_profiling_array;

    if (offset >= ngx_http_profiling_array_size) {
        return NULL;
    }

    return &ngx_http_profiling_contexts[offset / sizeof(ngx_connection_t)];
}


/* worker: a request of the connection has come to a place */

static ngx_inline void
ngx_http_profiling_context_note(ngx_http_profiling_context_t *context,
    const ngx_http_request_t *r, ngx_uint_t place)
{
    context->place = place + 1;
    context->pass = ngx_http_profiling_process.slot->pass_start;
    context->request = (uintptr_t) r;
}


/* worker: a request of the connection has ended */

static ngx_inline void
ngx_http_profiling_context_clear(ngx_http_profiling_context_t *context,
    const ngx_http_request_t *r)
{
    if (context->request == (uintptr_t) r) {
        context->place = 0;
        context->request = 0;
    }
}


/*
 * Worker: a stream, by its own connection outside nginx's table, has come to
 * a place, or has ended.
 */
void ngx_http_profiling_context_carry(const ngx_connection_t *c,
    ngx_uint_t place);
void ngx_http_profiling_context_drop(const ngx_connection_t *c);


/* the label of what the main thread does, from its stack.  Signal-safe. */
uint32_t ngx_http_profiling_context_label(uintptr_t sp);


#endif /* _NGX_HTTP_PROFILING_CONTEXT_H_INCLUDED_ */
