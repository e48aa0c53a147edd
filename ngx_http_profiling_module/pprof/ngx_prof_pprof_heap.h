
/* Profiles of the heap and of the creation of threads, as answers. */


#ifndef _NGX_PROF_PPROF_HEAP_H_INCLUDED_
#define _NGX_PROF_PPROF_HEAP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_answer.h"


/* content handler: sends the heap of this moment, as pprof_cpu() does */
ngx_int_t ngx_prof_pprof_dump(ngx_http_request_t *r, ngx_pid_t worker,
    const char *disposition, ngx_prof_error_pt error);

ngx_int_t ngx_prof_pprof_heap(ngx_http_request_t *r, ngx_prof_error_pt error);
ngx_int_t ngx_prof_pprof_allocs(ngx_http_request_t *r,
    ngx_prof_error_pt error);
ngx_int_t ngx_prof_pprof_threadcreate(ngx_http_request_t *r,
    ngx_prof_error_pt error);


#endif /* _NGX_PROF_PPROF_HEAP_H_INCLUDED_ */
