
/*
 * The rules of a table of ours against those of libdw.
 *
 * Both kinds of rules are evaluated with the same made-up registers and the
 * same made-up memory; what has to be equal is the CFA and where the return
 * address and each kept register of the caller come from.
 */


#include <elfutils/libdw.h>
#include <dwarf.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unwind_oracle.h"


#define LOC_UNDEF   0
#define LOC_SAME    1
#define LOC_MEM     2
#define LOC_VALUE   3
#define LOC_REG     4
#define LOC_ERROR   5


typedef struct {
    int       kind;
    uint64_t  value;
} loc_t;


static uint64_t  regs[64];


static uint64_t
memory(uint64_t addr)
{
    return (addr ^ 0x5bd1e995) * 0x9e3779b97f4a7c15ull;
}


static int64_t
operate(unsigned op, int64_t a, int64_t b)
{
    switch (op) {
    case DW_OP_and: return a & b;
    case DW_OP_or: return a | b;
    case DW_OP_xor: return a ^ b;
    case DW_OP_minus: return a - b;
    case DW_OP_plus: return a + b;
    case DW_OP_mul: return a * b;
    case DW_OP_shl: return (int64_t) ((uint64_t) a << (b & 63));
    case DW_OP_shr: return (int64_t) ((uint64_t) a >> (b & 63));
    case DW_OP_ge: return a >= b;
    case DW_OP_gt: return a > b;
    case DW_OP_le: return a <= b;
    case DW_OP_lt: return a < b;
    case DW_OP_eq: return a == b;
    case DW_OP_ne: return a != b;
    default: abort();
    }
}


/* one operator, whoever decoded it */

static void
run(unsigned op, uint64_t n1, uint64_t n2, int64_t *s, int *n)
{
    if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
        s[(*n)++] = (int64_t) (regs[op - DW_OP_breg0] + n1);

    } else if (op == DW_OP_bregx) {
        s[(*n)++] = (int64_t) (regs[n1] + n2);

    } else if ((op >= DW_OP_const1u && op <= DW_OP_consts)) {
        s[(*n)++] = (int64_t) n1;

    } else if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
        s[(*n)++] = op - DW_OP_lit0;

    } else if (op == DW_OP_deref) {
        s[*n - 1] = (int64_t) memory((uint64_t) s[*n - 1]);

    } else if (op == DW_OP_plus_uconst) {
        s[*n - 1] += (int64_t) n1;

    } else if (op != DW_OP_nop) {
        s[*n - 2] = operate(op, s[*n - 2], s[*n - 1]);
        (*n)--;
    }
}


static loc_t
theirs(const Dwarf_Op *ops, size_t nops, uint64_t cfa, int push)
{
    int      n;
    loc_t    loc;
    size_t   i;
    int64_t  s[32];

    n = 0;
    loc.kind = LOC_MEM;

    if (push) {
        s[n++] = (int64_t) cfa;
    }

    for (i = 0; i < nops; i++) {
        if (ops[i].atom == DW_OP_call_frame_cfa) {
            s[n++] = (int64_t) cfa;

        } else if (ops[i].atom == DW_OP_stack_value) {
            loc.kind = LOC_VALUE;

        } else if (ops[i].atom == DW_OP_regx
                   || (ops[i].atom >= DW_OP_reg0
                       && ops[i].atom <= DW_OP_reg31))
        {
            loc.kind = LOC_REG;
            s[n++] = (ops[i].atom == DW_OP_regx) ? (int64_t) ops[i].number
                                              : ops[i].atom - DW_OP_reg0;
        } else {
            run(ops[i].atom, ops[i].number, ops[i].number2, s, &n);
        }
    }

    loc.value = (uint64_t) s[n - 1];

    return loc;
}


static uint64_t
our_expr(const ngx_prof_cfi_t *cfi, int number, uint64_t cfa, int push)
{
    int            n;
    int64_t        s[32], operand;
    u_char         op;
    const u_char  *p, *end;

    n = 0;
    p = cfi->code + cfi->expr[number];
    end = cfi->code + cfi->expr[number + 1];

    if (push) {
        s[n++] = (int64_t) cfa;
    }

    while (p < end) {
        op = *p;

        if (ngx_prof_cfi_operand(&p, end, &operand) != NGX_OK) {
            abort();
        }

        if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
            s[n++] = operand;

        } else {
            run(op, (uint64_t) operand, 0, s, &n);
        }
    }

    return (uint64_t) s[n - 1];
}


static loc_t
ours(const ngx_prof_cfi_t *cfi, int32_t how, uint64_t cfa)
{
    loc_t    loc;
    int64_t  arg;

    arg = ngx_prof_cfi_arg(how);
    loc.value = cfa + (uint64_t) arg;

    switch (ngx_prof_cfi_kind(how)) {

    case NGX_PROF_CFI_SAME:
        loc.kind = LOC_SAME;
        loc.value = 0;
        break;

    case NGX_PROF_CFI_UNDEF:
        loc.kind = LOC_UNDEF;
        loc.value = 0;
        break;

    case NGX_PROF_CFI_AT:
        loc.kind = LOC_MEM;
        break;

    case NGX_PROF_CFI_VAL:
        loc.kind = LOC_VALUE;
        break;

    case NGX_PROF_CFI_REG:
        loc.kind = LOC_REG;
        loc.value = (uint64_t) arg;
        break;

    case NGX_PROF_CFI_EXPR:
        loc.kind = LOC_MEM;
        loc.value = our_expr(cfi, (int) arg, cfa, 1);
        break;

    case NGX_PROF_CFI_VAL_EXPR:
        loc.kind = LOC_VALUE;
        loc.value = our_expr(cfi, (int) arg, cfa, 1);
        break;

    default:
        loc.kind = LOC_ERROR;
    }

    return loc;
}


/* a register's rule in libdw; cfa is what an expression begins with */

static loc_t
their_register(Dwarf_Frame *frame, int reg, uint64_t cfa)
{
    int        push;
    loc_t      loc;
    size_t     nops;
    Dwarf_Op   mem[3], *ops;

    loc.value = 0;
    loc.kind = LOC_ERROR;

    if (dwarf_frame_register(frame, reg, mem, &ops, &nops) != 0) {
        return loc;
    }

    if (nops == 0) {
        loc.kind = (ops == NULL) ? LOC_SAME : LOC_UNDEF;
        return loc;
    }

    /* a raw expression starts with the CFA on its stack */

    push = (ops[0].atom != DW_OP_call_frame_cfa);

    return theirs(ops, nops, cfa, push);
}


static int compare_registers(const char *name, Dwarf_Frame *frame,
    const ngx_prof_cfi_t *cfi, const ngx_prof_cfi_rule_t *rule, uint64_t pc,
    uint64_t cfa, int quiet);


/* the number of differences at pc; *next is where libdw's row ends */

static int
compare(const char *name, Dwarf_CFI *dw, const ngx_prof_cfi_t *cfi,
    uint64_t pc, uint64_t *next, int quiet)
{
    int                         bad;
    bool                        sig;
    loc_t                       b;
    size_t                      nops;
    Dwarf_Op                   *ops;
    uint64_t                    cfa;
    Dwarf_Addr                  start, end;
    Dwarf_Frame                *frame;
    const ngx_prof_cfi_rule_t  *rule;

    rule = ngx_prof_cfi_lookup(cfi, pc);

    if (dwarf_cfi_addrframe(dw, pc, &frame) != 0) {
        *next = pc + 1;

        if (rule && rule->cfa_kind != NGX_PROF_CFI_NONE && !quiet) {
            printf("%s %lx: a rule where libdw has none: %s\n", name, pc,
                   dwarf_errmsg(-1));
        }

        return rule && rule->cfa_kind != NGX_PROF_CFI_NONE;
    }

    bad = 0;

    (void) dwarf_frame_info(frame, &start, &end, &sig);
    *next = end;

    if (rule == NULL || rule->cfa_kind == NGX_PROF_CFI_NONE) {
        if (!quiet) {
            printf("%s %lx: no rule\n", name, pc);
        }

        free(frame);
        return 1;
    }

    if (cfi->arch == NGX_PROF_CFI_X86_64) {
        regs[16] = pc;
    }

    bad += (!sig != !(rule->flags & NGX_PROF_CFI_SIGNAL));

    if (dwarf_frame_cfa(frame, &ops, &nops) != 0 || nops == 0) {
        printf("%s %lx: libdw has no CFA\n", name, pc);
        free(frame);
        return 1;
    }

    cfa = theirs(ops, nops, 0, 0).value;

    b.value = (rule->cfa_kind == NGX_PROF_CFI_CFA_REG)
              ? regs[rule->cfa_reg] + (uint64_t) (int64_t) rule->cfa
              : our_expr(cfi, rule->cfa, 0, 0);

    if (cfa != b.value) {
        bad++;

        if (!quiet) {
            printf("%s %lx: CFA %lx, libdw %lx\n", name, pc, b.value, cfa);
        }
    }

    bad += compare_registers(name, frame, cfi, rule, pc, cfa, quiet);

    free(frame);

    return bad;
}


static int
compare_registers(const char *name, Dwarf_Frame *frame,
    const ngx_prof_cfi_t *cfi, const ngx_prof_cfi_rule_t *rule, uint64_t pc,
    uint64_t cfa, int quiet)
{
    int             i, bad, reg;
    loc_t           a, b;
    const uint8_t  *slots;

    bad = 0;
    slots = ngx_prof_cfi_slots(cfi->arch);

    for (i = -1; i < NGX_PROF_CFI_SAVED; i++) {
        reg = (i == -1) ? slots[7] : slots[i];

        if (reg == 0xff) {
            continue;
        }

        a = their_register(frame, reg, cfa);
        b = ours(cfi, i == -1 ? rule->ra : rule->saved[i], cfa);

        /* libdw's defaults for x86_64 leave rbx out */

        if (reg == 3 && a.kind == LOC_UNDEF && b.kind == LOC_SAME) {
            continue;
        }

        if (a.kind != b.kind || a.value != b.value) {
            bad++;

            if (!quiet) {
                printf("%s %lx: register %d: %d %lx, libdw %d %lx\n", name,
                       pc, reg, b.kind, b.value, a.kind, a.value);
            }
        }

        if (i >= 0
            && !(rule->changed & (1 << i)) != (rule->saved[i] == 0))
        {
            bad++;
        }
    }

    return bad;
}


static int
sections(Elf *elf, ngx_prof_cfi_src_t *src)
{
    size_t      i, n, strings;
    Elf_Scn    *scn;
    GElf_Shdr   shdr;
    GElf_Phdr   phdr;
    Elf_Data   *data;

    src->data = NULL;
    src->start = 0;

    if (elf_getphdrnum(elf, &n) != 0
        || elf_getshdrstrndx(elf, &strings) != 0)
    {
        return -1;
    }

    for (i = 0; i < n; i++) {
        if (gelf_getphdr(elf, (int) i, &phdr)
            && phdr.p_type == PT_LOAD && (phdr.p_flags & PF_X))
        {
            src->start = phdr.p_vaddr;
            src->end = phdr.p_vaddr + phdr.p_memsz;
        }
    }

    for (scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {
        if (gelf_getshdr(scn, &shdr)
            && strcmp(elf_strptr(elf, strings, shdr.sh_name), ".eh_frame")
               == 0)
        {
            data = elf_rawdata(scn, NULL);
            src->data = data->d_buf;
            src->len = data->d_size;
            src->addr = shdr.sh_addr;
            src->exact = 1;
        }
    }

    return (src->data && src->end > src->start) ? 0 : -1;
}


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1e3 + (double) ts.tv_nsec / 1e6;
}


/*
 * What holds at an address holds from pc to end, its row: for at most the
 * bucket it is in, but for all that the lookup would say the same of.
 */

static unsigned
reach(const ngx_prof_cfi_t *cfi, uint64_t pc, uint64_t end)
{
    unsigned  wrong;
    uint32_t  before, after;
    uint64_t  at, low, high, bucket;

    wrong = 0;
    bucket = 1 << NGX_PROF_CFI_BUCKET;

    for (at = pc; at <= end; at += 1 + (end - at) / 3) {
        low = at - (at - cfi->start) % bucket;
        high = ngx_min(low + bucket, end + 1);
        low = ngx_max(low, pc);

        ngx_prof_cfi_reach(cfi, at, &before, &after);

        wrong += (at - before != low || at + after != high);
    }

    return wrong;
}


int
unwind_oracle(const char *name, char *image, size_t size,
    unwind_oracle_t *result)
{
    Elf                *elf;
    double              t;
    uint32_t            i;
    uint64_t            pc, next, end, page;
    GElf_Ehdr           ehdr;
    Dwarf_CFI          *dw;
    ngx_prof_cfi_t     *cfi;
    ngx_prof_cfi_src_t  src;

    memset(result, 0, sizeof(*result));
    elf_version(EV_CURRENT);

    for (i = 0; i < 64; i++) {
        regs[i] = memory(i) & 0x7ffffffffff8;
    }

    elf = elf_memory(image, size);

    if (elf == NULL || gelf_getehdr(elf, &ehdr) == NULL
        || sections(elf, &src) != 0)
    {
        return -1;
    }

    src.arch = (ehdr.e_machine == EM_AARCH64) ? NGX_PROF_CFI_AARCH64
                                           : NGX_PROF_CFI_X86_64;
    t = now();

    if (ngx_prof_cfi_build(&src, &cfi, &result->stats) != NGX_OK) {
        return -1;
    }

    result->ms = now() - t;
    result->rows = cfi->nrows;
    result->rules = cfi->nrules;
    result->bytes = cfi->size;

    dw = dwarf_getcfi_elf(elf);
    page = cfi->start;
    end = 0;

    for (i = 0; i < cfi->nrows && dw; i++) {

        /* rows hold 16 bits of their address */

        pc = page + ((cfi->rows[i].addr - (page - cfi->start)) & 0xffff);

        while (i && pc <= end) {
            pc += 65536;
        }

        /* an empty 64 KiB between rows cannot be told from the rows alone */

        while (ngx_prof_cfi_lookup(cfi, pc) != &cfi->rules[cfi->rows[i].rule])
        {
            pc += 65536;
        }

        page = pc;
        end = pc;

        while (end + 1 < cfi->start + cfi->len
               && ngx_prof_cfi_lookup(cfi, end + 1)
                  == &cfi->rules[cfi->rows[i].rule])
        {
            end++;
        }

        if (cfi->rows[i].rule == 0) {
            result->compared += 2;
            result->wrong += compare(name, dw, cfi, pc, &next,
                                     result->wrong > 8);
            result->wrong += compare(name, dw, cfi, end, &next,
                                     result->wrong > 8);
            continue;
        }

        result->wrong += reach(cfi, pc, end);

        /* each row of libdw within this one, and the last byte of each */

        for ( /* void */ ; pc <= end; pc = next) {
            result->compared += 2;
            result->wrong += compare(name, dw, cfi, pc, &next,
                                     result->wrong > 8);
            next = ngx_min(next, end + 1);
            result->wrong += compare(name, dw, cfi, next - 1, &page,
                                     result->wrong > 8);
        }

        page = end;
    }

    dwarf_cfi_end(dw);
    elf_end(elf);
    ngx_prof_cfi_free(cfi);

    return 0;
}


char *
unwind_oracle_read(const char *name, size_t *size)
{
    FILE  *f;
    char  *p;
    long   n;

    f = fopen(name, "rb");

    if (f == NULL) {
        return NULL;
    }

    fseek(f, 0, SEEK_END);
    n = ftell(f);
    rewind(f);

    p = malloc((size_t) n);
    *size = fread(p, 1, (size_t) n, f);
    fclose(f);

    return p;
}


int
unwind_oracle_file(const char *name, unwind_oracle_t *result)
{
    int     rc;
    char   *image;
    size_t  size;

    image = unwind_oracle_read(name, &size);

    if (image == NULL) {
        return -1;
    }

    rc = unwind_oracle(name, image, size, result);
    free(image);

    return rc;
}
