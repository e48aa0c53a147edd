
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_metrics.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_json.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static uint64_t ngx_http_profiling_view_empty(
    ngx_http_profiling_snapshot_t *s);
static void ngx_http_profiling_view_overhead(ngx_http_profiling_json_t *j,
    ngx_http_profiling_snapshot_t *s);
static void ngx_http_profiling_view_sampler(ngx_http_profiling_json_t *j);
static void ngx_http_profiling_view_dumps(ngx_http_profiling_json_t *j);


ngx_int_t
ngx_http_profiling_view_metrics(ngx_http_profiling_work_t *w)
{
    ngx_uint_t                      i;
    ngx_http_profiling_json_t      *j;
    ngx_http_profiling_figures_t    f;
    ngx_http_profiling_worker_t    *worker;
    ngx_http_profiling_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;
    worker = s->workers.elts;

    if (w->next == 0) {
        ngx_http_profiling_figures(s, &f);

        ngx_http_profiling_json_open(j, NULL, '{');
        ngx_http_profiling_json_time(j, "timestamp", s->time);

        ngx_http_profiling_json_open(j, "metrics", '{');
        ngx_http_profiling_view_figures(j, &f, &s->all);
        ngx_http_profiling_json_close(j, '}');

        ngx_http_profiling_json_double(j, "uptime",
                                      ngx_http_profiling_snapshot_uptime(s));
        ngx_http_profiling_json_open(j, "workers", '[');
    }

    i = w->next++;

    if (i < s->workers.nelts) {
        ngx_http_profiling_json_open(j, NULL, '{');
        ngx_http_profiling_view_worker(j, &worker[i]);

        if (worker[i].known) {
            ngx_http_profiling_worker_figures(s, &worker[i], &f);
            ngx_http_profiling_view_figures(j, &f, NULL);
        }

        ngx_http_profiling_json_close(j, '}');

        return NGX_AGAIN;
    }

    ngx_http_profiling_json_close(j, ']');
    ngx_http_profiling_view_overhead(j, s);
    ngx_http_profiling_view_unavailable(j, s->gauges.unavailable
                                           | ngx_http_profiling_view_empty(s));
    ngx_http_profiling_json_close(j, '}');

    return NGX_DONE;
}


/* latencies of nothing, of all workers or of one of them */

static uint64_t
ngx_http_profiling_view_empty(ngx_http_profiling_snapshot_t *s)
{
    uint64_t                      none;
    ngx_uint_t                    i;
    ngx_http_profiling_worker_t  *worker;

    none = 0;
    worker = s->workers.elts;

    if (ngx_http_profiling_hist_number(&s->all.latency) == 0) {
        none |= NGX_HTTP_PROFILING_NO_LATENCY;
    }

    if (ngx_http_profiling_hist_number(&s->passes) == 0) {
        none |= NGX_HTTP_PROFILING_NO_PASS;
    }

    for (i = 0; i < s->workers.nelts; i++) {

        if (worker[i].latency.number == 0) {
            none |= NGX_HTTP_PROFILING_NO_LATENCY;
        }

        if (worker[i].passes.number == 0) {
            none |= NGX_HTTP_PROFILING_NO_PASS;
        }
    }

    return none;
}


static void
ngx_http_profiling_view_overhead(ngx_http_profiling_json_t *j,
    ngx_http_profiling_snapshot_t *s)
{
    ngx_http_profiling_json_open(j, "overhead", '{');
    ngx_http_profiling_json_uint(j, "collect_ns", s->gauges.collect);
    ngx_http_profiling_json_uint(j, "samples", s->totals.ticks);
    ngx_http_profiling_json_uint(j, "collect_total_ns", s->totals.tick_time);
    ngx_http_profiling_json_uint(j, "zone_bytes", s->zone->size);
    ngx_http_profiling_json_uint(j, "unprofiled_workers",
                              ngx_http_profiling_load(&s->zone->unprofiled));
    ngx_http_profiling_view_sampler(j);
    ngx_http_profiling_view_dumps(j);
    ngx_http_profiling_json_close(j, '}');
}


/* the handlers of CPU samples, of all workers that had a slot */

static void
ngx_http_profiling_view_sampler(ngx_http_profiling_json_t *j)
{
    uint64_t                    samples, ns, jit, broken, truncated;
    ngx_uint_t                  i;
    ngx_http_profiling_slot_t  *slot;
    ngx_http_profiling_zone_t  *zone;

    zone = ngx_http_profiling_process.zone;
    samples = 0;
    ns = 0;
    jit = 0;
    broken = 0;
    truncated = 0;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_http_profiling_zone_slot(zone, i);

        samples += ngx_http_profiling_load(&slot->samples);
        ns += ngx_http_profiling_load(&slot->sample_time);
        jit += ngx_http_profiling_load(&slot->sample_jit);
        broken += ngx_http_profiling_load(&slot->sample_broken);
        truncated += ngx_http_profiling_load(&slot->sample_truncated);
    }

    ngx_http_profiling_json_open(j, "sampler", '{');
    ngx_http_profiling_json_uint(j, "samples", samples);
    ngx_http_profiling_json_double(j, "seconds", (double) ns / 1e9);
    ngx_http_profiling_json_uint(j, "jit", jit);
    ngx_http_profiling_json_uint(j, "broken", broken);
    ngx_http_profiling_json_uint(j, "truncated", truncated);
    ngx_http_profiling_json_close(j, '}');
}


static void
ngx_http_profiling_view_dumps(ngx_http_profiling_json_t *j)
{
    uint64_t                         dumps, steps, spent, longest;
    ngx_uint_t                       i;
    ngx_http_profiling_zone_t       *zone;
    ngx_http_profiling_dump_area_t  *area;

    zone = ngx_http_profiling_process.zone;

    dumps = 0;
    steps = 0;
    spent = 0;
    longest = 0;

    for (i = 0; zone->dump && i < zone->slots; i++) {

        if (ngx_http_profiling_load(
                          &ngx_http_profiling_zone_slot(zone, i)->claims)
            == 0)
        {
            continue;
        }

        area = ngx_http_profiling_zone_dump(zone, i);

        dumps += ngx_http_profiling_load(&area->dumps);
        steps += ngx_http_profiling_load(&area->steps);
        spent += ngx_http_profiling_load(&area->spent);
        longest = ngx_max(longest, ngx_http_profiling_load(&area->longest));
    }

    ngx_http_profiling_json_open(j, "dumps", '{');
    ngx_http_profiling_json_uint(j, "dumps", dumps);
    ngx_http_profiling_json_uint(j, "steps", steps);
    ngx_http_profiling_json_uint(j, "cpu_ns", spent);
    ngx_http_profiling_json_uint(j, "longest_step_ns", longest);
    ngx_http_profiling_json_close(j, '}');
}
