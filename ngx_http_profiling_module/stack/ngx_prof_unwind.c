
/*
 * The walk up a stack: frames with CFI.  See the header for where it may run.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <pthread.h>
#include <stddef.h>

#include "ngx_prof_unwind.h"
#include "ngx_prof_walk.h"


/* not found in the cache, or there is none: see the header */

ngx_prof_unwind_seldom
static void
ngx_prof_unwind_search(ngx_prof_walk_t *walk, uint64_t addr,
    ngx_prof_unwind_entry_t *entry)
{
    uint32_t  before, after;

    walk->object = ngx_prof_unwind_object(walk, addr);
    walk->rule = (walk->object && walk->object->cfi)
                 ? ngx_prof_cfi_lookup(walk->object->cfi, addr)
                 : NULL;

    if (entry && walk->rule) {
        ngx_prof_cfi_reach(walk->object->cfi, addr, &before, &after);

        entry->addr = addr - before;
        entry->len = before + after;
        entry->generation = walk->objects->generation;
        entry->object = walk->object;
        entry->rule = *walk->rule;

        walk->rule = &entry->rule;
    }
}


void
ngx_prof_unwind_find(ngx_prof_walk_t *walk, uint64_t addr)
{
    uint32_t                  slot;
    ngx_prof_unwind_entry_t  *entry;
    ngx_prof_unwind_cache_t  *cache;

    cache = walk->cache;
    entry = NULL;

    if (cache) {
        /* the same callers come again, but interrupted code is anywhere */

        slot = ngx_prof_unwind_slot(walk->exact ? addr >> 6 : addr,
                                    NGX_PROF_UNWIND_CACHE);
        entry = &cache->entry[slot];

        if (cache->n < NGX_PROF_FRAMES) {
            cache->used[cache->n] = (uint16_t) slot;
            cache->sp[cache->n++] = walk->reg[NGX_PROF_ARCH_SP];
        }

        if (addr - entry->addr < entry->len
            && entry->generation == walk->objects->generation)
        {
            walk->object = entry->object;
            walk->rule = &entry->rule;
            return;
        }
    }

    ngx_prof_unwind_search(walk, addr, entry);
}


/* a CFA that is not a register with an offset; NGX_DECLINED: see below */

ngx_prof_unwind_seldom
static ngx_int_t
ngx_prof_unwind_cfa_expr(ngx_prof_walk_t *walk,
    const ngx_prof_cfi_rule_t *rule, uint64_t *cfa)
{
    return (ngx_prof_unwind_expr(walk, (ngx_uint_t) rule->cfa, 0, 0,
                                 cfa)
            == NGX_OK) ? NGX_OK : NGX_DECLINED;
}


/* the CFA; NGX_DECLINED: it depends on a register that is not known */

static ngx_inline ngx_int_t
ngx_prof_unwind_cfa(ngx_prof_walk_t *walk, const ngx_prof_cfi_rule_t *rule,
    uint64_t *cfa)
{
    if (rule->cfa_kind != NGX_PROF_CFI_CFA_REG) {
        return ngx_prof_unwind_cfa_expr(walk, rule, cfa);
    }

    if (!ngx_prof_unwind_knows(walk, rule->cfa_reg)) {
        return NGX_DECLINED;
    }

    *cfa = walk->reg[rule->cfa_reg] + (uint64_t) (int64_t) rule->cfa;

    return NGX_OK;
}


/* a register of the caller that is not on the stack at a known place */

ngx_prof_unwind_seldom
static ngx_int_t
ngx_prof_unwind_other(ngx_prof_walk_t *walk, int32_t how, uint64_t cfa,
    uint64_t *value)
{
    int64_t  arg;

    arg = ngx_prof_cfi_arg(how);

    switch (ngx_prof_cfi_kind(how)) {

    case NGX_PROF_CFI_VAL:
        *value = cfa + (uint64_t) arg;
        return NGX_OK;

    case NGX_PROF_CFI_REG:
        if (!ngx_prof_unwind_knows(walk, arg)) {
            return NGX_ERROR;
        }

        *value = walk->reg[arg];
        return NGX_OK;

    case NGX_PROF_CFI_EXPR:
        if (ngx_prof_unwind_expr(walk, (ngx_uint_t) arg, cfa, 1,
                                 value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_prof_unwind_load(walk, *value, value);

    case NGX_PROF_CFI_VAL_EXPR:
        return ngx_prof_unwind_expr(walk, (ngx_uint_t) arg, cfa, 1, value);

    default:
        return NGX_ERROR;
    }
}


/* a register of the caller; NGX_ERROR: it cannot be known */

static ngx_inline ngx_int_t
ngx_prof_unwind_value(ngx_prof_walk_t *walk, int32_t how, uint64_t cfa,
    uint64_t *value)
{
    if (ngx_prof_cfi_kind(how) == NGX_PROF_CFI_AT) {
        return ngx_prof_unwind_load(walk,
                                 cfa + (uint64_t) (int64_t)
                                       ngx_prof_cfi_arg(how),
                                 value);
    }

    return ngx_prof_unwind_other(walk, how, cfa, value);
}


/*
 * Above a signal frame all registers are those of the interrupted code: they
 * are in the context that the kernel left at the handler's stack pointer.
 * NGX_DECLINED: there is no context that fits.
 */

ngx_prof_unwind_seldom
static ngx_int_t
ngx_prof_unwind_signal(ngx_prof_walk_t *walk, uint64_t sp)
{
    uint64_t    at, reg[NGX_PROF_ARCH_REGS + 1];
    ngx_uint_t  i;

    at = sp + NGX_PROF_ARCH_SIGNAL;

    for (i = 0; i <= NGX_PROF_ARCH_REGS; i++) {
        if (ngx_prof_unwind_load(walk,
                                     at + ngx_prof_arch_place(i),
                                     &reg[i])
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    /* cppcheck-suppress uninitvar ; all of them were set above */
    at = reg[NGX_PROF_ARCH_SP];

    if (at <= sp || at >= walk->top) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_PROF_ARCH_REGS; i++) {
        walk->reg[i] = reg[i];
    }

    walk->valid = NGX_PROF_ARCH_KNOWN;
    walk->guess = 0;
    walk->lo = ngx_max(sp, at - NGX_PROF_ARCH_RED);
    walk->pc = reg[NGX_PROF_ARCH_REGS];
    walk->exact = 1;

    return NGX_OK;
}


/*
 * The caller's registers.  Rules may refer to other registers: none is set
 * before all are found.
 */

static ngx_inline void
ngx_prof_unwind_registers(ngx_prof_walk_t *walk,
    const ngx_prof_cfi_rule_t *rule, uint64_t cfa)
{
    uint32_t        changed, valid, kept, found;
    uint64_t        v[NGX_PROF_CFI_SAVED];
    ngx_uint_t      i, r;
    const uint8_t  *slots;

    slots = ngx_prof_cfi_slots(NGX_PROF_CFI_NATIVE);
    valid = walk->valid;

    /*
     * an interrupted helper of assembly may have left its caller's CFA in any
     * register (aesni_gcm_encrypt has it in rax): good for one guess
     */

    if (walk->exact) {
        walk->guess |= ~(uint32_t) NGX_PROF_ARCH_KEPT;

    } else {
        valid &= NGX_PROF_ARCH_KEPT;
    }

    found = (uint32_t) 1 << NGX_PROF_ARCH_SP;
    kept = valid | found;

    for (changed = rule->changed; changed; changed &= changed - 1) {
        i = (ngx_uint_t) __builtin_ctz(changed);
        r = slots[i];

        kept |= (uint32_t) 1 << r;
        found |= (uint32_t) 1 << r;

        if (ngx_prof_unwind_value(walk, rule->saved[i], cfa, &v[i]) != NGX_OK)
        {
            /*
             * what was popped already lies below the stack pointer: the
             * register has its value; what else cannot be had is unknown
             */

            v[i] = walk->reg[r];

            if (!(walk->exact
                  && ngx_prof_cfi_kind(rule->saved[i])
                     == NGX_PROF_CFI_AT))
            {
                kept &= ~((uint32_t) 1 << r);
            }
        }
    }

    for (changed = rule->changed; changed; changed &= changed - 1) {
        i = (ngx_uint_t) __builtin_ctz(changed);
        /* cppcheck-suppress uninitvar ; the same ones were set above */
        walk->reg[slots[i]] = v[i];
    }

    walk->reg[NGX_PROF_ARCH_SP] = cfa;
    walk->guess &= valid & ~found;
    walk->valid = kept;
}


/*
 * To the caller, by the rule.  NGX_DONE: there is none; NGX_DECLINED: the rule
 * does not serve; NGX_ERROR: the stack is broken, walk->result has the cause.
 */

static ngx_inline ngx_int_t
ngx_prof_unwind_step(ngx_prof_walk_t *walk, const ngx_prof_cfi_rule_t *rule)
{
    uint64_t   cfa, ra, sp;
    ngx_int_t  rc;

    sp = walk->reg[NGX_PROF_ARCH_SP];

    if (rule->ra == ngx_prof_cfi_how(NGX_PROF_CFI_UNDEF, 0)) {
        return NGX_DONE;
    }

    if ((rule->flags & NGX_PROF_CFI_SIGNAL)
        && ngx_prof_unwind_signal(walk, sp) == NGX_OK)
    {
        return NGX_OK;
    }

    rc = ngx_prof_unwind_cfa(walk, rule, &cfa);

    if (rc != NGX_OK) {
        return rc;
    }

    /* only a leaf with a link register may leave the stack pointer as it was */

    if (cfa > walk->top || cfa < sp
        || (cfa == sp && !(NGX_PROF_ARCH_LINKS && walk->exact)))
    {
        walk->result->cause = NGX_PROF_UNWIND_BAD_CFA;
        return NGX_ERROR;
    }

    if (NGX_PROF_ARCH_LINKS
        && rule->ra == NGX_PROF_CFI_SAME
        && walk->exact
        && ngx_prof_unwind_knows(walk, NGX_PROF_ARCH_LR))
    {
        ra = walk->reg[NGX_PROF_ARCH_LR];

    } else if (ngx_prof_unwind_value(walk, rule->ra, cfa, &ra) != NGX_OK)
    {
        walk->result->cause = NGX_PROF_UNWIND_BAD_RA;
        return NGX_ERROR;
    }

    ngx_prof_unwind_registers(walk, rule, cfa);

    walk->lo = cfa;
    walk->pc = ngx_prof_unwind_strip(ra);
    walk->exact = rule->flags & NGX_PROF_CFI_SIGNAL;

    return NGX_OK;
}


/*
 * By a rule that may be wrong: what leads nowhere is taken as if there were no
 * CFI.  Hand-written assembly has wrong CFI at single instructions (x25519 of
 * libcrypto 3.0 at its ret), which can only be met where it was interrupted;
 * and registers may be guesses.
 */

static ngx_int_t
ngx_prof_unwind_try(ngx_prof_walk_t *walk, const ngx_prof_cfi_rule_t *rule)
{
    ngx_int_t                 rc;
    ngx_prof_walk_t           before;
    const ngx_prof_object_t  *object;

    before = *walk;
    rc = ngx_prof_unwind_step(walk, rule);

    if (rc == NGX_DONE || (rc == NGX_OK && walk->exact)) {
        return rc;
    }

    if (rc == NGX_OK) {
        ngx_prof_unwind_find(walk, walk->pc - 1);
        object = walk->object;

        /* to look at the text costs a system call, so not without need */

        if ((object && before.exact)
            || ngx_prof_unwind_called(walk, walk->pc, object))
        {
            return NGX_OK;
        }
    }

    *walk = before;

    if (ngx_prof_unwind_recover(walk) == NGX_OK) {
        return NGX_OK;
    }

    walk->result->cause = NGX_PROF_UNWIND_BAD_RA;

    return NGX_ERROR;
}


/* to the caller; see ngx_prof_unwind_step() */

static ngx_inline ngx_int_t
ngx_prof_unwind_next(ngx_prof_walk_t *walk)
{
    ngx_int_t                   rc;
    const ngx_prof_cfi_rule_t  *rule;

    rule = walk->rule;

    if (rule == NULL) {
        return ngx_prof_unwind_recover(walk);
    }

    if (NGX_PROF_ARCH_LINKS
        && walk->pc == walk->object->sigreturn
        && ngx_prof_unwind_signal(walk, walk->reg[NGX_PROF_ARCH_SP])
           == NGX_OK)
    {
        return NGX_OK;
    }

    if (rule->cfa_kind != NGX_PROF_CFI_NONE) {

        if (walk->exact
            || (walk->guess
                && (rule->cfa_kind != NGX_PROF_CFI_CFA_REG
                    || (walk->guess & ((uint32_t) 1 << rule->cfa_reg)))))
        {
            rc = ngx_prof_unwind_try(walk, rule);

        } else {
            rc = ngx_prof_unwind_step(walk, rule);
        }

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    /* a C library without CFI */

    if (!walk->exact
        && ngx_prof_unwind_sigreturn(walk->pc)
        && ngx_prof_unwind_signal(walk, walk->reg[NGX_PROF_ARCH_SP])
           == NGX_OK)
    {
        return NGX_OK;
    }

    return ngx_prof_unwind_recover(walk);
}


ngx_uint_t
ngx_prof_unwind_holds(ngx_prof_walk_t *walk)
{
    ngx_int_t                   rc;
    ngx_uint_t                  n;
    const ngx_prof_cfi_rule_t  *rule;

    for (n = 0; n < NGX_PROF_UNWIND_AHEAD; n++) {

        ngx_prof_unwind_find(walk, walk->pc - !walk->exact);

        if (walk->object == NULL) {
            return ngx_prof_unwind_called(walk, walk->pc, NULL);
        }

        if (!walk->exact
            && !ngx_prof_unwind_called(walk, walk->pc, walk->object)
            && !ngx_prof_unwind_sigreturn(walk->pc))
        {
            return 0;
        }

        rule = walk->rule;

        if (rule == NULL || rule->cfa_kind == NGX_PROF_CFI_NONE) {
            return 1;
        }

        rc = ngx_prof_unwind_step(walk, rule);

        if (rc != NGX_OK) {
            /* a register that is not known yet speaks neither way */
            return rc == NGX_DONE || rc == NGX_DECLINED;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_prof_unwind_run(ngx_prof_walk_t *walk, uint64_t *pcs, ngx_uint_t max,
    ngx_uint_t skip)
{
    uint64_t    pc;
    ngx_int_t   rc;
    ngx_uint_t  n;

    n = 0;

    for ( ;; ) {
        pc = walk->pc;
        ngx_prof_unwind_find(walk, pc - !walk->exact);

        if (walk->object == NULL) {

            /* a trampoline of no object is no frame of interest */

            if (!walk->exact
                && ngx_prof_unwind_sigreturn(pc)
                && ngx_prof_unwind_signal(walk, walk->reg[NGX_PROF_ARCH_SP])
                   == NGX_OK)
            {
                continue;
            }

            /* a caller of no object has to be code that makes calls */

            if (!walk->exact && !ngx_prof_unwind_called(walk, pc, NULL)) {
                walk->result->cause = NGX_PROF_UNWIND_BAD_RA;
                break;
            }

            pc = NGX_PROF_FRAME_JIT;
            walk->result->jit++;
        }

        if (skip) {
            skip--;

        } else if (n == max) {
            pcs[n - 1] = NGX_PROF_FRAME_TRUNCATED;
            walk->result->cause = NGX_PROF_UNWIND_TRUNCATED;
            return n;

        } else {
            pcs[n++] = pc;
        }

        rc = ngx_prof_unwind_next(walk);

        if (rc == NGX_DONE) {
            walk->result->cause = NGX_PROF_UNWIND_COMPLETE;
            return n;
        }

        if (rc != NGX_OK) {
            break;
        }
    }

    n = ngx_min(n, max - 1);
    pcs[n++] = NGX_PROF_FRAME_BROKEN;

    return n;
}


/* not inlined: its frame has to lie below the one that is walked from */

__attribute__((noinline))
static ngx_uint_t
ngx_prof_unwind_start(ngx_prof_walk_t *walk, const ngx_prof_stack_t *stack,
    uint64_t *pcs, ngx_uint_t max, ngx_uint_t skip)
{
    uint64_t    sp;
    uintptr_t   here;
    ngx_uint_t  n;

    walk->object = NULL;
    walk->rule = NULL;
    walk->guess = 0;
    walk->top = stack->top & ~(uintptr_t) 7;
    walk->result->jit = 0;
    walk->result->recovered = 0;

    sp = walk->reg[NGX_PROF_ARCH_SP];
    here = (uintptr_t) __builtin_frame_address(0);

    /* this very frame lies below: all from here up to the top is mapped */

    if (sp < stack->lo || here < stack->lo || here >= sp
        || walk->top < 16 || sp > walk->top - 8)
    {
        pcs[0] = walk->pc;
        pcs[1] = NGX_PROF_FRAME_BROKEN;
        walk->result->cause = NGX_PROF_UNWIND_FOREIGN;

        return 2;
    }

    walk->lo = ngx_max(here, sp - NGX_PROF_ARCH_RED);

    walk->objects = ngx_prof_objects_acquire();

    if (walk->objects == NULL) {
        pcs[0] = walk->pc;
        pcs[1] = NGX_PROF_FRAME_BROKEN;
        walk->result->cause = NGX_PROF_UNWIND_NO_TABLE;
        n = 2;

    } else {
        n = ngx_prof_unwind_run(walk, pcs, max, skip);
    }

    ngx_prof_objects_release();

    return n;
}


ngx_uint_t
ngx_prof_unwind(const ngx_prof_stack_t *stack, const ucontext_t *uc,
    uint64_t *pcs, ngx_uint_t max, ngx_prof_unwind_t *result)
{
    return ngx_prof_unwind_cached(stack, uc, NULL, pcs, max, result);
}


void
ngx_prof_unwind_prefetch(const ngx_prof_unwind_cache_t *cache)
{
    uint32_t  i;

    for (i = 0; i < cache->n; i++) {
        __builtin_prefetch(&cache->entry[cache->used[i]]);
        __builtin_prefetch((void *) (cache->sp[i] - sizeof(uint64_t)));
    }
}


ngx_uint_t
ngx_prof_unwind_cached(const ngx_prof_stack_t *stack, const ucontext_t *uc,
    ngx_prof_unwind_cache_t *cache, uint64_t *pcs, ngx_uint_t max,
    ngx_prof_unwind_t *result)
{
    ngx_uint_t       i;
    ngx_prof_walk_t  walk;

    for (i = 0; i < NGX_PROF_ARCH_REGS; i++) {
        walk.reg[i] = *(const uint64_t *) ((const u_char *) uc
                                           + ngx_prof_arch_place(i));
    }

    walk.pc = ngx_prof_arch_pc(uc);
    walk.valid = NGX_PROF_ARCH_KNOWN;
    walk.exact = 1;
    walk.cache = cache;
    walk.result = result;

    if (cache) {
        cache->n = 0;
    }

    return ngx_prof_unwind_start(&walk, stack, pcs, max, 0);
}


__attribute__((noinline))
ngx_uint_t
ngx_prof_unwind_here(const ngx_prof_stack_t *stack, uint64_t *pcs,
    ngx_uint_t max, ngx_uint_t skip, ngx_prof_unwind_t *result)
{
    ngx_prof_walk_t  walk;

    ngx_prof_arch_here(walk.pc, walk.reg);

    walk.valid = NGX_PROF_ARCH_KEPT;
    walk.exact = 1;
    walk.cache = NULL;
    walk.result = result;

    return ngx_prof_unwind_start(&walk, stack, pcs, max, skip + 1);
}


ngx_int_t
ngx_prof_unwind_stack(ngx_prof_stack_t *stack)
{
    void            *addr;
    size_t           size;
    ngx_int_t        rc;
    pthread_attr_t   attr;

    if (pthread_getattr_np(pthread_self(), &attr) != 0) {
        return NGX_ERROR;
    }

    rc = (pthread_attr_getstack(&attr, &addr, &size) == 0) ? NGX_OK
                                                           : NGX_ERROR;

    (void) pthread_attr_destroy(&attr);

    if (rc == NGX_OK) {
        stack->lo = (uintptr_t) addr;
        stack->top = (uintptr_t) addr + size;
    }

    return rc;
}
