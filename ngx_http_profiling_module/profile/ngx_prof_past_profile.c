
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_past_profile.h"
#include "ngx_prof_base.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_past.h"
#include "ngx_prof_record.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* rows of a reading, at first */
#define NGX_PROF_PAST_ROWS  256

/* gaps that are reported */
#define NGX_PROF_PAST_GAPS  4

/* "2026-02-10T09:59:58Z" */
#define NGX_PROF_PAST_TIME  sizeof("0000-00-00T00:00:00Z")


typedef struct {
    ngx_prof_past_t      past;
    ngx_prof_capture_t  *capture;
    ngx_array_t          readings;      /* ngx_prof_slot_reading_t */

    /* of a worker that a slot has had, by table: rows + 1 of its entries */
    ngx_uint_t           slot;          /* + 1, 0: none yet */
    uint64_t             pid;
    ngx_uint_t           reading[NGX_PROF_RECORDED_CPUS];
    uint32_t            *row[NGX_PROF_RECORDED_CPUS];
} ngx_prof_past_profile_t;


static ngx_int_t ngx_prof_past_read(void *data);
static ngx_int_t ngx_prof_past_gain(ngx_prof_past_t *past,
    const ngx_prof_interval_t *interval, const ngx_prof_section_t *section,
    const ngx_prof_gain_t *gain);
static ngx_int_t ngx_prof_past_reading(ngx_prof_past_profile_t *pp,
    const ngx_prof_interval_t *interval, const ngx_prof_section_t *section);
static ngx_prof_capture_row_t *ngx_prof_past_row(ngx_prof_past_profile_t *pp,
    ngx_prof_slot_reading_t *reading, const ngx_prof_section_t *section,
    uint64_t entry);
static void ngx_prof_past_comments(ngx_prof_capture_t *c);
static void ngx_prof_past_time(u_char *text, uint64_t ms);


ngx_prof_step_pt
ngx_prof_past_profile(ngx_prof_capture_t *c, ngx_uint_t table,
    const ngx_prof_span_t *span)
{
    ngx_uint_t                i;
    ngx_prof_past_profile_t  *pp;

    pp = ngx_pcalloc(c->pool, sizeof(ngx_prof_past_profile_t));

    if (pp == NULL
        || ngx_array_init(&pp->readings, c->pool, 16,
                          sizeof(ngx_prof_slot_reading_t))
           != NGX_OK)
    {
        return NULL;
    }

    for (i = 0; i < NGX_PROF_RECORDED_CPUS; i++) {

        if (i && table != NGX_PROF_RECORDED_CPU) {
            break;
        }

        pp->row[i] = ngx_prof_budget_alloc(c->pool,
                                           c->size * sizeof(uint32_t));
        if (pp->row[i] == NULL) {
            return NULL;
        }
    }

    pp->capture = c;
    pp->past.pool = c->pool;
    pp->past.from = span->from;
    pp->past.until = span->until;
    pp->past.first = table;
    pp->past.last = (table == NGX_PROF_RECORDED_CPU)
                    ? NGX_PROF_RECORDED_CPU_NEXT : table;
    pp->past.worker = c->worker;
    pp->past.slots = c->nreadings;
    pp->past.gain = ngx_prof_past_gain;
    pp->past.data = pp;

    c->from = span->from;
    c->until = span->until;
    c->past = pp;
    c->ranged = ngx_prof_past_comments;

    return ngx_prof_past_read;
}


static ngx_int_t
ngx_prof_past_read(void *data)
{
    ngx_prof_capture_t *c = data;

    ngx_int_t                 rc;
    ngx_prof_past_t          *past;
    ngx_prof_past_profile_t  *pp;

    pp = c->past;
    past = &pp->past;

    rc = ngx_prof_past_step(past);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_prof_budget_free(c->pool, past->buf);

    c->readings = pp->readings.elts;
    c->nreadings = pp->readings.nelts;

    /* the profile begins where the recording does */

    if (past->since > c->from) {
        c->from = ngx_min(past->since, c->until);

    } else if (past->since == 0) {
        c->from = c->until;
    }

    return ngx_prof_capture_open(c);
}


static ngx_int_t
ngx_prof_past_gain(ngx_prof_past_t *past, const ngx_prof_interval_t *interval,
    const ngx_prof_section_t *section, const ngx_prof_gain_t *gain)
{
    ngx_prof_gain_t           part;
    ngx_prof_capture_row_t   *row;
    ngx_prof_past_profile_t  *pp;
    ngx_prof_slot_reading_t  *reading;

    pp = past->data;

    ngx_prof_past_cut(gain, interval, past->from, past->until, &part);

    if (part.count == 0 && part.units == 0) {
        return NGX_OK;
    }

    if (ngx_prof_past_reading(pp, interval, section) != NGX_OK) {
        return NGX_ERROR;
    }

    reading = pp->readings.elts;
    reading += pp->reading[section->table - past->first] - 1;

    row = ngx_prof_past_row(pp, reading, section, gain->entry);

    if (row == NULL) {
        return NGX_ERROR;
    }

    row->values[0] += (int64_t) part.count;
    row->values[1] += (int64_t) (part.units
                                 << past->rec.table[section->table].shift);

    return NGX_OK;
}


/* the reading of this worker and table, a new one if there is none yet */

static ngx_int_t
ngx_prof_past_reading(ngx_prof_past_profile_t *pp,
    const ngx_prof_interval_t *interval, const ngx_prof_section_t *section)
{
    ngx_uint_t                i, at;
    ngx_prof_past_t          *past;
    ngx_prof_slot_reading_t  *reading;

    past = &pp->past;

    if (pp->slot != past->slot + 1 || pp->pid != interval->pid) {

        for (i = 0; i < NGX_PROF_RECORDED_CPUS; i++) {
            pp->reading[i] = 0;

            if (pp->row[i]) {
                ngx_memzero(pp->row[i],
                            pp->capture->size * sizeof(uint32_t));
            }
        }

        pp->slot = past->slot + 1;
        pp->pid = interval->pid;
    }

    at = section->table - past->first;

    if (pp->reading[at]) {
        return NGX_OK;
    }

    reading = ngx_array_push(&pp->readings);

    if (reading == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(reading, sizeof(ngx_prof_slot_reading_t));

    reading->slot = ngx_prof_zone_process(ngx_prof_process.zone,
                                          past->slot);
    reading->stacks = past->rec.table[section->table].stacks;
    reading->epoch = section->epoch;
    reading->taken = 1;
    reading->pid = (ngx_pid_t) interval->pid;
    reading->worker = interval->worker;

    pp->reading[at] = pp->readings.nelts;

    return NGX_OK;
}


static ngx_prof_capture_row_t *
ngx_prof_past_row(ngx_prof_past_profile_t *pp,
    ngx_prof_slot_reading_t *reading, const ngx_prof_section_t *section,
    uint64_t entry)
{
    size_t                   size;
    u_char                  *rows;
    uint32_t                *at;
    ngx_prof_tally_t         tally;
    ngx_prof_capture_t      *c;
    ngx_prof_capture_row_t  *row;

    c = pp->capture;
    at = &pp->row[section->table - pp->past.first][entry];

    if (*at) {
        return ngx_prof_capture_row(c, reading, *at - 1);
    }

    size = ngx_prof_capture_row_size(c);

    if (reading->nrows == reading->room) {
        rows = ngx_prof_budget_alloc(c->pool,
                                     (2 * reading->room + NGX_PROF_PAST_ROWS)
                                     * size);
        if (rows == NULL) {
            return NULL;
        }

        if (reading->rows) {
            ngx_memcpy(rows, reading->rows, reading->nrows * size);
            ngx_prof_budget_free(c->pool, reading->rows);
        }

        reading->rows = rows;
        reading->room = 2 * reading->room + NGX_PROF_PAST_ROWS;
    }

    row = ngx_prof_capture_row(c, reading, reading->nrows);
    ngx_memzero(row, size);

    if (entry
        && ngx_prof_stacks_tally(reading->stacks, c->size, entry, &tally)
           == NGX_OK)
    {
        row->node = tally.node;
        row->label = tally.label;
    }

    *at = (uint32_t) ++reading->nrows;

    return row;
}


static void
ngx_prof_past_comments(ngx_prof_capture_t *c)
{
    uint64_t                  begin, end;
    ngx_uint_t                n;
    ngx_prof_past_t          *past;
    ngx_prof_past_profile_t  *pp;
    u_char                    from[NGX_PROF_PAST_TIME];
    u_char                    until[NGX_PROF_PAST_TIME];

    pp = c->past;
    past = &pp->past;

    if (past->since == 0) {
        ngx_prof_rawfile_comment(c->raw, "nothing is recorded yet");
        return;
    }

    begin = past->from;

    if (past->since > past->from) {
        ngx_prof_past_time(from, past->since);
        ngx_prof_rawfile_comment(c->raw, "the recording begins at %s", from);
        begin = past->since;
    }

    for (n = 0;
         n < NGX_PROF_PAST_GAPS
         && ngx_prof_past_gap(past, &begin, &end) == NGX_OK;
         n++, begin = end)
    {
        ngx_prof_past_time(from, begin);
        ngx_prof_past_time(until, end);
        ngx_prof_rawfile_comment(c->raw, "nothing was recorded from %s to %s",
                                 from, until);
    }

    if (past->lost) {
        ngx_prof_rawfile_comment(c->raw, "some of the range was overwritten "
                                 "while it was read");
    }

    if (past->without) {
        ngx_prof_rawfile_comment(c->raw, "what was recorded without a stack, "
                                 "for want of room, is [truncated]");
    }

    if (past->unrecorded) {
        ngx_prof_rawfile_comment(c->raw, "%ui workers are not recorded: the "
                                 "profiling zone has no room for it",
                                 past->unrecorded);
    }
}


static void
ngx_prof_past_time(u_char *text, uint64_t ms)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) (ngx_prof_zone_day(ngx_prof_process.zone,
                                           ms * NGX_PROF_NSEC_PER_MSEC)
                         / 1000),
               &tm);

    (void) ngx_sprintf(text, "%4d-%02d-%02dT%02d:%02d:%02dZ%Z", tm.ngx_tm_year,
                       tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                       tm.ngx_tm_min, tm.ngx_tm_sec);
}
