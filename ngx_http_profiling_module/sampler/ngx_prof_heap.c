
#include <ngx_config.h>
#include <ngx_core.h>
#include <math.h>
#include <sys/syscall.h>
#include "ngx_prof_heap.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_label.h"
#include "ngx_prof_roots.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_record.h"
#include "ngx_prof_recorder.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_throttle.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* entries for threads other than the main one; a power of two */
#define NGX_PROF_HEAP_THREADS  1024

/* frames of the module and the hook that a walk begins with, at most */
#define NGX_PROF_HEAP_OWN      8

/* as of profiling_heap_rate */
#define NGX_PROF_HEAP_RATE_MAX 1073741824


static uint64_t ngx_prof_heap_mean(void);
static void ngx_prof_heap_draw(ngx_prof_heap_thread_t *t);
static void ngx_prof_heap_start(ngx_prof_heap_thread_t *t);
static void ngx_prof_heap_sample(void *p, size_t size, uint64_t rate,
    void *caller);
static ngx_uint_t ngx_prof_heap_walk(uint64_t *pcs, void *caller, uintptr_t sp,
    ngx_uint_t *main, ngx_uint_t *later, ngx_prof_unwind_path_t *path);
static ngx_uint_t ngx_prof_heap_stack(uintptr_t sp, ngx_prof_stack_t *stack);
static uint64_t ngx_prof_heap_class(uint64_t size);


/* stops every address: the filter of threads that must take the long path */

static const u_char
    ngx_prof_heap_all[NGX_PROF_FILTER_QUICK] = {
        [0 ... NGX_PROF_FILTER_QUICK - 1] = 1
    };

__thread ngx_prof_heap_thread_t  ngx_prof_heap_own = {
    .filter = ngx_prof_heap_all
};

static ngx_prof_heap_thread_t
    ngx_prof_heap_threads[NGX_PROF_HEAP_THREADS];

static ngx_prof_stack_t  ngx_prof_heap_main_stack;
static ngx_prof_path_t   ngx_prof_heap_path;
static uint64_t          ngx_prof_heap_rate;
static int64_t           ngx_prof_heap_inuse;     /* bytes, of all threads */


ngx_int_t
ngx_prof_heap_own_init(uint64_t rate)
{
    ngx_prof_heap_thread_t  *t;

    ngx_prof_heap_rate = rate;

    if (ngx_prof_heap_live_init() != NGX_OK
        || ngx_prof_thread_bounds(&ngx_prof_heap_main_stack)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    t = &ngx_prof_heap_own;

    t->self = ngx_prof_heap_self();
    t->filter = ngx_prof_heap_quick_filter;
    ngx_prof_heap_start(t);

    return NGX_OK;
}


/* draws a thread's first gap; the seed need not be secret */

static void
ngx_prof_heap_start(ngx_prof_heap_thread_t *t)
{
    t->random = ngx_prof_clock() * 0x9e3779b97f4a7c15ULL
                ^ (uint64_t) t->self ^ ((uint64_t) ngx_pid << 32);

    ngx_prof_heap_draw(t);
}


/* SplitMix64, https://prng.di.unimi.it/splitmix64.c */

static uint64_t
ngx_prof_heap_random(ngx_prof_heap_thread_t *t)
{
    uint64_t  z;

    t->random += 0x9e3779b97f4a7c15ULL;

    z = t->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return z ^ (z >> 31);
}


static uint64_t
ngx_prof_heap_mean(void)
{
    return ngx_min(ngx_prof_heap_rate << ngx_prof_throttle(NGX_PROF_METER_HEAP),
                   NGX_PROF_HEAP_RATE_MAX);
}


static void
ngx_prof_heap_draw(ngx_prof_heap_thread_t *t)
{
    double    gap;
    uint64_t  rate;

    rate = ngx_prof_heap_mean();
    t->rate = rate;

    if (rate == 1) {
        t->drawn = 1;
        t->gap = 1;
        return;
    }

    /* uniform in (0, 1] */

    gap = (double) ((ngx_prof_heap_random(t) >> 11) + 1)
          * (1.0 / 9007199254740992.0);
    gap = ceil(-log(gap) * (double) rate);

    t->drawn = (gap < 1) ? 1
               : (gap > 1e18) ? (uint64_t) 1e18 : (uint64_t) gap;
    t->gap = t->drawn;
}


ngx_prof_heap_thread_t *
ngx_prof_heap_thread(void)
{
    uintptr_t                self, is;
    ngx_uint_t               i, at;
    ngx_prof_heap_thread_t  *t;

    if (ngx_prof_heap_own.self) {
        return &ngx_prof_heap_own;
    }

    self = ngx_prof_heap_self();
    at = (uint64_t) self * 0x9e3779b97f4a7c15ULL >> 40;

    for (i = 0; i < NGX_PROF_HEAP_THREADS; i++, at++) {
        t = &ngx_prof_heap_threads[
                                   at & (NGX_PROF_HEAP_THREADS - 1)];
        is = ngx_prof_load(&t->self);

        /*
         * a new thread at the address of one that has ended continues its
         * entry
         */

        if (is == self) {
            return t;
        }

        if (is == 0
            && __atomic_compare_exchange_n(&t->self, &is, self, 0,
                                           __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED))
        {
            ngx_prof_heap_start(t);
            return t;
        }
    }

    return NULL;
}


void
ngx_prof_heap_missed(void)
{
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    if (slot && (ngx_pid_t) syscall(SYS_getpid) == ngx_pid) {
        (void) __atomic_add_fetch(&slot->heap_lost, 1, __ATOMIC_RELAXED);
    }
}


void
ngx_prof_heap_tick(void)
{
    uint64_t                 mallocs;
    ngx_uint_t               i;
    ngx_prof_slot_t         *slot;
    ngx_prof_heap_thread_t  *t;

    slot = ngx_prof_process.slot;

    if (ngx_prof_objects_refresh() == NGX_OK) {
        ngx_prof_heap_root_set(slot);
    }

    t = &ngx_prof_heap_own;

    /* what is left of a gap is as long as a new one: they are exponential */

    if (t->self && t->rate != ngx_prof_heap_mean()) {
        t->bytes += t->drawn - t->gap;
        ngx_prof_heap_draw(t);
    }

    mallocs = t->mallocs;

    for (i = 0; i < NGX_PROF_HEAP_THREADS; i++) {
        t = &ngx_prof_heap_threads[i];

        mallocs += ngx_prof_load(&t->mallocs);
    }

    ngx_prof_store(&slot->totals.mallocs, slot->base.mallocs + mallocs);
    ngx_prof_store(&slot->totals.frees,
                   slot->base.frees + ngx_prof_heap_frees());
    ngx_prof_store(&slot->totals.total_alloc,
                   slot->base.total_alloc + ngx_prof_heap_bytes());
}


ngx_uint_t
ngx_prof_heap_seen(void)
{
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    return slot && slot->heap_state == NGX_PROF_HEAP_ON;
}


uint64_t
ngx_prof_heap_frees(void)
{
    uint64_t    frees;
    ngx_uint_t  i;

    frees = ngx_prof_heap_own.frees;

    for (i = 0; i < NGX_PROF_HEAP_THREADS; i++) {
        frees += ngx_prof_load(&ngx_prof_heap_threads[i].frees);
    }

    return frees;
}


uint64_t
ngx_prof_heap_bytes(void)
{
    uint64_t                 bytes;
    ngx_uint_t               i;
    ngx_prof_heap_thread_t  *t;

    t = &ngx_prof_heap_own;
    bytes = t->bytes + t->drawn - t->gap;

    for (i = 0; i < NGX_PROF_HEAP_THREADS; i++) {
        bytes += ngx_prof_load(&ngx_prof_heap_threads[i].bytes);
    }

    return bytes;
}


int64_t
ngx_prof_heap_sampled(void)
{
    return __atomic_load_n(&ngx_prof_heap_inuse, __ATOMIC_RELAXED);
}


void
ngx_prof_heap_begin(ngx_prof_heap_thread_t *t, ngx_prof_heap_thread_t *before)
{
    *before = *t;
    t->gap = NGX_PROF_HEAP_NEVER;
}


/* allocations made inside the allocator are not counted */

void
ngx_prof_heap_end(ngx_prof_heap_thread_t *t,
    const ngx_prof_heap_thread_t *before, void *p, size_t size, void *caller)
{
    ngx_err_t        err;
    ngx_prof_meter_t  cost;

    t->mallocs = before->mallocs;
    t->frees = before->frees;
    t->bytes = before->bytes;

    if (p == NULL) {
        t->gap = before->gap;
        return;
    }

    err = errno;

    ngx_prof_meter_begin(&cost);

    t->mallocs++;
    t->bytes += size;

    if (t == &ngx_prof_heap_own) {
        t->bytes += before->drawn - before->gap;
    }

    ngx_prof_heap_sample(p, size, before->rate, caller);

    t->mallocs = before->mallocs + 1;
    ngx_prof_heap_draw(t);

    ngx_prof_meter_end(&cost, NGX_PROF_METER_HEAP, 1,
                       t == &ngx_prof_heap_own);

    errno = err;
}


static void
ngx_prof_heap_sample(void *p, size_t size, uint64_t rate, void *caller)
{
    double                  weight;
    uint32_t                label;
    uint64_t                pcs[NGX_PROF_HEAP_DEPTH];
    ngx_uint_t              n, table, main, later;
    ngx_prof_slot_t        *slot;
    ngx_prof_zone_t        *zone;
    ngx_prof_stacks_t      *stacks;
    ngx_prof_heap_live_t    live;
    ngx_prof_unwind_path_t  path;

    slot = ngx_prof_process.slot;

    /* a child forked by the worker has its memory, but not its slot */

    if (slot == NULL || (ngx_pid_t) syscall(SYS_getpid) != ngx_pid) {
        return;
    }

    weight = (rate == 1) ? 1 : -1 / expm1(-(double) size / (double) rate);

    /*
     * an entry with this address is stale: the block was freed past the hooks
     */

    if (ngx_prof_heap_live_may(p)
        && ngx_prof_heap_live_take(p, &live) == NGX_OK)
    {
        ngx_prof_heap_freed(&live);
    }

    live.address = (uintptr_t) p;
    live.count = (uint64_t) (weight * NGX_PROF_HEAP_ONE + 0.5);
    live.bytes = (uint64_t) (weight * (double) size + 0.5);

    pcs[0] = ngx_prof_heap_class(size);
    n = 1 + ngx_prof_heap_walk(&pcs[1], caller,
                                     (uintptr_t) __builtin_frame_address(0),
                                     &main, &later, &path);
    pcs[n++] = ngx_prof_heap_root(later);

    label = main ? ngx_prof_context_label(
                               (uintptr_t) __builtin_frame_address(0), &path)
                 : 0;
    label &= ~(uint32_t) 0xf;

    zone = ngx_prof_process.zone;
    table = ngx_prof_zone_heap_n(zone->stacks);
    stacks = ngx_prof_zone_heap(zone, slot);

    live.tally = (uint32_t) ngx_prof_stacks_put(stacks, table,
                                        main ? &ngx_prof_heap_path
                                             : NULL,
                                        pcs, n, label,
                                        live.count, live.bytes);
    if (live.tally == 0) {
        return;
    }

    if (ngx_prof_heap_live_insert(&live) != NGX_OK) {
        ngx_prof_heap_missed();
        return;
    }

    ngx_prof_stacks_count(stacks, table, live.tally, live.count, live.bytes);
    ngx_prof_recorder_touch(slot, NGX_PROF_RECORDED_ALLOCS, live.tally);
    (void) __atomic_add_fetch(&ngx_prof_heap_inuse, (int64_t) live.bytes,
                              __ATOMIC_RELAXED);
}


/*
 * Takes frames from the caller of the hook on.  The walk begins inside the
 * module; how many frames that adds is the compiler's choice.
 */

static ngx_uint_t
ngx_prof_heap_walk(uint64_t *pcs, void *caller, uintptr_t sp, ngx_uint_t *main,
    ngx_uint_t *later, ngx_prof_unwind_path_t *path)
{
    uint64_t           found[NGX_PROF_FRAMES];
    ngx_uint_t         i, n;
    ngx_prof_stack_t   stack;
    ngx_prof_unwind_t  result;

    *main = ngx_prof_heap_stack(sp, &stack);
    *later = 1;

    if (stack.top == 0) {
        path->n = 0;
        pcs[0] = (uint64_t) (uintptr_t) caller;
        pcs[1] = NGX_PROF_FRAME_BROKEN;
        return 2;
    }

    path->cache = *main ? &ngx_prof_thread_walks : NULL;

    n = ngx_prof_unwind_here(&stack, found, NGX_PROF_FRAMES, 0, &result,
                             path);

    for (i = 0; i < n && i < NGX_PROF_HEAP_OWN; i++) {

        if (found[i] == (uint64_t) (uintptr_t) caller) {
            ngx_memcpy(pcs, &found[i], (n - i) * sizeof(uint64_t));
            *later = result.later;
            return n - i;
        }
    }

    pcs[0] = (uint64_t) (uintptr_t) caller;
    pcs[1] = NGX_PROF_FRAME_BROKEN;

    return 2;
}


/*
 * finds the stack that an address is on; 1: the main thread's.  top 0: unknown
 */

static ngx_uint_t
ngx_prof_heap_stack(uintptr_t sp, ngx_prof_stack_t *stack)
{
    ngx_uint_t          i;
    ngx_prof_thread_t  *t;

    *stack = ngx_prof_heap_main_stack;

    if (sp >= stack->lo && sp < stack->top) {
        return 1;
    }

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        t = &ngx_prof_threads[i];

        if (ngx_prof_load_acquire(&t->state)
            == NGX_PROF_THREAD_RUNNING
            && t->pid == ngx_pid
            && sp >= t->stack.lo && sp < t->stack.top)
        {
            *stack = t->stack;
            return 0;
        }
    }

    ngx_memzero(stack, sizeof(ngx_prof_stack_t));

    return 0;
}


/* four classes between powers of two, and multiples of 16 */

static uint64_t
ngx_prof_heap_class(uint64_t size)
{
    uint64_t  step;

    step = 16;

    while (size > 8 * step) {
        step *= 2;
    }

    return (size + step - 1) & ~(step - 1);
}


void
ngx_prof_heap_freed(const ngx_prof_heap_live_t *live)
{
    ngx_prof_slot_t   *slot;
    ngx_prof_freed_t  *freed;

    slot = ngx_prof_process.slot;

    if (slot == NULL || (ngx_pid_t) syscall(SYS_getpid) != ngx_pid) {
        return;
    }

    freed = &ngx_prof_zone_freed(ngx_prof_process.zone, slot)[live->tally];

    (void) __atomic_add_fetch(&freed->freed_count, live->count,
                              __ATOMIC_RELAXED);
    (void) __atomic_add_fetch(&freed->freed_value, live->bytes,
                              __ATOMIC_RELAXED);
    (void) __atomic_sub_fetch(&ngx_prof_heap_inuse, (int64_t) live->bytes,
                              __ATOMIC_RELAXED);
}


ngx_uint_t
ngx_prof_heap_thread_made(const uint64_t *frames, ngx_uint_t n,
    ngx_uint_t later)
{
    uint64_t            pcs[NGX_PROF_HEAP_DEPTH];
    ngx_uint_t          tally, table;
    ngx_prof_zone_t    *zone;
    ngx_prof_slot_t    *slot;
    ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;
    slot = ngx_prof_process.slot;

    if (slot == NULL || (ngx_pid_t) syscall(SYS_getpid) != ngx_pid) {
        return 0;
    }

    n = ngx_min(n, NGX_PROF_FRAMES);

    pcs[0] = NGX_PROF_HEAP_THREAD;
    ngx_memcpy(&pcs[1], frames, n * sizeof(uint64_t));
    pcs[n + 1] = ngx_prof_heap_root(later);

    table = ngx_prof_zone_heap_n(zone->stacks);
    stacks = ngx_prof_zone_heap(zone, slot);

    tally = ngx_prof_stacks_put(stacks, table, NULL, pcs, n + 2, 0,
                                NGX_PROF_HEAP_ONE, 0);
    if (tally) {
        ngx_prof_stacks_count(stacks, table, tally, NGX_PROF_HEAP_ONE, 0);
    }

    return tally;
}


void
ngx_prof_heap_thread_gone(ngx_uint_t tally)
{
    ngx_prof_heap_live_t  live;

    if (tally == 0) {
        return;
    }

    live.count = NGX_PROF_HEAP_ONE;
    live.bytes = 0;
    live.tally = (uint32_t) tally;

    ngx_prof_heap_freed(&live);
}
