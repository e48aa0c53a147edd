
/*
 * The tables of slow requests and of where the time of requests went: what is
 * kept of a flood, entries of requests that go on, rows of the owners of a
 * slot one after another, a table that is full.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_claim.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c shm/ngx_prof_slow.c */
/* sources: shm/ngx_prof_elapsed.c */

#include "shm_test.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_elapsed.h"
#include "ngx_prof_slow.h"


#define TEST_KEEP     16
#define TEST_FLOOD    10000
#define TEST_RATE     10
#define TEST_WRITERS  4


ngx_pid_t  ngx_pid;

static uint64_t  test_dead;                 /* claim, 0: all live */


static ngx_uint_t
test_alive(uint64_t claim)
{
    return claim != test_dead;
}


static ngx_prof_slow_table_t *
test_table(void)
{
    ngx_prof_slow_table_t  *table;

    table = test_share(ngx_prof_slow_size(TEST_KEEP));
    table->keep = TEST_KEEP;
    test_dead = 0;

    return table;
}


static uint64_t
test_add(ngx_prof_slow_table_t *table, uint64_t second, uint64_t total,
    uint64_t rate)
{
    ngx_prof_slow_t  slow;

    ngx_memzero(&slow, sizeof(ngx_prof_slow_t));

    slow.owner = getpid();
    slow.clock = second * 1000000000;
    slow.total = total;

    return ngx_prof_slow_add(table, &slow, rate, test_alive);
}


/* ten thousand in a second: so many are kept as the rate is, all are counted */

static void
test_flood(void **state)
{
    ngx_uint_t              i, kept;
    ngx_prof_slow_t         slow;
    ngx_prof_slow_table_t  *table;

    table = test_table();
    kept = 0;

    for (i = 0; i < TEST_FLOOD; i++) {
        kept += (test_add(table, 5, i + 1, TEST_RATE) != 0);
    }

    assert_int_equal(kept, TEST_RATE);
    assert_int_equal(table->number, TEST_RATE);
    assert_int_equal(table->dropped, TEST_FLOOD - TEST_RATE);

    assert_int_equal(test_add(table, 6, 1, TEST_RATE), TEST_RATE + 1);

    kept = 0;

    for (i = 0; i < TEST_KEEP + NGX_PROF_SLOW_LIVE + 1; i++) {
        kept += (ngx_prof_slow_read(table, i, &slow) == NGX_OK);
    }

    assert_int_equal(kept, TEST_KEEP / 2 + 3);
}


/* several at once: nothing is lost that is not counted */

static void
test_writer(void *data)
{
    ngx_uint_t  i;

    for (i = 0; i < TEST_FLOOD; i++) {
        (void) test_add(data, 5, i, TEST_FLOOD);
    }
}


static void
test_at_once(void **state)
{
    pid_t                   pid[TEST_WRITERS];
    ngx_uint_t              i;
    ngx_prof_slow_table_t  *table;

    table = test_table();

    for (i = 0; i < TEST_WRITERS; i++) {
        pid[i] = test_fork(test_writer, table);
    }

    for (i = 0; i < TEST_WRITERS; i++) {
        assert_int_equal(test_wait(pid[i]), 0);
    }

    assert_int_equal(table->number + table->dropped,
                     TEST_WRITERS * TEST_FLOOD);
    assert_int_equal(table->lock, 0);
}


static void
test_goes_on(void **state)
{
    ngx_int_t               i, n;
    ngx_prof_slow_t         slow, read;
    ngx_prof_slow_table_t  *table;

    table = test_table();

    i = ngx_prof_slow_claim(table, 7, test_alive);
    assert_int_equal(i, 0);

    /* claimed, and not written yet */

    assert_int_equal(ngx_prof_slow_read(table, TEST_KEEP, &read),
                     NGX_DECLINED);

    ngx_memzero(&slow, sizeof(ngx_prof_slow_t));
    slow.owner = 7;
    slow.total = 11;

    ngx_prof_slow_live(table, i, &slow);

    assert_int_equal(ngx_prof_slow_read(table, TEST_KEEP, &read), NGX_OK);
    assert_int_equal(read.total, 11);

    for (n = 1; n < NGX_PROF_SLOW_LIVE; n++) {
        assert_int_equal(ngx_prof_slow_claim(table, 8, test_alive), n);
    }

    assert_int_equal(ngx_prof_slow_claim(table, 8, test_alive), -1);

    /* a worker that died loses its own; what it wrote is not another's */

    test_dead = 7;

    assert_int_equal(ngx_prof_slow_claim(table, 8, test_alive), 0);
    assert_int_equal(ngx_prof_slow_read(table, TEST_KEEP, &read),
                     NGX_DECLINED);

    ngx_prof_slow_release(table, 3);
    assert_int_equal(ngx_prof_slow_claim(table, 9, test_alive), 3);
}


/* a worker was killed, and its pid is another process's by now: here, ours */

static void
test_same_pid(void **state)
{
    uint64_t                own, before;
    ngx_prof_slow_t         slow, read;
    ngx_prof_slow_table_t  *table;

    table = test_table();

    ngx_pid = getpid();
    own = ngx_prof_claim_own();
    before = own - ((uint64_t) 1 << NGX_PROF_CLAIM_PID);

    table->lock = before;

    ngx_memzero(&slow, sizeof(ngx_prof_slow_t));
    slow.owner = own;
    slow.clock = 1;
    slow.total = 1;

    assert_int_equal(ngx_prof_slow_add(table, &slow, 1, ngx_prof_claim_alive),
                     1);
    assert_int_equal(table->lock, 0);

    assert_int_equal(ngx_prof_slow_claim(table, before, test_alive), 0);

    slow.owner = before;
    slow.number = 0;
    ngx_prof_slow_live(table, 0, &slow);

    assert_int_equal(ngx_prof_slow_claim(table, own, ngx_prof_claim_alive), 0);
    assert_int_equal(ngx_prof_slow_read(table, TEST_KEEP, &read),
                     NGX_DECLINED);
}


/* rows of a slot that has one owner after another */

static void
test_owners(void **state)
{
    uint64_t                 key;
    ngx_prof_elapsed_t      *elapsed;
    ngx_prof_elapsed_row_t  *row;

    elapsed = test_share(sizeof(ngx_prof_elapsed_t));

    key = ngx_prof_elapsed_key(3, 65533, 579);

    assert_int_equal(ngx_prof_elapsed_slot(key), 3);
    assert_int_equal(ngx_prof_elapsed_place(key), 65533);
    assert_int_equal(ngx_prof_elapsed_peer(key), 579);

    row = ngx_prof_elapsed_open(elapsed, key, 1);
    row->counts.requests = 5;
    row->counts.ns[1] = 7;

    assert_ptr_equal(ngx_prof_elapsed_open(elapsed, key, 1), row);
    assert_int_equal(row->base.requests, 0);

    assert_ptr_equal(ngx_prof_elapsed_open(elapsed, key, 2), row);
    assert_int_equal(row->base.requests, 5);
    assert_int_equal(row->base.ns[1], 7);

    /* another location at the same place */

    ngx_prof_elapsed_free(elapsed, 65532);
    assert_int_equal(row->counts.requests, 5);

    ngx_prof_elapsed_free(elapsed, 65533);
    assert_int_equal(row->counts.requests, 0);
    assert_int_equal(row->base.ns[1], 0);
    assert_int_equal(row->key, key);
}


/* each key has a row of its own until there is no room, and keeps it */

static void
test_full(void **state)
{
    ngx_uint_t               i, n, found;
    ngx_prof_elapsed_t      *elapsed;
    ngx_prof_elapsed_row_t  *row;

    elapsed = test_share(sizeof(ngx_prof_elapsed_t));
    found = 0;

    for (n = 0; n < 2; n++) {

        for (i = 1; i <= 2 * NGX_PROF_ELAPSED_ROWS; i++) {
            row = ngx_prof_elapsed_open(elapsed,
                                        ngx_prof_elapsed_key(i % 8, i, 0), 1);
            if (row == NULL) {
                continue;
            }

            assert_int_equal(row->counts.requests, n ? i : 0);
            row->counts.requests = i;
            found++;
        }
    }

    assert_true(found / 2 > NGX_PROF_ELAPSED_ROWS * 9 / 10);
    assert_true(found / 2 <= NGX_PROF_ELAPSED_ROWS);

    ngx_prof_elapsed_other(elapsed, 2, 5);
    ngx_prof_elapsed_other(elapsed, 2, 6);
    assert_int_equal(elapsed->other.ns[2], 11);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_same_pid),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_full)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
