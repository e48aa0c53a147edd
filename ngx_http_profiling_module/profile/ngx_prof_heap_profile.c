
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_heap_profile.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_trim.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


#define NGX_PROF_HEAP_ENDED    "[ended workers]"


/*
 * Values of a tally: objects and bytes that were allocated, that the owner has
 * in use, and, in a difference, that another owner had at the first reading.
 */

#define NGX_PROF_HEAP_VALUES   4
#define NGX_PROF_DELTA_VALUES  6


typedef struct {
    ngx_prof_capture_t     capture;
    ngx_prof_heap_query_t  query;
    uint32_t               bytes;               /* string */

    /* of the slot that is written */
    uint32_t               plain;               /* process without labels */
    uint32_t               labelled;
    uint32_t               gone;                /* the owner before */
    uint64_t               roots[NGX_PROF_ROOTS];
    ngx_uint_t             nroots;
} ngx_prof_heap_profile_t;


static ngx_int_t ngx_prof_heap_trim(void *data);
static void ngx_prof_heap_trimmed(void *data);
static ngx_int_t ngx_prof_heap_between(void *data);
static ngx_prof_stacks_t *ngx_prof_heap_table(ngx_prof_capture_t *c,
    const ngx_prof_slot_t *slot);
static ngx_int_t ngx_prof_heap_owner(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static ngx_uint_t ngx_prof_heap_left(const ngx_prof_slot_reading_t *reading);
static ngx_int_t ngx_prof_heap_tally(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading, ngx_uint_t i, ngx_prof_tally_t *tally,
    int64_t *values);
static void ngx_prof_heap_types(ngx_prof_capture_t *c);
static uint32_t ngx_prof_heap_string(ngx_prof_capture_t *c, const char *text);
static void ngx_prof_heap_slot(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading);
static uint32_t ngx_prof_heap_plain(ngx_prof_rawfile_t *f, ngx_pid_t pid);
static void ngx_prof_heap_comments(ngx_prof_rawfile_t *f,
    const ngx_prof_slot_reading_t *reading);
static ngx_uint_t ngx_prof_heap_named(ngx_prof_capture_t *c, uint64_t root);
static ngx_uint_t ngx_prof_heap_labels(ngx_prof_capture_t *c, uint32_t label,
    uint64_t size, ngx_prof_raw_label_t *labels);
static ngx_uint_t ngx_prof_heap_samples(ngx_prof_capture_t *c,
    const ngx_prof_capture_row_t *row, uint32_t stack, uint32_t labels);
static ngx_uint_t ngx_prof_heap_sample(ngx_prof_heap_profile_t *h,
    uint32_t process, uint32_t stack, uint32_t labels, const int64_t *alloc,
    const int64_t *inuse);


static const ngx_prof_capture_kind_t  ngx_prof_heap_kind = {
    2048, 1, 1,
    ngx_prof_heap_table,
    ngx_prof_heap_owner,
    ngx_prof_heap_tally,
    ngx_prof_heap_types,
    ngx_prof_heap_slot,
    ngx_prof_heap_named,
    ngx_prof_heap_labels,
    NULL,
    ngx_prof_heap_samples,
    NULL
};


static const int64_t  ngx_prof_heap_none[2];


ngx_int_t
ngx_prof_heap_profile(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_heap_query_t *query, ngx_prof_capture_pt done, void *data)
{
    ngx_prof_step_pt          step;
    ngx_prof_heap_profile_t  *h;

    h = ngx_prof_capture_create(pool, sizeof(ngx_prof_heap_profile_t),
                                &ngx_prof_heap_kind, query->worker, done,
                                data);
    if (h == NULL) {
        return NGX_ERROR;
    }

    /* helpers have no hooks of the allocator */

    h->capture.nreadings = ngx_prof_process.zone->slots;

    h->query = *query;
    h->capture.raw_kind = (query->kind == NGX_PROF_OF_THREADS)
                          ? NGX_PROF_RAW_THREADCREATE
                          : NGX_PROF_RAW_HEAP;
    h->capture.size = ngx_prof_zone_heap_n(ngx_prof_process.zone->stacks);
    h->capture.values = query->delta ? NGX_PROF_DELTA_VALUES
                                     : NGX_PROF_HEAP_VALUES;
    h->capture.between = ngx_prof_heap_between;

    step = query->trim ? ngx_prof_heap_trim
           : query->delta ? ngx_prof_capture_first : ngx_prof_capture_last;

    if (query->span.until) {
        step = ngx_prof_past_profile(&h->capture, NGX_PROF_RECORDED_ALLOCS,
                                     &query->span);
        if (step == NULL) {
            return NGX_ERROR;
        }
    }

    /* one that takes no time is an answer like others */

    h->capture.job.turns = (step == ngx_prof_capture_last);

    ngx_prof_capture_start(&h->capture, step, log);

    return NGX_OK;
}


static ngx_int_t
ngx_prof_heap_trim(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    ngx_prof_capture_t  *c;

    c = &h->capture;
    c->job.step = ngx_prof_capture_last;

    /* just after a trim there is nothing to return */

    if (ngx_prof_trim_reserve() != NGX_OK) {
        return NGX_AGAIN;
    }

    return ngx_prof_trim_ask(c->pool, c->job.event.log, c->worker,
                             ngx_prof_heap_trimmed, h)
           ? NGX_DONE : NGX_ERROR;
}


static void
ngx_prof_heap_trimmed(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    ngx_prof_job_resume(&h->capture.job);
}


static ngx_int_t
ngx_prof_heap_between(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    h->capture.job.step = ngx_prof_capture_last;

    return ngx_prof_job_pause(&h->capture.job, h->query.delta);
}


static ngx_prof_stacks_t *
ngx_prof_heap_table(ngx_prof_capture_t *c, const ngx_prof_slot_t *slot)
{
    return ngx_prof_zone_heap(ngx_prof_process.zone, slot);
}


/*
 * Until a new owner takes the table over, its in-use figures belong to the
 * old one.
 */

static ngx_int_t
ngx_prof_heap_owner(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading)
{
    uint64_t  owner;

    owner = ngx_prof_load_acquire(&reading->slot->heap_owner);

    reading->owner = ngx_prof_slot_worker(reading->slot, c->worker);

    if ((uint64_t) reading->owner != owner) {
        reading->owner = 0;
    }

    /* a worker that has ended meanwhile is reported while it is the latest */

    return (c->worker
            && reading->owner == 0
            && (!reading->taken || owner != (uint64_t) reading->pid))
           ? NGX_DECLINED : NGX_OK;
}


/* whether the owner at the first reading has left */

static ngx_uint_t
ngx_prof_heap_left(const ngx_prof_slot_reading_t *reading)
{
    return reading->taken && reading->pid && reading->pid != reading->owner;
}


static ngx_inline int64_t
ngx_prof_heap_objects(uint64_t count)
{
    return (int64_t) ((count + NGX_PROF_HEAP_ONE / 2) / NGX_PROF_HEAP_ONE);
}


static ngx_int_t
ngx_prof_heap_tally(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading,
    ngx_uint_t i, ngx_prof_tally_t *tally, int64_t *values)
{
    uint64_t                 first, count, value;
    ngx_uint_t               threads;
    const int64_t           *base;
    ngx_prof_freed_t         freed;
    const ngx_prof_freed_t  *from;

    ngx_prof_heap_profile_t *h = (ngx_prof_heap_profile_t *) c;

    threads = (h->query.kind == NGX_PROF_OF_THREADS);
    from = &ngx_prof_zone_freed(ngx_prof_process.zone, reading->slot)[i];

    /* in this order: what was freed meanwhile had been allocated before */

    freed.freed_count = ngx_prof_load_acquire(&from->freed_count);
    freed.freed_value = ngx_prof_load_acquire(&from->freed_value);
    freed.base_count = ngx_prof_load_acquire(&from->base_count);
    freed.base_value = ngx_prof_load_acquire(&from->base_value);

    if (ngx_prof_stacks_tally(reading->stacks, c->size, i, tally) != NGX_OK
        || ngx_prof_stacks_frames(reading->stacks, c->size, tally->node,
                                  &first, 1)
           == 0
        || (first == NGX_PROF_HEAP_THREAD) != threads)
    {
        return NGX_DECLINED;
    }

    ngx_memzero(values, c->values * sizeof(int64_t));

    count = tally->count - freed.base_count;
    value = tally->value - freed.base_value;

    if (reading->owner && count > freed.freed_count) {
        values[2] = ngx_prof_heap_objects(count - freed.freed_count);
        values[3] = values[2]
                    ? (int64_t) (value - ngx_min(value, freed.freed_value))
                    : 0;
    }

    if (!c->worker) {
        count = tally->count;
        value = tally->value;
    }

    /* only threads that live are reported */

    values[0] = threads ? 0 : ngx_prof_heap_objects(count);
    values[1] = values[0] ? (int64_t) value : 0;

    /* what the former owner had in use is reported apart */

    if (i < reading->n && ngx_prof_heap_left(reading)) {
        base = &reading->base[i * c->values];
        values[2] += base[2];
        values[3] += base[3];
        values[4] = -base[2];
        values[5] = -base[3];
    }

    return NGX_OK;
}


/* the types of Go's runtime/pprof, writeHeapProto() and countProfile */

static void
ngx_prof_heap_types(ngx_prof_capture_t *c)
{
    ngx_uint_t              i;
    ngx_prof_raw_type_t     types[4];
    ngx_prof_raw_header_t  *header;

    static const char *const  names[][2] = {
        { "alloc_objects", "count" },
        { "alloc_space", "bytes" },
        { "inuse_objects", "count" },
        { "inuse_space", "bytes" }
    };

    ngx_prof_heap_profile_t *h = (ngx_prof_heap_profile_t *) c;

    h->bytes = ngx_prof_heap_string(c, "bytes");
    c->unnamed = ngx_prof_heap_string(c, NGX_PROF_HEAP_ENDED);

    header = c->raw->header;

    if (h->query.text) {
        header->output = NGX_PROF_RAW_TEXT;
    }

    if (h->query.kind == NGX_PROF_OF_THREADS) {
        types[0].type = ngx_prof_heap_string(c, "threadcreate");
        types[0].unit = NGX_PROF_S_COUNT;

        header->period_type = types[0].type;
        header->period_unit = NGX_PROF_S_COUNT;
        header->period = 1;

        ngx_prof_rawfile_types(c->raw, types, 1);
        return;
    }

    for (i = 0; i < 4; i++) {
        types[i].type = ngx_prof_heap_string(c, names[i][0]);
        types[i].unit = ngx_prof_heap_string(c, names[i][1]);
    }

    header->period_type = ngx_prof_heap_string(c, "space");
    header->period_unit = types[1].unit;
    header->period = ngx_prof_setting(NGX_PROF_HEAP_RATE);
    header->default_type = (h->query.kind == NGX_PROF_OF_ALLOCS)
                           ? types[1].type : types[3].type;

    ngx_prof_rawfile_types(c->raw, types, 4);
}


static uint32_t
ngx_prof_heap_string(ngx_prof_capture_t *c, const char *text)
{
    return ngx_prof_rawfile_one(c->raw, text, ngx_strlen(text));
}


static void
ngx_prof_heap_slot(ngx_prof_capture_t *c, ngx_prof_slot_reading_t *reading)
{
    ngx_pid_t               pid;
    ngx_uint_t              i;
    const ngx_prof_slot_t  *from;

    ngx_prof_heap_profile_t *h = (ngx_prof_heap_profile_t *) c;

    /* of a range, the addresses are those of the worker if it still lives */

    if (c->ranged) {
        reading->owner = ngx_prof_slot_worker(reading->slot, reading->pid);
    }

    pid = reading->owner;

    /* stacks of ended workers are named as in this process */

    from = pid ? reading->slot : ngx_prof_process.slot;

    h->nroots = ngx_prof_load_acquire(&from->heap_roots);
    h->nroots = ngx_min(h->nroots, NGX_PROF_ROOTS);

    for (i = 0; i < h->nroots; i++) {
        h->roots[i] = ngx_prof_load(&from->heap_root[i]);
    }

    if (ngx_prof_heap_left(reading) && !c->ranged) {
        h->gone = ngx_prof_rawfile_process(c->raw, reading->pid,
                                           reading->worker);
    }

    if (pid) {
        h->labelled = ngx_prof_rawfile_process(c->raw, pid,
                                      ngx_prof_load(&reading->slot->worker));
    }

    /* in a profile of one worker, all is its own */

    if (c->worker) {
        h->plain = pid ? h->labelled : h->gone;

    } else {
        h->plain = ngx_prof_heap_plain(c->raw, pid ? pid : ngx_pid);
    }

    if (h->query.kind != NGX_PROF_OF_THREADS) {
        ngx_prof_heap_comments(c->raw, reading);
    }
}


/* a process without labels is known by the pid that has its mappings */

static uint32_t
ngx_prof_heap_plain(ngx_prof_rawfile_t *f, ngx_pid_t pid)
{
    ngx_int_t  i;

    i = ngx_prof_rawfile_find(f, (uint64_t) pid, 0);

    return (i != NGX_DECLINED)
           ? (uint32_t) i
           : ngx_prof_rawfile_add(f, (uint64_t) pid, 0, 0, pid);
}


static void
ngx_prof_heap_comments(ngx_prof_rawfile_t *f,
    const ngx_prof_slot_reading_t *reading)
{
    uint64_t     n;
    const char  *why;

    n = ngx_prof_load(&reading->stacks->dropped);

    if (n) {
        ngx_prof_rawfile_comment(f,
                        "%uL objects of %uL bytes are missing: a table of "
                        "stacks in the profiling zone is full",
                        (n + NGX_PROF_HEAP_ONE - 1)
                        / NGX_PROF_HEAP_ONE,
                        ngx_prof_load(&reading->stacks->dropped_value));
    }

    n = ngx_prof_load(&reading->slot->heap_lost);

    if (n) {
        ngx_prof_rawfile_comment(f,
                        "%uL sampled blocks are missing: a worker had no "
                        "room for more of them, or too many threads", n);
    }

    if (reading->owner == 0) {
        return;
    }

    switch (ngx_prof_load(&reading->slot->heap_state)) {

    case NGX_PROF_HEAP_ON:
        return;

    case NGX_PROF_HEAP_OFF:
        why = "the heap of worker %P is not sampled: profiling_heap_rate is "
              "off";
        break;

    case NGX_PROF_HEAP_PART:
        why = "worker %P has calls of malloc() or free() that belong to "
              "another tool and are not seen";
        break;

    default:
        why = "the heap of worker %P is not sampled: malloc() cannot be "
              "interposed";
        break;
    }

    ngx_prof_rawfile_comment(f, why, reading->owner);
}


static ngx_uint_t
ngx_prof_heap_named(ngx_prof_capture_t *c, uint64_t root)
{
    ngx_uint_t  i;

    ngx_prof_heap_profile_t *h = (ngx_prof_heap_profile_t *) c;

    for (i = 0; i < h->nroots; i++) {

        if (h->roots[i] == root) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_prof_heap_labels(ngx_prof_capture_t *c, uint32_t label, uint64_t size,
    ngx_prof_raw_label_t *labels)
{
    ngx_uint_t  n;

    ngx_prof_heap_profile_t *h = (ngx_prof_heap_profile_t *) c;

    if (h->query.kind == NGX_PROF_OF_THREADS) {
        return 0;
    }

    n = ngx_prof_rawfile_place(c->raw, label, labels);

    labels[n].key = h->bytes;
    labels[n].str = NGX_PROF_RAW_NONE;
    labels[n].unit = h->bytes;
    labels[n].num = (int64_t) size;

    return n + 1;
}


static ngx_uint_t
ngx_prof_heap_samples(ngx_prof_capture_t *c, const ngx_prof_capture_row_t *row,
    uint32_t stack, uint32_t labels)
{
    int64_t         past[2];
    ngx_uint_t      n;
    const int64_t  *v, *none;

    ngx_prof_heap_profile_t *h = (ngx_prof_heap_profile_t *) c;

    v = row->values;
    none = ngx_prof_heap_none;

    /* threads have no bytes; what allocations are counted in are parts */

    if (c->ranged) {
        past[0] = ngx_prof_heap_objects((uint64_t) v[0]);
        past[1] = v[1];

        return v[1] ? ngx_prof_heap_sample(h, h->plain, stack, labels, past,
                                           none)
                    : 0;
    }

    n = ngx_prof_heap_sample(h, h->plain, stack, labels, v, none)
        + ngx_prof_heap_sample(h, h->labelled, stack, labels, none, &v[2]);

    if (c->values == NGX_PROF_DELTA_VALUES) {
        n += ngx_prof_heap_sample(h, h->gone, stack, labels, none, &v[4]);
    }

    return n;
}


/* how many were written: none, if all values are 0 */

static ngx_uint_t
ngx_prof_heap_sample(ngx_prof_heap_profile_t *h, uint32_t process,
    uint32_t stack, uint32_t labels, const int64_t *alloc,
    const int64_t *inuse)
{
    int64_t     values[4];
    ngx_uint_t  threads;

    values[0] = alloc[0];
    values[1] = alloc[1];
    values[2] = inuse[0];
    values[3] = inuse[1];

    if ((values[0] | values[1] | values[2] | values[3]) == 0) {
        return 0;
    }

    threads = (h->query.kind == NGX_PROF_OF_THREADS);

    ngx_prof_rawfile_sample(h->capture.raw, process, stack, labels,
                            threads ? &values[2] : values, threads ? 1 : 4);

    return 1;
}
