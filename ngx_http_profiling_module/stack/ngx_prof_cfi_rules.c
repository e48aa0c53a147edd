
/*
 * The machine that runs call frame instructions and collects the rules.
 *
 * DWARF 5, section 6.4.2; only the registers that a walk needs are kept: the
 * return address and those that a callee saves and a CFA may be based on.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_prof_cfi.h"
#include "ngx_prof_cfi_read.h"


static ngx_int_t ngx_prof_cfi_extended(ngx_prof_cfi_run_t *run, u_char op);
static ngx_int_t ngx_prof_cfi_register(ngx_prof_cfi_run_t *run, u_char op);


/* x86_64: rbx 3, rbp 6, rsp 7, r12..r15, return address 16 */

static const uint8_t  ngx_prof_cfi_x86_64[] = {
    6, 3, 12, 13, 14, 15, 7, 16
};

/* aarch64: x29 (frame pointer), x19..x23, sp 31, x30 (link register) */

static const uint8_t  ngx_prof_cfi_aarch64[] = {
    29, 19, 20, 21, 22, 23, 31, 30
};


/* the inverse: DWARF number -> saved[]; 0: the register is not kept */

static const uint8_t
    ngx_prof_cfi_places[][NGX_PROF_CFI_REGS] =
{
    { [6] = 1, [3] = 2, [12] = 3, [13] = 4, [14] = 5, [15] = 6 },
    { [29] = 1, [19] = 2, [20] = 3, [21] = 4, [22] = 5, [23] = 6 }
};


const uint8_t *
ngx_prof_cfi_slots(ngx_uint_t arch)
{
    return (arch == NGX_PROF_CFI_AARCH64)
           ? ngx_prof_cfi_aarch64 : ngx_prof_cfi_x86_64;
}


const uint8_t *
ngx_prof_cfi_kept(ngx_uint_t arch)
{
    return ngx_prof_cfi_places[
                         arch == NGX_PROF_CFI_AARCH64 ? 1 : 0];
}


/* returns the number of the rule and adds it if it is new */

static uint32_t
ngx_prof_cfi_intern(ngx_prof_cfi_parser_t *p, ngx_prof_cfi_rule_t *rule)
{
    uint32_t   i;
    uint64_t   hash, w[(sizeof(*rule) + 7) / 8];
    uint16_t  *head;

    if (rule->cfa_kind == NGX_PROF_CFI_NONE) {
        return 0;
    }

    hash = 0;
    w[sizeof(w) / sizeof(w[0]) - 1] = 0;
    ngx_memcpy(w, rule, sizeof(*rule));

    for (i = 0; i < sizeof(w) / sizeof(w[0]); i++) {
        hash = (hash ^ w[i]) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 32;
    }

    head = &p->head[(hash >> 40) % NGX_PROF_CFI_HEADS];

    for (i = *head; i != NGX_PROF_CFI_NIL; i = p->next[i]) {
        if (ngx_memcmp(&p->rules[i], rule, sizeof(*rule)) == 0) {
            return i;
        }
    }

    if (p->nrules == NGX_PROF_CFI_RULES) {
        p->stats.unsupported++;
        return 0;
    }

    i = p->nrules++;
    p->rules[i] = *rule;
    p->next[i] = *head;
    *head = (uint16_t) i;

    return i;
}


/* returns the number of the expression; -1: it is not supported */

static int32_t
ngx_prof_cfi_intern_expr(ngx_prof_cfi_parser_t *p, const u_char *expr,
    size_t len)
{
    size_t         n;
    int64_t        operand;
    uint32_t       i;
    const u_char  *pos;

    if (len > NGX_PROF_CFI_EXPR_LEN) {
        return -1;
    }

    for (pos = expr; pos < expr + len; /* void */) {
        if (ngx_prof_cfi_operand(&pos, expr + len, &operand) != NGX_OK) {
            return -1;
        }
    }

    for (i = 0; i < p->nexprs; i++) {
        n = p->expr[i + 1] - p->expr[i];

        if (n == len && ngx_memcmp(p->code + p->expr[i], expr, n) == 0) {
            return (int32_t) i;
        }
    }

    if (i == NGX_PROF_CFI_EXPRS) {
        return -1;
    }

    ngx_memcpy(p->code + p->expr[i], expr, len);
    p->expr[i + 1] = p->expr[i] + (uint32_t) len;
    p->nexprs++;

    return (int32_t) i;
}


void
ngx_prof_cfi_emit(ngx_prof_cfi_run_t *run)
{
    uint32_t                rule;
    ngx_prof_cfi_fde_t     *fde;
    ngx_prof_cfi_wide_t    *row;
    ngx_prof_cfi_parser_t  *p;

    p = run->parser;
    fde = run->fde;

    if (!run->dirty) {
        return;
    }

    run->dirty = 0;
    rule = ngx_prof_cfi_intern(p, &run->rule);

    if (fde->nrows && p->rows[p->nrows - 1].rule == rule) {
        return;
    }

    row = &p->rows[p->nrows++];
    row->addr = (uint32_t) run->addr;
    row->rule = rule;

    fde->nrows++;
}


/* NGX_DONE: what follows is beyond the end of the function */

static ngx_int_t
ngx_prof_cfi_advance(ngx_prof_cfi_run_t *run, uint64_t delta)
{
    if (run->fde == NULL) {
        return NGX_ERROR;
    }

    if (run->cie->code_align != 1
        && __builtin_mul_overflow(delta, run->cie->code_align, &delta))
    {
        return NGX_ERROR;
    }

    if (delta == 0) {
        return NGX_OK;
    }

    ngx_prof_cfi_emit(run);

    if (delta >= run->fde->end - run->addr) {
        run->addr = run->fde->end;
        return NGX_DONE;
    }

    run->addr += delta;

    return NGX_OK;
}


static ngx_int_t
ngx_prof_cfi_set_loc(ngx_prof_cfi_run_t *run)
{
    uint64_t             loc;
    ngx_prof_cfi_src_t  *src;

    src = run->parser->src;
    loc = ngx_prof_cfi_pointer(&run->in, run->cie->encoding,
                               src->data, src->addr, 0);

    if (run->in.bad || run->fde == NULL || loc < src->start + run->addr) {
        return NGX_ERROR;
    }

    loc -= src->start;

    if (loc == run->addr) {
        return NGX_OK;
    }

    ngx_prof_cfi_emit(run);

    run->addr = ngx_min(loc, run->fde->end);

    return (run->addr == run->fde->end) ? NGX_DONE : NGX_OK;
}


/* sets how a register of the caller is found from here on, if it is kept */

static void
ngx_prof_cfi_set(ngx_prof_cfi_run_t *run, uint64_t reg, ngx_uint_t kind,
    int64_t arg)
{
    int32_t     how;
    ngx_uint_t  i;

    if (arg < -(1 << 28) || arg >= 1 << 28) {
        kind = NGX_PROF_CFI_BAD;
        arg = 0;
    }

    how = ngx_prof_cfi_how(kind, arg);

    if (reg == run->cie->ra) {
        run->rule.ra = how;

    } else if (reg < NGX_PROF_CFI_REGS && run->slots[reg]) {
        i = run->slots[reg] - 1;

        run->rule.saved[i] = how;
        run->rule.changed &= (uint8_t) ~(1 << i);
        run->rule.changed |= (uint8_t) ((how != 0) << i);

    } else {
        return;
    }

    run->dirty = 1;

    if (kind == NGX_PROF_CFI_BAD) {
        run->parser->stats.unsupported++;
    }
}


/* an offset in units of the data alignment */

static void
ngx_prof_cfi_set_offset(ngx_prof_cfi_run_t *run, uint64_t reg, ngx_uint_t kind,
    int64_t factored)
{
    int64_t  off;

    if (__builtin_mul_overflow(factored, run->cie->data_align, &off)) {
        off = INT64_MAX;
    }

    ngx_prof_cfi_set(run, reg, kind, off);
}


static void
ngx_prof_cfi_restore(ngx_prof_cfi_run_t *run, uint64_t reg)
{
    int32_t               how;
    ngx_prof_cfi_rule_t  *initial;

    initial = &run->cie->initial;

    if (reg == run->cie->ra) {
        how = initial->ra;

    } else if (reg < NGX_PROF_CFI_REGS && run->slots[reg]) {
        how = initial->saved[run->slots[reg] - 1];

    } else {
        return;
    }

    ngx_prof_cfi_set(run, reg, ngx_prof_cfi_kind(how), ngx_prof_cfi_arg(how));
}


static ngx_int_t
ngx_prof_cfi_set_cfa(ngx_prof_cfi_run_t *run, ngx_uint_t kind, uint64_t reg,
    int64_t off)
{
    run->dirty = 1;
    run->rule.cfa_kind = (uint8_t) kind;

    if (reg >= NGX_PROF_CFI_REGS || off != (int64_t) (int32_t) off) {
        run->rule.cfa_kind = NGX_PROF_CFI_NONE;
        run->parser->stats.unsupported++;
        reg = 0;
        off = 0;
    }

    run->rule.cfa_reg = (uint8_t) reg;
    run->rule.cfa = (int32_t) off;

    return NGX_OK;
}


/* DW_CFA_def_cfa_offset and _register change a CFA that must be of that kind */

static ngx_int_t
ngx_prof_cfi_change_cfa(ngx_prof_cfi_run_t *run, uint64_t reg, int64_t off)
{
    if (run->rule.cfa_kind == NGX_PROF_CFI_CFA_EXPR) {
        return NGX_ERROR;
    }

    return ngx_prof_cfi_set_cfa(run, NGX_PROF_CFI_CFA_REG, reg, off);
}


/* DW_CFA_def_cfa_expression, and the other three with a register */

static ngx_int_t
ngx_prof_cfi_set_expr(ngx_prof_cfi_run_t *run, u_char op)
{
    int32_t                 n;
    uint64_t                reg, len;
    const u_char           *expr;
    ngx_prof_cfi_reader_t  *in;

    in = &run->in;
    reg = (op == 0x0f) ? 0 : ngx_prof_cfi_uleb(in);
    len = ngx_prof_cfi_uleb(in);

    if (len > (uint64_t) (in->end - in->pos)) {
        return NGX_ERROR;
    }

    expr = in->pos;
    in->pos += len;

    /* registers that are not kept need no expressions */

    if (op != 0x0f && reg != run->cie->ra
        && (reg >= NGX_PROF_CFI_REGS || !run->slots[reg]))
    {
        return NGX_OK;
    }

    n = ngx_prof_cfi_intern_expr(run->parser, expr, (size_t) len);

    if (op == 0x0f) {
        return ngx_prof_cfi_set_cfa(run,
                                         NGX_PROF_CFI_CFA_EXPR,
                                         (n < 0) ? ~(uint64_t) 0 : 0, n);
    }

    ngx_prof_cfi_set(run, reg,
                           (op == 0x10) ? NGX_PROF_CFI_EXPR
                                        : NGX_PROF_CFI_VAL_EXPR,
                           (n < 0) ? INT64_MAX : n);

    return NGX_OK;
}


ngx_int_t
ngx_prof_cfi_instruction(ngx_prof_cfi_run_t *run)
{
    u_char     op;
    uint64_t   v;
    ngx_int_t  rc;

    op = *run->in.pos++;
    rc = NGX_OK;

    switch (op & 0xc0) {

    case 0x40:                                   /* advance_loc */
        rc = ngx_prof_cfi_advance(run, op & 0x3f);
        break;

    case 0x80:                                   /* offset */
        v = ngx_prof_cfi_uleb(&run->in);
        ngx_prof_cfi_set_offset(run, op & 0x3f, NGX_PROF_CFI_AT, (int64_t) v);
        break;

    case 0xc0:                                   /* restore */
        ngx_prof_cfi_restore(run, op & 0x3f);
        break;

    default:
        rc = ngx_prof_cfi_extended(run, op);
    }

    return run->in.bad ? NGX_ERROR : rc;
}


static ngx_int_t
ngx_prof_cfi_extended(ngx_prof_cfi_run_t *run, u_char op)
{
    int64_t                 off;
    uint64_t                reg;
    ngx_prof_cfi_rule_t    *rule;
    ngx_prof_cfi_reader_t  *in;

    in = &run->in;
    rule = &run->rule;

    switch (op) {

    case 0x00:                                   /* nop */
        return NGX_OK;

    case 0x01:                                   /* set_loc */
        return ngx_prof_cfi_set_loc(run);

    case 0x02:                                   /* advance_loc1 */
    case 0x03:                                   /* advance_loc2 */
    case 0x04:                                   /* advance_loc4 */
        return ngx_prof_cfi_advance(run,
                       ngx_prof_cfi_uint(in, 1 << (op - 0x02)));

    case 0x1d:                                   /* MIPS_advance_loc8 */
        return ngx_prof_cfi_advance(run, ngx_prof_cfi_uint(in, 8));

    case 0x0a:                                   /* remember_state */
        if (run->depth == NGX_PROF_CFI_DEPTH) {
            return NGX_ERROR;
        }

        run->stack[run->depth++] = *rule;
        return NGX_OK;

    case 0x0b:                                   /* restore_state */
        if (run->depth == 0) {
            return NGX_ERROR;
        }

        run->dirty = 1;
        *rule = run->stack[--run->depth];
        return NGX_OK;

    case 0x0c:                                   /* def_cfa */
        reg = ngx_prof_cfi_uleb(in);
        off = (int64_t) ngx_prof_cfi_uleb(in);
        return ngx_prof_cfi_set_cfa(run, NGX_PROF_CFI_CFA_REG, reg, off);

    case 0x12:                                   /* def_cfa_sf */
        reg = ngx_prof_cfi_uleb(in);
        off = ngx_prof_cfi_sleb(in);

        if (__builtin_mul_overflow(off, run->cie->data_align, &off)) {
            off = INT64_MAX;
        }

        return ngx_prof_cfi_set_cfa(run, NGX_PROF_CFI_CFA_REG, reg, off);

    case 0x0d:                                   /* def_cfa_register */
        reg = ngx_prof_cfi_uleb(in);
        return ngx_prof_cfi_change_cfa(run, reg, rule->cfa);

    case 0x0e:                                   /* def_cfa_offset */
        off = (int64_t) ngx_prof_cfi_uleb(in);
        return ngx_prof_cfi_change_cfa(run, rule->cfa_reg, off);

    case 0x13:                                   /* def_cfa_offset_sf */
        off = ngx_prof_cfi_sleb(in);

        if (__builtin_mul_overflow(off, run->cie->data_align, &off)) {
            off = INT64_MAX;
        }

        return ngx_prof_cfi_change_cfa(run, rule->cfa_reg, off);

    case 0x0f:                                   /* def_cfa_expression */
    case 0x10:                                   /* expression */
    case 0x16:                                   /* val_expression */
        return ngx_prof_cfi_set_expr(run, op);

    case 0x2d:                                   /* negate_ra_state */
        return (run->parser->src->arch == NGX_PROF_CFI_AARCH64)
               ? NGX_OK : NGX_ERROR;

    case 0x2e:                                   /* GNU_args_size */
        (void) ngx_prof_cfi_uleb(in);
        return NGX_OK;

    default:
        return ngx_prof_cfi_register(run, op);
    }
}


/* the instructions that begin with a register */

static ngx_int_t
ngx_prof_cfi_register(ngx_prof_cfi_run_t *run, u_char op)
{
    int64_t   v;
    uint64_t  reg;

    reg = ngx_prof_cfi_uleb(&run->in);

    switch (op) {

    case 0x06:                                   /* restore_extended */
        ngx_prof_cfi_restore(run, reg);
        return NGX_OK;

    case 0x07:                                   /* undefined */
        ngx_prof_cfi_set(run, reg, NGX_PROF_CFI_UNDEF, 0);
        return NGX_OK;

    case 0x08:                                   /* same_value */
        ngx_prof_cfi_set(run, reg, NGX_PROF_CFI_SAME, 0);
        return NGX_OK;

    case 0x09:                                   /* register */
        v = (int64_t) ngx_prof_cfi_uleb(&run->in);
        ngx_prof_cfi_set(run, reg, NGX_PROF_CFI_REG,
                   (v < 0 || v >= NGX_PROF_CFI_REGS) ? INT64_MAX : v);
        return NGX_OK;

    case 0x05:                                   /* offset_extended */
    case 0x14:                                   /* val_offset */
        v = (int64_t) ngx_prof_cfi_uleb(&run->in);
        break;

    case 0x11:                                   /* offset_extended_sf */
    case 0x15:                                   /* val_offset_sf */
        v = ngx_prof_cfi_sleb(&run->in);
        break;

    case 0x2f:                       /* GNU_negative_offset_extended */
        v = (int64_t) (0 - ngx_prof_cfi_uleb(&run->in));
        break;

    default:
        return NGX_ERROR;
    }

    ngx_prof_cfi_set_offset(run, reg,
                               (op == 0x14 || op == 0x15)
                               ? NGX_PROF_CFI_VAL
                               : NGX_PROF_CFI_AT, v);

    return NGX_OK;
}


ngx_int_t
ngx_prof_cfi_operand(const u_char **p, const u_char *end, int64_t *operand)
{
    u_char                 op;
    ngx_prof_cfi_reader_t  in;

    in.pos = *p;
    in.end = end;
    in.bad = 0;

    op = (u_char) ngx_prof_cfi_uint(&in, 1);
    *operand = 0;

    if (op >= 0x08 && op <= 0x0f) {              /* const1u .. const8s */
        *operand = (op & 1)
            ? ngx_prof_cfi_int(&in, 1 << ((op - 8) / 2))
            : (int64_t) ngx_prof_cfi_uint(&in, 1 << ((op - 8) / 2));

    } else if (op == 0x10 || op == 0x23) {       /* constu, plus_uconst */
        *operand = (int64_t) ngx_prof_cfi_uleb(&in);

    } else if (op == 0x11) {                     /* consts */
        *operand = ngx_prof_cfi_sleb(&in);

    } else if (op >= 0x70 && op <= 0x8f) {       /* breg0 .. breg31 */
        *operand = ngx_prof_cfi_sleb(&in);

    } else if (op >= 0x30 && op <= 0x4f) {       /* lit0 .. lit31 */
        *operand = op - 0x30;

    } else if (op == 0x06 || op == 0x96          /* deref, nop */
               || (op >= 0x12 && op <= 0x14)     /* dup, drop, over */
               || op == 0x16                     /* swap */
               || op == 0x1a || op == 0x1c       /* and, minus */
               || (op >= 0x1e && op <= 0x22)     /* mul, neg, not, or, plus */
               || (op >= 0x24 && op <= 0x27)     /* shl, shr, shra, xor */
               || (op >= 0x29 && op <= 0x2e))    /* eq, ge, gt, le, lt, ne */
    {
        /* no operand */

    } else {
        return NGX_DECLINED;
    }

    *p = in.pos;

    return in.bad ? NGX_DECLINED : NGX_OK;
}
