
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_throttle.h"
#include "ngx_prof_base.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_worker.h"


/* a rate is halved no more often */
#define NGX_PROF_THROTTLE_MOST  12

/* ns of calm after which one rate is doubled */
#define NGX_PROF_THROTTLE_CALM  (4 * (uint64_t) NGX_PROF_NSEC_PER_SEC)


static uint64_t ngx_prof_throttle_sum(const uint64_t *ns);
static void ngx_prof_throttle_raise(const uint64_t *ns, const uint64_t *hooks,
    uint64_t most, uint64_t took);


/* parts whose rates can change */

static const u_char  ngx_prof_throttled[NGX_PROF_METERS] = {
    [NGX_PROF_METER_CPU] = 1,
    [NGX_PROF_METER_HEAP] = 1,
    [NGX_PROF_METER_WAIT] = 1,
    [NGX_PROF_METER_RECORD] = 1
};


static struct {
    uint64_t    clock;                          /* ns, of the latest tick */
    uint64_t    calm;                           /* ns so far */
    uint64_t    seen[NGX_PROF_METERS];           /* of it */
    uint64_t    hooked[NGX_PROF_METERS];         /* the same of hooks */
    uint64_t    throttle[NGX_PROF_METERS];
    ngx_uint_t  told;
} ngx_prof_throttling;


ngx_uint_t
ngx_prof_throttle(ngx_prof_meter_e part)
{
    return ngx_prof_load(&ngx_prof_throttling.throttle[part]);
}


void
ngx_prof_throttle_tick(uint64_t clock, ngx_prof_gauges_t *gauges,
    ngx_log_t *log)
{
    uint64_t    now, took, most, sum, ns[NGX_PROF_METERS];
    uint64_t    hooked, hooks[NGX_PROF_METERS];
    ngx_uint_t  i;

    took = clock - ngx_prof_throttling.clock;

    for (i = 0; i < NGX_PROF_METERS; i++) {
        now = ngx_prof_load(&ngx_prof_process.slot->totals.meter[i]);

        ns[i] = ngx_prof_throttled[i] ? now - ngx_prof_throttling.seen[i] : 0;
        ngx_prof_throttling.seen[i] = now;

        hooked = ngx_prof_meter_hooks(i);
        hooks[i] = hooked - ngx_prof_throttling.hooked[i];
        ngx_prof_throttling.hooked[i] = hooked;
    }

    most = took / 100 * ngx_prof_setting(NGX_PROF_BUDGET);
    sum = ngx_prof_throttle_sum(ns);

    if (ngx_prof_throttling.clock == 0) {

        /* nothing is known of an interval yet */

    } else if (ngx_prof_setting(NGX_PROF_BUDGET) == 0) {
        ngx_memzero(ngx_prof_throttling.throttle,
                    sizeof(ngx_prof_throttling.throttle));

    } else if (ngx_prof_throttle_lower(ns, hooks, most,
                                       ngx_prof_throttling.throttle))
    {
        ngx_prof_throttling.calm = 0;

        if (!ngx_prof_throttling.told) {
            ngx_prof_throttling.told = 1;

            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "profiling took %uL.%uL%% of a processor, more than "
                          "\"profiling_budget\": it samples less often until "
                          "there is room again",
                          sum * 100 / took, sum * 1000 / took % 10);
        }

    } else {
        ngx_prof_throttle_raise(ns, hooks, most, took);
    }

    ngx_prof_throttling.clock = clock;

    for (i = 0; i < NGX_PROF_METERS; i++) {
        gauges->throttle[i] = ngx_prof_throttling.throttle[i];
    }
}


static uint64_t
ngx_prof_throttle_sum(const uint64_t *ns)
{
    uint64_t    sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 0; i < NGX_PROF_METERS; i++) {
        sum += ns[i];
    }

    return sum;
}


ngx_uint_t
ngx_prof_throttle_lower(uint64_t *ns, const uint64_t *hooks, uint64_t most,
    uint64_t *throttle)
{
    uint64_t    samples, highest;
    ngx_uint_t  i, costliest, lowered;

    lowered = 0;

    while (ngx_prof_throttle_sum(ns) > most) {
        costliest = NGX_PROF_METERS;
        highest = 0;

        for (i = 0; i < NGX_PROF_METERS; i++) {
            samples = ns[i] - ngx_min(ns[i], hooks[i]);

            if (throttle[i] < NGX_PROF_THROTTLE_MOST && samples > highest) {
                costliest = i;
                highest = samples;
            }
        }

        if (costliest == NGX_PROF_METERS) {
            break;
        }

        ns[costliest] -= highest - highest / 2;
        ngx_prof_store(&throttle[costliest], throttle[costliest] + 1);
        lowered = 1;
    }

    return lowered;
}


/* doubles the rate that was halved most, if all will take 3/4 of the budget */

static void
ngx_prof_throttle_raise(const uint64_t *ns, const uint64_t *hooks,
    uint64_t most, uint64_t took)
{
    uint64_t    *throttle, more;
    ngx_uint_t   i, lowest;

    throttle = ngx_prof_throttling.throttle;
    lowest = 0;

    for (i = 1; i < NGX_PROF_METERS; i++) {
        if (throttle[i] > throttle[lowest]) {
            lowest = i;
        }
    }

    more = ns[lowest] - ngx_min(ns[lowest], hooks[lowest]);

    if (throttle[lowest] == 0
        || ngx_prof_throttle_sum(ns) + more > most / 4 * 3)
    {
        ngx_prof_throttling.calm = 0;
        return;
    }

    ngx_prof_throttling.calm += took;

    if (ngx_prof_throttling.calm >= NGX_PROF_THROTTLE_CALM) {
        ngx_prof_throttling.calm = 0;
        ngx_prof_store(&throttle[lowest], throttle[lowest] - 1);
    }
}
