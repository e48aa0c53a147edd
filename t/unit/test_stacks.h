
/*
 * What the tests of the table of stacks share.  A stack is made from a
 * number, and tells it again; mixtures of two do not.
 */


#ifndef _TEST_STACKS_H_INCLUDED_
#define _TEST_STACKS_H_INCLUDED_


#include "shm_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "ngx_prof_stacks.c"


#define TEST_DEPTH    24
#define TEST_THREADS  8


typedef struct {
    ngx_uint_t          size;
    uint64_t            added;                /* counts given to add() */
    uint64_t            handled;              /* of them in a handler */
    uint64_t            wrong;
    uint64_t            read;                 /* entries */
    uint64_t            stop;
    uint64_t            emptying;
    ngx_prof_stacks_t  *stacks;
} test_stacks_t;


static test_stacks_t      *test_stacks_current;
static __thread uint64_t   test_stacks_number;

/* of its handler: what that interrupts has none */
static __thread ngx_prof_path_t  test_stacks_path;


static test_stacks_t *
test_stacks_create(ngx_uint_t size)
{
    test_stacks_t  *t;

    t = test_share(sizeof(test_stacks_t));
    t->size = size;
    t->stacks = test_share(ngx_prof_stacks_size(size));

    return t;
}


static void
test_stacks_free(test_stacks_t *t)
{
    size_t  size;

    size = ngx_prof_stacks_size(t->size);

    assert_int_equal(munmap(t->stacks, size), 0);
    assert_int_equal(munmap(t, sizeof(test_stacks_t)), 0);
}


static ngx_uint_t
test_stacks_depth(uint64_t number)
{
    return 1 + number % TEST_DEPTH;
}


static ngx_int_t
test_stacks_add_path(test_stacks_t *t, ngx_prof_path_t *path, uint64_t number,
    uint32_t label, uint64_t count, uint64_t value)
{
    uint64_t    pcs[TEST_DEPTH];
    ngx_uint_t  n;

    n = test_stacks_depth(number);
    test_fill(pcs, n, number + 1);

    return ngx_prof_stacks_add_path(t->stacks, t->size, path, pcs,
                                    n, label, count, value);
}


static ngx_int_t
test_stacks_add(test_stacks_t *t, uint64_t number, uint32_t label,
    uint64_t count, uint64_t value)
{
    uint64_t    pcs[TEST_DEPTH];
    ngx_uint_t  n;

    n = test_stacks_depth(number);
    test_fill(pcs, n, number + 1);

    return ngx_prof_stacks_add(t->stacks, t->size, pcs, n, label,
                               count, value);
}


/* the number of a stack; TEST_MAX: it is none of those */

static uint64_t
test_stacks_whole(test_stacks_t *t, uint32_t node)
{
    uint64_t    number, pcs[TEST_DEPTH + 1];
    ngx_uint_t  n;

    n = ngx_prof_stacks_frames(t->stacks, t->size, node, pcs, TEST_DEPTH + 1);
    if (n == 0 || n > TEST_DEPTH) {
        return TEST_MAX;
    }

    number = test_whole(pcs, n);

    return (number != TEST_MAX && test_stacks_depth(number - 1) == n)
           ? number - 1 : TEST_MAX;
}


/* reads as another process does: the number of entries that are not whole */

static ngx_uint_t
test_stacks_read(test_stacks_t *t)
{
    uint64_t          epoch, number;
    ngx_uint_t        i, n, wrong;
    ngx_prof_tally_t  tally;

    wrong = 0;
    n = ngx_prof_stacks_tallies(t->stacks, t->size);

    for (i = 1; i < n; i++) {
        epoch = __atomic_load_n(&t->stacks->epoch, __ATOMIC_SEQ_CST);

        if (ngx_prof_stacks_tally(t->stacks, t->size, i, &tally) != NGX_OK) {
            continue;
        }

        number = test_stacks_whole(t, tally.node);

        /* nobody trusts what was read while the table was being emptied */

        if (__atomic_load_n(&t->stacks->closed, __ATOMIC_SEQ_CST)
            || epoch != __atomic_load_n(&t->stacks->epoch, __ATOMIC_SEQ_CST))
        {
            continue;
        }

        wrong += (number == TEST_MAX);
        (void) __atomic_add_fetch(&t->read, 1, __ATOMIC_RELAXED);
    }

    return wrong;
}


static inline uint64_t
test_stacks_sum(test_stacks_t *t)
{
    uint64_t          sum;
    ngx_uint_t        i, n;
    ngx_prof_tally_t  tally;

    sum = 0;
    n = ngx_prof_stacks_tallies(t->stacks, t->size);

    for (i = 1; i < n; i++) {
        if (ngx_prof_stacks_tally(t->stacks, t->size, i, &tally) == NGX_OK) {
            sum += tally.count;
        }
    }

    return sum;
}


static void
test_stacks_next(test_stacks_t *t)
{
    uint64_t  n;

    n = test_stacks_number++;

    (void) test_stacks_add(t, n * 7919 % 500, n % 3, 1, 10);
    (void) __atomic_add_fetch(&t->added, 1, __ATOMIC_RELAXED);
}


static void
test_stacks_handler(int signo)
{
    uint64_t  n;

    n = test_stacks_number++;

    (void) test_stacks_add_path(test_stacks_current, &test_stacks_path,
                                n * 7919 % 500, n % 3, 1, 10);
    (void) __atomic_add_fetch(&test_stacks_current->added, 1,
                              __ATOMIC_RELAXED);
    (void) __atomic_add_fetch(&test_stacks_current->handled, 1,
                              __ATOMIC_RELAXED);
}


static void *
test_stacks_thread(void *data)
{
    test_stacks_t  *t;

    t = data;

    while (!ngx_prof_load(&t->stop)) {
        test_stacks_next(t);
    }

    return NULL;
}


/* a reader in another process, until it is killed */

static void
test_stacks_reader(void *data)
{
    test_stacks_t  *t;

    t = data;

    for ( ;; ) {
        (void) __atomic_add_fetch(&t->wrong, test_stacks_read(t),
                                  __ATOMIC_RELAXED);
    }
}


/* what has to happen at least, on a machine that is busy, too */

static ngx_uint_t
test_stacks_stormed(test_stacks_t *t)
{
    return ngx_prof_load(&t->handled) > 10
           && ngx_prof_load(&t->read) > 1000
           && (!t->emptying || t->stacks->epoch > 10);
}


static void
test_stacks_wait(test_stacks_t *t, double ms)
{
    double  end, last;

    end = test_clock() + ms / 1000;
    last = end + 120;

    while (test_clock() < end
           || (!test_stacks_stormed(t) && test_clock() < last))
    {

        if (t->emptying) {
            (void) ngx_prof_stacks_empty(t->stacks, t->size);
        }

        usleep(500);
    }
}


/*
 * Threads that add, a handler that interrupts them, and a reader in another
 * process; `emptying`: the table is emptied all the while.  For so long, and
 * until something of each has happened.
 */

static void
test_stacks_storm(test_stacks_t *t, ngx_uint_t threads, double ms,
    uint64_t emptying)
{
    pid_t              reader;
    pthread_t          thread[TEST_THREADS];
    ngx_uint_t         i;
    struct sigaction   sa;
    struct itimerval   timer;

    ngx_memzero(&sa, sizeof(sa));
    sa.sa_handler = test_stacks_handler;
    sa.sa_flags = SA_RESTART;

    test_stacks_current = t;
    t->emptying = emptying;

    reader = test_fork(test_stacks_reader, t);
    assert_int_equal(sigaction(SIGPROF, &sa, NULL), 0);

    for (i = 0; i < threads; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, test_stacks_thread,
                                        t), 0);
    }

    ngx_memzero(&timer, sizeof(timer));
    timer.it_interval.tv_usec = 1000;
    timer.it_value.tv_usec = 1000;
    assert_int_equal(setitimer(ITIMER_PROF, &timer, NULL), 0);

    test_stacks_wait(t, ms);

    ngx_memzero(&timer, sizeof(timer));
    assert_int_equal(setitimer(ITIMER_PROF, &timer, NULL), 0);

    ngx_prof_store(&t->stop, 1);

    for (i = 0; i < threads; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }

    assert_int_equal(kill(reader, SIGKILL), 0);
    assert_int_equal(test_wait(reader), 128 + SIGKILL);

    printf("# %u added, %u of them by a handler, %u read, epoch %u\n",
           (unsigned) ngx_prof_load(&t->added),
           (unsigned) ngx_prof_load(&t->handled),
           (unsigned) ngx_prof_load(&t->read),
           (unsigned) t->stacks->epoch);
}


#endif /* _TEST_STACKS_H_INCLUDED_ */
