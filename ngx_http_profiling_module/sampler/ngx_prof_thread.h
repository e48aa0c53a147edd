
/*
 * The threads of a worker: where their stacks are, and a timer on the CPU
 * clock of each, made disarmed.  threads.c makes the entries.
 */


#ifndef _NGX_PROF_THREAD_H_INCLUDED_
#define _NGX_PROF_THREAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"
#include "ngx_prof_unwind.h"


#define NGX_PROF_THREADS    256

/* glibc has the field, and in older versions no name for it */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id        _sigev_un._tid
#endif

/* frames kept of the stack that made a thread */
#define NGX_PROF_MADE       48


/*
 * An entry is claimed by setting state, filled by its thread, and released by
 * it.  Handlers on other threads read only entries that are RUNNING.
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
    ngx_prof_stack_t      stack;
    uint64_t              reserved;                 /* bytes of stack */
    uintptr_t             end;                      /* of its mapping */
    int                   timer;                    /* of the kernel, -1 */
    uint32_t              armed;
    uint64_t              last;                     /* CPU ns at the last
                                                       sample */
    void                         *(*start)(void *arg);
    void                           *arg;
    ngx_uint_t                      tally;          /* of its maker, 0: it is
                                                       not counted */
    ngx_uint_t                      made_n;
    uint64_t                        made[NGX_PROF_MADE];
} ngx_prof_thread_t;


extern ngx_prof_thread_t
    ngx_prof_threads[NGX_PROF_THREADS];


/*
 * A free entry, which its thread then makes RUNNING.  NULL: there is none;
 * NGX_ERROR: the thread cannot be sampled.
 */
ngx_prof_thread_t *ngx_prof_thread_claim(void);
ngx_int_t ngx_prof_thread_begin(ngx_prof_thread_t *t);

/*
 * Worker, normal context: fills stack_inuse and stack_sys of g, or marks them
 * unavailable if there are threads that were not seen.  Measures one stack a
 * call, in turn.
 */
void ngx_prof_thread_stacks(ngx_prof_gauges_t *g);

/*
 * Arms the timers of all threads, at a rate in hertz; those that are armed go
 * on.  The first expiry is at random within the period.  Signal-safe.
 */
void ngx_prof_thread_arm(ngx_uint_t rate);

/* disarms the timer of one thread, by that thread or its sampler */
void ngx_prof_thread_disarm(ngx_prof_thread_t *t);

/* the main thread of this worker, NULL: it is not known.  Signal-safe. */
const ngx_prof_thread_t *ngx_prof_thread_main(void);

/* ns of CPU time of the calling thread.  Signal-safe. */
uint64_t ngx_prof_thread_cpu(void);


#endif /* _NGX_PROF_THREAD_H_INCLUDED_ */
