
/*
 * The threads of a worker: where their stacks are, and a timer on the CPU
 * clock of each, made disarmed.
 *
 * Threads are seen from their start on, by interposing pthread_create(); this
 * is done in the master, since nginx makes its thread pools before modules of
 * ours are called in the worker.  pthread_sigmask() is interposed too: the
 * threads of nginx's pools block all signals, and would never be sampled.
 */


#ifndef _NGX_HTTP_PROFILING_THREAD_H_INCLUDED_
#define _NGX_HTTP_PROFILING_THREAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_profiling_slot.h"
#include "ngx_http_profiling_unwind.h"


#define NGX_HTTP_PROFILING_THREADS    256

/* glibc has the field, and in older versions no name for it */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id        _sigev_un._tid
#endif

/* frames kept of the stack that made a thread */
#define NGX_HTTP_PROFILING_MADE       48


/*
 * An entry is claimed by setting state, filled by its thread, and released by
 * it.  Handlers on other threads read only entries that are RUNNING.
 */

typedef enum {
    NGX_HTTP_PROFILING_THREAD_FREE = 0,
    NGX_HTTP_PROFILING_THREAD_CLAIMED,
    NGX_HTTP_PROFILING_THREAD_RUNNING
} ngx_http_profiling_thread_state_e;


typedef struct {
    uint32_t                        state;
    uint32_t                        main;           /* the worker's own */
    pid_t                           pid;            /* of the process */
    pid_t                           tid;
    ngx_http_profiling_stack_t      stack;
    uint64_t                        reserved;       /* bytes of stack */
    uintptr_t                       end;            /* of its mapping */
    int                             timer;          /* of the kernel, -1 */
    uint32_t                        armed;
    uint64_t                        last;           /* CPU ns at the last
                                                       sample */
    void                         *(*start)(void *arg);
    void                           *arg;
    ngx_uint_t                      tally;          /* of its maker, 0: it is
                                                       not counted */
    ngx_uint_t                      made_n;
    uint64_t                        made[NGX_HTTP_PROFILING_MADE];
} ngx_http_profiling_thread_t;


extern ngx_http_profiling_thread_t
    ngx_http_profiling_threads[NGX_HTTP_PROFILING_THREADS];


/* master or single process: from now on threads are seen */
void ngx_http_profiling_thread_init_module(ngx_log_t *log);

/* worker: registers its main thread; NGX_ERROR: it cannot be sampled */
ngx_int_t ngx_http_profiling_thread_init(ngx_log_t *log);

/*
 * Worker, normal context: fills stack_inuse and stack_sys of g, or marks them
 * unavailable if there are threads that were not seen.  Measures one stack a
 * call, in turn.
 */
void ngx_http_profiling_thread_stacks(ngx_http_profiling_gauges_t *g);

/*
 * Arms the timers of all threads, at a rate in hertz; those that are armed go
 * on.  The first expiry is at random within the period.  Signal-safe.
 */
void ngx_http_profiling_thread_arm(ngx_uint_t rate);

/* disarms the timer of one thread, by that thread or its sampler */
void ngx_http_profiling_thread_disarm(ngx_http_profiling_thread_t *t);

/* the main thread of this worker, NULL: it is not known.  Signal-safe. */
const ngx_http_profiling_thread_t *ngx_http_profiling_thread_main(void);

/* worker, once its slot has a table of the heap: counts the threads it has */
void ngx_http_profiling_thread_made(void);

/* ns of CPU time of the calling thread.  Signal-safe. */
uint64_t ngx_http_profiling_thread_cpu(void);


#endif /* _NGX_HTTP_PROFILING_THREAD_H_INCLUDED_ */
