
/*
 * .eh_frame -> compact unwind table.
 *
 * The parser works on a range of memory and never reads outside of it; it
 * does not care whether the range belongs to this process or to a file of
 * another architecture.  It runs in normal context only (master, worker,
 * tests, other programs).  A table is read-only once it is built, and its
 * lookup may be done from signal handlers.
 *
 * A table has a row of four bytes for each change of the rules: the low 16
 * bits of the address and the number of the rule.  Each rule is kept once.
 * An index of the first row in each 1 KiB of text keeps the search short.
 */


#ifndef _NGX_PROF_CFI_H_INCLUDED_
#define _NGX_PROF_CFI_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_prof_arch.h"


#define NGX_PROF_CFI_X86_64    0
#define NGX_PROF_CFI_AARCH64   1

/* of this process */
#define NGX_PROF_CFI_NATIVE    NGX_PROF_ARCH_LINKS

/* registers whose rules are kept, see ngx_prof_cfi_slots() */
#define NGX_PROF_CFI_SAVED     6

/* the first of them is the frame pointer: a bit of `changed` */
#define NGX_PROF_CFI_FP        1

/* DWARF registers a rule may name: 0..31 */
#define NGX_PROF_CFI_REGS      32

#define NGX_PROF_CFI_BUCKET    10                  /* log2 of 1 KiB */


/* how the CFA is found; NONE: CFI knows nothing of this address */

#define NGX_PROF_CFI_NONE      0
#define NGX_PROF_CFI_CFA_REG   1                   /* register + offset */
#define NGX_PROF_CFI_CFA_EXPR  2                   /* expression number */


/* how a register of the caller is found: kind in the low 3 bits */

#define NGX_PROF_CFI_SAME      0
#define NGX_PROF_CFI_UNDEF     1
#define NGX_PROF_CFI_AT        2                   /* load CFA + offset */
#define NGX_PROF_CFI_VAL       3                   /* CFA + offset */
#define NGX_PROF_CFI_REG       4                   /* another register */
#define NGX_PROF_CFI_EXPR      5                   /* load expression */
#define NGX_PROF_CFI_VAL_EXPR  6                   /* expression */
#define NGX_PROF_CFI_BAD       7                   /* not representable */

#define ngx_prof_cfi_kind(how)       ((how) & 7)
#define ngx_prof_cfi_arg(how)        ((how) >> 3)

/* an argument has 29 bits: offsets within 256 MiB of the CFA */
#define ngx_prof_cfi_how(kind, arg)                                           \
    ((int32_t) (((uint32_t) (int32_t) (arg) << 3) | (kind)))

#define NGX_PROF_CFI_SIGNAL    1                   /* flag: signal frame */


typedef struct {
    int32_t          cfa;                          /* offset or expression */
    uint8_t          cfa_kind;
    uint8_t          cfa_reg;
    uint8_t          flags;
    uint8_t          changed;                      /* bits: saved[] not SAME */
    int32_t          ra;                           /* return address */
    int32_t          saved[NGX_PROF_CFI_SAVED];
} ngx_prof_cfi_rule_t;


typedef struct {
    uint16_t         addr;                         /* low bits of the offset */
    uint16_t         rule;
} ngx_prof_cfi_row_t;


/* what the parser was given; addresses are those of the running object */

typedef struct {
    const u_char    *data;                         /* .eh_frame */
    size_t           len;
    uint64_t         addr;                         /* address of data[0] */

    uint64_t         start;                        /* text: first address */
    uint64_t         end;                          /* and the one after it */

    ngx_uint_t       arch;
    ngx_uint_t       exact;                        /* len is known for sure:
                                                      go on after a
                                                      terminator */
} ngx_prof_cfi_src_t;


/* counts of one parse; all but the first three count bad or odd data */

typedef struct {
    uint32_t         cies;
    uint32_t         fdes;
    uint32_t         rows;
    uint32_t         bad_entry;                    /* lengths that do not fit */
    uint32_t         bad_cie;
    uint32_t         bad_fde;                      /* incl. bad instructions */
    uint32_t         out_of_text;                  /* FDEs not of this text */
    uint32_t         overlapping;                  /* duplicates included */
    uint32_t         unsupported;                  /* rules given up as BAD */
} ngx_prof_cfi_stats_t;


typedef struct {
    uint64_t                   start;
    uint32_t                   len;                /* bytes of text */
    uint32_t                   arch;
    size_t                     size;               /* bytes of the mapping */

    uint32_t                   nrows;
    uint32_t                   nrules;
    uint32_t                   nexprs;
    uint32_t                   nbuckets;

    const uint32_t            *index;              /* nbuckets + 1 */
    const ngx_prof_cfi_row_t  *rows;
    const ngx_prof_cfi_rule_t *rules;              /* [0] is NONE */
    const uint32_t            *expr;               /* nexprs + 1 offsets */
    const u_char              *code;               /* of expressions */

    ngx_prof_cfi_stats_t       stats;
} ngx_prof_cfi_t;


/* DWARF numbers of the registers in saved[] (0xff: none), of SP, of RA */
const uint8_t *ngx_prof_cfi_slots(ngx_uint_t arch);

/*
 * Reads the operand of the expression operator *p, and moves *p past both.
 * NGX_DECLINED: not an operator of expressions that unwinding can need (no
 * jumps, no divisions).  Safe in signal handlers.
 */
ngx_int_t ngx_prof_cfi_operand(const u_char **p, const u_char *end,
    int64_t *operand);


/*
 * The row after the one in force at pc: the same for all addresses that one
 * row covers.  NULL if pc is outside of the text.  Signal safe.
 */

static ngx_inline const ngx_prof_cfi_row_t *
ngx_prof_cfi_row(const ngx_prof_cfi_t *cfi, uint64_t pc)
{
    uint32_t                   lo, n, half, bucket;
    uint64_t                   off;
    const ngx_prof_cfi_row_t  *row;

    off = pc - cfi->start;

    if (off >= cfi->len) {
        return NULL;
    }

    bucket = (uint32_t) (off >> NGX_PROF_CFI_BUCKET);

    /*
     * the row in force is the last one at or before pc; the search runs over
     * the bucket's rows without a branch that depends on the data
     */

    lo = cfi->index[bucket];
    n = cfi->index[bucket + 1] - lo;
    row = cfi->rows + lo;

    while (n) {
        half = (n + 1) / 2;
        row += (row[half - 1].addr <= (uint16_t) off) ? half : 0;
        n -= half;
    }

    return row;
}


/* the rule for pc, or NULL if pc is outside of the text.  Signal safe. */

static ngx_inline const ngx_prof_cfi_rule_t *
ngx_prof_cfi_lookup(const ngx_prof_cfi_t *cfi, uint64_t pc)
{
    const ngx_prof_cfi_row_t  *row;

    row = ngx_prof_cfi_row(cfi, pc);

    if (row == NULL) {
        return NULL;
    }

    return (row == cfi->rows) ? cfi->rules : &cfi->rules[row[-1].rule];
}


/*
 * How many bytes from pc on, and before it, have the same rule.  The count may
 * fall short in a large function; it is 0 where there is no rule.
 * Signal safe.
 */

static ngx_inline void
ngx_prof_cfi_reach(const ngx_prof_cfi_t *cfi, uint64_t pc, uint32_t *before,
    uint32_t *after)
{
    uint32_t                   low, mask, bucket;
    const ngx_prof_cfi_row_t  *row;

    mask = ((uint32_t) 1 << NGX_PROF_CFI_BUCKET) - 1;
    low = (uint32_t) (pc - cfi->start);
    bucket = low >> NGX_PROF_CFI_BUCKET;

    row = ngx_prof_cfi_row(cfi, pc);

    if (row == NULL) {
        *before = 0;
        *after = 0;
        return;
    }

    /* rows of other buckets may lie anywhere, so the count stays in this one */

    *before = (row > cfi->rows + cfi->index[bucket])
              ? (uint16_t) (low - row[-1].addr) : low & mask;
    *after = (row < cfi->rows + cfi->index[bucket + 1])
             ? (uint16_t) (row->addr - low)
             : ngx_min(mask + 1 - (low & mask), cfi->len - low);
}


#endif /* _NGX_PROF_CFI_H_INCLUDED_ */
