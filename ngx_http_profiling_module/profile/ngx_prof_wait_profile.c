
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_wait_profile.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_label.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_record.h"
#include "ngx_prof_wait.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* ms in which workers that are stuck tell where */
#define NGX_PROF_WAIT_ANSWER  50


typedef struct {
    ngx_prof_capture_t  capture;
    ngx_uint_t          wait;                   /* ngx_prof_wait_e */
    ngx_msec_t          duration;
    ngx_uint_t          text;
    uint32_t            key;                    /* string: "zone" */
    uint32_t            zones;                  /* string of the first name */
    ngx_uint_t          nzones;
    ngx_uint_t          ended;                  /* that was told */
} ngx_prof_wait_capture_t;


static ngx_int_t ngx_prof_wait_between(void *data);
static ngx_int_t ngx_prof_wait_chase(void *data);
static ngx_prof_stacks_t *ngx_prof_wait_table(ngx_prof_capture_t *c,
    const ngx_prof_slot_t *slot);
static ngx_int_t ngx_prof_wait_begin(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static ngx_int_t ngx_prof_wait_tally(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading, ngx_uint_t i, ngx_prof_tally_t *tally,
    int64_t *values);
static void ngx_prof_wait_types(ngx_prof_capture_t *c);
static void ngx_prof_wait_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static ngx_uint_t ngx_prof_wait_labels(ngx_prof_capture_t *c, uint32_t label,
    uint64_t size, ngx_prof_raw_label_t *labels);
static uint32_t ngx_prof_wait_process(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading, uint64_t image);
static uint32_t ngx_prof_wait_image(ngx_prof_wait_capture_t *w,
    const ngx_prof_slot_t *slot, uint64_t image, ngx_pid_t pid);
static ngx_pid_t ngx_prof_wait_pid(uint64_t image);


static const ngx_prof_capture_kind_t  ngx_prof_wait_kind = {
    2048, 0, 0,
    ngx_prof_wait_table,
    ngx_prof_wait_begin,
    ngx_prof_wait_tally,
    ngx_prof_wait_types,
    ngx_prof_wait_slot,
    NULL,
    ngx_prof_wait_labels,
    ngx_prof_wait_process,
    NULL,
    NULL
};


ngx_int_t
ngx_prof_wait_profile(ngx_pool_t *pool, ngx_log_t *log, ngx_uint_t wait,
    ngx_uint_t seconds, ngx_pid_t worker, ngx_uint_t text,
    ngx_prof_capture_pt done, void *data)
{
    ngx_prof_wait_capture_t  *w;

    w = ngx_prof_capture_create(pool, sizeof(ngx_prof_wait_capture_t),
                                &ngx_prof_wait_kind, worker, done, data);
    if (w == NULL) {
        return NGX_ERROR;
    }

    w->wait = wait;
    w->duration = (ngx_msec_t) seconds * 1000;
    w->text = text;
    w->capture.raw_kind = (wait == NGX_PROF_BLOCK) ? NGX_PROF_RAW_BLOCK
                                                   : NGX_PROF_RAW_MUTEX;
    w->capture.size = ngx_prof_zone_wait_size(ngx_prof_process.zone->stacks);
    w->capture.between = ngx_prof_wait_between;

    ngx_prof_capture_start(&w->capture,
                           seconds ? ngx_prof_capture_first
                                   : ngx_prof_wait_chase,
                           log);

    return NGX_OK;
}


static ngx_int_t
ngx_prof_wait_between(void *data)
{
    ngx_prof_wait_capture_t *w = data;

    w->capture.job.step = ngx_prof_wait_chase;

    return ngx_prof_job_pause(&w->capture.job, w->duration);
}


/* a wait that goes on is counted up to now */

static ngx_int_t
ngx_prof_wait_chase(void *data)
{
    ngx_prof_capture_t *c = data;

    c->job.step = ngx_prof_capture_last;

    if (ngx_prof_hang_chase()) {
        return ngx_prof_job_wait(&c->job, NGX_PROF_WAIT_ANSWER);
    }

    return NGX_AGAIN;
}


static ngx_prof_stacks_t *
ngx_prof_wait_table(ngx_prof_capture_t *c, const ngx_prof_slot_t *slot)
{
    ngx_prof_wait_capture_t *w = (ngx_prof_wait_capture_t *) c;

    return ngx_prof_zone_waits(ngx_prof_process.zone, slot, w->wait);
}


/* of a worker that is asked for, a slot that another has taken tells nothing */

static ngx_int_t
ngx_prof_wait_begin(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading)
{
    return (reading->taken
            && c->worker
            && reading->claims != ngx_prof_load(&reading->slot->claims))
           ? NGX_DECLINED : NGX_OK;
}


/* of one worker only what is its own */

static ngx_int_t
ngx_prof_wait_tally(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading,
    ngx_uint_t i, ngx_prof_tally_t *tally, int64_t *values)
{
    const ngx_prof_wait_base_t *base;

    ngx_prof_wait_capture_t *w = (ngx_prof_wait_capture_t *) c;

    if (ngx_prof_capture_tally(c, reading, i, tally, values) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (c->worker) {
        base = ngx_prof_zone_wait_base(ngx_prof_process.zone, reading->slot,
                                       w->wait);

        values[0] -= (int64_t) ngx_prof_load(&base[i].count);
        values[1] -= (int64_t) ngx_prof_load(&base[i].value);
    }

    return NGX_OK;
}


static void
ngx_prof_wait_types(ngx_prof_capture_t *c)
{
    ngx_str_t               name;
    ngx_uint_t              i;
    ngx_prof_zone_t        *zone;
    ngx_prof_raw_type_t     types[2];
    ngx_prof_raw_header_t  *h;

    ngx_prof_wait_capture_t *w = (ngx_prof_wait_capture_t *) c;

    types[0].type = ngx_prof_rawfile_one(c->raw, "contentions", 11);
    types[0].unit = NGX_PROF_S_COUNT;
    types[1].type = ngx_prof_rawfile_one(c->raw, "delay", 5);
    types[1].unit = NGX_PROF_S_NANOSECONDS;

    ngx_prof_rawfile_types(c->raw, types, 2);

    h = c->raw->header;

    if (w->text) {
        h->output = NGX_PROF_RAW_TEXT;
    }

    h->period_type = types[0].type;
    h->period_unit = types[0].unit;
    h->period = 1;

    if (w->wait == NGX_PROF_BLOCK) {
        return;
    }

    zone = ngx_prof_process.zone;

    w->key = ngx_prof_rawfile_one(c->raw, "zone", 4);
    w->zones = w->key + 1;
    w->nzones = ngx_prof_zone_name_n(zone);

    for (i = 0; i < w->nzones; i++) {
        ngx_prof_zone_name(zone, i, &name);
        (void) ngx_prof_rawfile_one(c->raw, name.data, name.len);
    }
}


static void
ngx_prof_wait_slot(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading)
{
    c->raw->dropped += reading->dropped;
}


/* of a lock the zone it is in stands where else the upstream does */

static ngx_uint_t
ngx_prof_wait_labels(ngx_prof_capture_t *c, uint32_t label, uint64_t size,
    ngx_prof_raw_label_t *labels)
{
    uint32_t    zone;
    ngx_uint_t  n;

    ngx_prof_wait_capture_t *w = (ngx_prof_wait_capture_t *) c;

    labels[0].key = NGX_PROF_S_STATE;
    labels[0].str = NGX_PROF_S_STATES + ngx_prof_label_state(label);

    if (w->wait == NGX_PROF_BLOCK) {
        return 1 + ngx_prof_rawfile_place(c->raw, label, &labels[1]);
    }

    n = 1 + ngx_prof_rawfile_place(c->raw,
                            ngx_prof_label(ngx_prof_label_place(label), 0, 0),
                            &labels[1]);

    zone = ngx_prof_label_upstream(label);

    if (zone && zone < w->nzones) {
        labels[n].key = w->key;
        labels[n++].str = w->zones + zone;
    }

    return n;
}


/*
 * The root of a stack is its image.  In a time, or of one worker, the owner of
 * the slot is known.
 */

static uint32_t
ngx_prof_wait_process(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading,
    uint64_t image)
{
    ngx_pid_t  pid;

    pid = c->worker;

    if (pid == 0
        && reading->taken
        && reading->claims == ngx_prof_load(&reading->slot->claims))
    {
        pid = reading->pid;
    }

    return ngx_prof_wait_image((ngx_prof_wait_capture_t *) c, reading->slot,
                               image, pid);
}


/* the number of a process, which is written at its first use */

static uint32_t
ngx_prof_wait_image(ngx_prof_wait_capture_t *w, const ngx_prof_slot_t *slot,
    uint64_t image, ngx_pid_t pid)
{
    ngx_int_t            i;
    ngx_pid_t            mapped;
    ngx_prof_rawfile_t  *f;

    f = w->capture.raw;

    i = ngx_prof_rawfile_find(f, image, pid);

    if (i != NGX_DECLINED) {
        return (uint32_t) i;
    }

    mapped = (pid && ngx_prof_load(&slot->image) == image)
             ? pid : ngx_prof_wait_pid(image);

    if (mapped == 0) {

        /* usually a reload has loaded one more object, and all others stay */

        if (!w->ended) {
            w->ended = 1;
            ngx_prof_rawfile_comment(f,
                        "some stacks are of workers that had other objects "
                        "loaded: they are named by what is loaded now");
        }

        return ngx_prof_wait_image(w, slot, ngx_prof_waiter.image, pid);
    }

    return ngx_prof_rawfile_add(f, image, pid, ngx_prof_load(&slot->worker),
                                mapped);
}


/* a worker that has this image mapped, 0: none */

static ngx_pid_t
ngx_prof_wait_pid(uint64_t image)
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
