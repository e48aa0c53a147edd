
/*
 * A process's life with the module: what the master creates before it forks,
 * how a worker joins the zone, and how it leaves.
 */


#ifndef _NGX_PROF_PROCESS_H_INCLUDED_
#define _NGX_PROF_PROCESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Master or single process, once a configuration is in force: counts the
 * generation, registers the places, and creates what workers inherit.
 */
ngx_int_t ngx_prof_init_module(ngx_cycle_t *cycle);

/*
 * Worker: claims a slot and starts the samplers.  Never fails the worker: a
 * part that cannot start is logged, and the worker runs without it.
 */
ngx_int_t ngx_prof_init_process(ngx_cycle_t *cycle);

/*
 * Worker, about to exit normally: writes the last figures and releases the
 * slot
 */
void ngx_prof_exit_process(ngx_cycle_t *cycle);


#endif /* _NGX_PROF_PROCESS_H_INCLUDED_ */
