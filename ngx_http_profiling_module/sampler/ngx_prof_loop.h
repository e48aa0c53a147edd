
/*
 * The event loop of a worker, seen from epoll_wait(): its return begins a
 * pass, its next call ends it.  Also what else the worker's main program
 * imports and we count: accepted connections, tasks of thread pools.
 *
 * Worker only; the hooks run in the worker's main thread.
 */


#ifndef _NGX_PROF_LOOP_H_INCLUDED_
#define _NGX_PROF_LOOP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Interposes.  What cannot be interposed is marked in
 * ngx_prof_process.unavailable and logged.
 */
void ngx_prof_loop_init(ngx_cycle_t *cycle);

/* a pause of known cause in this pass, in ns: it is not counted once more */
void ngx_prof_loop_pause(uint64_t duration, ngx_uint_t cause);


#endif /* _NGX_PROF_LOOP_H_INCLUDED_ */
