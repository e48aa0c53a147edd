
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_histogram.h"


uint64_t
ngx_prof_hist_upper(ngx_uint_t bucket)
{
    uint64_t    sub;
    ngx_uint_t  e;

    if (bucket == 0) {
        return (uint64_t) 1 << NGX_PROF_HIST_MIN_BITS;
    }

    bucket--;

    e = NGX_PROF_HIST_MIN_BITS
        + (bucket >> NGX_PROF_HIST_SUB_BITS);

    sub = bucket & ((1 << NGX_PROF_HIST_SUB_BITS) - 1);

    return ((uint64_t) 1 << e)
           + ((sub + 1) << (e - NGX_PROF_HIST_SUB_BITS));
}


void
ngx_prof_hist_sum(ngx_prof_hist_t *dst, const ngx_prof_hist_t *src,
    const ngx_prof_hist_t *base)
{
    uint64_t    n, less, used;
    ngx_uint_t  i, top;

    top = ngx_prof_load(&src->top);

    if (top > NGX_PROF_HIST_BUCKETS) {
        top = NGX_PROF_HIST_BUCKETS;
    }

    used = 0;

    /* read base first: a new owner may set base to src, but never above it */

    for (i = 0; i < top; i++) {
        less = base ? ngx_prof_load_acquire(&base->bucket[i]) : 0;
        n = ngx_prof_load(&src->bucket[i]) - less;

        if (n) {
            dst->bucket[i] += n;
            used = i + 1;
        }
    }

    if (used) {
        ngx_prof_hist_ends(dst, used, &src->sum, &src->max,
                           base ? &base->sum : NULL,
                           base ? &base->max : NULL);
    }
}


void
ngx_prof_hist_ends(ngx_prof_hist_t *dst, ngx_uint_t used, const uint64_t *sum,
    const uint64_t *max, const uint64_t *base_sum, const uint64_t *base_max)
{
    uint64_t  less, most;

    less = base_sum ? ngx_prof_load_acquire(base_sum) : 0;
    dst->sum += ngx_prof_load(sum) - less;

    less = base_max ? ngx_prof_load_acquire(base_max) : 0;
    most = ngx_prof_load(max);

    if (base_max && most == less) {
        most = ngx_min(most, ngx_prof_hist_upper(used - 1));
    }

    dst->max = ngx_max(dst->max, most);
    dst->top = ngx_max(dst->top, used);
}


uint64_t
ngx_prof_hist_number(const ngx_prof_hist_t *h)
{
    return ngx_prof_hist_cumulative(h, NGX_PROF_HIST_BUCKETS - 1);
}


uint64_t
ngx_prof_hist_cumulative(const ngx_prof_hist_t *h, ngx_uint_t bucket)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < h->top && i <= bucket; i++) {
        n += h->bucket[i];
    }

    return n;
}


uint64_t
ngx_prof_hist_quantile(const ngx_prof_hist_t *h, double q)
{
    double      rank;
    uint64_t    seen, low, high;
    ngx_uint_t  i;

    rank = q * (double) ngx_prof_hist_number(h);
    seen = 0;

    for (i = 0; i < h->top; i++) {
        seen += h->bucket[i];

        if (seen && (double) seen >= rank) {
            break;
        }
    }

    if (i == h->top) {
        return h->max;
    }

    low = i ? ngx_prof_hist_upper(i - 1) : 0;
    high = ngx_prof_hist_upper(i);

    return ngx_min(low + (high - low) / 2, h->max);
}
