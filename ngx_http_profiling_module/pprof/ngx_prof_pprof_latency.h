
/* /debug/pprof/latency.  Worker, normal context. */


#ifndef _NGX_PROF_PPROF_LATENCY_H_INCLUDED_
#define _NGX_PROF_PPROF_LATENCY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_answer.h"


ngx_int_t ngx_prof_pprof_latency(ngx_http_request_t *r,
    ngx_prof_error_pt error);


#endif /* _NGX_PROF_PPROF_LATENCY_H_INCLUDED_ */
