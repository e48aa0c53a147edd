
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_history.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_base.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_json.h"
#include "ngx_prof_ring.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"


/* ticks summed and printed in one step */
#define NGX_PROF_HISTORY_STEP  8


typedef struct {
    uint32_t            tick;                   /* the next tick */
    uint32_t            last;
    uint32_t            print;                  /* the first tick that is
                                                   printed */
    ngx_uint_t          printed;
    ngx_prof_sample_t   before;                 /* sum of the tick before */
    ngx_prof_sample_t  *carry;                  /* one per slot */
} ngx_prof_history_t;


static ngx_prof_history_t *ngx_prof_history_begin(ngx_prof_work_t *w);
static void ngx_prof_history_memory(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_sample_t *sum);
static void ngx_prof_history_pauses(ngx_prof_json_t *j,
    const ngx_prof_sample_t *sum, const ngx_prof_sample_t *before,
    ngx_uint_t workers);
static void ngx_prof_history_rates(ngx_prof_json_t *j,
    const ngx_prof_sample_t *sum, const ngx_prof_sample_t *before);


ngx_int_t
ngx_prof_view_history(ngx_prof_work_t *w)
{
    ngx_uint_t            i, workers;
    ngx_prof_json_t      *j;
    ngx_prof_sample_t     sum;
    ngx_prof_history_t   *h;
    ngx_prof_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;

    if (w->data == NULL) {
        w->data = ngx_prof_history_begin(w);
        if (w->data == NULL) {
            return NGX_ERROR;
        }
    }

    h = w->data;

    for (i = 0;
         i < NGX_PROF_HISTORY_STEP && h->tick <= h->last;
         i++, h->tick++)
    {
        if (ngx_prof_snapshot_sample(s, h->tick, h->carry, &sum,
                                     &workers)
            != NGX_OK)
        {
            continue;
        }

        if (h->tick >= h->print
            && ngx_prof_zone_day(s->zone, sum.clock) > w->since)
        {
            ngx_prof_history_print(j, s, &sum, &h->before, workers);
            w->unavailable |= sum.unavailable;
            h->printed++;
        }

        h->before = sum;
    }

    if (h->tick <= h->last) {
        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_uint(j, "count", h->printed);
    ngx_prof_json_double(j, "uptime",
                         ngx_prof_snapshot_uptime(s));
    ngx_prof_json_uint(j, "interval_ms",
                       ngx_prof_conf_ms(s->conf, NGX_PROF_INTERVAL));
    ngx_prof_view_unavailable(j, w->unavailable);
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


/*
 * The last tick is the one before the present: every worker had a whole
 * interval to write its sample of it.
 */

static ngx_prof_history_t *
ngx_prof_history_begin(ngx_prof_work_t *w)
{
    uint64_t              ticks;
    ngx_prof_history_t   *h;
    ngx_prof_snapshot_t  *s;

    s = w->snapshot;

    h = ngx_pcalloc(s->pool, sizeof(ngx_prof_history_t));
    if (h == NULL) {
        return NULL;
    }

    h->carry = ngx_pcalloc(s->pool, s->zone->slots
                                    * sizeof(ngx_prof_sample_t));
    if (h->carry == NULL) {
        return NULL;
    }

    h->last = ngx_prof_tick(s->clock,
                            ngx_prof_conf_ms(s->conf, NGX_PROF_INTERVAL)) - 1;

    /* one tick before those printed: rates need it */

    ticks = ngx_min(s->zone->history, h->last);
    h->tick = h->last - (uint32_t) ticks + 1;

    ticks = ngx_min(w->count, h->last);
    h->print = h->last - (uint32_t) ticks + 1;
    h->tick = ngx_max(h->tick, h->print ? h->print - 1 : 0);

    ngx_prof_json_open(&w->json, NULL, '{');
    ngx_prof_json_open(&w->json, "samples", '[');

    return h;
}


void
ngx_prof_history_print(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_sample_t *sum, const ngx_prof_sample_t *before,
    ngx_uint_t workers)
{
    uint64_t  none;

    none = sum->unavailable & NGX_PROF_NO_SAMPLE;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_view_day(j, "timestamp", sum->clock);

    ngx_prof_history_memory(j, s, sum);

    ngx_prof_json_open(j, "cpu", '{');
    ngx_prof_json_int(j, "num_cpu", ngx_ncpu);
    ngx_prof_view_figure(j, "num_goroutine", sum->connections, none);
    ngx_prof_view_figure(j, "num_cgo_call", sum->tasks,
                         sum->unavailable & NGX_PROF_NO_TASKS);
    ngx_prof_view_double(j, "seconds", ngx_prof_us_seconds(sum->cpu), none);
    ngx_prof_json_close(j, '}');

    ngx_prof_view_figure(j, "goroutines", sum->connections, none);

    ngx_prof_json_open(j, "gc", '{');
    ngx_prof_json_uint(j, "num_gc", sum->pauses);
    ngx_prof_json_uint(j, "pause_total_ns", sum->pause_total);
    ngx_prof_json_uint(j, "last_pause_ns",
                       (uint64_t) sum->last_pause * 1000);
    ngx_prof_history_pauses(j, sum, before, workers);
    ngx_prof_json_close(j, '}');

    ngx_prof_json_uint(j, "requests", sum->requests);
    ngx_prof_json_uint(j, "errors", sum->errors);
    ngx_prof_history_rates(j, sum, before);
    ngx_prof_json_uint(j, "workers", workers);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_history_memory(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_sample_t *sum)
{
    ngx_prof_gauges_t   g;
    ngx_prof_totals_t   t;
    ngx_prof_figures_t  f;

    ngx_memzero(&g, sizeof(ngx_prof_gauges_t));
    ngx_memzero(&t, sizeof(ngx_prof_totals_t));
    ngx_memzero(&f, sizeof(ngx_prof_figures_t));

    g.heap_alloc = sum->heap_alloc;
    g.heap_sys = sum->heap_sys;
    g.anonymous = sum->anonymous;
    g.stack_inuse = ngx_prof_sample_stack_inuse(sum);
    g.stack_sys = ngx_prof_sample_stack_sys(sum);

    g.shared = (uint64_t) sum->shared << 10;
    g.files = (uint64_t) sum->files << 10;
    t.total_alloc = sum->total_alloc;
    t.mallocs = sum->mallocs;
    t.frees = sum->frees;

    f.gauges = &g;
    f.totals = &t;
    f.unavailable = sum->unavailable;
    f.sys = g.anonymous + g.shared;
    f.usage = 100.0 * (double) f.sys / (double) s->memory_limit;

    ngx_prof_view_memory_object(j, &f);
}


/* the share of pauses is of the time since the previous sample */

static void
ngx_prof_history_pauses(ngx_prof_json_t *j, const ngx_prof_sample_t *sum,
    const ngx_prof_sample_t *before, ngx_uint_t workers)
{
    uint64_t  paused, lived;

    /* a pause counts when it ends, and may be of more than one interval */

    paused = sum->pause_total
             - ngx_min(sum->pause_total, before->pause_total);
    lived = (sum->clock - before->clock) * workers;

    ngx_prof_view_double(j, "pause_percent",
                         100.0 * ngx_prof_share(paused, lived),
                         (sum->unavailable & NGX_PROF_NO_LOOP)
                         || before->clock == 0);

    ngx_prof_view_figure(j, "next_gc", sum->next_gc,
                         sum->unavailable
                         & (NGX_PROF_NO_TRIM|NGX_PROF_NO_SAMPLE));
}


/* over the time since the previous sample; null without one */

static void
ngx_prof_history_rates(ngx_prof_json_t *j, const ngx_prof_sample_t *sum,
    const ngx_prof_sample_t *before)
{
    double  seconds;

    if (before->clock == 0) {
        ngx_prof_json_null(j, "request_rate");
        ngx_prof_json_null(j, "error_rate");
        return;
    }

    /* the difference of the timestamps, as a reader of both calculates it */

    seconds = (double) (sum->clock / NGX_PROF_NSEC_PER_MSEC
                        - before->clock / NGX_PROF_NSEC_PER_MSEC) / 1e3;

    ngx_prof_json_double(j, "request_rate",
                         (double) (int64_t) (sum->requests
                                             - before->requests) / seconds);
    ngx_prof_json_double(j, "error_rate",
                         (double) (int64_t) (sum->errors
                                             - before->errors) / seconds);
}
