
/*
 * /api/profiling/capacity, and its part of /metrics.
 */


#ifndef _NGX_PROF_CAPACITY_VIEW_H_INCLUDED_
#define _NGX_PROF_CAPACITY_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_prof_view_capacity(ngx_prof_work_t *w);

/*
 * For Prometheus: gauges of the module's own, of workers, of listening sockets
 * and of zones
 */
void ngx_prof_expose_limits(ngx_prof_work_t *w);


#endif /* _NGX_PROF_CAPACITY_VIEW_H_INCLUDED_ */
