
/*
 * Pace: what others take is a part of a busy worker's time, and nothing waits
 * for it where the worker is idle, or for long.
 */

/* sources: ngx_http_profiling_module/base/ngx_prof_pace.c */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ngx_prof_pace.h"


#define MS  1000000ULL


/* how many begin in so many seconds, one at a time, each of which takes ms */

static unsigned
begun(unsigned seconds, unsigned ms, ngx_uint_t idle)
{
    unsigned         n;
    uint64_t         now, end;
    ngx_prof_pace_t  pace = { 0 };

    n = 0;
    now = 100000 * MS;
    end = now + seconds * 1000 * MS;

    while (now < end) {

        if (ngx_prof_pace_may(&pace, now, idle)) {
            n++;
            now += ms * MS;
            ngx_prof_pace_took(&pace, ms * MS, now);
            continue;
        }

        now += 20 * MS;
    }

    return n;
}


static void
test_busy(void **state)
{
    (void) state;

    /* a fiftieth of 600 s is 12 s, some 240 of 50 ms, and what is lent */

    assert_in_range(begun(600, 50, 0), 230, 245);
    assert_in_range(begun(600, 5, 0), 2300, 2420);

    /* the first ones wait for nobody */

    assert_in_range(begun(1, 5, 0), 5, 9);
    assert_int_equal(begun(1, 50, 0), 1);
}


static void
test_idle(void **state)
{
    ngx_prof_pace_t  pace = { 0 };

    (void) state;

    assert_int_equal(begun(60, 50, 1), 1200);

    /* and then nothing is owed */

    ngx_prof_pace_took(&pace, 1000 * MS, 1000 * MS);
    assert_false(ngx_prof_pace_may(&pace, 1001 * MS, 0));
    assert_true(ngx_prof_pace_may(&pace, 1002 * MS, 1));
    assert_true(ngx_prof_pace_may(&pace, 1003 * MS, 0));
}


/* however much the last ones took */

static void
test_longest(void **state)
{
    ngx_uint_t       i;
    ngx_prof_pace_t  pace = { 0 };

    (void) state;

    for (i = 0; i < 10; i++) {
        ngx_prof_pace_took(&pace, UINT64_MAX / 2, 5 * MS);
    }

    assert_false(ngx_prof_pace_may(&pace, 9000 * MS, 0));
    assert_true(ngx_prof_pace_may(&pace, 10005 * MS, 0));
}


/* a look is at what the worker did since the one before */

static void
test_looks(void **state)
{
    unsigned              i;
    ngx_prof_pace_look_t  look = { 1000 * MS, 500 * MS, 0 };

    static const struct {
        uint64_t    now;
        uint64_t    busy;
        ngx_uint_t  idle;
    } looks[] = {
        { 1200 * MS, 540 * MS, 0 },
        { 1400 * MS, 579 * MS, 1 },
        { 1600 * MS, 700 * MS, 0 },
        { 1800 * MS, 700 * MS, 1 },
        { 9800 * MS, 2299 * MS, 1 },
        { 10000 * MS, 2499 * MS, 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        ngx_prof_pace_look(&look, looks[i].now, looks[i].busy);
        assert_int_equal(look.idle, looks[i].idle);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_looks)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
