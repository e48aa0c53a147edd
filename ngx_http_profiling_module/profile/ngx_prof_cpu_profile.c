
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_cpu_profile.h"
#include "ngx_prof_base.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_job.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_raw_cpu.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* entries of a table read in one step */
#define NGX_PROF_ENTRIES   2048

/* a table more than 1 / FULL full is emptied before a capture */
#define NGX_PROF_FULL      2


struct ngx_prof_capture_s {
    ngx_pool_t               *pool;
    ngx_msec_t                duration;
    ngx_pid_t                 worker;               /* 0: all */
    ngx_prof_capture_pt       done;
    ngx_prof_trace_more_pt    more;                 /* NULL: none */
    void                     *data;

    ngx_prof_capture_slot_t  *claim;                /* NULL: released */
    ngx_uint_t                slot;                 /* being read */
    ngx_uint_t                entry;                /* next entry of its
                                                       table */

    ngx_prof_slot_reading_t  *readings;             /* one per slot */
    ngx_prof_rawfile_t       *raw;
    uint64_t                  begin;                /* ns, monotonic: of the
                                                       first reading */
    uint64_t                  until;                /* of all samplers */

    ngx_prof_job_t            job;
};


/* a step for one slot; NGX_AGAIN: there is more to do */
typedef ngx_int_t (*ngx_prof_cpu_profile_slot_pt)(
    ngx_prof_capture_t *c, ngx_prof_slot_t *slot,
    ngx_prof_slot_reading_t *reading);


static ngx_prof_capture_slot_t *ngx_prof_capture_claim(ngx_pid_t worker);
static ngx_uint_t ngx_prof_capture_others(void);
static void ngx_prof_capture_empty(void);
static void ngx_prof_capture_done(void *data, ngx_int_t rc);
static ngx_int_t ngx_prof_capture_base(void *data);
static ngx_int_t ngx_prof_capture_each(ngx_prof_capture_t *c,
    ngx_prof_cpu_profile_slot_pt step);
static ngx_int_t ngx_prof_capture_base_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_t *slot, ngx_prof_slot_reading_t *reading);
static ngx_int_t ngx_prof_capture_start(ngx_prof_capture_t *c);
static void ngx_prof_capture_wake(ngx_prof_capture_t *c);
static ngx_int_t ngx_prof_capture_last(void *data);
static ngx_int_t ngx_prof_capture_last_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_t *slot, ngx_prof_slot_reading_t *reading);
static ngx_int_t ngx_prof_capture_write(void *data);
static ngx_int_t ngx_prof_capture_write_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_t *slot, ngx_prof_slot_reading_t *reading);
static ngx_int_t ngx_prof_capture_finish(void *data);
static void ngx_prof_capture_release(ngx_prof_capture_t *c);
static void ngx_prof_capture_cleanup(void *data);


ngx_int_t
ngx_prof_cpu_profile(ngx_pool_t *pool, ngx_log_t *log, ngx_msec_t duration,
    ngx_pid_t worker, ngx_prof_capture_pt done, void *data)
{
    return ngx_prof_capture_trace(pool, log, duration, worker, done,
                                  NULL, data, NULL);
}


ngx_int_t
ngx_prof_capture_trace(ngx_pool_t *pool, ngx_log_t *log, ngx_msec_t duration,
    ngx_pid_t worker, ngx_prof_capture_pt done, ngx_prof_trace_more_pt more,
    void *data, ngx_uint_t *number)
{
    ngx_pool_cleanup_t  *cln;
    ngx_prof_zone_t     *zone;
    ngx_prof_capture_t  *c;

    zone = ngx_prof_process.zone;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_prof_capture_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    c = cln->data;
    ngx_memzero(c, sizeof(ngx_prof_capture_t));

    c->readings = ngx_pcalloc(pool,
                              zone->slots * sizeof(ngx_prof_slot_reading_t));
    if (c->readings == NULL) {
        return NGX_ERROR;
    }

    c->pool = pool;
    c->duration = duration;
    c->worker = worker;
    c->done = done;
    c->more = more;
    c->data = data;
    c->job.step = ngx_prof_capture_base;
    c->job.done = ngx_prof_capture_done;
    c->job.data = c;

    if (!ngx_prof_capture_others()) {
        ngx_prof_capture_empty();
    }

    c->claim = ngx_prof_capture_claim(worker);

    if (c->claim == NULL) {
        return NGX_BUSY;
    }

    if (number) {
        *number = c->claim - zone->header->capture;
    }

    cln->handler = ngx_prof_capture_cleanup;

    ngx_prof_job_start(&c->job, log);

    return NGX_OK;
}


static ngx_prof_capture_slot_t *
ngx_prof_capture_claim(ngx_pid_t worker)
{
    uint64_t                  owner;
    ngx_uint_t                i;
    ngx_prof_capture_slot_t  *claim;

    ngx_prof_capture_reap();

    for (i = 0; i < NGX_PROF_CAPTURES; i++) {
        claim = &ngx_prof_process.zone->header->capture[i];
        owner = 0;

        if (__atomic_compare_exchange_n(&claim->owner, &owner, ngx_pid, 0,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        {
            ngx_prof_store(&claim->until, 0);
            ngx_prof_store(&claim->worker, (uint64_t) worker);
            return claim;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_prof_capture_others(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_CAPTURES; i++) {

        if (ngx_prof_load_acquire(
                           &ngx_prof_process.zone->header->capture[i].owner))
        {
            return 1;
        }
    }

    return 0;
}


/* frees captures whose owner has died, by kill(2) */

void
ngx_prof_capture_reap(void)
{
    uint64_t                  owner;
    ngx_uint_t                i;
    ngx_prof_capture_slot_t  *claim;

    for (i = 0; i < NGX_PROF_CAPTURES; i++) {
        claim = &ngx_prof_process.zone->header->capture[i];
        owner = ngx_prof_load_acquire(&claim->owner);

        if (owner
            && owner != (uint64_t) ngx_pid
            && kill((ngx_pid_t) owner, 0) == -1
            && ngx_errno == NGX_ESRCH)
        {
            (void) __atomic_compare_exchange_n(&claim->owner, &owner, 0, 0,
                                               __ATOMIC_ACQ_REL,
                                               __ATOMIC_RELAXED);
        }
    }
}


/*
 * No capture is running, so a full stack table may be cleared: this worker
 * clears its own.
 */

static void
ngx_prof_capture_empty(void)
{
    ngx_prof_slot_t    *slot;
    ngx_prof_zone_t    *zone;
    ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;
    slot = ngx_prof_process.slot;
    stacks = ngx_prof_zone_stacks(zone, slot);

    if (slot->sample_until < ngx_prof_clock()
        && (stacks->node_n > zone->stacks / NGX_PROF_FULL
            || stacks->tally_n > zone->stacks / NGX_PROF_FULL))
    {
        (void) ngx_prof_stacks_empty(stacks, zone->stacks);
    }
}


static void
ngx_prof_capture_done(void *data, ngx_int_t rc)
{
    ngx_prof_capture_t *c = data;

    ngx_prof_capture_release(c);

    c->done(c->data, rc, (rc == NGX_OK) ? &c->raw->text : NULL);
}


/*
 * The first reading.  The profile covers the time from just before the first
 * reading to just after the last.
 */

static ngx_int_t
ngx_prof_capture_base(void *data)
{
    ngx_prof_capture_t *c = data;

    ngx_int_t  rc;

    if (c->begin == 0) {
        c->begin = ngx_prof_clock();
    }

    rc = ngx_prof_capture_each(c, ngx_prof_capture_base_slot);

    return (rc == NGX_OK) ? ngx_prof_capture_start(c) : rc;
}


/* runs one step for the current slot; NGX_OK: all slots are done */

static ngx_int_t
ngx_prof_capture_each(ngx_prof_capture_t *c, ngx_prof_cpu_profile_slot_pt step)
{
    ngx_int_t                 rc;
    ngx_prof_slot_t          *slot;
    ngx_prof_zone_t          *zone;
    ngx_prof_slot_reading_t  *reading;

    zone = ngx_prof_process.zone;

    if (c->slot == zone->slots) {
        c->slot = 0;
        return NGX_OK;
    }

    slot = ngx_prof_zone_slot(zone, c->slot);
    reading = &c->readings[c->slot];

    if (ngx_prof_slot_of(slot, c->worker) || reading->wanted) {
        rc = step(c, slot, reading);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    c->slot++;
    c->entry = 0;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_capture_base_slot(ngx_prof_capture_t *c, ngx_prof_slot_t *slot,
    ngx_prof_slot_reading_t *reading)
{
    ngx_uint_t          last;
    ngx_prof_zone_t    *zone;
    ngx_prof_tally_t    tally;
    ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;
    stacks = ngx_prof_zone_stacks(zone, slot);

    if (c->entry == 0) {
        reading->wanted = 1;
        reading->pid = ngx_prof_slot_pid(slot);
        reading->worker = ngx_prof_load(&slot->worker);
        reading->epoch = ngx_prof_load(&stacks->epoch);
        reading->dropped = ngx_prof_load(&stacks->dropped);
        reading->n = ngx_prof_stacks_tallies(stacks, zone->stacks);

        reading->base = ngx_palloc(c->pool,
                           reading->n * sizeof(ngx_prof_first_tally_t));
        if (reading->base == NULL) {
            return NGX_ERROR;
        }
    }

    last = ngx_min(c->entry + NGX_PROF_ENTRIES, reading->n);

    for ( /* void */ ; c->entry < last; c->entry++) {
        (void) ngx_prof_stacks_tally(stacks, zone->stacks, c->entry, &tally);
        reading->base[c->entry].count = tally.count;
        reading->base[c->entry].value = tally.value;
    }

    return (last < reading->n) ? NGX_AGAIN : NGX_OK;
}


static ngx_int_t
ngx_prof_capture_start(ngx_prof_capture_t *c)
{
    c->until = ngx_prof_clock()
               + (uint64_t) c->duration * NGX_PROF_NSEC_PER_MSEC;

    ngx_prof_store_release(&c->claim->until, c->until);

    ngx_prof_capture_wake(c);

    c->job.step = ngx_prof_capture_last;

    return ngx_prof_job_wait(&c->job, c->duration);
}


static void
ngx_prof_capture_wake(ngx_prof_capture_t *c)
{
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_slot_of(slot, c->worker) && ngx_prof_slot_pid(slot)) {
            (void) ngx_prof_wake(slot);
        }
    }
}


/*
 * The last reading.  Other captures may keep the samplers running while this
 * one is written, which takes several passes of a busy loop: so everything is
 * read first.
 */

static ngx_int_t
ngx_prof_capture_last(void *data)
{
    ngx_prof_capture_t *c = data;

    ngx_int_t  rc;

    if (c->slot == 0 && c->entry == 0) {

        /* what takes no CPU time is told by a comment */

        (void) ngx_prof_hang_chase();
    }

    rc = ngx_prof_capture_each(c, ngx_prof_capture_last_slot);

    if (rc != NGX_OK) {
        return rc;
    }

    c->raw = ngx_prof_rawfile_create(c->pool, ngx_prof_clock() - c->begin);
    c->job.step = ngx_prof_capture_write;

    return c->raw ? NGX_AGAIN : NGX_ERROR;
}


/* the difference of a tally between the readings, or nothing */

static ngx_int_t
ngx_prof_capture_last_slot(ngx_prof_capture_t *c, ngx_prof_slot_t *slot,
    ngx_prof_slot_reading_t *reading)
{
    ngx_uint_t          last;
    ngx_prof_zone_t    *zone;
    ngx_prof_tally_t   *tally;
    ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;
    stacks = ngx_prof_zone_stacks(zone, slot);

    if (c->entry == 0) {
        if (reading->epoch != ngx_prof_load(&stacks->epoch)) {
            reading->n = 0;
        }

        reading->dropped = ngx_prof_load(&stacks->dropped)
                           - reading->dropped;
        reading->last = ngx_prof_stacks_tallies(stacks, zone->stacks);
        reading->tally = ngx_palloc(c->pool,
                         reading->last * sizeof(ngx_prof_tally_t));
        if (reading->tally == NULL) {
            return NGX_ERROR;
        }
    }

    last = ngx_min(c->entry + NGX_PROF_ENTRIES, reading->last);

    for ( /* void */ ; c->entry < last; c->entry++) {
        tally = &reading->tally[reading->tallies];

        if (ngx_prof_stacks_tally(stacks, zone->stacks, c->entry,
                                  tally)
            != NGX_OK)
        {
            continue;
        }

        if (c->entry < reading->n) {
            tally->count -= reading->base[c->entry].count;
            tally->value -= reading->base[c->entry].value;
        }

        if ((int64_t) tally->count > 0) {
            reading->tallies++;
        }
    }

    if (last < reading->last) {
        return NGX_AGAIN;
    }

    /* many stacks take some MB per worker */
    (void) ngx_pfree(c->pool, reading->base);

    return NGX_OK;
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

    if (rc != NGX_OK) {
        return rc;
    }

    c->job.step = ngx_prof_capture_finish;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_capture_write_slot(ngx_prof_capture_t *c, ngx_prof_slot_t *slot,
    ngx_prof_slot_reading_t *reading)
{
    ngx_uint_t          last;
    ngx_prof_zone_t    *zone;
    ngx_prof_stacks_t  *stacks;

    /* a worker that started after the last reading was not read */

    if (reading->tally == NULL) {
        return NGX_OK;
    }

    if (c->entry == 0) {
        ngx_prof_rawfile_slot(c->raw, slot, reading);
    }

    last = ngx_min(c->entry + NGX_PROF_CHUNK, reading->tallies);

    if (last > c->entry) {
        zone = ngx_prof_process.zone;
        stacks = ngx_prof_zone_stacks(zone, slot);

        ngx_prof_rawfile_samples(c->raw, slot, stacks, reading,
                                 c->entry, last);
    }

    c->entry = last;

    return (last < reading->tallies) ? NGX_AGAIN : NGX_OK;
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

    return ngx_prof_rawfile_finish(c->raw);
}


static void
ngx_prof_capture_release(ngx_prof_capture_t *c)
{
    if (c->claim == NULL) {
        return;
    }

    ngx_prof_store_release(&c->claim->owner, 0);
    c->claim = NULL;
}


/* also called when the client has gone: the workers then stop early */

static void
ngx_prof_capture_cleanup(void *data)
{
    ngx_prof_capture_t *c = data;

    ngx_prof_job_stop(&c->job);

    if (c->claim == NULL) {
        return;
    }

    ngx_prof_capture_release(c);

    if (ngx_prof_process.slot) {
        ngx_prof_capture_wake(c);
    }
}
