
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_past.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* intervals that are read in a step */
#define NGX_PROF_PAST_STEP   32

/* ms from the end of a range that is now to its reading */
#define NGX_PROF_PAST_NOW    1000

/* attempts to read an interval that its worker may end meanwhile */
#define NGX_PROF_PAST_TRIES  4


static ngx_int_t ngx_prof_past_open(ngx_prof_past_t *past);
static size_t ngx_prof_past_now(ngx_prof_past_t *past, ngx_uint_t group,
    uint64_t now, u_char *buf);
static ngx_int_t ngx_prof_past_interval(ngx_prof_past_t *past,
    ngx_prof_interval_t *interval);
static void ngx_prof_past_before(const ngx_prof_gain_t *gain,
    const ngx_prof_interval_t *interval, uint64_t ms, ngx_prof_gain_t *part);
static void ngx_prof_past_cover(ngx_prof_past_t *past,
    const ngx_prof_interval_t *interval);
static uint64_t ngx_prof_past_part(const ngx_prof_past_t *past, uint64_t i);


ngx_int_t
ngx_prof_past_step(ngx_prof_past_t *past)
{
    ngx_int_t            rc;
    ngx_uint_t           n;
    ngx_prof_interval_t  interval;

    if (past->slot == past->slots) {
        return NGX_OK;
    }

    if (past->p == NULL) {
        rc = ngx_prof_past_open(past);

        if (rc == NGX_DECLINED) {
            past->slot++;
        }

        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_AGAIN;
    }

    for (n = 0; n < NGX_PROF_PAST_STEP; n++) {
        past->p = ngx_prof_recording_interval(past->p, past->end, &interval);

        if (past->p == NULL) {
            past->slot++;
            break;
        }

        if (ngx_prof_past_interval(past, &interval) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_AGAIN;
}


/* a copy of what a slot has recorded, and its open interval behind it */

static ngx_int_t
ngx_prof_past_open(ngx_prof_past_t *past)
{
    size_t            n;
    uint64_t          head, now;
    ngx_uint_t        try, group;
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_zone_process(ngx_prof_process.zone, past->slot);

    if (ngx_prof_load(&slot->claims) == 0) {
        return NGX_DECLINED;
    }

    ngx_prof_zone_recorder(ngx_prof_process.zone, slot, &past->rec);

    if (past->rec.recording == NULL) {
        past->unrecorded++;
        return NGX_DECLINED;
    }

    if (past->buf == NULL) {
        past->buf = ngx_prof_budget_alloc(past->pool,
                                 past->rec.size + NGX_PROF_RECORDED_BUF);
        if (past->buf == NULL) {
            return NGX_ERROR;
        }
    }

    group = (past->first == NGX_PROF_RECORDED_ALLOCS)
            ? NGX_PROF_RECORDED_MEMORY : NGX_PROF_RECORDED_TIMES;

    /* the worker itself may go on only where this is not its own slot */

    for (try = 0; try < NGX_PROF_PAST_TRIES; try++) {
        head = ngx_prof_load_acquire(&past->rec.recording->head);

        n = ngx_prof_recording_copy(&past->rec, past->buf, &past->lost);

        now = ngx_prof_clock() / NGX_PROF_NSEC_PER_MSEC;

        if (!ngx_prof_slot_alive(slot)
            || (uint64_t) ngx_prof_slot_pid(slot)
               != ngx_prof_load(&past->rec.recording->pid))
        {
            now = ngx_min(now, ngx_prof_load(&past->rec.recording->seen));

        } else if (now - past->until < NGX_PROF_PAST_NOW) {

            /* the range ended when it was asked for, a moment ago */

            now = past->until;
        }

        n += ngx_prof_past_now(past, group, now, past->buf + n);

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

        if (ngx_prof_load(&past->rec.recording->head) == head
            && !ngx_prof_load(&past->rec.recording->closing))
        {
            break;
        }

        /* the interval that it has ended is in the ring now, or will be */

        n = 0;
    }

    if (try == NGX_PROF_PAST_TRIES) {
        n = ngx_prof_recording_copy(&past->rec, past->buf, &past->lost);
        past->lost = 1;
    }

    past->p = past->buf;
    past->end = past->buf + n;

    return NGX_OK;
}


static size_t
ngx_prof_past_now(ngx_prof_past_t *past, ngx_uint_t group, uint64_t now,
    u_char *buf)
{
    if (ngx_prof_load(&past->rec.recording->closing)) {
        return 0;
    }

    return ngx_prof_recording_open_interval(&past->rec, group, now, buf);
}


static ngx_int_t
ngx_prof_past_interval(ngx_prof_past_t *past, ngx_prof_interval_t *interval)
{
    ngx_prof_gain_t             gain;
    ngx_prof_section_t          section;
    const ngx_prof_recorded_t  *table;

    if ((interval->group == NGX_PROF_RECORDED_MEMORY)
        != (past->first == NGX_PROF_RECORDED_ALLOCS))
    {
        return NGX_OK;
    }

    /* what is older than the ring may be is not reported */

    if (interval->end
        < ngx_prof_clock() / NGX_PROF_NSEC_PER_MSEC
          - ngx_prof_setting(NGX_PROF_RECORD))
    {
        return NGX_OK;
    }

    if (past->since == 0 || interval->begin < past->since) {
        past->since = interval->begin;
    }

    if (interval->end <= past->from || interval->begin >= past->until) {
        return NGX_OK;
    }

    ngx_prof_past_cover(past, interval);

    if (past->worker && interval->pid != (uint64_t) past->worker) {
        return NGX_OK;
    }

    while (ngx_prof_recording_section(interval, &section) == NGX_OK) {

        if (section.table < past->first || section.table > past->last) {
            continue;
        }

        gain.entry = 0;
        gain.count = section.count;
        gain.units = section.units;

        table = &past->rec.table[section.table];

        while (ngx_prof_recording_entry(&section, &gain) == NGX_OK) {

            if (gain.entry >= table->size
                || section.epoch != ngx_prof_load(&table->stacks->epoch))
            {
                section.count += gain.count;
                section.units += gain.units;
                continue;
            }

            if (past->gain(past, interval, &section, &gain) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        if (section.count == 0 && section.units == 0) {
            continue;
        }

        gain.entry = 0;
        gain.count = section.count;
        gain.units = section.units;

        past->without += section.units;

        if (past->gain(past, interval, &section, &gain) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_prof_past_cut(const ngx_prof_gain_t *gain,
    const ngx_prof_interval_t *interval, uint64_t from, uint64_t until,
    ngx_prof_gain_t *part)
{
    uint64_t         whole, a, b;
    ngx_prof_gain_t  before;

    whole = interval->end - interval->begin;
    a = (from > interval->begin) ? from - interval->begin : 0;
    b = (until < interval->end) ? until - interval->begin : whole;

    *part = *gain;

    if (a >= b) {
        part->count = 0;
        part->units = 0;
        return;
    }

    if (b - a < whole) {
        ngx_prof_past_before(gain, interval, a, &before);
        ngx_prof_past_before(gain, interval, b, part);

        part->count -= before.count;
        part->units -= before.units;
    }
}


/*
 * What was gained in the first ms of an interval.  Where in it an entry has its
 * counts is not known: by chance, but always at the same place.
 */

static void
ngx_prof_past_before(const ngx_prof_gain_t *gain,
    const ngx_prof_interval_t *interval, uint64_t ms, ngx_prof_gain_t *part)
{
    uint64_t  whole, place;

    whole = interval->end - interval->begin;
    place = (gain->entry * 0x9e3779b97f4a7c15ULL
             ^ interval->end * 0xff51afd7ed558ccdULL) >> 16;

    part->count = (uint64_t) (((ngx_prof_wide_t) gain->count * ms
                               + place % whole)
                              / whole);

    part->units = (uint64_t) (gain->count
                  ? (ngx_prof_wide_t) gain->units * part->count / gain->count
                  : (ngx_prof_wide_t) gain->units * ms / whole);
}


/* a part is covered if its middle is */

static void
ngx_prof_past_cover(ngx_prof_past_t *past, const ngx_prof_interval_t *interval)
{
    uint64_t    i, time, n, begin, end;

    time = past->until - past->from;
    begin = ngx_max(interval->begin, past->from) - past->from;
    end = ngx_min(interval->end, past->until) - past->from;

    i = begin * NGX_PROF_PAST_PARTS / time;
    n = ngx_min(end * NGX_PROF_PAST_PARTS / time + 1, NGX_PROF_PAST_PARTS);

    for ( /* void */ ; i < n; i++) {

        if (ngx_prof_past_part(past, 2 * i + 1) >= begin
            && ngx_prof_past_part(past, 2 * i + 1) < end)
        {
            past->covered[i] = 1;
        }
    }
}


/* ms from the range's begin, of so many half parts */

static uint64_t
ngx_prof_past_part(const ngx_prof_past_t *past, uint64_t i)
{
    return i * (past->until - past->from) / (2 * NGX_PROF_PAST_PARTS);
}


ngx_int_t
ngx_prof_past_gap(const ngx_prof_past_t *past, uint64_t *begin, uint64_t *end)
{
    uint64_t  i, first;

    for (i = 0; i < NGX_PROF_PAST_PARTS; i++) {

        if (!past->covered[i]
            && past->from + ngx_prof_past_part(past, 2 * i) >= *begin)
        {
            break;
        }
    }

    for (first = i; i < NGX_PROF_PAST_PARTS && !past->covered[i]; i++) {
        /* void */
    }

    if (i == first) {
        return NGX_DECLINED;
    }

    *begin = past->from + ngx_prof_past_part(past, 2 * first);
    *end = past->from + ngx_prof_past_part(past, 2 * i);

    return NGX_OK;
}
