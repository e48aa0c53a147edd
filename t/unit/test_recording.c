
/*
 * The recording of a slot: what goes in comes out, intervals add up to the
 * tables, the window holds whatever the load, writers killed at random, rings
 * of any content, tables that take turns.
 */

/* sources: t/unit/shm_step.c t/unit/unwind_trap_arm64.c */
/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */

#include "shm_test.h"

#include <signal.h>

#include "ngx_prof_recording.h"


#define TABLE  4096
#define RING   65536
#define KEEP   60000


typedef struct {
    ngx_prof_recorded_slot_t  rec;
    uint64_t                  added[NGX_PROF_RECORDED_TABLES];
    uint64_t                  value[NGX_PROF_RECORDED_TABLES];
    uint64_t                  now;
    ngx_uint_t                entries;
} test_recording_t;


/* what a ring holds: sums by table, in counts and values */

typedef struct {
    uint64_t    count[NGX_PROF_RECORDED_TABLES];
    uint64_t    value[NGX_PROF_RECORDED_TABLES];
    uint64_t    begin;
    uint64_t    end;
    uint64_t    without;
    ngx_uint_t  intervals;
    ngx_uint_t  gaps;
    ngx_uint_t  pids;
} test_seen_t;


static test_recording_t *
test_recording(void)
{
    u_char            *p;
    test_recording_t  *t;

    t = test_share(sizeof(test_recording_t));
    p = test_share(ngx_prof_recording_size(TABLE, TABLE, TABLE, RING));

    ngx_prof_recording_open(&t->rec, p, TABLE, TABLE, TABLE, RING);

    t->rec.table[NGX_PROF_RECORDED_BLOCK].stacks =
                                     test_share(ngx_prof_stacks_size(TABLE));
    t->rec.table[NGX_PROF_RECORDED_MUTEX].stacks =
                                     test_share(ngx_prof_stacks_size(TABLE));
    t->rec.table[NGX_PROF_RECORDED_ALLOCS].stacks =
                                     test_share(ngx_prof_stacks_size(TABLE));
    t->now = 1000000;
    t->entries = 100;

    ngx_prof_recording_take(&t->rec, 4711, 3, t->now, KEEP);

    return t;
}


/* one more of stack n */

static void
test_add(test_recording_t *t, ngx_uint_t table, uint64_t n, uint64_t value)
{
    uint64_t              pcs[2];
    ngx_uint_t            i;
    ngx_prof_recorded_t  *to;

    to = &t->rec.table[table];

    pcs[0] = 1000 + n;
    pcs[1] = 17;

    i = ngx_prof_stacks_put(to->stacks, to->size, NULL, pcs, 2,
                            (uint32_t) n, 1, value);
    assert_int_not_equal(i, 0);

    ngx_prof_stacks_count(to->stacks, to->size, i, 1, value);
    ngx_prof_recording_touch(to, i);

    t->added[table]++;
    t->value[table] += value;
}


static void
test_close(test_recording_t *t, ngx_uint_t group, uint64_t ms)
{
    t->now += ms;
    ngx_prof_recording_close(&t->rec, group, t->now, KEEP);
}


static void
test_see(test_recording_t *t, test_seen_t *seen, ngx_uint_t group)
{
    u_char               *buf;
    size_t                n;
    uint64_t              pid;
    ngx_uint_t            lost;
    const u_char         *p, *last;
    ngx_prof_gain_t       gain;
    ngx_prof_section_t    section;
    ngx_prof_interval_t   interval;

    ngx_memzero(seen, sizeof(test_seen_t));

    buf = malloc(RING);
    lost = 0;
    pid = 0;

    n = ngx_prof_recording_copy(&t->rec, buf, &lost);
    assert_true(n <= RING);

    p = buf;
    last = buf + n;

    while ((p = ngx_prof_recording_interval(p, last, &interval)) != NULL) {

        if (interval.group != group) {
            continue;
        }

        seen->gaps += (seen->end && seen->end != interval.begin);
        seen->pids += (pid != interval.pid);
        seen->intervals++;

        pid = interval.pid;
        seen->begin = seen->begin ? seen->begin : interval.begin;
        seen->end = interval.end;

        while (ngx_prof_recording_section(&interval, &section) == NGX_OK) {
            seen->count[section.table] += section.count;
            seen->value[section.table] += section.units
                                      << t->rec.table[section.table].shift;
            seen->without += section.units;

            while (ngx_prof_recording_entry(&section, &gain) == NGX_OK) {
                assert_in_range(gain.entry, 1, TABLE - 1);

                seen->count[section.table] += gain.count;
                seen->value[section.table] += gain.units
                                      << t->rec.table[section.table].shift;
            }
        }
    }

    free(buf);
}


static void
test_what_goes_in_comes_out(void **state)
{
    test_seen_t        seen;
    ngx_uint_t         i;
    test_recording_t  *t;

    t = test_recording();

    test_add(t, NGX_PROF_RECORDED_CPU, 1, 20 << 20);
    test_add(t, NGX_PROF_RECORDED_CPU, 1, 20 << 20);
    test_add(t, NGX_PROF_RECORDED_CPU, 2, 21 << 20);
    test_add(t, NGX_PROF_RECORDED_BLOCK, 3, 5 << 20);
    test_add(t, NGX_PROF_RECORDED_MUTEX, 3, 7 << 20);
    test_add(t, NGX_PROF_RECORDED_ALLOCS, 4, 12345);
    test_close(t, NGX_PROF_RECORDED_TIMES, 2000);

    test_see(t, &seen, NGX_PROF_RECORDED_TIMES);

    assert_int_equal(seen.intervals, 1);
    assert_int_equal(seen.begin, 1000000);
    assert_int_equal(seen.end, 1002000);

    for (i = 0; i < NGX_PROF_RECORDED_ALLOCS; i++) {
        assert_int_equal(seen.count[i], t->added[i]);
        assert_int_equal(seen.value[i], t->value[i]);
    }

    assert_int_equal(seen.count[NGX_PROF_RECORDED_ALLOCS], 0);

    test_close(t, NGX_PROF_RECORDED_MEMORY, 10000);
    test_see(t, &seen, NGX_PROF_RECORDED_MEMORY);

    assert_int_equal(seen.count[NGX_PROF_RECORDED_ALLOCS], 1);
    assert_int_equal(seen.value[NGX_PROF_RECORDED_ALLOCS], 12345);

    /* what has been told is not told again */

    test_close(t, NGX_PROF_RECORDED_TIMES, 2000);
    test_see(t, &seen, NGX_PROF_RECORDED_TIMES);

    assert_int_equal(seen.intervals, 2);
    assert_int_equal(seen.count[NGX_PROF_RECORDED_CPU], 3);
}


/* the low bits of a value that make no unit come with a later interval */

static void
test_intervals_add_up_to_the_table(void **state)
{
    test_seen_t        seen;
    ngx_uint_t         i, n;
    test_recording_t  *t;

    t = test_recording();

    for (n = 0; n < 25; n++) {

        for (i = 0; i < 98; i++) {
            test_add(t, NGX_PROF_RECORDED_CPU, test_below(90),
                     16000000 + test_below(8000000));
        }

        test_close(t, NGX_PROF_RECORDED_TIMES, 2000);
    }

    test_see(t, &seen, NGX_PROF_RECORDED_TIMES);

    assert_int_equal(seen.intervals, 25);
    assert_int_equal(seen.gaps, 0);
    assert_int_equal(seen.count[0], t->added[0]);
    assert_true(seen.value[0] <= t->value[0]);
    assert_true(t->value[0] - seen.value[0] < 90 * 4096);
}


/* 49 samples a second, none of them like another; then thousands */

static void
test_window_holds_whatever_the_load(void **state)
{
    uint64_t           since;
    test_seen_t        seen;
    ngx_uint_t         i, n, load;
    test_recording_t  *t;

    static const ngx_uint_t  loads[] = { 0, 98, 3000 };

    for (load = 0; load < 3; load++) {
        t = test_recording();

        for (n = 0; n < 200; n++) {

            for (i = 0; i < loads[load]; i++) {
                test_add(t, NGX_PROF_RECORDED_CPU,
                         (n * 7 + i) % (TABLE / 2 - 100), 20408163);
                test_add(t, NGX_PROF_RECORDED_ALLOCS,
                         (n * 7 + i) % (TABLE / 2 - 100), 524288);
            }

            test_close(t, NGX_PROF_RECORDED_TIMES, 2000);

            if (n % 5 == 4) {
                test_close(t, NGX_PROF_RECORDED_MEMORY, 0);
            }
        }

        test_see(t, &seen, NGX_PROF_RECORDED_TIMES);

        assert_int_equal(seen.end, t->now);
        assert_int_equal(seen.gaps, 0);

        /* no less than was promised, and not much more */

        since = t->now - seen.begin;
        assert_in_range(since, KEEP, KEEP + 4000);

        /* and each interval has all of its samples, with stacks or without */

        assert_int_equal(seen.count[0], seen.intervals * loads[load]);

        if (loads[load] == 98) {
            assert_int_equal(seen.without, 0);
        }

        if (loads[load] == 3000) {
            assert_int_not_equal(seen.without, 0);
        }

        test_see(t, &seen, NGX_PROF_RECORDED_MEMORY);

        assert_int_equal(seen.gaps, 0);
        assert_int_equal(seen.count[NGX_PROF_RECORDED_ALLOCS],
                         seen.intervals * 5 * loads[load]);
    }
}


static void
test_writing(void *data)
{
    ngx_uint_t         i;
    test_recording_t  *t = data;

    for ( ;; ) {

        for (i = 0; i < t->entries; i++) {
            test_add(t, NGX_PROF_RECORDED_CPU, i, 20 << 20);
        }

        test_close(t, NGX_PROF_RECORDED_TIMES, 2000);
    }
}


/* what a ring tells was added, and a new owner goes on */

static void
test_writer_killed_at_random(void **state)
{
    pid_t              pid;
    int                status;
    test_seen_t        seen;
    ngx_uint_t         n;
    test_recording_t  *t;

    t = test_recording();

    for (n = 0; n < 200; n++) {
        pid = test_fork(test_writing, t);

        test_spin(test_below(200000));
        usleep(test_below(2000));

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);

        t->now += 5000;
        ngx_prof_recording_take(&t->rec, 5000 + n, 0, t->now, KEEP);

        /* of the last count it may have had no time to add it here */

        test_see(t, &seen, NGX_PROF_RECORDED_TIMES);

        assert_true(seen.count[0] <= t->added[0] + 1);
        assert_true(seen.value[0] <= t->value[0] + (20 << 20));
        assert_true(seen.gaps <= seen.pids);
        assert_true(seen.end <= t->now);
    }
}


/* the next owner ends what the one before has left, under its pid */

static void
test_new_owner_ends_the_interval(void **state)
{
    test_seen_t        seen;
    test_recording_t  *t;

    t = test_recording();

    test_add(t, NGX_PROF_RECORDED_CPU, 1, 20 << 20);
    t->rec.recording->seen = t->now + 700;

    ngx_prof_recording_take(&t->rec, 4712, 3, t->now + 9000, KEEP);

    test_see(t, &seen, NGX_PROF_RECORDED_TIMES);

    assert_int_equal(seen.intervals, 1);
    assert_int_equal(seen.end, t->now + 700);
    assert_int_equal(seen.count[0], 1);

    /* off: nothing more is written */

    ngx_prof_recording_take(&t->rec, 4713, 3, t->now + 9000, 0);
    test_close(t, NGX_PROF_RECORDED_TIMES, 20000);
    test_see(t, &seen, NGX_PROF_RECORDED_TIMES);

    assert_int_equal(seen.intervals, 1);
}


static void
test_ring_of_any_content(void **state)
{
    size_t             i;
    test_seen_t        seen;
    ngx_uint_t         n;
    test_recording_t  *t;

    t = test_recording();

    for (n = 0; n < 300; n++) {

        for (i = 0; i < 98; i++) {
            test_add(t, NGX_PROF_RECORDED_CPU, i, 20 << 20);
        }

        test_close(t, NGX_PROF_RECORDED_TIMES, 2000);

        for (i = test_below(40); i > 0; i--) {
            t->rec.ring[test_below(RING)] = (u_char) test_random();
        }

        switch (test_below(8)) {

        case 0:
            t->rec.recording->head = test_random();
            break;

        case 1:
            t->rec.recording->tail = test_random();
            break;

        case 2:
            t->rec.recording->cpu = test_random();
            ngx_prof_recording_take(&t->rec, 1, 1, t->now, KEEP);
            break;
        }

        /* entries that cannot be are refused by who reads them */

        if (t->rec.recording->head - t->rec.recording->tail <= RING) {
            u_char               *buf;
            ngx_uint_t            lost;
            const u_char         *p, *last;
            ngx_prof_gain_t       gain;
            ngx_prof_section_t    section;
            ngx_prof_interval_t   interval;

            buf = malloc(RING);
            p = buf;
            last = buf + ngx_prof_recording_copy(&t->rec, buf, &lost);

            while ((p = ngx_prof_recording_interval(p, last, &interval))) {

                while (ngx_prof_recording_section(&interval, &section)
                       == NGX_OK)
                {
                    while (ngx_prof_recording_entry(&section, &gain)
                           == NGX_OK)
                    {
                        seen.without += gain.units;
                    }
                }
            }

            free(buf);
        }

        ngx_prof_recording_take(&t->rec, 1, 1, t->now, KEEP);
    }
}


static void
test_tables_take_turns(void **state)
{
    uint64_t           epoch;
    ngx_uint_t         i;
    test_recording_t  *t;

    t = test_recording();

    for (i = 0; i < TABLE / 4 * 3 - 2; i++) {
        test_add(t, NGX_PROF_RECORDED_CPU, i, 20 << 20);
    }

    ngx_prof_recording_turn(&t->rec);
    assert_int_equal(t->rec.recording->cpu, 0);

    for (i = 0; i < 10; i++) {
        test_add(t, NGX_PROF_RECORDED_CPU, TABLE + i, 20 << 20);
    }

    test_close(t, NGX_PROF_RECORDED_TIMES, 2000);

    ngx_prof_recording_turn(&t->rec);
    assert_int_equal(t->rec.recording->cpu, 1);

    /* the other one is full too: the first is named as long as it is kept */

    epoch = t->rec.table[0].stacks->epoch;

    for (i = 0; i < TABLE / 4 * 3 + 10; i++) {
        test_add(t, NGX_PROF_RECORDED_CPU_NEXT, i, 20 << 20);
    }

    test_close(t, NGX_PROF_RECORDED_TIMES, 2000);
    ngx_prof_recording_turn(&t->rec);
    assert_int_equal(t->rec.recording->cpu, 1);
    assert_int_equal(t->rec.table[0].stacks->epoch, epoch);

    for (i = 0; i < KEEP / 2000 + 1; i++) {
        test_close(t, NGX_PROF_RECORDED_TIMES, 2000);
    }

    ngx_prof_recording_turn(&t->rec);
    assert_int_equal(t->rec.recording->cpu, 0);
    assert_int_equal(t->rec.table[0].stacks->epoch, epoch + 1);
    assert_int_equal(t->rec.table[0].stacks->tally_n, 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_what_goes_in_comes_out),
        cmocka_unit_test(test_intervals_add_up_to_the_table),
        cmocka_unit_test(test_window_holds_whatever_the_load),
        cmocka_unit_test(test_writer_killed_at_random),
        cmocka_unit_test(test_new_owner_ends_the_interval),
        cmocka_unit_test(test_ring_of_any_content),
        cmocka_unit_test(test_tables_take_turns)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
