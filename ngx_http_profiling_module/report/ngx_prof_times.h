
/*
 * Durations of rows in JSON, in microseconds.
 */


#ifndef _NGX_PROF_TIMES_H_INCLUDED_
#define _NGX_PROF_TIMES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_histogram.h"
#include "ngx_prof_json.h"


/* {unit, count, sum, p50, p90, p99, p999, max} */
void ngx_prof_view_times(ngx_prof_json_t *j, const char *key,
    const ngx_prof_hist_t *h);


#endif /* _NGX_PROF_TIMES_H_INCLUDED_ */
