
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/syscall.h>
#include "ngx_prof_thread.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_base.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_record.h"
#include "ngx_prof_signal.h"


/* pages of a stack that are looked at: 32 MiB of 4 KiB pages */
#define NGX_PROF_PAGES      8192

/* the CPU clock of any thread of the process: include/linux/posix-timers.h */
#define ngx_prof_thread_clock(tid)                                            \
    ((clockid_t) ((~(unsigned int) (tid) << 3) | 6))


static ngx_int_t ngx_prof_thread_resident(const ngx_prof_thread_t *t,
    uint64_t size, uint64_t *resident);


ngx_prof_thread_t
    ngx_prof_threads[NGX_PROF_THREADS];

ngx_prof_unwind_cache_t  ngx_prof_thread_walks;

static uint64_t    ngx_prof_thread_measured[
                       NGX_PROF_THREADS];
static ngx_uint_t  ngx_prof_thread_next;

/* hertz, of threads that start; 0: their timers stay disarmed */
static ngx_uint_t  ngx_prof_thread_hertz;


/* entries of another pid were inherited by fork(), which copies no threads */

ngx_prof_thread_t *
ngx_prof_thread_claim(void)
{
    uint32_t            state;
    ngx_uint_t          i;
    ngx_prof_thread_t  *t;

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        t = &ngx_prof_threads[i];
        state = ngx_prof_load_acquire(&t->state);

        if (state != NGX_PROF_THREAD_FREE && t->pid == getpid()) {
            continue;
        }

        if (__atomic_compare_exchange_n(&t->state, &state,
                                        NGX_PROF_THREAD_CLAIMED, 0,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        {
            t->pid = getpid();
            t->main = 0;
            t->armed = 0;
            t->timer = -1;
            t->tally = 0;
            t->made_n = 0;
            t->made_later = 0;
            return t;
        }
    }

    return NULL;
}


ngx_int_t
ngx_prof_thread_begin(ngx_prof_thread_t *t)
{
    struct sigevent  sev;

    t->tid = (pid_t) syscall(SYS_gettid);
    t->self = pthread_self();

    if (ngx_prof_thread_bounds(&t->stack) != NGX_OK) {
        return NGX_ERROR;
    }

    t->reserved = t->stack.top - t->stack.lo;
    t->end = (t->stack.top + ngx_pagesize - 1)
             & ~(uintptr_t) (ngx_pagesize - 1);

    ngx_memzero(&sev, sizeof(struct sigevent));

    sev.sigev_notify = SIGEV_THREAD_ID;
    sev.sigev_signo = SIGPROF;
    sev.sigev_value.sival_ptr = ngx_prof_signal_value(t);
    sev.sigev_notify_thread_id = t->tid;

    /* the system call: the library's function may allocate */

    if (ngx_prof_barred(NGX_PROF_BARRED_TIMER|NGX_PROF_BARRED_CLOCK)
        || syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &sev, &t->timer)
           == -1)
    {
        /* its stack is measured all the same */
        t->timer = -1;
    }

    ngx_prof_store_release(&t->state, NGX_PROF_THREAD_RUNNING);

    /* a child that was forked has no slot of its own */

    if (t->pid == ngx_pid && ngx_prof_load(&ngx_prof_thread_hertz)) {
        ngx_prof_thread_rate(t, ngx_prof_load(&ngx_prof_thread_hertz));
        t->last = 0;
    }

    return NGX_OK;
}


ngx_int_t
ngx_prof_thread_bounds(ngx_prof_stack_t *stack)
{
    pid_t               tid;
    ngx_uint_t          i;
    ngx_prof_thread_t  *t;

    tid = (pid_t) syscall(SYS_gettid);

    /* the library reads all of /proc/self/maps for the main thread's */

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        t = &ngx_prof_threads[i];

        if (ngx_prof_load_acquire(&t->state) == NGX_PROF_THREAD_RUNNING
            && t->pid == ngx_pid && t->tid == tid)
        {
            *stack = t->stack;
            return NGX_OK;
        }
    }

    if (!ngx_prof_barred(NGX_PROF_BARRED_AFFINITY)) {
        return ngx_prof_unwind_stack(stack);
    }

    /* the library asks for it too: the mapping is all there is to know */

    return ngx_prof_proc_mapping((uintptr_t) __builtin_frame_address(0),
                                 &stack->lo, &stack->top);
}


void
ngx_prof_thread_stacks(ngx_prof_gauges_t *g)
{
    uint64_t            seen;
    ngx_uint_t          i, turn;
    ngx_prof_thread_t  *t;

    seen = 0;

    /* one stack per call, and each one every eighth call at most */

    turn = ngx_prof_thread_next++ % ngx_max(g->threads, 8);

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        t = &ngx_prof_threads[i];

        if (ngx_prof_load_acquire(&t->state)
            != NGX_PROF_THREAD_RUNNING
            || t->pid != ngx_pid)
        {
            ngx_prof_thread_measured[i] = 0;
            continue;
        }

        seen++;

        if ((i == turn || ngx_prof_thread_measured[i] == 0)
            && ngx_prof_thread_resident(t, t->main ? g->stack_main
                                                   : t->reserved,
                                        &ngx_prof_thread_measured[i])
               != NGX_OK)
        {
            g->unavailable |= NGX_PROF_NO_STACKS;
        }

        g->stack_inuse += ngx_prof_thread_measured[i];
        g->stack_sys += t->reserved;
    }

    if (seen == 0 || g->threads != seen) {
        g->unavailable |= NGX_PROF_NO_STACKS;
    }
}


/*
 * size: bytes below the top that are mapped; of a huge stack the upper part.
 * NGX_ERROR: it cannot be known.
 */

static ngx_int_t
ngx_prof_thread_resident(const ngx_prof_thread_t *t, uint64_t size,
    uint64_t *resident)
{
    size_t  n;

    n = ngx_min(size / ngx_pagesize, NGX_PROF_PAGES);

    return ngx_prof_proc_resident(t->end - n * ngx_pagesize, n, resident);
}


void
ngx_prof_thread_arm(ngx_uint_t rate)
{
    pid_t               pid;
    ngx_uint_t          i;
    ngx_prof_thread_t  *t;

    pid = (pid_t) syscall(SYS_getpid);
    ngx_prof_store(&ngx_prof_thread_hertz, rate);

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        t = &ngx_prof_threads[i];

        if (ngx_prof_load_acquire(&t->state)
            == NGX_PROF_THREAD_RUNNING
            && t->pid == pid)
        {
            ngx_prof_thread_rate(t, rate);
        }
    }
}


void
ngx_prof_thread_rate(ngx_prof_thread_t *t, ngx_uint_t rate)
{
    uint32_t           old;
    uint64_t           first, period;
    struct timespec    ts;
    struct itimerspec  its;

    if (t->timer == -1 || ngx_prof_load(&t->armed) == rate) {
        return;
    }

    ngx_memzero(&its, sizeof(struct itimerspec));

    if (rate == 0) {
        (void) syscall(SYS_timer_settime, t->timer, 0, &its, NULL);
        ngx_prof_store_release(&t->armed, 0);
        return;
    }

    if (clock_gettime(ngx_prof_thread_clock(t->tid), &ts) == -1) {
        return;
    }

    t->changed = (uint64_t) ts.tv_sec * NGX_PROF_NSEC_PER_SEC + ts.tv_nsec;

    old = __atomic_exchange_n(&t->armed, (uint32_t) rate, __ATOMIC_ACQ_REL);

    if (old == rate) {
        return;
    }

    if (old == 0) {
        t->last = t->changed;
    }

    /* random, or threads that start together would be sampled together */

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    period = NGX_PROF_NSEC_PER_SEC / rate;
    first = ((uint64_t) ts.tv_nsec * 0x9e3779b97f4a7c15ULL
             ^ (uint64_t) t->tid * 0xff51afd7ed558ccdULL) >> 16;
    first = 1 + first % period;

    its.it_value.tv_sec = first / NGX_PROF_NSEC_PER_SEC;
    its.it_value.tv_nsec = first % NGX_PROF_NSEC_PER_SEC;
    its.it_interval.tv_sec = period / NGX_PROF_NSEC_PER_SEC;
    its.it_interval.tv_nsec = period % NGX_PROF_NSEC_PER_SEC;

    if (syscall(SYS_timer_settime, t->timer, 0, &its, NULL) == -1) {
        ngx_prof_store(&t->armed, 0);
    }
}


const ngx_prof_thread_t *
ngx_prof_thread_main(void)
{
    ngx_uint_t                i;
    const ngx_prof_thread_t  *t;

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        t = &ngx_prof_threads[i];

        if (t->main
            && t->tid == ngx_pid
            && ngx_prof_load_acquire(&t->state)
               == NGX_PROF_THREAD_RUNNING)
        {
            return t;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_prof_thread_expired(const ngx_prof_thread_t *t)
{
    return ngx_prof_load_acquire(&t->state) == NGX_PROF_THREAD_RUNNING
           && ngx_prof_load(&t->armed)
           && pthread_equal(t->self, pthread_self());
}


uint64_t
ngx_prof_thread_cpu(void)
{
    struct timespec  ts;

    if (ngx_prof_barred(NGX_PROF_BARRED_CLOCK)) {
        return 0;
    }

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * NGX_PROF_NSEC_PER_SEC + ts.tv_nsec;
}
