
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_wait_profile.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_label.h"
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
ngx_prof_wait_profile(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_wait_query_t *query, ngx_prof_capture_pt done, void *data)
{
    ngx_prof_step_pt          step;
    ngx_prof_wait_capture_t  *w;

    w = ngx_prof_capture_create(pool, sizeof(ngx_prof_wait_capture_t),
                                &ngx_prof_wait_kind, query->worker, done,
                                data);
    if (w == NULL) {
        return NGX_ERROR;
    }

    w->wait = query->wait;
    w->duration = (ngx_msec_t) query->seconds * 1000;
    w->text = query->text;
    w->capture.raw_kind = (w->wait == NGX_PROF_BLOCK) ? NGX_PROF_RAW_BLOCK
                                                      : NGX_PROF_RAW_MUTEX;
    w->capture.size = ngx_prof_zone_wait_size(ngx_prof_process.zone->stacks);
    w->capture.between = ngx_prof_wait_between;

    step = query->seconds ? ngx_prof_capture_first : ngx_prof_wait_chase;

    if (query->span.until) {
        step = ngx_prof_past_profile(&w->capture,
                                     NGX_PROF_RECORDED_BLOCK + w->wait,
                                     &query->span);
        if (step == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_prof_capture_start(&w->capture, step, log);

    return NGX_OK;
}


static ngx_int_t
ngx_prof_wait_between(void *data)
{
    ngx_prof_wait_capture_t *w = data;

    w->capture.job.step = ngx_prof_wait_chase;

    return ngx_prof_job_pause(&w->capture.job, w->duration);
}


/* a wait in progress is counted up to now */

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
        && (c->ranged
            || reading->claims == ngx_prof_load(&reading->slot->claims)))
    {
        pid = reading->pid;
    }

    return ngx_prof_rawfile_image(c->raw, reading->slot, image, pid,
                                  c->ranged ? reading->worker
                                  : ngx_prof_load(&reading->slot->worker));
}
