
/*
 * The CPU sampler.
 *
 * Workers sample while a capture of the zone asks for it: the timers of their
 * threads are armed by the worker when it is woken, or, if it does not answer
 * in time, by a signal.  The handler stops them by itself when the time is
 * up, so that nothing is left running when the one who asked has died.
 */


#ifndef _NGX_PROF_CPU_H_INCLUDED_
#define _NGX_PROF_CPU_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* worker: takes SIGPROF, unless it is another's */
void ngx_prof_cpu_init(ngx_cycle_t *cycle);

/* worker, when it is woken and at each tick: does what captures ask for */
void ngx_prof_cpu_update(void);

/* ns, CLOCK_MONOTONIC, until when this worker shall sample; signal-safe */
uint64_t ngx_prof_cpu_until(void);


#endif /* _NGX_PROF_CPU_H_INCLUDED_ */
