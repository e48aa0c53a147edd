
/*
 * The table of stacks: exact counts from several threads and a handler that
 * interrupts them, a writer that is killed anywhere, tables that are full or
 * emptied, readers in other processes that see nothing but whole entries.
 */

/* sources: t/unit/shm_step.c t/unit/unwind_trap_arm64.c */
/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_slot.c shm/ngx_prof_zone.c shm/ngx_prof_cell.c */
/* sources: shm/ngx_prof_recording.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_ring.c */

#include "test_stacks.h"

#include <sched.h>


#define KILLS  300


static test_stacks_t  *table;


static void
test_a_stack_is_counted_under_its_label(void **state)
{
    test_stacks_t    *t;
    ngx_prof_tally_t  one, other;

    t = test_stacks_create(1024);

    assert_int_equal(test_stacks_add(t, 7, 3, 1, 10), NGX_OK);
    assert_int_equal(test_stacks_add(t, 7, 3, 2, 30), NGX_OK);
    assert_int_equal(test_stacks_add(t, 7, 4, 5, 50), NGX_OK);

    assert_int_equal(ngx_prof_stacks_tallies(t->stacks, t->size), 3);
    assert_int_equal(ngx_prof_stacks_tally(t->stacks, t->size, 1,
                                           &one), NGX_OK);
    assert_int_equal(ngx_prof_stacks_tally(t->stacks, t->size, 2,
                                           &other), NGX_OK);

    assert_int_equal(one.label, 3);
    assert_int_equal(one.count, 3);
    assert_int_equal(one.value, 40);
    assert_int_equal(other.label, 4);
    assert_int_equal(other.count, 5);
    assert_int_equal(other.value, 50);

    /* the same frames */

    assert_int_equal(one.node, other.node);
    assert_int_equal(test_stacks_whole(t, one.node), 7);
    assert_int_equal(t->stacks->node_n, test_stacks_depth(7));

    test_stacks_free(t);
}


static void
test_stacks_share_their_callers(void **state)
{
    uint64_t        pcs[3];
    test_stacks_t  *t;

    t = test_stacks_create(1024);

    pcs[0] = 0x1000;
    pcs[1] = 0x2000;
    pcs[2] = 0x3000;

    (void) ngx_prof_stacks_add(t->stacks, t->size, pcs, 3, 1, 1, 1);
    pcs[0] = 0x1001;
    (void) ngx_prof_stacks_add(t->stacks, t->size, pcs, 3, 1, 1, 1);

    assert_int_equal(t->stacks->node_n, 4);

    /* a frame under another caller is another */

    pcs[1] = 0x2001;
    (void) ngx_prof_stacks_add(t->stacks, t->size, pcs, 3, 1, 1, 1);
    assert_int_equal(t->stacks->node_n, 6);

    /* a stack of nothing has no place */

    assert_int_equal(ngx_prof_stacks_add(t->stacks, t->size, pcs, 0,
                                         1, 2, 9), NGX_DECLINED);
    assert_int_equal(t->stacks->dropped, 2);
    assert_int_equal(t->stacks->dropped_value, 9);

    test_stacks_free(t);
}


/* like samples of one worker: callers in common, down to any depth */

static void
test_a_path_finds_the_same_nodes(void **state)
{
    uint64_t         n, pcs[TEST_DEPTH], last[TEST_DEPTH];
    ngx_uint_t       i, depth, before;
    test_stacks_t   *t, *u;
    ngx_prof_path_t  path;

    t = test_stacks_create(16384);
    u = test_stacks_create(16384);
    ngx_memzero(&path, sizeof(path));
    ngx_memzero(pcs, sizeof(pcs));
    before = 0;

    for (n = 0; n < 20000; n++) {
        depth = 1 + test_below(TEST_DEPTH);

        for (i = 0; i < depth && i < 4; i++) {
            pcs[i] = 1 + test_below(3);
        }

        for ( /* void */ ; i < depth; i++) {
            pcs[i] = 100 + depth - i + (test_below(50) == 0);
        }

        /* its caller may know what is in common */

        for (i = 1;
             n % 2
             && i < ngx_min(depth, before)
             && pcs[depth - i] == last[before - i];
             i++)
        {
            path.same = i - 1;
        }

        memcpy(last, pcs, sizeof(pcs));
        before = depth;

        assert_int_equal(ngx_prof_stacks_add_path(t->stacks,
                                  t->size, &path, pcs, depth, n % 3, 1, n),
                         ngx_prof_stacks_add(u->stacks, u->size,
                                  pcs, depth, n % 3, 1, n));

        /* one that is emptied is not remembered */

        if (n % 3000 == 2999) {
            (void) ngx_prof_stacks_empty(t->stacks, t->size);
            (void) ngx_prof_stacks_empty(u->stacks, u->size);
        }
    }

    assert_true(u->stacks->node_n > 100);
    assert_memory_equal(t->stacks, u->stacks, ngx_prof_stacks_size(t->size));

    test_stacks_free(t);
    test_stacks_free(u);
}


/* a stack that is dropped leaves no path behind */

static void
test_a_path_of_a_closed_table(void **state)
{
    uint64_t         pcs[] = { 1, 2, 3, 4 };
    ngx_uint_t       i;
    test_stacks_t   *t;
    ngx_prof_path_t  path;

    t = test_stacks_create(1024);
    ngx_memzero(&path, sizeof(path));

    for (i = 0; i < 3; i++) {
        t->stacks->closed = (i == 1);
        pcs[2] = i ? 30 : 3;
        path.same = i / 2 * 2;

        assert_int_equal(ngx_prof_stacks_add_path(t->stacks, t->size, &path,
                                                  pcs, 4, 0, 1, 1),
                         i == 1 ? NGX_DECLINED : NGX_OK);
    }

    /* of the stack of the last turn two frames are those of the one before */

    assert_int_equal(t->stacks->node_n, 7);

    test_stacks_free(t);
}


static void
test_what_finds_no_room_is_counted(void **state)
{
    uint64_t        added, n;
    test_stacks_t  *t;

    t = test_stacks_create(1024);

    for (n = 0, added = 0; n < 5000; n++) {
        added += (test_stacks_add(t, n, 0, 2, 100) == NGX_OK);
    }

    assert_true(added > 20);
    assert_true(added < 1024);
    assert_int_equal(test_stacks_sum(t), 2 * added);
    assert_int_equal(t->stacks->dropped, 2 * (5000 - added));
    assert_int_equal(t->stacks->dropped_value, 100 * (5000 - added));

    /* a stack that is there is counted on */

    assert_int_equal(test_stacks_add(t, 0, 0, 1, 1), NGX_OK);
    assert_int_equal(test_stacks_sum(t), 2 * added + 1);

    test_stacks_free(t);
}


static void
test_an_emptied_table_begins_anew(void **state)
{
    uint64_t        n, round;
    test_stacks_t  *t;

    t = test_stacks_create(1024);

    for (round = 0; round < 50; round++) {

        for (n = 0; n < 2000; n++) {
            (void) test_stacks_add(t, n, 0, 1, 1);
        }

        assert_int_equal(ngx_prof_stacks_empty(t->stacks, t->size), NGX_OK);
        assert_int_equal(t->stacks->epoch, round + 1);
        assert_int_equal(test_stacks_sum(t), 0);
        assert_int_equal(ngx_prof_stacks_tallies(t->stacks, t->size), 1);
    }

    assert_int_equal(test_stacks_add(t, 5, 6, 7, 8), NGX_OK);
    assert_int_equal(test_stacks_sum(t), 7);

    test_stacks_free(t);
}


static void
test_a_table_in_use_is_not_emptied(void **state)
{
    test_stacks_t  *t;

    t = test_stacks_create(1024);

    (void) test_stacks_add(t, 1, 1, 1, 1);

    t->stacks->writers = 1;
    assert_int_equal(ngx_prof_stacks_empty(t->stacks, t->size), NGX_DECLINED);
    assert_int_equal(test_stacks_sum(t), 1);

    t->stacks->writers = 0;
    assert_int_equal(test_stacks_add(t, 1, 1, 1, 1), NGX_OK);
    assert_int_equal(test_stacks_sum(t), 2);

    test_stacks_free(t);
}


static void
test_threads_and_handlers_lose_nothing(void **state)
{
    test_stacks_t  *t;

    t = test_stacks_create(16384);

    test_stacks_storm(t, 4, 1500, 0);

    assert_true(t->handled > 10);
    assert_int_equal(t->wrong, 0);
    assert_int_equal(t->stacks->writers, 0);
    assert_int_equal(test_stacks_sum(t) + t->stacks->dropped, t->added);
    assert_int_equal(t->stacks->dropped, 0);

    test_stacks_free(t);
}


static void
test_emptying_amid_writers_leaves_whole_entries(void **state)
{
    test_stacks_t  *t;

    t = test_stacks_create(4096);

    test_stacks_storm(t, 3, 1500, 1);

    assert_int_equal(t->wrong, 0);
    assert_true(t->stacks->epoch > 10);
    assert_true(t->read > 1000);

    test_stacks_free(t);
}


static void
test_write_for_ever(void *data)
{
    uint64_t        n;
    test_stacks_t  *t;

    t = data;

    for (n = ngx_prof_load(&t->added); /* void */ ; n++) {
        (void) test_stacks_add(t, n * 7919 % 300, n % 5, 1, 10);
        ngx_prof_store(&t->added, n);
    }
}


/* all that is to be read is whole, and the next owner can go on */

static void
test_a_killed_writer_leaves_whole_entries(void **state)
{
    pid_t       pid;
    uint64_t    before;
    ngx_uint_t  i, inside;

    inside = 0;
    table = test_stacks_create(8192);
    before = 0;

    for (i = 0; i < KILLS; i++) {
        pid = test_spawn(test_write_for_ever, table);
        test_spin(test_below(200000));

        assert_int_equal(test_stacks_read(table), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(test_wait(pid), 128 + SIGKILL);

        assert_int_equal(test_stacks_read(table), 0);
        assert_true(test_stacks_sum(table) >= before);
        before = test_stacks_sum(table);

        inside += table->stacks->writers;
        ngx_prof_stacks_take(table->stacks, table->size);

        assert_int_equal(test_stacks_add(table, 1, 1, 1, 10), NGX_OK);
    }

    assert_int_equal(ngx_prof_stacks_empty(table->stacks,
                                           table->size), NGX_OK);

    assert_true(before > KILLS);

    printf("# %u kills, %u counted, %u inside\n", (unsigned) KILLS,
           (unsigned) before, (unsigned) inside);

    test_stacks_free(table);
}


static void
test_empty_for_ever(void *data)
{
    test_stacks_t  *t;

    t = data;

    for ( ;; ) {
        (void) test_stacks_add(t, 5, 1, 1, 10);
        (void) ngx_prof_stacks_empty(t->stacks, t->size);
    }
}


static void
test_who_is_killed_while_it_empties_is_followed(void **state)
{
    pid_t           pid;
    uint64_t        epoch;
    ngx_uint_t      i, closed;
    test_stacks_t  *t;

    closed = 0;
    t = test_stacks_create(1024);

    for (i = 0; i < KILLS; i++) {
        epoch = t->stacks->epoch;
        pid = test_spawn(test_empty_for_ever, t);

        while (ngx_prof_load(&t->stacks->epoch) == epoch) {
            (void) sched_yield();
        }

        test_spin(test_below(100000));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(test_wait(pid), 128 + SIGKILL);

        closed += t->stacks->closed;
        ngx_prof_stacks_take(t->stacks, t->size);

        assert_int_equal(test_stacks_add(t, 9, 1, 1, 10), NGX_OK);
        assert_int_equal(test_stacks_read(t), 0);
        assert_int_equal(ngx_prof_stacks_empty(t->stacks, t->size), NGX_OK);
    }

    printf("# %u of %u were killed amid\n", (unsigned) closed,
           (unsigned) KILLS);
    assert_true(closed > 0);

    test_stacks_free(t);
}


static void
test_look(void *data)
{
    test_stacks_t  *t;

    t = data;
    t->wrong += test_stacks_read(t);
}


static void
test_write_some(void *data)
{
    (void) test_stacks_add(data, 3, 1, 1, 10);
    (void) test_stacks_add(data, 4, 1, 1, 10);
    (void) test_stacks_add(data, 3, 2, 1, 10);
    (void) test_stacks_add(data, 3, 1, 1, 10);
}


static void
test_every_instruction_leaves_whole_entries(void **state)
{
    ngx_uint_t      n;
    test_stacks_t  *t;

    t = test_stacks_create(1024);
    n = test_step(test_write_some, t, test_look);

    printf("# looked after %u instructions\n", (unsigned) n);
    assert_int_equal(t->wrong, 0);
    assert_int_equal(test_stacks_sum(t), 4);

    test_stacks_free(t);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_stack_is_counted_under_its_label),
        cmocka_unit_test(test_stacks_share_their_callers),
        cmocka_unit_test(test_a_path_finds_the_same_nodes),
        cmocka_unit_test(test_a_path_of_a_closed_table),
        cmocka_unit_test(test_what_finds_no_room_is_counted),
        cmocka_unit_test(test_an_emptied_table_begins_anew),
        cmocka_unit_test(test_a_table_in_use_is_not_emptied),
        cmocka_unit_test(test_threads_and_handlers_lose_nothing),
        cmocka_unit_test(test_emptying_amid_writers_leaves_whole_entries),
        cmocka_unit_test(test_a_killed_writer_leaves_whole_entries),
        cmocka_unit_test(test_who_is_killed_while_it_empties_is_followed),
        cmocka_unit_test(test_every_instruction_leaves_whole_entries)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
