
/*
 * Learns which modules the functions of nginx and of its loaded modules are of:
 * the encoder is asked once for each object, by one of the workers, as soon as
 * somebody reads the figures.  Worker, normal context; the first by the master.
 */


#ifndef _NGX_PROF_LEARN_H_INCLUDED_
#define _NGX_PROF_LEARN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


void ngx_prof_learn_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/* a reader of the figures; modules may be NULL */
void ngx_prof_learn_for(ngx_prof_modules_t *modules);

/* at each tick, and when the worker ends */
void ngx_prof_learn_tick(ngx_log_t *log);
void ngx_prof_learn_finish(void);


#endif /* _NGX_PROF_LEARN_H_INCLUDED_ */
