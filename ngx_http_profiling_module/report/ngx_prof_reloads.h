
/*
 * /api/profiling/reloads: the stages of the start and of the latest reloads.
 */


#ifndef _NGX_PROF_RELOADS_H_INCLUDED_
#define _NGX_PROF_RELOADS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_prof_view_reloads(ngx_prof_work_t *w);

/* the stages of the latest one, for Prometheus */
void ngx_prof_expose_reload(ngx_prof_work_t *w);

/* worker, at each tick: whether it has served, and whether others drain */
void ngx_prof_reloads_tick(uint64_t clock);


#endif /* _NGX_PROF_RELOADS_H_INCLUDED_ */
