
/*
 * The event loop of a worker, seen from epoll_wait(): its return begins a
 * pass, its next call ends it.  Also what else the worker's main program
 * imports and we count: accepted connections, tasks of thread pools.
 *
 * Worker only; the hooks run in the worker's main thread.
 */


#ifndef _NGX_HTTP_PROFILING_LOOP_H_INCLUDED_
#define _NGX_HTTP_PROFILING_LOOP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_profiling_base.h"


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
} ngx_http_profiling_dispatch_t;


extern ngx_http_profiling_dispatch_t  ngx_http_profiling_dispatch
    NGX_HTTP_PROFILING_HIDDEN;


/*
 * Interposes.  What cannot be interposed is marked in
 * ngx_http_profiling_process.unavailable and logged.
 */
void ngx_http_profiling_loop_init(ngx_cycle_t *cycle);

/* a pause of known cause in this pass, in ns: it is not counted once more */
void ngx_http_profiling_loop_pause(uint64_t duration, ngx_uint_t cause);


/* on: passes go through trace.h's functions; off: no more */
void ngx_http_profiling_loop_divert(ngx_uint_t on);


#endif /* _NGX_HTTP_PROFILING_LOOP_H_INCLUDED_ */
