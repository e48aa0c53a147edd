
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_timeline.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_base.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_json.h"
#include "ngx_prof_label.h"
#include "ngx_prof_past.h"
#include "ngx_prof_range.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* ms of a step, steps of an answer at most, by default some */
#define NGX_PROF_TIMELINE_MIN    1000
#define NGX_PROF_TIMELINE_STEPS  1000
#define NGX_PROF_TIMELINE_SOME   90

/* rows, a power of two; further labels are added up in one */
#define NGX_PROF_TIMELINE_ROWS   512

#define ngx_prof_timeline_row(t, i)                                           \
    ((ngx_prof_timeline_row_t *) ((t)->rows + (i) * (t)->size))


typedef struct {
    uint32_t                  label;        /* without the upstream */
    uint32_t                  used;
    uint64_t                  ns[];         /* by step */
} ngx_prof_timeline_row_t;


typedef struct {
    ngx_prof_span_t           span;
    uint64_t                  step;         /* ms */
    ngx_uint_t                steps;
    ngx_prof_past_t           past;
    u_char                   *rows;
    size_t                    size;         /* of one */
    ngx_uint_t                nrows;
    ngx_uint_t                row;          /* to be printed */
    uint32_t                  hash[2 * NGX_PROF_TIMELINE_ROWS];
                                            /* rows + 1 */
} ngx_prof_timeline_t;


static ngx_int_t ngx_prof_timeline_gain(ngx_prof_past_t *past,
    const ngx_prof_interval_t *interval, const ngx_prof_section_t *section,
    const ngx_prof_gain_t *gain);
static ngx_prof_timeline_row_t *ngx_prof_timeline_find(ngx_prof_timeline_t *t,
    uint32_t label);
static void ngx_prof_timeline_head(ngx_prof_work_t *w);
static void ngx_prof_timeline_print(ngx_prof_work_t *w,
    const ngx_prof_timeline_row_t *row);
static ngx_uint_t ngx_prof_timeline_gone(const ngx_prof_timeline_t *t,
    ngx_uint_t step);
static void ngx_prof_timeline_day(ngx_prof_json_t *j, const char *key,
    uint64_t ms);


ngx_int_t
ngx_prof_timeline_arguments(ngx_prof_work_t *w, ngx_prof_error_pt error)
{
    uint64_t              now, time;
    ngx_int_t             rc, step;
    ngx_str_t             value;
    ngx_prof_timeline_t  *t;

    t = ngx_pcalloc(w->request->pool, sizeof(ngx_prof_timeline_t));
    if (t == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_prof_range(w->request, &t->span, NULL, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (t->span.until == 0) {
        now = ngx_prof_clock() / NGX_PROF_NSEC_PER_MSEC;
        time = ngx_max(ngx_prof_setting(NGX_PROF_RECORD),
                       NGX_PROF_RECORDED_STEP_MAX);

        t->span.until = now;
        t->span.from = (now > time) ? now - time : 1;
    }

    time = t->span.until - t->span.from;

    t->step = (time / NGX_PROF_TIMELINE_SOME + NGX_PROF_TIMELINE_MIN - 1)
              / NGX_PROF_TIMELINE_MIN * NGX_PROF_TIMELINE_MIN;
    t->step = ngx_max(t->step, NGX_PROF_TIMELINE_MIN);

    if (ngx_prof_argument(w->request, "step", &value) == NGX_OK) {
        step = ngx_parse_time(&value, 0);

        if (step < NGX_PROF_TIMELINE_MIN
            || (time + step - 1) / step > NGX_PROF_TIMELINE_STEPS)
        {
            return error(w->request, NGX_HTTP_BAD_REQUEST,
                         "step must be a time of 1s or more, of which the "
                         "range has at most %d, not \"%V\"",
                         NGX_PROF_TIMELINE_STEPS, &value);
        }

        t->step = (uint64_t) step;
    }

    t->steps = (time + t->step - 1) / t->step;
    t->size = sizeof(ngx_prof_timeline_row_t) + t->steps * sizeof(uint64_t);

    t->past.pool = w->request->pool;
    t->past.from = t->span.from;
    t->past.until = t->span.until;
    t->past.first = NGX_PROF_RECORDED_CPU;
    t->past.last = NGX_PROF_RECORDED_CPU_NEXT;
    t->past.worker = w->worker;
    t->past.slots = ngx_prof_process.zone->slots;
    t->past.gain = ngx_prof_timeline_gain;
    t->past.data = t;

    w->data = t;

    return NGX_DECLINED;
}


ngx_int_t
ngx_prof_timeline_view(ngx_prof_work_t *w)
{
    ngx_int_t             rc;
    ngx_prof_timeline_t  *t;

    t = w->data;

    if (t->rows == NULL) {
        t->rows = ngx_prof_budget_alloc(w->request->pool,
                                        (NGX_PROF_TIMELINE_ROWS + 1)
                                        * t->size);
        return t->rows ? NGX_AGAIN : NGX_ERROR;
    }

    if (w->next == 0) {
        rc = ngx_prof_past_step(&t->past);

        if (rc != NGX_OK) {
            return rc;
        }

        ngx_prof_timeline_head(w);
        w->next = 1;

        return NGX_AGAIN;
    }

    if (t->row < t->nrows) {
        ngx_prof_timeline_print(w, ngx_prof_timeline_row(t, t->row++));
        return NGX_AGAIN;
    }

    ngx_prof_json_close(&w->json, ']');
    ngx_prof_json_close(&w->json, '}');

    return NGX_DONE;
}


static ngx_int_t
ngx_prof_timeline_gain(ngx_prof_past_t *past,
    const ngx_prof_interval_t *interval, const ngx_prof_section_t *section,
    const ngx_prof_gain_t *gain)
{
    uint64_t                    begin, end, at;
    ngx_uint_t                  i;
    ngx_prof_gain_t             part;
    ngx_prof_tally_t            tally;
    ngx_prof_timeline_t        *t;
    ngx_prof_timeline_row_t    *row;
    const ngx_prof_recorded_t  *table;

    t = past->data;
    table = &past->rec.table[section->table];

    if (gain->entry == 0
        || ngx_prof_stacks_tally(table->stacks, table->size, gain->entry,
                                 &tally)
           != NGX_OK)
    {
        tally.label = 0;
    }

    row = ngx_prof_timeline_find(t, ngx_prof_label(
                                      ngx_prof_label_place(tally.label), 0,
                                      ngx_prof_label_state(tally.label)));

    begin = ngx_max(interval->begin, past->from);
    end = ngx_min(interval->end, past->until);

    for (i = (begin - past->from) / t->step; i < t->steps; i++) {
        at = past->from + i * t->step;

        if (at >= end) {
            break;
        }

        ngx_prof_past_cut(gain, interval, at,
                          ngx_min(at + t->step, past->until), &part);

        row->ns[i] += part.units << table->shift;
    }

    return NGX_OK;
}


/* the last row is what finds no room in the others */

static ngx_prof_timeline_row_t *
ngx_prof_timeline_find(ngx_prof_timeline_t *t, uint32_t label)
{
    uint32_t                   i;
    ngx_uint_t                 at;
    ngx_prof_timeline_row_t   *row;

    at = label * 2654435761U >> 16;

    for ( ;; at++) {
        i = t->hash[at % (2 * NGX_PROF_TIMELINE_ROWS)];

        if (i == 0) {
            break;
        }

        row = ngx_prof_timeline_row(t, i - 1);

        if (row->label == label) {
            return row;
        }
    }

    if (t->nrows == NGX_PROF_TIMELINE_ROWS) {
        row = ngx_prof_timeline_row(t, t->nrows++);
        ngx_memzero(row, t->size);
    }

    if (t->nrows > NGX_PROF_TIMELINE_ROWS) {
        return ngx_prof_timeline_row(t, NGX_PROF_TIMELINE_ROWS);
    }

    row = ngx_prof_timeline_row(t, t->nrows);
    ngx_memzero(row, t->size);
    row->label = label;
    row->used = 1;

    t->hash[at % (2 * NGX_PROF_TIMELINE_ROWS)] = (uint32_t) ++t->nrows;

    return row;
}


static void
ngx_prof_timeline_head(ngx_prof_work_t *w)
{
    uint64_t              begin, end;
    ngx_prof_json_t      *j;
    ngx_prof_timeline_t  *t;

    j = &w->json;
    t = w->data;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_time(j, "timestamp", w->snapshot->time);
    ngx_prof_timeline_day(j, "from", t->span.from);
    ngx_prof_timeline_day(j, "until", t->span.until);
    ngx_prof_json_double(j, "step_seconds", (double) t->step / 1000);
    ngx_prof_json_uint(j, "steps", t->steps);
    ngx_prof_json_uint(j, "hertz", ngx_prof_setting(NGX_PROF_RECORD)
                                   ? ngx_prof_setting(NGX_PROF_RECORD_RATE)
                                   : 0);
    ngx_prof_timeline_day(j, "recorded_since", t->past.since);
    ngx_prof_json_open(j, "gaps", '[');

    for (begin = t->span.from;
         ngx_prof_past_gap(&t->past, &begin, &end) == NGX_OK;
         begin = end)
    {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_timeline_day(j, "from", begin);
        ngx_prof_timeline_day(j, "until", end);
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_bool(j, "overwritten", t->past.lost);
    ngx_prof_json_open(j, "series", '[');
}


static void
ngx_prof_timeline_print(ngx_prof_work_t *w, const ngx_prof_timeline_row_t *row)
{
    ngx_uint_t            i;
    ngx_prof_json_t      *j;
    ngx_prof_timeline_t  *t;

    j = &w->json;
    t = w->data;

    ngx_prof_json_open(j, NULL, '{');

    if (row->used) {
        ngx_prof_view_place(j, row->label);
        ngx_prof_json_cstring(j, "state", ngx_prof_request_state_name(
                                            ngx_prof_label_state(row->label)));

    } else {
        ngx_prof_json_null(j, "server");
        ngx_prof_json_cstring(j, "location", "(other)");
        ngx_prof_json_null(j, "state");
    }

    ngx_prof_json_open(j, "cpu_seconds", '[');

    for (i = 0; i < t->steps; i++) {

        if (ngx_prof_timeline_gone(t, i)) {
            ngx_prof_json_null(j, NULL);

        } else {
            ngx_prof_json_double(j, NULL, ngx_prof_seconds(row->ns[i]));
        }
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');
}


/* nothing was recorded in this step */

static ngx_uint_t
ngx_prof_timeline_gone(const ngx_prof_timeline_t *t, ngx_uint_t step)
{
    uint64_t    i, n, time;

    time = t->span.until - t->span.from;

    i = step * t->step * NGX_PROF_PAST_PARTS / time;
    n = ngx_min((step + 1) * t->step, time) * NGX_PROF_PAST_PARTS / time;

    do {
        if (t->past.covered[ngx_min(i, NGX_PROF_PAST_PARTS - 1)]) {
            return 0;
        }
    } while (++i < n);

    return 1;
}


/* of a clock in ms; 0: null */

static void
ngx_prof_timeline_day(ngx_prof_json_t *j, const char *key, uint64_t ms)
{
    ngx_prof_view_day(j, key, ms * NGX_PROF_NSEC_PER_MSEC);
}
