
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_metrics.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_json.h"
#include "ngx_prof_processes.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static uint64_t ngx_prof_view_empty(ngx_prof_snapshot_t *s);
static void ngx_prof_view_overhead(ngx_prof_json_t *j, ngx_prof_snapshot_t *s);
static void ngx_prof_view_sampler(ngx_prof_json_t *j);
static void ngx_prof_view_dumps(ngx_prof_json_t *j);


ngx_int_t
ngx_prof_view_metrics(ngx_prof_work_t *w)
{
    ngx_uint_t            i;
    ngx_prof_json_t      *j;
    ngx_prof_figures_t    f;
    ngx_prof_worker_t    *worker;
    ngx_prof_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;
    worker = s->workers.elts;

    if (w->next == 0) {
        ngx_prof_figures(s, &f);

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_time(j, "timestamp", s->time);

        ngx_prof_json_open(j, "metrics", '{');
        ngx_prof_view_figures(j, &f, &s->all);
        ngx_prof_json_close(j, '}');

        ngx_prof_json_double(j, "uptime",
                            ngx_prof_snapshot_uptime(s));
        ngx_prof_json_open(j, "workers", '[');
    }

    i = w->next++;

    if (i < s->workers.nelts) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_view_worker(j, &worker[i]);

        if (worker[i].known) {
            ngx_prof_worker_figures(s, &worker[i], &f);
            ngx_prof_view_figures(j, &f, NULL);
        }

        ngx_prof_json_close(j, '}');

        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_view_processes(j, s);
    ngx_prof_view_overhead(j, s);
    ngx_prof_view_unavailable(j, s->gauges.unavailable
                                           | ngx_prof_view_empty(s));
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


/*
 * why latencies are null: there were no requests, of all workers or of this
 * one
 */

static uint64_t
ngx_prof_view_empty(ngx_prof_snapshot_t *s)
{
    uint64_t            none;
    ngx_uint_t          i;
    ngx_prof_worker_t  *worker;

    none = 0;
    worker = s->workers.elts;

    if (ngx_prof_hist_number(&s->all.latency) == 0) {
        none |= NGX_PROF_NO_LATENCY;
    }

    if (ngx_prof_hist_number(&s->passes) == 0) {
        none |= NGX_PROF_NO_PASS;
    }

    for (i = 0; i < s->workers.nelts; i++) {

        if (worker[i].latency.number == 0) {
            none |= NGX_PROF_NO_LATENCY;
        }

        if (worker[i].passes.number == 0) {
            none |= NGX_PROF_NO_PASS;
        }
    }

    return none;
}


static void
ngx_prof_view_overhead(ngx_prof_json_t *j, ngx_prof_snapshot_t *s)
{
    ngx_prof_json_open(j, "overhead", '{');
    ngx_prof_json_uint(j, "collect_ns", s->gauges.collect);
    ngx_prof_json_uint(j, "samples", s->totals.ticks);
    ngx_prof_json_uint(j, "collect_total_ns", s->totals.tick_time);
    ngx_prof_json_uint(j, "zone_bytes", s->zone->size);
    ngx_prof_json_uint(j, "unprofiled_workers",
                              ngx_prof_load(&s->zone->header->unprofiled));
    ngx_prof_view_sampler(j);
    ngx_prof_view_dumps(j);
    ngx_prof_json_close(j, '}');
}


/* the CPU samples' handlers, of all workers that ever had a slot */

static void
ngx_prof_view_sampler(ngx_prof_json_t *j)
{
    uint64_t          samples, ns, jit, broken, truncated;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;
    samples = 0;
    ns = 0;
    jit = 0;
    broken = 0;
    truncated = 0;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        samples += ngx_prof_load(&slot->samples);
        ns += ngx_prof_load(&slot->sample_time);
        jit += ngx_prof_load(&slot->sample_jit);
        broken += ngx_prof_load(&slot->sample_broken);
        truncated += ngx_prof_load(&slot->sample_truncated);
    }

    ngx_prof_json_open(j, "sampler", '{');
    ngx_prof_json_uint(j, "samples", samples);
    ngx_prof_json_double(j, "seconds", ngx_prof_seconds(ns));
    ngx_prof_json_uint(j, "jit", jit);
    ngx_prof_json_uint(j, "broken", broken);
    ngx_prof_json_uint(j, "truncated", truncated);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_dumps(ngx_prof_json_t *j)
{
    uint64_t               dumps, steps, spent, longest;
    ngx_uint_t             i;
    ngx_prof_zone_t       *zone;
    ngx_prof_dump_area_t  *area;

    zone = ngx_prof_process.zone;

    dumps = 0;
    steps = 0;
    spent = 0;
    longest = 0;

    for (i = 0; zone->dump && i < zone->slots; i++) {

        if (ngx_prof_load(&ngx_prof_zone_slot(zone, i)->claims) == 0) {
            continue;
        }

        area = ngx_prof_zone_dump(zone, i);

        dumps += ngx_prof_load(&area->dumps);
        steps += ngx_prof_load(&area->steps);
        spent += ngx_prof_load(&area->spent);
        longest = ngx_max(longest, ngx_prof_load(&area->longest));
    }

    ngx_prof_json_open(j, "dumps", '{');
    ngx_prof_json_uint(j, "dumps", dumps);
    ngx_prof_json_uint(j, "steps", steps);
    ngx_prof_json_uint(j, "cpu_ns", spent);
    ngx_prof_json_uint(j, "longest_step_ns", longest);
    ngx_prof_json_close(j, '}');
}
