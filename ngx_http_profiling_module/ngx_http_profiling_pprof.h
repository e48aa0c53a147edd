
/*
 * Profiles as answers: /debug/pprof/ as Go's net/http/pprof serves it, and
 * the downloads of /api/profiling/.
 */


#ifndef _NGX_HTTP_PROFILING_PPROF_H_INCLUDED_
#define _NGX_HTTP_PROFILING_PPROF_H_INCLUDED_


#include "ngx_http_profiling_module.h"


/* the longest capture that is taken, in seconds */
#define NGX_HTTP_PROFILING_SECONDS_MAX  3600


/* an error in the form of its tree: JSON, or Go's text */
typedef ngx_int_t (*ngx_http_profiling_error_pt)(ngx_http_request_t *r,
    ngx_uint_t status, const char *format, ...);


/*
 * Content handler's work: a CPU profile of some seconds, of one worker or
 * (0) of all, sent as `disposition` says.
 */
ngx_int_t ngx_http_profiling_pprof_cpu(ngx_http_request_t *r,
    ngx_uint_t seconds, ngx_pid_t worker, const char *disposition,
    ngx_http_profiling_error_pt error);

/* the tree below /debug/pprof, for a client that may see it */
ngx_int_t ngx_http_profiling_pprof_tree(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);


#endif /* _NGX_HTTP_PROFILING_PPROF_H_INCLUDED_ */
