
/*
 * The walk up a stack.
 *
 * ngx_prof_unwind() is for signal handlers, in any thread: it makes
 * no library calls, takes no locks, allocates nothing, touches no thread
 * storage and no errno.  Each load from the stack is checked to lie between
 * the stack pointer and the top of the thread's stack; the handler that runs
 * below proves that all of it is mapped.  Install the handler without
 * SA_ONSTACK.
 */


#ifndef _NGX_PROF_UNWIND_H_INCLUDED_
#define _NGX_PROF_UNWIND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ucontext.h>
#include "ngx_prof_stack.h"


/*
 * Writes at most max (2 or more) frames to pcs, the innermost first, and
 * returns their number, which is at least 1.  pcs[0] is the exact pc; all
 * others are return addresses, of which a reader subtracts 1 (not of
 * synthetic frames).  path may be NULL.  Signal handlers and normal context.
 */
ngx_uint_t ngx_prof_unwind(const ngx_prof_stack_t *stack, const ucontext_t *uc,
    uint64_t *pcs, ngx_uint_t max, ngx_prof_unwind_t *result,
    ngx_prof_unwind_path_t *path);

/* the same, with the thread's cache */
ngx_uint_t ngx_prof_unwind_cached(const ngx_prof_stack_t *stack,
    const ucontext_t *uc, ngx_prof_unwind_cache_t *cache, uint64_t *pcs,
    ngx_uint_t max, ngx_prof_unwind_t *result);

/*
 * Prefetches the memory that the last walk used: the next one needs most of it
 * again.  Called some time before that walk.
 */
void ngx_prof_unwind_prefetch(const ngx_prof_unwind_cache_t *cache);

/*
 * Walks where a walk has just begun, and calls `frame` for each frame, from the
 * innermost on, until that returns other than 0.  Of the call at which the walk
 * began, the callee's frames come first.
 */

typedef ngx_uint_t (*ngx_prof_unwind_frame_pt)(void *data,
    const ngx_prof_unwind_frame_t *frame);

void ngx_prof_unwind_frames(const ngx_prof_unwind_path_t *path,
    ngx_prof_unwind_frame_pt frame, void *data);

/*
 * The same of a thread that has faulted, from a handler on another stack.
 * stack->lo is the lowest address of its stack that may be loaded.  jumped:
 * there is no code at its pc: the first frame is the caller that went there.
 */
ngx_uint_t ngx_prof_unwind_fault(const ngx_prof_stack_t *stack,
    const ucontext_t *uc, ngx_prof_unwind_cache_t *cache, ngx_uint_t jumped,
    uint64_t *pcs, ngx_uint_t max, ngx_prof_unwind_t *result);

/*
 * The same from the place of the call on: pcs[0] is the return address into
 * the caller of this function if skip is 0, into its caller if it is 1, and
 * so on.  The number of frames may be 0 if skip is too large.  path may be
 * NULL; path->cache, which the caller sets, is the thread's cache or NULL.
 */
ngx_uint_t ngx_prof_unwind_here(const ngx_prof_stack_t *stack, uint64_t *pcs,
    ngx_uint_t max, ngx_uint_t skip, ngx_prof_unwind_t *result,
    ngx_prof_unwind_path_t *path);

/*
 * The same for a stopped thread of another process that has the same objects:
 * from its registers and a copy of its stack, from sp (rounded down to 8) up to
 * top.  Normal context.
 */

typedef struct {
    uint64_t     pc;
    uint64_t     reg[NGX_PROF_ARCH_REGS];
    ngx_uint_t   kept;           /* those that calls keep are known, not only
                                    the stack pointer */
} ngx_prof_registers_t;

ngx_uint_t ngx_prof_unwind_copy(const ngx_prof_registers_t *registers,
    const void *copy, uintptr_t top, uint64_t *pcs, ngx_uint_t max,
    ngx_prof_unwind_t *result);

/*
 * Finds the bounds of the calling thread's stack, also of the main thread's.
 * Normal context, once a thread.  NGX_ERROR: the system does not tell them.
 */
ngx_int_t ngx_prof_unwind_stack(ngx_prof_stack_t *stack);


#endif /* _NGX_PROF_UNWIND_H_INCLUDED_ */
