
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_meter.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_base.h"
#include "ngx_prof_record.h"


/*
 * A longer part, in ns, was most likely off the processor for a while: it
 * counts as the mean of the others.
 */
#define NGX_PROF_METER_LONG      100000

/* parts of a measurement of the meter itself, and how many of these */
#define NGX_PROF_METER_MEASURED  256
#define NGX_PROF_METER_TRIES     8


typedef struct {
    uint64_t  n;
    uint64_t  ns;
} ngx_prof_meter_mean_t;


static void ngx_prof_meter_measure(void);
static void ngx_prof_meter_took(uint64_t inner, ngx_prof_meter_e part,
    uint64_t ns, uint64_t own, ngx_uint_t times, ngx_uint_t main);


uint64_t  ngx_prof_meter_inner;

static uint64_t                ngx_prof_meter_nowhere[NGX_PROF_METERS];
static uint64_t               *ngx_prof_meter_sums = ngx_prof_meter_nowhere;
static ngx_prof_meter_mean_t   ngx_prof_meter_means[NGX_PROF_METERS];
static uint64_t                ngx_prof_meter_hooked[NGX_PROF_METERS];

/* ns of a begin() and an end() that they do not see themselves */
static uint64_t                ngx_prof_meter_own;


void
ngx_prof_meter_init(ngx_prof_slot_t *slot)
{
    if (slot == NULL) {
        ngx_prof_meter_sums = ngx_prof_meter_nowhere;
        return;
    }

    ngx_prof_meter_measure();
    ngx_prof_meter_sums = slot->totals.meter;
}


/* the quickest of some measurements */

static void
ngx_prof_meter_measure(void)
{
    uint64_t          ticks, seen, least;
    ngx_uint_t        i, k, counted;
    ngx_prof_meter_t  cost;

    counted = ngx_prof_clock_counted();
    least = (uint64_t) -1;
    ngx_prof_meter_own = 0;

    for (i = 0; i < NGX_PROF_METER_TRIES; i++) {
        seen = ngx_prof_meter_inner;
        ticks = ngx_prof_loop_ticks(counted);

        for (k = 0; k < NGX_PROF_METER_MEASURED; k++) {
            ngx_prof_meter_begin(&cost);
            ngx_prof_meter_end(&cost, NGX_PROF_METER_HEAP, 1, 1);
        }

        ticks = ngx_prof_loop_took(counted,
                                   ngx_prof_loop_ticks(counted) - ticks);
        seen = ngx_prof_meter_inner - seen;
        least = ngx_min(least, ticks - ngx_min(ticks, seen));
    }

    ngx_prof_meter_own = least / NGX_PROF_METER_MEASURED;
    ngx_memzero(ngx_prof_meter_means, sizeof(ngx_prof_meter_means));
}


void
ngx_prof_meter_add(ngx_prof_meter_e part, uint64_t ns)
{
    (void) __atomic_add_fetch(&ngx_prof_meter_sums[part], ns,
                              __ATOMIC_RELAXED);
}


void
ngx_prof_meter_add_hooks(ngx_prof_meter_e part, uint64_t ns)
{
    ngx_prof_meter_hooked[part] += ns;

    ngx_prof_meter_add(part, ns);
}


uint64_t
ngx_prof_meter_hooks(ngx_prof_meter_e part)
{
    return ngx_prof_meter_hooked[part];
}


/* of a mean a thread may lose what another one adds at the same time */

void
ngx_prof_meter_end(const ngx_prof_meter_t *cost, ngx_prof_meter_e part,
    ngx_uint_t times, ngx_uint_t main)
{
    uint64_t                ns, n;
    ngx_uint_t              counted;
    ngx_prof_meter_mean_t  *mean;

    counted = ngx_prof_clock_counted();

    /* else the processor may read it before the part has ended */

    ngx_prof_arch_wait();

    ns = ngx_prof_loop_took(counted,
                            ngx_prof_loop_ticks(counted) - cost->start);
    mean = &ngx_prof_meter_means[part];

    if (ns <= NGX_PROF_METER_LONG) {
        ngx_prof_add(&mean->ns, ns);
        ngx_prof_add(&mean->n, 1);

    } else {
        n = ngx_prof_load(&mean->n);
        ns = n ? ngx_prof_load(&mean->ns) / n : NGX_PROF_METER_LONG;
    }

    ngx_prof_meter_took(cost->inner, part, ns, ngx_prof_meter_own, times, main);
}


void
ngx_prof_meter_begin_long(ngx_prof_meter_t *cost)
{
    cost->inner = ngx_prof_load(&ngx_prof_meter_inner);
    cost->start = ngx_prof_meter_cpu();
}


void
ngx_prof_meter_end_long(const ngx_prof_meter_t *cost, ngx_prof_meter_e part)
{
    ngx_prof_meter_took(cost->inner, part, ngx_prof_meter_cpu() - cost->start,
                        0, 1, 1);
}


uint64_t
ngx_prof_meter_cpu(void)
{
    struct timespec  ts;

    if (ngx_prof_barred(NGX_PROF_BARRED_CLOCK)
        || clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == -1)
    {
        return ngx_prof_clock();
    }

    return (uint64_t) ts.tv_sec * NGX_PROF_NSEC_PER_SEC + ts.tv_nsec;
}


/* other threads run beside the main one, not within its parts */

static void
ngx_prof_meter_took(uint64_t inner, ngx_prof_meter_e part, uint64_t ns,
    uint64_t own, ngx_uint_t times, ngx_uint_t main)
{
    if (main) {
        inner = ngx_prof_load(&ngx_prof_meter_inner) - inner;
        ns -= ngx_min(ns, inner);

        ngx_prof_add(&ngx_prof_meter_inner, ns + own);
    }

    ngx_prof_meter_add(part, ns * times + own);
}
