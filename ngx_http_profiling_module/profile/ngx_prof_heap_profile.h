
/*
 * Profiles of the heap and of the creation of threads, as raw captures: one
 * reading of all slots' tables, or the difference of two.  Made in steps: each
 * pass of the event loop is held up for one slice of time at most.  Worker,
 * normal context.
 *
 * Allocations are reported for all workers since the start, including ended
 * ones, without a pid, so that they never fall.  Memory in use is reported for
 * living workers, with their pid and worker.  For a single worker, both are
 * its own.
 */


#ifndef _NGX_PROF_HEAP_PROFILE_H_INCLUDED_
#define _NGX_PROF_HEAP_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_past_profile.h"


typedef enum {
    NGX_PROF_OF_HEAP = 0,
    NGX_PROF_OF_ALLOCS,
    NGX_PROF_OF_THREADS
} ngx_prof_heap_kind_e;


typedef struct {
    ngx_uint_t                     kind;
    ngx_pid_t                      worker;      /* 0: all */
    ngx_uint_t                     text;        /* Go's debug=1 */
    ngx_uint_t                     trim;        /* the allocators first */
    ngx_msec_t                     delta;       /* 0: none */
    ngx_prof_span_t                span;        /* of allocations of the past,
                                                   or none */
} ngx_prof_heap_query_t;


/*
 * done is called once, later, unless the pool is destroyed first.  NGX_OK, or
 * NGX_ERROR: out of memory.
 */
ngx_int_t ngx_prof_heap_profile(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_heap_query_t *query, ngx_prof_capture_pt done, void *data);


#endif /* _NGX_PROF_HEAP_PROFILE_H_INCLUDED_ */
