
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/syscall.h>
#include "ngx_prof_wait.h"
#include "ngx_prof_base.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_hook_code.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_recorder.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_throttle.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* innermost frames that are searched for the hooks' */
#define NGX_PROF_WAIT_INNER  24


static void ngx_prof_wait_take(ngx_uint_t wait);
static const ngx_prof_stack_t *ngx_prof_wait_bounds(uintptr_t sp);
static uint64_t ngx_prof_wait_random(void);


ngx_prof_waiter_t  ngx_prof_waiter;

static uint64_t                   ngx_prof_wait_seed;


ngx_int_t
ngx_prof_wait_init(ngx_cycle_t *cycle)
{
    ngx_uint_t          i;
    ngx_prof_waiter_t  *w;

    w = &ngx_prof_waiter;

    w->stack.lo = 0;
    w->stack.top = 0;

    if (ngx_prof_thread_bounds(&w->stack) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "the bounds of the stack are unknown, blocking calls "
                      "and locks of this worker are not profiled");
        return NGX_ERROR;
    }

    w->image = ngx_prof_frame_image(1);
    w->pid = ngx_pid;

    ngx_prof_wait_seed = ngx_prof_clock()
                                   ^ (uint64_t) ngx_pid << 32;

    for (i = 0; i < NGX_PROF_WAITS; i++) {
        ngx_prof_wait_take(i);
    }

    ngx_prof_store_release(&ngx_prof_process.slot->image, w->image);
    return NGX_OK;
}


/* counts of earlier owners stay; the base tells them from this owner's */

static void
ngx_prof_wait_take(ngx_uint_t wait)
{
    ngx_uint_t             i, n, size;
    ngx_prof_zone_t       *zone;
    ngx_prof_slot_t       *slot;
    ngx_prof_tally_t       tally;
    ngx_prof_stacks_t     *stacks;
    ngx_prof_wait_base_t  *base;

    zone = ngx_prof_process.zone;
    slot = ngx_prof_process.slot;

    size = ngx_prof_zone_wait_size(zone->stacks);
    stacks = ngx_prof_zone_waits(zone, slot, wait);
    base = ngx_prof_zone_wait_base(zone, slot, wait);

    ngx_prof_stacks_take(stacks, size);

    n = stacks->tally_n ? ngx_prof_stacks_tallies(stacks, size) : 0;

    for (i = 0; i < n; i++) {
        (void) ngx_prof_stacks_tally(stacks, size, i, &tally);
        ngx_prof_store(&base[i].count, tally.count);
        ngx_prof_store(&base[i].value, tally.value);
    }
}


ngx_uint_t
ngx_prof_wait_owner(void)
{
    return (ngx_pid_t) syscall(SYS_getpid) == ngx_prof_waiter.pid;
}


static const ngx_prof_stack_t *
ngx_prof_wait_bounds(uintptr_t sp)
{
    ngx_uint_t                i;
    const ngx_prof_thread_t  *t;

    if (ngx_prof_wait_main(sp)) {
        return &ngx_prof_waiter.stack;
    }

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        t = &ngx_prof_threads[i];

        if (ngx_prof_load_acquire(&t->state)
            == NGX_PROF_THREAD_RUNNING
            && t->pid == ngx_prof_waiter.pid
            && sp >= t->stack.lo && sp < t->stack.top)
        {
            return &t->stack;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_prof_wait_stack(uintptr_t sp, const void *function, uint64_t *pcs,
    ngx_prof_unwind_path_t *path)
{
    ngx_uint_t               n;
    ngx_prof_unwind_t        result;
    const ngx_prof_stack_t  *stack;

    stack = ngx_prof_wait_bounds(sp);

    if (stack == NULL) {
        return 0;
    }

    if (path) {
        path->cache = (stack == &ngx_prof_waiter.stack)
                      ? &ngx_prof_thread_walks : NULL;
    }

    n = ngx_prof_unwind_here(stack, pcs + 1, NGX_PROF_FRAMES, 0, &result, path);

    return ngx_prof_wait_below(pcs, n + 1, function);
}


ngx_uint_t
ngx_prof_wait_below(uint64_t *pcs, ngx_uint_t n, const void *function)
{
    ngx_uint_t  i, last;

    last = 0;

    /* what the hook has called, and its own functions */

    for (i = 1; i < n && i < NGX_PROF_WAIT_INNER; i++) {

        if (ngx_prof_hook_code(pcs[i])) {
            last = i;
            break;
        }
    }

    while (last && last < n && ngx_prof_hook_code(pcs[last])) {
        last++;
    }

    if (last > 1) {
        n = ngx_prof_wait_cut(pcs, n, 1, last);
    }

    /* an address inside the function, as if it were a return address */

    pcs[0] = (uint64_t) (uintptr_t) function + 1;

    return n;
}


ngx_uint_t
ngx_prof_wait_interrupted(const ucontext_t *uc, uint64_t *pcs,
    ngx_uint_t *hooked, ngx_prof_unwind_path_t *path)
{
    ngx_uint_t         i, n, first, last;
    ngx_prof_unwind_t  result;

    n = ngx_prof_unwind(&ngx_prof_waiter.stack, uc, pcs,
                        NGX_PROF_FRAMES, &result, path);
    first = n;
    last = n;

    if (n && !ngx_prof_frame_is_synthetic(pcs[0])) {
        pcs[0]++;
    }

    for (i = 0; i < n && i < NGX_PROF_WAIT_INNER; i++) {

        if (ngx_prof_hook_code(pcs[i])) {
            first = ngx_min(first, i);
            last = i;
        }
    }

    *hooked = (last < n);

    /* remove the hook from between the call and its caller */

    if (*hooked && first > 0) {
        n = ngx_prof_wait_cut(pcs, n, first, last + 1);
    }

    return n;
}


/* xorshift64; two threads may now and then get the same number */

static uint64_t
ngx_prof_wait_random(void)
{
    uint64_t  x;

    x = ngx_prof_load(&ngx_prof_wait_seed);

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;

    ngx_prof_store(&ngx_prof_wait_seed, x);

    return x >> 11;
}


ngx_uint_t
ngx_prof_wait_one_of(uint64_t n)
{
    return n <= 1 || ngx_prof_wait_random() % n == 0;
}


uint64_t
ngx_prof_wait_rate(void)
{
    return ((uint64_t) ngx_prof_setting(NGX_PROF_BLOCK_RATE)
            * NGX_PROF_NSEC_PER_MSEC)
           << ngx_prof_throttle(NGX_PROF_METER_WAIT);
}


ngx_uint_t
ngx_prof_wait_sample(uint64_t d, uint64_t rate, uint64_t *count,
    uint64_t *value)
{
    if (rate == 0 || d == 0) {
        return 0;
    }

    if (d >= rate) {
        *count = 1;
        *value = d;
        return 1;
    }

    if (ngx_prof_wait_random() % rate >= d) {
        return 0;
    }

    /* rate / d, rounded up with the probability of its fraction */

    *count = rate / d + (ngx_prof_wait_random() % d < rate % d);
    *value = rate;

    return 1;
}


void
ngx_prof_wait_add(ngx_uint_t wait, uint64_t *pcs, ngx_uint_t n, uint32_t label,
    uint64_t count, uint64_t value)
{
    /* the root says in which image the addresses are valid */

    pcs[n] = ngx_prof_waiter.image;

    ngx_prof_wait_count(ngx_prof_process.slot, wait, pcs, n + 1, label, count,
                        value);
}


void
ngx_prof_wait_count(const ngx_prof_slot_t *slot, ngx_uint_t wait,
    const uint64_t *pcs, ngx_uint_t n, uint32_t label, uint64_t count,
    uint64_t value)
{
    ngx_uint_t          i, size;
    ngx_prof_zone_t    *zone;
    ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;
    size = ngx_prof_zone_wait_size(zone->stacks);
    stacks = ngx_prof_zone_waits(zone, slot, wait);

    i = ngx_prof_stacks_put(stacks, size, NULL, pcs, n, label, count, value);

    if (i) {
        ngx_prof_stacks_count(stacks, size, i, count, value);
        ngx_prof_recorder_touch(slot, NGX_PROF_RECORDED_BLOCK + wait, i);
    }
}
