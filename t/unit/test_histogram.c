
/*
 * The histogram of durations: its error, its edges, quantiles against sorted
 * values, sums with and without a base, damaged tops.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */
/* libs: -lm */

#include <math.h>

#include "shm_test.h"


#define LAST  (NGX_PROF_HIST_BUCKETS - 1)
#define HOUR  3600000000000ULL


static uint64_t
test_lower(ngx_uint_t bucket)
{
    return bucket ? ngx_prof_hist_upper(bucket - 1) : 0;
}


/* the middle of a value's bucket is at most 1/64 of the value away */

static void
test_error(uint64_t ns)
{
    uint64_t    low, middle;
    ngx_uint_t  bucket;

    bucket = ngx_prof_hist_bucket(ns);
    assert_in_range(bucket, 1, LAST);

    low = test_lower(bucket);
    middle = low + (ngx_prof_hist_upper(bucket) - low) / 2;

    assert_true(ns >= low && ns < ngx_prof_hist_upper(bucket));
    assert_true((middle > ns ? middle - ns : ns - middle) * 64 <= ns);
}


static uint64_t
test_duration(void)
{
    /* each order of magnitude as often, 1 us to 1 h */

    return (uint64_t) (1000.0 * exp((double) test_below(1000001) / 1e6
                                    * log(3.6e9)));
}


static void
test_one_to_sixty_fourth_at_powers(void **state)
{
    ngx_uint_t  e;

    for (e = 9; e <= 41; e++) {
        test_error((uint64_t) 1 << e);
        test_error(((uint64_t) 1 << e) + 1);
        test_error(((uint64_t) 2 << e) - 1);
        test_error(((uint64_t) 3 << e) / 2);
    }

    test_error(1000);
    test_error(HOUR);
}


static void
test_one_to_sixty_fourth_at_random(void **state)
{
    ngx_uint_t  i;

    for (i = 0; i < 100000; i++) {
        test_error(test_duration());
    }
}


static void
test_bucket_and_upper_are_inverse(void **state)
{
    ngx_uint_t  i;

    for (i = 0; i <= LAST; i++) {
        assert_int_equal(ngx_prof_hist_bucket(test_lower(i)), i);
        assert_int_equal(ngx_prof_hist_bucket(ngx_prof_hist_upper(i) - 1), i);
        assert_true(ngx_prof_hist_upper(i) > test_lower(i));
    }
}


static void
test_edges(void **state)
{
    assert_int_equal(ngx_prof_hist_bucket(0), 0);
    assert_int_equal(ngx_prof_hist_bucket(1), 0);
    assert_int_equal(ngx_prof_hist_bucket(511), 0);
    assert_int_equal(ngx_prof_hist_bucket(512), 1);

    assert_int_equal(ngx_prof_hist_upper(0), 512);
    assert_int_equal(ngx_prof_hist_upper(LAST), 1ULL << 42);
    assert_true(ngx_prof_hist_bucket(HOUR) < LAST);

    assert_int_equal(ngx_prof_hist_bucket((1ULL << 42) - 1), LAST);
    assert_int_equal(ngx_prof_hist_bucket(1ULL << 42), LAST);
    assert_int_equal(ngx_prof_hist_bucket(2 * HOUR), LAST);
    assert_int_equal(ngx_prof_hist_bucket(TEST_MAX), LAST);
}


static void
test_count(ngx_prof_hist_t *h, uint64_t ns)
{
    ngx_prof_hist_count(h, ngx_prof_hist_bucket(ns), ns);
}


static int
test_compare(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return (a > b) - (a < b);
}


static void
test_quantiles_of(ngx_uint_t n)
{
    double            q;
    uint64_t         *values, exact, got, sum;
    ngx_uint_t        i, rank;
    ngx_prof_hist_t  *h;

    h = calloc(1, sizeof(ngx_prof_hist_t));
    values = malloc(n * sizeof(uint64_t));
    sum = 0;

    for (i = 0; i < n; i++) {
        values[i] = test_duration();
        sum += values[i];
        test_count(h, values[i]);
    }

    qsort(values, n, sizeof(uint64_t), test_compare);

    assert_int_equal(ngx_prof_hist_number(h), n);
    assert_int_equal(h->sum, sum);
    assert_int_equal(h->max, values[n - 1]);
    assert_int_equal(h->top, ngx_prof_hist_bucket(values[n - 1]) + 1);

    for (i = 1; i <= 2000; i++) {
        q = (double) i / 2000;
        rank = (ngx_uint_t) ceil(q * (double) n);
        exact = values[rank - 1];
        got = ngx_prof_hist_quantile(h, q);

        assert_true((got > exact ? got - exact : exact - got) * 64 <= exact);
        assert_true(got <= h->max);
    }

    free(values);
    free(h);
}


static void
test_quantiles_of_random_values(void **state)
{
    test_quantiles_of(1);
    test_quantiles_of(2);
    test_quantiles_of(3);
    test_quantiles_of(99);
    test_quantiles_of(1000);
    test_quantiles_of(30000);
}


static void
test_quantiles_at_the_edges(void **state)
{
    ngx_prof_hist_t  *h;

    h = calloc(1, sizeof(ngx_prof_hist_t));

    assert_int_equal(ngx_prof_hist_number(h), 0);
    assert_int_equal(ngx_prof_hist_quantile(h, 0.5), 0);
    assert_int_equal(ngx_prof_hist_quantile(h, 1.0), 0);

    test_count(h, 0);

    assert_int_equal(ngx_prof_hist_number(h), 1);
    assert_int_equal(ngx_prof_hist_quantile(h, 0.5), 0);

    test_count(h, 100);
    test_count(h, 511);

    assert_int_equal(ngx_prof_hist_quantile(h, 1.0), 256);

    /* all of the values above 73 min are told as the last bucket */

    ngx_memzero(h, sizeof(ngx_prof_hist_t));
    test_count(h, 1ULL << 50);
    test_count(h, (1ULL << 50) + 1);

    assert_in_range(ngx_prof_hist_quantile(h, 0.99),
                    test_lower(LAST), 1ULL << 42);
    assert_int_equal(h->max, (1ULL << 50) + 1);

    free(h);
}


static void
test_cumulative_counts_what_is_below(void **state)
{
    uint64_t          values[500], below;
    ngx_uint_t        i, bucket;
    ngx_prof_hist_t  *h;

    h = calloc(1, sizeof(ngx_prof_hist_t));

    for (i = 0; i < 500; i++) {
        values[i] = test_duration();
        test_count(h, values[i]);
    }

    for (bucket = 0; bucket <= LAST; bucket++) {
        below = 0;

        for (i = 0; i < 500; i++) {
            below += values[i] < ngx_prof_hist_upper(bucket);
        }

        assert_int_equal(ngx_prof_hist_cumulative(h, bucket), below);
    }

    free(h);
}


static void
test_sums_add_up(void **state)
{
    ngx_uint_t        i, k;
    ngx_prof_hist_t  *part, *sum, *all;

    part = calloc(3, sizeof(ngx_prof_hist_t));
    sum = calloc(1, sizeof(ngx_prof_hist_t));
    all = calloc(1, sizeof(ngx_prof_hist_t));

    for (i = 0; i < 3000; i++) {
        uint64_t  ns = test_duration();

        test_count(&part[i % 3], ns);
        test_count(all, ns);
    }

    for (k = 0; k < 3; k++) {
        ngx_prof_hist_sum(sum, &part[k], NULL);
    }

    assert_memory_equal(sum, all, sizeof(ngx_prof_hist_t));

    free(part);
    free(sum);
    free(all);
}


static void
test_sum_since_a_base(void **state)
{
    uint64_t          ns;
    ngx_uint_t        i, round;
    ngx_prof_hist_t  *h, *base, *since, *sum;

    h = calloc(4, sizeof(ngx_prof_hist_t));
    base = &h[1];
    since = &h[2];
    sum = &h[3];

    for (round = 0; round < 50; round++) {
        *base = *h;
        ngx_memzero(since, 2 * sizeof(ngx_prof_hist_t));

        for (i = test_below(100); i > 0; i--) {
            ns = test_duration();
            test_count(h, ns);
            test_count(since, ns);
        }

        ngx_prof_hist_sum(sum, h, base);

        assert_memory_equal(sum->bucket, since->bucket, sizeof(sum->bucket));
        assert_int_equal(sum->sum, since->sum);
        assert_int_equal(sum->top, since->top);

        if (h->max > base->max) {
            assert_int_equal(sum->max, since->max);
            continue;
        }

        /* the largest since then is only known by its bucket, and is no
         * larger than the largest of all */

        assert_in_range(sum->max, since->max,
                        since->max + since->max / 32 + 1);
        assert_int_equal(sum->max,
                         since->top
                         ? ngx_min(ngx_prof_hist_upper(since->top - 1), h->max)
                         : 0);
    }

    free(h);
}


static void
test_largest_since_a_base(void **state)
{
    ngx_prof_hist_t  *h, *base, *sum;

    h = calloc(3, sizeof(ngx_prof_hist_t));
    base = &h[1];
    sum = &h[2];

    test_count(h, 1000000);
    *base = *h;

    /* nothing since then: nothing changes */

    sum->max = 7;
    ngx_prof_hist_sum(sum, h, base);

    assert_int_equal(sum->max, 7);
    assert_int_equal(sum->sum, 0);
    assert_int_equal(sum->top, 0);

    /* the same bucket as the largest before: never above that */

    test_count(h, 999999);
    ngx_prof_hist_sum(sum, h, base);

    assert_int_equal(sum->max, 1000000);
    assert_int_equal(sum->sum, 999999);

    /* a larger one is known exactly, and beats what dst had */

    test_count(h, 123456789);
    ngx_prof_hist_sum(sum, h, base);
    assert_int_equal(sum->max, 123456789);

    sum->max = 200000000;
    ngx_prof_hist_sum(sum, h, base);
    assert_int_equal(sum->max, 200000000);

    free(h);
}


static void
test_damaged_top_is_harmless(void **state)
{
    ngx_uint_t             i;
    ngx_prof_hist_t       *h, *sum;

    static const uint64_t  tops[] = {
        LAST + 2, LAST + 1000, 1ULL << 32, 1ULL << 61, TEST_MAX
    };

    /* on the heap, where the sanitizer sees a read behind the end */

    h = calloc(1, sizeof(ngx_prof_hist_t));
    sum = calloc(1, sizeof(ngx_prof_hist_t));

    test_count(h, 5000);
    test_count(h, TEST_MAX / 4);

    for (i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
        h->top = tops[i];
        ngx_memzero(sum, sizeof(ngx_prof_hist_t));

        ngx_prof_hist_sum(sum, h, NULL);

        assert_int_equal(sum->top, LAST + 1);
        assert_int_equal(ngx_prof_hist_number(sum), 2);
    }

    free(h);
    free(sum);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_one_to_sixty_fourth_at_powers),
        cmocka_unit_test(test_one_to_sixty_fourth_at_random),
        cmocka_unit_test(test_bucket_and_upper_are_inverse),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_quantiles_of_random_values),
        cmocka_unit_test(test_quantiles_at_the_edges),
        cmocka_unit_test(test_cumulative_counts_what_is_below),
        cmocka_unit_test(test_sums_add_up),
        cmocka_unit_test(test_sum_since_a_base),
        cmocka_unit_test(test_largest_since_a_base),
        cmocka_unit_test(test_damaged_top_is_harmless)
    };

    test_seed();

    return cmocka_run_group_tests(tests, NULL, NULL);
}
