
/*
 * A histogram of durations with buckets of constant relative width.
 *
 * Each power of two is cut into 32 equal buckets (the log-linear layout of
 * HdrHistogram), so that the middle of a bucket is within 1/64 = 1.6% of
 * every value in it, from 512 ns to 73 min.  Shorter durations share bucket
 * 0, longer ones the last one; the largest value is kept exactly.
 *
 * In shared memory: written by the slot's owner only, without a lock; read
 * by any process, word by word.  The number of values is the sum of the
 * buckets, never a word of its own, so it always agrees with them.
 */


#ifndef _NGX_PROF_HISTOGRAM_H_INCLUDED_
#define _NGX_PROF_HISTOGRAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"


#define NGX_PROF_HIST_SUB_BITS   5
#define NGX_PROF_HIST_MIN_BITS   9
#define NGX_PROF_HIST_MAX_BITS   41

#define NGX_PROF_HIST_BUCKETS                                                 \
    (1 + ((NGX_PROF_HIST_MAX_BITS                                             \
           - NGX_PROF_HIST_MIN_BITS + 1)                                      \
          << NGX_PROF_HIST_SUB_BITS))


typedef struct {
    uint64_t  sum;       /* ns, of all values */
    uint64_t  max;       /* ns, the largest value, exactly */
    uint64_t  top;       /* 1 + the highest bucket ever used; 0: empty */
    uint64_t  bucket[NGX_PROF_HIST_BUCKETS];
} ngx_prof_hist_t;


/*
 * The bucket of a duration in ns.  The exponent of a double (IEEE 754,
 * binary64) and the first bits of its fraction, which follow each other, are
 * the power of two and the bucket in it; below 2^53 no duration is rounded.
 */
static ngx_inline ngx_uint_t
ngx_prof_hist_bucket_of(double ns)
{
    uint64_t  i;

    ngx_memcpy(&i, &ns, sizeof(uint64_t));

    i = (i >> (52 - NGX_PROF_HIST_SUB_BITS))
        - ((1023 + NGX_PROF_HIST_MIN_BITS)
           << NGX_PROF_HIST_SUB_BITS);

    if (__builtin_expect(i < NGX_PROF_HIST_BUCKETS - 1, 1)) {
        return i + 1;
    }

    return (ns >= 0 && ns < (double) ((uint64_t) 1 << NGX_PROF_HIST_MIN_BITS))
           ? 0 : NGX_PROF_HIST_BUCKETS - 1;
}


static ngx_inline ngx_uint_t
ngx_prof_hist_bucket(uint64_t ns)
{
    return ngx_prof_hist_bucket_of((double) (int64_t) ns);
}


/* by the owner: counts a duration whose bucket is known already */
static ngx_inline void
ngx_prof_hist_count(ngx_prof_hist_t *h, ngx_uint_t bucket, uint64_t ns)
{
    ngx_prof_add(&h->bucket[bucket], 1);
    ngx_prof_add(&h->sum, ns);

    if (ns >= h->max) {
        ngx_prof_store(&h->max, ns);
        ngx_prof_store(&h->top, bucket + 1);
    }
}


/* the first duration, in ns, above a bucket; its lower end is that of i - 1 */
uint64_t ngx_prof_hist_upper(ngx_uint_t bucket);

/*
 * Adds src (in shared memory, may be written meanwhile) to dst (private).  base
 * is an earlier copy of src, to add only values since then, or NULL.  If a
 * value before base was larger, the largest value since is not known exactly:
 * it becomes the upper end of the highest bucket used since.
 */
void ngx_prof_hist_sum(ngx_prof_hist_t *dst, const ngx_prof_hist_t *src,
    const ngx_prof_hist_t *base);

/*
 * The end of such an addition, where buckets lie in another form: used is 1 +
 * the highest bucket that was added to dst; the bases are NULL or both set.
 */
void ngx_prof_hist_ends(ngx_prof_hist_t *dst, ngx_uint_t used,
    const uint64_t *sum, const uint64_t *max, const uint64_t *base_sum,
    const uint64_t *base_max);

/* the number of values; of a private copy */
uint64_t ngx_prof_hist_number(const ngx_prof_hist_t *h);

/* how many values are below upper(bucket); of a private copy */
uint64_t ngx_prof_hist_cumulative(const ngx_prof_hist_t *h, ngx_uint_t bucket);

/*
 * The quantile q (0 < q <= 1) in ns by nearest rank: the middle of its
 * bucket, at most the largest value.  0 if the histogram is empty.
 */
uint64_t ngx_prof_hist_quantile(const ngx_prof_hist_t *h, double q);


#endif /* _NGX_PROF_HISTOGRAM_H_INCLUDED_ */
