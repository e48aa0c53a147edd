
/*
 * The table of stacks under threads and handlers: the sanitizer finds
 * accesses that are not atomic.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_slot.c shm/ngx_prof_zone.c shm/ngx_prof_cell.c */
/* sources: shm/ngx_prof_recording.c */
/* sanitize: thread */

#include "test_stacks.h"

#include "ngx_prof_record.c"
#include "ngx_prof_ring.c"


static void *
test_read(void *data)
{
    test_stacks_t  *t;

    t = data;

    while (!ngx_prof_load(&t->stop)) {
        (void) __atomic_add_fetch(&t->wrong, test_stacks_read(t),
                                  __ATOMIC_RELAXED);
    }

    return NULL;
}


static void
test_threads_add_and_read(void **state)
{
    pthread_t       thread;
    test_stacks_t  *t;

    t = test_stacks_create(16384);

    assert_int_equal(pthread_create(&thread, NULL, test_read, t), 0);

    test_stacks_storm(t, 3, 2000, 0);

    assert_int_equal(pthread_join(thread, NULL), 0);

    assert_true(t->handled > 10);
    assert_true(t->read > 100);
    assert_int_equal(t->wrong, 0);
    assert_int_equal(test_stacks_sum(t), t->added);

    test_stacks_free(t);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_threads_add_and_read)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
