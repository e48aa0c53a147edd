
/* Frames of Lua on a walk: see lua.h. */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_lua_vm.h"


/* bytes below its frame that the machine may use, with what a trace spills */
#define NGX_PROF_LUA_BELOW   (16 * 1024)

/* the same while it calls a part of itself, or is entered */
#define NGX_PROF_LUA_HELPER  64


/* frames of one coroutine, from a base on */

typedef struct {
    uintptr_t   l;
    uintptr_t   lo;                             /* its stack */
    uintptr_t   hi;
    uintptr_t   floor;                          /* frames below are of the next
                                                   frame of the machine */
    uintptr_t   base;
    uintptr_t   pc;                             /* behind the instruction that
                                                   runs, 0: not known */
    uintptr_t   proto;                          /* to be written when its caller
                                                   is known, 0: none */
    uint32_t    line;
    ngx_uint_t  skip;                           /* the next is none */

    uint64_t   *pcs;
    ngx_uint_t  n;
    ngx_uint_t  max;
} ngx_prof_lua_stack_t;


static uintptr_t ngx_prof_lua_cframe(ngx_prof_walk_t *walk,
    ngx_prof_lua_walk_t *lua, uintptr_t *coroutine);
static uintptr_t ngx_prof_lua_chain(ngx_prof_walk_t *walk, uintptr_t l,
    uintptr_t sp);
static void ngx_prof_lua_stack_init(ngx_prof_lua_stack_t *s, uintptr_t l,
    uint64_t *pcs, ngx_uint_t max);
static ngx_uint_t ngx_prof_lua_thread(uintptr_t l);
static ngx_int_t ngx_prof_lua_begin(ngx_prof_walk_t *walk,
    const ngx_prof_lua_walk_t *lua, ngx_prof_lua_stack_t *s,
    uintptr_t cframe);
static ngx_int_t ngx_prof_lua_inner(ngx_prof_walk_t *walk,
    ngx_prof_lua_stack_t *s, uintptr_t cframe);
static ngx_uint_t ngx_prof_lua_fits(const ngx_prof_lua_stack_t *s,
    uintptr_t base, uintptr_t pc);
static uint32_t ngx_prof_lua_traced(uintptr_t l, uintptr_t proto);
static void ngx_prof_lua_run(ngx_prof_lua_stack_t *s);
static void ngx_prof_lua_put(ngx_prof_lua_stack_t *s, uintptr_t caller,
    uintptr_t call);


ngx_prof_lua_vm_t  ngx_prof_lua_vm;
uintptr_t          ngx_prof_lua_global;


ngx_uint_t
ngx_prof_lua_frames(ngx_prof_walk_t *walk, ngx_prof_lua_walk_t *lua,
    uint64_t *pcs, ngx_uint_t max)
{
    uintptr_t             l, cframe;
    ngx_prof_lua_stack_t  s;

    lua->cframe = 0;
    cframe = ngx_prof_lua_cframe(walk, lua, &l);

    if (cframe == 0) {
        return 0;
    }

    ngx_prof_lua_stack_init(&s, l, pcs, max);

    if (ngx_prof_lua_begin(walk, lua, &s, cframe) != NGX_OK) {
        return 0;
    }

    ngx_prof_lua_run(&s);
    ngx_prof_lua_put(&s, 0, 0);

    /* a call of C that has called nothing yet has no frames of its own */

    if (s.n || s.floor == s.lo) {
        lua->l = l;
        lua->base = s.base;
    }

    return s.n;
}


static void
ngx_prof_lua_stack_init(ngx_prof_lua_stack_t *s, uintptr_t l, uint64_t *pcs,
    ngx_uint_t max)
{
    s->l = l;
    s->pcs = pcs;
    s->n = 0;
    s->max = max;
    s->proto = 0;
    s->pc = 0;
    s->skip = 0;
}


ngx_uint_t
ngx_prof_lua_yielded(uintptr_t l, uint64_t *pcs, ngx_uint_t max)
{
    ngx_prof_lua_stack_t  s;

    if (!ngx_prof_lua_thread(l)
        || ngx_prof_lua_load8(l + NGX_PROF_LUA_STATUS) != NGX_PROF_LUA_YIELDED)
    {
        return 0;
    }

    ngx_prof_lua_stack_init(&s, l, pcs, max);

    s.lo = ngx_prof_lua_load(l + NGX_PROF_LUA_STACK);
    s.hi = ngx_prof_lua_load(l + NGX_PROF_LUA_MAXSTACK);
    s.floor = s.lo;
    s.base = ngx_prof_lua_load(l + NGX_PROF_LUA_BASE);

    ngx_prof_lua_run(&s);
    ngx_prof_lua_put(&s, 0, 0);

    return s.n;
}


/*
 * The frame of the machine that the walk's frame is part of, and its coroutine;
 * 0: none.  lua->cframe is set if the machine's caller has to be found by it.
 */

static uintptr_t
ngx_prof_lua_cframe(ngx_prof_walk_t *walk, ngx_prof_lua_walk_t *lua,
    uintptr_t *coroutine)
{
    uint64_t    l, ra;
    uintptr_t   sp, cframe;
    ngx_uint_t  machine;

    machine = walk->pc - !walk->exact - ngx_prof_lua_vm.start
              < ngx_prof_lua_vm.end - ngx_prof_lua_vm.start;

    if (walk->object && !machine) {
        return 0;
    }

    sp = walk->reg[NGX_PROF_ARCH_SP];

    if (machine
        && ngx_prof_unwind_load(walk, sp + NGX_PROF_LUA_C_L, &l) == NGX_OK
        && ngx_prof_lua_thread(l)
        && ngx_prof_lua_chain(walk, l, sp) == sp)
    {
        *coroutine = l;
        return sp;
    }

    /* made code, an exit from it, or a helper: the frame lies further up */

    l = ngx_prof_lua_global
        ? ngx_prof_lua_load(ngx_prof_lua_global + ngx_prof_lua_vm.current)
        : 0;

    if (!ngx_prof_lua_thread(l)) {
        return 0;
    }

    cframe = ngx_prof_lua_chain(walk, l, sp);

    if (cframe == 0 || cframe - sp > NGX_PROF_LUA_BELOW) {
        return 0;
    }

    if (machine && walk->exact) {

        if (cframe - sp > NGX_PROF_LUA_HELPER
            && ngx_prof_lua_load(ngx_prof_lua_global
                                 + ngx_prof_lua_vm.trace_base) == 0)
        {
            return 0;
        }

    } else if (machine
               && (ngx_prof_unwind_load(walk, sp + NGX_PROF_LUA_C_RETURN, &ra)
                   != NGX_OK
                   || (ngx_prof_unwind_object(walk, ra - 1)
                       && ngx_prof_unwind_called(walk, ra, NULL))))
    {
        /* it is being entered from C, and has a caller there */

        return 0;
    }

    lua->cframe = cframe;
    *coroutine = l;

    return cframe;
}


/* the innermost frame of the machine of a coroutine at sp or above, or 0 */

static uintptr_t
ngx_prof_lua_chain(ngx_prof_walk_t *walk, uintptr_t l, uintptr_t sp)
{
    uintptr_t   cframe;
    ngx_uint_t  i;

    cframe = ngx_prof_lua_load(l + NGX_PROF_LUA_CFRAME);

    for (i = 0; i < NGX_PROF_LUA_CHAIN && cframe < walk->top; i++) {
        cframe &= ~(uintptr_t) NGX_PROF_LUA_C_FLAGS;

        if (cframe >= sp) {
            return (ngx_prof_lua_load(cframe + NGX_PROF_LUA_C_L) == l)
                   ? cframe : 0;
        }

        cframe = ngx_prof_lua_load(cframe + NGX_PROF_LUA_C_PREV);
    }

    return 0;
}


static ngx_uint_t
ngx_prof_lua_thread(uintptr_t l)
{
    return ngx_prof_lua_is(l, NGX_PROF_LUA_THREAD);
}


/* where the frames of the machine's frame begin; NGX_DECLINED: nobody knows */

static ngx_int_t
ngx_prof_lua_begin(ngx_prof_walk_t *walk, const ngx_prof_lua_walk_t *lua,
    ngx_prof_lua_stack_t *s, uintptr_t cframe)
{
    int32_t  results;

    s->lo = ngx_prof_lua_load(s->l + NGX_PROF_LUA_STACK);
    s->hi = ngx_prof_lua_load(s->l + NGX_PROF_LUA_MAXSTACK);

    if (s->lo == 0 || s->hi <= s->lo) {
        return NGX_DECLINED;
    }

    results = (int32_t) ngx_prof_lua_load32(cframe + NGX_PROF_LUA_C_RESULTS);
    s->floor = (results < 0) ? s->lo - (int64_t) results : s->lo;

    if (s->l == lua->l && lua->base) {
        s->base = lua->base;

        /* C was called by no instruction: a metamethod of the collector */

        s->pc = ngx_prof_lua_load(cframe + NGX_PROF_LUA_C_PC);

        return NGX_OK;
    }

    s->base = ngx_prof_lua_load(s->l + NGX_PROF_LUA_BASE);

    if (s->base - 8 < s->floor) {
        return NGX_OK;
    }

    return (lua->l == 0) ? ngx_prof_lua_inner(walk, s, cframe) : NGX_OK;
}


/*
 * The function that runs.  A trace notes where it has begun.  The interpreter
 * has base and program counter in registers: the base is lost in calls, before
 * which it is kept in rbp, or in the coroutine, which is then in rbp.
 */

static ngx_int_t
ngx_prof_lua_inner(ngx_prof_walk_t *walk, ngx_prof_lua_stack_t *s,
    uintptr_t cframe)
{
    uint64_t   pc, base, kept;
    uintptr_t  g;

    g = ngx_prof_lua_load(s->l + NGX_PROF_LUA_GLOBAL);
    base = ngx_prof_lua_load(g + ngx_prof_lua_vm.trace_base);

    if (base) {
        s->base = base;
        s->proto = ngx_prof_lua_proto(ngx_prof_lua_load(base - 16));
        s->line = ngx_prof_lua_traced(g, s->proto);

        return NGX_OK;
    }

    pc = ngx_prof_unwind_knows(walk, NGX_PROF_LUA_REG_PC)
         ? walk->reg[NGX_PROF_LUA_REG_PC] : 0;
    kept = ngx_prof_unwind_knows(walk, NGX_PROF_LUA_REG_KEPT)
           ? walk->reg[NGX_PROF_LUA_REG_KEPT] : 0;
    base = walk->exact ? walk->reg[NGX_PROF_LUA_REG_BASE] : kept;

    if (ngx_prof_lua_fits(s, base, pc)) {
        s->base = base;
        s->pc = pc;
        return NGX_OK;
    }

    if (ngx_prof_lua_fits(s, s->base, pc) && (!walk->exact || kept == s->l)) {
        s->pc = pc;
        return NGX_OK;
    }

    /* it is called, or returns: its caller is where it was called */

    if (base > s->lo && base <= s->hi && ngx_prof_lua_load(base - 8) == pc) {
        s->base = base;
        s->skip = 1;
        return NGX_OK;
    }

    /* it returns, and results lie where that was kept */

    if (walk->exact && base > s->lo && base <= s->hi && pc) {
        base -= 8 * (2 + (ngx_prof_lua_load32(pc - 4) >> 8 & 0xff));

        if (ngx_prof_lua_fits(s, base, pc)) {
            s->base = base;
            s->pc = pc;
            return NGX_OK;
        }
    }

    if (walk->exact && kept != s->l) {
        return NGX_DECLINED;
    }

    /* what has left a trace a moment ago has no program counter yet */

    pc = ngx_prof_lua_load(cframe + NGX_PROF_LUA_C_PC);

    if (ngx_prof_lua_fits(s, s->base, pc)) {
        s->pc = pc;
    }

    return NGX_OK;
}


/* whether a function has this base, and if it is one of Lua, runs there */

static ngx_uint_t
ngx_prof_lua_fits(const ngx_prof_lua_stack_t *s, uintptr_t base, uintptr_t pc)
{
    uint64_t   value;
    uintptr_t  proto;

    if (base <= s->lo + 8 || base > s->hi || (base & 7)) {
        return 0;
    }

    value = ngx_prof_lua_load(base - 16);
    proto = ngx_prof_lua_proto(value);

    if (proto) {

        /* at its code: it is entered, and runs nothing yet */

        return pc == proto + NGX_PROF_LUA_CODES
               || ngx_prof_lua_within(proto, pc);
    }

    return ngx_prof_lua_tag(value) == NGX_PROF_LUA_TAG_FUNC
           && ngx_prof_lua_is(ngx_prof_lua_pointer(value),
                              NGX_PROF_LUA_FUNC);
}


/* the line at which the trace that runs begins, if it is of this prototype */

static uint32_t
ngx_prof_lua_traced(uintptr_t g, uintptr_t proto)
{
    int32_t    number;
    uintptr_t  trace;

    number = (int32_t) ngx_prof_lua_load32(g + ngx_prof_lua_vm.trace_number);

    if (number <= 0 || number > 65535 || ngx_prof_lua_vm.traces == 0) {
        return 0;
    }

    trace = ngx_prof_lua_load(g + ngx_prof_lua_vm.traces);
    trace = ngx_prof_lua_load(trace + number * sizeof(uint64_t));

    if (!ngx_prof_lua_is(trace, NGX_PROF_LUA_TRACE)
        || ngx_prof_lua_load(trace + ngx_prof_lua_vm.trace_start) != proto)
    {
        return 0;
    }

    return ngx_prof_lua_line(proto,
                   ngx_prof_lua_load(trace + ngx_prof_lua_vm.trace_start + 8)
                   + sizeof(uint32_t));
}


/* up to the function that C has called, or to the stack's end */

static void
ngx_prof_lua_run(ngx_prof_lua_stack_t *s)
{
    uint64_t    link;
    uintptr_t   proto, pending;
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_LUA_DEPTH && s->n < s->max; i++) {

        if (s->base - 8 < s->floor) {
            return;
        }

        if (s->base <= s->lo + 16 || s->base > s->hi || (s->base & 7)) {
            break;
        }

        link = ngx_prof_lua_load(s->base - 8);
        proto = ngx_prof_lua_proto(ngx_prof_lua_load(s->base - 16));
        pending = s->proto;

        if (!s->skip && proto != pending) {
            s->proto = proto;
            s->line = proto ? ngx_prof_lua_line(proto, s->pc) : 0;
        }

        s->skip = 0;

        if ((link & NGX_PROF_LUA_FRAME_KIND) == NGX_PROF_LUA_FRAME_LUA) {

            /* the instruction that called it says which registers it has */

            s->pc = link;
            s->base -= 8 * (2 + (ngx_prof_lua_load32(link - 4) >> 8 & 0xff));

            ngx_prof_lua_put(s,
                   ngx_prof_lua_proto(ngx_prof_lua_load(s->base - 16)), link);
            continue;
        }

        if ((link & NGX_PROF_LUA_FRAME) == NGX_PROF_LUA_FRAME_VARG) {
            s->base -= link & ~(uint64_t) NGX_PROF_LUA_FRAME;
            s->skip = 1;
            continue;
        }

        ngx_prof_lua_put(s, 0, 0);

        s->pc = ((link & NGX_PROF_LUA_FRAME) == NGX_PROF_LUA_FRAME_CONT)
                ? ngx_prof_lua_load(s->base - 24) : 0;
        s->base -= link & ~(uint64_t) NGX_PROF_LUA_FRAME;

        if ((link & NGX_PROF_LUA_FRAME_KIND) == NGX_PROF_LUA_FRAME_C) {
            return;
        }
    }

    s->base = 0;
}


static void
ngx_prof_lua_put(ngx_prof_lua_stack_t *s, uintptr_t caller, uintptr_t call)
{
    if (s->proto && s->n < s->max) {
        s->pcs[s->n++] = ngx_prof_lua_frame(s->proto, s->line, caller, call);
    }

    s->proto = 0;
}


ngx_int_t
ngx_prof_lua_step(ngx_prof_walk_t *walk, const ngx_prof_lua_walk_t *lua)
{
    uint64_t    value, pc;
    ngx_uint_t  i, n;

    static const struct {
        uint8_t  reg;
        int8_t   at;
    } saved[] = {
        { 14, NGX_PROF_LUA_C_SAVED },
        { 15, NGX_PROF_LUA_C_SAVED + 8 },
        { 3, NGX_PROF_LUA_C_SAVED + 16 },
        { 6, NGX_PROF_LUA_C_SAVED + 24 },
        { 13, NGX_PROF_LUA_C_TRACE },
        { 12, NGX_PROF_LUA_C_TRACE + 8 }
    };

    if (ngx_prof_unwind_load(walk, lua->cframe + NGX_PROF_LUA_C_RETURN, &pc)
        != NGX_OK
        || pc <= NGX_PROF_UNWIND_LOWEST
        || !ngx_prof_unwind_called(walk, pc, NULL))
    {
        walk->result->cause = NGX_PROF_UNWIND_BAD_RA;
        return NGX_ERROR;
    }

    /* r12 and r13 are the caller's still, unless a trace has saved them */

    n = sizeof(saved) / sizeof(saved[0]);

    if (walk->object
        && lua->cframe - walk->reg[NGX_PROF_ARCH_SP] <= NGX_PROF_LUA_HELPER)
    {
        n -= 2;
    }

    walk->guess = 0;

    for (i = 0; i < n; i++) {

        if (ngx_prof_unwind_load(walk,
                                 lua->cframe + (intptr_t) saved[i].at, &value)
            == NGX_OK)
        {
            walk->reg[saved[i].reg] = value;
            walk->valid |= (uint32_t) 1 << saved[i].reg;
        }
    }

    walk->pc = pc;
    walk->exact = 0;
    walk->reg[NGX_PROF_ARCH_SP] = lua->cframe + NGX_PROF_LUA_C_SIZE;
    walk->lo = walk->reg[NGX_PROF_ARCH_SP];

    return NGX_OK;
}
