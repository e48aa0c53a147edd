
/*
 * Profiles as answers: /debug/pprof/ as Go's net/http/pprof serves it, and
 * the downloads of /api/profiling/.
 */


#ifndef _NGX_HTTP_PROFILING_PPROF_H_INCLUDED_
#define _NGX_HTTP_PROFILING_PPROF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_answer.h"
#include "ngx_http_profiling_text.h"


/*
 * Content handler's work: a CPU profile of some seconds, of one worker or
 * (0) of all, sent as `disposition` says.
 */
ngx_int_t ngx_http_profiling_pprof_cpu(ngx_http_request_t *r,
    ngx_uint_t seconds, ngx_pid_t worker, const char *disposition,
    ngx_http_profiling_error_pt error);

/* the same of the heap, at this moment */
ngx_int_t ngx_http_profiling_pprof_dump(ngx_http_request_t *r,
    ngx_pid_t worker, const char *disposition,
    ngx_http_profiling_error_pt error);

/* the tree below /debug/pprof, for a client that may see it */
ngx_int_t ngx_http_profiling_pprof_tree(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);


/*
 * For handlers of the tree.  disposition: NULL for a text.  create() is for a
 * capture that ends with captured(), which answers, and form() if its output
 * is no pprof (an output of ..._raw.h); head() answers HEAD.
 */

typedef struct ngx_http_profiling_profile_s  ngx_http_profiling_profile_t;

ngx_http_profiling_profile_t *ngx_http_profiling_pprof_create(
    ngx_http_request_t *r, const char *disposition,
    ngx_http_profiling_error_pt error);
void ngx_http_profiling_pprof_form(ngx_http_profiling_profile_t *p,
    uint32_t output);
void ngx_http_profiling_pprof_captured(void *data, ngx_int_t rc,
    ngx_http_profiling_text_t *raw);

/*
 * What captured() does, for those who answer themselves: NGX_DONE, if the
 * encoder has been started, or else what to answer with.
 */
ngx_int_t ngx_http_profiling_pprof_encode(ngx_http_profiling_profile_t *p,
    ngx_int_t rc, ngx_http_profiling_text_t *raw);

ngx_int_t ngx_http_profiling_pprof_head(ngx_http_request_t *r,
    const char *disposition);

/* in pprof_wait.c */
ngx_int_t ngx_http_profiling_pprof_block(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);
ngx_int_t ngx_http_profiling_pprof_mutex(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);

/* in pprof_trace.c */
ngx_int_t ngx_http_profiling_pprof_trace(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);

/* in pprof_heap.c */
ngx_int_t ngx_http_profiling_pprof_heap(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);
ngx_int_t ngx_http_profiling_pprof_allocs(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);
ngx_int_t ngx_http_profiling_pprof_threadcreate(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);


#endif /* _NGX_HTTP_PROFILING_PPROF_H_INCLUDED_ */
