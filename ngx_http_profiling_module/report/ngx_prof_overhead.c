
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_overhead.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* a sampler's rate, in the unit of its directive */

typedef struct {
    const char          *name;
    ngx_prof_setting_e   setting;
    ngx_prof_meter_e      part;
    ngx_uint_t           hertz;     /* lowered by division, not by
                                       multiplication */
} ngx_prof_overhead_rate_t;


static void ngx_prof_overhead_part(ngx_prof_json_t *j, const char *name,
    uint64_t ns, uint64_t us, uint64_t unknown);
static uint64_t ngx_prof_overhead_rate(const ngx_prof_overhead_rate_t *rate,
    const ngx_prof_snapshot_t *s);


static const char *const  ngx_prof_overhead_parts[NGX_PROF_METERS] = {
    [NGX_PROF_METER_CPU] = "cpu",
    [NGX_PROF_METER_HEAP] = "heap",
    [NGX_PROF_METER_WAIT] = "wait",
    [NGX_PROF_METER_TICK] = "tick",
    [NGX_PROF_METER_RECORD] = "record",
    [NGX_PROF_METER_ANSWERS] = "answers",
    [NGX_PROF_METER_ENCODER] = "encoder"
};


static const ngx_prof_overhead_rate_t  ngx_prof_overhead_rates[] = {
    { "cpu", NGX_PROF_CPU_RATE, NGX_PROF_METER_CPU, 1 },
    { "record", NGX_PROF_RECORD_RATE, NGX_PROF_METER_RECORD, 1 },
    { "heap", NGX_PROF_HEAP_RATE, NGX_PROF_METER_HEAP, 0 },
    { "block", NGX_PROF_BLOCK_RATE, NGX_PROF_METER_WAIT, 0 },
    { "mutex", NGX_PROF_MUTEX_FRACTION, NGX_PROF_METER_WAIT, 0 },
    { NULL, 0, 0, 0 }
};


uint64_t
ngx_prof_overhead_view(ngx_prof_json_t *j, ngx_prof_snapshot_t *s)
{
    uint64_t                         us, ns, sum, unknown;
    ngx_uint_t                       i;
    const ngx_prof_overhead_rate_t  *rate;

    us = s->totals.user + s->totals.system;
    unknown = s->totals.unmeasured ? NGX_PROF_NO_ENCODER : 0;
    sum = 0;

    ngx_prof_json_open(j, "overhead", '{');

    for (i = 0; i < NGX_PROF_METERS; i++) {
        ns = s->totals.meter[i];
        sum += ns;

        ngx_prof_overhead_part(j, ngx_prof_overhead_parts[i], ns, us,
                               (i == NGX_PROF_METER_ENCODER) ? unknown : 0);
    }

    ngx_prof_overhead_part(j, "total", sum, us, unknown);

    ngx_prof_json_open(j, "rates", '{');

    for (rate = ngx_prof_overhead_rates; rate->name; rate++) {
        ns = ngx_prof_overhead_rate(rate, s);

        if (ns) {
            ngx_prof_json_uint(j, rate->name, ns);
        } else {
            ngx_prof_json_null(j, rate->name);
        }
    }

    ngx_prof_json_close(j, '}');
    ngx_prof_json_close(j, '}');

    return unknown;
}


/* us: CPU time of the workers, which an encoder is compared with, too */

static void
ngx_prof_overhead_part(ngx_prof_json_t *j, const char *name, uint64_t ns,
    uint64_t us, uint64_t unknown)
{
    ngx_prof_json_open(j, name, '{');
    ngx_prof_view_double(j, "seconds", ngx_prof_seconds(ns), unknown);
    ngx_prof_view_double(j, "share", us ? (double) ns / 1e3 / (double) us : 0,
                         unknown || us == 0);
    ngx_prof_json_close(j, '}');
}


/* of the worker that samples least */

static uint64_t
ngx_prof_overhead_rate(const ngx_prof_overhead_rate_t *rate,
    const ngx_prof_snapshot_t *s)
{
    uint64_t          value, most;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;

    most = 0;

    for (i = 0; i < s->zone->slots; i++) {
        slot = ngx_prof_zone_slot(s->zone, i);

        if (ngx_prof_load(&slot->owner)) {
            most = ngx_max(most,
                           ngx_prof_load(&slot->gauges.throttle[rate->part]));
        }
    }

    value = ngx_prof_conf_setting(s->conf, rate->setting);

    if (rate->hertz) {
        return ngx_max(value >> (most & 63), 1);
    }

    return value << (most & 31);
}


void
ngx_prof_overhead_expose(ngx_prof_work_t *w)
{
    char                             labels[64];
    uint64_t                         value;
    ngx_uint_t                       i;
    ngx_prof_snapshot_t             *s;
    const ngx_prof_overhead_rate_t  *rate;

    s = w->snapshot;

    ngx_prof_expose_family(w, "overhead_seconds_total", "counter",
                           "CPU time that the module itself took, by part.");

    for (i = 0; i < NGX_PROF_METERS; i++) {

        if (i == NGX_PROF_METER_ENCODER && s->totals.unmeasured) {
            continue;
        }

        (void) snprintf(labels, sizeof(labels), "{part=\"%s\"}",
                        ngx_prof_overhead_parts[i]);
        ngx_prof_expose_value(w, "overhead_seconds_total", labels,
                              ngx_prof_seconds(s->totals.meter[i]));
    }

    ngx_prof_expose_family(w, "rate", "gauge",
                           "Rate of a sampler as of its directive: Hz, bytes, "
                           "ms, one in so many. Lower than asked while it "
                           "keeps profiling_budget.");

    for (rate = ngx_prof_overhead_rates; rate->name; rate++) {
        value = ngx_prof_overhead_rate(rate, s);

        if (value) {
            (void) snprintf(labels, sizeof(labels), "{sampler=\"%s\"}",
                            rate->name);
            ngx_prof_expose_value(w, "rate", labels, (double) value);
        }
    }
}
