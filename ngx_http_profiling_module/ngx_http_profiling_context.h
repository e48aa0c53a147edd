
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


const char *ngx_http_profiling_request_state_name(ngx_uint_t state);


/* master, in postconfiguration and when the configuration is in force */
ngx_int_t ngx_http_profiling_context_init(ngx_conf_t *cf);
void ngx_http_profiling_context_register(ngx_cycle_t *cycle,
    ngx_http_profiling_zone_t *zone);

/*
 * Worker: base is the address of a frame below that of the event loop's
 * caller; what is above it on the stack does not change any more.
 */
void ngx_http_profiling_context_init_process(ngx_cycle_t *cycle,
    uintptr_t base);

/*
 * Worker: the request has come to a place.  c is the connection that carries
 * it, active the number of requests that c carries now.
 */
void ngx_http_profiling_context_note(ngx_connection_t *c,
    ngx_http_request_t *r, ngx_uint_t place, ngx_uint_t active);

/* worker: a request has ended; active: those that c still carries */
void ngx_http_profiling_context_clear(ngx_connection_t *c,
    ngx_http_request_t *r, ngx_uint_t active);

/* the label of what the main thread does, from its stack.  Signal-safe. */
uint32_t ngx_http_profiling_context_label(uintptr_t sp);


#endif /* _NGX_HTTP_PROFILING_CONTEXT_H_INCLUDED_ */
