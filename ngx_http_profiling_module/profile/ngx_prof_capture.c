
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_capture.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_base.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* rows written in one step */
#define NGX_PROF_CAPTURE_CHUNK   128

/* entries of a stack: frames, what stands before them, and the root */
#define NGX_PROF_CAPTURE_FRAMES  (NGX_PROF_FRAMES + 2)


/* what a row is written with, besides its values */

typedef struct {
    uint64_t  root;
    uint64_t  size;
    uint32_t  labels;
    uint32_t  process;
} ngx_prof_capture_names_t;


/* of one slot; NGX_AGAIN: it has more to do */
typedef ngx_int_t (*ngx_prof_capture_step_pt)(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);


static void ngx_prof_capture_done(void *data, ngx_int_t rc);
static void ngx_prof_capture_cleanup(void *data);
static ngx_int_t ngx_prof_capture_each(ngx_prof_capture_t *c,
    ngx_prof_capture_step_pt step);
static ngx_int_t ngx_prof_capture_begin(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static ngx_int_t ngx_prof_capture_first_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static ngx_int_t ngx_prof_capture_last_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static ngx_uint_t ngx_prof_capture_less(ngx_prof_capture_t *c,
    const ngx_prof_slot_reading_t *reading, int64_t *values);
static ngx_int_t ngx_prof_capture_write(void *data);
static ngx_int_t ngx_prof_capture_write_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static void ngx_prof_capture_lives(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static void ngx_prof_capture_rows(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading, ngx_uint_t last);
static void ngx_prof_capture_stacks(ngx_prof_capture_t *c,
    const ngx_prof_slot_reading_t *reading, ngx_uint_t last,
    ngx_prof_capture_names_t *names);
static uint32_t ngx_prof_capture_labels(ngx_prof_capture_t *c, uint32_t label,
    uint64_t size);
static ngx_int_t ngx_prof_capture_finish(void *data);


void *
ngx_prof_capture_create(ngx_pool_t *pool, size_t size,
    const ngx_prof_capture_kind_t *kind, ngx_pid_t worker,
    ngx_prof_capture_pt done, void *data)
{
    ngx_uint_t           i;
    ngx_prof_zone_t     *zone;
    ngx_pool_cleanup_t  *cln;
    ngx_prof_capture_t  *c;

    zone = ngx_prof_process.zone;

    cln = ngx_pool_cleanup_add(pool, size);
    if (cln == NULL) {
        return NULL;
    }

    c = cln->data;
    ngx_memzero(c, size);

    c->readings = ngx_pcalloc(pool,
                              ngx_prof_zone_process_n(zone)
                              * sizeof(ngx_prof_slot_reading_t));
    if (c->readings == NULL) {
        return NULL;
    }

    c->nreadings = ngx_prof_zone_process_n(zone);
    c->kind = kind;
    c->pool = pool;
    c->worker = worker;
    c->values = 2;
    c->done = done;
    c->data = data;
    c->job.done = ngx_prof_capture_done;
    c->job.data = c;

    for (i = 0; i < c->nreadings; i++) {
        c->readings[i].slot = ngx_prof_zone_process(zone, i);
    }

    cln->handler = ngx_prof_capture_cleanup;

    return c;
}


void
ngx_prof_capture_start(ngx_prof_capture_t *c, ngx_prof_step_pt step,
    ngx_log_t *log)
{
    c->job.step = step;

    ngx_prof_job_start(&c->job, log);
}


static void
ngx_prof_capture_done(void *data, ngx_int_t rc)
{
    ngx_prof_capture_t *c = data;

    if (c->kind->end) {
        c->kind->end(c);
    }

    c->done(c->data, rc, (rc == NGX_OK) ? &c->raw->text : NULL);
}


static void
ngx_prof_capture_cleanup(void *data)
{
    ngx_prof_capture_t *c = data;

    ngx_prof_job_stop(&c->job);

    if (c->kind->end) {
        c->kind->end(c);
    }
}


/* one step for the slot that is its turn; NGX_OK: all of them are done */

static ngx_int_t
ngx_prof_capture_each(ngx_prof_capture_t *c, ngx_prof_capture_step_pt step)
{
    ngx_int_t                 rc;
    ngx_prof_slot_reading_t  *reading;

    if (c->slot == c->nreadings) {
        c->slot = 0;
        return NGX_OK;
    }

    reading = &c->readings[c->slot];

    if (reading->taken
        || reading->rows
        || ngx_prof_slot_of(reading->slot, c->worker))
    {
        rc = step(c, reading);

        if (rc == NGX_AGAIN || rc == NGX_ERROR) {
            return rc;
        }
    }

    c->slot++;
    c->entry = 0;

    return NGX_AGAIN;
}


ngx_int_t
ngx_prof_capture_first(void *data)
{
    ngx_prof_capture_t *c = data;

    ngx_int_t  rc;

    if (c->begin == 0) {
        c->begin = ngx_prof_clock();
    }

    rc = ngx_prof_capture_each(c, ngx_prof_capture_first_slot);

    if (rc != NGX_OK) {
        return rc;
    }

    c->job.step = c->between;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_capture_begin(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading)
{
    reading->stacks = c->kind->table(c, reading->slot);
    reading->owner = ngx_prof_slot_pid(reading->slot);

    return c->kind->begin ? c->kind->begin(c, reading) : NGX_OK;
}


static ngx_int_t
ngx_prof_capture_first_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading)
{
    int64_t           *values;
    ngx_uint_t         last;
    ngx_prof_tally_t   tally;

    if (c->entry == 0) {

        if (ngx_prof_capture_begin(c, reading) != NGX_OK) {
            return NGX_DECLINED;
        }

        reading->taken = 1;
        reading->pid = reading->owner;
        reading->worker = ngx_prof_load(&reading->slot->worker);
        reading->claims = ngx_prof_load(&reading->slot->claims);
        reading->epoch = ngx_prof_load(&reading->stacks->epoch);
        reading->dropped = ngx_prof_load(&reading->stacks->dropped);
        reading->n = ngx_prof_stacks_tallies(reading->stacks, c->size);

        reading->base = ngx_prof_budget_alloc(c->pool,
                                 reading->n * c->values * sizeof(int64_t));
        if (reading->base == NULL) {
            return NGX_ERROR;
        }
    }

    last = ngx_min(c->entry + c->kind->read, reading->n);

    for ( /* void */ ; c->entry < last; c->entry++) {
        values = &reading->base[c->entry * c->values];

        if (c->kind->tally(c, reading, c->entry, &tally, values) != NGX_OK) {
            ngx_memzero(values, c->values * sizeof(int64_t));
        }
    }

    return (last < reading->n) ? NGX_AGAIN : NGX_OK;
}


ngx_int_t
ngx_prof_capture_last(void *data)
{
    ngx_prof_capture_t *c = data;

    ngx_int_t  rc;

    rc = ngx_prof_capture_each(c, ngx_prof_capture_last_slot);

    return (rc == NGX_OK) ? ngx_prof_capture_open(c) : rc;
}


static ngx_int_t
ngx_prof_capture_last_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading)
{
    int64_t                  values[NGX_PROF_CAPTURE_VALUES];
    ngx_uint_t               last;
    ngx_prof_tally_t         tally;
    ngx_prof_capture_row_t  *row;

    if (c->entry == 0) {

        if (ngx_prof_capture_begin(c, reading) != NGX_OK) {
            return NGX_DECLINED;
        }

        if (reading->epoch != ngx_prof_load(&reading->stacks->epoch)) {
            reading->n = 0;
        }

        reading->came = ngx_prof_load(&reading->slot->claims)
                        - reading->claims;
        reading->dropped = ngx_prof_load(&reading->stacks->dropped)
                           - reading->dropped;
        reading->last = ngx_prof_stacks_tallies(reading->stacks, c->size);

        reading->rows = ngx_prof_budget_alloc(c->pool,
                             reading->last * ngx_prof_capture_row_size(c));
        if (reading->rows == NULL) {
            return NGX_ERROR;
        }
    }

    last = ngx_min(c->entry + c->kind->read, reading->last);

    for ( /* void */ ; c->entry < last; c->entry++) {

        if (c->kind->tally(c, reading, c->entry, &tally, values) != NGX_OK
            || !ngx_prof_capture_less(c, reading, values))
        {
            continue;
        }

        row = ngx_prof_capture_row(c, reading, reading->nrows++);
        row->node = tally.node;
        row->label = tally.label;
        ngx_memcpy(row->values, values, c->values * sizeof(int64_t));
    }

    if (last < reading->last) {
        return NGX_AGAIN;
    }

    /* many stacks are some MB a worker */

    ngx_prof_budget_free(c->pool, reading->base);

    return NGX_OK;
}


/* subtracts what the entry had at the first reading; 0: nothing is left */

static ngx_uint_t
ngx_prof_capture_less(ngx_prof_capture_t *c,
    const ngx_prof_slot_reading_t *reading, int64_t *values)
{
    ngx_uint_t      i, left;
    const int64_t  *base;

    left = 0;
    base = (c->entry < reading->n) ? &reading->base[c->entry * c->values]
                                   : NULL;

    for (i = 0; i < c->values; i++) {

        if (base) {
            values[i] -= base[i];
        }

        left |= (values[i] > 0 || (values[i] < 0 && c->kind->falls));
    }

    return left;
}


/* the time of the profile ends with the last reading */

ngx_int_t
ngx_prof_capture_open(ngx_prof_capture_t *c)
{
    c->raw = ngx_prof_rawfile_open(c->pool, c->raw_kind);

    if (c->raw == NULL) {
        return NGX_ERROR;
    }

    c->raw->header->time_nanos = (int64_t) ngx_prof_time()
                                 * NGX_PROF_NSEC_PER_MSEC;

    if (c->begin) {
        c->raw->header->duration_nanos =
                                     (int64_t) (ngx_prof_clock() - c->begin);
    }

    if (c->job.cut) {
        ngx_prof_rawfile_comment(c->raw, "the capture ended %.3f s early: "
                                 "nginx told the worker that took it to exit",
                                 (double) c->job.cut / NGX_PROF_NSEC_PER_SEC);
    }

    c->kind->types(c);

    if (c->ranged) {
        c->raw->header->time_nanos =
            (int64_t) ngx_prof_zone_day(ngx_prof_process.zone,
                                        c->from * NGX_PROF_NSEC_PER_MSEC)
            * NGX_PROF_NSEC_PER_MSEC;
        c->raw->header->duration_nanos = (int64_t) (c->until - c->from)
                                         * NGX_PROF_NSEC_PER_MSEC;
        c->ranged(c);
    }

    c->job.step = ngx_prof_capture_write;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_capture_write(void *data)
{
    ngx_prof_capture_t *c = data;

    ngx_int_t  rc;

    if (ngx_prof_rawfile_names(c->raw) != NGX_OK) {
        return NGX_AGAIN;
    }

    rc = ngx_prof_capture_each(c, ngx_prof_capture_write_slot);

    if (c->raw->text.failed) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    c->job.step = ngx_prof_capture_finish;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_capture_write_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading)
{
    ngx_uint_t  last;

    /* a worker that came after the last reading has its own beginning */

    if (reading->rows == NULL) {
        return NGX_OK;
    }

    if (c->entry == 0) {

        if (c->begin) {
            ngx_prof_capture_lives(c, reading);
        }

        c->kind->slot(c, reading);
    }

    last = ngx_min(c->entry + NGX_PROF_CAPTURE_CHUNK, reading->nrows);

    if (last > c->entry) {
        ngx_prof_capture_rows(c, reading, last);
    }

    c->entry = last;

    return (last < reading->nrows) ? NGX_AGAIN : NGX_OK;
}


/* what workers did before they began, or after their end, is not seen */

static void
ngx_prof_capture_lives(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading)
{
    reading->begun = 0;
    reading->ended = 0;

    if (reading->came) {
        reading->begun = (ngx_pid_t) ngx_prof_load(&reading->slot->spent.pid);

        ngx_prof_rawfile_comment(c->raw,
                                 "worker %P began during the capture",
                                 reading->begun);
    }

    if (reading->came > 1) {
        ngx_prof_rawfile_comment(c->raw,
                                 "%uL more began and ended during the capture",
                                 reading->came - 1);
    }

    if (reading->taken
        && reading->pid
        && (reading->owner != reading->pid
            || !ngx_prof_process_exists(reading->pid)))
    {
        reading->ended = reading->pid;

        ngx_prof_rawfile_comment(c->raw,
                                 "worker %P ended during the capture",
                                 reading->ended);
    }
}


/* a section of stacks, what they are named by, a section of their samples */

static void
ngx_prof_capture_rows(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading,
    ngx_uint_t last)
{
    uint32_t                  stack;
    ngx_uint_t                i, count;
    ngx_prof_capture_row_t   *row;
    ngx_prof_capture_names_t *as, names[NGX_PROF_CAPTURE_CHUNK];

    stack = c->raw->stacks;
    count = 0;

    ngx_prof_capture_stacks(c, reading, last, names);

    for (i = c->entry, as = names; i < last; i++, as++) {
        row = ngx_prof_capture_row(c, reading, i);
        as->labels = ngx_prof_capture_labels(c, row->label, as->size);

        if (c->kind->process) {
            as->process = c->kind->process(c, reading, as->root);
        }
    }

    ngx_prof_rawfile_section(c->raw, NGX_PROF_RAW_SAMPLES);

    for (i = c->entry, as = names; i < last; i++, as++, stack++) {
        row = ngx_prof_capture_row(c, reading, i);

        if (c->kind->samples) {
            count += c->kind->samples(c, row, stack, as->labels);
            continue;
        }

        ngx_prof_rawfile_sample(c->raw, as->process, stack, as->labels,
                                row->values, 2);
        count++;
    }

    ngx_prof_rawfile_close(c->raw, (uint32_t) count);
}


/* roots are left out, and what stands before the innermost frame */

static void
ngx_prof_capture_stacks(ngx_prof_capture_t *c,
    const ngx_prof_slot_reading_t *reading, ngx_uint_t last,
    ngx_prof_capture_names_t *names)
{
    uint64_t    pcs[NGX_PROF_CAPTURE_FRAMES];
    ngx_uint_t  i, n, head, known;

    head = c->kind->head;

    ngx_prof_rawfile_section(c->raw, NGX_PROF_RAW_STACKS);

    known = (!c->ranged
             || reading->epoch == ngx_prof_load(&reading->stacks->epoch));

    for (i = c->entry; i < last; i++, names++) {
        n = !known ? 0
            : ngx_prof_stacks_frames(reading->stacks, c->size,
                              ngx_prof_capture_row(c, reading, i)->node,
                              pcs, NGX_PROF_CAPTURE_FRAMES);

        names->root = n ? pcs[n - 1] : 0;
        names->size = (n && head) ? pcs[0] : 0;

        /* what was recorded without its stack, or is overwritten by now */

        if (n == 0 && c->ranged) {
            pcs[0] = NGX_PROF_RAW_TRUNCATED;
            (void) ngx_prof_rawfile_stack(c->raw, pcs, 1, 0);
            continue;
        }

        /* a table that is broken may have less than head and root */

        if (c->kind->named
            && (n < head + 1 || !c->kind->named(c, names->root)))
        {
            pcs[0] = NGX_PROF_RAW_NAMED | c->unnamed;
            (void) ngx_prof_rawfile_stack(c->raw, pcs, 1, 0);
            continue;
        }

        n = (n > head) ? n - head - 1 : 0;

        (void) ngx_prof_rawfile_stack(c->raw, &pcs[head], n, 0);
    }

    ngx_prof_rawfile_close(c->raw, (uint32_t) (last - c->entry));
}


/* the set of labels of a row, written when it is first met */

static uint32_t
ngx_prof_capture_labels(ngx_prof_capture_t *c, uint32_t label, uint64_t size)
{
    ngx_uint_t                n;
    ngx_prof_known_labels_t  *known;
    ngx_prof_raw_label_t      labels[NGX_PROF_CAPTURE_LABELS];

    known = ngx_prof_rawfile_known(c->raw, label, size);

    if (known->set == 0) {
        ngx_memzero(labels, sizeof(labels));

        n = c->kind->labels(c, label, size, labels);

        if (n) {
            known->set = ngx_prof_rawfile_labelset(c->raw, labels,
                                                   (uint32_t) n);
        }
    }

    return known->set;
}


/* the budget has lowered rates: of how many workers, and how far */

static void
ngx_prof_capture_throttled(ngx_prof_rawfile_t *f)
{
    uint64_t          throttle, most;
    ngx_uint_t        i, k, n;
    ngx_prof_zone_t  *zone;
    ngx_prof_slot_t  *slot;

    static const char *const  parts[NGX_PROF_METERS] = {
        [NGX_PROF_METER_CPU] = "CPU time",
        [NGX_PROF_METER_HEAP] = "the heap",
        [NGX_PROF_METER_WAIT] = "blocking",
        [NGX_PROF_METER_RECORD] = "CPU time for the recording"
    };

    zone = ngx_prof_process.zone;

    for (i = 0; i < NGX_PROF_METERS; i++) {
        n = 0;
        most = 0;

        for (k = 0; parts[i] && k < zone->slots; k++) {
            slot = ngx_prof_zone_slot(zone, k);
            throttle = ngx_prof_load(&slot->owner)
                       ? ngx_prof_load(&slot->gauges.throttle[i]) : 0;

            n += (throttle != 0);
            most = ngx_max(most, throttle);
        }

        if (n) {
            ngx_prof_rawfile_comment(f,
                            "to keep profiling_budget, %s is sampled less "
                            "often by %ui of the workers: one in %uL at the "
                            "least", parts[i], n,
                            (uint64_t) 1 << (most & 63));
        }
    }
}


static ngx_int_t
ngx_prof_capture_finish(void *data)
{
    ngx_prof_capture_t *c = data;

    ngx_int_t  rc;

    if (c->more) {
        rc = c->more(c->data, c->raw);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_prof_capture_throttled(c->raw);

    return ngx_prof_rawfile_finish(c->raw);
}


ngx_int_t
ngx_prof_capture_tally(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading,
    ngx_uint_t i, ngx_prof_tally_t *tally, int64_t *values)
{
    ngx_int_t  rc;

    rc = ngx_prof_stacks_tally(reading->stacks, c->size, i, tally);

    values[0] = (int64_t) tally->count;
    values[1] = (int64_t) tally->value;

    return rc;
}
