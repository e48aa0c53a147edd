
/*
 * /api/profiling/timeline: CPU time of a range of the past, step by step, by
 * server, location and state.  Worker, normal context.
 */


#ifndef _NGX_PROF_TIMELINE_H_INCLUDED_
#define _NGX_PROF_TIMELINE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_answer.h"
#include "ngx_prof_work.h"


/*
 * Reads the parameters of w->request: NGX_DECLINED, go on, or what error()
 * returned.
 */
ngx_int_t ngx_prof_timeline_arguments(ngx_prof_work_t *w,
    ngx_prof_error_pt error);

/* a step of the answer */
ngx_int_t ngx_prof_timeline_view(ngx_prof_work_t *w);


#endif /* _NGX_PROF_TIMELINE_H_INCLUDED_ */
