
/*
 * A worker's threads: the bounds of each stack, and a timer on each thread's
 * CPU clock, created disarmed. threads.c creates the entries.
 */


#ifndef _NGX_PROF_THREAD_H_INCLUDED_
#define _NGX_PROF_THREAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <pthread.h>
#include "ngx_prof_slot.h"
#include "ngx_prof_unwind.h"


#define NGX_PROF_THREADS    256

/* older versions of glibc have the field, but no name for it */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id        _sigev_un._tid
#endif

/* frames kept of the stack that created a thread */
#define NGX_PROF_MADE       48


/*
 * A thread's entry is claimed by setting state, then filled and released by
 * the thread itself.  Handlers on other threads read only RUNNING entries.
 */

typedef enum {
    NGX_PROF_THREAD_FREE = 0,
    NGX_PROF_THREAD_CLAIMED,
    NGX_PROF_THREAD_RUNNING
} ngx_prof_thread_state_e;


typedef struct {
    uint32_t              state;
    uint32_t              main;                     /* the worker's own */
    pid_t                 pid;                      /* of the process */
    pid_t                 tid;
    pthread_t             self;
    ngx_prof_stack_t      stack;
    uint64_t              reserved;                 /* bytes of stack */
    uintptr_t             end;                      /* of its mapping */
    void                 *crash;                    /* stack of that handler,
                                                       or NULL */
    int                   timer;                    /* of the kernel, -1 */
    uint32_t              armed;                    /* hertz, 0: not */
    uint64_t              last;                     /* CPU ns at the last
                                                       sample */
    uint64_t              changed;                  /* the same when the rate
                                                       was changed last */
    void                         *(*start)(void *arg);
    void                           *arg;
    ngx_uint_t                      tally;          /* of the stack that
                                                       created it, 0: not
                                                       counted */
    ngx_uint_t                      made_later;     /* see ngx_prof_unwind_t */
    ngx_uint_t                      made_n;
    uint64_t                        made[NGX_PROF_MADE];
} ngx_prof_thread_t;


extern ngx_prof_thread_t
    ngx_prof_threads[NGX_PROF_THREADS];

/* what walks of the main thread have found that no timer's signal began */
extern ngx_prof_unwind_cache_t  ngx_prof_thread_walks;


/*
 * claim() returns a free entry, which its thread makes RUNNING by begin().
 * NULL: there is none; NGX_ERROR: the thread cannot be sampled.
 */
ngx_prof_thread_t *ngx_prof_thread_claim(void);
ngx_int_t ngx_prof_thread_begin(ngx_prof_thread_t *t);

/* as ngx_prof_unwind_stack(), where a filter bars its calls as well */
ngx_int_t ngx_prof_thread_bounds(ngx_prof_stack_t *stack);

/*
 * Worker, normal context: fills stack_inuse and stack_sys of g, or marks them
 * unavailable if some threads were not seen.  Measures one stack per call, in
 * turn.
 */
void ngx_prof_thread_stacks(ngx_prof_gauges_t *g);

/*
 * Arms the timers of all threads, and of those that start later, at a rate in
 * hertz; timers that have this rate keep running.  The first expiry is random
 * within the period.  Signal-safe.
 */
void ngx_prof_thread_arm(ngx_uint_t rate);

/* one thread, by that thread or its sampler; 0: disarms it */
void ngx_prof_thread_rate(ngx_prof_thread_t *t, ngx_uint_t rate);

/*
 * Signal handler: is the calling thread the one of this entry, and is its timer
 * armed?
 */
ngx_uint_t ngx_prof_thread_expired(const ngx_prof_thread_t *t);

/* the main thread of this worker, or NULL if unknown.  Signal-safe. */
const ngx_prof_thread_t *ngx_prof_thread_main(void);

/* ns of CPU time of the calling thread.  Signal-safe. */
uint64_t ngx_prof_thread_cpu(void);


#endif /* _NGX_PROF_THREAD_H_INCLUDED_ */
