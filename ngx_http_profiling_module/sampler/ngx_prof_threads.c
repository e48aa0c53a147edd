
#include <ngx_config.h>
#include <ngx_core.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "ngx_prof_threads.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_record.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_unwind.h"


static int ngx_http_profiling_thread_create(pthread_t *thread,
    const pthread_attr_t *attr, void *(*start)(void *), void *arg);
static int ngx_http_profiling_thread_sigmask(int how, const sigset_t *set,
    sigset_t *old);
static void ngx_http_profiling_thread_maker(ngx_http_profiling_thread_t *t);
static void *ngx_http_profiling_thread_start(void *arg);
static void ngx_http_profiling_thread_end(void *arg);
static void ngx_http_profiling_thread_release(ngx_http_profiling_thread_t *t);


static int (*ngx_http_profiling_pthread_create)(pthread_t *,
    const pthread_attr_t *, void *(*)(void *), void *);
static int (*ngx_http_profiling_pthread_sigmask)(int, const sigset_t *,
    sigset_t *);


static ngx_http_profiling_hook_t  ngx_http_profiling_thread_hooks[] = {

    { "pthread_create", (void *) ngx_http_profiling_thread_create,
      (void **) &ngx_http_profiling_pthread_create,
      NGX_HTTP_PROFILING_HOOK_ALL },

    { "pthread_sigmask", (void *) ngx_http_profiling_thread_sigmask,
      (void **) &ngx_http_profiling_pthread_sigmask,
      NGX_HTTP_PROFILING_HOOK_MAIN }
};


void
ngx_http_profiling_threads_init_module(ngx_log_t *log)
{
    ngx_uint_t  n;

    n = sizeof(ngx_http_profiling_thread_hooks)
        / sizeof(ngx_http_profiling_hook_t);

    if (ngx_http_profiling_interpose(ngx_http_profiling_thread_hooks, n, log)
        == NGX_ERROR)
    {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "profiling does not see threads of the workers");
    }
}


ngx_int_t
ngx_http_profiling_threads_init(ngx_log_t *log)
{
    u_char                        page;
    ngx_http_profiling_thread_t  *t;

    t = ngx_http_profiling_thread_claim();

    if (t == NULL || ngx_http_profiling_thread_begin(t) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      "this worker's CPU time cannot be sampled");
        return NGX_ERROR;
    }

    t->main = 1;

    ngx_http_profiling_thread_maker(t);

    /* arguments and environment lie above what counts as the stack */

    while (mincore((void *) t->end, ngx_pagesize, &page) == 0) {
        t->end += ngx_pagesize;
    }

    return NGX_OK;
}


static int
ngx_http_profiling_thread_create(pthread_t *thread,
    const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    int                           rc;
    ngx_http_profiling_thread_t  *t;

    t = ngx_http_profiling_thread_claim();

    if (t == NULL) {
        return ngx_http_profiling_pthread_create(thread, attr, start, arg);
    }

    t->start = start;
    t->arg = arg;

    ngx_http_profiling_thread_maker(t);

    rc = ngx_http_profiling_pthread_create(thread, attr,
                                           ngx_http_profiling_thread_start,
                                           t);
    if (rc != 0) {
        ngx_http_profiling_heap_thread_gone(t->tally);
        ngx_http_profiling_store_release(&t->state,
                                         NGX_HTTP_PROFILING_THREAD_FREE);
    }

    return rc;
}


/*
 * The stack that makes a thread, which is the calling one's.  Threads are made
 * before the worker has a slot: then they are counted when it has.
 */

__attribute__((noinline))
static void
ngx_http_profiling_thread_maker(ngx_http_profiling_thread_t *t)
{
    uintptr_t                     sp;
    ngx_uint_t                    i;
    ngx_http_profiling_stack_t    stack;
    ngx_http_profiling_unwind_t   result;
    ngx_http_profiling_thread_t  *self;

    t->made_n = 0;
    sp = (uintptr_t) __builtin_frame_address(0);

    for (i = 0; i < NGX_HTTP_PROFILING_THREADS; i++) {
        self = &ngx_http_profiling_threads[i];

        if (ngx_http_profiling_load_acquire(&self->state)
            == NGX_HTTP_PROFILING_THREAD_RUNNING
            && self->pid == t->pid
            && sp >= self->stack.lo && sp < self->stack.top)
        {
            break;
        }
    }

    if (i < NGX_HTTP_PROFILING_THREADS) {
        stack = self->stack;

    } else if (ngx_http_profiling_unwind_stack(&stack) != NGX_OK) {
        return;
    }

    /* without this function and the hook that calls it */

    t->made_n = ngx_http_profiling_unwind_here(&stack, t->made,
                                               NGX_HTTP_PROFILING_MADE, 2,
                                               &result);

    t->tally = ngx_http_profiling_heap_thread_made(t->made, t->made_n);
}


void
ngx_http_profiling_threads_made(void)
{
    ngx_uint_t                    i;
    ngx_http_profiling_thread_t  *t;

    for (i = 0; i < NGX_HTTP_PROFILING_THREADS; i++) {
        t = &ngx_http_profiling_threads[i];

        if (ngx_http_profiling_load_acquire(&t->state)
            != NGX_HTTP_PROFILING_THREAD_FREE
            && t->pid == ngx_pid)
        {
            t->tally = ngx_http_profiling_heap_thread_made(t->made,
                                                           t->made_n);
        }
    }
}


static void *
ngx_http_profiling_thread_start(void *arg)
{
    void                         *rc;
    ngx_http_profiling_thread_t  *t;

    t = arg;

    /* a thread that cannot be sampled runs all the same */

    (void) ngx_http_profiling_thread_begin(t);

    pthread_cleanup_push(ngx_http_profiling_thread_end, t);

    rc = t->start(t->arg);

    pthread_cleanup_pop(1);

    return rc;
}


static void
ngx_http_profiling_thread_end(void *arg)
{
    ngx_http_profiling_thread_release(arg);
}


/*
 * A pool of nginx blocks what it can; SIGPROF is taken out of the set.  Who
 * blocks signals and asks for the old mask puts it back soon, and is left
 * alone.
 */

static int
ngx_http_profiling_thread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t  mine;

    if (set == NULL || old != NULL || how == SIG_UNBLOCK) {
        return ngx_http_profiling_pthread_sigmask(how, set, old);
    }

    mine = *set;
    (void) sigdelset(&mine, SIGPROF);

    return ngx_http_profiling_pthread_sigmask(how, &mine, old);
}


static void
ngx_http_profiling_thread_release(ngx_http_profiling_thread_t *t)
{
    int  timer;

    timer = t->timer;
    t->timer = -1;

    ngx_http_profiling_heap_thread_gone(t->tally);

    ngx_http_profiling_store_release(&t->state,
                                     NGX_HTTP_PROFILING_THREAD_FREE);

    if (timer != -1) {
        (void) syscall(SYS_timer_delete, timer);
    }
}
