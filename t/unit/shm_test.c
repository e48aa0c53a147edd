
#include "shm_test.h"

#include <sched.h>
#include <sys/prctl.h>

#if (__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif


#define TEST_STACK  262144


typedef struct {
    void    (*fn)(void *);
    void     *data;
} test_spawn_t;


static uint64_t  test_state;


void
test_seed(void)
{
    char             *seed;
    struct timespec   ts;

    seed = getenv("TEST_SEED");

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    test_state = seed ? strtoull(seed, NULL, 10)
                      : (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;

    printf("# TEST_SEED=%llu\n", (unsigned long long) test_state);
    fflush(stdout);
}


uint64_t
test_random(void)
{
    uint64_t  z;

    /* splitmix64, https://prng.di.unimi.it/splitmix64.c */

    test_state += 0x9e3779b97f4a7c15ULL;

    z = test_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return z ^ (z >> 31);
}


uint64_t
test_below(uint64_t n)
{
    return test_random() % n;
}


double
test_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


void
test_spin(uint64_t n)
{
    while (n--) {
        ngx_cpu_pause();
    }
}


void *
test_share(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED, -1, 0);

    assert_ptr_not_equal(p, MAP_FAILED);

    return p;
}


ngx_prof_zone_t *
test_zone(ngx_uint_t slots, ngx_uint_t history, ngx_uint_t places)
{
    size_t            size;
    ngx_prof_zone_t  *zone;
    ngx_prof_shape_t  shape;

    ngx_memzero(&shape, sizeof(ngx_prof_shape_t));

    shape.slots = slots;
    shape.history = history;
    shape.places = places;
    shape.stacks = TEST_STACKS;
    shape.dump = TEST_DUMP;
    shape.names = places * TEST_NAME;
    shape.pages = places * (slots ? slots : 1) * TEST_PAGES;

    size = ngx_prof_zone_size(&shape);
    assert_int_not_equal(size, 0);

    zone = malloc(sizeof(ngx_prof_zone_t));
    assert_non_null(zone);

    ngx_prof_zone_init(zone, test_share(size), &shape, 1600000000000,
                       1000000000);

    return zone;
}


void
test_zone_free(ngx_prof_zone_t *zone)
{
    assert_int_equal(munmap(zone->header, zone->size), 0);
    free(zone);
}


void
test_place_count(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    ngx_uint_t place, ngx_uint_t code, uint64_t in, uint64_t out, uint64_t ns)
{
    ngx_uint_t           bucket, hist;
    ngx_prof_counting_t  c;

    bucket = ngx_prof_hist_bucket(ns);

    if (place == NGX_PROF_PLACE_OTHER
        || ngx_prof_cell_open(zone, slot, place, &c) != NGX_OK)
    {
        ngx_prof_cell_open_other(zone, slot, &c);
    }

    for (hist = 0; hist < NGX_PROF_CONNECT; hist++) {

        if (!ngx_prof_counting_chunk(&c, hist, bucket)
            && ngx_prof_cell_grow(zone, slot, &c, hist, bucket) != NGX_OK)
        {
            ngx_prof_cell_open_other(zone, slot, &c);
        }
    }

    ngx_prof_cell_add(c.cell,
                      ngx_prof_counting_chunk(&c, NGX_PROF_LATENCY, bucket),
                      code, in, out, bucket, ns);
    ngx_prof_cell_time(c.cell,
                       ngx_prof_counting_chunk(&c, NGX_PROF_UPSTREAM, bucket),
                       NGX_PROF_UPSTREAM, bucket, ns);
}


ngx_prof_slot_t *
test_claim(ngx_prof_zone_t *zone, uint32_t tick)
{
    ngx_prof_slot_claim_t  claim;

    ngx_memzero(&claim, sizeof(ngx_prof_slot_claim_t));

    claim.pid = getpid();
    claim.start = ngx_prof_process_start(claim.pid, NULL);
    claim.alive = ngx_prof_slot_alive;
    claim.clock = 1000000000;
    claim.tick = tick;
    claim.interval = TEST_INTERVAL;

    return ngx_prof_slot_claim(zone, &claim);
}


void
test_release(ngx_prof_slot_t *slot)
{
    ngx_prof_slot_release(slot);
    ngx_prof_store(&slot->owner, 0);
}


pid_t
test_fork(void (*fn)(void *), void *data)
{
    pid_t  pid, parent;

    parent = getpid();
    pid = fork();

    if (pid == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

        if (getppid() != parent) {
            _exit(1);
        }

        fn(data);
        _exit(0);
    }

    assert_int_not_equal(pid, -1);

    return pid;
}


static int
test_spawned(void *data)
{
    test_spawn_t  *s;

    s = data;
    s->fn(s->data);

    return 0;
}


pid_t
test_spawn(void (*fn)(void *), void *data)
{
    pid_t                pid;

    static u_char       *stack;
    static test_spawn_t  spawn;

    if (stack == NULL) {
        stack = test_share(TEST_STACK);
    }

#if (__SANITIZE_ADDRESS__)

    /* the one before was killed without leaving its functions */

    __asan_unpoison_memory_region(stack, TEST_STACK);

#endif

    spawn.fn = fn;
    spawn.data = data;

    pid = clone(test_spawned, stack + TEST_STACK, CLONE_VM|SIGCHLD, &spawn);

    if (pid == -1 && errno == EINVAL) {
        /* qemu runs no processes that share all memory */
        return test_fork(fn, data);
    }

    assert_int_not_equal(pid, -1);

    return pid;
}


int
test_wait(pid_t pid)
{
    int  status;

    while (waitpid(pid, &status, 0) == -1) {
        assert_int_equal(errno, EINTR);
    }

    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}


static void
test_nothing(void *data)
{
    (void) data;
}


pid_t
test_dead_pid(void)
{
    pid_t  pid;

    pid = test_fork(test_nothing, NULL);
    assert_int_equal(test_wait(pid), 0);

    return pid;
}


void
test_fill(uint64_t *words, ngx_uint_t n, uint64_t number)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        words[i] = number ^ (i * 0x9e3779b97f4a7c15ULL);
    }
}


uint64_t
test_whole(const uint64_t *words, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 1; i < n; i++) {

        if ((words[i] ^ (i * 0x9e3779b97f4a7c15ULL)) != words[0]) {
            return TEST_MAX;
        }
    }

    return words[0];
}
