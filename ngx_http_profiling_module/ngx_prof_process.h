
/*
 * The life of a process with the module: what is made in the master before
 * workers are forked, how a worker joins the zone and leaves it.
 */


#ifndef _NGX_PROF_PROCESS_H_INCLUDED_
#define _NGX_PROF_PROCESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Master (or single process), once a configuration is in force: counts the
 * generation, registers the places, makes what the workers will inherit.
 */
ngx_int_t ngx_prof_init_module(ngx_cycle_t *cycle);

/*
 * Worker: claims a slot and starts what watches the worker.  Never fails the
 * worker: what cannot be had is logged, and the worker runs without it.
 */
ngx_int_t ngx_prof_init_process(ngx_cycle_t *cycle);

/* Worker, about to exit in good order: last figures, gives the slot back */
void ngx_prof_exit_process(ngx_cycle_t *cycle);


#endif /* _NGX_PROF_PROCESS_H_INCLUDED_ */
