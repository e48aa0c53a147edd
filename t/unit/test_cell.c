
/*
 * Cells: what is counted for a place is what is read, over owners and slots;
 * nothing is lost when pages run out; and a worker that is killed at any
 * instruction leaves what the next one and the readers go on with.
 */

/* sources: t/unit/shm_step.c t/unit/unwind_trap_arm64.c */
/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */

#include "shm_test.h"


typedef struct {
    ngx_prof_zone_t  *zone;
    ngx_prof_slot_t  *slot;
    ngx_prof_slot_t  *other;
    uint64_t          steps;
    uint64_t          seen;
} test_cells_t;


static ngx_prof_counts_t  test_sum, test_expected;


static ngx_prof_zone_t *
test_cell_zone(ngx_uint_t slots, ngx_uint_t places)
{
    ngx_prof_zone_t  *zone;

    zone = test_zone(slots, 1, places);
    zone->header->place_n = places;

    return zone;
}


static ngx_prof_counts_t *
test_read(ngx_prof_zone_t *zone, ngx_uint_t place, ngx_pid_t pid)
{
    ngx_memzero(&test_sum, sizeof(test_sum));
    ngx_prof_cells_sum(zone, place, pid, &test_sum);

    return &test_sum;
}


static void
test_all_that_is_counted_is_read(void **state)
{
    uint64_t          ns;
    ngx_uint_t        i, code;
    ngx_prof_slot_t  *slot[3];
    ngx_prof_zone_t  *zone;

    zone = test_cell_zone(3, 20);

    for (i = 0; i < 3; i++) {
        slot[i] = test_claim(zone, 1);
    }

    ngx_memzero(&test_expected, sizeof(test_expected));

    /* durations of all powers of two, so that each chunk is used */

    for (i = 0; i < 20000; i++) {
        ns = test_random() >> (1 + test_below(62));
        code = test_below(NGX_PROF_CODES);

        test_place_count(zone, slot[i % 3], 1, code, i, 2 * i, ns);

        ngx_prof_counts_add(&test_expected, code, i, 2 * i,
                            ngx_prof_hist_bucket(ns), ns);
        ngx_prof_hist_count(&test_expected.upstream, ngx_prof_hist_bucket(ns),
                            ns);
    }

    test_read(zone, 1, 0);

    assert_memory_equal(&test_sum, &test_expected, sizeof(test_sum));
    assert_int_equal(ngx_prof_cells_requests(zone, 1), 20000);
    assert_int_equal(test_read(zone, NGX_PROF_PLACE_OTHER, 0)->latency.top, 0);

    test_zone_free(zone);
}


/* what nobody asked for is not touched, and costs nothing */

static void
test_a_place_takes_what_it_uses(void **state)
{
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_cell_zone(2, 10);
    slot = test_claim(zone, 1);

    assert_int_equal(test_read(zone, 3, 0)->latency.top, 0);
    assert_int_equal(ngx_prof_cells_used(zone), 0);

    test_place_count(zone, slot, 3, 0, 1, 1, 1000);
    assert_int_equal(ngx_prof_cells_used(zone), 2);

    /* the same power of two */

    test_place_count(zone, slot, 3, 0, 1, 1, 1020);
    assert_int_equal(ngx_prof_cells_used(zone), 2);

    assert_true(NGX_PROF_PAGE_SIZE <= 4096);

    test_zone_free(zone);
}


static void
test_next_owner_goes_on(void **state)
{
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_cell_zone(1, 2);

    slot = test_claim(zone, 1);
    test_place_count(zone, slot, 1, 3, 10, 20, 5000);
    test_place_count(zone, slot, 1, 3, 10, 20, 900000);
    test_place_count(zone, slot, 0, 3, 10, 20, 900000);
    assert_int_equal(ngx_prof_counts_requests(test_read(zone, 1, getpid())),
                     2);

    test_release(slot);
    assert_ptr_equal(test_claim(zone, 1), slot);

    assert_int_equal(ngx_prof_counts_requests(test_read(zone, 1, getpid())),
                     0);
    assert_int_equal(ngx_prof_counts_requests(test_read(zone, 0, getpid())),
                     0);

    test_place_count(zone, slot, 1, 3, 1, 2, 5000);
    test_place_count(zone, slot, 0, 3, 1, 2, 5000);

    test_read(zone, 1, getpid());
    assert_int_equal(ngx_prof_counts_requests(&test_sum), 1);
    assert_int_equal(test_sum.plain.bytes_in, 1);
    assert_int_equal(ngx_prof_hist_number(&test_sum.latency), 1);
    assert_int_equal(test_sum.latency.sum, 5000);
    assert_true(test_sum.latency.max < 5200);

    assert_int_equal(ngx_prof_counts_requests(test_read(zone, 1, 0)), 3);
    assert_int_equal(test_sum.latency.max, 900000);
    assert_int_equal(ngx_prof_counts_requests(test_read(zone, 0, getpid())),
                     1);
    assert_int_equal(ngx_prof_counts_requests(test_read(zone, 0, 0)), 2);

    test_zone_free(zone);
}


/* pages for some: each request is counted, at its place or at `other` */

static void
test_no_request_is_lost_when_pages_run_out(void **state)
{
    uint64_t          n;
    ngx_uint_t        i, place;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_cell_zone(1, 40);
    zone->shape.pages = 9;
    ngx_prof_zone_mend(zone);

    slot = test_claim(zone, 1);

    for (i = 0; i < 5000; i++) {
        test_place_count(zone, slot, 1 + test_below(39), 0, 1, 1,
                         test_random() >> (20 + test_below(40)));
    }

    n = ngx_prof_counts_requests(test_read(zone, NGX_PROF_PLACE_OTHER, 0));
    assert_in_range(n, 1, 4999);
    assert_int_equal(ngx_prof_hist_number(&test_sum.latency), n);

    for (place = 1; place < 40; place++) {
        test_read(zone, place, 0);
        n += ngx_prof_counts_requests(&test_sum);

        assert_int_equal(ngx_prof_counts_requests(&test_sum),
                         ngx_prof_hist_number(&test_sum.latency));
    }

    assert_int_equal(n, 5000);
    assert_int_equal(ngx_prof_cells_used(zone), 9);
    assert_null(ngx_prof_zone_check(zone));

    /* what is given back is taken again, and begins at 0 */

    for (place = 1; place < 40; place++) {
        ngx_prof_cells_free(zone, place);
    }

    assert_int_equal(ngx_prof_cells_used(zone), 0);

    test_place_count(zone, slot, 39, 0, 1, 1, 1000);
    assert_int_equal(ngx_prof_counts_requests(test_read(zone, 39, 0)), 1);
    assert_int_equal(ngx_prof_cells_used(zone), 2);

    test_zone_free(zone);
}


/* a worker takes cells, gets chunks, and copies bases of an earlier owner */

static void
test_step_count(void *data)
{
    test_cells_t  *t;

    t = data;

    test_place_count(t->zone, t->slot, 1, 0, 1, 1, 1000);
    test_place_count(t->zone, t->slot, 2, 0, 1, 1, 1000);
    test_place_count(t->zone, t->slot, 2, 0, 1, 1, 1000000);
}


static void
test_step_look(void *data)
{
    uint64_t       n;
    test_cells_t  *t;

    t = data;

    if (t->steps++ % 7) {
        return;
    }

    /* nothing falls, of nothing there are two */

    n = ngx_prof_cells_requests(t->zone, 1)
        + ngx_prof_cells_requests(t->zone, 2);
    assert_in_range(n, t->seen, 5);
    t->seen = n;

    n = ngx_prof_hist_number(&test_read(t->zone, 1, 0)->latency);
    assert_in_range(n, 1, 2);
    assert_in_range(test_sum.latency.sum, 1000, n * 1000);

    assert_true(ngx_prof_cells_used(t->zone) <= 8);
}


static ngx_uint_t
test_dead(const ngx_prof_slot_t *slot)
{
    return 0;
}


static void
test_killed_after_each_instruction(void **state)
{
    u_char        *marks;
    test_cells_t  *t;

    t = test_share(sizeof(test_cells_t));
    t->zone = test_cell_zone(2, 3);
    t->slot = test_claim(t->zone, 1);
    t->other = test_claim(t->zone, 1);

    test_place_count(t->zone, t->slot, 1, 0, 1, 1, 1000);
    test_place_count(t->zone, t->other, 2, 0, 1, 1, 1000);
    t->seen = 2;

    test_release(t->slot);
    assert_ptr_equal(test_claim(t->zone, 1), t->slot);

    t->steps = test_below(7);
    (void) test_step(test_step_count, t, test_step_look);

    assert_int_equal(ngx_prof_cells_requests(t->zone, 1), 2);
    assert_int_equal(ngx_prof_cells_requests(t->zone, 2), 3);

    /* all that is in use is linked: nothing is to be swept */

    marks = calloc(1, t->zone->shape.pages / 8 + 1);
    ngx_prof_cells_sweep(t->zone, marks, test_dead);
    assert_int_equal(ngx_prof_cells_requests(t->zone, 1), 2);
    assert_int_equal(ngx_prof_cells_requests(t->zone, 2), 3);
    free(marks);

    test_zone_free(t->zone);
    munmap(t, sizeof(test_cells_t));
}


static void
test_counting_until_killed(void *data)
{
    uint64_t       n;
    test_cells_t  *t;

    t = data;

    for (n = 0; /* void */ ; n++) {
        test_place_count(t->zone, t->slot, 1 + n % 50, 0, 1, 1,
                         1000ULL << n % 20);
        ngx_prof_store(&t->seen, n);
    }
}


static void
test_pages_of_killed_workers_come_back(void **state)
{
    pid_t          pid;
    double         end;
    u_char        *marks;
    uint64_t       kills, n, before;
    ngx_uint_t     i;
    test_cells_t  *t;

    t = test_share(sizeof(test_cells_t));
    t->zone = test_cell_zone(1, 51);
    marks = malloc(t->zone->shape.pages / 8 + 1);
    end = test_clock() + 1.0;

    for (kills = 0; kills < 30 || test_clock() < end; kills++) {
        t->slot = test_claim(t->zone, 1);
        assert_non_null(t->slot);
        t->seen = 0;

        pid = test_spawn(test_counting_until_killed, t);

        while (ngx_prof_load(&t->seen) < 1) {
            ngx_cpu_pause();
        }

        test_spin(test_below(3000));
        kill(pid, SIGKILL);
        assert_int_equal(test_wait(pid), 128 + SIGKILL);
        test_release(t->slot);

        before = n = 0;

        for (i = 1; i < 51; i++) {
            before += ngx_prof_cells_requests(t->zone, i);
        }

        ngx_memzero(marks, t->zone->shape.pages / 8 + 1);
        ngx_prof_cells_sweep(t->zone, marks, test_dead);

        for (i = 1; i < 51; i++) {
            n += ngx_prof_cells_requests(t->zone, i);
        }

        assert_int_equal(n, before);

        /* all pages that are in use are those of cells */

        if (kills % 4 == 3) {

            for (i = 1; i < 51; i++) {
                ngx_prof_cells_free(t->zone, i);
            }

            assert_int_equal(ngx_prof_cells_used(t->zone), 0);
        }
    }

    printf("# %u kills\n", (unsigned) kills);

    free(marks);
    test_zone_free(t->zone);
    munmap(t, sizeof(test_cells_t));
}


/* any word of any page, or of their states, is made any other */

static void
test_overwritten_pages_are_harmless(void **state)
{
    u_char           *pages;
    size_t            size, states;
    uint64_t         *word;
    ngx_uint_t        i, round;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_cell_zone(2, 6);
    size = zone->shape.pages * NGX_PROF_PAGE_SIZE;
    states = ngx_prof_round(zone->shape.pages * sizeof(uint32_t));
    pages = malloc(size);

    slot = test_claim(zone, 1);

    for (i = 0; i < 200; i++) {
        test_place_count(zone, slot, 1 + i % 5, 0, 1, 1, 1000 << i % 20);
    }

    ngx_memcpy(pages, ngx_prof_zone_page(zone, 0), size);

    for (round = 0; round < 3000; round++) {

        for (i = 0; i < 3; i++) {
            word = (uint64_t *) ngx_prof_zone_page(zone, test_below(12));
            word += test_below(3) ? test_below(4)
                                  : test_below(NGX_PROF_PAGE_SIZE / 8);
            *word = test_random() >> test_below(64);
        }

        word = (uint64_t *) ngx_prof_zone_states(zone);
        word[test_below(states / 8)] = test_random() >> test_below(64);
        ngx_prof_zone_place(zone, 1 + test_below(5))->first =
            (uint32_t) test_random() >> test_below(32);

        for (i = 0; i < 6; i++) {
            (void) test_read(zone, i, 0);
            (void) test_read(zone, i, getpid());
            (void) ngx_prof_cells_requests(zone, i);
            test_place_count(zone, slot, i, 0, 1, 1, 1000ULL << round % 30);
        }

        ngx_prof_cells_free(zone, 1 + test_below(5));

        ngx_memcpy(ngx_prof_zone_page(zone, 0), pages, size);
    }

    free(pages);
    test_zone_free(zone);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_all_that_is_counted_is_read),
        cmocka_unit_test(test_a_place_takes_what_it_uses),
        cmocka_unit_test(test_next_owner_goes_on),
        cmocka_unit_test(test_no_request_is_lost_when_pages_run_out),
        cmocka_unit_test(test_killed_after_each_instruction),
        cmocka_unit_test(test_pages_of_killed_workers_come_back),
        cmocka_unit_test(test_overwritten_pages_are_harmless)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
