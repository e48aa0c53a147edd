
/*
 * The clock counted on by the processor's counter: it follows the real one
 * at any rate, never goes back, and catches up when the machine has slept.
 */

/* sources: ngx_http_profiling_module/base/ngx_prof_clock.c */

#include <ngx_config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "ngx_prof_clock.h"


#define SECOND    1000000000ULL
#define INTERVAL  (2 * SECOND)


/* ns of a counter at `hertz` that began at 12345 */

static uint64_t
test_ticks(double ns, double hertz)
{
    return 12345 + (uint64_t) (ns / 1e9 * hertz);
}


static void
test_begin(ngx_prof_counter_t *counter, double hertz, double wrong)
{
    counter->ns = SECOND;
    counter->seen_ns = counter->ns;
    counter->ticks = test_ticks(counter->ns, hertz);
    counter->seen_ticks = counter->ticks;
    counter->scale = (uint64_t) (1e9 / hertz * 4294967296.0 * (1 + wrong));
}


static int64_t
test_error(const ngx_prof_counter_t *counter, uint64_t ns, double hertz)
{
    return (int64_t) (ngx_prof_counter_ns(counter,
                                          test_ticks(ns, hertz))
                      - ns);
}


/* a rate that was measured badly at the start is right after two ticks */

static void
test_follows(void **state)
{
    uint64_t            ns;
    ngx_uint_t          i, k;
    ngx_prof_counter_t  counter;

    static const double  rates[] = { 24e6, 1e9, 2.4502e9, 5.7e9 };
    static const double  wrong[] = { 0, 1e-4, -1e-4 };

    for (i = 0; i < sizeof(rates) / sizeof(double); i++) {

        for (k = 0; k < sizeof(wrong) / sizeof(double); k++) {

            test_begin(&counter, rates[i], wrong[k]);

            for (ns = SECOND + INTERVAL; ns < 20 * SECOND; ns += INTERVAL) {
                ngx_prof_counter_adjust(&counter,
                                           test_ticks(ns, rates[i]), ns);

                if (ns > SECOND + 2 * INTERVAL) {
                    assert_in_range(test_error(&counter, ns + INTERVAL / 2,
                                               rates[i]) + 100, 0, 200);
                }
            }
        }
    }
}


static void
test_never_goes_back(void **state)
{
    uint64_t            ns, last, now;
    ngx_uint_t          i;
    ngx_prof_counter_t  counter;

    srandom(1);
    test_begin(&counter, 2e9, 5e-4);

    last = 0;
    ns = SECOND;

    for (i = 0; i < 100000; i++) {
        ns += random() % (i % 100 ? 1000000 : INTERVAL);

        now = ngx_prof_counter_ns(&counter, test_ticks(ns, 2e9));

        assert_true(now >= last);
        last = now;

        if (i % 10 == 0) {

            /* readings that are a microsecond off, to both sides */

            ngx_prof_counter_adjust(&counter, test_ticks(ns, 2e9),
                                    ns - 1000 + random() % 2000);

            now = ngx_prof_counter_ns(&counter, test_ticks(ns, 2e9));
            assert_true(now >= last);
        }
    }

    assert_in_range(test_error(&counter, ns, 2e9) + 1000000, 0, 2000000);
}


/* an error is spread over the times that are told, and not over durations */

static void
test_durations(void **state)
{
    uint64_t             ns, second;
    ngx_prof_counter_t  *counter;

    counter = &ngx_prof_counter;

    test_begin(counter, 2e9, 0.01);

    for (ns = SECOND + INTERVAL; ns < 20 * SECOND; ns += INTERVAL) {
        ngx_prof_counter_adjust(counter, test_ticks(ns, 2e9), ns + 500000);

        second = ngx_prof_counter_took(2000000000);

        if (ns > SECOND + INTERVAL) {
            assert_in_range(second, SECOND - 10, SECOND + 10);
        }
    }
}


/* the counter stood still, or began anew, while the clock went on */

static void
test_sleep(void **state)
{
    uint64_t            ns, ticks;
    ngx_prof_counter_t  counter;

    test_begin(&counter, 2e9, 0);

    ns = SECOND + INTERVAL;
    ticks = test_ticks(ns, 2e9);

    ngx_prof_counter_adjust(&counter, ticks, ns);
    ngx_prof_counter_adjust(&counter, ticks, ns + 60 * SECOND);

    assert_int_equal(ngx_prof_counter_ns(&counter, ticks), ns + 60 * SECOND);
    assert_in_range(ngx_prof_counter_ns(&counter,
                                        ticks + 2000000000ULL),
                    ns + 61 * SECOND - 1000, ns + 61 * SECOND + 1000);

    ngx_prof_counter_adjust(&counter, 1000, ns + 70 * SECOND);

    assert_in_range(ngx_prof_counter_ns(&counter,
                                        1000 + 2000000000ULL),
                    ns + 71 * SECOND - 1000, ns + 71 * SECOND + 1000);
}


/* as it is used: against the clock of this machine, if its counter may be */

static void
test_real(void **state)
{
    uint64_t    before, now, after;
    ngx_uint_t  i;

    if (!ngx_prof_clock_choose()) {
        printf("# no invariant counter: it takes a processor that has one\n");
        skip();
    }

    ngx_prof_clock_begin();
    ngx_prof_clock_init();

    for (i = 0; i < 2000; i++) {

        if (i % 100 == 0) {
            ngx_prof_clock_adjust();
        }

        before = ngx_prof_clock();
        now = ngx_prof_loop_clock(1);
        after = ngx_prof_clock();

        /* 0.1 ms of drift would be a counter that nobody can use */

        assert_true(now + 100000 > before);
        assert_true(now < after + 100000);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_follows),
        cmocka_unit_test(test_never_goes_back),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_real),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
