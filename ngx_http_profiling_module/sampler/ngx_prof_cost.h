
/*
 * What a slice of the event loop costs: its time by the processor's counter,
 * less what it was blocked, by the hooks, less what it was preempted, by the
 * CPU clock.  Charged to the request that the slice
 * was for, and to its location.
 *
 * The CPU clock of a thread is a system call, too dear for each slice: it is
 * read where a pass begins, four times a millisecond at most, and at the end of
 * a slice that was long enough to have been preempted.
 *
 * Worker's main thread, normal context.
 */


#ifndef _NGX_PROF_COST_H_INCLUDED_
#define _NGX_PROF_COST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_slice.h"


/* ns; a shorter slice is taken for one that was not preempted */
#define NGX_PROF_COST_SURE   100000

/* ns: a slice that takes so long has held others up */
#define NGX_PROF_COST_HOLD   1000000




/*
 * Worker, behind the hooks of calls and of the heap, as configured: what
 * requests cost, slow requests.
 */
void ngx_prof_cost_init(ngx_uint_t billed, ngx_uint_t watched);

/* a pass was a pause: events of the next minute's passes are distinguished */
void ngx_prof_cost_paused(void);

/* at the end of a pass that is not the short one: whether they are */
ngx_uint_t ngx_prof_cost_marked(void);

/* of a pass that has begun: all of its events are, whatever they are of */
ngx_uint_t ngx_prof_cost_each(void);

/*
 * A slice ends, and the next one begins, of nobody yet.  Returns the ticks of
 * the clock that it is given, so that the caller keeps nothing.
 */
uint64_t ngx_prof_cost_next(uint64_t ticks);

/* a pass begins: the loop waited from `then` to `now`, ticks of the clock */
void ngx_prof_cost_pass(uint64_t then, uint64_t now);

/*
 * While slicing.late is set: since when, in ticks, an event may have been ready
 * that the loop has not handled.  It is cleared when the kernel has no event.
 */
uint64_t ngx_prof_cost_late(void);

/* the event of the slice that has begun was ready since then; ticks */
void ngx_prof_cost_waited(uint64_t since);

/*
 * The cost of a request until now.  NGX_DECLINED: it is not known.  *alloc is
 * 0 if allocations are not counted.
 */
ngx_int_t ngx_prof_cost_now(ngx_http_request_t *r, ngx_prof_cost_t *cost);

/* whether CPU time, and allocated bytes, are known */
ngx_uint_t ngx_prof_cost_cpus(void);
ngx_uint_t ngx_prof_cost_allocs(void);


#endif /* _NGX_PROF_COST_H_INCLUDED_ */
