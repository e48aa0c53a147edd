
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include "ngx_prof_cpu.h"
#include "ngx_prof_base.h"
#include "ngx_prof_label.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_record.h"
#include "ngx_prof_recorder.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_signal.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_threads.h"
#include "ngx_prof_throttle.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static uint64_t ngx_prof_cpu_until(void);
static ngx_uint_t ngx_prof_cpu_rate(void);
static void ngx_prof_cpu_arm(ngx_prof_slot_t *slot, uint64_t until);
static void ngx_prof_cpu_asked(const ucontext_t *uc);
static void ngx_prof_cpu_sample(const void *timer, const siginfo_t *info,
    const ucontext_t *uc);
static ngx_inline void ngx_prof_cpu_same(ngx_prof_path_t *path,
    const ngx_prof_unwind_t *result);
static uint32_t ngx_prof_cpu_label(const ngx_prof_thread_t *t,
    const ucontext_t *uc, const ngx_prof_unwind_path_t *walk);
static void ngx_prof_cpu_trace(uint64_t now, const ngx_prof_thread_t *t);
static void ngx_prof_cpu_count(ngx_prof_slot_t *slot,
    const ngx_prof_unwind_t *result);


/*
 * State for sampling one thread: it is touched together, and not before the
 * thread is sampled
 */

typedef struct {
    ngx_prof_unwind_cache_t  cache;
    ngx_prof_path_t          path;
    ngx_prof_path_t          recorded;
    uint64_t                 ended;     /* ns, the latest sample */
    uint64_t                 took;      /* ns, the same */
    uint64_t                 missed;    /* expirations since then */
} ngx_prof_cpu_thread_t;


static ngx_prof_cpu_thread_t
    ngx_prof_cpu_threads[NGX_PROF_THREADS];

/* they outlive the worker's configuration */
static ngx_prof_slot_t    *ngx_prof_cpu_slot;
static ngx_prof_stacks_t  *ngx_prof_cpu_stacks;
static ngx_uint_t          ngx_prof_cpu_size;


static ngx_prof_meter_e  ngx_prof_cpu_cost = NGX_PROF_METER_CPU;

static const ngx_prof_signal_t  ngx_prof_cpu_signal = {
    ngx_prof_threads,
    sizeof(ngx_prof_thread_t),
    NGX_PROF_THREADS,
    ngx_prof_cpu_sample,
    &ngx_prof_cpu_cost,
    ngx_prof_cpu_asked
};


void
ngx_prof_cpu_init(ngx_cycle_t *cycle)
{
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    if (ngx_prof_signal_init(cycle) != NGX_OK) {
        return;
    }

    if (ngx_prof_threads_init(cycle->log) != NGX_OK
        || ngx_prof_objects_refresh() == NGX_ERROR)
    {
        ngx_prof_store(&slot->sampler, NGX_PROF_SAMPLER_FAILED);
        return;
    }

    ngx_prof_cpu_slot = slot;
    ngx_prof_cpu_stacks = ngx_prof_zone_stacks(ngx_prof_process.zone, slot);
    ngx_prof_cpu_size = ngx_prof_process.zone->stacks;

    ngx_prof_stacks_take(ngx_prof_cpu_stacks, ngx_prof_cpu_size);

    ngx_prof_recorder_init();
    ngx_prof_signal_register(&ngx_prof_cpu_signal);

    ngx_prof_store(&slot->sampler, NGX_PROF_SAMPLER_READY);

    /* a capture may be in progress */

    ngx_prof_cpu_update();

    ngx_prof_store(&slot->spent.unsampled, slot->spent.sampled);
}


void
ngx_prof_cpu_exit(void)
{
    ngx_prof_signal_last(ngx_prof_cpu_slot ? &ngx_prof_cpu_signal : NULL);
}


void
ngx_prof_cpu_update(void)
{
    uint64_t          until;
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    if (slot->sampler != NGX_PROF_SAMPLER_READY) {
        return;
    }

    until = ngx_prof_cpu_until();

    if (until || ngx_prof_recorder_rate()) {
        (void) ngx_prof_objects_refresh();
    }

    ngx_prof_cpu_arm(slot, until);
}


/* any context; one timer serves captures and the recorder */

static void
ngx_prof_cpu_arm(ngx_prof_slot_t *slot, uint64_t until)
{
    ngx_uint_t       rate;
    struct timespec  ts;

    if (until && ngx_prof_load(&slot->sample_until) < ngx_prof_clock()) {
        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

        ngx_prof_store(&slot->spent.sampled,
                       (uint64_t) ts.tv_sec * NGX_PROF_NSEC_PER_SEC
                       + ts.tv_nsec);
    }

    ngx_prof_store_release(&slot->sample_until, until);

    rate = ngx_prof_recorder_rate();

    ngx_prof_thread_arm(until ? ngx_max(rate, ngx_prof_cpu_rate()) : rate);
}


/* hertz, less where the budget asks for it */

static ngx_uint_t
ngx_prof_cpu_rate(void)
{
    ngx_uint_t  rate;

    rate = ngx_prof_setting(NGX_PROF_CPU_RATE)
           >> ngx_prof_throttle(NGX_PROF_METER_CPU);

    return ngx_max(rate, 1);
}


/* ns, CLOCK_MONOTONIC, until which this worker is to sample; signal-safe */

static uint64_t
ngx_prof_cpu_until(void)
{
    uint64_t                  now, until, latest, owner, worker;
    ngx_uint_t                i;
    ngx_prof_capture_slot_t  *capture;

    now = ngx_prof_clock();
    latest = 0;

    for (i = 0; i < NGX_PROF_CAPTURES; i++) {
        capture = &ngx_prof_process.zone->header->capture[i];

        owner = ngx_prof_load_acquire(&capture->owner);
        until = ngx_prof_load(&capture->until);
        worker = ngx_prof_load(&capture->worker);

        if (owner
            && until > now
            && (worker == 0
                || worker == ngx_prof_process.slot->owner))
        {
            latest = ngx_max(latest, until);
        }
    }

    return latest;
}


/* signal handler */

static void
ngx_prof_cpu_asked(const ucontext_t *uc)
{
    ngx_prof_cpu_arm(ngx_prof_process.slot, ngx_prof_cpu_until());
}


static void
ngx_prof_cpu_sample(const void *timer, const siginfo_t *info,
    const ucontext_t *uc)
{
    uint32_t                label;
    uint64_t                now, cpu, last, count, value;
    uint64_t                pcs[NGX_PROF_FRAMES + 1];
    ngx_uint_t              n, rate, captured;
    ngx_prof_slot_t        *slot;
    ngx_prof_thread_t      *t;
    ngx_prof_unwind_t       result;
    ngx_prof_stacks_t      *stacks;
    ngx_prof_cpu_thread_t  *own;

    t = (ngx_prof_thread_t *) timer;

    if (!ngx_prof_thread_expired(t)) {
        return;
    }

    own = &ngx_prof_cpu_threads[t - ngx_prof_threads];

    slot = ngx_prof_cpu_slot;
    stacks = ngx_prof_cpu_stacks;

    /* load it into the cache while the clocks are read */

    ngx_prof_unwind_prefetch(&own->cache);
    ngx_prof_stacks_prefetch(stacks, &own->path);

    now = ngx_prof_clock();
    cpu = ngx_prof_thread_cpu();

    count = 1 + (uint64_t) ngx_max(info->si_overrun, 0) + own->missed;

    /* below an emulator, samples may take all the time: the thread continues */

    if (now - own->ended < own->took) {
        own->missed = count;
        return;
    }

    own->missed = 0;
    last = t->last;
    t->last = cpu;

    rate = ngx_prof_recorder_rate();
    captured = (now < ngx_prof_load_acquire(&slot->sample_until));
    ngx_prof_cpu_cost = captured ? NGX_PROF_METER_CPU : NGX_PROF_METER_RECORD;

    if (!captured) {
        ngx_prof_thread_rate(t, rate);

        if (rate == 0) {
            return;
        }
    }

    n = ngx_prof_unwind_cached(&t->stack, uc, &own->cache, pcs,
                               NGX_PROF_FRAMES, &result);

    label = ngx_prof_cpu_label(t, uc, &own->cache.path);

    if (rate) {
        ngx_prof_cpu_same(&own->recorded, &result);
        ngx_prof_recorder_sample(&own->recorded, pcs, n, label, count,
                                 cpu - last, now, t->main);
    }

    if (captured) {

        /* the root is the pid: slot and table may pass to another worker */

        pcs[n++] = (uint64_t) ngx_pid;

        value = cpu - ngx_max(last, t->changed);

        (void) __atomic_add_fetch(&slot->spent.sampled, value,
                                  __ATOMIC_RELAXED);
        ngx_prof_cpu_same(&own->path, &result);
        (void) ngx_prof_stacks_add_path(stacks, ngx_prof_cpu_size, &own->path,
                                        pcs, n, label, count, value);

        if (ngx_prof_tracing.on) {
            ngx_prof_cpu_trace(now, t);
        }

        ngx_prof_cpu_count(slot, &result);
    }

    own->ended = ngx_prof_clock();
    own->took = own->ended - now;

    (void) __atomic_add_fetch(&slot->sample_time, own->took, __ATOMIC_RELAXED);
}


/* what a walk knows to be as before, if the path has the stack of that one */

static ngx_inline void
ngx_prof_cpu_same(ngx_prof_path_t *path, const ngx_prof_unwind_t *result)
{
    path->same = (path->walk + 1 == result->walk) ? result->same : 0;
    path->walk = result->walk;
}


static uint32_t
ngx_prof_cpu_label(const ngx_prof_thread_t *t, const ucontext_t *uc,
    const ngx_prof_unwind_path_t *walk)
{
    if (!t->main) {
        return ngx_prof_label(0, 0, NGX_PROF_STATE_THREAD);
    }

    /* about to exit: it serves no request */

    if (ngx_prof_process.slot == NULL) {
        return ngx_prof_label(0, 0, NGX_PROF_STATE_OTHER);
    }

    return ngx_prof_context_label(ngx_prof_arch_sp(uc), walk);
}


/* writes a sample of the trace, with the stack that was just added */

static void
ngx_prof_cpu_trace(uint64_t now, const ngx_prof_thread_t *t)
{
    const ngx_prof_path_t  *path;

    path = &ngx_prof_cpu_threads[t - ngx_prof_threads].path;

    if (path->n) {
        ngx_prof_trace_sample(now, path->node[path->n - 1], t->main);
    }
}


static void
ngx_prof_cpu_count(ngx_prof_slot_t *slot, const ngx_prof_unwind_t *result)
{
    if (result->jit) {
        (void) __atomic_add_fetch(&slot->sample_jit, 1, __ATOMIC_RELAXED);
    }

    if (result->cause == NGX_PROF_UNWIND_TRUNCATED) {
        (void) __atomic_add_fetch(&slot->sample_truncated, 1,
                                  __ATOMIC_RELAXED);

    } else if (result->cause != NGX_PROF_UNWIND_COMPLETE) {
        (void) __atomic_add_fetch(&slot->sample_broken, 1, __ATOMIC_RELAXED);
    }

    (void) __atomic_add_fetch(&slot->samples, 1, __ATOMIC_RELAXED);
}
