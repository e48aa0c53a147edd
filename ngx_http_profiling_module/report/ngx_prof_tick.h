
/*
 * The tick: every profiling_interval each worker writes how it is to its
 * slot, at the same multiples of the interval in all of them.  The timer does
 * not keep a draining worker alive.  Worker, normal context.
 */


#ifndef _NGX_PROF_TICK_H_INCLUDED_
#define _NGX_PROF_TICK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* starts the timer and takes the first figures at once */
void ngx_prof_tick_init(ngx_cycle_t *cycle);

/* the last figures of a worker that is about to exit */
void ngx_prof_tick_finish(void);


#endif /* _NGX_PROF_TICK_H_INCLUDED_ */
