
/* The walk up a stack, frame by frame: see the header. */


#include <ngx_config.h>
#include <ngx_core.h>

#include <pthread.h>
#include <stddef.h>

#include "ngx_prof_unwind.h"
#include "ngx_prof_lua_vm.h"
#include "ngx_prof_walk.h"


/*
 * A step by a rule that may be wrong: if it leads nowhere, the frame is treated
 * as one without CFI.  Hand-written assembly has wrong CFI at single
 * instructions (x25519 of libcrypto 3.0 at its ret), which matters only where
 * the code was interrupted; and registers may be guesses.
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

        /* looking at the text costs a system call */

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


/* code outside all objects is of the library that called it */

ngx_prof_unwind_seldom
static void
ngx_prof_unwind_made(ngx_prof_walk_t *walk, uint64_t *pcs, ngx_uint_t n)
{
    const ngx_prof_object_t  *object;

    object = ngx_prof_unwind_maker(walk, walk->pc, walk->object);

    while (object && n && pcs[n - 1] == NGX_PROF_FRAME_JIT) {
        pcs[--n] = (object->jit == NGX_PROF_OBJECT_LUAJIT)
                   ? NGX_PROF_FRAME_LUAJIT : NGX_PROF_FRAME_PCRE2_JIT;
    }
}


static ngx_uint_t
ngx_prof_unwind_run(ngx_prof_walk_t *walk, uint64_t *pcs, ngx_uint_t max,
    ngx_uint_t skip, ngx_prof_lua_walk_t *lua)
{
    uint64_t    pc;
    ngx_int_t   rc;
    ngx_uint_t  n, scripts;

    n = 0;

    for ( ;; ) {
        pc = walk->pc;
        ngx_prof_unwind_find(walk, pc - !walk->exact);

        lua->cframe = 0;
        scripts = (skip == 0 && ngx_prof_lua_may(walk))
                  ? ngx_prof_lua_frames(walk, lua, &pcs[n], max - n) : 0;

        if (scripts) {

            /* they stand for the machine's own frame */

            n += scripts;
            lua->outer = n;

            if (n == max) {
                pcs[n - 1] = NGX_PROF_FRAME_TRUNCATED;
                walk->result->cause = NGX_PROF_UNWIND_TRUNCATED;
                return n;
            }

            goto next;
        }

        if (walk->object == NULL) {

            /* a trampoline outside all objects tells nobody anything */

            if (!walk->exact
                && ngx_prof_unwind_sigreturn(pc)
                && ngx_prof_unwind_signal(walk, walk->reg[NGX_PROF_ARCH_SP])
                   == NGX_OK)
            {
                continue;
            }

            /* a caller outside all objects has to be code that makes calls */

            if (!walk->exact && !ngx_prof_unwind_called(walk, pc, NULL)) {
                walk->result->cause = NGX_PROF_UNWIND_BAD_RA;
                break;
            }

            pc = NGX_PROF_FRAME_JIT;
            walk->result->jit++;

        } else {
            walk->result->later += walk->object->later;

            if (n && pcs[n - 1] == NGX_PROF_FRAME_JIT) {
                ngx_prof_unwind_made(walk, pcs, n);
            }
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

    next:

        rc = lua->cframe ? ngx_prof_lua_step(walk, lua)
                         : ngx_prof_unwind_next(walk);

        if (rc == NGX_OK
            && walk->cache && !walk->exact
            && skip == 0
            && (walk->guess & NGX_PROF_ARCH_KEPT) == 0
            && pc != NGX_PROF_FRAME_JIT)
        {
            n += ngx_prof_unwind_quick(walk, &pcs[n], max - n, &rc);
        }

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


static ngx_uint_t ngx_prof_unwind_listed(ngx_prof_walk_t *walk,
    uint64_t *pcs, ngx_uint_t max, ngx_uint_t skip);
static void ngx_prof_unwind_registers(ngx_prof_walk_t *walk,
    const ucontext_t *uc, ngx_prof_unwind_cache_t *cache,
    ngx_prof_unwind_t *result);
static void ngx_prof_unwind_follow(ngx_prof_walk_t *walk,
    const ngx_prof_stack_t *stack, const ucontext_t *uc,
    ngx_prof_unwind_path_t *path);
static ngx_int_t ngx_prof_unwind_begin(ngx_prof_walk_t *walk,
    const ngx_prof_stack_t *stack);
static uint32_t ngx_prof_unwind_own(const ngx_prof_walk_t *walk,
    ngx_prof_unwind_frame_t *frame);
static void ngx_prof_unwind_written(const ngx_prof_walk_t *walk, uint32_t own,
    ngx_prof_unwind_frame_t *frame);
static uint64_t ngx_prof_unwind_below(int32_t how);
static void ngx_prof_unwind_remember(ngx_prof_walk_t *walk,
    ngx_prof_unwind_cache_t *cache);


static ngx_uint_t
ngx_prof_unwind_start(ngx_prof_walk_t *walk, const ngx_prof_stack_t *stack,
    uint64_t *pcs, ngx_uint_t max, ngx_uint_t skip)
{
    if (ngx_prof_unwind_begin(walk, stack) != NGX_OK) {
        pcs[0] = walk->pc;
        pcs[1] = NGX_PROF_FRAME_BROKEN;
        walk->result->cause = NGX_PROF_UNWIND_FOREIGN;

        return 2;
    }

    return ngx_prof_unwind_listed(walk, pcs, max, skip);
}


/*
 * Not inlined: its frame has to lie below the first one of the walk.
 * NGX_ERROR: the stack pointer is outside the stack.
 */

__attribute__((noinline))
static ngx_int_t
ngx_prof_unwind_begin(ngx_prof_walk_t *walk, const ngx_prof_stack_t *stack)
{
    uint64_t    sp;
    uintptr_t   here;

    walk->object = NULL;
    walk->rule = NULL;
    walk->guess = 0;
    walk->top = stack->top & ~(uintptr_t) 7;
    ngx_memzero(walk->result, sizeof(ngx_prof_unwind_t));

    sp = walk->reg[NGX_PROF_ARCH_SP];
    here = (uintptr_t) __builtin_frame_address(0);

    /* this frame lies below: the stack is mapped from here to its top */

    if (sp < stack->lo || here < stack->lo || here >= sp
        || walk->top < 16 || sp > walk->top - 8)
    {
        return NGX_ERROR;
    }

    walk->lo = ngx_max(here, sp - NGX_PROF_ARCH_RED);
    walk->shift = 0;

    return NGX_OK;
}


/* walks with one list of objects, which does not change meanwhile */

static ngx_uint_t
ngx_prof_unwind_listed(ngx_prof_walk_t *walk, uint64_t *pcs, ngx_uint_t max,
    ngx_uint_t skip)
{
    uint64_t                  phase;
    ngx_uint_t                n;
    ngx_prof_lua_walk_t       lua;
    ngx_prof_unwind_cache_t  *cache;

    lua.l = 0;
    lua.outer = 0;
    cache = walk->cache;

    if (cache) {
        cache->busy = 1;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);

        cache->copied = 0;
        walk->result->walk = ++cache->walks;
    }

    walk->objects = ngx_prof_objects_acquire();

    if (walk->objects == NULL) {
        pcs[0] = walk->pc;
        pcs[1] = NGX_PROF_FRAME_BROKEN;
        walk->result->cause = NGX_PROF_UNWIND_NO_TABLE;
        n = 2;

    } else {
        n = ngx_prof_unwind_run(walk, pcs, max, skip, &lua);
    }

    ngx_prof_objects_release();

    if (lua.outer && n < max) {
        phase = ngx_prof_lua_phase(&lua, &pcs[lua.outer], n - lua.outer);

        if (phase) {
            ngx_memmove(&pcs[lua.outer + 1], &pcs[lua.outer],
                        (n++ - lua.outer) * sizeof(uint64_t));
            pcs[lua.outer] = phase;
        }
    }

    if (cache) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        cache->busy = 0;
    }

    return n;
}


ngx_uint_t
ngx_prof_unwind(const ngx_prof_stack_t *stack, const ucontext_t *uc,
    uint64_t *pcs, ngx_uint_t max, ngx_prof_unwind_t *result,
    ngx_prof_unwind_path_t *path)
{
    ngx_prof_walk_t  walk;

    ngx_prof_unwind_registers(&walk, uc, NULL, result);
    ngx_prof_unwind_follow(&walk, stack, uc, path);

    return ngx_prof_unwind_start(&walk, stack, pcs, max, 0);
}


void
ngx_prof_unwind_prefetch(const ngx_prof_unwind_cache_t *cache)
{
    uint32_t  i;

    for (i = 0; i + cache->copied < cache->path.n; i++) {
        __builtin_prefetch(&cache->entry[cache->used[i]]);
        __builtin_prefetch((void *) (cache->path.sp[i] - sizeof(uint64_t)));
    }

    for (i = 0; i < cache->taken_n; i += 2) {
        __builtin_prefetch(&cache->taken[i]);
    }
}


ngx_uint_t
ngx_prof_unwind_cached(const ngx_prof_stack_t *stack, const ucontext_t *uc,
    ngx_prof_unwind_cache_t *cache, uint64_t *pcs, ngx_uint_t max,
    ngx_prof_unwind_t *result)
{
    ngx_prof_walk_t  walk;

    ngx_prof_unwind_registers(&walk, uc, cache, result);
    ngx_prof_unwind_follow(&walk, stack, uc,
                           walk.cache ? &cache->path : NULL);

    return ngx_prof_unwind_start(&walk, stack, pcs, max, 0);
}


static void
ngx_prof_unwind_registers(ngx_prof_walk_t *walk, const ucontext_t *uc,
    ngx_prof_unwind_cache_t *cache, ngx_prof_unwind_t *result)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_ARCH_REGS; i++) {
        walk->reg[i] = ngx_prof_arch_reg(uc, i);
    }

    walk->pc = ngx_prof_arch_pc(uc);
    walk->valid = NGX_PROF_ARCH_KNOWN;
    walk->exact = 1;
    walk->result = result;

    ngx_prof_unwind_remember(walk, cache);
}


/* the walk uses the cache, unless it has interrupted one that does */

static void
ngx_prof_unwind_remember(ngx_prof_walk_t *walk, ngx_prof_unwind_cache_t *cache)
{
    walk->cache = (cache && !cache->busy) ? cache : NULL;
}


static void
ngx_prof_unwind_follow(ngx_prof_walk_t *walk, const ngx_prof_stack_t *stack,
    const ucontext_t *uc, ngx_prof_unwind_path_t *path)
{
    walk->path = path;

    if (path) {
        path->stack = stack;
        path->uc = uc;
        path->n = 0;
    }
}


__attribute__((noinline))
void
ngx_prof_unwind_frames(const ngx_prof_unwind_path_t *path,
    ngx_prof_unwind_frame_pt fn, void *data)
{
    uint32_t                 own;
    ngx_uint_t               i;
    ngx_prof_walk_t          walk;
    ngx_prof_unwind_t        result;
    ngx_prof_unwind_frame_t  frame;

    if (path->uc) {
        ngx_prof_unwind_registers(&walk, path->uc, NULL, &result);

    } else {
        ngx_prof_arch_here(walk.pc, walk.reg);

        walk.valid = NGX_PROF_ARCH_KEPT;
        walk.exact = 1;
        walk.cache = NULL;
        walk.result = &result;
    }

    walk.path = NULL;

    if (ngx_prof_unwind_begin(&walk, path->stack) != NGX_OK) {
        return;
    }

    walk.objects = ngx_prof_objects_acquire();

    for (i = 0; walk.objects && i < NGX_PROF_FRAMES; i++) {
        ngx_prof_unwind_find(&walk, walk.pc - !walk.exact);
        own = ngx_prof_unwind_own(&walk, &frame);

        if (ngx_prof_unwind_next(&walk) != NGX_OK) {
            break;
        }

        ngx_prof_unwind_written(&walk, own, &frame);
        frame.hi = walk.reg[NGX_PROF_ARCH_SP];

        if (fn(data, &frame)) {
            break;
        }
    }

    ngx_prof_objects_release();
}


/*
 * Registers that a call keeps may be a function's own once it has saved them:
 * what it has not saved is still its caller's.  What calls do not keep are
 * arguments in the program; a library may have what is left of earlier
 * functions there, as none of them is given a request.  Returns which registers
 * they are.
 */

static uint32_t
ngx_prof_unwind_own(const ngx_prof_walk_t *walk, ngx_prof_unwind_frame_t *frame)
{
    uint32_t        own, changed, rest;
    ngx_uint_t      i;
    const uint8_t  *slots;

    frame->lo = walk->reg[NGX_PROF_ARCH_SP];
    frame->saved = 0;
    frame->main = walk->object && walk->object->main;
    frame->n = 0;
    frame->all = 0;

    if (walk->rule == NULL) {
        return 0;
    }

    slots = ngx_prof_cfi_slots(NGX_PROF_CFI_NATIVE);
    own = (walk->exact && frame->main) ? ~(uint32_t) NGX_PROF_ARCH_KEPT : 0;

    for (changed = walk->rule->changed; changed; changed &= changed - 1) {
        i = (ngx_uint_t) __builtin_ctz(changed);
        own |= (uint32_t) 1 << slots[i];
        frame->saved |= ngx_prof_unwind_below(walk->rule->saved[i]);
    }

    frame->saved |= ngx_prof_unwind_below(walk->rule->ra);

    own &= walk->valid;

    for (rest = own; rest; rest &= rest - 1) {
        frame->own[frame->all++] = walk->reg[__builtin_ctz(rest)];
    }

    return own;
}


/*
 * A function saves all registers where it begins, and writes to some of them
 * later: until then they have what its caller has there.  So has one that it
 * has written the same to.
 */

static void
ngx_prof_unwind_written(const ngx_prof_walk_t *walk, uint32_t own,
    ngx_prof_unwind_frame_t *frame)
{
    uint32_t    bit;
    uint64_t    value;
    ngx_uint_t  i;

    for (i = 0; own; own &= own - 1, i++) {
        bit = own & -own;
        value = frame->own[i];

        if (!(bit & NGX_PROF_ARCH_KEPT)
            || walk->reg[__builtin_ctz(own)] != value)
        {
            frame->own[i] = frame->own[frame->n];
            frame->own[frame->n++] = value;
        }
    }
}


/* the bit of a word at an offset from the CFA, 0: it is not near below it */

static uint64_t
ngx_prof_unwind_below(int32_t how)
{
    int64_t  word;

    word = -(ngx_prof_cfi_arg(how) / (int64_t) sizeof(uint64_t)) - 1;

    return (ngx_prof_cfi_kind(how) == NGX_PROF_CFI_AT
            && word >= 0 && word < 64)
           ? (uint64_t) 1 << word : 0;
}


ngx_uint_t
ngx_prof_unwind_fault(const ngx_prof_stack_t *stack, const ucontext_t *uc,
    ngx_prof_unwind_cache_t *cache, ngx_uint_t jumped, uint64_t *pcs,
    ngx_uint_t max, ngx_prof_unwind_t *result)
{
    uint64_t         pc, sp;
    ngx_prof_walk_t  walk;

    ngx_prof_unwind_registers(&walk, uc, cache, result);
    ngx_prof_unwind_follow(&walk, stack, uc,
                           walk.cache ? &cache->path : NULL);

    walk.object = NULL;
    walk.rule = NULL;
    walk.guess = 0;
    walk.shift = 0;
    walk.top = stack->top & ~(uintptr_t) 7;
    walk.lo = (stack->lo + 7) & ~(uintptr_t) 7;

    ngx_memzero(result, sizeof(ngx_prof_unwind_t));

    sp = walk.reg[NGX_PROF_ARCH_SP];
    walk.objects = ngx_prof_objects_acquire();

    if (jumped && NGX_PROF_ARCH_LINKS) {
        walk.pc = ngx_prof_unwind_strip(walk.reg[NGX_PROF_ARCH_LR]);
        walk.exact = 0;

    } else if (jumped
               && walk.objects
               && ngx_prof_unwind_load(&walk, sp, &pc) == NGX_OK
               && pc > NGX_PROF_UNWIND_LOWEST
               && ngx_prof_unwind_called(&walk, pc, NULL))
    {
        walk.pc = pc;
        walk.reg[NGX_PROF_ARCH_SP] = sp + sizeof(uint64_t);
        walk.exact = 0;
    }

    ngx_prof_objects_release();

    return ngx_prof_unwind_listed(&walk, pcs, max, 0);
}


__attribute__((noinline))
ngx_uint_t
ngx_prof_unwind_here(const ngx_prof_stack_t *stack, uint64_t *pcs,
    ngx_uint_t max, ngx_uint_t skip, ngx_prof_unwind_t *result,
    ngx_prof_unwind_path_t *path)
{
    ngx_prof_walk_t  walk;

    ngx_prof_arch_here(walk.pc, walk.reg);

    walk.valid = NGX_PROF_ARCH_KEPT;
    walk.exact = 1;
    walk.result = result;

    ngx_prof_unwind_follow(&walk, stack, NULL, path);

    ngx_prof_unwind_remember(&walk, path ? path->cache : NULL);

    return ngx_prof_unwind_start(&walk, stack, pcs, max, skip + 1);
}


ngx_uint_t
ngx_prof_unwind_copy(const ngx_prof_registers_t *registers, const void *copy,
    uintptr_t top, uint64_t *pcs, ngx_uint_t max, ngx_prof_unwind_t *result)
{
    ngx_prof_walk_t  walk;

    walk.object = NULL;
    walk.rule = NULL;
    walk.guess = 0;
    walk.cache = NULL;
    walk.path = NULL;
    walk.exact = 1;

    walk.lo = registers->reg[NGX_PROF_ARCH_SP] & ~(uint64_t) 7;
    walk.top = top & ~(uintptr_t) 7;
    walk.shift = (uintptr_t) copy - walk.lo;

    walk.pc = registers->pc;
    ngx_memcpy(walk.reg, registers->reg, sizeof(registers->reg));

    walk.valid = registers->kept ? NGX_PROF_ARCH_KEPT
                                 : (uint32_t) 1 << NGX_PROF_ARCH_SP;

    walk.result = result;
    ngx_memzero(result, sizeof(ngx_prof_unwind_t));

    return ngx_prof_unwind_listed(&walk, pcs, max, 0);
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
