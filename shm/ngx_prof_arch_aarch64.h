
/*
 * aarch64: registers, code and instructions.  See ngx_prof_arch.h.
 */


#ifndef _NGX_PROF_ARCH_AARCH64_H_INCLUDED_
#define _NGX_PROF_ARCH_AARCH64_H_INCLUDED_


#if (__aarch64__)


/* calls leave the return address in a register, not on the stack */
#define NGX_PROF_ARCH_LINKS    1

/* DWARF numbers */
#define NGX_PROF_ARCH_SP       31
#define NGX_PROF_ARCH_FP       29
#define NGX_PROF_ARCH_LR       30
#define NGX_PROF_ARCH_PC       32

/*
 * those below PC, as bits; that stay known in a caller: x29, sp, and of those
 * that calls keep the five that compilers take first, x19..x23
 */
#define NGX_PROF_ARCH_NAMES                                                   \
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", \
    "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",     \
    "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp", "pc"
#define NGX_PROF_ARCH_REGS     32
#define NGX_PROF_ARCH_KNOWN    0xffffffff
#define NGX_PROF_ARCH_KEPT     0xa0f80000

/* how many of them a function has to save before it uses them */
#define NGX_PROF_ARCH_SAVES    12

/* whether the frames of LuaJIT's machine are known (lua_vm.h) */
#define NGX_PROF_ARCH_LUAJIT   0

/* bytes below the stack pointer that are in use */
#define NGX_PROF_ARCH_RED      0

/* of an address 48 bits are one; above are authentication and tags */
#define NGX_PROF_ARCH_ADDRESS  0x0000ffffffffffffull

/* relocations */
#define NGX_PROF_ARCH_JUMP_SLOT  R_AARCH64_JUMP_SLOT
#define NGX_PROF_ARCH_GLOB_DAT   R_AARCH64_GLOB_DAT
#define NGX_PROF_ARCH_ABSOLUTE   R_AARCH64_ABS64

/* the counter is good on all processors */
#define NGX_PROF_ARCH_COUNTER  NULL


#define ngx_prof_arch_pc(uc)  ((uintptr_t) (uc)->uc_mcontext.pc)
#define ngx_prof_arch_sp(uc)  ((uintptr_t) (uc)->uc_mcontext.sp)

/* where a ucontext has a register, by its DWARF number, and PC */
#define ngx_prof_arch_place(reg)                                              \
    (offsetof(ucontext_t, uc_mcontext) + offsetof(mcontext_t, regs)           \
     + (reg) * sizeof(uint64_t))

/* bytes from the stack pointer of a signal's frame to its ucontext: siginfo */
#define NGX_PROF_ARCH_SIGNAL   128


/*
 * The registers that stay known in a caller, and the program counter, of here:
 * all in one statement, the rules of this pc are those of its registers.
 */

#define ngx_prof_arch_here(pc, reg)                                           \
    __asm__ volatile ("adr x9, .\n\t"                                         \
                      "str x9, [%2]\n\t"                                      \
                      "stp x19, x20, [%3, #152]\n\t"                          \
                      "stp x21, x22, [%3, #168]\n\t"                          \
                      "str x23, [%3, #184]\n\t"                               \
                      "str x29, [%3, #232]\n\t"                               \
                      "mov x9, sp\n\t"                                        \
                      "str x9, [%3, #248]"                                    \
                      : "=m" (pc), "=m" (reg)                                 \
                      : "r" (&(pc)), "r" (reg) : "x9", "memory")


/* rt_sigprocmask() of a set, with a "how" that is none */

static ngx_inline long
ngx_prof_arch_mask(uint64_t set)
{
    register long  x8 __asm__("x8") = SYS_rt_sigprocmask;
    register long  x0 __asm__("x0") = -1;
    register long  x1 __asm__("x1") = (long) set;
    register long  x2 __asm__("x2") = 0;
    register long  x3 __asm__("x3") = 8;

    __asm__ volatile ("svc #0" : "+r" (x0)
                      : "r" (x8), "r" (x1), "r" (x2), "r" (x3) : "memory");

    return x0;
}


/* where the direct call that ends before addr leads to; 0: it is none */

static ngx_inline uint64_t
ngx_prof_arch_target(uint64_t addr, const u_char before[8])
{
    uint32_t  insn;

    ngx_memcpy(&insn, before + 4, sizeof(insn));

    if ((insn & 0xfc000000) != 0x94000000) {               /* bl */
        return 0;
    }

    return addr - 4 + (uint64_t) (int64_t) ((int32_t) (insn << 6) >> 4);
}


/* see x86_64; here that takes several instructions, which are not read */

static ngx_inline uint64_t
ngx_prof_arch_slot(uint64_t addr, const u_char before[8])
{
    return 0;
}


/* whether it is an indirect call: blr, blraa, blrab, blraaz, blrabz */

static ngx_inline ngx_uint_t
ngx_prof_arch_indirect(const u_char before[8])
{
    uint32_t  insn;

    ngx_memcpy(&insn, before + 4, sizeof(insn));

    return (insn & 0xfefff000) == 0xd63f0000;
}


/* see guard.c: *addr to *value, 0; if that faults: -1 */

#define NGX_PROF_ARCH_GUARD                                                   \
    ".pushsection .text\n\t"                                                  \
    ".p2align 4\n\t"                                                          \
    ".hidden ngx_prof_guard_word\n\t"                                         \
    ".globl ngx_prof_guard_word\n\t"                                          \
    ".type ngx_prof_guard_word, %function\n"                                  \
    "ngx_prof_guard_word:\n\t"                                                \
    ".cfi_startproc\n\t"                                                      \
    ".hidden ngx_prof_guard_at\n\t"                                           \
    ".globl ngx_prof_guard_at\n"                                              \
    "ngx_prof_guard_at:\n\t"                                                  \
    "ldr x2, [x0]\n\t"                                                        \
    "str x2, [x1]\n\t"                                                        \
    "mov x0, xzr\n\t"                                                         \
    "ret\n\t"                                                                 \
    ".hidden ngx_prof_guard_failed\n\t"                                       \
    ".globl ngx_prof_guard_failed\n"                                          \
    "ngx_prof_guard_failed:\n\t"                                              \
    "mov x0, #-1\n\t"                                                         \
    "ret\n\t"                                                                 \
    ".cfi_endproc\n\t"                                                        \
    ".size ngx_prof_guard_word, . - ngx_prof_guard_word\n\t"                  \
    ".popsection"


/* whether code can be at an address */
#define ngx_prof_arch_aligned(addr)  (((addr) & 3) == 0)

/* whether the frame pointer was pushed this very moment: nothing does that */
#define ngx_prof_arch_pushed(before)  0

/* whether an instruction returns: ret, retaa */
#define ngx_prof_arch_returns(pc)                                             \
    ((*(const volatile uint32_t *) (uintptr_t) (pc) & 0xfffff000)             \
     == 0xd65f0000)

/* the return from a signal handler: mov x8, #139; svc #0 */
#define NGX_PROF_ARCH_SIGRETURN  "\x68\x11\x80\xd2\x01\x00\x00\xd4"


/*
 * Whether a lazy entry of the GOT points at such code, as GNU ld, gold, lld and
 * mold write it: the start of the table, "stp x16, x30, [sp, #-16]!", after a
 * bti perhaps.
 */

static ngx_inline ngx_uint_t
ngx_prof_arch_lazy(const u_char *p, ngx_uint_t index, uintptr_t got)
{
    (void) index;
    (void) got;

    if (ngx_memcmp(p, "\x5f\x24\x03\xd5", 4) == 0) {
        p += 4;
    }

    return ngx_memcmp(p, "\xf0\x7b\xbf\xa9", 4) == 0;
}


/* calls the resolver of an indirect function as the linker does */

static ngx_inline uintptr_t
ngx_prof_arch_resolve(uintptr_t resolver)
{
    struct {
        unsigned long  size;
        unsigned long  hwcap;
        unsigned long  hwcap2;
    } arg;

    arg.size = sizeof(arg);
    arg.hwcap = getauxval(AT_HWCAP);
    arg.hwcap2 = getauxval(AT_HWCAP2);

    /* bit 62 tells that there is a second argument */

    return ((uintptr_t (*)(uint64_t, void *)) resolver)(
                                     arg.hwcap | (uint64_t) 1 << 62, &arg);
}


/* an address that each thread has another one of, by the ABI */

static ngx_inline uintptr_t
ngx_prof_arch_thread(void)
{
    uintptr_t  self;

    __asm__ ("mrs %0, tpidr_el0" : "=r" (self));

    return self;
}


static ngx_inline uint64_t
ngx_prof_arch_counter(void)
{
    uint64_t  ticks;

    __asm__ volatile ("mrs %0, cntvct_el0" : "=r" (ticks));

    return ticks;
}


/* until all instructions before it have ended */

#define ngx_prof_arch_wait()  __asm__ volatile ("isb" : : : "memory")


/* by the only writer, without a lock */

#define ngx_prof_arch_add(p, n)                                               \
    __atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + (n),           \
                     __ATOMIC_RELAXED)


/* *left -= size; whether nothing is left then, or less than that */

static ngx_inline ngx_uint_t
ngx_prof_arch_take(uint64_t *left, uint64_t size)
{
    uint64_t  before;

    before = *left;
    *left = before - size;

    return before <= size;
}


#endif /* __aarch64__ */


#endif /* _NGX_PROF_ARCH_AARCH64_H_INCLUDED_ */
