
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_meter.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_base.h"


/*
 * A longer part, in ns, was most likely off the processor for a while: it
 * counts as the mean of the others.
 */
#define NGX_PROF_METER_LONG  100000


typedef struct {
    uint64_t  n;
    uint64_t  ns;
} ngx_prof_meter_mean_t;


static void ngx_prof_meter_took(uint64_t inner, ngx_prof_meter_e part,
    uint64_t ns, ngx_uint_t main);


uint64_t  ngx_prof_meter_inner;

static ngx_prof_slot_t       *ngx_prof_meter_slot;
static ngx_prof_meter_mean_t   ngx_prof_meter_means[NGX_PROF_METERS];


void
ngx_prof_meter_init(ngx_prof_slot_t *slot)
{
    ngx_prof_meter_slot = slot;
}


void
ngx_prof_meter_add(ngx_prof_meter_e part, uint64_t ns)
{
    if (ngx_prof_meter_slot) {
        (void) __atomic_add_fetch(&ngx_prof_meter_slot->totals.meter[part], ns,
                                  __ATOMIC_RELAXED);
    }
}


void
ngx_prof_meter_end(const ngx_prof_meter_t *cost, ngx_prof_meter_e part,
    ngx_uint_t main)
{
    uint64_t               ns, n;
    ngx_uint_t             counted;
    ngx_prof_meter_mean_t  *mean;

    counted = ngx_prof_clock_counted();
    ns = ngx_prof_loop_took(counted,
                            ngx_prof_loop_ticks(counted) - cost->start);
    mean = &ngx_prof_meter_means[part];

    if (ns <= NGX_PROF_METER_LONG) {
        (void) __atomic_add_fetch(&mean->ns, ns, __ATOMIC_RELAXED);
        (void) __atomic_add_fetch(&mean->n, 1, __ATOMIC_RELAXED);

    } else {
        n = __atomic_load_n(&mean->n, __ATOMIC_RELAXED);
        ns = n ? __atomic_load_n(&mean->ns, __ATOMIC_RELAXED) / n
               : NGX_PROF_METER_LONG;
    }

    ngx_prof_meter_took(cost->inner, part, ns, main);
}


void
ngx_prof_meter_begin_long(ngx_prof_meter_t *cost)
{
    cost->inner = __atomic_load_n(&ngx_prof_meter_inner, __ATOMIC_RELAXED);
    cost->start = ngx_prof_meter_cpu();
}


void
ngx_prof_meter_end_long(const ngx_prof_meter_t *cost, ngx_prof_meter_e part)
{
    ngx_prof_meter_took(cost->inner, part, ngx_prof_meter_cpu() - cost->start,
                       1);
}


uint64_t
ngx_prof_meter_cpu(void)
{
    struct timespec  ts;

    if (ngx_prof_barred(NGX_PROF_BARRED_CLOCK)) {
        return ngx_prof_clock();
    }

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * NGX_PROF_NSEC_PER_SEC + ts.tv_nsec;
}


/* other threads run beside the main one, not within its parts */

static void
ngx_prof_meter_took(uint64_t inner, ngx_prof_meter_e part, uint64_t ns,
    ngx_uint_t main)
{
    if (main) {
        inner = __atomic_load_n(&ngx_prof_meter_inner, __ATOMIC_RELAXED)
                - inner;
        ns -= ngx_min(ns, inner);

        (void) __atomic_add_fetch(&ngx_prof_meter_inner, ns, __ATOMIC_RELAXED);
    }

    ngx_prof_meter_add(part, ns);
}
