
/*
 * CPU profiles as answers.  Worker, normal context.
 */


#ifndef _NGX_PROF_PPROF_CPU_H_INCLUDED_
#define _NGX_PROF_PPROF_CPU_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_answer.h"
#include "ngx_prof_range.h"


/* /debug/pprof/profile */
ngx_int_t ngx_prof_pprof_profile(ngx_http_request_t *r,
    ngx_prof_error_pt error);

/*
 * Content handler: sends a CPU profile of some seconds, or of a range of the
 * past, of one worker or (0) of all, with the file name in `disposition`.
 */
ngx_int_t ngx_prof_pprof_cpu(ngx_http_request_t *r, ngx_uint_t seconds,
    const ngx_prof_span_t *span, ngx_pid_t worker, const char *disposition,
    ngx_prof_error_pt error);


#endif /* _NGX_PROF_PPROF_CPU_H_INCLUDED_ */
