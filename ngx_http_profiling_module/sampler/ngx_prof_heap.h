
/*
 * The heap sampler.
 *
 * Each byte that is allocated is sampled with the same probability: gaps
 * between samples are exponential, of a mean of profiling_heap_rate bytes.  A
 * block of k bytes is thus sampled with p = 1 - exp(-k / rate), and counts as
 * 1 / p objects; this weight is fixed when it is taken.  Samples are added to
 * the table of stacks of the slot, and taken back when they are freed.
 *
 * Tallies count objects in units of 1 / HEAP_ONE, and bytes.  A stack has,
 * before its innermost frame, the size of its blocks (rounded up to a class),
 * or HEAP_THREAD: a thread, not a block.  Behind its outermost frame stands
 * the set of objects that its addresses belong to, see heap_root of a slot.
 */


#ifndef _NGX_PROF_HEAP_H_INCLUDED_
#define _NGX_PROF_HEAP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <pthread.h>
#include "ngx_prof_base.h"
#include "ngx_prof_live.h"
#include "ngx_prof_unwind.h"


#define NGX_PROF_HEAP_ONE      65536
#define NGX_PROF_HEAP_THREAD   ((uint64_t) 1 << 63)

/* entries of a stack in the table: frames, size before and root behind */
#define NGX_PROF_HEAP_DEPTH    (NGX_PROF_FRAMES + 2)

/* gap of a thread that must not sample */
#define NGX_PROF_HEAP_NEVER    ((uint64_t) 1 << 62)


/*
 * What the hooks have counted in one thread; written by that thread alone.
 * Of the main thread bytes lacks what was used of the present gap.
 */

typedef struct {
    uint64_t       gap;         /* bytes to the next sample, 1: this one */
    uint64_t       mallocs;
    const u_char  *filter;      /* of live.h, or one that lets none by */
    uint64_t       frees;
    uintptr_t      self;        /* of the thread, 0: free */
    uint64_t       bytes;
    uint64_t       drawn;       /* the gap, as it was drawn */
    uint64_t       random;
} ngx_prof_heap_thread_t;


/*
 * The entry of the main thread, in its own storage.  What other threads have
 * here stays as it was made: with no gap and no way by the filter they never
 * go the short way of the hooks, which need not ask who calls.
 */

extern __thread ngx_prof_heap_thread_t  ngx_prof_heap_own
    NGX_PROF_HIDDEN __attribute__((tls_model("initial-exec")));


/* an address that each thread has another one of, by the machine's ABI */

static ngx_inline uintptr_t
ngx_prof_heap_self(void)
{
    return ngx_prof_arch_thread();
}


/* worker: the main thread begins to sample, with the mean gap in bytes */
ngx_int_t ngx_prof_heap_own_init(uint64_t rate);

/* worker, at each tick: counters to the slot, objects that were loaded */
void ngx_prof_heap_tick(void);

/*
 * For hooks: the entry of the calling thread, which is made if it has none;
 * NULL: there are too many threads, this one is not counted.
 */
ngx_prof_heap_thread_t *ngx_prof_heap_thread(void);

/* for hooks: a block that is not recorded */
void ngx_prof_heap_missed(void);

/*
 * For hooks, when a gap has ended: begin() before the allocator is called,
 * which may call itself, then end() with the block, or NULL if there is none.
 * caller: the address that the hook returns to.
 */
void ngx_prof_heap_begin(ngx_prof_heap_thread_t *t,
    ngx_prof_heap_thread_t *before);
void ngx_prof_heap_end(ngx_prof_heap_thread_t *t,
    const ngx_prof_heap_thread_t *before, void *p, size_t size, void *caller);

/* for hooks: a sampled block was freed, and its entry taken */
void ngx_prof_heap_freed(const ngx_prof_heap_live_t *live);

/*
 * Counts a thread that begins, with the n frames of what made it; its tally
 * for thread_gone(), 0: not counted.  Normal context, any thread.
 */
ngx_uint_t ngx_prof_heap_thread_made(const uint64_t *frames, ngx_uint_t n);
void ngx_prof_heap_thread_gone(ngx_uint_t tally);


#endif /* _NGX_PROF_HEAP_H_INCLUDED_ */
