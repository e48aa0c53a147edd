
/*
 * Captures of CPU time: what all workers sample in some time.
 *
 *     begin   claims one of the zone's captures, reads the tables of all
 *             slots once, wakes the workers
 *     wait    200 ms later a worker that has not begun to sample is reached
 *             by a signal; the rest of the time nothing is done
 *     finish  reads the tables again and writes the differences
 *
 * Worker, normal context.
 */


#ifndef _NGX_PROF_CPU_PROFILE_H_INCLUDED_
#define _NGX_PROF_CPU_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_past_profile.h"


/*
 * Begins a CPU capture of some ms, of one worker or (0) of all.  done is
 * called once, unless the pool is destroyed first, which ends the capture.
 * NGX_OK; NGX_BUSY: too many are in progress; NGX_ERROR.
 */
ngx_int_t ngx_prof_cpu_profile(ngx_pool_t *pool, ngx_log_t *log,
    ngx_msec_t duration, ngx_pid_t worker, ngx_prof_capture_pt done,
    void *data);

/* the same of a range of what was recorded, which takes no time */
ngx_int_t ngx_prof_cpu_profile_past(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_span_t *span, ngx_pid_t worker, ngx_prof_capture_pt done,
    void *data);

/*
 * The same for an execution trace: before the raw capture is finished, more is
 * called with it until it returns something other than NGX_AGAIN. *number:
 * which of the zone's captures it is.
 */
ngx_int_t ngx_prof_cpu_profile_trace(ngx_pool_t *pool, ngx_log_t *log,
    ngx_msec_t duration, ngx_pid_t worker, ngx_prof_capture_pt done,
    ngx_prof_capture_more_pt more, void *data, ngx_uint_t *number);

/* worker, at each tick: frees captures whose owner has died */
void ngx_prof_cpu_profile_reap(void);


#endif /* _NGX_PROF_CPU_PROFILE_H_INCLUDED_ */
