
/*
 * The caller of code that has no CFI: JIT code, hand-written assembly.
 *
 * Tried in this order: a return address whose direct call leads to the start
 * of this code, which proves it; for code outside all objects, the first one of
 * a library that makes code; the word at the stack pointer or the link
 * register (a leaf, a PLT stub); the frame pointer; the first word up the stack
 * that is a return address.  What is found has to follow a call instruction in
 * the text of a loaded object, and its own CFI has to lead to another such
 * address.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_prof_cfi.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_walk.h"


/*
 * Loads the 8 bytes before an address of text.  The object may be gone since
 * the list was made, and the file behind it may have been cut short, so the
 * kernel is asked first: rt_sigprocmask reads the set before it finds that
 * "how" is not valid, and answers EFAULT if it cannot.  Nothing changes.
 */

ngx_prof_unwind_unchecked
static ngx_int_t
ngx_prof_unwind_text(uint64_t addr, u_char *bytes)
{
    ngx_uint_t  i;

    /* no code lies there, and the kernel does not look at a null pointer */

    if (addr < NGX_PROF_UNWIND_LOWEST) {
        return NGX_ERROR;
    }

    if (ngx_prof_arch_mask(addr - 8) == -EFAULT) {
        return NGX_ERROR;
    }

    for (i = 0; i < 8; i++) {
        bytes[i] = ((const volatile u_char *) (uintptr_t) (addr - 8))[i];
    }

    return NGX_OK;
}


/*
 * The same for an object's text, which does not change: one that was read
 * before needs no system call.  Code made at run time may change.
 */

static ngx_int_t
ngx_prof_unwind_code(ngx_prof_walk_t *walk, uint64_t addr,
    const ngx_prof_object_t *object, u_char *bytes)
{
    ngx_prof_unwind_text_t  *text;

    if (object == NULL || walk->cache == NULL) {
        return ngx_prof_unwind_text(addr, bytes);
    }

    text = &walk->cache->text[ngx_prof_unwind_slot(addr,
                                           NGX_PROF_UNWIND_TEXTS)];

    if (text->addr != addr || text->generation != walk->objects->generation) {

        if (ngx_prof_unwind_text(addr, bytes) != NGX_OK) {
            return NGX_ERROR;
        }

        text->addr = addr;
        text->generation = walk->objects->generation;
        ngx_memcpy(text->before, bytes, 8);
    }

    ngx_memcpy(bytes, text->before, 8);

    return NGX_OK;
}


/* the target of the direct call before addr; 0: there is none */

static uint64_t
ngx_prof_unwind_direct(ngx_prof_walk_t *walk, uint64_t addr,
    const ngx_prof_object_t *object)
{
    u_char  b[8];

    return (ngx_prof_unwind_code(walk, addr, object, b) == NGX_OK)
           ? ngx_prof_arch_target(addr, b) : 0;
}


ngx_uint_t
ngx_prof_unwind_called(ngx_prof_walk_t *walk, uint64_t addr,
    const ngx_prof_object_t *object)
{
    u_char    b[8];
    uint64_t  target;

    if (!ngx_prof_arch_aligned(addr)
        || ngx_prof_unwind_code(walk, addr, object, b) != NGX_OK)
    {
        return 0;
    }

    target = ngx_prof_arch_target(addr, b);

    if (target
        && (object == NULL
            || (target >= object->start && target < object->end)))
    {
        return 1;
    }

    return ngx_prof_arch_indirect(b);
}


ngx_uint_t
ngx_prof_unwind_sigreturn(uint64_t pc)
{
    u_char  b[8];

    return ngx_prof_unwind_text(pc + 8, b) == NGX_OK
           && ngx_memcmp(b, NGX_PROF_ARCH_SIGRETURN, 8) == 0;
}


/* the object if addr is a return address in its text, else NULL */

static const ngx_prof_object_t *
ngx_prof_unwind_return(ngx_prof_walk_t *walk, uint64_t addr)
{
    const ngx_prof_object_t  *object;

    object = ngx_prof_unwind_object(walk, addr - 1);

    if (object == NULL
        || !object->readable
        || addr - object->start < 8
        || !ngx_prof_unwind_called(walk, addr, object))
    {
        return NULL;
    }

    return object;
}


/*
 * The library that the call before ra leads into, if it is one that makes code;
 * else NULL.  Its functions may go on to that code by a jump (lua_resume() does
 * to LuaJIT's), so the caller may be in another object: it calls by the table
 * of its imports, or by a stub that jumps by it.
 */

const ngx_prof_object_t *
ngx_prof_unwind_maker(ngx_prof_walk_t *walk, uint64_t ra,
    const ngx_prof_object_t *object)
{
    u_char      b[8];
    uint64_t    slot, target;
    ngx_uint_t  i;

    /* where the jump of a stub ends: with endbr64, with bnd as well */

    static const uint8_t  ends[] = { 6, 10, 11 };

    if (object->jit) {
        return object;
    }

    if (ngx_prof_unwind_code(walk, ra, object, b) != NGX_OK) {
        return NULL;
    }

    slot = ngx_prof_arch_slot(ra, b);
    target = ngx_prof_arch_target(ra, b);

    for (i = 0; slot == 0 && target && i < sizeof(ends); i++) {
        if (ngx_prof_unwind_text(target + ends[i], b) == NGX_OK) {
            slot = ngx_prof_arch_slot(target + ends[i], b);
        }
    }

    if (slot == 0 || ngx_prof_unwind_text(slot + 8, b) != NGX_OK) {
        return NULL;
    }

    ngx_memcpy(&target, b, sizeof(target));
    object = ngx_prof_objects_find(walk->objects, (uintptr_t) target);

    return (object && object->jit) ? object : NULL;
}


/*
 * Where the call before ra leads to, if it is a direct one, within the object
 * of walk->pc, to a place from which code can go on to pc: not behind it, and
 * with no CFI between.  Else 0.  What begins before ra and goes on behind it
 * has made that call itself.
 */

static uint64_t
ngx_prof_unwind_leads(ngx_prof_walk_t *walk, uint64_t ra)
{
    uint64_t                  target;
    const ngx_prof_object_t  *object;

    object = walk->object;

    if (ra - object->start >= object->end - object->start
        || ra - object->start < 8)
    {
        return 0;
    }

    target = ngx_prof_unwind_direct(walk, ra, object);

    if (target < object->start
        || target > walk->pc
        || (target < ra && ra <= walk->pc))
    {
        return 0;
    }

    return (object->cfi == NULL
            || ngx_prof_cfi_row(object->cfi, target)
               == ngx_prof_cfi_row(object->cfi, walk->pc))
           ? target : 0;
}


/*
 * The stack pointer of the caller at ra, whose frame pointer is known: its CFI
 * tells how far below its frame record that is, which is not at the stack
 * pointer where locals lie below what is saved, as GCC's stack protector has
 * them.  0: CFI does not tell.
 */

static uint64_t
ngx_prof_unwind_framed(ngx_prof_walk_t *walk, uint64_t ra, uint64_t fp)
{
    uint64_t                    sp;
    ngx_prof_walk_t             next;
    const ngx_prof_cfi_rule_t  *rule;

    next = *walk;
    next.exact = 0;
    ngx_prof_unwind_find(&next, ra - 1);
    rule = next.rule;

    if (rule == NULL
        || rule->cfa_kind != NGX_PROF_CFI_CFA_REG
        || rule->cfa_reg != NGX_PROF_ARCH_SP
        || ngx_prof_cfi_kind(rule->saved[0])
           != NGX_PROF_CFI_AT)
    {
        return 0;
    }

    sp = fp - (uint64_t) (int64_t) ngx_prof_cfi_arg(rule->saved[0])
         - (uint64_t) (int64_t) rule->cfa;

    return (sp < walk->reg[NGX_PROF_ARCH_SP] || sp >= walk->top)
           ? 0 : sp;
}


/* whether a function ends between two addresses of one text */

ngx_prof_unwind_unchecked
static ngx_uint_t
ngx_prof_unwind_ends(uint64_t from, uint64_t to)
{
    u_char    b[8];
    uint64_t  addr;

    if (to - from > NGX_PROF_UNWIND_HELPER) {
        return 1;
    }

    for (addr = from; addr < to; addr += 4) {

        if ((addr == from || (addr & 4095) == 0)
            && ngx_prof_unwind_text(addr + 8, b) != NGX_OK)
        {
            return 1;
        }

        if (ngx_prof_arch_returns(addr)) {
            return 1;
        }
    }

    return 0;
}


/*
 * Whether the code at walk->pc still returns to what the link register has.
 * After a call of its own that is an address in this very code.  Code with CFI
 * is never left so, but of two places in one piece of assembly only a direct
 * call tells whether the one is in a helper of the other.
 */

static ngx_uint_t
ngx_prof_unwind_linked(ngx_prof_walk_t *walk, uint64_t ra)
{
    uint64_t                  v, target;
    const ngx_prof_object_t  *object;

    /* it was saved: the frame record knows more */

    v = walk->reg[NGX_PROF_ARCH_FP] + 8;

    if (ngx_prof_unwind_knows(walk, NGX_PROF_ARCH_FP)
        && v >= walk->reg[NGX_PROF_ARCH_SP]
        && ngx_prof_unwind_load(walk, v, &v) == NGX_OK
        && ngx_prof_unwind_strip(v) == ra)
    {
        return 0;
    }

    object = walk->object;

    if (object == NULL
        || ra - object->start >= object->end - object->start
        || (object->cfi
            && ngx_prof_cfi_row(object->cfi, ra)
               != ngx_prof_cfi_row(object->cfi, walk->pc)))
    {
        return 1;
    }

    target = ngx_prof_unwind_direct(walk, ra, object);

    /* code that begins before the call and goes on behind it holds it */

    if (target == 0 || target > walk->pc
        || (target < ra && ra <= walk->pc))
    {
        return 0;
    }

    return !ngx_prof_unwind_ends(target, walk->pc);
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
            /* a register that is not known yet proves nothing */
            return rc == NGX_DONE || rc == NGX_DECLINED;
        }
    }

    return 1;
}


/*
 * Whether ra is the address that the code at walk->pc returns to, when the
 * stack pointer and, if fp is not 0, the frame pointer are as given then: a
 * return address, from which CFI leads on.
 */

static ngx_uint_t
ngx_prof_unwind_plausible(ngx_prof_walk_t *walk, uint64_t ra, uint64_t sp,
    uint64_t fp)
{
    ngx_prof_walk_t           next;
    const ngx_prof_object_t  *from;

    from = ngx_prof_unwind_return(walk, ra);

    if (from == NULL
        || (walk->maker && ngx_prof_unwind_maker(walk, ra, from) == NULL))
    {
        return 0;
    }

    /* a direct call that leads elsewhere; PLT stubs and others cannot tell */

    if (!NGX_PROF_ARCH_LINKS
        && walk->strict
        && walk->object
        && ngx_prof_unwind_direct(walk, ra, from)
        && !ngx_prof_unwind_leads(walk, ra))
    {
        return 0;
    }

    next = *walk;

    next.pc = ra;
    next.exact = 0;
    next.lo = sp;
    next.reg[NGX_PROF_ARCH_SP] = sp;
    next.valid = (uint32_t) 1 << NGX_PROF_ARCH_SP;
    next.guess = 0;

    if (fp) {
        next.reg[NGX_PROF_ARCH_FP] = fp;
        next.valid |= (uint32_t) 1 << NGX_PROF_ARCH_FP;
    }

    return ngx_prof_unwind_holds(&next);
}


/* this is the caller; code without CFI may have changed any register */

static void
ngx_prof_unwind_to(ngx_prof_walk_t *walk, uint64_t ra, uint64_t sp)
{
    walk->reg[NGX_PROF_ARCH_SP] = sp;
    walk->guess = ~(uint32_t) 0;
    walk->pc = ra;
}


/* tries the frame record (frame pointer, return address) at an address */

static ngx_int_t
ngx_prof_unwind_record(ngx_prof_walk_t *walk, uint64_t at)
{
    uint64_t  ra, fp, sp;

    if (at < walk->reg[NGX_PROF_ARCH_SP]
        || ngx_prof_unwind_load(walk, at, &fp) != NGX_OK
        || ngx_prof_unwind_load(walk, at + 8, &ra) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    sp = at + 16;

    if (NGX_PROF_ARCH_LINKS) {

        if (fp < sp || fp >= walk->top) {
            return NGX_DECLINED;
        }

        ra = ngx_prof_unwind_strip(ra);
        sp = ngx_prof_unwind_framed(walk, ra, fp);
        sp = sp ? sp : fp;
    }

    if (!ngx_prof_unwind_plausible(walk, ra, sp, fp)) {
        return NGX_DECLINED;
    }

    walk->reg[NGX_PROF_ARCH_FP] = fp;
    walk->reg[NGX_PROF_ARCH_SP] = sp;
    walk->valid |= (uint32_t) 1 << NGX_PROF_ARCH_FP;
    walk->guess = ~((uint32_t) 1 << NGX_PROF_ARCH_FP);
    walk->pc = ra;

    return NGX_OK;
}


/* the caller's stack pointer, if ra at that address returns to it */

static uint64_t
ngx_prof_unwind_above(ngx_prof_walk_t *walk, uint64_t ra, uint64_t at)
{
    uint64_t  sp;

    if (!NGX_PROF_ARCH_LINKS) {
        return at + 8;
    }

    if (ngx_prof_unwind_knows(walk, NGX_PROF_ARCH_FP)) {
        sp = ngx_prof_unwind_framed(walk, ra, walk->reg[NGX_PROF_ARCH_FP]);

        if (sp > at) {
            return sp;
        }
    }

    return ngx_align(at + 8, 16);
}


/*
 * By proof: the return address whose direct call leads to where the code at
 * walk->pc starts.  Functions without CFI may lie side by side, so that is the
 * highest place at or before pc that a call from the stack leads to.  What lies
 * beyond the frame that the frame pointer leads to is of other callers, and so
 * is what lies beyond a call through a register, which may lead anywhere.
 */

ngx_prof_unwind_unchecked
static ngx_int_t
ngx_prof_unwind_proof(ngx_prof_walk_t *walk)
{
    uint64_t                  at, ra, sp, fp, pc, end, above;
    uint64_t                  target, start, found;
    const ngx_prof_object_t  *object;

    object = walk->object;

    if (object == NULL || !object->readable) {
        return NGX_DECLINED;
    }

    walk->strict = 0;
    start = 0;
    found = 0;
    pc = 0;
    sp = 0;

    at = ngx_align(walk->reg[NGX_PROF_ARCH_SP], 8);
    end = ngx_min(walk->top, at + NGX_PROF_UNWIND_FRAME);

    fp = ngx_prof_unwind_knows(walk, NGX_PROF_ARCH_FP)
         ? walk->reg[NGX_PROF_ARCH_FP] : 0;

    if (fp >= at && fp < end) {
        end = ngx_min(end, fp + 16);
    }

    for ( /* void */ ; at < end; at += 8) {
        ra = ngx_prof_unwind_strip(*(const volatile uint64_t *)
                                   (uintptr_t) (at + walk->shift));

        if (ra - object->start >= object->end - object->start) {
            continue;
        }

        target = ngx_prof_unwind_leads(walk, ra);

        if (target == 0
            && at + 8 < end
            && ngx_prof_unwind_direct(walk, ra, object) == 0
            && ngx_prof_unwind_plausible(walk, ra,
                                         ngx_prof_unwind_above(walk, ra, at),
                                         0))
        {
            break;
        }

        if (target <= start) {
            continue;
        }

        above = ngx_prof_unwind_above(walk, ra, at);

        if (ngx_prof_unwind_plausible(walk, ra, above, 0)) {
            start = target;
            found = at;
            pc = ra;
            sp = above;
        }
    }

    if (found == 0) {
        return NGX_DECLINED;
    }

    if (fp == found - 8 && ngx_prof_unwind_record(walk, fp) == NGX_OK) {
        return NGX_OK;
    }

    ngx_prof_unwind_to(walk, pc, sp);

    return NGX_OK;
}


/* the first return address up the stack; with a link register, of a record */

static ngx_int_t
ngx_prof_unwind_scan(ngx_prof_walk_t *walk, uint64_t size)
{
    uint64_t  at, ra, end;

    at = ngx_align(walk->reg[NGX_PROF_ARCH_SP], 8);
    end = ngx_min(walk->top, walk->reg[NGX_PROF_ARCH_SP] + size);

    for ( /* void */ ; at < end; at += 8) {

        if (NGX_PROF_ARCH_LINKS) {
            if (ngx_prof_unwind_record(walk, at) == NGX_OK) {
                return NGX_OK;
            }

        } else if (ngx_prof_unwind_load(walk, at, &ra) == NGX_OK
                   && ngx_prof_unwind_plausible(walk, ra, at + 8, 0))
        {
            ngx_prof_unwind_to(walk, ra, at + 8);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/*
 * By the link register: a leaf, a PLT stub, code that has not saved it yet or
 * has it again.  What such code keeps on the stack follows from its caller's
 * frame pointer, else there is nothing.
 */

static ngx_int_t
ngx_prof_unwind_linked_leaf(ngx_prof_walk_t *walk)
{
    uint64_t  sp, fp, ra;

    if (!ngx_prof_unwind_knows(walk, NGX_PROF_ARCH_LR)) {
        return NGX_DECLINED;
    }

    ra = ngx_prof_unwind_strip(walk->reg[NGX_PROF_ARCH_LR]);

    if (walk->strict && !ngx_prof_unwind_linked(walk, ra)) {
        return NGX_DECLINED;
    }

    fp = walk->reg[NGX_PROF_ARCH_FP];
    sp = ngx_prof_unwind_knows(walk, NGX_PROF_ARCH_FP)
         ? ngx_prof_unwind_framed(walk, ra, fp) : 0;

    if (sp == 0 || !ngx_prof_unwind_plausible(walk, ra, sp, fp)) {
        sp = walk->reg[NGX_PROF_ARCH_SP];

        if (!ngx_prof_unwind_plausible(walk, ra, sp, 0)) {
            return NGX_DECLINED;
        }
    }

    ngx_prof_unwind_to(walk, ra, sp);

    return NGX_OK;
}


/*
 * A leaf that has not touched the stack: a PLT stub, small assembly; or what
 * has pushed the frame pointer this very moment, which is its caller's still.
 */

static ngx_int_t
ngx_prof_unwind_leaf(ngx_prof_walk_t *walk)
{
    u_char    b[8];
    uint64_t  sp, ra;

    if (NGX_PROF_ARCH_LINKS) {
        return ngx_prof_unwind_linked_leaf(walk);
    }

    sp = walk->reg[NGX_PROF_ARCH_SP];

    if (ngx_prof_unwind_load(walk, sp, &ra) != NGX_OK) {
        return NGX_DECLINED;
    }

    sp += 8;

    if (ra == walk->reg[NGX_PROF_ARCH_FP]
        && ngx_prof_unwind_knows(walk, NGX_PROF_ARCH_FP)
        && ngx_prof_unwind_code(walk, walk->pc, walk->object, b)
           == NGX_OK
        && ngx_prof_arch_pushed(b))
    {
        if (ngx_prof_unwind_load(walk, sp, &ra) != NGX_OK) {
            return NGX_DECLINED;
        }

        sp += 8;
    }

    if (!ngx_prof_unwind_plausible(walk, ra, sp, 0)) {
        return NGX_DECLINED;
    }

    ngx_prof_unwind_to(walk, ra, sp);

    return NGX_OK;
}


ngx_int_t
ngx_prof_unwind_recover(ngx_prof_walk_t *walk)
{
    uint64_t   fp;
    ngx_int_t  rc;

    /* the stack below a leaf holds only the call of its caller */

    walk->strict = 1;
    walk->maker = 0;

    if (NGX_PROF_ARCH_LINKS
        && walk->exact
        && ngx_prof_unwind_leaf(walk) == NGX_OK)
    {
        goto found;
    }

    if (ngx_prof_unwind_proof(walk) == NGX_OK) {
        goto found;
    }

    /*
     * Code that a library made has old return addresses of others on its
     * stack, above the one of that library.
     */

    if (walk->object == NULL) {
        walk->maker = 1;
        rc = ngx_prof_unwind_scan(walk, NGX_PROF_UNWIND_MADE);
        walk->maker = 0;

        if (rc == NGX_OK) {
            goto found;
        }
    }

    /* tail calls and PLT stubs are why a second round takes any call */

    for (walk->strict = 2; walk->strict--; /* void */) {

        if (walk->exact && ngx_prof_unwind_leaf(walk) == NGX_OK) {
            goto found;
        }

        fp = walk->reg[NGX_PROF_ARCH_FP];

        if (ngx_prof_unwind_knows(walk,
                                  NGX_PROF_ARCH_FP)
            && ngx_prof_unwind_record(walk, fp) == NGX_OK)
        {
            goto found;
        }
    }

    for (walk->strict = 2; walk->strict--; /* void */) {
        if (ngx_prof_unwind_scan(walk, NGX_PROF_UNWIND_SCAN) == NGX_OK) {
            goto found;
        }
    }

    walk->result->cause = NGX_PROF_UNWIND_NO_CALLER;

    return NGX_ERROR;

found:

    /* the other registers may still be right; what they lead to is checked */

    walk->guess &= ~((uint32_t) 1 << NGX_PROF_ARCH_SP);
    walk->result->recovered++;
    walk->lo = walk->reg[NGX_PROF_ARCH_SP];
    walk->exact = 0;

    return NGX_OK;
}
