
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include "ngx_prof_cpu.h"
#include "ngx_prof_base.h"
#include "ngx_prof_label.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_signal.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_threads.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static void ngx_http_profiling_cpu_asked(const ucontext_t *uc);
static void ngx_http_profiling_cpu_sample(const siginfo_t *info,
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


static const ngx_http_profiling_signal_t  ngx_http_profiling_cpu_signal = {
    ngx_http_profiling_threads,
    sizeof(ngx_http_profiling_threads),
    ngx_http_profiling_cpu_sample,
    ngx_http_profiling_cpu_asked
};


void
ngx_http_profiling_cpu_init(ngx_cycle_t *cycle)
{
    ngx_http_profiling_slot_t  *slot;

    slot = ngx_http_profiling_process.slot;

    if (ngx_http_profiling_signal_init(cycle) != NGX_OK) {
        return;
    }

    if (ngx_http_profiling_threads_init(cycle->log) != NGX_OK
        || ngx_http_profiling_objects_refresh() == NGX_ERROR)
    {
        ngx_http_profiling_store(&slot->sampler,
                                 NGX_HTTP_PROFILING_SAMPLER_FAILED);
        return;
    }

    ngx_http_profiling_stacks_take(
              ngx_http_profiling_zone_stacks(ngx_http_profiling_process.zone,
                                             slot),
              ngx_http_profiling_process.zone->stacks);

    ngx_http_profiling_signal_register(&ngx_http_profiling_cpu_signal);

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


/* in a handler */

static void
ngx_http_profiling_cpu_asked(const ucontext_t *uc)
{
    uint64_t  until;

    until = ngx_http_profiling_cpu_until();

    if (until) {
        ngx_http_profiling_store_release(
                  &ngx_http_profiling_process.slot->sample_until, until);
        ngx_http_profiling_thread_arm(
                           ngx_http_profiling_process.conf->setting[
                                                NGX_HTTP_PROFILING_CPU_RATE]);
    }
}


static void
ngx_http_profiling_cpu_sample(const siginfo_t *info, const ucontext_t *uc)
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
