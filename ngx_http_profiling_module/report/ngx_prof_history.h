
/* /api/profiling/history: the samples kept by the ticks. */


#ifndef _NGX_PROF_HISTORY_H_INCLUDED_
#define _NGX_PROF_HISTORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_prof_view_history(ngx_prof_work_t *w);

/* a sum over all workers, and the one before it, as an object of an array */
void ngx_prof_history_print(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_sample_t *sum, const ngx_prof_sample_t *before,
    ngx_uint_t workers);


#endif /* _NGX_PROF_HISTORY_H_INCLUDED_ */
