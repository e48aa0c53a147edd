
/*
 * The CPU sampler.
 *
 * Workers sample for the recorder all the time, at its rate, and faster while
 * a capture in the zone asks for it.  A worker sets its threads' timers when it
 * is woken, or in a signal handler if it does not answer in time.  The handler
 * sets them back when the time is up: nothing goes on if the process that
 * asked has died.
 *
 * The value of a sample is the CPU time since the one before, so sums do not
 * depend on the rate, nor on a change of it.
 */


#ifndef _NGX_PROF_CPU_H_INCLUDED_
#define _NGX_PROF_CPU_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* worker: registers for SIGPROF, unless another module has taken it */
void ngx_prof_cpu_init(ngx_cycle_t *cycle);

/*
 * worker, when it is woken and at each tick: starts or stops as captures ask
 */
void ngx_prof_cpu_update(void);

/* worker that exits: samples continue as long as the process runs */
void ngx_prof_cpu_exit(void);


#endif /* _NGX_PROF_CPU_H_INCLUDED_ */
