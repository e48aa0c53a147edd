
/*
 * The tick: every profiling_interval, at the same multiples of the interval in
 * all workers, each worker writes its figures to its slot.  The timer does not
 * keep an exiting worker alive.  Worker, normal context.
 */


#ifndef _NGX_PROF_TICK_H_INCLUDED_
#define _NGX_PROF_TICK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* starts the timer, and writes the first figures at once */
void ngx_prof_tick_init(ngx_cycle_t *cycle);

/* writes the last figures of a worker that is about to exit */
void ngx_prof_tick_finish(void);


#endif /* _NGX_PROF_TICK_H_INCLUDED_ */
