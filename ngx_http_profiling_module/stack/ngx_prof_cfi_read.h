
/*
 * What the two halves of the .eh_frame parser share: the bounded reader and
 * the state of a parse.  Internal to ngx_prof_cfi*.c.
 */


#ifndef _NGX_PROF_CFI_READ_H_INCLUDED_
#define _NGX_PROF_CFI_READ_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_cfi.h"


#define NGX_PROF_CFI_MAX_LEN    (128 * 1024 * 1024)
#define NGX_PROF_CFI_RULES      65536
#define NGX_PROF_CFI_HEADS      4096
#define NGX_PROF_CFI_CIES       8
#define NGX_PROF_CFI_DEPTH      16              /* of remember_state */
#define NGX_PROF_CFI_EXPRS      256
#define NGX_PROF_CFI_CIE_LEN    4096
#define NGX_PROF_CFI_EXPR_LEN   64              /* bytes of one expression */

/* end of the list of rules with the same hash: rule 0 is in no list */
#define NGX_PROF_CFI_NIL        0


/* DW_EH_PE_* */
#define NGX_PROF_PE_ABSPTR      0x00
#define NGX_PROF_PE_ULEB128     0x01
#define NGX_PROF_PE_UDATA2      0x02
#define NGX_PROF_PE_UDATA4      0x03
#define NGX_PROF_PE_UDATA8      0x04
#define NGX_PROF_PE_SIGNED      0x08
#define NGX_PROF_PE_SLEB128     0x09
#define NGX_PROF_PE_SDATA2      0x0a
#define NGX_PROF_PE_SDATA4      0x0b
#define NGX_PROF_PE_SDATA8      0x0c
#define NGX_PROF_PE_PCREL       0x10
#define NGX_PROF_PE_DATAREL     0x30
#define NGX_PROF_PE_ALIGNED     0x50
#define NGX_PROF_PE_INDIRECT    0x80
#define NGX_PROF_PE_OMIT        0xff


typedef struct {
    const u_char                    *pos;
    const u_char                    *end;
    ngx_uint_t                       bad;    /* a read went past the end */
} ngx_prof_cfi_reader_t;


typedef struct {
    const u_char          *start;            /* its entry, NULL: unused */
    ngx_int_t              rc;
    uint64_t               code_align;
    int64_t                data_align;
    uint64_t               ra;
    u_char                 encoding;
    u_char                 augmented;
    ngx_prof_cfi_rule_t    initial;
} ngx_prof_cfi_cie_t;


typedef struct {
    uint32_t                         start;  /* offsets in the text */
    uint32_t                         end;
    uint32_t                         row;    /* its first one */
    uint32_t                         nrows;
} ngx_prof_cfi_fde_t;


typedef struct {
    uint32_t                         addr;
    uint32_t                         rule;
} ngx_prof_cfi_wide_t;


/* an entry of .eh_frame: a CIE or an FDE */

typedef struct {
    const u_char                    *start;
    const u_char                    *body;   /* after the CIE pointer */
    const u_char                    *end;
    const u_char                    *cie;    /* NULL: this is a CIE */
} ngx_prof_cfi_entry_t;


typedef struct {
    ngx_prof_cfi_src_t   *src;
    ngx_prof_cfi_stats_t  stats;

    ngx_prof_cfi_wide_t  *rows;
    ngx_prof_cfi_fde_t   *fdes;
    ngx_prof_cfi_rule_t  *rules;
    uint16_t             *next;
    uint32_t             *expr;
    u_char               *code;

    uint32_t              nrows;
    uint32_t              nfdes;
    uint32_t              nrules;
    uint32_t              nexprs;

    uint16_t              head[NGX_PROF_CFI_HEADS];
    ngx_prof_cfi_cie_t    cie[NGX_PROF_CFI_CIES];
} ngx_prof_cfi_parser_t;


/* the machine that runs the instructions of one CIE or FDE */

typedef struct {
    ngx_prof_cfi_parser_t *parser;
    ngx_prof_cfi_cie_t    *cie;
    ngx_prof_cfi_fde_t    *fde;              /* NULL: runs a CIE */
    const uint8_t         *slots;
    uint64_t               addr;
    ngx_uint_t             dirty;
    ngx_uint_t             depth;
    ngx_prof_cfi_reader_t  in;
    ngx_prof_cfi_rule_t    rule;
    ngx_prof_cfi_rule_t    stack[NGX_PROF_CFI_DEPTH];
} ngx_prof_cfi_run_t;


/*
 * Runs one instruction.  NGX_DONE: the end of the function is reached;
 * NGX_ERROR: it makes no sense, the rules cannot be relied upon any more.
 */
ngx_int_t ngx_prof_cfi_instruction(ngx_prof_cfi_run_t *run);

/* the rules so far hold from run->addr on: adds a row unless it says nothing */
void ngx_prof_cfi_emit(ngx_prof_cfi_run_t *run);

/* sorts and builds the table; NGX_ERROR: no memory */
ngx_int_t ngx_prof_cfi_finish(ngx_prof_cfi_parser_t *p,
    ngx_prof_cfi_t **table);

/* by DWARF number: 1 + its place in saved[], 0 if it is not kept */
const uint8_t *ngx_prof_cfi_kept(ngx_uint_t arch);


static ngx_inline uint64_t
ngx_prof_cfi_uint(ngx_prof_cfi_reader_t *in, size_t n)
{
    size_t    i;
    uint64_t  v;

    if ((size_t) (in->end - in->pos) < n) {
        in->pos = in->end;
        in->bad = 1;
        return 0;
    }

    /*
     * both architectures are little-endian; a loop, lest memcpy() is called
     * from a signal handler that runs an expression
     */

    v = 0;

    for (i = 0; i < n; i++) {
        v |= (uint64_t) in->pos[i] << (i * 8);
    }

    in->pos += n;

    return v;
}


static ngx_inline int64_t
ngx_prof_cfi_int(ngx_prof_cfi_reader_t *in, size_t n)
{
    uint64_t  v, sign;

    v = ngx_prof_cfi_uint(in, n);
    sign = (uint64_t) 1 << (n * 8 - 1);

    return (int64_t) ((v ^ sign) - sign);
}


static ngx_inline uint64_t
ngx_prof_cfi_leb(ngx_prof_cfi_reader_t *in, ngx_uint_t is_signed)
{
    u_char      c;
    uint64_t    v;
    ngx_uint_t  shift;

    v = 0;
    shift = 0;

    do {
        if (in->pos == in->end) {
            in->bad = 1;
            return 0;
        }

        c = *in->pos++;

        if (shift < 64) {
            v |= (uint64_t) (c & 0x7f) << shift;
        }

        shift += 7;

    } while (c & 0x80);

    if (is_signed && (c & 0x40) && shift < 64) {
        v |= ~(uint64_t) 0 << shift;
    }

    return v;
}


#define ngx_prof_cfi_uleb(in)  ngx_prof_cfi_leb(in, 0)
#define ngx_prof_cfi_sleb(in)                                                 \
    ((int64_t) ngx_prof_cfi_leb(in, 1))


/* a pointer in one of the encodings, without what it is relative to */

static ngx_inline uint64_t
ngx_prof_cfi_value(ngx_prof_cfi_reader_t *in, ngx_uint_t encoding)
{
    switch (encoding & 0x0f) {

    case NGX_PROF_PE_ABSPTR:
    case NGX_PROF_PE_SIGNED:
    case NGX_PROF_PE_UDATA8:
    case NGX_PROF_PE_SDATA8:
        return ngx_prof_cfi_uint(in, 8);

    case NGX_PROF_PE_UDATA4:
        return ngx_prof_cfi_uint(in, 4);

    case NGX_PROF_PE_SDATA4:
        return (uint64_t) ngx_prof_cfi_int(in, 4);

    case NGX_PROF_PE_UDATA2:
        return ngx_prof_cfi_uint(in, 2);

    case NGX_PROF_PE_SDATA2:
        return (uint64_t) ngx_prof_cfi_int(in, 2);

    case NGX_PROF_PE_ULEB128:
        return ngx_prof_cfi_uleb(in);

    case NGX_PROF_PE_SLEB128:
        return (uint64_t) ngx_prof_cfi_sleb(in);

    default:
        in->bad = 1;
        return 0;
    }
}


/* an encoded pointer; data_addr is what DATAREL is relative to (0: none) */

static ngx_inline uint64_t
ngx_prof_cfi_pointer(ngx_prof_cfi_reader_t *in, ngx_uint_t encoding,
    const u_char *data, uint64_t addr, uint64_t data_addr)
{
    uint64_t  v, at;

    at = addr + (in->pos - data);

    if (encoding == NGX_PROF_PE_ALIGNED) {
        (void) ngx_prof_cfi_uint(in, (size_t) (-at & 7));
        return ngx_prof_cfi_uint(in, 8);
    }

    v = ngx_prof_cfi_value(in, encoding);

    switch (encoding & 0xf0) {

    case 0:
        return v;

    case NGX_PROF_PE_PCREL:
        /* null is null, whatever it would be relative to */
        return v ? v + at : 0;

    case NGX_PROF_PE_DATAREL:
        if (data_addr) {
            return v + data_addr;
        }

        /* fall through */

    default:
        in->bad = 1;
        return 0;
    }
}


#endif /* _NGX_PROF_CFI_READ_H_INCLUDED_ */
