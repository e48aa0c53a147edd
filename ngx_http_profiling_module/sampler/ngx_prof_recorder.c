
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_recorder.h"
#include "ngx_prof_base.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_throttle.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_worker.h"


static void ngx_prof_recorder_rest(void);
static void ngx_prof_recorder_end(uint64_t now, uint64_t step);
static void ngx_prof_recorder_gained(const ngx_prof_recorded_t *table,
    const ngx_prof_gain_t *gain);
static uint32_t ngx_prof_recorder_module(const ngx_prof_recorded_t *table,
    uint32_t node);


static ngx_prof_recorded_slot_t  ngx_prof_recorder_own;
static uint64_t             ngx_prof_recorder_image;
static ngx_uint_t           ngx_prof_recorder_all;

/* 1: the main thread is inside; its handler stays out */
static volatile ngx_uint_t  ngx_prof_recorder_busy;


void
ngx_prof_recorder_init(void)
{
    ngx_prof_recorded_slot_t  *rec;

    rec = &ngx_prof_recorder_own;

    ngx_prof_zone_recorder(ngx_prof_process.zone, ngx_prof_process.slot, rec);

    if (rec->recording == NULL) {
        return;
    }

    if (ngx_prof_process.zone->modules) {
        rec->gained = ngx_prof_recorder_gained;
    }

    /* of objects that the worker loads by itself no other knows names */

    ngx_prof_recorder_image = ngx_prof_frame_image(0);
    ngx_prof_store_release(&ngx_prof_process.slot->forked,
                           ngx_prof_recorder_image);

    ngx_prof_recording_take(rec, ngx_pid, ngx_prof_process.slot->worker,
                            ngx_prof_clock() / NGX_PROF_NSEC_PER_MSEC,
                            ngx_prof_setting(NGX_PROF_RECORD));

    ngx_prof_recorder_rest();
}


/* each table has an entry for what finds no room in it */

static void
ngx_prof_recorder_rest(void)
{
    uint64_t               pcs[2];
    ngx_prof_recorded_t   *table;
    ngx_prof_recording_t  *r;

    r = ngx_prof_recorder_own.recording;
    table = &ngx_prof_recorder_own.table[ngx_prof_load(&r->cpu) != 0];

    pcs[0] = NGX_PROF_FRAME_TRUNCATED;
    pcs[1] = ngx_prof_recorder_image;

    (void) ngx_prof_stacks_put(table->stacks, table->size, NULL, pcs, 2, 0, 0,
                               0);
}


ngx_uint_t
ngx_prof_recorder_rate(void)
{
    ngx_uint_t  rate;

    if (ngx_prof_recorder_own.recording == NULL
        || ngx_prof_setting(NGX_PROF_RECORD) == 0)
    {
        return 0;
    }

    rate = ngx_prof_setting(NGX_PROF_RECORD_RATE)
           >> ngx_prof_throttle(NGX_PROF_METER_RECORD);

    return ngx_max(rate, 1);
}


void
ngx_prof_recorder_tick(void)
{
    if (ngx_prof_recorder_own.recording == NULL) {
        return;
    }

    ngx_prof_recorder_busy = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);

    ngx_prof_recorder_end(ngx_prof_clock() / NGX_PROF_NSEC_PER_MSEC,
                          NGX_PROF_RECORDED_STEP);

    ngx_prof_recording_turn(&ngx_prof_recorder_own);
    ngx_prof_recorder_rest();

    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ngx_prof_recorder_busy = 0;
}


void
ngx_prof_recorder_finish(void)
{
    if (ngx_prof_recorder_own.recording == NULL) {
        return;
    }

    ngx_prof_recorder_busy = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);

    ngx_prof_recorder_end(ngx_prof_clock() / NGX_PROF_NSEC_PER_MSEC, 0);

    /* samples that are still taken outlive what is configured */

    ngx_prof_recorder_own.recording = NULL;
}


/* intervals end at multiples of a step, so that those of all workers agree */

static void
ngx_prof_recorder_end(uint64_t now, uint64_t step)
{
    uint64_t               keep, begin;
    ngx_uint_t             i;
    ngx_prof_recording_t  *r;

    r = ngx_prof_recorder_own.recording;
    keep = ngx_prof_setting(NGX_PROF_RECORD);

    for (i = 0; i < NGX_PROF_RECORDED_GROUPS; i++) {
        begin = r->begin[i];

        if (keep == 0 || begin == 0) {

            /* a reload of the single process has switched it */

            ngx_prof_store(&r->begin[i], keep ? now : 0);
            continue;
        }

        if (step && i == NGX_PROF_RECORDED_MEMORY) {
            step = NGX_PROF_RECORDED_STEP_MAX;
        }

        if (step == 0
            || now / step != begin / step
            || now - begin >= step)
        {
            ngx_prof_recording_close(&ngx_prof_recorder_own, i, now, keep);
        }
    }

    ngx_prof_store(&r->seen, now);
}


void
ngx_prof_recorder_learnt(ngx_uint_t all)
{
    ngx_prof_recorder_all = all;
}


/* the time is the innermost module's: callers of what all use */

static void
ngx_prof_recorder_gained(const ngx_prof_recorded_t *table,
    const ngx_prof_gain_t *gain)
{
    uint32_t             note;
    ngx_prof_tally_t     tally;
    ngx_prof_modules_t  *modules;

    modules = ngx_prof_process.zone->modules;

    if (ngx_prof_stacks_tally(table->stacks, table->size, gain->entry, &tally)
        != NGX_OK)
    {
        return;
    }

    note = ngx_prof_stacks_noted(table->stacks, table->size, tally.node);

    if (note == 0) {
        note = ngx_prof_recorder_module(table, tally.node) + 1;

        if (note > 1 || ngx_prof_recorder_all) {
            ngx_prof_stacks_note(table->stacks, table->size, tally.node,
                                 note);
        }
    }

    (void) __atomic_add_fetch(&modules->ns[(note - 1) % NGX_PROF_MODULES],
                              gain->units << table->shift, __ATOMIC_RELAXED);
}


static uint32_t
ngx_prof_recorder_module(const ngx_prof_recorded_t *table, uint32_t node)
{
    uint64_t                   pc, pcs[NGX_PROF_FRAMES + 1];
    ngx_uint_t                 i, n, module;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    /* nobody has asked yet: none is known */

    if (ngx_prof_load(&ngx_prof_process.zone->modules->object_n) == 0) {
        return 0;
    }

    n = ngx_prof_stacks_frames(table->stacks, table->size, node, pcs,
                               NGX_PROF_FRAMES + 1);

    /* the owner before may have had other objects at these addresses */

    if (n == 0 || pcs[n - 1] != ngx_prof_recorder_image) {
        return 0;
    }

    module = 0;
    objects = ngx_prof_objects_acquire();

    for (i = 0; objects && module == 0 && i < n - 1; i++) {

        /* the innermost is where it was, the others are return addresses */

        pc = pcs[i] - (i != 0);
        object = ngx_prof_objects_find(objects, pc);

        if (object) {
            module = ngx_prof_modules_find(ngx_prof_process.zone->modules,
                                           object->identity,
                                           pc - object->base);
        }
    }

    ngx_prof_objects_release();

    return (uint32_t) module;
}


void
ngx_prof_recorder_sample(ngx_prof_path_t *path, uint64_t *pcs, ngx_uint_t n,
    uint32_t label, uint64_t count, uint64_t value, uint64_t now,
    ngx_uint_t main)
{
    uint64_t               rest[2];
    ngx_uint_t             i;
    ngx_prof_recorded_t   *table;
    ngx_prof_recording_t  *r;

    r = ngx_prof_recorder_own.recording;
    table = &ngx_prof_recorder_own.table[ngx_prof_load(&r->cpu) != 0];

    pcs[n] = ngx_prof_recorder_image;

    i = ngx_prof_stacks_put(table->stacks, table->size, path, pcs, n + 1,
                            label, count, value);
    if (i == 0) {
        rest[0] = NGX_PROF_FRAME_TRUNCATED;
        rest[1] = ngx_prof_recorder_image;

        i = ngx_prof_stacks_put(table->stacks, table->size, NULL, rest, 2, 0,
                                count, value);
    }

    if (i) {
        ngx_prof_stacks_count(table->stacks, table->size, i, count, value);
        ngx_prof_recording_touch(table, i);
    }

    now /= NGX_PROF_NSEC_PER_MSEC;

    ngx_prof_store(&r->seen, now);

    if (main && !ngx_prof_recorder_busy
        && now - ngx_prof_load(&r->begin[0]) >= NGX_PROF_RECORDED_STEP_MAX)
    {
        ngx_prof_recorder_end(now, NGX_PROF_RECORDED_STEP_MAX);
    }
}


void
ngx_prof_recorder_touch(const ngx_prof_slot_t *slot, ngx_uint_t table,
    ngx_uint_t i)
{
    ngx_prof_recorded_slot_t  other, *rec;

    rec = &ngx_prof_recorder_own;

    if (slot != ngx_prof_process.slot) {
        rec = &other;
        ngx_prof_zone_recorder(ngx_prof_process.zone, slot, rec);
    }

    if (rec->recording) {
        ngx_prof_recording_touch(&rec->table[table], i);
    }
}
