
/*
 * Slow requests: kept when they are logged, with what they did and waited for.
 */


#ifndef _NGX_PROF_SLOWNESS_H_INCLUDED_
#define _NGX_PROF_SLOWNESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_zone.h"


/* master: the table, once for a zone, if any of it is asked for */
void ngx_prof_slowness_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/* worker, behind cost_init() */
void ngx_prof_slowness_init(void);

/* worker, at each tick: requests in progress that are slow already */
void ngx_prof_slowness_tick(void);

/* worker: a main request that is being logged: its number, 0: it has none */
uint64_t ngx_prof_slowness(ngx_http_request_t *r);


#endif /* _NGX_PROF_SLOWNESS_H_INCLUDED_ */
