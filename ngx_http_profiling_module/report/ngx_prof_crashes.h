
/*
 * /api/profiling/crashes: workers that died, and one of them.  Worker, normal
 * context.
 */


#ifndef _NGX_PROF_CRASHES_H_INCLUDED_
#define _NGX_PROF_CRASHES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


/* w->report: the number of one, which is there; 0: all */
ngx_int_t ngx_prof_crashes_view(ngx_prof_work_t *w);

/* one report, as a text for a bug report */
ngx_int_t ngx_prof_crashes_text(ngx_prof_work_t *w);

/* the report with this number, until the next call; NULL: it is not kept */
const ngx_prof_report_t *ngx_prof_crashes_find(uint64_t number);


#endif /* _NGX_PROF_CRASHES_H_INCLUDED_ */
