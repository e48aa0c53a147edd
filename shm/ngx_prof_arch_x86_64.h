
/*
 * x86_64: registers, code and instructions.  See ngx_prof_arch.h.
 */


#ifndef _NGX_PROF_ARCH_X86_64_H_INCLUDED_
#define _NGX_PROF_ARCH_X86_64_H_INCLUDED_


#if (__x86_64__)


/* calls leave the return address on the stack, not in a register */
#define NGX_PROF_ARCH_LINKS    0

/* DWARF numbers; LR: there is none */
#define NGX_PROF_ARCH_SP       7
#define NGX_PROF_ARCH_FP       6
#define NGX_PROF_ARCH_LR       0
#define NGX_PROF_ARCH_PC       16

/* their names, PC's behind them */
#define NGX_PROF_ARCH_NAMES                                                   \
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9",       \
    "r10", "r11", "r12", "r13", "r14", "r15", "rip"

/* those below PC, as bits; that calls keep: rbx, rbp, rsp, r12..r15 */
#define NGX_PROF_ARCH_REGS     16
#define NGX_PROF_ARCH_KNOWN    0x0000ffff
#define NGX_PROF_ARCH_KEPT     0x0000f0c8

/* how many of them a function has to save before it uses them */
#define NGX_PROF_ARCH_SAVES    6

/* whether the frames of LuaJIT's machine are known (lua_vm.h) */
#define NGX_PROF_ARCH_LUAJIT   1

/* bytes below the stack pointer that are in use */
#define NGX_PROF_ARCH_RED      128

/* of an address, what is one */
#define NGX_PROF_ARCH_ADDRESS  0xffffffffffffffffull

/* relocations */
#define NGX_PROF_ARCH_JUMP_SLOT  R_X86_64_JUMP_SLOT
#define NGX_PROF_ARCH_GLOB_DAT   R_X86_64_GLOB_DAT
#define NGX_PROF_ARCH_ABSOLUTE   R_X86_64_64

/* what the kernel calls its clock if that is the counter */
#define NGX_PROF_ARCH_COUNTER  "tsc\n"


#define ngx_prof_arch_pc(uc)                                                  \
    ((uintptr_t) (uc)->uc_mcontext.gregs[REG_RIP])

#define ngx_prof_arch_sp(uc)                                                  \
    ((uintptr_t) (uc)->uc_mcontext.gregs[REG_RSP])


/* where a ucontext has a register, by its DWARF number, and PC */

static ngx_inline size_t
ngx_prof_arch_place(ngx_uint_t reg)
{
    static const uint8_t  gregs[] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
        REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
        REG_RIP
    };

    return offsetof(ucontext_t, uc_mcontext) + offsetof(mcontext_t, gregs)
           + gregs[reg] * sizeof(greg_t);
}


/* bytes from the stack pointer of a signal's frame to its ucontext */
#define NGX_PROF_ARCH_SIGNAL   0


/*
 * The registers that a call keeps, and the program counter, of here: all in
 * one statement, the rules of this pc are those of its registers.
 */

#define ngx_prof_arch_here(pc, reg)                                           \
    __asm__ volatile ("leaq 0(%%rip), %%rax\n\t"                              \
                      "movq %%rax, (%2)\n\t"                                  \
                      "movq %%rbx, 24(%3)\n\t"                                \
                      "movq %%rbp, 48(%3)\n\t"                                \
                      "movq %%rsp, 56(%3)\n\t"                                \
                      "movq %%r12, 96(%3)\n\t"                                \
                      "movq %%r13, 104(%3)\n\t"                               \
                      "movq %%r14, 112(%3)\n\t"                               \
                      "movq %%r15, 120(%3)"                                   \
                      : "=m" (pc), "=m" (reg)                                 \
                      : "r" (&(pc)), "r" (reg) : "rax", "memory")


/* rt_sigprocmask() of a set, with a "how" that is none */

static ngx_inline long
ngx_prof_arch_mask(uint64_t set)
{
    long           rc;
    register long  r10 __asm__("r10") = 8;

    __asm__ volatile ("syscall" : "=a" (rc)
                      : "a" ((long) SYS_rt_sigprocmask), "D" (-1L),
                        "S" (set), "d" (0L), "r" (r10)
                      : "rcx", "r11", "memory");

    return rc;
}


/* where the direct call that ends before addr leads to; 0: it is none */

static ngx_inline uint64_t
ngx_prof_arch_target(uint64_t addr, const u_char before[8])
{
    int32_t  rel;

    if (before[3] != 0xe8) {                               /* call rel32 */
        return 0;
    }

    ngx_memcpy(&rel, before + 4, sizeof(rel));

    return addr + (uint64_t) (int64_t) rel;
}


/*
 * The place that the call or jump that ends before addr takes its target from,
 * if that is relative to it: of a table that the loader has filled.  0: it is
 * none.
 */

static ngx_inline uint64_t
ngx_prof_arch_slot(uint64_t addr, const u_char before[8])
{
    int32_t  rel;

    if (before[2] != 0xff || (before[3] != 0x15 && before[3] != 0x25)) {
        return 0;
    }

    ngx_memcpy(&rel, before + 4, sizeof(rel));

    return addr + (uint64_t) (int64_t) rel;
}


/* whether it is an indirect call: ff /2, of 2, 3, 4, 6 or 7 bytes */

static ngx_inline ngx_uint_t
ngx_prof_arch_indirect(const u_char b[8])
{
    return (b[6] == 0xff && (b[7] & 0xf8) == 0xd0)
           || (b[6] == 0xff && (b[7] & 0xf8) == 0x10
               && b[7] != 0x14 && b[7] != 0x15)
           || (b[5] == 0xff && b[6] == 0x14)
           || (b[5] == 0xff && (b[6] & 0xf8) == 0x50 && b[6] != 0x54)
           || (b[4] == 0xff && b[5] == 0x54)
           || (b[2] == 0xff && (b[3] & 0xf8) == 0x90 && b[3] != 0x94)
           || (b[2] == 0xff && b[3] == 0x15)
           || (b[1] == 0xff && b[2] == 0x14 && (b[3] & 0x07) == 0x05)
           || (b[1] == 0xff && b[2] == 0x94);
}


/* see guard.c: *addr to *value, 0; if that faults: -1 */

#define NGX_PROF_ARCH_GUARD                                                   \
    ".pushsection .text\n\t"                                                  \
    ".p2align 4\n\t"                                                          \
    ".hidden ngx_prof_guard_word\n\t"                                         \
    ".globl ngx_prof_guard_word\n\t"                                          \
    ".type ngx_prof_guard_word, @function\n"                                  \
    "ngx_prof_guard_word:\n\t"                                                \
    ".cfi_startproc\n\t"                                                      \
    "xorl %eax, %eax\n\t"                                                     \
    ".hidden ngx_prof_guard_at\n\t"                                           \
    ".globl ngx_prof_guard_at\n"                                              \
    "ngx_prof_guard_at:\n\t"                                                  \
    "movq (%rdi), %rdx\n\t"                                                   \
    "movq %rdx, (%rsi)\n\t"                                                   \
    "ret\n\t"                                                                 \
    ".hidden ngx_prof_guard_failed\n\t"                                       \
    ".globl ngx_prof_guard_failed\n"                                          \
    "ngx_prof_guard_failed:\n\t"                                              \
    "movq $-1, %rax\n\t"                                                      \
    "ret\n\t"                                                                 \
    ".cfi_endproc\n\t"                                                        \
    ".size ngx_prof_guard_word, . - ngx_prof_guard_word\n\t"                  \
    ".popsection"


/* whether code can be at an address */
#define ngx_prof_arch_aligned(addr)  1

/* whether the frame pointer was pushed this very moment */
#define ngx_prof_arch_pushed(before)  ((before)[7] == 0x55)

/* whether an instruction returns; of use with a link register only */
#define ngx_prof_arch_returns(pc)  1

/* the return from a signal handler: mov $15, %rax; the first byte of syscall */
#define NGX_PROF_ARCH_SIGRETURN  "\x48\xc7\xc0\x0f\x00\x00\x00\x0f"


/*
 * Whether a lazy entry of the GOT points at such code, as GNU ld, gold, lld and
 * mold write it: "push $index", or the start of the table, "push GOT[1]", in
 * mold's case after "push %r11"; an endbr64 may come first.
 */

static ngx_inline ngx_uint_t
ngx_prof_arch_lazy(const u_char *p, ngx_uint_t index, uintptr_t got)
{
    int32_t  word;

    if (ngx_memcmp(p, "\xf3\x0f\x1e\xfa", 4) == 0) {
        p += 4;
    }

    if (p[0] == 0x68) {
        ngx_memcpy(&word, &p[1], sizeof(int32_t));
        return (ngx_uint_t) (uint32_t) word == index;
    }

    if (p[0] == 0x41 && p[1] == 0x53) {
        p += 2;
    }

    if (p[0] != 0xff || p[1] != 0x35 || got == 0) {
        return 0;
    }

    ngx_memcpy(&word, &p[2], sizeof(int32_t));

    return (uintptr_t) p + 6 + (intptr_t) word == got + 8;
}


/* calls the resolver of an indirect function as the linker does */
#define ngx_prof_arch_resolve(resolver)                                       \
    ((uintptr_t (*)(void)) (resolver))()


/* an address that each thread has another one of, by the ABI */

static ngx_inline uintptr_t
ngx_prof_arch_thread(void)
{
    uintptr_t  self;

    __asm__ ("movq %%fs:0, %0" : "=r" (self));

    return self;
}


#define ngx_prof_arch_counter()  __builtin_ia32_rdtsc()


/* until all instructions before it have ended */

#define ngx_prof_arch_wait()  __asm__ volatile ("lfence" : : : "memory")


/*
 * By the only writer, one instruction instead of a load, an addition and a
 * store; TSan sees no assembly.
 */

#if (__SANITIZE_THREAD__)

#define ngx_prof_arch_add(p, n)                                               \
    __atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + (n),           \
                     __ATOMIC_RELAXED)

#else

#define ngx_prof_arch_add(p, n)                                               \
    __asm__ ("addq %1, %0"                                                    \
             : "+m" (*(uint64_t *) (p)) : "er" ((uint64_t) (n)) : "cc")

#endif


/* *left -= size; whether nothing is left then, or less than that */

static ngx_inline ngx_uint_t
ngx_prof_arch_take(uint64_t *left, uint64_t size)
{
#if (__GCC_ASM_FLAG_OUTPUTS__)

    ngx_uint_t  ended;

    /* compilers would load, subtract, store and compare */

    __asm__ ("subq %2, %1" : "=@ccbe" (ended), "+m" (*left) : "r" (size));

    return ended;

#else

    uint64_t  before;

    before = *left;
    *left = before - size;

    return before <= size;

#endif
}


#endif /* __x86_64__ */


#endif /* _NGX_PROF_ARCH_X86_64_H_INCLUDED_ */
