
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
#include "ngx_prof_cfi.h"
#include "ngx_prof_objects.h"


#define NGX_PROF_FRAMES           128

/* entries of a cache, powers of two; mixed loads have some 500 callers */
#define NGX_PROF_UNWIND_CACHE     512
#define NGX_PROF_UNWIND_TEXTS     64


/*
 * Synthetic frames.  Addresses 1..15 are never those of code: nothing can be
 * mapped there.  They stand in the array like any other frame.
 */

#define NGX_PROF_FRAME_TRUNCATED  1             /* last: there were more */
#define NGX_PROF_FRAME_BROKEN     2             /* last: cannot go on */
#define NGX_PROF_FRAME_JIT        3             /* code of no object; its
                                                   caller follows */
#define NGX_PROF_FRAME_RESERVED   15


/* why a walk ended; all but the first two end in FRAME_BROKEN */

#define NGX_PROF_UNWIND_COMPLETE  0             /* the thread's start */
#define NGX_PROF_UNWIND_TRUNCATED 1             /* no room for more frames */
#define NGX_PROF_UNWIND_NO_TABLE  2             /* no object list was made */
#define NGX_PROF_UNWIND_FOREIGN   3             /* not on the given stack */
#define NGX_PROF_UNWIND_BAD_CFA   4             /* frame outside the stack */
#define NGX_PROF_UNWIND_BAD_RA    5             /* returns to no code */
#define NGX_PROF_UNWIND_NO_CALLER 6             /* no CFI, nothing found */
#define NGX_PROF_UNWIND_CAUSES    7


typedef struct {
    uintptr_t    lo;             /* lowest address of the thread's stack */
    uintptr_t    top;            /* the one after its highest */
} ngx_prof_stack_t;


typedef struct {
    ngx_uint_t  cause;           /* NGX_PROF_UNWIND_* */
    ngx_uint_t  jit;             /* FRAME_JIT among the frames */
    ngx_uint_t  recovered;       /* callers found without CFI: by a frame
                                    pointer or by a scan of the stack */
} ngx_prof_unwind_t;


/*
 * What former walks have found in the tables: object and rule of an address
 * are of one list, so they hold as long as that list is in use.  One walk at
 * a time may use a cache: each thread's sampler has its own.  Zeroed: empty.
 */

typedef struct {
    uint64_t                  addr;                    /* the first one */
    uint32_t                  len;                     /* bytes of text */
    uint32_t                  generation;              /* of the list */
    const ngx_prof_object_t  *object;
    ngx_prof_cfi_rule_t       rule;
} ngx_prof_unwind_entry_t;


typedef struct {
    uint64_t                             addr;
    uint32_t                             generation;
    u_char                               before[8];    /* bytes of code */
} ngx_prof_unwind_text_t;


typedef struct {
    ngx_prof_unwind_entry_t    entry[
                                             NGX_PROF_UNWIND_CACHE]
                                         __attribute__((aligned(64)));
    ngx_prof_unwind_text_t     text[
                                   NGX_PROF_UNWIND_TEXTS];

    /* the last walk: entries and stack pointers */

    uint32_t                             n;
    uint16_t                             used[NGX_PROF_FRAMES];
    uint64_t                             sp[NGX_PROF_FRAMES];
} ngx_prof_unwind_cache_t;


/*
 * Writes at most max (2 or more) frames to pcs, the innermost first, and
 * returns their number, which is at least 1.  pcs[0] is the exact pc; all
 * others are return addresses, of which a reader subtracts 1 (not of
 * synthetic frames).  Signal handlers and normal context.
 */
ngx_uint_t ngx_prof_unwind(const ngx_prof_stack_t *stack, const ucontext_t *uc,
    uint64_t *pcs, ngx_uint_t max, ngx_prof_unwind_t *result);

/* the same, with a cache that no other walk uses meanwhile */
ngx_uint_t ngx_prof_unwind_cached(const ngx_prof_stack_t *stack,
    const ucontext_t *uc, ngx_prof_unwind_cache_t *cache, uint64_t *pcs,
    ngx_uint_t max, ngx_prof_unwind_t *result);

/*
 * Has what the last walk needed fetched from memory: most of it will serve
 * the next one.  Some time before that walk.
 */
void ngx_prof_unwind_prefetch(const ngx_prof_unwind_cache_t *cache);

/*
 * The same from the place of the call on: pcs[0] is the return address into
 * the caller of this function if skip is 0, into its caller if it is 1, and
 * so on.  The number of frames may be 0 if skip is too large.
 */
ngx_uint_t ngx_prof_unwind_here(const ngx_prof_stack_t *stack, uint64_t *pcs,
    ngx_uint_t max, ngx_uint_t skip, ngx_prof_unwind_t *result);

/*
 * The bounds of the calling thread's stack, the main thread's as well.  Normal
 * context only, once a thread.  NGX_ERROR: the system does not tell.
 */
ngx_int_t ngx_prof_unwind_stack(ngx_prof_stack_t *stack);


#endif /* _NGX_PROF_UNWIND_H_INCLUDED_ */
