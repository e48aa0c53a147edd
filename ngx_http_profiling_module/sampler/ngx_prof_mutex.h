
/* Waits for locks, by any thread of the worker. */


#ifndef _NGX_PROF_MUTEX_H_INCLUDED_
#define _NGX_PROF_MUTEX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


/* master: gives numbers to the names of the cycle's zones */
void ngx_prof_mutex_register(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/* worker, when its slot is claimed, behind wait_init() */
void ngx_prof_mutex_init(ngx_cycle_t *cycle);


#endif /* _NGX_PROF_MUTEX_H_INCLUDED_ */
