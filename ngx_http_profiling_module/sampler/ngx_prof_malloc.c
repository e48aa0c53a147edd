
/*
 * malloc() and its family, interposed.
 *
 * Nearly all calls take a short path: in the main thread, an allocation before
 * the end of the gap to the next sample, or an address that no live sample can
 * have.  The hook counts, and jumps to the allocator: five instructions for
 * malloc(), seven for free(), without a stack frame and without saving a
 * register.  The gap counts the bytes down.  They are the bytes asked for,
 * even if the allocation fails for lack of memory, unless it was to be
 * sampled.
 *
 * realloc() counts as an allocation of the new size and a free of the block.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_malloc.h"
#include "ngx_prof_base.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_hook_code.h"
#include "ngx_prof_live.h"
#include "ngx_prof_roots.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_threads.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


#define ngx_prof_caller()  __builtin_return_address(0)

#define ngx_prof_cold      __attribute__((cold)) NGX_PROF_HOOK_CODE


/* calls of a measurement, and how many measurements there are */
#define NGX_PROF_MALLOC_MEASURED  256
#define NGX_PROF_MALLOC_TRIES     8

/* of so many samples that are freed one is measured; in no pattern */
#define NGX_PROF_MALLOC_FREES     16
#define NGX_PROF_MALLOC_STEP      0x9e3779b97f4a7c15ULL


static void ngx_prof_malloc_measure(void);
static void *ngx_prof_malloc_none(size_t size);
static void ngx_prof_free_none(void *p);
static void ngx_prof_heap_take(ngx_prof_slot_t *slot);
static ngx_int_t ngx_prof_heap_hook(ngx_log_t *log, ngx_str_t *unseen);
static void *ngx_prof_heap_malloc(size_t size);
static void *ngx_prof_heap_calloc(size_t n, size_t size);
static void *ngx_prof_heap_realloc(void *p, size_t size);
static void *ngx_prof_heap_reallocarray(void *p, size_t n, size_t size);
static void ngx_prof_heap_free(void *p);
static int ngx_prof_heap_posix_memalign(void **p, size_t align, size_t size);
static void *ngx_prof_heap_aligned_alloc(size_t align, size_t size);
static void *ngx_prof_heap_memalign(size_t align, size_t size);
static void *ngx_prof_heap_valloc(size_t size);
static void *ngx_prof_heap_pvalloc(size_t size);


static uint64_t  ngx_prof_malloc_calls;         /* at the latest tick */
static uint64_t  ngx_prof_malloc_cost;          /* ps of a hook */
static uint64_t  ngx_prof_malloc_turn;

static void *(*ngx_prof_malloc)(size_t);
static void *(*ngx_prof_calloc)(size_t, size_t);
static void *(*ngx_prof_realloc)(void *, size_t);
static void *(*ngx_prof_reallocarray)(void *, size_t, size_t);
static void (*ngx_prof_free)(void *);
static int (*ngx_prof_posix_memalign)(void **, size_t, size_t);
static void *(*ngx_prof_aligned_alloc)(size_t, size_t);
static void *(*ngx_prof_memalign)(size_t, size_t);
static void *(*ngx_prof_valloc)(size_t);
static void *(*ngx_prof_pvalloc)(size_t);


#define ngx_prof_heap_hook_of(name)                                           \
    { #name, (void *) ngx_prof_heap_##name,                                   \
      (void **) &ngx_prof_##name,                                             \
      NGX_PROF_HOOK_CALLERS }


static ngx_prof_hook_t  ngx_prof_heap_hooks[] = {
    ngx_prof_heap_hook_of(malloc),
    ngx_prof_heap_hook_of(calloc),
    ngx_prof_heap_hook_of(realloc),
    ngx_prof_heap_hook_of(reallocarray),
    ngx_prof_heap_hook_of(free),
    ngx_prof_heap_hook_of(posix_memalign),
    ngx_prof_heap_hook_of(aligned_alloc),
    ngx_prof_heap_hook_of(memalign),
    ngx_prof_heap_hook_of(valloc),
    ngx_prof_heap_hook_of(pvalloc)
};

ngx_prof_hooks_expected(ngx_prof_heap_hooks)

#define NGX_PROF_HEAP_HOOKS                                                   \
    (sizeof(ngx_prof_heap_hooks)                                              \
     / sizeof(ngx_prof_hook_t))


void
ngx_prof_malloc_init(ngx_cycle_t *cycle)
{
    u_char            names[128];
    uint64_t          rate, state;
    ngx_int_t         rc;
    ngx_str_t         unseen;
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    rate = ngx_prof_setting(NGX_PROF_HEAP_RATE);

    ngx_prof_heap_take(slot);

    state = NGX_PROF_HEAP_OFF;

    if (rate) {
        rc = ngx_prof_heap_own_init(rate);

        if (rc == NGX_OK && ngx_prof_malloc == NULL) {
            ngx_prof_malloc_measure();
        }

        if (rc == NGX_OK) {
            unseen.len = sizeof(names);
            unseen.data = names;
            rc = ngx_prof_heap_hook(cycle->log, &unseen);
        }

        state = (rc == NGX_OK) ? NGX_PROF_HEAP_ON
                : (rc == NGX_DECLINED) ? NGX_PROF_HEAP_PART
                : NGX_PROF_HEAP_FAILED;

        if (rc == NGX_ERROR) {
            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "profiling does not see the calls to malloc()");

        } else if (rc == NGX_DECLINED) {
            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "profiling does not see all calls to malloc(): "
                          "what some objects call as%V belongs to another "
                          "tool, or is in pages that cannot be written to",
                          &unseen);
        }
    }

    if (state == NGX_PROF_HEAP_OFF || state == NGX_PROF_HEAP_FAILED) {
        ngx_prof_process.unavailable |= NGX_PROF_NO_ALLOC;
    }

    ngx_prof_store(&slot->heap_state, state);
}


/*
 * The way of a malloc() and a free() through their hooks, less the calls: the
 * quickest of some measurements.  Before anything is hooked.
 */

static void
ngx_prof_malloc_measure(void)
{
    void        *p;
    uint64_t     begin, end, took, least;
    ngx_uint_t   i, k;

    void *(*volatile hooked)(size_t) = ngx_prof_heap_malloc;
    void (*volatile freed)(void *) = ngx_prof_heap_free;
    void *(*volatile none)(size_t) = ngx_prof_malloc_none;
    void (*volatile left)(void *) = ngx_prof_free_none;

    ngx_prof_malloc = ngx_prof_malloc_none;
    ngx_prof_free = ngx_prof_free_none;

    /* an address that no sample has */

    p = &least;
    least = (uint64_t) -1;

    for (i = 0; i < NGX_PROF_MALLOC_TRIES; i++) {
        begin = ngx_prof_counter_read();

        for (k = 0; k < NGX_PROF_MALLOC_MEASURED; k++) {
            (void) hooked(0);
            freed(p);
        }

        took = ngx_prof_counter_read() - begin;
        begin = ngx_prof_counter_read();

        for (k = 0; k < NGX_PROF_MALLOC_MEASURED; k++) {
            (void) none(0);
            left(p);
        }

        end = ngx_prof_counter_read();
        took -= ngx_min(took, end - begin);
        least = ngx_min(least, took);
    }

    ngx_prof_malloc = NULL;
    ngx_prof_free = NULL;

    ngx_prof_heap_own.mallocs = 0;
    ngx_prof_heap_own.frees = 0;

    ngx_prof_malloc_cost = ngx_prof_counter_took(least * 1000)
                           / (2 * NGX_PROF_MALLOC_MEASURED);
}


static void *
ngx_prof_malloc_none(size_t size)
{
    return NULL;
}


static void
ngx_prof_free_none(void *p)
{
    /* measured */
}


void
ngx_prof_malloc_tick(void)
{
    uint64_t          calls;
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;
    calls = slot->totals.mallocs - slot->base.mallocs
            + slot->totals.frees - slot->base.frees;

    ngx_prof_meter_add_hooks(NGX_PROF_METER_HEAP,
                             (calls - ngx_prof_malloc_calls)
                             * ngx_prof_malloc_cost / 1000);

    ngx_prof_malloc_calls = calls;
}


/*
 * Totals of allocations stay; what is in use was the last owner's and goes.  A
 * stack keeps its meaning if it was walked with the same objects loaded as
 * now.
 */

static void
ngx_prof_heap_take(ngx_prof_slot_t *slot)
{
    ngx_uint_t          i, n, size;
    ngx_prof_zone_t    *zone;
    ngx_prof_tally_t    tally;
    ngx_prof_freed_t   *freed;
    ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;
    size = ngx_prof_zone_heap_n(zone->stacks);
    stacks = ngx_prof_zone_heap(zone, slot);
    freed = ngx_prof_zone_freed(zone, slot);

    ngx_prof_store_release(&slot->heap_owner, 0);

    ngx_prof_stacks_take(stacks, size);

    n = ngx_prof_stacks_tallies(stacks, size);

    for (i = 1; i < n; i++) {
        (void) ngx_prof_stacks_tally(stacks, size, i, &tally);

        ngx_prof_store(&freed[i].base_count, tally.count);
        ngx_prof_store(&freed[i].base_value, tally.value);
        ngx_prof_store(&freed[i].freed_count, 0);
        ngx_prof_store(&freed[i].freed_value, 0);
    }

    ngx_prof_store(&slot->heap_roots, 0);
    ngx_prof_heap_root_set(slot);

    ngx_prof_threads_made();

    ngx_prof_store_release(&slot->heap_owner, slot->owner);
}


/*
 * interposes; NGX_DECLINED: not all calls would be seen, and `unseen`, a
 * buffer, becomes the names of the functions
 */

static ngx_int_t
ngx_prof_heap_hook(ngx_log_t *log, ngx_str_t *unseen)
{
    u_char                    *p, *last;
    ngx_uint_t                 i, patched, failed;
    ngx_prof_interpose_stat_t  stat;

    ngx_prof_interpose_stat(&stat);
    patched = stat.patched;
    failed = stat.failed;

    if (ngx_prof_interpose(ngx_prof_heap_hooks,
                           NGX_PROF_HEAP_HOOKS, log)
        == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    ngx_prof_interpose_stat(&stat);

    if (stat.patched == patched) {
        return NGX_ERROR;
    }

    p = unseen->data;
    last = p + unseen->len;

    for (i = 0; i < NGX_PROF_HEAP_HOOKS; i++) {

        /* whoever has another one calls realloc() from it, as libbsd does */

        if (ngx_prof_heap_hooks[i].hook == (void *) ngx_prof_heap_reallocarray
            || ngx_prof_interpose_foreign(ngx_prof_heap_hooks[i].name) == 0)
        {
            continue;
        }

        p = ngx_slprintf(p, last, " %s()", ngx_prof_heap_hooks[i].name);
    }

    unseen->len = p - unseen->data;

    return (unseen->len || stat.failed > failed) ? NGX_DECLINED : NGX_OK;
}


/* subtracts size from what is left; 1: nothing is left */

static ngx_prof_always_inline ngx_uint_t
ngx_prof_heap_use(uint64_t *left, uint64_t size)
{
    return ngx_prof_arch_take(left, size);
}


/* 1, and counted: the main thread calls, and this allocation is not sampled */

static ngx_prof_always_inline ngx_uint_t
ngx_prof_heap_quick(size_t size)
{
    if (ngx_prof_unlikely(ngx_prof_heap_use(&ngx_prof_heap_own.gap, size))) {
        ngx_prof_heap_own.gap += size;
        return 0;
    }

    ngx_prof_heap_own.mallocs++;

    return 1;
}


/* 1: the main thread calls, and no live sample has the address */

static ngx_prof_always_inline ngx_uint_t
ngx_prof_heap_unknown(const void *p)
{
    return ngx_prof_likely(
               ngx_prof_heap_own.filter[
                           ngx_prof_heap_quick_filter_of(p)] == 0);
}


/*
 * the same for any thread; *thread is set if this allocation is to be sampled
 */

static ngx_uint_t
ngx_prof_heap_slow(size_t size, ngx_prof_heap_thread_t **thread)
{
    ngx_prof_heap_thread_t  *t;

    t = ngx_prof_heap_thread();
    *thread = t;

    if (t == NULL) {
        ngx_prof_heap_missed();
        return 1;
    }

    if (size >= t->gap) {
        return 0;
    }

    t->gap -= size;
    t->mallocs++;

    if (t != &ngx_prof_heap_own) {
        t->bytes += size;
    }

    return 1;
}


ngx_prof_cold
static void *
ngx_prof_heap_one(void *(*one)(size_t), size_t size, void *caller)
{
    void                    *p;
    ngx_prof_heap_thread_t  *t, before;

    if (ngx_prof_heap_slow(size, &t)) {
        return one(size);
    }

    ngx_prof_heap_begin(t, &before);

    p = one(size);

    ngx_prof_heap_end(t, &before, p, size, caller);

    return p;
}


ngx_prof_cold
static void *
ngx_prof_heap_two(void *(*two)(size_t, size_t), size_t align, size_t size,
    void *caller)
{
    void                    *p;
    ngx_prof_heap_thread_t  *t, before;

    if (ngx_prof_heap_slow(size, &t)) {
        return two(align, size);
    }

    ngx_prof_heap_begin(t, &before);

    p = two(align, size);

    ngx_prof_heap_end(t, &before, p, size, caller);

    return p;
}


static void *
ngx_prof_heap_malloc(size_t size)
{
    if (ngx_prof_heap_quick(size)) {
        return ngx_prof_malloc(size);
    }

    return ngx_prof_heap_one(ngx_prof_malloc, size, ngx_prof_caller());
}


static void *
ngx_prof_heap_valloc(size_t size)
{
    return ngx_prof_heap_one(ngx_prof_valloc, size, ngx_prof_caller());
}


static void *
ngx_prof_heap_pvalloc(size_t size)
{
    return ngx_prof_heap_one(ngx_prof_pvalloc, size, ngx_prof_caller());
}


static void *
ngx_prof_heap_aligned_alloc(size_t align, size_t size)
{
    if (ngx_prof_heap_quick(size)) {
        return ngx_prof_aligned_alloc(align, size);
    }

    return ngx_prof_heap_two(ngx_prof_aligned_alloc,
                             align, size,
                             ngx_prof_caller());
}


static void *
ngx_prof_heap_memalign(size_t align, size_t size)
{
    if (ngx_prof_heap_quick(size)) {
        return ngx_prof_memalign(align, size);
    }

    return ngx_prof_heap_two(ngx_prof_memalign,
                             align, size,
                             ngx_prof_caller());
}


ngx_prof_cold
static void *
ngx_prof_heap_calloc_slow(size_t n, size_t size, void *caller)
{
    void                    *p;
    size_t                   all;
    ngx_prof_heap_thread_t  *t, before;

    /* a size that overflows fails in the allocator's own way */

    if (__builtin_mul_overflow(n, size, &all) || ngx_prof_heap_slow(all, &t)) {
        return ngx_prof_calloc(n, size);
    }

    ngx_prof_heap_begin(t, &before);

    p = ngx_prof_calloc(n, size);

    ngx_prof_heap_end(t, &before, p, all, caller);

    return p;
}


static void *
ngx_prof_heap_calloc(size_t n, size_t size)
{
    size_t  all;

    if (!__builtin_mul_overflow(n, size, &all) && ngx_prof_heap_quick(all)) {
        return ngx_prof_calloc(n, size);
    }

    return ngx_prof_heap_calloc_slow(n, size, ngx_prof_caller());
}


ngx_prof_cold
static int
ngx_prof_heap_posix_memalign_slow(void **p, size_t align, size_t size,
    void *caller)
{
    int                      rc;
    ngx_prof_heap_thread_t  *t, before;

    if (ngx_prof_heap_slow(size, &t)) {
        return ngx_prof_posix_memalign(p, align, size);
    }

    ngx_prof_heap_begin(t, &before);

    rc = ngx_prof_posix_memalign(p, align, size);

    ngx_prof_heap_end(t, &before, rc ? NULL : *p, size, caller);

    return rc;
}


static int
ngx_prof_heap_posix_memalign(void **p, size_t align, size_t size)
{
    if (ngx_prof_heap_quick(size)) {
        return ngx_prof_posix_memalign(p, align, size);
    }

    return ngx_prof_heap_posix_memalign_slow(p, align, size,
                                                ngx_prof_caller());
}


/* remove the entry first: another thread may get the address at once */

ngx_prof_cold
static void
ngx_prof_heap_free_taken(void *p)
{
    ngx_uint_t               measured;
    ngx_prof_meter_t         cost;
    ngx_prof_heap_live_t     live;
    ngx_prof_heap_thread_t  *t;

    t = ngx_prof_heap_thread();

    if (p && t) {
        t->frees++;
    }

    if (p && ngx_prof_heap_live_may(p)) {
        ngx_prof_add(&ngx_prof_malloc_turn, NGX_PROF_MALLOC_STEP);

        measured = (ngx_prof_load(&ngx_prof_malloc_turn)
                    < (uint64_t) -1 / NGX_PROF_MALLOC_FREES);

        if (measured) {
            ngx_prof_meter_begin(&cost);
        }

        if (ngx_prof_heap_live_take(p, &live) == NGX_OK) {
            ngx_prof_heap_freed(&live);
        }

        if (measured) {
            ngx_prof_meter_end(&cost, NGX_PROF_METER_HEAP,
                               NGX_PROF_MALLOC_FREES, t == &ngx_prof_heap_own);
        }
    }

    ngx_prof_free(p);
}


/*
 * most addresses that the quick filter stops are no samples: no frame for them
 */

ngx_prof_cold
static void
ngx_prof_heap_free_slow(void *p)
{
    if (p == NULL || ngx_prof_heap_own.self == 0 || ngx_prof_heap_live_may(p))
    {
        ngx_prof_heap_free_taken(p);
        return;
    }

    ngx_prof_heap_own.frees++;
    ngx_prof_free(p);
}


static void
ngx_prof_heap_free(void *p)
{
    if (ngx_prof_heap_unknown(p)) {
        ngx_prof_heap_own.frees++;
        ngx_prof_free(p);
        return;
    }

    ngx_prof_heap_free_slow(p);
}


/*
 * While the allocator moves the block, another thread may get its address: the
 * entry is removed first, and restored if the block has not moved.
 */

ngx_prof_cold
static void *
ngx_prof_heap_realloc_slow(void *p, size_t size, void *caller)
{
    void                    *q;
    ngx_int_t                rc;
    ngx_prof_heap_live_t     live;
    ngx_prof_heap_thread_t  *t, before;

    rc = NGX_DECLINED;

    if (p && ngx_prof_heap_live_may(p)) {
        rc = ngx_prof_heap_live_take(p, &live);
    }

    t = ngx_prof_heap_thread();

    if (t) {
        ngx_prof_heap_begin(t, &before);
    }

    q = ngx_prof_realloc(p, size);

    if (q == NULL && size) {

        if (rc == NGX_OK && ngx_prof_heap_live_insert(&live) != NGX_OK) {
            ngx_prof_heap_freed(&live);
        }

        if (t) {
            ngx_prof_heap_end(t, &before, NULL, size, caller);
        }

        return NULL;
    }

    if (rc == NGX_OK) {
        ngx_prof_heap_freed(&live);
    }

    if (t == NULL) {
        ngx_prof_heap_missed();
        return q;
    }

    before.frees += (p != NULL);

    if (q && size < before.gap) {
        before.gap -= size;
        before.mallocs++;

        if (t != &ngx_prof_heap_own) {
            before.bytes += size;
        }

        *t = before;
        return q;
    }

    ngx_prof_heap_end(t, &before, q, size, caller);

    return q;
}


static void *
ngx_prof_heap_realloc(void *p, size_t size)
{
    /* a size of 0 may free the block: not for the short path */

    if (size && ngx_prof_heap_unknown(p) && ngx_prof_heap_quick(size)) {
        ngx_prof_heap_own.frees++;
        return ngx_prof_realloc(p, size);
    }

    return ngx_prof_heap_realloc_slow(p, size, ngx_prof_caller());
}


/*
 * the C library's own calls realloc(), another allocator's may not: do the
 * same here
 */

static void *
ngx_prof_heap_reallocarray(void *p, size_t n, size_t size)
{
    size_t  all;

    if (__builtin_mul_overflow(n, size, &all)) {
        ngx_set_errno(ENOMEM);
        return NULL;
    }

    return ngx_prof_heap_realloc_slow(p, all, ngx_prof_caller());
}
