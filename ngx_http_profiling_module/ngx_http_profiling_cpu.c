
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include "ngx_http_profiling_cpu.h"
#include "ngx_http_profiling_alive.h"
#include "ngx_http_profiling_base.h"
#include "ngx_http_profiling_context.h"
#include "ngx_http_profiling_dump.h"
#include "ngx_http_profiling_objects.h"
#include "ngx_http_profiling_owner.h"
#include "ngx_http_profiling_record.h"
#include "ngx_http_profiling_settings.h"
#include "ngx_http_profiling_stacks.h"
#include "ngx_http_profiling_stall.h"
#include "ngx_http_profiling_thread.h"
#include "ngx_http_profiling_trace.h"
#include "ngx_http_profiling_unwind.h"
#include "ngx_http_profiling_worker.h"
#include "ngx_http_profiling_zone.h"


static void ngx_http_profiling_cpu_handler(int signo, siginfo_t *info,
    void *context);
static void ngx_http_profiling_cpu_asked(siginfo_t *info,
    const ucontext_t *uc);
static void ngx_http_profiling_cpu_native(const ucontext_t *uc);
static void ngx_http_profiling_cpu_sample(siginfo_t *info,
    const ucontext_t *uc);
static uint32_t ngx_http_profiling_cpu_label(
    const ngx_http_profiling_thread_t *t, const ucontext_t *uc,
    const ngx_http_profiling_unwind_cache_t *walk);
static void ngx_http_profiling_cpu_trace(uint64_t now,
    const ngx_http_profiling_thread_t *t);
static void ngx_http_profiling_cpu_count(ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_unwind_t *result);


/*
 * What a thread's samples have in common: memory that is touched together, and
 * not before the thread is sampled
 */

typedef struct {
    ngx_http_profiling_unwind_cache_t  cache;
    ngx_http_profiling_path_t          path;
} ngx_http_profiling_cpu_thread_t;


static ngx_http_profiling_cpu_thread_t
    ngx_http_profiling_cpu_threads[NGX_HTTP_PROFILING_THREADS];


void
ngx_http_profiling_cpu_init(ngx_cycle_t *cycle)
{
    struct sigaction            sa;
    ngx_http_profiling_slot_t  *slot;

    slot = ngx_http_profiling_process.slot;

    if (sigaction(SIGPROF, NULL, &sa) == -1
        || (sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN
            && sa.sa_sigaction != ngx_http_profiling_cpu_handler))
    {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "SIGPROF has a handler of another tool, "
                      "CPU time of this worker is not profiled");
        ngx_http_profiling_store(&slot->sampler,
                                 NGX_HTTP_PROFILING_SAMPLER_TAKEN);
        return;
    }

    if (ngx_http_profiling_thread_init(cycle->log) != NGX_OK
        || ngx_http_profiling_objects_refresh() == NGX_ERROR)
    {
        ngx_http_profiling_store(&slot->sampler,
                                 NGX_HTTP_PROFILING_SAMPLER_FAILED);
        return;
    }

    if (sa.sa_sigaction != ngx_http_profiling_cpu_handler) {
        ngx_http_profiling_stacks_take(
              ngx_http_profiling_zone_stacks(ngx_http_profiling_process.zone,
                                             slot),
              ngx_http_profiling_process.zone->stacks);
    }

    ngx_memzero(&sa, sizeof(struct sigaction));

    sa.sa_sigaction = ngx_http_profiling_cpu_handler;
    sa.sa_flags = SA_SIGINFO|SA_RESTART;
    (void) sigfillset(&sa.sa_mask);

    if (sigaction(SIGPROF, &sa, NULL) == -1) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "sigaction(SIGPROF) failed");
        ngx_http_profiling_store(&slot->sampler,
                                 NGX_HTTP_PROFILING_SAMPLER_FAILED);
        return;
    }

    ngx_http_profiling_store(&slot->sampler,
                             NGX_HTTP_PROFILING_SAMPLER_READY);

    /* a capture may be under way */

    ngx_http_profiling_cpu_update();
}


void
ngx_http_profiling_cpu_update(void)
{
    uint64_t                    until;
    ngx_http_profiling_slot_t  *slot;

    slot = ngx_http_profiling_process.slot;

    if (slot->sampler != NGX_HTTP_PROFILING_SAMPLER_READY) {
        return;
    }

    until = ngx_http_profiling_cpu_until();

    if (until == 0) {

        /* the timers stop with their next expiry */

        ngx_http_profiling_store(&slot->sample_until, 0);
        return;
    }

    (void) ngx_http_profiling_objects_refresh();

    ngx_http_profiling_store_release(&slot->sample_until, until);
    ngx_http_profiling_thread_arm(ngx_http_profiling_process.conf->setting[
                                                NGX_HTTP_PROFILING_CPU_RATE]);
}


uint64_t
ngx_http_profiling_cpu_until(void)
{
    uint64_t                            now, until, latest, owner, worker;
    ngx_uint_t                          i;
    ngx_http_profiling_capture_slot_t  *capture;

    now = ngx_http_profiling_clock();
    latest = 0;

    for (i = 0; i < NGX_HTTP_PROFILING_CAPTURES; i++) {
        capture = &ngx_http_profiling_process.zone->capture[i];

        owner = ngx_http_profiling_load_acquire(&capture->owner);
        until = ngx_http_profiling_load(&capture->until);
        worker = ngx_http_profiling_load(&capture->worker);

        if (owner
            && until > now
            && (worker == 0
                || worker == ngx_http_profiling_process.slot->owner))
        {
            latest = ngx_max(latest, until);
        }
    }

    return latest;
}


/*
 * Only to the pid of a living slot, never to the master: the kernel lets us,
 * since workers have the same user, and carries a value.
 */

ngx_int_t
ngx_http_profiling_cpu_signal(const ngx_http_profiling_slot_t *slot)
{
    ngx_pid_t  pid;
    siginfo_t  info;

    pid = ngx_http_profiling_slot_pid(slot);

    if (pid <= 1
        || pid == ngx_parent
        || ngx_http_profiling_process.zone->cookie == 0
        || ngx_http_profiling_load(&slot->sampler)
           != NGX_HTTP_PROFILING_SAMPLER_READY
        || !ngx_http_profiling_slot_alive(slot))
    {
        return NGX_ERROR;
    }

    ngx_memzero(&info, sizeof(siginfo_t));

    info.si_signo = SIGPROF;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr =
                         (void *) ngx_http_profiling_process.zone->cookie;

    /*
     * To the main thread, whose number is that of the process: a thread of a
     * pool would take it while that one has signals blocked or pending
     */

    return syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGPROF, &info) == -1
           ? NGX_ERROR : NGX_OK;
}


/* signal handler: no library calls but system calls, errno is kept */

static void
ngx_http_profiling_cpu_handler(int signo, siginfo_t *info, void *context)
{
    int  err;

    err = errno;

    if (ngx_http_profiling_process.slot) {

        if (info->si_code == SI_TIMER
            && ngx_http_profiling_stall_timer(info->si_value.sival_ptr))
        {
            ngx_http_profiling_stall_tick(context);

        } else if (info->si_code == SI_TIMER) {
            ngx_http_profiling_cpu_sample(info, context);

        } else if (info->si_code == SI_QUEUE) {
            ngx_http_profiling_cpu_asked(info, context);
        }
    }

    errno = err;
}


static void
ngx_http_profiling_cpu_asked(siginfo_t *info, const ucontext_t *uc)
{
    uint64_t                    until;
    ngx_http_profiling_slot_t  *slot;

    if ((uint64_t) (uintptr_t) info->si_value.sival_ptr
        != ngx_http_profiling_process.zone->cookie
        || (info->si_uid != getuid() && info->si_uid != 0))
    {
        return;
    }

    /* another thread knows nothing of the loop, and its stack is not the one
       that is searched */

    if ((ngx_pid_t) syscall(SYS_gettid) != ngx_pid) {
        return;
    }

    ngx_http_profiling_stall_asked(uc);

    slot = ngx_http_profiling_process.slot;
    until = ngx_http_profiling_cpu_until();

    if (until) {
        ngx_http_profiling_store_release(&slot->sample_until, until);
        ngx_http_profiling_thread_arm(
                           ngx_http_profiling_process.conf->setting[
                                                NGX_HTTP_PROFILING_CPU_RATE]);
    }

    ngx_http_profiling_cpu_native(uc);
}


static void
ngx_http_profiling_cpu_native(const ucontext_t *uc)
{
    pid_t                         tid;
    ngx_uint_t                    i;
    ngx_http_profiling_thread_t  *t;

    tid = (pid_t) syscall(SYS_gettid);

    for (i = 0; i < NGX_HTTP_PROFILING_THREADS; i++) {
        t = &ngx_http_profiling_threads[i];

        if (t->main
            && t->tid == tid
            && ngx_http_profiling_load_acquire(&t->state)
               == NGX_HTTP_PROFILING_THREAD_RUNNING)
        {
            ngx_http_profiling_dump_native(&t->stack, uc);
            return;
        }
    }
}


static void
ngx_http_profiling_cpu_sample(siginfo_t *info, const ucontext_t *uc)
{
    uint64_t                          now, cpu, value;
    uint64_t                          pcs[NGX_HTTP_PROFILING_FRAMES + 1];
    ngx_uint_t                        n;
    ngx_http_profiling_slot_t        *slot;
    ngx_http_profiling_zone_t        *zone;
    ngx_http_profiling_thread_t      *t;
    ngx_http_profiling_unwind_t       result;
    ngx_http_profiling_stacks_t      *stacks;
    ngx_http_profiling_cpu_thread_t  *own;

    t = info->si_value.sival_ptr;

    if (t < ngx_http_profiling_threads
        || t >= ngx_http_profiling_threads + NGX_HTTP_PROFILING_THREADS)
    {
        return;
    }

    own = &ngx_http_profiling_cpu_threads[t - ngx_http_profiling_threads];

    slot = ngx_http_profiling_process.slot;
    zone = ngx_http_profiling_process.zone;
    stacks = ngx_http_profiling_zone_stacks(zone, slot);

    /* it comes while the clocks are read */

    ngx_http_profiling_unwind_prefetch(&own->cache);
    ngx_http_profiling_stacks_prefetch(stacks, &own->path);

    now = ngx_http_profiling_clock();
    cpu = ngx_http_profiling_thread_cpu();

    value = cpu - t->last;
    t->last = cpu;

    if (now >= ngx_http_profiling_load_acquire(&slot->sample_until)) {
        ngx_http_profiling_thread_disarm(t);
        return;
    }

    n = ngx_http_profiling_unwind_cached(&t->stack, uc, &own->cache, pcs,
                                         NGX_HTTP_PROFILING_FRAMES, &result);

    /* the root: a slot and its table may come to another worker */

    pcs[n++] = (uint64_t) ngx_pid;

    (void) ngx_http_profiling_stacks_add_path(stacks, zone->stacks,
                            &own->path, pcs, n,
                            ngx_http_profiling_cpu_label(t, uc, &own->cache),
                            1 + (uint64_t) ngx_max(info->si_overrun, 0),
                            value);

    if (ngx_http_profiling_tracing.on) {
        ngx_http_profiling_cpu_trace(now, t);
    }

    ngx_http_profiling_cpu_count(slot, &result);

    (void) __atomic_add_fetch(&slot->sample_time,
                              ngx_http_profiling_clock() - now,
                              __ATOMIC_RELAXED);
}


static uint32_t
ngx_http_profiling_cpu_label(const ngx_http_profiling_thread_t *t,
    const ucontext_t *uc, const ngx_http_profiling_unwind_cache_t *walk)
{
    if (!t->main) {
        return ngx_http_profiling_label(0, 0,
                                        NGX_HTTP_PROFILING_STATE_THREAD);
    }

#if defined(__aarch64__)
    return ngx_http_profiling_context_label(uc->uc_mcontext.sp, walk);
#else
    return ngx_http_profiling_context_label(uc->uc_mcontext.gregs[REG_RSP],
                                            walk);
#endif
}


/* its stack was the latest that the thread added */

static void
ngx_http_profiling_cpu_trace(uint64_t now,
    const ngx_http_profiling_thread_t *t)
{
    const ngx_http_profiling_path_t  *path;

    path = &ngx_http_profiling_cpu_threads[t - ngx_http_profiling_threads].path;

    if (path->n) {
        ngx_http_profiling_trace_sample(now, path->node[path->n - 1],
                                        t->main);
    }
}


static void
ngx_http_profiling_cpu_count(ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_unwind_t *result)
{
    if (result->jit) {
        (void) __atomic_add_fetch(&slot->sample_jit, 1, __ATOMIC_RELAXED);
    }

    if (result->cause == NGX_HTTP_PROFILING_UNWIND_TRUNCATED) {
        (void) __atomic_add_fetch(&slot->sample_truncated, 1,
                                  __ATOMIC_RELAXED);

    } else if (result->cause != NGX_HTTP_PROFILING_UNWIND_COMPLETE) {
        (void) __atomic_add_fetch(&slot->sample_broken, 1, __ATOMIC_RELAXED);
    }

    (void) __atomic_add_fetch(&slot->samples, 1, __ATOMIC_RELAXED);
}
