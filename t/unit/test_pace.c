
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


/*
 * How many begin in so many seconds, one at a time, each of which takes ms of a
 * processor, where the worker is busy for a part of each 20 ms.
 */

static unsigned
begun(unsigned seconds, unsigned ms, unsigned percent)
{
    unsigned         n;
    uint64_t         now, end, busy;
    ngx_prof_pace_t  pace = { 0, 0, 0 };

    n = 0;
    busy = 0;
    now = 100000 * MS;
    end = now + seconds * 1000 * MS;

    while (now < end) {

        if (ngx_prof_pace_may(&pace, now, busy)) {
            n++;
            now += ms * MS;
            busy += ms * MS * percent / 100;
            ngx_prof_pace_took(&pace, ms * MS, now);
            continue;
        }

        now += 20 * MS;
        busy += 20 * MS * percent / 100;
    }

    return n;
}


static void
test_busy(void **state)
{
    unsigned  n;

    (void) state;

    /* a thirtieth of 600 s is 20 s, some 400 of 50 ms, and what is lent */

    n = begun(600, 50, 100);
    assert_in_range(n, 390, 415);
    assert_int_equal(begun(600, 50, 20), n);

    /* the first ones wait for nobody */

    assert_in_range(begun(1, 50, 100), 2, 4);
}


static void
test_idle(void **state)
{
    (void) state;

    /* those that wait do so for one look at a time, three go at once */

    assert_true(begun(60, 50, 5) > 2 * 60000 / 350);
    assert_true(begun(60, 50, 0) > 2 * 60000 / 350);
}


/* however much the last ones took */

static void
test_longest(void **state)
{
    ngx_uint_t       i;
    ngx_prof_pace_t  pace = { 0, 0, 0 };

    (void) state;

    for (i = 0; i < 10; i++) {
        ngx_prof_pace_took(&pace, UINT64_MAX / 2, 5 * MS);
    }

    assert_false(ngx_prof_pace_may(&pace, 9000 * MS, 8000 * MS));
    assert_true(ngx_prof_pace_may(&pace, 10005 * MS, 9000 * MS));
}


/* a look is at what the worker did since the one before */

static void
test_looks(void **state)
{
    ngx_prof_pace_t  pace = { 0, 1000 * MS, 500 * MS };

    (void) state;

    ngx_prof_pace_took(&pace, 1000 * MS, 1000 * MS);

    assert_false(ngx_prof_pace_may(&pace, 1200 * MS, 520 * MS));
    assert_false(ngx_prof_pace_may(&pace, 1400 * MS, 541 * MS));
    assert_true(ngx_prof_pace_may(&pace, 1600 * MS, 543 * MS));

    /* and then nothing is owed */

    ngx_prof_pace_took(&pace, 90 * MS, 1620 * MS);
    assert_true(ngx_prof_pace_may(&pace, 1621 * MS, 544 * MS));
}


/* a busy worker sleeps at times, or others have its processor */

static void
test_short(void **state)
{
    ngx_prof_pace_t  pace = { 0, 1000 * MS, 500 * MS };

    (void) state;

    ngx_prof_pace_took(&pace, 1000 * MS, 1000 * MS);

    assert_false(ngx_prof_pace_may(&pace, 1001 * MS, 500 * MS));
    assert_false(ngx_prof_pace_may(&pace, 1199 * MS, 501 * MS));
    assert_false(ngx_prof_pace_may(&pace, 1201 * MS, 521 * MS));
}


/* nobody has looked for long: what it did then is not what it does */

static void
test_long(void **state)
{
    ngx_prof_pace_t  pace = { 0, 0, 0 };

    (void) state;

    ngx_prof_pace_took(&pace, 1000 * MS, 9000 * MS);

    assert_false(ngx_prof_pace_may(&pace, 9001 * MS, 500 * MS));
    assert_false(ngx_prof_pace_may(&pace, 9202 * MS, 521 * MS));
    assert_true(ngx_prof_pace_may(&pace, 9403 * MS, 522 * MS));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_long)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
