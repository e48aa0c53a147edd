
/*
 * malloc() and its family, interposed for the heap sampler.
 */


#ifndef _NGX_PROF_MALLOC_H_INCLUDED_
#define _NGX_PROF_MALLOC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * worker: takes over the slot's table, and interposes unless
 * profiling_heap_rate is off
 */
void ngx_prof_malloc_init(ngx_cycle_t *cycle);

/* worker, at each tick behind heap_tick(): counts what the hooks took */
void ngx_prof_malloc_tick(void);


#endif /* _NGX_PROF_MALLOC_H_INCLUDED_ */
