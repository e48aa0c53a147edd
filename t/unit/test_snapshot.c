
/*
 * The snapshot of all workers, and its history: counters of ended workers
 * stay, those of later ones begin where they began, no sum ever falls.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */
/* sources: shm/ngx_prof_ring.c t/unit/pool.c */
/* sources: t/unit/nginx_functions.c */
/* sources: ngx_http_profiling_module/report/ngx_prof_snapshot.c */
/* sources: ngx_http_profiling_module/worker/ngx_prof_worker.c */
/* libs: -ldl -lm */

#include "shm_test.h"
#include "nginx_functions.h"
#include "pool.h"

#include <math.h>

#include "ngx_prof_snapshot.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_worker.h"


#define SLOTS      6
#define HISTORY    32
#define PLACES     3
#define NONE       ((uint64_t) -1)

/* ns from tick to tick */
#define TEST_TICK  (TEST_INTERVAL * (uint64_t) 1000000)


static ngx_prof_main_conf_t  test_conf;
static ngx_pool_t           *test_memory;
static ngx_prof_sample_t     test_carry[SLOTS];
static ngx_prof_sample_t     test_sum;
static ngx_uint_t            test_workers;
static pid_t                 test_gone;


/* as the module's own, which needs more of nginx */

u_char
ngx_prof_system_state(ngx_pid_t pid)
{
    u_char  letter;

    (void) ngx_prof_process_start(pid, &letter);

    return letter;
}


/* profiling_memory_limit is set, so that of the machine is not asked for */

uint64_t
ngx_prof_memory_limit(void)
{
    fail();

    return 0;
}


static int
test_setup(void **state)
{
    ngx_prof_zone_t  *zone;

    zone = test_zone(SLOTS, HISTORY, PLACES);
    zone->header->place_n = PLACES;
    zone->header->generation = 1;

    test_conf.setting[NGX_PROF_INTERVAL] = TEST_INTERVAL;
    test_conf.setting[NGX_PROF_MEMORY_LIMIT] = 1 << 30;

    ngx_prof_process.zone = zone;
    ngx_prof_process.conf = &test_conf;

    ngx_memzero(test_carry, sizeof(test_carry));
    test_memory = test_pool();
    *state = zone;

    return 0;
}


static int
test_teardown(void **state)
{
    test_zone_free(*state);
    test_pool_free(test_memory);

    return 0;
}


static void
test_end(ngx_prof_slot_t *slot)
{
    slot->owner = test_gone;
}


/* counts n requests, every tenth an error, and what goes with them */

static void
test_work(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot, ngx_uint_t n)
{
    uint64_t    ns;
    ngx_uint_t  i, bucket, code;

    for (i = 0; i < n; i++) {
        ns = 100000 + i;
        bucket = ngx_prof_hist_bucket(ns);
        code = ngx_prof_code_index(i % 10 ? 200 : 500);

        ngx_prof_counts_add(&slot->all, code, 1, 10, bucket, ns);
        test_place_count(zone, slot, 1, code, 1, 10, ns);
        ngx_prof_hist_count(&slot->passes, bucket, ns);

        ngx_prof_add(&slot->totals.tasks, 1);
        ngx_prof_add(&slot->totals.total_alloc, 4096);
        ngx_prof_add(&slot->totals.user, 30);
        ngx_prof_add(&slot->totals.system, 20);
        ngx_prof_slot_pause(slot, 1600000000000 + i, 11000000, 0);
    }
}


/* as the collector writes it: the slot's counters and some gauges */

static void
test_tick(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot, uint32_t tick,
    uint64_t gauge)
{
    ngx_prof_sample_t   s;
    ngx_prof_totals_t  *t;

    t = &slot->totals;

    ngx_memzero(&s, sizeof(s));

    s.tick = tick;
    s.clock = tick * TEST_TICK;
    s.heap_alloc = s.heap_sys = s.anonymous = gauge;
    s.connections = (uint32_t) gauge;
    s.stacks = ngx_prof_sample_stacks(gauge * 1024, gauge * 1048576);
    s.tasks = (uint32_t) t->tasks;
    s.total_alloc = t->total_alloc;
    s.pause_total = t->pause_total;
    s.pauses = (uint32_t) t->pauses;
    s.last_pause = 11000;
    s.requests = ngx_prof_counts_requests(&slot->all);
    s.errors = ngx_prof_counts_class(&slot->all, 5);
    s.cpu = t->user + t->system;

    ngx_prof_ring_write(ngx_prof_zone_history(slot), zone->history, &s);
    slot->last_tick = tick;
}


static ngx_prof_snapshot_t *
test_snapshot(ngx_pid_t filter)
{
    ngx_prof_snapshot_t  *s;

    s = ngx_prof_snapshot_create(test_memory, filter);
    assert_non_null(s);

    ngx_memzero(test_carry, sizeof(test_carry));

    return s;
}


/* the requests of a tick, NONE: nobody has a sample of it */

static uint64_t
test_requests(ngx_prof_snapshot_t *s, uint32_t tick)
{
    if (ngx_prof_snapshot_sample(s, tick, test_carry, &test_sum,
                                 &test_workers)
        != NGX_OK)
    {
        assert_int_equal(test_workers, 0);
        return NONE;
    }

    assert_int_equal(test_sum.tick, tick);
    assert_int_equal(test_sum.clock, tick * TEST_TICK);

    return test_sum.requests;
}


/* what n requests leave behind, see test_work(), in the sum of a tick */

static void
test_sum_is_of(uint64_t n, uint64_t errors)
{
    assert_int_equal(test_sum.errors, errors);
    assert_int_equal(test_sum.tasks, n);
    assert_int_equal(test_sum.total_alloc, n * 4096);
    assert_int_equal(test_sum.cpu, n * 50);
    assert_int_equal(test_sum.pauses, n);
    assert_int_equal(test_sum.pause_total, n * 11000000ULL);
}


/* the sum of a tick: requests, connections, workers that have a sample */

static void
test_tick_is(ngx_prof_snapshot_t *s, uint32_t tick, uint64_t requests,
    uint64_t connections, ngx_uint_t workers)
{
    assert_int_equal(test_requests(s, tick), requests);
    assert_int_equal(test_sum.connections, connections);
    assert_int_equal(test_workers, workers);
}


static void
test_workers_of_a_tick_are_added(void **state)
{
    ngx_uint_t            i;
    ngx_prof_slot_t      *slot;
    ngx_prof_zone_t      *zone;
    ngx_prof_snapshot_t  *s;

    zone = *state;

    for (i = 0; i < 3; i++) {
        slot = test_claim(zone, 10);
        test_work(zone, slot, 100 * (i + 1));
        test_tick(zone, slot, 10, i + 1);
    }

    s = test_snapshot(0);

    assert_int_equal(test_requests(s, 9), NONE);
    test_tick_is(s, 10, 600, 6, 3);
    test_sum_is_of(600, 60);
    assert_int_equal(test_sum.last_pause, 11000);
    assert_int_equal(test_sum.heap_alloc, 6);
    assert_int_equal(test_sum.heap_sys, 6);
    assert_int_equal(test_sum.anonymous, 6);
    assert_int_equal(ngx_prof_sample_stack_inuse(&test_sum), 6 * 1024);
    assert_int_equal(ngx_prof_sample_stack_sys(&test_sum), 6 * 1048576);
    assert_int_equal(test_requests(s, 11), NONE);
}


static void
test_ended_workers_keep_their_counters(void **state)
{
    ngx_prof_slot_t      *one, *two;
    ngx_prof_zone_t      *zone;
    ngx_prof_snapshot_t  *s;

    zone = *state;
    one = test_claim(zone, 1);
    two = test_claim(zone, 1);

    test_work(zone, one, 50);
    test_tick(zone, one, 2, 7);
    test_end(one);

    test_work(zone, two, 5);
    test_tick(zone, two, 2, 1);
    test_work(zone, two, 5);
    test_tick(zone, two, 3, 1);

    s = test_snapshot(0);

    test_tick_is(s, 2, 55, 8, 2);
    test_tick_is(s, 3, 60, 1, 1);

    /* its sample is not in the part that is asked for */

    s = test_snapshot(0);
    assert_int_equal(test_requests(s, 3), 60);
}


static void
test_later_workers_begin_where_they_began(void **state)
{
    ngx_prof_slot_t      *one, *two;
    ngx_prof_zone_t      *zone;
    ngx_prof_snapshot_t  *s;

    zone = *state;
    one = test_claim(zone, 1);
    test_work(zone, one, 1000);
    test_end(one);

    /* the slot is claimed again at tick 40: 1000 are older than that */

    two = test_claim(zone, 40);
    assert_ptr_equal(one, two);

    one = test_claim(zone, 30);
    test_work(zone, one, 3);
    test_tick(zone, one, 39, 1);
    test_tick(zone, one, 41, 1);

    test_work(zone, two, 20);
    test_tick(zone, two, 41, 1);

    s = test_snapshot(0);

    test_tick_is(s, 39, 1003, 1, 1);
    test_sum_is_of(1003, 101);
    assert_int_equal(test_requests(s, 40), NONE);
    test_tick_is(s, 41, 1023, 2, 2);

    /* it has no sample yet */

    test_end(two);
    assert_ptr_equal(test_claim(zone, 42), two);
    test_work(zone, two, 100);
    test_tick(zone, one, 50, 1);

    s = test_snapshot(0);
    assert_int_equal(test_requests(s, 50), 1023);
}


/* what a worker did after its last sample belongs to the tick behind it */

static void
test_killed_worker_is_counted_to_its_end(void **state)
{
    ngx_uint_t            i;
    ngx_prof_slot_t      *one, *two;
    ngx_prof_zone_t      *zone;
    ngx_prof_snapshot_t  *s;

    zone = *state;
    one = test_claim(zone, 1);
    two = test_claim(zone, 1);

    for (i = 2; i < 8; i++) {
        test_tick(zone, two, (uint32_t) i, 1);
    }

    test_work(zone, one, 50);
    test_tick(zone, one, 2, 7);
    test_work(zone, one, 30);
    test_end(one);

    /* nobody has its slot */

    s = test_snapshot(0);
    test_tick_is(s, 2, 50, 8, 2);
    test_tick_is(s, 3, 80, 1, 1);
    assert_int_equal(test_sum.unavailable, 0);

    s = test_snapshot(0);
    assert_int_equal(test_requests(s, 4), 80);

    /* another one has it, later: its sums are the same */

    assert_ptr_equal(test_claim(zone, 5), one);
    test_work(zone, one, 20);
    test_tick(zone, one, 6, 2);

    s = test_snapshot(0);
    test_tick_is(s, 2, 50, 8, 2);
    test_tick_is(s, 3, 80, 1, 1);
    test_tick_is(s, 5, 80, 1, 1);
    test_tick_is(s, 6, 100, 3, 2);

    s = test_snapshot(0);
    assert_int_equal(test_requests(s, 4), 80);

    /* it hangs: what it has is not known */

    s = test_snapshot(0);
    test_tick_is(s, 7, 100, 1, 1);
    assert_int_equal(test_sum.unavailable, NGX_PROF_NO_SAMPLE);
}


/* samples of workers at work are not taken at the same time */

static void
test_time_is_the_mean_of_workers(void **state)
{
    ngx_uint_t            i;
    ngx_prof_slot_t      *slot;
    ngx_prof_zone_t      *zone;
    ngx_prof_sample_t    *sample;
    ngx_prof_snapshot_t  *s;

    zone = *state;

    for (i = 0; i < 4; i++) {
        slot = test_claim(zone, 1);
        test_tick(zone, slot, 2, 1);

        sample = &ngx_prof_zone_history(slot)[2];
        sample->clock += 1000 * i;
    }

    s = test_snapshot(0);

    assert_int_equal(ngx_prof_snapshot_sample(s, 2, test_carry, &test_sum,
                                              &test_workers),
                     NGX_OK);
    assert_int_equal(test_sum.clock, 2 * TEST_TICK + 1500);
}


static void
test_one_worker_alone(void **state)
{
    ngx_prof_slot_t      *slot, *other;
    ngx_prof_zone_t      *zone;
    ngx_prof_snapshot_t  *s;

    zone = *state;
    slot = test_claim(zone, 1);
    test_work(zone, slot, 1000);
    test_tick(zone, slot, 5, 9);
    test_end(slot);

    assert_ptr_equal(test_claim(zone, 5), slot);
    test_work(zone, slot, 30);
    test_tick(zone, slot, 6, 2);
    test_work(zone, slot, 4);
    test_tick(zone, slot, 8, 3);

    other = test_claim(zone, 1);
    test_work(zone, other, 500);
    test_tick(zone, other, 6, 100);
    test_tick(zone, other, 7, 100);
    other->owner = getppid();

    s = test_snapshot(getpid());

    /* what the slot's owner before had is not this worker's */

    assert_int_equal(test_requests(s, 5), NONE);
    test_tick_is(s, 6, 30, 2, 1);
    test_sum_is_of(30, 3);
    assert_int_equal(test_requests(s, 7), NONE);
    assert_int_equal(test_requests(s, 8), 34);
}


/*
 * A reload with another interval: the samples of workers that ended have the
 * numbers of other times, and the present reaches these numbers later.
 */

static void
test_another_interval_has_other_ticks(void **state)
{
    ngx_prof_slot_t      *one, *two;
    ngx_prof_zone_t      *zone;
    ngx_prof_sample_t     sample;
    ngx_prof_snapshot_t  *s;

    zone = *state;
    one = test_claim(zone, 1);
    test_work(zone, one, 100);
    test_tick(zone, one, 20, 7);
    test_end(one);

    test_conf.setting[NGX_PROF_INTERVAL] = 2 * TEST_INTERVAL;

    two = test_claim(zone, 10);
    assert_ptr_equal(one, two);
    two->owner = test_gone;

    one = test_claim(zone, 1);
    test_tick(zone, one, 21, 7);
    two = test_claim(zone, 10);
    assert_ptr_not_equal(one, two);

    /* one goes on with the old interval, two has the new one */

    ngx_prof_slot_renumber(zone, two, 2 * TEST_INTERVAL, 10);
    test_work(zone, two, 5);
    test_tick(zone, two, 20, 1);
    test_tick(zone, two, 21, 1);

    s = test_snapshot(0);

    test_tick_is(s, 20, 105, 1, 1);
    test_tick_is(s, 21, 105, 1, 1);

    /* a single process goes on under another one: its history begins anew */

    ngx_prof_slot_renumber(zone, two, 3 * TEST_INTERVAL, 12);
    assert_int_equal(two->tick, 12);
    assert_int_equal(ngx_prof_ring_read(
                                      ngx_prof_zone_history(two),
                                      HISTORY, 20, &sample),
                     NGX_DECLINED);

    /* and stays where the interval does */

    test_tick(zone, two, 13, 1);
    ngx_prof_slot_renumber(zone, two, 3 * TEST_INTERVAL, 14);
    assert_int_equal(ngx_prof_ring_read(
                                      ngx_prof_zone_history(two),
                                      HISTORY, 13, &sample),
                     NGX_OK);
}


static void
test_never_falls(ngx_prof_zone_t *zone, uint32_t from, uint32_t to)
{
    uint32_t              tick;
    ngx_prof_sample_t     last;
    ngx_prof_snapshot_t  *s;

    s = test_snapshot(0);
    ngx_memzero(&last, sizeof(last));

    for (tick = from; tick <= to; tick++) {

        if (test_requests(s, tick) == NONE) {
            continue;
        }

        if (test_sum.requests < last.requests
            || test_sum.errors < last.errors || test_sum.tasks < last.tasks
            || test_sum.total_alloc < last.total_alloc
            || test_sum.cpu < last.cpu || test_sum.pauses < last.pauses
            || test_sum.pause_total < last.pause_total)
        {
            fail_msg("from %u: a sum fell at tick %u", from, tick);
        }

        last = test_sum;
    }
}


/* a worker that missed the first tick asked for, and ended later */

static void
test_missed_tick_of_an_ended_worker(void **state)
{
    ngx_prof_slot_t  *one, *two;
    ngx_prof_zone_t  *zone;

    zone = *state;
    one = test_claim(zone, 1);
    two = test_claim(zone, 1);

    test_tick(zone, two, 10, 1);
    test_tick(zone, two, 11, 1);
    test_tick(zone, two, 12, 1);

    test_work(zone, one, 10);
    test_tick(zone, one, 11, 1);
    test_work(zone, one, 100);
    test_end(one);

    test_never_falls(zone, 10, 12);

    /* the slot has an owner again, which found more than at tick 11 */

    assert_ptr_equal(test_claim(zone, 12), one);
    test_never_falls(zone, 10, 12);

    test_work(zone, one, 1);
    test_tick(zone, one, 12, 1);
    test_never_falls(zone, 10, 12);
    test_never_falls(zone, 11, 12);
}


static void
test_no_sum_falls_whatever_happens(void **state)
{
    uint32_t          tick, from, round;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    for (round = 0; round < 60; round++) {
        zone = *state;

        for (tick = 1; tick < 60; tick++) {

            for (i = 0; i < SLOTS; i++) {
                slot = ngx_prof_zone_slot(zone, i);

                if (slot->claims == 0 || slot->owner == (uint64_t) test_gone) {

                    if (test_below(6) == 0) {
                        (void) test_claim(zone, tick);
                    }

                    continue;
                }

                test_work(zone, slot, test_below(8));

                if (test_below(4)) {
                    test_tick(zone, slot, tick, 1);
                }

                test_work(zone, slot, test_below(8));

                if (test_below(12) == 0) {
                    test_end(slot);
                }
            }
        }

        /* no more ticks than the history holds are ever asked for */

        for (from = 60 - HISTORY; from < 60; from += 3) {
            test_never_falls(zone, from, 60);
        }

        (void) test_teardown(state);
        (void) test_setup(state);
    }
}


static void
test_snapshot_adds_all_slots(void **state)
{
    ngx_prof_slot_t      *one, *two;
    ngx_prof_zone_t      *zone;
    ngx_prof_counts_t    *place;
    ngx_prof_worker_t    *w;
    ngx_prof_snapshot_t  *s;

    zone = *state;

    one = test_claim(zone, 1);
    one->generation = 1;
    test_work(zone, one, 100);
    test_end(one);

    assert_ptr_equal(test_claim(zone, 1), one);
    one->generation = 1;
    test_work(zone, one, 20);

    two = test_claim(zone, 1);
    test_work(zone, two, 3);
    test_end(two);

    s = test_snapshot(0);
    while (ngx_prof_snapshot_next(s) != NGX_DONE) { /* void */ }

    /* all that ever was */

    assert_int_equal(ngx_prof_counts_requests(&s->all), 123);
    assert_int_equal(ngx_prof_counts_class(&s->all, 5), 13);
    assert_int_equal(ngx_prof_hist_number(&s->passes), 123);
    assert_int_equal(s->totals.pauses, 123);

    /* the living worker, without what it found */

    assert_int_equal(s->workers.nelts, 1);
    w = s->workers.elts;
    assert_int_equal(w->pid, getpid());
    assert_int_equal(w->requests, 20);
    assert_int_equal(w->errors, 2);
    assert_int_equal(w->totals.pauses, 20);
    assert_int_equal(w->latency.number, 20);
    assert_int_equal(w->state, NGX_PROF_RUNNING);

    place = ngx_pcalloc(test_memory, sizeof(ngx_prof_counts_t));

    assert_int_equal(ngx_prof_snapshot_place(s, 1, place), NGX_OK);
    assert_int_equal(ngx_prof_counts_requests(place), 123);

    /* of this one alone */

    s = test_snapshot(getpid());
    while (ngx_prof_snapshot_next(s) != NGX_DONE) { /* void */ }

    assert_int_equal(ngx_prof_counts_requests(&s->all), 20);
    assert_int_equal(s->totals.pauses, 20);

    ngx_memzero(place, sizeof(ngx_prof_counts_t));
    assert_int_equal(ngx_prof_snapshot_place(s, 1, place), NGX_OK);
    assert_int_equal(ngx_prof_counts_requests(place), 20);

    ngx_memzero(place, sizeof(ngx_prof_counts_t));
    assert_int_equal(ngx_prof_snapshot_place(s, 2, place), NGX_DECLINED);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_workers_of_a_tick_are_added,
                                        test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_ended_workers_keep_their_counters,
                                        test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(
                                    test_later_workers_begin_where_they_began,
                                    test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(
                                    test_killed_worker_is_counted_to_its_end,
                                    test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_time_is_the_mean_of_workers,
                                        test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_one_worker_alone, test_setup,
                                        test_teardown),
        cmocka_unit_test_setup_teardown(test_another_interval_has_other_ticks,
                                        test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_missed_tick_of_an_ended_worker,
                                        test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_no_sum_falls_whatever_happens,
                                        test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(test_snapshot_adds_all_slots,
                                        test_setup, test_teardown)
    };

    test_seed();
    test_gone = test_dead_pid();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
