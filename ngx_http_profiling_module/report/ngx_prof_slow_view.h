
/* Slow requests: the list, and one of them part by part. */


#ifndef _NGX_PROF_SLOW_VIEW_H_INCLUDED_
#define _NGX_PROF_SLOW_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_answer.h"
#include "ngx_prof_work.h"


/*
 * Reads the parameters of the list, or of w->report.  NGX_DECLINED: they are
 * valid, and nothing was sent.
 */
ngx_int_t ngx_prof_slow_arguments(ngx_prof_work_t *w,
    ngx_prof_error_pt error);

/* w->report: the number of one; 0: all */
ngx_int_t ngx_prof_slow_view(ngx_prof_work_t *w);


#endif /* _NGX_PROF_SLOW_VIEW_H_INCLUDED_ */
