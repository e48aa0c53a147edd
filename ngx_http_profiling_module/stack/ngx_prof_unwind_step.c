
/*
 * A step to the caller: by the CFI of a frame, or out of a signal handler.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stddef.h>

#include "ngx_prof_walk.h"


/* bytes from a register's place to the CFA; 0: it is at no whole word there */

static uint16_t
ngx_prof_unwind_depth(int32_t how)
{
    int64_t  below;

    below = -(int64_t) ngx_prof_cfi_arg(how);

    return (ngx_prof_cfi_kind(how) == NGX_PROF_CFI_AT
            && below > 0
            && below <= UINT16_MAX
            && below % (int64_t) sizeof(uint64_t) == 0) ? (uint16_t) below : 0;
}


/* which of the steps of the header the rule of an entry asks for */

static void
ngx_prof_unwind_quicken(ngx_prof_unwind_entry_t *entry)
{
    uint16_t                    ra, fp;
    const ngx_prof_cfi_rule_t  *rule;

    rule = &entry->rule;

    entry->quick = NGX_PROF_UNWIND_RULE;
    entry->later = entry->object->later;

    /* a frame of LuaJIT's machine may stand for functions of Lua */

    if (rule->cfa_kind == NGX_PROF_CFI_NONE
        || entry->object->sigreturn
        || entry->object->jit == NGX_PROF_OBJECT_LUAJIT)
    {
        return;
    }

    if (rule->ra == ngx_prof_cfi_how(NGX_PROF_CFI_UNDEF, 0)) {
        entry->quick = NGX_PROF_UNWIND_START;
        return;
    }

    ra = ngx_prof_unwind_depth(rule->ra);
    fp = (rule->changed & NGX_PROF_CFI_FP)
         ? ngx_prof_unwind_depth(rule->saved[0]) : ra;

    if (rule->cfa_kind != NGX_PROF_CFI_CFA_REG
        || (rule->flags & NGX_PROF_CFI_SIGNAL)
        || ra == 0
        || fp == 0)
    {
        return;
    }

    entry->depth = ngx_max(ra, fp);

    if (rule->cfa_reg == NGX_PROF_ARCH_SP) {
        entry->quick = NGX_PROF_UNWIND_BY_SP;

    } else if (rule->cfa_reg == NGX_PROF_ARCH_FP) {
        entry->quick = NGX_PROF_UNWIND_BY_FP;
    }
}


/* the entry that has an address, at one of two places; NULL: there is none */

static ngx_inline ngx_prof_unwind_entry_t *
ngx_prof_unwind_entry(ngx_prof_unwind_cache_t *cache, uint64_t addr,
    uint32_t generation, uint32_t *slot)
{
    ngx_uint_t                i;
    ngx_prof_unwind_entry_t  *entry;

    for (i = 0; i < 2; i++) {
        entry = &cache->entry[*slot];

        if (addr - entry->addr < entry->len && entry->generation == generation)
        {
            return entry;
        }

        *slot ^= 1;
    }

    return NULL;
}


/*
 * Which of the two places a new entry takes: one of an old list of objects, or
 * in turn one that none of the n frames so far has.  NULL: both are in use.
 */

static ngx_prof_unwind_entry_t *
ngx_prof_unwind_victim(ngx_prof_unwind_cache_t *cache, uint32_t generation,
    ngx_uint_t n, uint32_t *slot)
{
    ngx_uint_t  i, k;

    for (i = 0; i < 2; i++) {
        if (cache->entry[*slot].generation != generation) {
            return &cache->entry[*slot];
        }

        *slot ^= 1;
    }

    *slot ^= cache->turn++ & 1;

    for (i = 0; i < 2; i++) {
        for (k = 0; k < n && cache->used[k] != *slot; k++) { /* void */ }

        if (k == n) {
            return &cache->entry[*slot];
        }

        *slot ^= 1;
    }

    return NULL;
}


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
        ngx_prof_unwind_quicken(entry);

        walk->rule = &entry->rule;
    }
}


void
ngx_prof_unwind_find(ngx_prof_walk_t *walk, uint64_t addr)
{
    uint32_t                  slot, generation;
    ngx_uint_t                found;
    ngx_prof_unwind_path_t   *path;
    ngx_prof_unwind_entry_t  *entry;
    ngx_prof_unwind_cache_t  *cache;

    path = walk->path;
    cache = walk->cache;
    entry = NULL;

    if (cache) {
        /* callers come again, interrupted code may be anywhere */

        slot = ngx_prof_unwind_slot(walk->exact ? addr >> 6 : addr,
                                    NGX_PROF_UNWIND_CACHE);
        generation = walk->objects->generation;
        entry = ngx_prof_unwind_entry(cache, addr, generation, &slot);
        found = (entry != NULL);

        if (!found) {
            entry = ngx_prof_unwind_victim(cache, generation, 0, &slot);
        }

        if (path->n < NGX_PROF_FRAMES) {
            cache->used[path->n] = (uint16_t) slot;
            path->sp[path->n++] = walk->reg[NGX_PROF_ARCH_SP];
        }

        if (found) {
            walk->object = entry->object;
            walk->rule = &entry->rule;
            return;
        }

    } else if (path && path->n < NGX_PROF_FRAMES) {
        path->sp[path->n++] = walk->reg[NGX_PROF_ARCH_SP];
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
ngx_int_t
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

ngx_int_t
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
 * The registers after quick steps, whose CFAs are the stack pointers that the
 * cache has noted, and sp: the frame after the last one may need any of them.
 */

ngx_prof_unwind_seldom
static void
ngx_prof_unwind_caught(ngx_prof_walk_t *walk, ngx_uint_t first, uint64_t sp)
{
    uint64_t                        cfa;
    ngx_uint_t                      i;
    const ngx_prof_unwind_path_t   *path;
    const ngx_prof_unwind_cache_t  *cache;

    path = walk->path;
    cache = walk->cache;

    for (i = first; i < path->n; i++) {
        cfa = (i + 1 < path->n) ? path->sp[i + 1] : sp;

        ngx_prof_unwind_registers(walk, &cache->entry[cache->used[i]].rule,
                                  cfa);
        walk->lo = cfa;
    }
}


/* fills an entry for an address behind n frames; NULL: it has no rule */

ngx_prof_unwind_seldom
static ngx_prof_unwind_entry_t *
ngx_prof_unwind_miss(ngx_prof_walk_t *walk, uint64_t addr, ngx_uint_t n,
    uint32_t *slot)
{
    ngx_prof_unwind_entry_t  *entry;

    entry = ngx_prof_unwind_victim(walk->cache, walk->objects->generation, n,
                                   slot);

    if (entry) {
        ngx_prof_unwind_search(walk, addr, entry);
    }

    return (entry && walk->rule) ? entry : NULL;
}


/* the word at an offset from the CFA: the caller has checked where it lies */

ngx_prof_unwind_unchecked
static ngx_inline uint64_t
ngx_prof_unwind_word(uint64_t cfa, int32_t how)
{
    return *(const volatile uint64_t *) (uintptr_t)
               (cfa + (uint64_t) (int64_t) ngx_prof_cfi_arg(how));
}


/* how many of the steps of an earlier walk lead where they did */

ngx_prof_unwind_unchecked
static ngx_uint_t
ngx_prof_unwind_unchanged(const ngx_prof_walk_t *walk, uint64_t sp)
{
    uint64_t                        pc;
    const volatile uint64_t        *word;
    const ngx_prof_unwind_cache_t  *cache;
    const ngx_prof_unwind_taken_t  *taken, *last;

    cache = walk->cache;

    if (cache->generation != walk->objects->generation
        || cache->top != walk->top
        || cache->taken_n == 0
        || cache->taken[0].sp < sp)
    {
        return 0;
    }

    /* the thread's start loads nothing */

    last = &cache->taken[cache->taken_n];
    pc = cache->taken[0].pc;

    for (taken = &cache->taken[1]; taken < last && taken->sp >= sp; taken++) {
        word = (const volatile uint64_t *) (uintptr_t) taken->sp;

        if (ngx_prof_unwind_strip(word[taken->ra]) != pc
            || (taken->fp_saved != NGX_PROF_UNWIND_UNSAVED
                && word[taken->fp_saved] != taken[-1].fp))
        {
            break;
        }

        pc = taken->pc;
    }

    return taken - cache->taken;
}


/* words from a frame's stack pointer to what is saved at an offset */

static ngx_inline uint16_t
ngx_prof_unwind_above(uint64_t sp, uint64_t cfa, int32_t how)
{
    uint64_t  n;

    n = (cfa + (uint64_t) (int64_t) ngx_prof_cfi_arg(how) - sp)
        / sizeof(uint64_t);

    return (uint16_t) ngx_min(n, NGX_PROF_UNWIND_UNSAVED);
}


/*
 * The thread's start was reached by n fresh steps and then by `same` of those
 * that were taken before: writes the frames of these to pcs.
 */

static void
ngx_prof_unwind_reached(ngx_prof_walk_t *walk, uint64_t *pcs, ngx_uint_t n,
    ngx_uint_t same)
{
    uint64_t                 *sp;
    ngx_uint_t                i;
    ngx_prof_unwind_path_t   *path;
    ngx_prof_unwind_cache_t  *cache;
    ngx_prof_unwind_taken_t  *taken;

    path = walk->path;
    cache = walk->cache;

    if (same) {
        walk->result->later += cache->taken[same - 1].later;
    }

    sp = &path->sp[path->n];

    for (taken = &cache->taken[same]; taken > cache->taken; /* void */ ) {
        taken--;
        *pcs++ = taken->pc;
        *sp++ = taken->sp;
    }

    path->n += (uint32_t) same;
    cache->copied = (uint32_t) same;

    if (cache->walk + 1 == cache->walks) {
        walk->result->same = same;
    }

    for (i = same; n > 0; i++) {
        taken = &cache->taken[i];
        *taken = cache->fresh[--n];

        if (i == 0) {
            continue;
        }

        if (taken->ra == NGX_PROF_UNWIND_UNSAVED) {
            break;
        }

        taken->later += taken[-1].later;

        if (taken->fp_saved == NGX_PROF_UNWIND_UNSAVED) {
            taken->fp_needed |= taken[-1].fp_needed;

        } else if (!taken[-1].fp_needed) {
            taken->fp_saved = NGX_PROF_UNWIND_UNSAVED;
        }
    }

    cache->taken_n = i;
    cache->generation = walk->objects->generation;
    cache->top = walk->top;
    cache->walk = cache->walks;
}


/* whether a walk is where an earlier one has been */

static ngx_inline ngx_uint_t
ngx_prof_unwind_meets(const ngx_prof_unwind_taken_t *taken, uint64_t sp,
    uint64_t pc, uint64_t fp, uint64_t known)
{
    return taken->sp == sp
           && taken->pc == pc
           && (!taken->fp_needed || (known && taken->fp == fp));
}


/* the entry of the k-th frame; NULL: there is no quick step */

static ngx_inline const ngx_prof_unwind_entry_t *
ngx_prof_unwind_ready(ngx_prof_walk_t *walk, uint64_t pc, uint64_t sp,
    ngx_uint_t k)
{
    uint32_t                        slot;
    ngx_prof_unwind_cache_t        *cache;
    const ngx_prof_unwind_entry_t  *entry;

    cache = walk->cache;
    slot = ngx_prof_unwind_slot(pc - 1, NGX_PROF_UNWIND_CACHE);
    entry = ngx_prof_unwind_entry(cache, pc - 1, walk->objects->generation,
                                  &slot);
    if (entry == NULL) {
        entry = ngx_prof_unwind_miss(walk, pc - 1, k, &slot);
    }

    if (entry == NULL || entry->quick == NGX_PROF_UNWIND_RULE) {
        return NULL;
    }

    cache->used[k] = (uint16_t) slot;
    walk->path->sp[k] = sp;

    return entry;
}


/* notes what a step loads; of the thread's start there is nothing */

static ngx_inline void
ngx_prof_unwind_note(ngx_prof_unwind_taken_t *fresh,
    const ngx_prof_unwind_entry_t *entry, uint64_t cfa)
{
    fresh->later = entry->later;
    fresh->fp_needed = (entry->quick == NGX_PROF_UNWIND_BY_FP);
    fresh->fp_saved = NGX_PROF_UNWIND_UNSAVED;
    fresh->ra = ngx_prof_unwind_above(fresh->sp, cfa, entry->rule.ra);

    if (entry->rule.changed & NGX_PROF_CFI_FP) {
        fresh->fp_saved = ngx_prof_unwind_above(fresh->sp, cfa,
                                                entry->rule.saved[0]);

        if (fresh->fp_saved == NGX_PROF_UNWIND_UNSAVED) {
            fresh->ra = NGX_PROF_UNWIND_UNSAVED;
        }
    }
}


/* a walk with a cache is of a stack in its place: walk->shift is 0 */

ngx_prof_unwind_unchecked
ngx_uint_t
ngx_prof_unwind_quick(ngx_prof_walk_t *walk, uint64_t *pcs, ngx_uint_t max,
    ngx_int_t *rc)
{
    uint64_t                        pc, sp, fp, cfa, known;
    ngx_uint_t                      n, first, same;
    ngx_prof_unwind_path_t         *path;
    ngx_prof_unwind_taken_t        *taken, *fresh;
    const ngx_prof_unwind_entry_t  *entry;

    path = walk->path;
    first = path->n;
    max = ngx_min(max, NGX_PROF_FRAMES - first);
    fresh = walk->cache->fresh;
    taken = walk->cache->taken;

    pc = walk->pc;
    sp = walk->reg[NGX_PROF_ARCH_SP];
    fp = walk->reg[NGX_PROF_ARCH_FP];
    known = ngx_prof_unwind_knows(walk, NGX_PROF_ARCH_FP);

    if (sp < walk->lo || (sp & (sizeof(uint64_t) - 1))) {
        return 0;
    }

    same = ngx_prof_unwind_unchanged(walk, sp);

    for (n = 0; n < max; n++, fresh++) {

        while (same && taken[same - 1].sp < sp) {
            same--;
        }

        if (same
            && same <= max - n
            && ngx_prof_unwind_meets(&taken[same - 1], sp, pc, fp, known))
        {
            *rc = NGX_DONE;
            break;
        }

        entry = ngx_prof_unwind_ready(walk, pc, sp, first + n);

        if (entry == NULL) {
            break;
        }

        pcs[n] = pc;
        fresh->pc = pc;
        fresh->sp = sp;
        fresh->fp = fp;

        if (entry->quick == NGX_PROF_UNWIND_START) {
            ngx_prof_unwind_note(fresh, entry, sp);
            walk->result->later += entry->later;
            *rc = NGX_DONE;
            same = 0;
            n++;
            break;
        }

        cfa = (uint64_t) (int64_t) entry->rule.cfa
              + (entry->quick == NGX_PROF_UNWIND_BY_SP ? sp : fp);

        if (cfa > walk->top
            || cfa < sp + entry->depth
            || (cfa & (sizeof(uint64_t) - 1))
            || (entry->quick == NGX_PROF_UNWIND_BY_FP && !known))
        {
            break;
        }

        ngx_prof_unwind_note(fresh, entry, cfa);

        if (entry->rule.changed & NGX_PROF_CFI_FP) {
            fp = ngx_prof_unwind_word(cfa, entry->rule.saved[0]);
            known = 1;
        }

        pc = ngx_prof_unwind_strip(ngx_prof_unwind_word(cfa, entry->rule.ra));
        sp = cfa;

        walk->result->later += entry->later;
    }

    path->n = (uint32_t) (first + n);

    if (*rc == NGX_DONE) {
        ngx_prof_unwind_reached(walk, &pcs[n], n, same);
        return n + same;
    }

    walk->pc = pc;
    ngx_prof_unwind_caught(walk, first, sp);

    return n;
}
