
#include <ngx_config.h>
#include <ngx_core.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "ngx_prof_threads.h"
#include "ngx_prof_crash.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_record.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_unwind.h"


static int ngx_prof_thread_create(pthread_t *thread,
    const pthread_attr_t *attr, void *(*start)(void *), void *arg);
static int ngx_prof_thread_sigmask(int how, const sigset_t *set,
    sigset_t *old);
static void ngx_prof_thread_maker(ngx_prof_thread_t *t);
static void *ngx_prof_thread_start(void *arg);
static void ngx_prof_thread_end(void *arg);
static void ngx_prof_thread_release(ngx_prof_thread_t *t);


static int (*ngx_prof_pthread_create)(pthread_t *, const pthread_attr_t *,
    void *(*)(void *), void *);
static int (*ngx_prof_pthread_sigmask)(int, const sigset_t *, sigset_t *);


static ngx_prof_hook_t  ngx_prof_thread_hooks[] = {

    { "pthread_create", (void *) ngx_prof_thread_create,
      (void **) &ngx_prof_pthread_create,
      NGX_PROF_HOOK_ALL },

    { "pthread_sigmask", (void *) ngx_prof_thread_sigmask,
      (void **) &ngx_prof_pthread_sigmask,
      NGX_PROF_HOOK_MAIN }
};

ngx_prof_hooks_expected(ngx_prof_thread_hooks)


void
ngx_prof_threads_init_module(ngx_log_t *log)
{
    ngx_uint_t  n;

    n = sizeof(ngx_prof_thread_hooks)
        / sizeof(ngx_prof_hook_t);

    if (ngx_prof_interpose(ngx_prof_thread_hooks, n, log) == NGX_ERROR) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "profiling does not see threads of the workers");
    }
}


ngx_int_t
ngx_prof_threads_init(ngx_log_t *log)
{
    uintptr_t           start, end;
    ngx_prof_thread_t  *t;

    t = ngx_prof_thread_claim();

    if (t == NULL || ngx_prof_thread_begin(t) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      "this worker's CPU time cannot be sampled");
        return NGX_ERROR;
    }

    t->main = 1;

    ngx_prof_thread_maker(t);

    /* arguments and environment lie above the stack's reported top */

    if (ngx_prof_proc_mapping(t->stack.top - 1, &start, &end) == NGX_OK) {
        t->end = end;
    }

    if (t->timer == -1) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "this worker's CPU time cannot be sampled: there is no "
                      "timer for it");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static int
ngx_prof_thread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*start)(void *), void *arg)
{
    int                 rc;
    ngx_prof_thread_t  *t;

    t = ngx_prof_thread_claim();

    if (t == NULL) {
        return ngx_prof_pthread_create(thread, attr, start, arg);
    }

    t->start = start;
    t->arg = arg;

    ngx_prof_thread_maker(t);

    rc = ngx_prof_pthread_create(thread, attr, ngx_prof_thread_start, t);
    if (rc != 0) {
        ngx_prof_heap_thread_gone(t->tally);
        ngx_prof_store_release(&t->state, NGX_PROF_THREAD_FREE);
    }

    return rc;
}


/*
 * Keeps the stack that creates a thread: the calling thread's.  Threads
 * created before the worker has a slot are counted once it has one.
 */

__attribute__((noinline))
static void
ngx_prof_thread_maker(ngx_prof_thread_t *t)
{
    uintptr_t           sp;
    ngx_uint_t          i;
    ngx_prof_stack_t    stack;
    ngx_prof_unwind_t   result;
    ngx_prof_thread_t  *self;

    t->made_n = 0;
    t->made_later = 0;
    sp = (uintptr_t) __builtin_frame_address(0);

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        self = &ngx_prof_threads[i];

        if (ngx_prof_load_acquire(&self->state)
            == NGX_PROF_THREAD_RUNNING
            && self->pid == t->pid
            && sp >= self->stack.lo && sp < self->stack.top)
        {
            break;
        }
    }

    if (i < NGX_PROF_THREADS) {
        stack = self->stack;

    } else if (ngx_prof_thread_bounds(&stack) != NGX_OK) {
        return;
    }

    /* skip this function and its caller, the hook */

    t->made_n = ngx_prof_unwind_here(&stack, t->made,
                                     NGX_PROF_MADE, 2,
                                     &result, NULL);
    t->made_later = result.later;

    t->tally = ngx_prof_heap_thread_made(t->made, t->made_n, t->made_later);
}


void
ngx_prof_threads_made(void)
{
    ngx_uint_t          i;
    ngx_prof_thread_t  *t;

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        t = &ngx_prof_threads[i];

        if (ngx_prof_load_acquire(&t->state)
            != NGX_PROF_THREAD_FREE
            && t->pid == ngx_pid)
        {
            t->tally = ngx_prof_heap_thread_made(t->made, t->made_n,
                                                 t->made_later);
        }
    }
}


static void *
ngx_prof_thread_start(void *arg)
{
    void               *rc;
    ngx_prof_thread_t  *t;

    t = arg;

    /* a thread that cannot be sampled still runs */

    (void) ngx_prof_thread_begin(t);
    t->crash = ngx_prof_crash_stack();

    pthread_cleanup_push(ngx_prof_thread_end, t);

    rc = t->start(t->arg);

    pthread_cleanup_pop(1);

    return rc;
}


static void
ngx_prof_thread_end(void *arg)
{
    ngx_prof_thread_t *t = arg;

    void  *crash;

    crash = t->crash;

    ngx_prof_thread_release(t);
    ngx_prof_crash_stack_free(crash);
}


/*
 * Threads of nginx's pools block all signals: SIGPROF is taken out of the
 * set.  A caller that blocks signals and asks for the old mask will restore it
 * soon, and is left alone.
 */

static int
ngx_prof_thread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t  mine;

    if (set == NULL || old != NULL || how == SIG_UNBLOCK) {
        return ngx_prof_pthread_sigmask(how, set, old);
    }

    mine = *set;
    (void) sigdelset(&mine, SIGPROF);

    return ngx_prof_pthread_sigmask(how, &mine, old);
}


static void
ngx_prof_thread_release(ngx_prof_thread_t *t)
{
    int  timer;

    timer = t->timer;
    t->timer = -1;

    ngx_prof_heap_thread_gone(t->tally);

    ngx_prof_store_release(&t->state, NGX_PROF_THREAD_FREE);

    if (timer != -1) {
        (void) syscall(SYS_timer_delete, timer);
    }
}
