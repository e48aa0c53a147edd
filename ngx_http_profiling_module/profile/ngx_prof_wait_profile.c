
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_wait_profile.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_label.h"
#include "ngx_prof_job.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_wait.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_raw.h"


/* entries of a table that are read or written in one step */
#define NGX_PROF_WAIT_PROFILE_ENTRIES  128

/* ms that stuck workers have to write their stacks */
#define NGX_PROF_WAIT_PROFILE_ANSWER   50

/* kinds of processes that are distinguished */
#define NGX_PROF_WAIT_PROFILE_IMAGES   64


/* a slot at the first reading */

typedef struct {
    ngx_uint_t             taken;
    ngx_pid_t              pid;
    uint64_t               claims;
    uint64_t               dropped;
    ngx_uint_t             n;
    ngx_prof_wait_base_t  *base;
} ngx_prof_wait_reading_t;


/* a process of the capture: what it has mapped, and whose it is */

typedef struct {
    uint64_t                          image;
    ngx_pid_t                         pid;      /* of the label, 0: none */
} ngx_prof_wait_process_t;


typedef struct ngx_prof_wait_profile_s
    ngx_prof_wait_profile_t;

struct ngx_prof_wait_profile_s {
    ngx_pool_t                  *pool;
    ngx_uint_t                   wait;
    ngx_uint_t                   seconds;
    ngx_pid_t                    worker;
    ngx_uint_t                   text;
    ngx_prof_capture_pt          done;
    void                        *data;

    ngx_uint_t                   slot;
    ngx_uint_t                   entry;
    uint64_t                     start;         /* ns, monotonic: before the
                                                   first reading */
    ngx_prof_wait_reading_t     *first;         /* one a slot */

    ngx_prof_rawfile_t          *raw;
    uint32_t                     key;           /* string: "zone" */
    uint32_t                     zones;         /* string of the first name */
    ngx_uint_t                   nzones;
    ngx_prof_wait_process_t      image[
                                        NGX_PROF_WAIT_PROFILE_IMAGES];
    ngx_uint_t              nimages;
    ngx_uint_t              ended;              /* 1: ended workers were
                                                   reported */

    ngx_prof_job_t          job;
};


static void ngx_prof_wait_profile_done(void *data, ngx_int_t rc);
static void ngx_prof_wait_profile_cleanup(void *data);
static ngx_int_t ngx_prof_wait_profile_first(void *data);
static ngx_int_t ngx_prof_wait_profile_chase(void *data);
static ngx_int_t ngx_prof_wait_profile_open(void *data);
static ngx_int_t ngx_prof_wait_profile_read(void *data);
static ngx_uint_t ngx_prof_wait_profile_wanted(ngx_prof_wait_profile_t *c,
    ngx_prof_slot_t *slot);
static void ngx_prof_wait_profile_rows(ngx_prof_wait_profile_t *c,
    ngx_prof_slot_t *slot, ngx_uint_t last);
static void ngx_prof_wait_profile_less(ngx_prof_wait_profile_t *c,
    ngx_prof_slot_t *slot, ngx_uint_t i, ngx_prof_sample_row_t *row);
static uint32_t ngx_prof_wait_profile_owner(ngx_prof_wait_profile_t *c,
    ngx_prof_slot_t *slot, const ngx_prof_stacks_t *stacks, uint32_t node);
static uint32_t ngx_prof_wait_profile_process(ngx_prof_wait_profile_t *c,
    ngx_prof_slot_t *slot, uint64_t image, ngx_pid_t pid);
static ngx_pid_t ngx_prof_wait_profile_pid(uint64_t image);
static uint32_t ngx_prof_wait_profile_labels(ngx_prof_wait_profile_t *c,
    uint32_t label);


ngx_int_t
ngx_prof_wait_profile(ngx_pool_t *pool, ngx_log_t *log, ngx_uint_t wait,
    ngx_uint_t seconds, ngx_pid_t worker, ngx_uint_t text,
    ngx_prof_capture_pt done, void *data)
{
    ngx_pool_cleanup_t       *cln;
    ngx_prof_wait_profile_t  *c;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_prof_wait_profile_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    c = cln->data;
    ngx_memzero(c, sizeof(ngx_prof_wait_profile_t));

    c->first = ngx_pcalloc(pool, ngx_prof_process.zone->slots
                                 * sizeof(ngx_prof_wait_reading_t));
    if (c->first == NULL) {
        return NGX_ERROR;
    }

    c->pool = pool;
    c->wait = wait;
    c->seconds = seconds;
    c->worker = worker;
    c->text = text;
    c->done = done;
    c->data = data;
    c->start = ngx_prof_clock();
    c->job.step = seconds ? ngx_prof_wait_profile_first
                          : ngx_prof_wait_profile_chase;
    c->job.done = ngx_prof_wait_profile_done;
    c->job.data = c;

    cln->handler = ngx_prof_wait_profile_cleanup;

    ngx_prof_job_start(&c->job, log);

    return NGX_OK;
}


static void
ngx_prof_wait_profile_done(void *data, ngx_int_t rc)
{
    ngx_prof_wait_profile_t *c = data;

    c->done(c->data, rc, (rc == NGX_OK) ? &c->raw->text : NULL);
}


static void
ngx_prof_wait_profile_cleanup(void *data)
{
    ngx_prof_wait_profile_t *c = data;

    ngx_prof_job_stop(&c->job);
}


static ngx_uint_t
ngx_prof_wait_profile_wanted(ngx_prof_wait_profile_t *c, ngx_prof_slot_t *slot)
{
    return ngx_prof_load(&slot->claims)
           && (c->worker == 0 || ngx_prof_slot_pid(slot) == c->worker);
}


static ngx_int_t
ngx_prof_wait_profile_first(void *data)
{
    ngx_prof_wait_profile_t *c = data;

    ngx_uint_t                i, size;
    ngx_prof_slot_t          *slot;
    ngx_prof_zone_t          *zone;
    ngx_prof_wait_reading_t  *first;
    ngx_prof_tally_t          tally;
    ngx_prof_stacks_t        *stacks;

    zone = ngx_prof_process.zone;

    if (c->slot == zone->slots) {
        c->job.step = ngx_prof_wait_profile_chase;
        return ngx_prof_job_wait(&c->job, c->seconds * 1000);
    }

    slot = ngx_prof_zone_slot(zone, c->slot);
    first = &c->first[c->slot++];

    if (!ngx_prof_wait_profile_wanted(c, slot)) {
        return NGX_AGAIN;
    }

    stacks = ngx_prof_zone_waits(zone, slot, c->wait);
    size = ngx_prof_zone_wait_size(zone->stacks);

    first->taken = 1;
    first->pid = ngx_prof_slot_pid(slot);
    first->claims = ngx_prof_load(&slot->claims);
    first->dropped = ngx_prof_load(&stacks->dropped);
    first->n = ngx_prof_stacks_tallies(stacks, size);
    first->base = ngx_palloc(c->pool, first->n * sizeof(ngx_prof_wait_base_t));

    if (first->base == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < first->n; i++) {
        (void) ngx_prof_stacks_tally(stacks, size, i, &tally);
        first->base[i].count = tally.count;
        first->base[i].value = tally.value;
    }

    return NGX_AGAIN;
}


/* a wait that goes on is counted up to now */

static ngx_int_t
ngx_prof_wait_profile_chase(void *data)
{
    ngx_prof_wait_profile_t *c = data;

    c->job.step = ngx_prof_wait_profile_open;
    c->slot = 0;

    if (ngx_prof_hang_chase()) {
        return ngx_prof_job_wait(&c->job, NGX_PROF_WAIT_PROFILE_ANSWER);
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_wait_profile_open(void *data)
{
    ngx_prof_wait_profile_t *c = data;

    ngx_str_t               name;
    ngx_uint_t              i;
    ngx_prof_zone_t        *zone;
    ngx_prof_raw_type_t     types[2];
    ngx_prof_raw_header_t  *h;

    c->raw = ngx_prof_rawfile_open(c->pool,
                                       c->wait == NGX_PROF_BLOCK
                                       ? NGX_PROF_RAW_BLOCK
                                       : NGX_PROF_RAW_MUTEX);
    if (c->raw == NULL) {
        return NGX_ERROR;
    }

    types[0].type = ngx_prof_rawfile_one(c->raw, "contentions", 11);
    types[0].unit = NGX_PROF_S_COUNT;
    types[1].type = ngx_prof_rawfile_one(c->raw, "delay", 5);
    types[1].unit = NGX_PROF_S_NANOSECONDS;

    ngx_prof_rawfile_types(c->raw, types, 2);

    h = c->raw->header;

    if (c->text) {
        h->output = NGX_PROF_RAW_TEXT;
    }

    h->period_type = types[0].type;
    h->period_unit = types[0].unit;
    h->period = 1;

    zone = ngx_prof_process.zone;

    if (c->wait == NGX_PROF_MUTEX) {
        c->key = ngx_prof_rawfile_one(c->raw, "zone", 4);
        c->zones = c->key + 1;
        c->nzones = ngx_prof_zone_name_n(zone);

        for (i = 0; i < c->nzones; i++) {
            ngx_prof_zone_name(zone, i, &name);
            (void) ngx_prof_rawfile_one(c->raw, name.data, name.len);
        }
    }

    c->job.step = ngx_prof_wait_profile_read;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_wait_profile_read(void *data)
{
    ngx_prof_wait_profile_t *c = data;

    ngx_uint_t          n, last, size;
    ngx_prof_slot_t    *slot;
    ngx_prof_zone_t    *zone;
    ngx_prof_stacks_t  *stacks;

    if (ngx_prof_rawfile_names(c->raw) != NGX_OK) {
        return NGX_AGAIN;
    }

    zone = ngx_prof_process.zone;

    if (c->slot == zone->slots) {
        ngx_prof_rawfile_ended(c->raw, c->seconds ? c->start : 0);
        return ngx_prof_rawfile_finish(c->raw);
    }

    slot = ngx_prof_zone_slot(zone, c->slot);

    if (!ngx_prof_wait_profile_wanted(c, slot)) {
        c->slot++;
        return NGX_AGAIN;
    }

    stacks = ngx_prof_zone_waits(zone, slot, c->wait);
    size = ngx_prof_zone_wait_size(zone->stacks);

    if (c->entry == 0) {
        c->raw->dropped += ngx_prof_load(&stacks->dropped)
                           - c->first[c->slot].dropped;
    }

    n = ngx_prof_stacks_tallies(stacks, size);
    last = ngx_min(c->entry + NGX_PROF_WAIT_PROFILE_ENTRIES, n);

    ngx_prof_wait_profile_rows(c, slot, last);

    c->entry = last;

    if (last == n) {
        c->entry = 0;
        c->slot++;
    }

    return NGX_AGAIN;
}


static void
ngx_prof_wait_profile_rows(ngx_prof_wait_profile_t *c, ngx_prof_slot_t *slot,
    ngx_uint_t last)
{
    ngx_uint_t              i, n, size;
    ngx_prof_sample_row_t   rows[NGX_PROF_WAIT_PROFILE_ENTRIES];
    ngx_prof_sample_row_t  *row;
    ngx_prof_zone_t        *zone;
    ngx_prof_tally_t        tally;
    ngx_prof_stacks_t      *stacks;

    zone = ngx_prof_process.zone;
    stacks = ngx_prof_zone_waits(zone, slot, c->wait);
    size = ngx_prof_zone_wait_size(zone->stacks);

    n = 0;

    for (i = c->entry; i < last; i++) {
        row = &rows[n];

        if (ngx_prof_stacks_tally(stacks, size, i, &tally) != NGX_OK) {
            continue;
        }

        row->node = tally.node;
        row->values[0] = (int64_t) tally.count;
        row->values[1] = (int64_t) tally.value;

        ngx_prof_wait_profile_less(c, slot, i, row);

        if (row->values[0] <= 0 && row->values[1] <= 0) {
            continue;
        }

        row->labels = ngx_prof_wait_profile_labels(c, tally.label);
        row->process = ngx_prof_wait_profile_owner(c, slot, stacks,
                                                   tally.node);
        n++;
    }

    if (n) {
        ngx_prof_rawfile_rows(c->raw, stacks, size, rows, n);
    }
}


/* subtracts the first reading, or the counts of other workers */

static void
ngx_prof_wait_profile_less(ngx_prof_wait_profile_t *c, ngx_prof_slot_t *slot,
    ngx_uint_t i, ngx_prof_sample_row_t *row)
{
    const ngx_prof_wait_reading_t  *first;
    const ngx_prof_wait_base_t     *base;

    first = &c->first[c->slot];
    base = NULL;

    if (first->taken) {
        base = (i < first->n) ? &first->base[i] : NULL;

    } else if (c->worker) {
        base = &ngx_prof_zone_wait_base(
                         ngx_prof_process.zone, slot, c->wait)[i];
    }

    if (base) {
        row->values[0] -= (int64_t) ngx_prof_load(&base->count);
        row->values[1] -= (int64_t) ngx_prof_load(&base->value);
    }
}


/* the process of a stack, whose root is its image */

static uint32_t
ngx_prof_wait_profile_owner(ngx_prof_wait_profile_t *c, ngx_prof_slot_t *slot,
    const ngx_prof_stacks_t *stacks, uint32_t node)
{
    uint64_t                        pcs[NGX_PROF_WAIT_FRAMES];
    ngx_pid_t                       pid;
    ngx_uint_t                      depth, size;
    const ngx_prof_wait_reading_t  *first;

    size = ngx_prof_zone_wait_size(c->raw->zone->stacks);
    first = &c->first[c->slot];

    /* in an interval, or for one worker, the slot's owner is known */

    pid = c->worker;

    if (pid == 0
        && first->taken
        && first->claims == ngx_prof_load(&slot->claims))
    {
        pid = first->pid;
    }

    depth = ngx_prof_stacks_frames(stacks, size, node, pcs,
                                   NGX_PROF_WAIT_FRAMES);

    return ngx_prof_wait_profile_process(c, slot, pcs[depth - 1], pid);
}


/* the number of a process, which is written at its first use */

static uint32_t
ngx_prof_wait_profile_process(ngx_prof_wait_profile_t *c,
    ngx_prof_slot_t *slot, uint64_t image, ngx_pid_t pid)
{
    ngx_pid_t               mapped;
    ngx_uint_t              i;
    ngx_prof_rawfile_t     *f;
    ngx_prof_raw_process_t  process;

    f = c->raw;

    for (i = 0; i < c->nimages; i++) {

        if (c->image[i].image == image && c->image[i].pid == pid) {
            return (uint32_t) i;
        }
    }

    if (c->nimages == NGX_PROF_WAIT_PROFILE_IMAGES) {
        return NGX_PROF_WAIT_PROFILE_IMAGES - 1;
    }

    mapped = (pid && ngx_prof_load(&slot->image) == image)
             ? pid : ngx_prof_wait_profile_pid(image);

    if (mapped == 0) {

        /* usually a reload has loaded one more object, and all others stay */

        if (!c->ended) {
            c->ended = 1;
            ngx_prof_rawfile_comment(f,
                        "some stacks are of workers that had other objects "
                        "loaded: they are named by what is loaded now");
        }

        return ngx_prof_wait_profile_process(c, slot,
                                        ngx_prof_waiter.image, pid);
    }

    c->image[c->nimages].image = image;
    c->image[c->nimages].pid = pid;
    c->nimages++;

    ngx_prof_rawfile_maps(f, mapped);

    ngx_memzero(&process, sizeof(process));

    process.pid = (uint32_t) mapped;
    process.mapset = f->mapsets - 1;

    if (pid) {
        process.labels = ngx_prof_rawfile_worker(f, pid,
                                     ngx_prof_load(&slot->worker));
    }

    ngx_prof_rawfile_put(f, NGX_PROF_RAW_PROCESSES,
                         &process, sizeof(process), 1);

    return (uint32_t) c->nimages - 1;
}


/* a worker that has this image mapped, 0: none */

static ngx_pid_t
ngx_prof_wait_profile_pid(uint64_t image)
{
    ngx_pid_t         pid;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    if (image == ngx_prof_waiter.image) {
        return ngx_pid;
    }

    zone = ngx_prof_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);
        pid = ngx_prof_slot_pid(slot);

        if (pid
            && ngx_prof_load_acquire(&slot->image) == image
            && ngx_prof_slot_alive(slot))
        {
            return pid;
        }
    }

    return 0;
}


/* the set of labels of a label, written at its first use */

static uint32_t
ngx_prof_wait_profile_labels(ngx_prof_wait_profile_t *c, uint32_t label)
{
    uint32_t                  zone;
    ngx_uint_t                n;
    ngx_prof_known_labels_t  *known;
    ngx_prof_rawfile_t       *f;
    ngx_prof_raw_label_t      labels[5];

    f = c->raw;
    known = ngx_prof_rawfile_known(f, label, 0);

    if (known->set) {
        return known->set;
    }

    ngx_memzero(labels, sizeof(labels));

    labels[0].key = NGX_PROF_S_STATE;
    labels[0].str = NGX_PROF_S_STATES
                    + ngx_prof_label_state(label);

    if (c->wait == NGX_PROF_MUTEX) {
        n = 1 + ngx_prof_rawfile_place(f,
                            ngx_prof_label(ngx_prof_label_place(label), 0, 0),
                            &labels[1]);

        zone = ngx_prof_label_upstream(label);

        if (zone && zone < c->nzones) {
            labels[n].key = c->key;
            labels[n++].str = c->zones + zone;
        }

    } else {
        n = 1 + ngx_prof_rawfile_place(f, label, &labels[1]);
    }

    known->set = ngx_prof_rawfile_labelset(f, labels, (uint32_t) n);

    return known->set;
}
