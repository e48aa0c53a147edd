
/*
 * Records, rings and counters under readers in threads of the same process:
 * the sanitizer finds accesses that are not atomic.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_slot.c shm/ngx_prof_zone.c shm/ngx_prof_cell.c */
/* sources: shm/ngx_prof_recording.c */
/* sources: shm/ngx_prof_stacks.c */
/* sanitize: thread */

#include "shm_test.h"

#include <pthread.h>

#include "ngx_prof_record.c"
#include "ngx_prof_ring.c"


#define WORDS    16
#define SAMPLES  4
#define READERS  3
#define PLACES   3


typedef struct {
    uint64_t           seq;
    uint64_t           words[WORDS];
    ngx_prof_sample_t  ring[SAMPLES];
    ngx_prof_zone_t   *zone;
    uint64_t           latest;
    uint64_t           stop;
    uint64_t           wrong;
    uint64_t           ok[3];
} test_shared_t;


static test_shared_t  shared;


static void
test_write(uint32_t n)
{
    uint64_t           words[WORDS];
    ngx_prof_sample_t  s;

    test_fill(words, WORDS, n);
    ngx_prof_record_write(&shared.seq, shared.words, words, sizeof(words));

    test_fill((uint64_t *) &s, sizeof(s) / 8, n);
    s.tick = n;
    s.tasks = ~n;
    ngx_prof_ring_write(shared.ring, SAMPLES, &s);

    ngx_prof_store(&shared.latest, n);
}


static void
test_count(ngx_prof_slot_t *slot, ngx_uint_t place, uint64_t ns)
{
    ngx_uint_t  bucket, code;

    bucket = ngx_prof_hist_bucket(ns);
    code = ngx_prof_code_index(200);

    ngx_prof_counts_add(&slot->all, code, 1, 2, bucket, ns);
    test_place_count(shared.zone, slot, place, code, 1, 2, ns);
    ngx_prof_hist_count(&slot->passes, bucket, ns);
    ngx_prof_add(&slot->totals.iterations, 1);
    ngx_prof_slot_pause(slot, ns, ns, 0);
}


/* a worker that ends now and then, and another that takes its slot */

static void *
test_writer(void *data)
{
    uint32_t          n;
    ngx_prof_slot_t  *slot;

    slot = NULL;

    for (n = 1; !ngx_prof_load(&shared.stop); n++) {
        test_write(n);

        if (n % 1000 == 1) {

            if (slot) {
                test_release(slot);
            }

            slot = test_claim(shared.zone, n);
        }

        test_count(slot, n % PLACES, 1000 + n % 100000);
    }

    return NULL;
}


static void
test_read_record(void)
{
    uint64_t           words[WORDS];
    uint32_t           tick;
    ngx_prof_sample_t  s;

    if (ngx_prof_record_read(&shared.seq, words, shared.words,
                             sizeof(words))
        == NGX_OK)
    {
        __atomic_add_fetch(&shared.ok[0], 1, __ATOMIC_RELAXED);

        if (test_whole(words, WORDS) == TEST_MAX) {
            ngx_prof_store(&shared.wrong, 1);
        }
    }

    tick = (uint32_t) ngx_prof_load(&shared.latest);

    if (ngx_prof_ring_read(shared.ring, SAMPLES, tick, &s) == NGX_OK) {
        __atomic_add_fetch(&shared.ok[1], 1, __ATOMIC_RELAXED);

        test_fill(words, 1, tick);
        ngx_memcpy(words, &s, 8);

        if (s.tick != tick || s.tasks != ~tick) {
            ngx_prof_store(&shared.wrong, 2);
        }

        ngx_memcpy(&s, &tick, sizeof(tick));
        s.tasks = 0;

        if (test_whole((uint64_t *) &s, sizeof(s) / 8) == TEST_MAX) {
            ngx_prof_store(&shared.wrong, 3);
        }
    }
}


/* the zone's counters and those since the base, of all and of places */

static void
test_read_slot(ngx_prof_counts_t *counts, ngx_prof_hist_t *passes,
    uint64_t *before)
{
    uint64_t           n;
    ngx_uint_t         i;
    ngx_prof_slot_t   *slot;
    ngx_prof_totals_t  totals;

    slot = ngx_prof_zone_slot(shared.zone, 0);

    ngx_memzero(counts, sizeof(ngx_prof_counts_t));
    ngx_prof_counts_sum(counts, &slot->all, NULL);
    n = ngx_prof_counts_requests(counts);

    if (n < *before) {
        ngx_prof_store(&shared.wrong, 4);
    }

    *before = n;

    for (i = 0; i < PLACES; i++) {
        ngx_memzero(counts, sizeof(ngx_prof_counts_t));
        ngx_prof_cells_sum(shared.zone, i, getpid(), counts);

        if (ngx_prof_counts_requests(counts) > n + 1000000) {
            ngx_prof_store(&shared.wrong, 8);
        }
    }

    ngx_memzero(counts, sizeof(ngx_prof_counts_t));
    ngx_prof_counts_sum(counts, &slot->all, &slot->base_all);

    /* a word that was less than its base would be near 2^64 */

    if (ngx_prof_counts_requests(counts) > n + 1000000) {
        ngx_prof_store(&shared.wrong, 5);
    }

    ngx_memzero(passes, sizeof(ngx_prof_hist_t));
    ngx_prof_hist_sum(passes, &slot->passes, &slot->base_passes);

    if (ngx_prof_hist_number(passes) > n + 1000000) {
        ngx_prof_store(&shared.wrong, 6);
    }

    ngx_memzero(&totals, sizeof(ngx_prof_totals_t));
    ngx_prof_totals_sum(&totals, &slot->totals, &slot->base);

    if (totals.iterations > n + 1000000) {
        ngx_prof_store(&shared.wrong, 7);
    }

    (void) ngx_prof_slot_pid(slot);
    (void) ngx_prof_slot_alive(slot);

    __atomic_add_fetch(&shared.ok[2], 1, __ATOMIC_RELAXED);
}


static void *
test_reader(void *data)
{
    uint64_t            before;
    ngx_uint_t          i;
    ngx_prof_hist_t    *passes;
    ngx_prof_counts_t  *counts;

    passes = malloc(sizeof(ngx_prof_hist_t));
    counts = malloc(sizeof(ngx_prof_counts_t));
    before = 0;

    while (!ngx_prof_load(&shared.stop)) {

        for (i = 0; i < 50; i++) {
            test_read_record();
        }

        test_read_slot(counts, passes, &before);
    }

    free(passes);
    free(counts);

    return NULL;
}


static void
test_readers_in_threads_see_whole_records(void **state)
{
    pthread_t   thread[READERS + 1];
    double      end;
    ngx_uint_t  i;

    shared.zone = test_zone(1, SAMPLES, PLACES);
    shared.zone->header->place_n = PLACES;

    /* memory that was never written is none of the records */

    test_write(1);

    for (i = 0; i <= READERS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL,
                                        i ? test_reader : test_writer, NULL),
                         0);
    }

    end = test_clock() + 2.5;

    while (test_clock() < end
           || ngx_prof_load(&shared.latest) <= 1000
           || ngx_prof_load(&shared.ok[0]) <= 100
           || ngx_prof_load(&shared.ok[1]) <= 100
           || ngx_prof_load(&shared.ok[2]) <= 10)
    {
        usleep(1000);
    }

    ngx_prof_store(&shared.stop, 1);

    for (i = 0; i <= READERS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }

    printf("# %u written, %u records, %u samples, %u slots read\n",
           (unsigned) shared.latest, (unsigned) shared.ok[0],
           (unsigned) shared.ok[1], (unsigned) shared.ok[2]);

    assert_int_equal(shared.wrong, 0);

    test_zone_free(shared.zone);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_readers_in_threads_see_whole_records)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
