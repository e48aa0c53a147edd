
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
#include "ngx_prof_capture.h"


/*
 * Begins a capture of a table (NGX_PROF_BLOCK or _MUTEX).  seconds: 0 for the
 * counts since the start; worker: 0 for all; text: 1 for Go's debug=1.  done
 * is called once, later, unless the pool is destroyed first.
 */
ngx_int_t ngx_prof_wait_profile(ngx_pool_t *pool, ngx_log_t *log,
    ngx_uint_t wait, ngx_uint_t seconds, ngx_pid_t worker, ngx_uint_t text,
    ngx_prof_capture_pt done, void *data);


#endif /* _NGX_PROF_WAIT_PROFILE_H_INCLUDED_ */
