
/*
 * Shared by the hooks of blocking calls and of locks: how long a call took,
 * its stack, and the tables it is counted in.
 *
 * Everything here may run wherever a hooked function is called, in any thread
 * and in signal handlers: it uses raw system calls, its own memory and atomics
 * only.  The slow paths of the hooks keep errno.
 */


#ifndef _NGX_PROF_WAIT_H_INCLUDED_
#define _NGX_PROF_WAIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"
#include "ngx_prof_unwind.h"


/* frames of a wait, with the function that waits and the root */
#define NGX_PROF_WAIT_FRAMES  (NGX_PROF_FRAMES + 2)


typedef struct {
    ngx_prof_stack_t  stack;                 /* of the main thread */
    uint64_t          image;
    ngx_pid_t         pid;
} ngx_prof_waiter_t;


extern ngx_prof_waiter_t  ngx_prof_waiter;


/*
 * Worker, before the hooks are in place: measures the length of a tick for 0.1
 * ms, and takes over the slot's tables.  NGX_ERROR: the bounds of the stack
 * are unknown.
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


/*
 * is this the slot's owner? a child forked by the worker must not write there
 */
ngx_uint_t ngx_prof_wait_owner(void);

/*
 * Writes the calling thread's stack below the hooks, under `function`, to
 * NGX_PROF_WAIT_FRAMES pcs; returns their number without the root. 0: the
 * stack of this thread is unknown.  path may be NULL.
 */
ngx_uint_t ngx_prof_wait_stack(uintptr_t sp, const void *function,
    uint64_t *pcs, ngx_prof_unwind_path_t *path);

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
    ngx_uint_t *hooked, ngx_prof_unwind_path_t *path);


/*
 * removes pcs from .. to - 1 of n; returns the new n.  Calls no library
 * function
 */
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
 * Go's sampling by duration: an event of d ns is taken with probability d /
 * rate, and then stands for rate / d events. 0: not taken.
 */
ngx_uint_t ngx_prof_wait_sample(uint64_t d, uint64_t rate, uint64_t *count,
    uint64_t *value);

/* profiling_block_rate in ns, more where the budget asks for it; 0: off */
uint64_t ngx_prof_wait_rate(void);

/* 1 with probability 1 / n */
ngx_uint_t ngx_prof_wait_one_of(uint64_t n);

/* adds to a table of a slot; the last one of n pcs is the root */
void ngx_prof_wait_count(const ngx_prof_slot_t *slot, ngx_uint_t wait,
    const uint64_t *pcs, ngx_uint_t n, uint32_t label, uint64_t count,
    uint64_t value);

/* adds to a table of this slot; pcs has room for the root */
void ngx_prof_wait_add(ngx_uint_t wait, uint64_t *pcs, ngx_uint_t n,
    uint32_t label, uint64_t count, uint64_t value);


#endif /* _NGX_PROF_WAIT_H_INCLUDED_ */
