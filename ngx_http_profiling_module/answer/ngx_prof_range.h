
/*
 * Times and ranges of time in the query of a request.  Worker, normal context.
 */


#ifndef _NGX_PROF_RANGE_H_INCLUDED_
#define _NGX_PROF_RANGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_answer.h"


/* a range of time: ms, CLOCK_MONOTONIC */

typedef struct {
    uint64_t  from;
    uint64_t  until;            /* 0: no range is asked for */
} ngx_prof_span_t;


/*
 * The parameters "from" and "until": RFC 3339, Unix seconds, or from now, such
 * as -10m.  alone: the parameter that a range excludes.  NGX_DECLINED: go on;
 * else what error() returned for values that are wrong.
 */
ngx_int_t ngx_prof_range(ngx_http_request_t *r, ngx_prof_span_t *span,
    const char *alone, ngx_prof_error_pt error);

/*
 * RFC 3339, with any offset and fraction: 2026-02-10T09:59:58.25Z, in ms since
 * the epoch.
 */
ngx_int_t ngx_prof_range_date(const ngx_str_t *text, uint64_t *ms);


#endif /* _NGX_PROF_RANGE_H_INCLUDED_ */
