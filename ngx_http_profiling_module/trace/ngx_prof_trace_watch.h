
/*
 * What is known of a worker's connections and requests during a trace.
 * Worker, normal context.
 */


#ifndef _NGX_PROF_TRACE_WATCH_H_INCLUDED_
#define _NGX_PROF_TRACE_WATCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_clock.h"
#include "ngx_prof_trace_ring.h"


/* buckets of requests by address, a power of two */
#define NGX_PROF_TRACE_BUCKETS   8192

/* requests allocated at a time, and at most */
#define NGX_PROF_TRACE_BLOCK     64
#define NGX_PROF_TRACE_REQUESTS  262144

/* subrequests of one request that can be known at a time */
#define NGX_PROF_TRACE_SUBS      6

#define NGX_PROF_TRACE_NO_PHASE  255

/* upstreams whose number is cached, a power of two */
#define NGX_PROF_TRACE_NAMES     64


typedef struct ngx_prof_traced_s  ngx_prof_traced_t;


/* a request by its address; subrequests are found by theirs too */

typedef struct ngx_prof_trace_key_s  ngx_prof_trace_key_t;

struct ngx_prof_trace_key_s {
    ngx_http_request_t    *request;                 /* NULL: not used */
    ngx_prof_traced_t     *traced;
    ngx_prof_trace_key_t  *next;
    uint64_t               number;                  /* of a subrequest */
};


struct ngx_prof_traced_s {
    uint32_t                goroutine;
    ngx_uint_t              connection;             /* index + 1, 0: stream */
    ngx_uint_t              phase;
    ngx_int_t               handler;                /* the latest, index */
    ngx_uint_t              place;
    ngx_uint_t              stage;                  /* of the upstream */
    uint64_t                subs;                   /* so far */
    ngx_prof_traced_t      *next;                   /* free ones */
    ngx_prof_trace_key_t    key;
    ngx_prof_trace_key_t    sub[NGX_PROF_TRACE_SUBS];
};


/* of nginx's table of connections */

typedef struct {
    uint32_t                          goroutine;    /* 0: none */
    uint32_t                          handshake;    /* TLS: in progress */
    ngx_atomic_uint_t                 number;       /* c->number */
    ngx_http_request_t               *request;      /* being served */
} ngx_prof_wire_t;


typedef struct {
    ngx_cycle_t                *cycle;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_phase_handler_t   *handlers;
    ngx_uint_t                  handler_n;
    ngx_http_phase_handler_pt  *checkers;           /* nginx's own functions */
    u_char                     *phases;             /* the phase of each
                                                       handler */
    ngx_http_handler_pt         log;                /* the first log handler */
    ngx_pool_t                 *pool;

    ngx_prof_wire_t            *wires;
    ngx_prof_trace_key_t      **buckets;
    ngx_prof_traced_t          *free;
    ngx_uint_t                  traced_n;
    uint32_t                    goroutines;         /* handed out */
    ngx_uint_t                  counted;            /* see loop_clock() */

    /* of this pass */

    uint64_t                    pass;               /* ns */
    ngx_uint_t                  target;             /* connection, index + 1 */
    ngx_uint_t                  client;             /* of the current request */
    ngx_prof_traced_t          *current;            /* request, or NULL */
    ngx_http_request_t         *request;            /* the same, or its
                                                       subrequest */

    struct {
        ngx_http_upstream_srv_conf_t *upstream;
        ngx_uint_t                    index;
    }                                 names[NGX_PROF_TRACE_NAMES];
} ngx_prof_watch_t;


extern ngx_prof_watch_t  ngx_prof_watch;


/* writes an event with one argument, as ngx_prof_trace_put() */

static ngx_inline ngx_int_t
ngx_prof_trace_tell(ngx_uint_t type, uint64_t time, uint64_t arg)
{
    return ngx_prof_trace_put(type, time, 1, &arg);
}


/* ns */

static ngx_inline uint64_t
ngx_prof_trace_clock(void)
{
    return ngx_prof_loop_clock(ngx_prof_watch.counted);
}


#endif /* _NGX_PROF_TRACE_WATCH_H_INCLUDED_ */
