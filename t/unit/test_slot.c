
/*
 * Slots: who owns them, what is left of an ended owner, and that neither
 * a kill at any instruction nor many claims at once make a counter fall.
 */

/* sources: t/unit/shm_step.c t/unit/unwind_trap_arm64.c */
/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */

#include "shm_test.h"


#define PLACES   3
#define CLAIMS   32
#define SLOTS    8


typedef struct {
    ngx_prof_zone_t   *zone;
    ngx_prof_slot_t   *slot;
    uint64_t           running;
    uint64_t           ready;
    uint64_t           done;
    uint64_t           leave;
    uint64_t           got[CLAIMS];
    uint64_t           steps;
    uint64_t           lost;
    ngx_prof_totals_t  totals;
    ngx_prof_counts_t  counts;
    ngx_prof_hist_t    passes;
} test_slots_t;


static ngx_prof_counts_t  test_sum;


/* one request, one pass and one pause, as a worker counts them */

static void
test_count(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot, uint64_t n)
{
    uint64_t    ns;
    ngx_uint_t  bucket, code;

    ns = 1000 + n * 7919 % 100000000;
    bucket = ngx_prof_hist_bucket(ns);
    code = ngx_prof_code_index(n % 10 ? 200 : 503);

    ngx_prof_counts_add(&slot->all, code, 100, 1000, bucket, ns);
    test_place_count(zone, slot, n % PLACES, code, 100, 1000, ns);

    ngx_prof_hist_count(&slot->passes, bucket, ns);
    ngx_prof_add(&slot->totals.iterations, 1);
    ngx_prof_add(&slot->totals.busy, ns);

    ngx_prof_slot_pause(slot, n, ns, 0);
}


static ngx_prof_zone_t *
test_slot_zone(ngx_uint_t slots)
{
    ngx_prof_zone_t  *zone;

    zone = test_zone(slots, 4, PLACES);
    zone->header->place_n = PLACES;

    return zone;
}


/* everything but the counters of the places is the same */

static void
test_same_counters(ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot)
{
    ngx_uint_t  i;

    assert_memory_equal(&slot->base, &slot->totals, sizeof(slot->base));
    assert_memory_equal(&slot->base_passes, &slot->passes,
                        sizeof(slot->base_passes));
    assert_memory_equal(&slot->base_all, &slot->all, sizeof(slot->base_all));

    /* of places the present owner has counted nothing */

    ngx_memzero(&test_sum, sizeof(test_sum));

    for (i = 0; i < PLACES; i++) {
        ngx_prof_cells_sum(zone, i, getpid(), &test_sum);
    }

    assert_int_equal(ngx_prof_counts_requests(&test_sum), 0);
    assert_int_equal(test_sum.latency.top, 0);
}


static void
test_claim_and_release(void **state)
{
    ngx_pid_t              dead;
    ngx_prof_slot_t       *slot, *other;
    ngx_prof_zone_t       *zone;
    ngx_prof_spent_t       spent;
    ngx_prof_slot_claim_t  claim;

    zone = test_slot_zone(2);

    claim.pid = getpid();
    claim.start = ngx_prof_process_start(getpid(), NULL);
    claim.alive = ngx_prof_slot_alive;
    claim.clock = 1234;
    claim.tick = 55;
    claim.generation = 3;
    claim.process_slot = 7;
    claim.worker = 2;
    claim.interval = 2000;

    slot = ngx_prof_slot_claim(zone, &claim);

    assert_ptr_equal(slot, ngx_prof_zone_slot(zone, 0));
    assert_int_equal(ngx_prof_slot_pid(slot), getpid());
    assert_int_equal(ngx_prof_slot_alive(slot), 1);
    assert_int_equal(slot->start, claim.start);
    assert_int_equal(slot->claimed, 1234);
    assert_int_equal(slot->tick, 55);
    assert_int_equal(slot->generation, 3);
    assert_int_equal(slot->process_slot, 7);
    assert_int_equal(slot->worker, 2);
    assert_int_equal(slot->claims, 1);

    /* a slot that is taken is passed over, a free one is taken again */

    other = ngx_prof_slot_claim(zone, &claim);
    assert_ptr_equal(other, ngx_prof_zone_slot(zone, 1));

    /* one that was given back, when its owner is gone */

    ngx_prof_slot_release(slot);
    assert_int_equal(ngx_prof_slot_pid(slot), 0);
    assert_null(ngx_prof_slot_claim(zone, &claim));

    slot->owner = test_dead_pid();
    slot->released = slot->owner;
    slot->spent.pid = slot->owner;
    slot->spent.user = 17;
    dead = (ngx_pid_t) slot->owner;

    assert_int_equal(ngx_prof_slot_pid(slot), 0);
    assert_ptr_equal(ngx_prof_slot_claim(zone, &claim), slot);
    assert_int_equal(slot->claims, 2);
    assert_int_equal(ngx_prof_slot_pid(slot), getpid());

    /* what both have spent is known */

    assert_int_equal(ngx_prof_slot_spent(slot, dead, &spent), NGX_OK);
    assert_int_equal(spent.user, 17);
    assert_int_equal(ngx_prof_slot_spent(slot, getpid(), &spent), NGX_OK);
    assert_int_equal(spent.pid, getpid());
    assert_int_equal(ngx_prof_slot_spent(slot, 1, &spent), NGX_DECLINED);

    /* a pid that comes again has not given back what it has now */

    assert_int_equal(slot->released, dead);
    ngx_prof_slot_release(slot);
    slot->owner = 0;
    assert_ptr_equal(ngx_prof_slot_claim(zone, &claim), slot);
    assert_int_equal(ngx_prof_slot_pid(slot), getpid());

    test_zone_free(zone);
}


static void
test_used_slots_are_claimed_before_fresh_ones(void **state)
{
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_slot_zone(3);

    (void) test_claim(zone, 1);
    slot = test_claim(zone, 1);
    test_release(slot);

    assert_ptr_equal(test_claim(zone, 1), slot);
    assert_ptr_equal(test_claim(zone, 1), ngx_prof_zone_slot(zone, 2));

    test_zone_free(zone);
}


static void
test_no_slot_is_left(void **state)
{
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = test_slot_zone(2);

    slot = test_claim(zone, 1);
    assert_non_null(slot);
    assert_non_null(test_claim(zone, 1));

    assert_null(test_claim(zone, 1));
    assert_null(test_claim(zone, 1));

    test_release(slot);

    assert_ptr_equal(test_claim(zone, 1), slot);

    test_zone_free(zone);
}


static void
test_counters_go_on_with_the_next_owner(void **state)
{
    uint64_t           n;
    ngx_prof_hist_t   *passes;
    ngx_prof_slot_t   *slot;
    ngx_prof_zone_t   *zone;
    ngx_prof_totals_t  totals;

    zone = test_slot_zone(1);
    slot = test_claim(zone, 1);

    for (n = 0; n < 1000; n++) {
        test_count(zone, slot, n);
    }

    slot->pass_start = slot->wait_start = slot->awaiting = 5;
    slot->gauges.clock = 5;
    slot->owner = test_dead_pid();

    assert_ptr_equal(test_claim(zone, 9), slot);

    assert_int_equal(slot->tick, 9);
    assert_int_equal(slot->totals.iterations, 1000);
    assert_int_equal(slot->totals.pauses, 1000);
    test_same_counters(zone, slot);

    /* gauges and the state of the loop are not */

    assert_int_equal(slot->pass_start, 0);
    assert_int_equal(slot->wait_start, 0);
    assert_int_equal(slot->awaiting, 0);
    assert_int_equal(slot->gauges.clock, 0);
    assert_int_equal(slot->gauges_seq & 1, 0);

    /* what the new owner counts is told from what it found */

    test_count(zone, slot, 0);
    test_count(zone, slot, 1);

    ngx_memzero(&test_sum, sizeof(test_sum));
    ngx_prof_counts_sum(&test_sum, &slot->all, &slot->base_all);

    assert_int_equal(ngx_prof_counts_requests(&test_sum), 2);
    assert_int_equal(ngx_prof_counts_class(&test_sum, 2), 1);
    assert_int_equal(ngx_prof_counts_class(&test_sum, 5), 1);
    assert_int_equal(test_sum.plain.bytes_in, 200);
    assert_int_equal(test_sum.plain.bytes_out, 2000);
    assert_int_equal(ngx_prof_hist_number(&test_sum.latency), 2);
    assert_int_equal(test_sum.latency.sum, 2000 + 7919);

    ngx_memzero(&test_sum, sizeof(test_sum));
    ngx_prof_cells_sum(zone, 1, getpid(), &test_sum);

    assert_int_equal(ngx_prof_counts_requests(&test_sum), 1);
    assert_int_equal(ngx_prof_hist_number(&test_sum.latency), 1);
    assert_int_equal(ngx_prof_hist_number(&test_sum.upstream), 1);

    ngx_memzero(&totals, sizeof(totals));
    ngx_prof_totals_sum(&totals, &slot->totals, &slot->base);

    assert_int_equal(totals.iterations, 2);
    assert_int_equal(totals.busy, 2000 + 7919);
    assert_int_equal(totals.pauses, 2);

    passes = &test_sum.latency;
    ngx_memzero(passes, sizeof(ngx_prof_hist_t));
    ngx_prof_hist_sum(passes, &slot->passes, &slot->base_passes);
    assert_int_equal(ngx_prof_hist_number(passes), 2);

    test_zone_free(zone);
}


static void
test_counting(void *data)
{
    uint64_t       n;
    test_slots_t  *t;

    t = data;

    for (n = 0; /* void */ ; n++) {
        test_count(t->zone, t->slot, n);
        ngx_prof_store(&t->running, n);
    }
}


/* no counter of the slot is less than at the last look */

static void
test_look_counters(test_slots_t *t)
{
    uint64_t     words[3], *now[3], *before[3], part;
    ngx_uint_t   i, k;

    now[0] = (uint64_t *) &t->slot->totals;
    now[1] = (uint64_t *) &t->slot->all;
    now[2] = (uint64_t *) &t->slot->passes;
    before[0] = (uint64_t *) &t->totals;
    before[1] = (uint64_t *) &t->counts;
    before[2] = (uint64_t *) &t->passes;
    words[0] = sizeof(t->totals) / 8;
    words[1] = sizeof(t->counts) / 8;
    words[2] = sizeof(t->passes) / 8;

    for (i = 0; i < 3; i++) {

        for (k = 0; k < words[i]; k++) {

            if (now[i][k] < before[i][k]) {
                fail_msg("counter %u of part %u fell", (unsigned) k,
                         (unsigned) i);
            }

            before[i][k] = now[i][k];
        }
    }

    /* the parts agree but for requests that were under way in a kill */

    ngx_memzero(&test_sum, sizeof(test_sum));
    ngx_prof_counts_sum(&test_sum, &t->slot->all, NULL);

    part = ngx_prof_hist_number(&test_sum.latency);

    assert_in_range(ngx_prof_counts_requests(&test_sum), part, part + t->lost);

    ngx_memzero(&test_sum, sizeof(test_sum));

    for (i = 0; i < PLACES; i++) {
        ngx_prof_cells_sum(t->zone, i, 0, &test_sum);
    }

    assert_in_range(ngx_prof_counts_requests(&t->slot->all),
                    ngx_prof_counts_requests(&test_sum),
                    ngx_prof_counts_requests(&test_sum) + t->lost);
}


static void
test_owner_killed_while_it_counts(void **state)
{
    pid_t          pid;
    double         end;
    uint64_t       kills;
    test_slots_t  *t;

    t = test_share(sizeof(test_slots_t));
    t->zone = test_slot_zone(1);
    t->slot = test_claim(t->zone, 1);

    end = test_clock() + 1.5;

    for (kills = 1; kills < 30 || test_clock() < end; kills++) {
        t->running = 0;
        pid = test_spawn(test_counting, t);
        t->slot->owner = pid;
        t->slot->start = 0;

        while (ngx_prof_load(&t->running) < 10) {
            ngx_cpu_pause();
        }

        assert_null(test_claim(t->zone, 1));

        test_spin(test_below(2000));
        kill(pid, SIGKILL);
        assert_int_equal(test_wait(pid), 128 + SIGKILL);

        t->lost = kills;
        test_look_counters(t);

        assert_ptr_equal(test_claim(t->zone, 1), t->slot);
        assert_int_equal(t->slot->claims, kills + 1);

        assert_memory_equal(&t->slot->base, &t->slot->totals,
                            sizeof(t->slot->base));
        assert_memory_equal(&t->slot->base_all, &t->slot->all,
                            sizeof(t->slot->base_all));
    }

    printf("# %u kills, %u requests\n", (unsigned) kills - 1,
           (unsigned) ngx_prof_counts_requests(&t->slot->all));

    test_zone_free(t->zone);
    munmap(t, sizeof(test_slots_t));
}


static void
test_step_count(void *data)
{
    test_slots_t  *t;

    t = data;

    test_count(t->zone, t->slot, 100);
    test_count(t->zone, t->slot, 101);
}


static void
test_step_count_look(void *data)
{
    test_slots_t  *t;

    t = data;

    /* each look is long, the sanitizer's instructions are many */

    if (t->steps++ % 5 == 0) {
        test_look_counters(t);
    }
}


static void
test_owner_killed_after_each_instruction(void **state)
{
    test_slots_t  *t;

    t = test_share(sizeof(test_slots_t));
    t->zone = test_slot_zone(1);
    t->slot = test_claim(t->zone, 1);
    t->steps = test_below(5);
    t->lost = 1;

    (void) test_step(test_step_count, t, test_step_count_look);

    assert_int_equal(t->slot->totals.pauses, 2);
    assert_int_equal(ngx_prof_counts_requests(&t->slot->all), 2);

    test_zone_free(t->zone);
    munmap(t, sizeof(test_slots_t));
}


static void
test_claiming(void *data)
{
    test_slots_t  *t;

    t = data;
    (void) test_claim(t->zone, 2);

    while (!ngx_prof_load(&t->leave)) { /* void */ }
}


/* the claimer dies: all counters stand, the next claim sets all right */

static void
test_claimer_killed_at_random(void **state)
{
    pid_t          pid;
    double         end;
    uint64_t       n, kills, halfway;
    test_slots_t  *t;

    t = test_share(sizeof(test_slots_t));
    t->zone = test_slot_zone(1);
    t->slot = test_claim(t->zone, 1);
    halfway = 0;

    end = test_clock() + 1.5;

    for (kills = 0; kills < 30 || test_clock() < end; kills++) {

        for (n = 0; n < PLACES; n++) {
            test_count(t->zone, t->slot, n);
        }

        t->totals = t->slot->totals;
        t->counts = t->slot->all;
        test_release(t->slot);

        pid = test_spawn(test_claiming, t);

        while (!ngx_prof_load(&t->slot->owner)) {
            ngx_cpu_pause();
        }

        test_spin(test_below(1500));
        kill(pid, SIGKILL);
        assert_int_equal(test_wait(pid), 128 + SIGKILL);

        halfway += (t->slot->owner & NGX_PROF_CLAIMING) != 0;

        assert_ptr_equal(test_claim(t->zone, 3), t->slot);
        assert_int_equal(t->slot->owner, getpid());
        assert_int_equal(t->slot->tick, 3);

        assert_memory_equal(&t->slot->totals, &t->totals, sizeof(t->totals));
        assert_memory_equal(&t->slot->all, &t->counts, sizeof(t->counts));
        test_same_counters(t->zone, t->slot);
    }

    printf("# %u kills, %u in the middle\n", (unsigned) kills,
           (unsigned) halfway);

    test_zone_free(t->zone);
    munmap(t, sizeof(test_slots_t));
}


/* the first write to one page of the slot is the end of this process */

static void
test_claiming_up_to_a_page(void *data)
{
    test_slots_t  *t;

    t = data;

    (void) signal(SIGSEGV, SIG_DFL);

    if (mprotect((u_char *) t->zone->header + t->running, 4096, PROT_READ)
        == -1)
    {
        _exit(3);
    }

    (void) test_claim(t->zone, 2);
}


static void
test_claimer_killed_at_each_page(void **state)
{
    int            code;
    uint64_t       n, killed;
    test_slots_t  *t;

    t = test_share(sizeof(test_slots_t));
    t->zone = test_slot_zone(1);
    t->slot = test_claim(t->zone, 1);
    killed = 0;

    for (t->running = 4096; t->running < t->zone->size; t->running += 4096) {

        for (n = 0; n < PLACES; n++) {
            test_count(t->zone, t->slot, n);
        }

        t->totals = t->slot->totals;
        t->counts = t->slot->all;
        test_release(t->slot);

        code = test_wait(test_fork(test_claiming_up_to_a_page, t));

        if (code) {
            assert_int_equal(code, 128 + SIGSEGV);

            /* other workers leave alone what was not finished */

            assert_int_equal(ngx_prof_slot_pid(t->slot), 0);
            assert_int_equal(ngx_prof_slot_alive(t->slot), 0);
            killed++;
        }

        assert_memory_equal(&t->slot->totals, &t->totals, sizeof(t->totals));
        assert_memory_equal(&t->slot->all, &t->counts, sizeof(t->counts));

        assert_ptr_equal(test_claim(t->zone, 3), t->slot);
        assert_int_equal(t->slot->owner, getpid());
        test_same_counters(t->zone, t->slot);
    }

    printf("# killed at %u pages\n", (unsigned) killed);

    /* the pages that the bases of a slot take */

    assert_true(killed > 5);

    test_zone_free(t->zone);
    munmap(t, sizeof(test_slots_t));
}


static void
test_contend(void *data)
{
    uint64_t          i;
    test_slots_t     *t;
    ngx_prof_slot_t  *slot;

    t = data;
    i = __atomic_fetch_add(&t->ready, 1, __ATOMIC_RELAXED);

    while (ngx_prof_load(&t->ready) < CLAIMS) {
        sched_yield();
    }

    slot = test_claim(t->zone, 1);
    t->got[i] = slot ? 1 + ngx_prof_zone_slot_index(t->zone, slot)
                     : 0;

    if (slot && slot->owner != (uint64_t) getpid()) {
        _exit(2);
    }

    __atomic_fetch_add(&t->done, 1, __ATOMIC_RELAXED);

    while (!ngx_prof_load(&t->leave)) {
        usleep(1000);
    }
}


static void
test_tell_start(void *data)
{
    u_char  state;

    *(uint64_t *) data = ngx_prof_process_start(getpid(), &state);
}


/* whether others see the start of a process that it sees itself */

static ngx_uint_t
test_start_is_one(void)
{
    pid_t       pid;
    uint64_t   *told, seen;
    siginfo_t   info;

    told = test_share(sizeof(uint64_t));
    pid = test_fork(test_tell_start, told);

    assert_int_equal(waitid(P_PID, pid, &info, WEXITED|WNOWAIT), 0);
    seen = ngx_prof_process_start(pid, NULL);
    assert_int_equal(test_wait(pid), 0);

    pid = (*told == seen);
    munmap(told, sizeof(uint64_t));

    return pid;
}


static void
test_many_claims_at_once(void **state)
{
    pid_t          pid[CLAIMS];
    uint64_t       owners[SLOTS], i, n, round;
    test_slots_t  *t;

    if (!test_start_is_one()) {
        printf("# /proc/self/stat is made up: it takes no emulator\n");
        skip();
    }

    t = test_share(sizeof(test_slots_t));
    t->zone = test_slot_zone(SLOTS);

    /* from the second round on, all slots belong to dead workers */

    for (round = 1; round <= 10; round++) {
        t->ready = t->done = t->leave = 0;

        for (i = 0; i < CLAIMS; i++) {
            pid[i] = test_fork(test_contend, t);
        }

        while (ngx_prof_load(&t->done) < CLAIMS) {
            usleep(1000);
        }

        ngx_memzero(owners, sizeof(owners));
        n = 0;

        for (i = 0; i < CLAIMS; i++) {

            if (t->got[i]) {
                assert_int_equal(owners[t->got[i] - 1]++, 0);
                n++;
            }
        }

        assert_int_equal(n, SLOTS);

        for (i = 0; i < SLOTS; i++) {
            assert_int_equal(ngx_prof_zone_slot(t->zone, i)->claims, round);
        }

        ngx_prof_store(&t->leave, 1);

        for (i = 0; i < CLAIMS; i++) {
            assert_int_equal(test_wait(pid[i]), 0);
        }
    }

    test_zone_free(t->zone);
    munmap(t, sizeof(test_slots_t));
}


static void
test_latest_pauses_are_kept(void **state)
{
    uint64_t          i, n, seen[1001];
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;
    ngx_prof_pause_t  pause, *p;

    zone = test_slot_zone(1);
    slot = test_claim(zone, 1);

    for (n = 1; n <= 1000; n++) {
        ngx_prof_slot_pause(slot, 5000 + n, n * 1000000,
                            n % 2 ? NGX_PROF_CAUSE_TRIM
                                            : NGX_PROF_CAUSE_UNKNOWN);
    }

    assert_int_equal(slot->totals.pauses, 1000);
    assert_int_equal(slot->totals.pause_total, 500500ULL * 1000000);
    assert_int_equal(slot->last_pause, 1000000000);
    assert_int_equal(slot->last_pause_clock, 6000);

    ngx_memzero(seen, sizeof(seen));

    for (i = 0; i < NGX_PROF_PAUSES; i++) {
        p = &slot->pause[i];

        assert_int_equal(ngx_prof_pause_read(p, &pause), NGX_OK);

        n = pause.number;

        assert_in_range(n, 745, 1000);
        assert_int_equal(pause.clock, 5000 + n);
        assert_int_equal(pause.duration, n * 1000000);
        assert_int_equal(pause.cause, n % 2 ? NGX_PROF_CAUSE_TRIM
                                         : NGX_PROF_CAUSE_UNKNOWN);
        assert_int_equal(pause.pid, getpid());
        assert_int_equal(seen[n]++, 0);
    }

    test_zone_free(zone);
}


static void
test_codes_and_statuses(void **state)
{
    ngx_uint_t  i, index, code, other, known, used;

    static const ngx_uint_t  statuses[] = {
        101, 200, 201, 202, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400,
        401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415,
        416, 421, 429, 444, 494, 495, 496, 497, 499, 500, 501, 502, 503, 504,
        505, 507
    };

    known = 0;

    for (i = 0; i <= 1000; i++) {
        index = ngx_prof_code_index(i);

        assert_true(index < NGX_PROF_CODES);
        assert_int_equal(ngx_prof_code_status(index, &code, &other), NGX_OK);

        if (i < 100) {
            assert_int_equal(index, 0);
            assert_int_equal(code, 0);
            assert_int_equal(other, 0);

        } else if (i > 599) {
            assert_int_equal(index, 5);
            assert_int_equal(other, 1);

        } else if (other) {
            assert_int_equal(code, i / 100 * 100);
            assert_int_equal(index, i / 100);

        } else {
            assert_int_equal(code, i);
            known++;
        }
    }

    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        index = ngx_prof_code_index(statuses[i]);
        (void) ngx_prof_code_status(index, &code, &other);

        assert_int_equal(other, 0);
    }

    /* each index is used by somebody or says that it is not */

    used = 0;

    for (i = 0; i < NGX_PROF_CODES + 10; i++) {
        used += ngx_prof_code_status(i, &code, &other) == NGX_OK;
    }

    assert_int_equal(used, known + 6);
}


static void
test_requests_of_a_class(void **state)
{
    uint64_t            all;
    ngx_uint_t          i, class;
    ngx_prof_counts_t  *counts;

    counts = &test_sum;
    ngx_memzero(counts, sizeof(ngx_prof_counts_t));

    for (i = 0; i <= 1000; i++) {
        ngx_prof_counts_add(counts, ngx_prof_code_index(i), 1, 2, 0, 1);
    }

    all = 0;

    for (class = 0; class <= 5; class++) {
        assert_int_equal(ngx_prof_counts_class(counts, class),
                         class == 5 ? 100 + 401 : 100);
        all += ngx_prof_counts_class(counts, class);
    }

    assert_int_equal(ngx_prof_counts_class(counts, 6), 0);
    assert_int_equal(all, 1001);
    assert_int_equal(ngx_prof_counts_requests(counts), 1001);
    assert_int_equal(counts->plain.bytes_in, 1001);
    assert_int_equal(counts->plain.bytes_out, 2002);
    assert_int_equal(ngx_prof_hist_number(&counts->latency), 1001);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_claim_and_release),
        cmocka_unit_test(test_used_slots_are_claimed_before_fresh_ones),
        cmocka_unit_test(test_no_slot_is_left),
        cmocka_unit_test(test_counters_go_on_with_the_next_owner),
        cmocka_unit_test(test_owner_killed_while_it_counts),
        cmocka_unit_test(test_owner_killed_after_each_instruction),
        cmocka_unit_test(test_claimer_killed_at_random),
        cmocka_unit_test(test_claimer_killed_at_each_page),
        cmocka_unit_test(test_many_claims_at_once),
        cmocka_unit_test(test_latest_pauses_are_kept),
        cmocka_unit_test(test_codes_and_statuses),
        cmocka_unit_test(test_requests_of_a_class)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
