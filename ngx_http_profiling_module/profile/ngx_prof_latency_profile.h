
/*
 * Where the time of requests went, by location, part and peer: as a raw
 * capture, of all requests so far or of those that end in some time.  Worker,
 * normal context.
 */


#ifndef _NGX_PROF_LATENCY_PROFILE_H_INCLUDED_
#define _NGX_PROF_LATENCY_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_capture.h"


typedef struct {
    ngx_pid_t   worker;                         /* 0: all */
    ngx_uint_t  seconds;                        /* 0: since the start */
    ngx_uint_t  text;                           /* 1: Go's text form */
} ngx_prof_latency_query_t;


/*
 * done is called once, unless the pool is destroyed before, which ends the
 * capture.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_prof_latency_profile(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_latency_query_t *query, ngx_prof_capture_pt done,
    void *data);


#endif /* _NGX_PROF_LATENCY_PROFILE_H_INCLUDED_ */
