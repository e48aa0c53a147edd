
/*
 * The ring of samples: ticks that are missed, old or torn, a reader at work
 * while the writer is, writers killed at random and after each instruction.
 */

/* sources: t/unit/shm_step.c t/unit/unwind_trap_arm64.c */
/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */
/* sources: shm/ngx_prof_ring.c */

#include "shm_test.h"


#define SAMPLES  8

/* the words of a sample behind tick and tasks */
#define WORDS                                                                 \
    (sizeof(ngx_prof_sample_t) / sizeof(uint64_t) - 1)


typedef struct {
    ngx_prof_sample_t  ring[SAMPLES];
    uint64_t           stop;
    uint64_t           latest;
    uint64_t           from;
    uint64_t           seen[3];
} test_ring_t;


static void
test_sample(ngx_prof_sample_t *s, uint32_t tick)
{
    uint64_t  words[WORDS];

    test_fill(words, WORDS, tick);

    s->tick = tick;
    s->tasks = tick * 2654435761U;
    ngx_memcpy(&s->clock, words, sizeof(words));
}


static void
test_write(ngx_prof_sample_t *ring, ngx_uint_t n, uint32_t tick)
{
    ngx_prof_sample_t  s;

    test_sample(&s, tick);
    ngx_prof_ring_write(ring, n, &s);
}


/* NGX_OK: it is there, and what was written; NGX_ERROR: it is a mixture */

static ngx_int_t
test_read(const ngx_prof_sample_t *ring, ngx_uint_t n, uint32_t tick)
{
    ngx_int_t          rc;
    ngx_prof_sample_t  s, exact;

    rc = ngx_prof_ring_read(ring, n, tick, &s);

    if (rc == NGX_OK) {
        test_sample(&exact, tick);

        if (ngx_memcmp(&s, &exact, sizeof(s)) != 0) {
            return NGX_ERROR;
        }
    }

    return rc;
}


static void
test_sample_is_small(void **state)
{
    assert_int_equal(sizeof(ngx_prof_sample_t), 136);
    assert_int_equal(offsetof(ngx_prof_sample_t, clock), 8);
    assert_true(1000 * sizeof(ngx_prof_sample_t) <= 140 * 1024);
}


static void
test_latest_samples_are_kept(void **state)
{
    uint32_t           tick, t;
    ngx_prof_sample_t  ring[SAMPLES];

    ngx_memzero(ring, sizeof(ring));

    for (tick = 1; tick < 50; tick++) {
        test_write(ring, SAMPLES, tick);

        for (t = 1; t < 60; t++) {
            assert_int_equal(test_read(ring, SAMPLES, t),
                             t <= tick && t + SAMPLES > tick ? NGX_OK
                                                             : NGX_DECLINED);
        }
    }
}


static void
test_ring_of_one(void **state)
{
    ngx_prof_sample_t  ring;

    ngx_memzero(&ring, sizeof(ring));

    test_write(&ring, 1, 7);
    assert_int_equal(test_read(&ring, 1, 7), NGX_OK);

    test_write(&ring, 1, 8);
    assert_int_equal(test_read(&ring, 1, 7), NGX_DECLINED);
    assert_int_equal(test_read(&ring, 1, 8), NGX_OK);
}


static void
test_missed_ticks_are_declined(void **state)
{
    uint32_t           tick;
    ngx_prof_sample_t  ring[SAMPLES];

    ngx_memzero(ring, sizeof(ring));

    for (tick = 1; tick < 40; tick++) {

        if (tick % 3) {
            test_write(ring, SAMPLES, tick);
        }
    }

    for (tick = 32; tick < 40; tick++) {
        assert_int_equal(test_read(ring, SAMPLES, tick),
                         tick % 3 ? NGX_OK : NGX_DECLINED);
    }

    /* 24 was missed: the sample of 16 or 32 is none of 24 */

    assert_int_equal(test_read(ring, SAMPLES, 24), NGX_DECLINED);

    /* numbers near the end of their range are as good as any */

    test_write(ring, SAMPLES, 0xffffffff);
    assert_int_equal(test_read(ring, SAMPLES, 0xffffffff), NGX_OK);
}


static void
test_tick_zero_is_none(void **state)
{
    ngx_prof_sample_t  ring[SAMPLES];

    ngx_memzero(ring, sizeof(ring));

    assert_int_equal(test_read(ring, SAMPLES, 0), NGX_DECLINED);
    assert_int_equal(test_read(ring, SAMPLES, 1), NGX_DECLINED);
}


static void
test_torn_sample_is_declined(void **state)
{
    ngx_prof_sample_t  ring[SAMPLES];

    ngx_memzero(ring, sizeof(ring));
    test_write(ring, SAMPLES, 9);

    /* its writer died inside: tick is 0, half of the rest is new */

    ring[1].tick = 0;
    ring[1].requests = 12345;

    assert_int_equal(test_read(ring, SAMPLES, 9), NGX_DECLINED);
    assert_int_equal(test_read(ring, SAMPLES, 0), NGX_DECLINED);

    /* the next owner makes it whole again */

    test_write(ring, SAMPLES, 9);
    assert_int_equal(test_read(ring, SAMPLES, 9), NGX_OK);
}


static void
test_step_write(void *data)
{
    test_ring_t  *r;

    r = data;

    test_write(r->ring, SAMPLES, (uint32_t) r->latest + SAMPLES);
}


static void
test_step_look(void *data)
{
    ngx_int_t     old, new;
    test_ring_t  *r, copy;

    r = data;

    old = test_read(r->ring, SAMPLES, (uint32_t) r->latest);
    new = test_read(r->ring, SAMPLES, (uint32_t) r->latest + SAMPLES);

    assert_true(old == NGX_DECLINED || new == NGX_DECLINED);
    assert_true(old != NGX_ERROR && new != NGX_ERROR);
    r->seen[old == NGX_OK ? 0 : new == NGX_OK ? 2 : 1]++;

    /* no other sample is touched */

    assert_int_equal(test_read(r->ring, SAMPLES, (uint32_t) r->latest - 1),
                     NGX_OK);

    /* killed here, another one writes the next */

    copy = *r;
    test_write(copy.ring, SAMPLES, (uint32_t) r->latest + SAMPLES);
    assert_int_equal(test_read(copy.ring, SAMPLES,
                               (uint32_t) r->latest + SAMPLES),
                     NGX_OK);
}


static void
test_writer_killed_after_each_instruction(void **state)
{
    test_ring_t  *r;

    r = test_share(sizeof(test_ring_t));

    test_write(r->ring, SAMPLES, 20);
    test_write(r->ring, SAMPLES, 21);
    r->latest = 21;

    (void) test_step(test_step_write, r, test_step_look);

    assert_true(r->seen[0] > 0);
    assert_true(r->seen[1] >= WORDS);
    assert_true(r->seen[2] > 0);

    munmap(r, sizeof(test_ring_t));
}


static void
test_writer(void *data)
{
    uint32_t      tick;
    test_ring_t  *r;

    r = data;

    for (tick = (uint32_t) r->from;
         !ngx_prof_load(&r->stop);
         tick++)
    {
        test_write(r->ring, SAMPLES, tick);
        ngx_prof_store(&r->latest, tick);
    }
}


static void
test_reader(void *data)
{
    uint64_t      ok, declined, tries;
    uint32_t      tick;
    ngx_int_t     rc;
    test_ring_t  *r;

    r = data;
    ok = declined = 0;

    /* of the next one, which is hardly ever there, down to the oldest */

    for (tries = 0; tries < 80 || !ngx_prof_load(&r->stop); tries++)
    {
        while (ngx_prof_load(&r->latest) < SAMPLES) {
            ngx_cpu_pause();
        }

        tick = (uint32_t) ngx_prof_load(&r->latest);

        rc = test_read(r->ring, SAMPLES, tick + 1 - (uint32_t) (tries & 7));

        if (rc == NGX_ERROR) {
            _exit(2);
        }

        if (rc == NGX_OK) {
            ok++;

        } else {
            declined++;
        }
    }

    if (ok < 10 || declined == 0) {
        _exit(3);
    }
}


static void
test_readers_of_other_processes_see_whole_samples(void **state)
{
    pid_t         pid[3];
    double        end;
    ngx_uint_t    i;
    test_ring_t  *r;

    r = test_share(sizeof(test_ring_t));
    r->from = 1;

    pid[0] = test_fork(test_writer, r);
    pid[1] = test_fork(test_reader, r);
    pid[2] = test_fork(test_reader, r);

    end = test_clock() + 1;

    while (test_clock() < end || ngx_prof_load(&r->latest) <= 1000) {
        usleep(1000);
    }

    /* the writer ends, and then the readers have all the time they need */

    ngx_prof_store(&r->stop, 1);

    for (i = 0; i < 3; i++) {
        assert_int_equal(test_wait(pid[i]), 0);
    }

    munmap(r, sizeof(test_ring_t));
}


static void
test_writer_killed_at_random(void **state)
{
    pid_t         pid;
    double        end;
    uint32_t      tick, latest;
    ngx_int_t     old, new;
    unsigned      kills, torn;
    test_ring_t  *r;

    r = test_share(sizeof(test_ring_t));
    torn = 0;
    r->from = 1;

    end = test_clock() + 2;

    /* a third of them tear a sample; a writer that never does is broken */

    for (kills = 0;
         kills < 30 || test_clock() < end
         || (kills < 1000 && (torn == 0 || torn == kills));
         kills++)
    {
        r->latest = 0;
        pid = test_spawn(test_writer, r);

        while (ngx_prof_load(&r->latest) < r->from + SAMPLES) {
            ngx_cpu_pause();
        }

        test_spin(test_below(2000));
        kill(pid, SIGKILL);
        assert_int_equal(test_wait(pid), 128 + SIGKILL);

        latest = (uint32_t) r->latest;

        for (tick = latest; tick > latest - SAMPLES + 1; tick--) {
            assert_int_equal(test_read(r->ring, SAMPLES, tick), NGX_OK);
        }

        /* the place of the next: still the old one, torn, or the next */

        old = test_read(r->ring, SAMPLES, latest - SAMPLES + 1);
        new = test_read(r->ring, SAMPLES, latest + 1);

        assert_true(old != NGX_ERROR && new != NGX_ERROR);
        torn += (old == NGX_DECLINED && new == NGX_DECLINED);

        r->from = latest + 1;
    }

    printf("# %u kills, %u samples torn\n", kills, torn);
    assert_true(torn > 0 && torn < kills);

    munmap(r, sizeof(test_ring_t));
}


static void
test_stacks_are_rounded_up_and_bounded(void **state)
{
    ngx_prof_sample_t  s;

    s.stacks = ngx_prof_sample_stacks((uint64_t) 0, (uint64_t) 0);
    assert_int_equal(s.stacks, 0);

    s.stacks = ngx_prof_sample_stacks((uint64_t) 1, (uint64_t) 1);
    assert_int_equal(ngx_prof_sample_stack_inuse(&s), 1024);
    assert_int_equal(ngx_prof_sample_stack_sys(&s), 1048576);

    s.stacks = ngx_prof_sample_stacks((uint64_t) 135168, (uint64_t) 8388608);
    assert_int_equal(ngx_prof_sample_stack_inuse(&s), 135168);
    assert_int_equal(ngx_prof_sample_stack_sys(&s), 8388608);

    s.stacks = ngx_prof_sample_stacks((uint64_t) 1 << 50, (uint64_t) 1 << 60);
    assert_int_equal(ngx_prof_sample_stack_inuse(&s), 0xffffULL << 10);
    assert_int_equal(ngx_prof_sample_stack_sys(&s), 0xffffULL << 20);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sample_is_small),
        cmocka_unit_test(test_latest_samples_are_kept),
        cmocka_unit_test(test_ring_of_one),
        cmocka_unit_test(test_missed_ticks_are_declined),
        cmocka_unit_test(test_tick_zero_is_none),
        cmocka_unit_test(test_torn_sample_is_declined),
        cmocka_unit_test(test_writer_killed_after_each_instruction),
        cmocka_unit_test(test_readers_of_other_processes_see_whole_samples),
        cmocka_unit_test(test_writer_killed_at_random),
        cmocka_unit_test(test_stacks_are_rounded_up_and_bounded)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
