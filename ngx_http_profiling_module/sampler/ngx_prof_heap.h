
/*
 * The heap sampler.
 *
 * Each allocated byte is sampled with the same probability: gaps between
 * samples are exponential, with a mean of profiling_heap_rate bytes.  A block
 * of k bytes is thus sampled with p = 1 - exp(-k / rate) and counts as 1 / p
 * objects; this weight is fixed when the sample is taken.  Samples are added
 * to the slot's table of stacks, and subtracted when their blocks are freed.
 *
 * Tallies count objects, in units of 1 / HEAP_ONE, and bytes.  Before its
 * innermost frame a stack has the size of its blocks, rounded up to a class,
 * or HEAP_THREAD for a thread instead of a block.  Behind its outermost frame
 * stands the set of objects that its addresses belong to: see heap_root in the
 * slot.
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
 * What the hooks have counted in one thread; only that thread writes it.  The
 * main thread's bytes do not include the part of the present gap that is used
 * up.
 */

typedef struct {
    uint64_t       gap;         /* bytes to the next sample; 1: the next
                                   allocation */
    uint64_t       mallocs;
    const u_char  *filter;      /* of live.h, or one that stops every
                                   address */
    uint64_t       frees;
    uintptr_t      self;        /* of the thread, 0: free */
    uint64_t       bytes;
    uint64_t       drawn;       /* the gap, as it was drawn */
    uint64_t       random;
    uint64_t       rate;        /* mean of the gap, as it was drawn */
} ngx_prof_heap_thread_t;


/*
 * The main thread's entry, in thread-local storage.  In other threads it stays
 * as initialized: without a gap and with a filter that stops every address
 * they never take the short path of the hooks, which therefore need not ask
 * which thread calls.
 */

extern __thread ngx_prof_heap_thread_t  ngx_prof_heap_own
    NGX_PROF_HIDDEN __attribute__((tls_model("initial-exec")));


/* an address that differs in each thread, by the machine's ABI */

static ngx_inline uintptr_t
ngx_prof_heap_self(void)
{
    return ngx_prof_arch_thread();
}


/*
 * Worker: starts sampling in the main thread.  rate is the mean gap in bytes;
 * where the budget asks for it gaps are drawn with a larger one, and a sample
 * has the weight of the one that its gap was drawn with.
 */
ngx_int_t ngx_prof_heap_own_init(uint64_t rate);

/*
 * worker, at each tick: copies counters to the slot, and looks for newly
 * loaded objects
 */
void ngx_prof_heap_tick(void);

/*
 * Worker: whether calls are counted; calls of free() and bytes that were
 * allocated, so far; of the latter those in use, as the samples tell them
 */
ngx_uint_t ngx_prof_heap_seen(void);
uint64_t ngx_prof_heap_frees(void);
uint64_t ngx_prof_heap_bytes(void);
int64_t ngx_prof_heap_sampled(void);

/*
 * For hooks: the calling thread's entry, made if it has none.  NULL: there are
 * too many threads, and this one is not counted.
 */
ngx_prof_heap_thread_t *ngx_prof_heap_thread(void);

/* for hooks: counts a block that could not be recorded */
void ngx_prof_heap_missed(void);

/*
 * For hooks, at the end of a gap: begin() before calling the allocator, which
 * may call itself; then end() with the block, or NULL if there is none.
 * caller: the address that the hook returns to.
 */
void ngx_prof_heap_begin(ngx_prof_heap_thread_t *t,
    ngx_prof_heap_thread_t *before);
void ngx_prof_heap_end(ngx_prof_heap_thread_t *t,
    const ngx_prof_heap_thread_t *before, void *p, size_t size, void *caller);

/* for hooks: a sampled block was freed, and its entry removed */
void ngx_prof_heap_freed(const ngx_prof_heap_live_t *live);

/*
 * Counts a thread that begins, under the n frames that created it; later: some
 * of them are of objects that were loaded after the fork.  Returns
 * its tally for thread_gone(), 0: not counted.  Normal context, any thread.
 */
ngx_uint_t ngx_prof_heap_thread_made(const uint64_t *frames, ngx_uint_t n,
    ngx_uint_t later);
void ngx_prof_heap_thread_gone(ngx_uint_t tally);


#endif /* _NGX_PROF_HEAP_H_INCLUDED_ */
