
/*
 * A worker's event loop, seen from epoll_wait(): its return begins a pass, the
 * next call ends it.  Also counts other imports of the main program: accepted
 * connections, and tasks of thread pools.
 *
 * Worker only; the hooks run in the worker's main thread.
 */


#ifndef _NGX_PROF_LOOP_H_INCLUDED_
#define _NGX_PROF_LOOP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Interposes the functions.  One that cannot be interposed is marked in
 * ngx_prof_process.unavailable and logged.
 */
void ngx_prof_loop_init(ngx_cycle_t *cycle);

/*
 * adds a pause of known cause, in ns; the end of the pass does not count it
 * again
 */
void ngx_prof_loop_pause(uint64_t duration, ngx_uint_t cause);

/*
 * ns that a connection waited in its accept queue, at most, since this was
 * called last: of those that were asked, one a millisecond
 */
uint64_t ngx_prof_loop_accept_wait(void);


#endif /* _NGX_PROF_LOOP_H_INCLUDED_ */
