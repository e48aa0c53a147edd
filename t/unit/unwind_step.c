
/*
 * Steps through work, with the processor's trap flag or a brk at a time.  What
 * calls and returns do is watched, so the true stack is known.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "unwind_trap_arm64.h"
#include "unwind_work.h"


#define DEEP    4096
#define SEEN    65536            /* places, by a hash of the address */
#define VISITS  4                /* of a place, calls of a function */

#define HASH(pc)  (((pc) * 0x9e3779b97f4a7c15ull) >> 48)

#define INT3       0xcc
#define TRAP_FLAG  ((greg_t) 0x100)


static struct {
    uint64_t                           slot;      /* of the return address;
                                                     aarch64: the caller's sp */
    uint64_t                           ra;
} shadow[DEEP];

static unsigned                        depth;
static unsigned                        begun;
static unsigned                        left;
static unsigned char                   seen[SEEN];
static uint64_t                        base[NGX_PROF_FRAMES];
static ngx_uint_t                      nbase;
static const ngx_prof_stack_t  *bounds;
static unwind_step_t                  *out;
static ngx_prof_unwind_cache_t  cache;

static unwind_before_t                 before;

#if !defined(__aarch64__)

static unsigned char                   called[SEEN];
static int                             memory;

static struct {
    uint64_t                           ra;        /* of the call that is
                                                     stepped over, or 0 */
    uint64_t                           slot;
    unsigned char                      byte;      /* of code, at ra */
    unsigned                           inner;
} over;

#endif


static void
check(const ucontext_t *uc, uint64_t pc)
{
    unsigned           i, k;
    uint64_t           pcs[NGX_PROF_FRAMES];
    uint64_t           want[NGX_PROF_FRAMES];
    ngx_uint_t         n, nwant;
    ngx_prof_unwind_t  result, cached;

    n = ngx_prof_unwind(bounds, uc, pcs, NGX_PROF_FRAMES, &result, NULL);

    /* what is remembered of other walks changes none */

    nwant = ngx_prof_unwind_cached(bounds, uc, &cache, want,
                                   NGX_PROF_FRAMES,
                                   &cached);

    if (n != nwant
        || memcmp(pcs, want, n * sizeof(uint64_t)) != 0
        || memcmp(&result, &cached, offsetof(ngx_prof_unwind_t, walk)) != 0)
    {
        out->changed++;
    }

    if (!unwind_had(&before, pcs, n, &cached)) {
        out->changed++;
    }

    nwant = 0;
    want[nwant++] = pc;

    for (i = depth; i > 0 && nwant < NGX_PROF_FRAMES; i--) {
        want[nwant++] = shadow[i - 1].ra;
    }

    for (k = 1; k < nbase && nwant < NGX_PROF_FRAMES; k++) {
        want[nwant++] = base[k];
    }

    out->steps++;
    out->recovered += (unsigned) result.recovered;
    out->deepest = ngx_max(out->deepest, depth);

    if (n == nwant && memcmp(pcs, want, n * sizeof(uint64_t)) == 0) {
        return;
    }

    if (out->wrong++ == 0) {
        memcpy(out->got, pcs, sizeof(pcs));
        memcpy(out->expected, want, sizeof(want));
        out->ngot = n;
        out->nexpected = nwant;
    }
}


/* walks at the first visits of a place */

static void
visit(const ucontext_t *uc, uint64_t pc)
{
    unsigned char  *s;

    if (depth == 0) {
        return;
    }

    s = &seen[HASH(pc)];

    if (*s < VISITS) {
        (*s)++;
        check(uc, pc);
    }
}


static void
call(uint64_t slot, uint64_t ra)
{
    if (depth < DEEP) {
        shadow[depth].slot = slot;
        shadow[depth].ra = ra;
        depth++;
    }
}


static void
begin(const ucontext_t *uc)
{
    ngx_prof_unwind_t  result;

    nbase = ngx_prof_unwind(bounds, uc, base, NGX_PROF_FRAMES, &result, NULL);
    begun = 1;
}


#if defined(__aarch64__)


static void
on_trap(int signo, siginfo_t *si, void *data)
{
    uint64_t     pc, sp;
    ucontext_t  *uc = data;

    (void) signo;
    (void) si;

    if (!unwind_trap_met(uc)) {
        return;
    }

    pc = unwind_pc(uc);
    sp = unwind_sp(uc);

    if (!begun) {
        begin(uc);

    } else {
        while (depth
               && (sp > shadow[depth - 1].slot
                   || (sp == shadow[depth - 1].slot
                       && pc == shadow[depth - 1].ra)))
        {
            depth--;
        }
    }

    visit(uc, pc);

    if (--left && unwind_trap_next(uc)) {
        call(sp, pc + 4);
    }
}


#else


/* code cannot be written to, but as memory of the process */

static int
poke(uint64_t pc, unsigned char byte)
{
    return pwrite(memory, &byte, 1, (off_t) pc) == 1;
}


/* what was called so often has shown all: it runs to its return address */

static int
step_over(uint64_t entry, uint64_t ra)
{
    unsigned char  *n;

    n = &called[HASH(entry)];

    if (*n < VISITS) {
        (*n)++;
        return 0;
    }

    over.byte = *(unsigned char *) (uintptr_t) ra;

    if (!poke(ra, INT3)) {
        return 0;
    }

    over.ra = ra;
    over.slot = shadow[depth - 1].slot;

    return 1;
}


/* returns whether the call that is stepped over has come to its end */

static int
stepped_over(ucontext_t *uc)
{
    if (over.inner) {
        over.inner = 0;
        poke(over.ra, INT3);
        uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
        return 0;
    }

    poke(over.ra, over.byte);
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t) over.ra;
    uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;

    /* or one within it has, with the same return address */

    if ((uint64_t) unwind_sp(uc) <= over.slot) {
        over.inner = 1;
        return 0;
    }

    over.ra = 0;

    return 1;
}


static void
on_trap(int signo, siginfo_t *si, void *data)
{
    uint64_t          pc, sp, v;
    ucontext_t       *uc = data;
    static uint64_t   last_pc, last_sp;

    (void) signo;
    (void) si;

    if (over.ra && !stepped_over(uc)) {
        return;
    }

    pc = (uint64_t) unwind_pc(uc);
    sp = (uint64_t) unwind_sp(uc);

    if (!begun) {
        begin(uc);

    } else {
        while (depth && sp > shadow[depth - 1].slot) {
            depth--;
        }

        /* a call leaves the address behind it at the stack pointer */

        v = (sp == last_sp - 8) ? *(uint64_t *) (uintptr_t) sp : 0;

        if (v - last_pc >= 2 && v - last_pc <= 8 && pc != v) {
            call(sp, v);

            if (step_over(pc, v)) {
                uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
                return;
            }
        }
    }

    last_pc = pc;
    last_sp = sp;

    visit(uc, pc);

    if (--left == 0) {
        uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    }
}


#endif


void
unwind_step(const ngx_prof_stack_t *stack, void (*work)(void), unsigned limit,
    unwind_step_t *result)
{
    struct sigaction  sa;

    memset(result, 0, sizeof(*result));
    memset(seen, 0, sizeof(seen));

    bounds = stack;
    out = result;
    left = limit;
    depth = 0;
    begun = 0;

    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = on_trap;
    sa.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &sa, NULL);

#if defined(__aarch64__)

    __asm__ volatile ("brk #1" : : : "memory");

    work();

    __asm__ volatile ("brk #2" : : : "memory");

    unwind_trap_end();

#else

    memset(called, 0, sizeof(called));
    memory = open("/proc/self/mem", O_RDWR|O_CLOEXEC);

    __asm__ volatile ("subq $128, %%rsp\n\t"
                      "pushfq\n\t"
                      "orq $0x100, (%%rsp)\n\t"
                      "popfq\n\t"
                      "addq $128, %%rsp" : : : "memory", "cc");

    work();

    __asm__ volatile ("subq $128, %%rsp\n\t"
                      "pushfq\n\t"
                      "andq $~0x100, (%%rsp)\n\t"
                      "popfq\n\t"
                      "addq $128, %%rsp" : : : "memory", "cc");

    close(memory);

#endif

    signal(SIGTRAP, SIG_DFL);
}
