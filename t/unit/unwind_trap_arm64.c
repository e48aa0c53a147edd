
/*
 * Where an instruction of aarch64 leads to: Arm's Architecture Reference
 * Manual, "Branches, exception generating and system instructions".
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <sys/mman.h>

#include "unwind_trap_arm64.h"


#if defined(__aarch64__)


#define PAGES      4096
#define EXCLUSIVE  16            /* instructions between a load and a store */
#define USER       0x0000ffffffffffffull


static struct {
    uint64_t         at;
    uint32_t         insn;       /* that was there */
} planted[2];

static unsigned      nplanted;
static uint64_t      pages[PAGES];               /* that can be written to */


static uint32_t
insn_at(uint64_t pc)
{
    return *(const volatile uint32_t *) (uintptr_t) pc;
}


static void
write_insn(uint64_t pc, uint32_t insn)
{
    char  *p;

    p = (char *) (uintptr_t) pc;
    *(volatile uint32_t *) (uintptr_t) pc = insn;
    __builtin___clear_cache(p, p + 4);
}


static void
unprotect(uint64_t pc)
{
    uint64_t       page;
    unsigned       i;
    static size_t  size;

    if (size == 0) {
        size = (size_t) sysconf(_SC_PAGESIZE);
    }

    page = pc & ~(uint64_t) (size - 1);

    for (i = (unsigned) (page / size) % PAGES; pages[i] != page;
         i = (i + 1) % PAGES)
    {
        if (pages[i] == 0) {
            pages[i] = page;
            mprotect((void *) (uintptr_t) page, size,
                     PROT_READ|PROT_WRITE|PROT_EXEC);
            return;
        }
    }
}


static void
plant(uint64_t pc)
{
    if (insn_at(pc) == UNWIND_TRAP_LAST) {
        return;
    }

    unprotect(pc);

    planted[nplanted].at = pc;
    planted[nplanted++].insn = insn_at(pc);
    write_insn(pc, UNWIND_TRAP_FIRST);
}


ngx_uint_t
unwind_trap_met(ucontext_t *uc)
{
    uint32_t  insn;

    if (nplanted) {
        while (nplanted) {
            nplanted--;
            write_insn(planted[nplanted].at, planted[nplanted].insn);
        }

        if (insn_at(uc->uc_mcontext.pc) != UNWIND_TRAP_LAST) {
            return 1;
        }
    }

    insn = insn_at(uc->uc_mcontext.pc);
    uc->uc_mcontext.pc += 4;

    return insn == UNWIND_TRAP_FIRST;
}


void
unwind_trap_end(void)
{
    size_t    size;
    unsigned  i;

    size = (size_t) sysconf(_SC_PAGESIZE);

    for (i = 0; i < PAGES; i++) {
        if (pages[i]) {
            mprotect((void *) (uintptr_t) pages[i], size,
                     PROT_READ|PROT_EXEC);
            pages[i] = 0;
        }
    }
}


/* bits of an instruction as a signed number of instructions, in bytes */

static uint64_t
offset(uint32_t insn, unsigned first, unsigned bits)
{
    int64_t  v;

    v = (int64_t) ((uint64_t) (insn >> first) << (64 - bits));

    return (uint64_t) (v >> (64 - bits)) * 4;
}


/* whether b.cond is taken */

static ngx_uint_t
holds(uint64_t pstate, unsigned cond)
{
    ngx_uint_t  n, z, c, v, yes;

    n = pstate >> 31 & 1;
    z = pstate >> 30 & 1;
    c = pstate >> 29 & 1;
    v = pstate >> 28 & 1;

    switch (cond >> 1) {
    case 0:   yes = z;  break;
    case 1:   yes = c;  break;
    case 2:   yes = n;  break;
    case 3:   yes = v;  break;
    case 4:   yes = (c && !z);  break;
    case 5:   yes = (n == v);  break;
    case 6:   yes = (n == v && !z);  break;
    default:  return 1;
    }

    return yes != (cond & 1);
}


/* where a branch that is not by a register leads to, or 0: it is none */

static uint64_t
branch(const ucontext_t *uc, uint64_t pc, uint32_t insn)
{
    uint64_t    value;
    unsigned    bit;
    ngx_uint_t  taken;

    if ((insn & 0x7c000000) == 0x14000000) {               /* b, bl */
        return pc + offset(insn, 0, 26);
    }

    if ((insn & 0xff000000) == 0x54000000) {               /* b.cond */
        taken = holds(uc->uc_mcontext.pstate, insn & 15);

        return pc + (taken ? offset(insn, 5, 19) : 4);
    }

    bit = insn & 31;
    value = (bit == 31) ? 0 : uc->uc_mcontext.regs[bit];

    if ((insn & 0x7e000000) == 0x34000000) {               /* cbz, cbnz */
        if (!(insn >> 31)) {
            value &= 0xffffffff;
        }

        taken = (value != 0) == (insn >> 24 & 1);

        return pc + (taken ? offset(insn, 5, 19) : 4);
    }

    if ((insn & 0x7e000000) == 0x36000000) {               /* tbz, tbnz */
        bit = (insn >> 19 & 31) | (insn >> 31) << 5;
        taken = (value >> bit & 1) == (insn >> 24 & 1);

        return pc + (taken ? offset(insn, 5, 14) : 4);
    }

    return 0;
}


/* a load, or a store, of a pair that has to be one step: it would not store */

static ngx_uint_t
exclusive(uint32_t insn, uint32_t load)
{
    return (insn & 0x3fc00000) == (0x08000000 | load << 22)
           && ((insn >> 31) || !(insn >> 21 & 1));         /* not casp */
}


/* behind the store; and where a branch before it may lead to */

static ngx_uint_t
plant_exclusive(uint64_t pc)
{
    uint32_t    insn;
    uint64_t    to, out;
    ngx_uint_t  i;

    out = 0;

    for (i = 1; i < EXCLUSIVE; i++) {
        insn = insn_at(pc + i * 4);

        if ((insn & 0xff000010) == 0x54000000
            || (insn & 0x7e000000) == 0x34000000)
        {
            to = pc + i * 4 + offset(insn, 5, 19);

            if (out && out != to) {
                return 0;
            }

            out = to;
        }

        if (exclusive(insn, 0)) {
            plant(pc + i * 4 + 4);

            if (out && out != pc + i * 4 + 4) {
                plant(out);
            }

            return 1;
        }
    }

    return 0;
}


ngx_uint_t
unwind_trap_next(const ucontext_t *uc)
{
    uint32_t    insn;
    uint64_t    pc, to;
    unsigned    r;

    pc = uc->uc_mcontext.pc;
    insn = insn_at(pc);

    if (exclusive(insn, 1) && plant_exclusive(pc)) {
        return 0;
    }

    /* br, blr, ret, and those that authenticate */

    if ((insn & 0xfe1f0000) == 0xd61f0000) {
        r = insn >> 5 & 31;
        to = uc->uc_mcontext.regs[(r == 31) ? 30 : r] & USER;
        plant(to);

        return (insn >> 21 & 7) == 1;
    }

    to = branch(uc, pc, insn);
    plant(to ? to : pc + 4);

    return (insn & 0xfc000000) == 0x94000000;
}


#endif
