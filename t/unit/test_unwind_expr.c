
/*
 * Expressions of CFI: each operator by its definition in DWARF 5, section 2.5,
 * and what has no value: unknown registers, addresses that are not on the
 * stack, too few values, too many, operators that are none.
 */

/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_expr.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_parse.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_rules.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_table.c */

#include <ngx_config.h>
#include <ngx_core.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ngx_prof_walk.h"


/* DWARF 5, table 7.9 */

#define DEREF         0x06
#define CONST1U       0x08
#define CONST1S       0x09
#define CONST2S       0x0b
#define CONST8U       0x0e
#define CONSTU        0x10
#define CONSTS        0x11
#define DUP           0x12
#define DROP          0x13
#define OVER          0x14
#define SWAP          0x16
#define ABS           0x19
#define AND           0x1a
#define DIV           0x1b
#define MINUS         0x1c
#define MUL           0x1e
#define NEG           0x1f
#define NOT           0x20
#define OR            0x21
#define PLUS          0x22
#define PLUS_UCONST   0x23
#define SHL           0x24
#define SHR           0x25
#define SHRA          0x26
#define XOR           0x27
#define EQ            0x29
#define GE            0x2a
#define GT            0x2b
#define LE            0x2c
#define LT            0x2d
#define NE            0x2e
#define SKIP          0x2f
#define LIT(n)        (0x30 + (n))
#define BREG(r)       (0x70 + (r))
#define NOP           0x96

#define MINUS_ONE     CONST1S, 0xff
#define TOP_BIT       CONST8U, 0, 0, 0, 0, 0, 0, 0, 0x80

#define value_of(expected, ...)                                               \
    do {                                                                      \
        static const u_char  code[] = { __VA_ARGS__ };                        \
                                                                              \
        assert_int_equal(run(code, sizeof(code), 1), NGX_OK);                 \
        assert_int_equal(value, expected);                                    \
    } while (0)

#define none_of(...)                                                          \
    do {                                                                      \
        static const u_char  code[] = { __VA_ARGS__ };                        \
                                                                              \
        assert_int_equal(run(code, sizeof(code), 0), NGX_ERROR);              \
    } while (0)


/* what a walk may load, and what lies before and after */
static uint64_t  stack[4] = { 1, 0x1122334455667788, 0x99aabbccddeeff00, 2 };

static uint64_t  value;


/* n values, of which 100 is one, are there to begin with */

static ngx_int_t
run(const u_char *code, size_t len, ngx_uint_t n)
{
    u_char            *copy;
    uint32_t           offsets[2];
    ngx_int_t          rc;
    ngx_prof_cfi_t     cfi;
    ngx_prof_walk_t    walk;
    ngx_prof_object_t  object;

    /* with its end where the sanitizer sees that it is read beyond */

    copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, code, len);

    offsets[0] = 0;
    offsets[1] = (uint32_t) len;

    memset(&cfi, 0, sizeof(cfi));
    cfi.nexprs = 1;
    cfi.expr = offsets;
    cfi.code = copy;

    memset(&object, 0, sizeof(object));
    object.cfi = &cfi;

    memset(&walk, 0, sizeof(walk));
    walk.object = &object;
    walk.lo = (uintptr_t) &stack[1];
    walk.top = (uintptr_t) &stack[3];
    walk.pc = 0x4000;
    walk.valid = (uint32_t) 1 << 3 | (uint32_t) 1 << 5;
    walk.reg[3] = (uintptr_t) &stack[1];
    walk.reg[5] = 5000;

    value = 0;
    rc = ngx_prof_unwind_expr(&walk, 0, 100, n, &value);

    assert_int_equal(ngx_prof_unwind_expr(&walk, 1, 100, n, &value),
                     NGX_ERROR);

    free(copy);

    return rc;
}


static void
test_values(void **state)
{
    value_of(100, NOP);
    value_of(31, LIT(31));
    value_of(0xff, CONST1U, 0xff);
    value_of((uint64_t) -1, CONST1S, 0xff);
    value_of((uint64_t) -256, CONST2S, 0x00, 0xff);
    value_of((uint64_t) 1 << 63, TOP_BIT);
    value_of(624485, CONSTU, 0xe5, 0x8e, 0x26);
    value_of((uint64_t) -123456, CONSTS, 0xc0, 0xbb, 0x78);
    value_of(5000 + 3, BREG(5), 3);
    value_of(5000 - 8, BREG(5), 0x78);

#if !defined(__aarch64__)
    value_of(0x4000 + 11, BREG(16), 11);             /* rip */
#endif
}


static void
test_stack(void **state)
{
    value_of(200, DUP, PLUS);
    value_of(100, LIT(1), DROP);
    value_of(100, LIT(1), OVER);
    value_of(101, LIT(1), OVER, PLUS);
    value_of(99, LIT(1), MINUS);
    value_of((uint64_t) -99, LIT(1), SWAP, MINUS);
}


static void
test_arithmetic(void **state)
{
    value_of((uint64_t) -100, NEG);
    value_of(~(uint64_t) 100, NOT);
    value_of(100 + 128, PLUS_UCONST, 0x80, 0x01);
    value_of(100 & 12, LIT(12), AND);
    value_of(100 | 27, LIT(27), OR);
    value_of(100 ^ 28, LIT(28), XOR);
    value_of((uint64_t) -300, CONST1S, 0xfd, MUL);

    /* the most negative number has no positive one */
    value_of((uint64_t) 1 << 63, TOP_BIT, NEG);
    value_of(0, TOP_BIT, DUP, PLUS);

    value_of(800, LIT(3), SHL);
    value_of(12, LIT(3), SHR);
    value_of(12, LIT(3), SHRA);
    value_of(UINT64_MAX >> 4, MINUS_ONE, LIT(4), SHR);
    value_of(UINT64_MAX, MINUS_ONE, LIT(4), SHRA);

    /* all bits and more */
    value_of(0, CONST1U, 64, SHL);
    value_of(0, MINUS_ONE, CONST1U, 64, SHR);
    value_of(UINT64_MAX, MINUS_ONE, CONST1U, 200, SHRA);
    value_of(0, MINUS_ONE, SHL);
}


/* with signs: -1 is less than 100 */

static void
test_comparisons(void **state)
{
    value_of(1, MINUS_ONE, GT);
    value_of(1, MINUS_ONE, GE);
    value_of(0, MINUS_ONE, LT);
    value_of(0, MINUS_ONE, LE);
    value_of(0, MINUS_ONE, EQ);
    value_of(1, MINUS_ONE, NE);

    value_of(0, DUP, GT);
    value_of(1, DUP, GE);
    value_of(0, DUP, LT);
    value_of(1, DUP, LE);
    value_of(1, DUP, EQ);
    value_of(0, DUP, NE);

    /* the rule of a PLT: 8 more from its eleventh byte on */
#if !defined(__aarch64__)
    value_of(0, BREG(16), 10, LIT(15), AND, LIT(11), GE, LIT(3), SHL);
    value_of(8, BREG(16), 11, LIT(15), AND, LIT(11), GE, LIT(3), SHL);
#endif
}


static void
test_loads(void **state)
{
    value_of(stack[1], BREG(3), 0, DEREF);
    value_of(stack[2], BREG(3), 8, DEREF);

    none_of(BREG(3), 0x78, DEREF);                   /* below */
    none_of(BREG(3), 16, DEREF);                     /* above */
    none_of(BREG(3), 9, DEREF);                      /* its last byte is */
    none_of(BREG(3), 4, DEREF);                      /* not aligned */
    none_of(LIT(0), DEREF);
    none_of(MINUS_ONE, DEREF);
}


static void
test_no_value(void **state)
{
    none_of(BREG(4), 0);                             /* not known */
    none_of(NOP);                                    /* nothing is left */
    none_of(LIT(1), DROP);

    none_of(DUP);
    none_of(NEG);
    none_of(LIT(1), PLUS);
    none_of(LIT(1), OVER);
    none_of(LIT(1), SWAP);

    none_of(LIT(6), LIT(3), DIV);
    none_of(LIT(6), ABS);
    none_of(SKIP, 0, 0);
    none_of(0x00);
    none_of(0xff);

    /* it ends within an operand */
    none_of(CONST2S, 1);
    none_of(LIT(1), PLUS_UCONST, 0x80);
}


/* as many values as there is room for, and one more, in all ways to make one */

static void
test_too_many(void **state)
{
    u_char               code[NGX_PROF_UNWIND_EXPR + 1];
    size_t               i, len;
    static const u_char  makes[] = { LIT(7), DUP, OVER };

    for (i = 0; i < sizeof(makes); i++) {
        memset(code, makes[i], sizeof(code));
        memset(code, LIT(7), 2);

        for (len = 2; run(code, len, 0) == NGX_OK; len++) {
            assert_int_equal(value, 7);
        }

        assert_in_range(len, NGX_PROF_UNWIND_EXPR - 1,
                        NGX_PROF_UNWIND_EXPR + 1);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_loads),
        cmocka_unit_test(test_no_value),
        cmocka_unit_test(test_too_many)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
