
/*
 * The block and mutex profiles as raw captures: what all workers, including
 * ended ones, have counted since the zone was created, or in an interval.
 *
 * Counts since the start carry no pid: they continue when a worker ends and
 * another takes its slot, and a series must not change its labels then.
 * Worker, normal context; made in steps.
 */


#ifndef _NGX_PROF_WAIT_PROFILE_H_INCLUDED_
#define _NGX_PROF_WAIT_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_past_profile.h"


typedef struct {
    ngx_uint_t       wait;                      /* NGX_PROF_BLOCK, _MUTEX */
    ngx_uint_t       seconds;                   /* 0: since the start */
    ngx_prof_span_t  span;                      /* of the past, or none */
    ngx_pid_t        worker;                    /* 0: all */
    ngx_uint_t       text;                      /* Go's debug=1 */
} ngx_prof_wait_query_t;


/*
 * Begins a capture of a table.  done is called once, later, unless the pool is
 * destroyed first.
 */
ngx_int_t ngx_prof_wait_profile(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_wait_query_t *query, ngx_prof_capture_pt done, void *data);


#endif /* _NGX_PROF_WAIT_PROFILE_H_INCLUDED_ */
