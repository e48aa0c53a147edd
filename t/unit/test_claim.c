
/*
 * Claims: one owner at a time; one that has died, or whose pid another process
 * has by now, keeps none.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_elapsed.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_registry.c shm/ngx_prof_cell.c */
/* sources: shm/ngx_prof_elapsed.c */
/* sources: shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_claim.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */

#include "shm_test.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_owner.h"


#define TEST_CLAIMERS  8

#define test_claim_start(claim)  ((claim) >> NGX_PROF_CLAIM_PID)


ngx_pid_t  ngx_pid;


typedef struct {
    uint64_t  claim;
    uint64_t  taken;                        /* claims that were had */
    uint64_t  inside;
    uint64_t  go;
} test_claims_t;


/* takes it, and dies with it */

static void
test_take(void *data)
{
    ngx_pid = getpid();

    if (ngx_prof_claim_take(data) != NGX_OK) {
        _exit(1);
    }
}


static void
test_one_owner(void **state)
{
    uint64_t  claim;

    claim = 0;

    assert_int_equal(ngx_prof_claim_take(&claim), NGX_OK);
    assert_int_equal(ngx_prof_claim_pid(claim), getpid());
    assert_int_equal(test_claim_start(claim),
                     ngx_prof_process_start(getpid(), NULL));
    assert_int_not_equal(test_claim_start(claim), 0);

    assert_int_equal(ngx_prof_claim_take(&claim), NGX_BUSY);

    ngx_prof_claim_reap(&claim);
    assert_int_not_equal(claim, 0);

    ngx_prof_claim_give(&claim);
    assert_int_equal(claim, 0);
    assert_int_equal(ngx_prof_claim_take(&claim), NGX_OK);
}


static void
test_pid_of_another_process_keeps_none(void **state)
{
    uint64_t  claim, own;

    claim = 0;
    assert_int_equal(ngx_prof_claim_take(&claim), NGX_OK);
    own = claim;

    /* our pid had another owner, which died with its claim */

    claim = own - ((uint64_t) 1 << NGX_PROF_CLAIM_PID);
    ngx_prof_claim_reap(&claim);
    assert_int_equal(claim, 0);

    claim = own - ((uint64_t) 1 << NGX_PROF_CLAIM_PID);
    assert_int_equal(ngx_prof_claim_take(&claim), NGX_OK);
    assert_int_equal(claim, own);

    /* the same of a pid that lives, but is not ours */

    claim = (test_claim_start(own) + 1) << NGX_PROF_CLAIM_PID
            | (uint64_t) getppid();
    assert_int_equal(ngx_prof_claim_take(&claim), NGX_OK);

    /* not known when it was claimed: the pid has to do */

    claim = (uint64_t) getppid();
    assert_int_equal(ngx_prof_claim_take(&claim), NGX_BUSY);
    assert_int_equal(claim, getppid());
}


static void
test_dead_owner_keeps_none(void **state)
{
    pid_t      pid;
    uint64_t  *claim;
    siginfo_t  info;

    claim = test_share(sizeof(uint64_t));

    pid = test_fork(test_take, claim);
    assert_int_equal(waitid(P_PID, pid, &info, WEXITED|WNOWAIT), 0);

    /* a zombie, to which kill() tells nothing else */

    assert_int_equal(ngx_prof_claim_pid(*claim), pid);
    ngx_prof_claim_reap(claim);
    assert_int_equal(*claim, 0);
    assert_int_equal(test_wait(pid), 0);

    pid = test_fork(test_take, claim);
    assert_int_equal(test_wait(pid), 0);
    assert_int_equal(ngx_prof_claim_pid(*claim), pid);
    assert_int_equal(ngx_prof_claim_take(claim), NGX_OK);
    assert_int_equal(ngx_prof_claim_pid(*claim), getpid());
}


static void
test_claimer(void *data)
{
    ngx_uint_t      i;
    test_claims_t  *t = data;

    ngx_pid = getpid();

    while (!ngx_prof_load_acquire(&t->go)) {
        /* void */
    }

    for (i = 0; i < 2000; i++) {

        if (ngx_prof_claim_take(&t->claim) != NGX_OK) {
            continue;
        }

        if (__atomic_add_fetch(&t->inside, 1, __ATOMIC_SEQ_CST) != 1) {
            _exit(1);
        }

        (void) __atomic_add_fetch(&t->taken, 1, __ATOMIC_SEQ_CST);
        (void) __atomic_sub_fetch(&t->inside, 1, __ATOMIC_SEQ_CST);

        ngx_prof_claim_give(&t->claim);
    }
}


/* qemu tells a process another start of its own than others read */

static void
test_started(void *data)
{
    ngx_pid = getpid();

    _exit(!ngx_prof_claim_alive(*(uint64_t *) data));
}


static void
test_many_want_it(void **state)
{
    pid_t           pid[TEST_CLAIMERS];
    uint64_t        own;
    ngx_uint_t      i;
    test_claims_t  *t;

    own = ngx_prof_claim_own();

    if (test_wait(test_fork(test_started, &own)) != 0) {
        printf("# an emulator tells no process its own start\n");
        skip();
    }

    t = test_share(sizeof(test_claims_t));

    for (i = 0; i < TEST_CLAIMERS; i++) {
        pid[i] = test_fork(test_claimer, t);
    }

    ngx_prof_store_release(&t->go, 1);

    for (i = 0; i < TEST_CLAIMERS; i++) {
        assert_int_equal(test_wait(pid[i]), 0);
    }

    assert_int_equal(t->claim, 0);
    assert_int_not_equal(t->taken, 0);
}


/* a worker without a slot that died is no longer counted */

static void
test_waiters(void **state)
{
    uint64_t          own, before;
    ngx_prof_zone_t  *zone;

    zone = test_zone(1, 1, 1);
    own = ngx_prof_claim_own();
    before = own - ((uint64_t) 1 << NGX_PROF_CLAIM_PID);

    ngx_prof_slot_wait(zone, before);
    assert_int_equal(ngx_prof_slot_waiters(zone, ngx_prof_claim_alive), 0);

    ngx_prof_slot_wait(zone, own);
    assert_int_equal(ngx_prof_slot_waiters(zone, ngx_prof_claim_alive), 1);

    ngx_prof_slot_waited(zone, own);
    assert_int_equal(ngx_prof_slot_waiters(zone, ngx_prof_claim_alive), 0);

    test_zone_free(zone);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_one_owner),
        cmocka_unit_test(test_pid_of_another_process_keeps_none),
        cmocka_unit_test(test_dead_owner_keeps_none),
        cmocka_unit_test(test_waiters),
        cmocka_unit_test(test_many_want_it)
    };

    ngx_pid = getpid();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
