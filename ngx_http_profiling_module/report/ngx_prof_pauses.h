
/*
 * /api/profiling/gc: the latest pauses, and where they happened.
 */


#ifndef _NGX_HTTP_PROFILING_RECENT_H_INCLUDED_
#define _NGX_HTTP_PROFILING_RECENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_http_profiling_view_gc(ngx_http_profiling_work_t *w);


#endif /* _NGX_HTTP_PROFILING_RECENT_H_INCLUDED_ */
