
/*
 * What the hooks of blocking calls and of locks share: the time a call took,
 * its stack, and the tables they are counted in.
 *
 * Everything here may be called in any context that a hooked function is
 * called in, by any thread, signal handlers included: raw system calls, own
 * memory, atomics.  errno is left as it is by the slow paths of the hooks.
 */


#ifndef _NGX_PROF_WAIT_H_INCLUDED_
#define _NGX_PROF_WAIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_unwind.h"


/*
 * Hooks lie in a section of their own: a stack is cut below them, so that it
 * begins with the call and not with us.
 */
#define NGX_PROF_HOOK_CODE                                                    \
    __attribute__((noinline, section("profiling_hooks")))

/* frames of a wait with the function waited in and the root */
#define NGX_PROF_WAIT_FRAMES  (NGX_PROF_FRAMES + 2)


typedef struct {
    ngx_prof_stack_t  stack;                 /* of the main thread */
    uint64_t          image;
    ngx_pid_t         pid;
} ngx_prof_waiter_t;


extern ngx_prof_waiter_t  ngx_prof_waiter;


/*
 * Worker, before the hooks: measures the length of a tick for 0.1 ms, takes
 * over the tables of the slot.  NGX_ERROR: there are no bounds of the stack.
 */
ngx_int_t ngx_prof_wait_init(ngx_cycle_t *cycle);


/* is this address on the stack of the worker's main thread? */

static ngx_inline ngx_uint_t
ngx_prof_wait_main(uintptr_t sp)
{
    return sp - ngx_prof_waiter.stack.lo
           < ngx_prof_waiter.stack.top
             - ngx_prof_waiter.stack.lo;
}


/* a child that was forked by the worker must not write into its slot */
ngx_uint_t ngx_prof_wait_owner(void);

/*
 * The stack of the calling thread below the hooks, under `function`, into
 * NGX_PROF_WAIT_FRAMES pcs; their number without the root.  0: a
 * thread whose stack is not known.
 */
ngx_uint_t ngx_prof_wait_stack(uintptr_t sp, const void *function,
    uint64_t *pcs);

/*
 * The same of a stack that stands in pcs[1] .. pcs[n - 1], those of the hook
 * included.
 */
ngx_uint_t ngx_prof_wait_below(uint64_t *pcs, ngx_uint_t n,
    const void *function);

/*
 * The same as wait_stack(), of what a signal has interrupted; pcs are all
 * return addresses.  *hooked: it was in a hooked call.
 */
ngx_uint_t ngx_prof_wait_interrupted(const ucontext_t *uc, uint64_t *pcs,
    ngx_uint_t *hooked);


/* takes pcs from .. to - 1 out of n; the new n.  Without a library call */
static ngx_inline ngx_uint_t
ngx_prof_wait_cut(uint64_t *pcs, ngx_uint_t n, ngx_uint_t from, ngx_uint_t to)
{
    volatile uint64_t  *pc;

    for (pc = pcs; to < n; from++, to++) {
        pc[from] = pc[to];
    }

    return from;
}


/*
 * Go's sampling by duration: an event of d ns is taken with probability
 * d / rate and stands for rate / d of its kind.  0: it is not taken.
 */
ngx_uint_t ngx_prof_wait_sample(uint64_t d, uint64_t rate, uint64_t *count,
    uint64_t *value);

/* one of n at random */
ngx_uint_t ngx_prof_wait_one_of(uint64_t n);

/* adds to a table of this slot; pcs has room for the root */
void ngx_prof_wait_add(ngx_uint_t wait, uint64_t *pcs, ngx_uint_t n,
    uint32_t label, uint64_t count, uint64_t value);


#endif /* _NGX_PROF_WAIT_H_INCLUDED_ */
