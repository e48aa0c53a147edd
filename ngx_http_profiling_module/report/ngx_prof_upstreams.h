
/*
 * /api/profiling/upstreams: upstreams by peer, and their part of /metrics.
 */


#ifndef _NGX_PROF_UPSTREAMS_H_INCLUDED_
#define _NGX_PROF_UPSTREAMS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_prof_view_upstreams(ngx_prof_work_t *w);

/*
 * For Prometheus: one family of one peer a step; *next is 0 at first.  NGX_DONE
 * when there are no more.
 */
ngx_int_t ngx_prof_expose_upstreams(ngx_prof_work_t *w, ngx_uint_t *next);


#endif /* _NGX_PROF_UPSTREAMS_H_INCLUDED_ */
