
/*
 * Incidents in a storm: one a reason and minute, whoever raises it, in memory
 * that does not grow; what is not kept is counted, once as long as it lasts.
 */

/* sources: shm/ngx_prof_incidents.c shm/ngx_prof_record.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <pthread.h>
#include <cmocka.h>
#include "ngx_prof_incidents.h"


#define TEST_KEEP      4
#define TEST_THREADS   4
#define TEST_RAISED    1000
#define TEST_SECOND    1000000000ULL


static ngx_prof_incidents_t             *incidents;
static ngx_prof_incident_connections_t   none;


static int
test_clean(void **state)
{
    free(incidents);
    incidents = calloc(1, ngx_prof_incidents_size(TEST_KEEP));
    assert_non_null(incidents);

    return 0;
}


static uint64_t
test_raise(ngx_uint_t reason, uint64_t key, uint64_t clock)
{
    return ngx_prof_incident_raise(incidents, TEST_KEEP, reason, key, clock,
                                   1, 0, &none, NULL);
}


static void *
test_storm(void *data)
{
    ngx_uint_t  i;

    for (i = 0; i < TEST_RAISED; i++) {
        (void) test_raise(NGX_PROF_INCIDENT_STALL, 0,
                          100 * TEST_SECOND + i * 59 * TEST_SECOND
                                              / TEST_RAISED);
        (void) test_raise(NGX_PROF_INCIDENT_CRASH, 0, 100 * TEST_SECOND);
    }

    return data;
}


static void
test_one_of_a_storm_is_kept(void **state)
{
    ngx_uint_t  i;
    pthread_t   thread[TEST_THREADS];

    for (i = 0; i < TEST_THREADS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, test_storm, NULL),
                         0);
    }

    for (i = 0; i < TEST_THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }

    assert_int_equal(incidents->number, 2);
    assert_int_equal(incidents->total[NGX_PROF_INCIDENT_STALL], 1);
    assert_int_equal(incidents->total[NGX_PROF_INCIDENT_CRASH], 1);
    assert_int_equal(incidents->suppressed[NGX_PROF_INCIDENT_STALL],
                     TEST_THREADS * TEST_RAISED - 1);
    assert_int_equal(incidents->further[NGX_PROF_INCIDENT_CRASH],
                     TEST_THREADS * TEST_RAISED - 1);
    assert_int_equal(incidents->suppressed[NGX_PROF_INCIDENT_MEMORY], 0);
}


static void
test_the_next_minute_has_one(void **state)
{
    assert_int_equal(test_raise(NGX_PROF_INCIDENT_STALL, 0, TEST_SECOND), 1);
    assert_int_equal(test_raise(NGX_PROF_INCIDENT_STALL, 0,
                                60 * TEST_SECOND), 0);
    assert_int_equal(incidents->further[NGX_PROF_INCIDENT_STALL], 1);

    assert_int_equal(test_raise(NGX_PROF_INCIDENT_STALL, 0,
                                61 * TEST_SECOND), 2);
    assert_int_equal(incidents->further[NGX_PROF_INCIDENT_STALL], 0);
    assert_int_equal(incidents->suppressed[NGX_PROF_INCIDENT_STALL], 1);
}


/* a cause that lasts is seen at each tick */

static void
test_what_lasts_counts_once(void **state)
{
    ngx_uint_t  i;

    for (i = 1; i < 200; i++) {
        (void) test_raise(NGX_PROF_INCIDENT_MEMORY, 1, i * TEST_SECOND);
    }

    assert_int_equal(incidents->total[NGX_PROF_INCIDENT_MEMORY], 1);
    assert_int_equal(incidents->suppressed[NGX_PROF_INCIDENT_MEMORY], 0);

    /* it is over, and comes again twice, within the minute */

    ngx_prof_incident_over(incidents, NGX_PROF_INCIDENT_MEMORY);
    assert_int_equal(test_raise(NGX_PROF_INCIDENT_MEMORY, 1,
                                200 * TEST_SECOND), 2);

    for (i = 1; i < 30; i++) {

        if (i == 10 || i == 20) {
            ngx_prof_incident_over(incidents, NGX_PROF_INCIDENT_MEMORY);
        }

        (void) test_raise(NGX_PROF_INCIDENT_MEMORY, 1,
                          (200 + i) * TEST_SECOND);
    }

    assert_int_equal(incidents->total[NGX_PROF_INCIDENT_MEMORY], 2);
    assert_int_equal(incidents->suppressed[NGX_PROF_INCIDENT_MEMORY], 2);

    /* and is kept, once the minute is over */

    assert_int_equal(test_raise(NGX_PROF_INCIDENT_MEMORY, 1,
                                260 * TEST_SECOND), 3);
}


static void
test_the_newest_are_found(void **state)
{
    uint64_t  i, number;

    for (i = 1; i <= 10; i++) {
        assert_int_equal(test_raise(i % NGX_PROF_INCIDENT_REASONS, 0,
                                    i * 60 * TEST_SECOND), i);
    }

    for (number = 0; number < 12; number++) {

        if (number > 10 - TEST_KEEP && number <= 10) {
            assert_non_null(ngx_prof_incident_find(incidents, TEST_KEEP,
                                                   number));

        } else {
            assert_null(ngx_prof_incident_find(incidents, TEST_KEEP, number));
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_one_of_a_storm_is_kept, test_clean),
        cmocka_unit_test_setup(test_the_next_minute_has_one, test_clean),
        cmocka_unit_test_setup(test_what_lasts_counts_once, test_clean),
        cmocka_unit_test_setup(test_the_newest_are_found, test_clean)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
