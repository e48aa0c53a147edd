
/*
 * /api/profiling/caches: results by zone and location, size and limit of each
 * cache, and their part of /metrics.
 */


#ifndef _NGX_PROF_CACHES_H_INCLUDED_
#define _NGX_PROF_CACHES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_prof_view_caches(ngx_prof_work_t *w);

/* as ngx_prof_expose_upstreams() */
ngx_int_t ngx_prof_expose_caches(ngx_prof_work_t *w, ngx_uint_t *next);


#endif /* _NGX_PROF_CACHES_H_INCLUDED_ */
