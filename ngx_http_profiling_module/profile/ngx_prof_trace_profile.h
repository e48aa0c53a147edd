
/*
 * Execution traces on request: the rings of all workers are read during the
 * trace and, with the CPU samples of a capture, become one raw capture for the
 * encoder.  One trace at a time.
 */


#ifndef _NGX_PROF_TRACE_PROFILE_H_INCLUDED_
#define _NGX_PROF_TRACE_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_cpu_profile.h"


typedef struct {
    ngx_msec_t                    duration;
    ngx_pid_t                     worker;       /* 0: all */
    ngx_uint_t                    format;       /* NGX_..._TRACE_GO .. */
    ngx_str_t                     server;       /* only requests of this
                                                   server and */
    ngx_str_t                     location;     /* this location; empty: all */
    ngx_uint_t                    min;          /* ms, only requests that
                                                   took so long */
} ngx_prof_trace_options_t;


/*
 * Like ngx_prof_cpu_profile().  NGX_BUSY: another trace, or too many captures,
 * are in progress; NGX_DECLINED: there is no memory for traces.
 */
ngx_int_t ngx_prof_trace_capture(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_trace_options_t *options, ngx_prof_capture_pt done,
    void *data);


#endif /* _NGX_PROF_TRACE_PROFILE_H_INCLUDED_ */
