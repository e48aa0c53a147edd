
/*
 * What the parts of a walk share.  Internal to ngx_prof_unwind*.c;
 * all of it is for signal handlers.
 */


#ifndef _NGX_PROF_WALK_H_INCLUDED_
#define _NGX_PROF_WALK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_cfi.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_stack.h"


/* bytes of stack that are searched for a return address */
#define NGX_PROF_UNWIND_SCAN   (64 * 1024)
#define NGX_PROF_UNWIND_MADE   4096            /* frame of code made by one */

/* bytes of a frame without CFI that are searched for a proof of its caller */
#define NGX_PROF_UNWIND_FRAME  1024

#define NGX_PROF_UNWIND_EXPR   16              /* depth of its stack */

/* nothing is ever mapped below */
#define NGX_PROF_UNWIND_LOWEST 4096

/* frames that have to follow one that was found without CFI */
#define NGX_PROF_UNWIND_AHEAD  8


/* bytes of a helper within assembly, whose end is looked for */
#define NGX_PROF_UNWIND_HELPER 8192

#define ngx_prof_unwind_strip(addr)                                           \
    ((addr) & NGX_PROF_ARCH_ADDRESS)


/* the walk reads stack that a sanitizer has poisoned */

#if defined(__clang__) || defined(__GNUC__)
#define ngx_prof_unwind_unchecked                                             \
    __attribute__((no_sanitize("address", "thread")))
#else
#define ngx_prof_unwind_unchecked
#endif


/* code that few walks need is kept apart from what each frame runs */
#define ngx_prof_unwind_seldom  __attribute__((noinline, cold))


typedef struct {
    const ngx_prof_objects_t   *objects;
    const ngx_prof_object_t    *object;            /* that has pc, or NULL */
    const ngx_prof_cfi_rule_t  *rule;              /* of pc, NULL: none */
    ngx_prof_unwind_cache_t    *cache;             /* may be NULL */
    ngx_prof_unwind_path_t     *path;              /* may be NULL */

    uintptr_t                   lo;                 /* what may be loaded */
    uintptr_t                   top;
    uintptr_t                   shift;              /* from an address to where
                                                       its word is: 0, unless
                                                       the stack is a copy */

    uint64_t                    pc;
    ngx_uint_t                  exact;              /* not a return address */

    uint32_t                    valid;              /* bits: reg[] is known */
    uint32_t                    guess;              /* bits: or may have been
                                                      changed by code without
                                                      CFI */
    uint64_t                    reg[NGX_PROF_CFI_REGS];

    ngx_uint_t                  strict;            /* see recover */
    ngx_uint_t                  maker;             /* see recover */
    ngx_prof_unwind_t          *result;
} ngx_prof_walk_t;


/*
 * Runs an expression of the table of walk->object; n values, 0 or 1, are on
 * its stack to begin with.  NGX_ERROR: there is no value.
 */
ngx_int_t ngx_prof_unwind_expr(ngx_prof_walk_t *walk, ngx_uint_t number,
    uint64_t first, ngx_uint_t n, uint64_t *value);

/* to the caller of code without CFI; NGX_ERROR: none was found */
ngx_int_t ngx_prof_unwind_recover(ngx_prof_walk_t *walk);

/* whether the code at pc returns from a signal handler */
ngx_uint_t ngx_prof_unwind_sigreturn(uint64_t pc);

/*
 * Whether the frames from walk->pc on hold together: the next few lead by CFI
 * to addresses of code, or to the thread's start.  Spoils *walk.
 */
ngx_uint_t ngx_prof_unwind_holds(ngx_prof_walk_t *walk);

/*
 * Whether a call instruction ends just before addr.  A direct call has to lead
 * into the text of the object that it is in (NULL: any place).
 */
const ngx_prof_object_t *ngx_prof_unwind_maker(ngx_prof_walk_t *walk,
    uint64_t ra, const ngx_prof_object_t *object);
ngx_uint_t ngx_prof_unwind_called(ngx_prof_walk_t *walk, uint64_t addr,
    const ngx_prof_object_t *object);

/* object and rule of an address, which is pc or the one before it */
void ngx_prof_unwind_find(ngx_prof_walk_t *walk, uint64_t addr);

/*
 * To the caller, by a rule of the CFI.  NGX_DONE: pc is in the outermost
 * function; NGX_DECLINED: the rule has no use here; NGX_ERROR: it leads out of
 * the stack.
 */
ngx_int_t ngx_prof_unwind_step(ngx_prof_walk_t *walk,
    const ngx_prof_cfi_rule_t *rule);

/*
 * Takes callers whose rules are in the cache and simple, as nearly all are, and
 * writes at most max of their frames to pcs.  For callers whose stack and frame
 * pointers are no guesses, in a walk with a cache.  Returns their number; *rc
 * is NGX_DONE if the outermost function was reached.
 */
ngx_uint_t ngx_prof_unwind_quick(ngx_prof_walk_t *walk, uint64_t *pcs,
    ngx_uint_t max, ngx_int_t *rc);

/* out of a signal handler whose frame lies at sp; NGX_ERROR: there is none */
ngx_int_t ngx_prof_unwind_signal(ngx_prof_walk_t *walk, uint64_t sp);

/* where an address is kept in a table of n entries */
#define ngx_prof_unwind_slot(addr, n)                                         \
    ((uint32_t) (((addr) * 0x9e3779b97f4a7c15ull) >> 48) & ((n) - 1))


#define ngx_prof_unwind_knows(walk, r)                                        \
    ((walk)->valid & ((uint32_t) 1 << (r)))


ngx_prof_unwind_unchecked
static ngx_inline ngx_int_t
ngx_prof_unwind_load(ngx_prof_walk_t *walk, uint64_t addr, uint64_t *value)
{
    if (addr < walk->lo || addr > walk->top - sizeof(uint64_t)
        || (addr & (sizeof(uint64_t) - 1)))
    {
        return NGX_ERROR;
    }

    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): on the stack */
    *value = *(const volatile uint64_t *) (uintptr_t) (addr + walk->shift);

    return NGX_OK;
}


static ngx_inline const ngx_prof_object_t *
ngx_prof_unwind_object(ngx_prof_walk_t *walk, uint64_t addr)
{
    const ngx_prof_object_t  *object;

    object = walk->object;

    if (object && addr >= object->start && addr < object->end) {
        return object;
    }

    return ngx_prof_objects_find(walk->objects, (uintptr_t) addr);
}


#endif /* _NGX_PROF_WALK_H_INCLUDED_ */
