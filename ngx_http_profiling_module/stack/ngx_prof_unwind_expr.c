
/*
 * DWARF expressions of a CFA or of a register, run in a signal handler.
 *
 * DWARF 5, section 2.5.  The parser kept only those without jumps, so each is
 * run in a time that its length bounds.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_prof_cfi.h"
#include "ngx_prof_walk.h"


/* one operator of an expression; s[0..n) is its stack */

static ngx_int_t
ngx_prof_unwind_binary(u_char op, int64_t *s)
{
    uint64_t  a, b;

    a = (uint64_t) s[0];
    b = (uint64_t) s[1];

    switch (op) {

    case 0x1a:  a = a & b;  break;
    case 0x1c:  a = a - b;  break;
    case 0x1e:  a = a * b;  break;
    case 0x21:  a = a | b;  break;
    case 0x22:  a = a + b;  break;
    case 0x24:  a = (b < 64) ? a << b : 0;  break;
    case 0x25:  a = (b < 64) ? a >> b : 0;  break;
    case 0x26:  a = (uint64_t) (s[0] >> ngx_min(b, 63));  break;
    case 0x27:  a = a ^ b;  break;
    case 0x29:  a = (s[0] == s[1]);  break;
    case 0x2a:  a = (s[0] >= s[1]);  break;
    case 0x2b:  a = (s[0] > s[1]);  break;
    case 0x2c:  a = (s[0] <= s[1]);  break;
    case 0x2d:  a = (s[0] < s[1]);  break;
    case 0x2e:  a = (s[0] != s[1]);  break;

    default:
        return NGX_ERROR;
    }

    s[0] = (int64_t) a;

    return NGX_OK;
}


/* an operator that works on the top of the stack alone; *n is its depth */

static ngx_int_t
ngx_prof_unwind_unary(ngx_prof_walk_t *walk, u_char op, int64_t operand,
    int64_t *s, ngx_uint_t *n)
{
    int64_t   *top;
    uint64_t   v;

    top = &s[*n - 1];

    switch (op) {

    case 0x06:                                   /* deref */
        if (ngx_prof_unwind_load(walk, (uint64_t) *top, &v) != NGX_OK) {
            return NGX_ERROR;
        }

        *top = (int64_t) v;
        return NGX_OK;

    case 0x12:                                   /* dup */
        top[1] = top[0];
        (*n)++;
        return NGX_OK;

    case 0x13:                                   /* drop */
        (*n)--;
        return NGX_OK;

    case 0x1f:                                   /* neg */
        *top = (int64_t) (0 - (uint64_t) *top);
        return NGX_OK;

    case 0x20:                                   /* not */
        *top = ~*top;
        return NGX_OK;

    case 0x23:                                   /* plus_uconst */
        *top = (int64_t) ((uint64_t) *top + (uint64_t) operand);
        return NGX_OK;

    default:
        return NGX_DECLINED;
    }
}


ngx_int_t
ngx_prof_unwind_expr(ngx_prof_walk_t *walk, ngx_uint_t number, uint64_t first,
    ngx_uint_t n, uint64_t *value)
{
    u_char                 op;
    int64_t                operand, tmp;
    int64_t                s[NGX_PROF_UNWIND_EXPR];
    ngx_int_t              rc;
    ngx_uint_t             r;
    const u_char          *p, *end;
    const ngx_prof_cfi_t  *cfi;

    cfi = walk->object->cfi;

    if (number >= cfi->nexprs) {
        return NGX_ERROR;
    }

    p = cfi->code + cfi->expr[number];
    end = cfi->code + cfi->expr[number + 1];
    s[0] = (int64_t) first;

    while (p < end) {
        op = *p;

        if (n > NGX_PROF_UNWIND_EXPR - 2
            || ngx_prof_cfi_operand(&p, end, &operand) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (op >= 0x70 && op <= 0x8f) {          /* breg */
            r = op - 0x70;

            if (r == NGX_PROF_ARCH_PC) {
                s[n++] = (int64_t) (walk->pc + (uint64_t) operand);
                continue;
            }

            if (!ngx_prof_unwind_knows(walk, r)) {
                return NGX_ERROR;
            }

            s[n++] = (int64_t) (walk->reg[r] + (uint64_t) operand);
            continue;
        }

        if ((op >= 0x08 && op <= 0x11) || (op >= 0x30 && op <= 0x4f)) {
            s[n++] = operand;                    /* constants */
            continue;
        }

        if (op == 0x96) {                        /* nop */
            continue;
        }

        if (n == 0) {
            return NGX_ERROR;
        }

        rc = ngx_prof_unwind_unary(walk, op, operand, s, &n);

        if (rc == NGX_OK) {
            continue;
        }

        if (rc == NGX_ERROR || n < 2) {
            return NGX_ERROR;
        }

        if (op == 0x14) {                        /* over */
            s[n] = s[n - 2];
            n++;

        } else if (op == 0x16) {                 /* swap */
            tmp = s[n - 1];
            s[n - 1] = s[n - 2];
            s[n - 2] = tmp;

        } else if (ngx_prof_unwind_binary(op, &s[n - 2]) == NGX_OK)
        {
            n--;

        } else {
            return NGX_ERROR;
        }
    }

    if (n == 0) {
        return NGX_ERROR;
    }

    *value = (uint64_t) s[n - 1];

    return NGX_OK;
}
