
/* How far rates are lowered for the budget, by what each part took. */

/* sources: ngx_http_profiling_module/worker/ngx_prof_throttle.c */
/* sources: ngx_http_profiling_module/worker/ngx_prof_worker.c */


#include <ngx_config.h>
#include <ngx_core.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "ngx_prof_throttle.h"


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    fail();
}


uint64_t
ngx_prof_meter_hooks(ngx_prof_meter_e part)
{
    return 0;
}


static const uint64_t  none[NGX_PROF_METERS];


static void
lowered(const uint64_t *took, const uint64_t *hooks, uint64_t most,
    const uint64_t *want)
{
    uint64_t    ns[NGX_PROF_METERS], throttle[NGX_PROF_METERS];
    ngx_uint_t  i, any;

    memcpy(ns, took, sizeof(ns));
    memset(throttle, 0, sizeof(throttle));
    any = 0;

    for (i = 0; i < NGX_PROF_METERS; i++) {
        any |= (want[i] != 0);
    }

    assert_int_equal(ngx_prof_throttle_lower(ns, hooks, most, throttle),
                     any);
    assert_memory_equal(throttle, want, sizeof(throttle));
}


static void
test_below(void **state)
{
    const uint64_t  took[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 60,
                                             [NGX_PROF_METER_CPU] = 40 };
    const uint64_t  want[NGX_PROF_METERS] = { 0 };

    (void) state;

    lowered(took, none, 100, want);
}


/* the costliest first, and as often as it takes */

static void
test_costliest(void **state)
{
    const uint64_t  took[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 800,
                                             [NGX_PROF_METER_CPU] = 40 };
    const uint64_t  want[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 4 };

    (void) state;

    /* 840, 440, 240, 140, 90 */

    lowered(took, none, 100, want);
}


static void
test_turns(void **state)
{
    const uint64_t  took[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 400,
                                             [NGX_PROF_METER_RECORD] = 300,
                                             [NGX_PROF_METER_WAIT] = 10 };
    const uint64_t  want[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 3,
                                             [NGX_PROF_METER_RECORD] = 3 };

    (void) state;

    /* 710, 510, 360, 260, 185, 135, 97 */

    lowered(took, none, 100, want);
}


/* what hooks take is not had by fewer samples: those of others pay */

static void
test_hooks(void **state)
{
    const uint64_t  took[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 80,
                                             [NGX_PROF_METER_CPU] = 60 };
    const uint64_t  hooks[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 60 };
    const uint64_t  want[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 1,
                                             [NGX_PROF_METER_CPU] = 2 };

    (void) state;

    /* 20 and 60, 20 and 30, 20 and 15, 10 and 15 beside the 60 */

    lowered(took, hooks, 85, want);
}


/* there is an end to it */

static void
test_hopeless(void **state)
{
    const uint64_t  took[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 1 << 30 };
    const uint64_t  want[NGX_PROF_METERS] = { [NGX_PROF_METER_HEAP] = 12 };

    (void) state;

    lowered(took, none, 100, want);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_costliest),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_hopeless)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
