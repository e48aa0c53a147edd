
/*
 * Records of shared memory under readers of other processes and a writer
 * that is killed: at random, after each of its instructions, in the middle.
 */

/* sources: t/unit/shm_step.c t/unit/unwind_trap_arm64.c */
/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */

#include "shm_test.h"


#define WORDS  24
#define SIZE   (WORDS * sizeof(uint64_t))


typedef struct {
    uint64_t    seq;
    uint64_t    words[WORDS];
    uint64_t    stop;
    uint64_t    rest;
    uint64_t    written;
    uint64_t    before;
    uint64_t    number;
    uint64_t    old;
    uint64_t    new;
    uint64_t    torn;
} test_record_t;


static test_record_t *
test_record(uint64_t number)
{
    uint64_t        words[WORDS];
    test_record_t  *r;

    r = test_share(sizeof(test_record_t));

    test_fill(words, WORDS, number);
    ngx_prof_record_write(&r->seq, r->words, words, SIZE);

    return r;
}


static void
test_write(test_record_t *r, uint64_t number)
{
    uint64_t  words[WORDS];

    test_fill(words, WORDS, number);
    ngx_prof_record_write(&r->seq, r->words, words, SIZE);
}


/* the number of the record, 0: torn, TEST_MAX: a mixture */

static uint64_t
test_read(const test_record_t *r)
{
    uint64_t  words[WORDS];

    if (ngx_prof_record_read(&r->seq, words, r->words, SIZE) != NGX_OK) {
        return 0;
    }

    return test_whole(words, WORDS);
}


static void
test_what_is_written_is_read(void **state)
{
    uint64_t        i, seq;
    test_record_t  *r;

    r = test_record(1);
    seq = r->seq;

    assert_int_equal(seq, 2);

    for (i = 2; i < 100; i++) {
        test_write(r, i);

        assert_int_equal(test_read(r), i);
        assert_int_equal(r->seq, seq + 2);
        seq = r->seq;
    }

    munmap(r, sizeof(test_record_t));
}


static void
test_fresh_memory_is_a_record_of_zeros(void **state)
{
    uint64_t        i, words[WORDS];
    test_record_t  *r;

    r = test_share(sizeof(test_record_t));
    ngx_memset(words, 0xff, SIZE);

    assert_int_equal(ngx_prof_record_read(&r->seq, words, r->words,
                                          SIZE),
                     NGX_OK);

    for (i = 0; i < WORDS; i++) {
        assert_int_equal(words[i], 0);
    }

    munmap(r, sizeof(test_record_t));
}


static void
test_neighbours_are_left_alone(void **state)
{
    uint64_t    words[5], from[3] = { 1, 2, 3 }, seq, to[5];
    ngx_uint_t  i;

    for (i = 0; i < 5; i++) {
        words[i] = to[i] = 77;
    }

    seq = 0;
    ngx_prof_record_write(&seq, &words[1], from, sizeof(from));

    assert_int_equal(words[0], 77);
    assert_int_equal(words[4], 77);

    assert_int_equal(ngx_prof_record_read(&seq, &to[1], &words[1],
                                          sizeof(from)),
                     NGX_OK);

    assert_memory_equal(to, words, sizeof(words));
}


static void
test_writer(void *data)
{
    ngx_uint_t      n, pause;
    test_record_t  *r;

    r = data;

    for (n = r->before + 1; !ngx_prof_load(&r->stop); n++) {
        test_write(r, n);
        ngx_prof_store(&r->written, n);

        /* at full speed, and with rests of which readers can make use */

        for (pause = (n & 1024) ? n & r->rest : 0; pause; pause--) {
            ngx_cpu_pause();
        }
    }
}


static void
test_reader(void *data)
{
    uint64_t        n, last, ok;
    test_record_t  *r;

    r = data;
    last = 0;
    ok = 0;

    while (!ngx_prof_load(&r->stop)) {
        n = test_read(r);

        if (n) {
            if (n < last || n == TEST_MAX) {
                _exit(2);
            }

            last = n;
            ok++;
        }
    }

    if (ok < 10) {
        _exit(3);
    }
}


static void
test_readers_of_other_processes_see_whole_records(void **state)
{
    pid_t           pid[3];
    double          end;
    ngx_uint_t      i;
    test_record_t  *r;

    r = test_record(1);
    r->before = 1;
    r->rest = 255;

    pid[0] = test_fork(test_writer, r);
    pid[1] = test_fork(test_reader, r);
    pid[2] = test_fork(test_reader, r);

    end = test_clock() + 1;

    while (test_clock() < end || ngx_prof_load(&r->written) <= 1000) {
        usleep(1000);
    }

    ngx_prof_store(&r->stop, 1);

    for (i = 0; i < 3; i++) {
        assert_int_equal(test_wait(pid[i]), 0);
    }

    assert_int_equal(test_read(r), r->written);

    munmap(r, sizeof(test_record_t));
}


static void
test_heal(test_record_t *r)
{
    uint64_t  seq;

    seq = r->seq;
    test_write(r, 1000000007);

    assert_int_equal(test_read(r), 1000000007);
    assert_int_equal(r->seq & 1, 0);
    assert_true(r->seq > seq);
}


static void
test_writer_killed_at_random(void **state)
{
    pid_t           pid;
    double          end;
    uint64_t        n, kills, torn, whole;
    test_record_t  *r;

    r = test_record(1);
    kills = torn = whole = 0;

    for (end = test_clock() + 2; kills < 30 || test_clock() < end; kills++) {
        r->before = kills * 1000000 + 1;
        test_write(r, r->before);
        r->written = 0;

        pid = test_spawn(test_writer, r);

        while (!ngx_prof_load(&r->written)) {
            ngx_cpu_pause();
        }

        test_spin(test_below(2000));
        kill(pid, SIGKILL);
        assert_int_equal(test_wait(pid), 128 + SIGKILL);

        n = test_read(r);

        if (n) {
            /* the writer's last one, or the one it was about to tell of */

            assert_in_range(n, r->written, r->written + 1);
            whole++;

        } else {
            assert_int_equal(r->seq & 1, 1);
            torn++;
        }

        test_heal(r);
    }

    printf("# %u kills: %u torn, %u whole\n", (unsigned) kills,
           (unsigned) torn, (unsigned) whole);

    assert_true(torn > 0 && whole > 0);

    munmap(r, sizeof(test_record_t));
}


static void
test_step_write(void *data)
{
    test_record_t  *r;

    r = data;

    test_write(r, r->number);
}


static void
test_step_look(void *data)
{
    uint64_t        n;
    test_record_t   copy, *r;

    r = data;
    n = test_read(r);

    if (n == r->before) {
        assert_int_equal(r->new, 0);
        r->old++;

    } else if (n == r->number) {
        r->new++;

    } else {
        assert_int_equal(n, 0);
        assert_int_equal(r->new, 0);
        r->torn++;
    }

    copy = *r;
    test_heal(&copy);
}


static void
test_writer_killed_after_each_instruction(void **state)
{
    ngx_uint_t      n;
    test_record_t  *r;

    r = test_record(5);
    r->before = 5;
    r->number = 6;

    n = test_step(test_step_write, r, test_step_look);

    /* the old one, a torn one, the new one; each for some time */

    assert_true(r->old > 0);
    assert_true(r->torn >= WORDS);
    assert_true(r->new > 0);

    printf("# %u instructions, torn after %u\n", (unsigned) n,
           (unsigned) r->torn);

    munmap(r, sizeof(test_record_t));
}


static void
test_half_a_record_is_never_read(void **state)
{
    uint64_t        words[WORDS];
    ngx_uint_t      half;
    test_record_t  *r;

    r = test_record(1);

    for (half = 0; half <= WORDS; half++) {
        test_write(r, 10);
        test_fill(words, WORDS, 11);

        /* what a writer does before it dies */

        r->seq |= 1;
        ngx_memcpy(r->words, words, half * sizeof(uint64_t));

        assert_int_equal(test_read(r), 0);
        assert_int_equal(test_read(r), 0);

        test_heal(r);
    }

    munmap(r, sizeof(test_record_t));
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_fresh_memory_is_a_record_of_zeros),
        cmocka_unit_test(test_neighbours_are_left_alone),
        cmocka_unit_test(test_readers_of_other_processes_see_whole_records),
        cmocka_unit_test(test_writer_killed_at_random),
        cmocka_unit_test(test_writer_killed_after_each_instruction),
        cmocka_unit_test(test_half_a_record_is_never_read)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
