
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_heap_profile.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_job.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_trim.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_raw.h"


/* ms that workers have to trim, and ms between two checks */
#define NGX_PROF_HEAP_TRIM     1000
#define NGX_PROF_HEAP_LOOK     5

#define NGX_PROF_HEAP_ENDED    "[ended workers]"


static void ngx_prof_heap_done(void *data, ngx_int_t rc);
static void ngx_prof_heap_cleanup(void *data);
static ngx_int_t ngx_prof_heap_ask(void *data);
static ngx_int_t ngx_prof_heap_answers(void *data);
static ngx_int_t ngx_prof_heap_open(void *data);
static ngx_int_t ngx_prof_heap_read(void *data);
static ngx_int_t ngx_prof_heap_second(void *data);
static ngx_int_t ngx_prof_heap_finish(void *data);
static void ngx_prof_heap_types(ngx_prof_heap_profile_t *h);
static uint32_t ngx_prof_heap_string(ngx_prof_heap_profile_t *h,
    const char *text);
static ngx_int_t ngx_prof_heap_slot(ngx_prof_heap_profile_t *h,
    ngx_prof_slot_t *slot);
static void ngx_prof_heap_process(ngx_prof_heap_profile_t *h,
    ngx_prof_slot_t *slot);
static void ngx_prof_heap_comments(ngx_prof_heap_profile_t *h,
    ngx_prof_slot_t *slot);


ngx_int_t
ngx_prof_heap_profile(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_heap_query_t *query, ngx_prof_capture_pt done, void *data)
{
    ngx_pool_cleanup_t       *cln;
    ngx_prof_heap_profile_t  *h;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_prof_heap_profile_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    h = cln->data;
    ngx_memzero(h, sizeof(ngx_prof_heap_profile_t));

    h->asked = ngx_pcalloc(pool, ngx_prof_process.zone->slots
                                 * sizeof(uint64_t));
    if (h->asked == NULL) {
        return NGX_ERROR;
    }

    h->query = *query;
    h->pool = pool;
    h->done = done;
    h->data = data;
    h->sign = query->delta ? -1 : 1;
    h->job.step = query->trim ? ngx_prof_heap_ask
                              : ngx_prof_heap_open;
    h->job.done = ngx_prof_heap_done;
    h->job.data = h;

    cln->handler = ngx_prof_heap_cleanup;

    ngx_prof_job_start(&h->job, log);

    return NGX_OK;
}


static void
ngx_prof_heap_done(void *data, ngx_int_t rc)
{
    ngx_prof_heap_profile_t *h = data;

    h->done(h->data, rc, (rc == NGX_OK) ? &h->raw->text : NULL);
}


/* called when the client has gone, or the answer is sent */

static void
ngx_prof_heap_cleanup(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    ngx_prof_job_stop(&h->job);
}


static ngx_int_t
ngx_prof_heap_ask(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;

    /* just after a trim there is nothing to return */

    if (ngx_prof_trim_reserve() != NGX_OK) {
        h->job.step = ngx_prof_heap_open;
        return NGX_AGAIN;
    }

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_slot_worker(slot, h->query.worker)) {
            h->asked[i] = __atomic_add_fetch(&slot->trim.asked, 1,
                                             __ATOMIC_SEQ_CST);
            (void) ngx_prof_wake(slot);
        }
    }

    h->deadline = ngx_prof_clock()
                  + NGX_PROF_HEAP_TRIM * (uint64_t) NGX_PROF_NSEC_PER_MSEC;
    h->job.step = ngx_prof_heap_answers;

    return ngx_prof_job_wait(&h->job, NGX_PROF_HEAP_LOOK);
}


/* a stuck worker does not trim: do not wait past the deadline */

static ngx_int_t
ngx_prof_heap_answers(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load_acquire(&slot->trim.done) < h->asked[i]
            && ngx_prof_clock() < h->deadline)
        {
            return ngx_prof_job_wait(&h->job, NGX_PROF_HEAP_LOOK);
        }
    }

    h->job.step = ngx_prof_heap_open;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_heap_open(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    uint32_t  kind;

    kind = (h->query.kind == NGX_PROF_OF_THREADS)
           ? NGX_PROF_RAW_THREADCREATE
           : NGX_PROF_RAW_HEAP;

    h->raw = ngx_prof_rawfile_open(h->pool, kind);
    if (h->raw == NULL) {
        return NGX_ERROR;
    }

    ngx_prof_heap_types(h);

    h->bytes = ngx_prof_heap_string(h, "bytes");
    h->ended = ngx_prof_heap_string(h, NGX_PROF_HEAP_ENDED);
    h->start = ngx_prof_clock();
    h->job.step = ngx_prof_heap_read;

    return NGX_AGAIN;
}


static uint32_t
ngx_prof_heap_string(ngx_prof_heap_profile_t *h, const char *text)
{
    return ngx_prof_rawfile_one(h->raw, text, ngx_strlen(text));
}


/* the types of Go's runtime/pprof, writeHeapProto() and countProfile */

static void
ngx_prof_heap_types(ngx_prof_heap_profile_t *h)
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

    header = h->raw->header;

    if (h->query.text) {
        header->output = NGX_PROF_RAW_TEXT;
    }

    if (h->query.kind == NGX_PROF_OF_THREADS) {
        types[0].type = ngx_prof_heap_string(h, "threadcreate");
        types[0].unit = NGX_PROF_S_COUNT;

        header->period_type = types[0].type;
        header->period_unit = NGX_PROF_S_COUNT;
        header->period = 1;

        ngx_prof_rawfile_types(h->raw, types, 1);
        return;
    }

    for (i = 0; i < 4; i++) {
        types[i].type = ngx_prof_heap_string(h, names[i][0]);
        types[i].unit = ngx_prof_heap_string(h, names[i][1]);
    }

    header->period_type = ngx_prof_heap_string(h, "space");
    header->period_unit = types[1].unit;
    header->period = ngx_prof_setting(NGX_PROF_HEAP_RATE);
    header->default_type = (h->query.kind == NGX_PROF_OF_ALLOCS)
                           ? types[1].type : types[3].type;

    ngx_prof_rawfile_types(h->raw, types, 4);
}


static ngx_int_t
ngx_prof_heap_read(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    ngx_uint_t          n, last;
    ngx_prof_slot_t    *slot;
    ngx_prof_zone_t    *zone;
    ngx_prof_stacks_t  *stacks;

    if (ngx_prof_rawfile_names(h->raw) != NGX_OK) {
        return NGX_AGAIN;
    }

    zone = ngx_prof_process.zone;

    if (h->slot == zone->slots) {
        h->slot = 0;
        h->entry = 0;

        if (h->sign == 1) {
            h->job.step = ngx_prof_heap_finish;
            return NGX_AGAIN;
        }

        h->job.step = ngx_prof_heap_second;
        return ngx_prof_job_wait(&h->job, h->query.delta);
    }

    slot = ngx_prof_zone_slot(zone, h->slot);

    if (h->entry == 0) {

        if (ngx_prof_heap_slot(h, slot) != NGX_OK) {
            h->slot++;
            return NGX_AGAIN;
        }

        h->entry = 1;

        return NGX_AGAIN;
    }

    stacks = ngx_prof_zone_heap(zone, slot);
    n = ngx_prof_stacks_tallies(stacks, ngx_prof_zone_heap_n(zone->stacks));
    last = ngx_min(h->entry + NGX_PROF_HEAP_CHUNK, n);

    ngx_prof_heap_rows(h, slot, last);

    h->entry = last;

    if (last == n) {
        h->slot++;
        h->entry = 0;
    }

    return NGX_AGAIN;
}


/* samples of the first reading are written with negative values */

static ngx_int_t
ngx_prof_heap_second(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    h->sign = 1;
    h->job.step = ngx_prof_heap_read;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_heap_finish(void *data)
{
    ngx_prof_heap_profile_t *h = data;

    ngx_prof_rawfile_ended(h->raw, h->query.delta ? h->start : 0);

    return ngx_prof_rawfile_finish(h->raw);
}


/* NGX_DECLINED: this slot is not to be read */

static ngx_int_t
ngx_prof_heap_slot(ngx_prof_heap_profile_t *h, ngx_prof_slot_t *slot)
{
    ngx_uint_t        i;
    ngx_prof_slot_t  *from;

    if (ngx_prof_load(&slot->claims) == 0) {
        return NGX_DECLINED;
    }

    h->pid = ngx_prof_slot_worker(slot, h->query.worker);

    /*
     * until the new owner takes the table over, its in-use figures belong to
     * the old one
     */

    if ((uint64_t) h->pid != ngx_prof_load_acquire(&slot->heap_owner)) {
        h->pid = 0;
    }

    if (h->query.worker && h->pid == 0) {
        return NGX_DECLINED;
    }

    /* stacks of ended workers are named as in this process */

    from = h->pid ? slot : ngx_prof_process.slot;

    h->nroots = ngx_prof_load_acquire(&from->heap_roots);
    h->nroots = ngx_min(h->nroots, NGX_PROF_ROOTS);

    for (i = 0; i < h->nroots; i++) {
        h->roots[i] = ngx_prof_load(&from->heap_root[i]);
    }

    ngx_prof_heap_process(h, slot);

    if (h->sign == 1 && h->query.kind != NGX_PROF_OF_THREADS) {
        ngx_prof_heap_comments(h, slot);
    }

    return NGX_OK;
}


/* writes the process twice: without labels, and with pid and worker */

static void
ngx_prof_heap_process(ngx_prof_heap_profile_t *h, ngx_prof_slot_t *slot)
{
    ngx_prof_raw_process_t  process[2];

    ngx_prof_rawfile_maps(h->raw, h->pid);

    ngx_memzero(process, sizeof(process));

    process[0].pid = (uint32_t) (h->pid ? h->pid : ngx_pid);
    process[0].mapset = h->raw->mapsets - 1;
    process[1] = process[0];
    process[1].labels = ngx_prof_rawfile_worker(h->raw, h->pid,
                                     ngx_prof_load(&slot->worker));

    ngx_prof_rawfile_put(h->raw, NGX_PROF_RAW_PROCESSES,
                         process, sizeof(process), 2);

    h->plain = h->processes++;
    h->labelled = h->processes++;

    /* in a profile of one worker, all is its own */

    if (h->query.worker) {
        h->plain = h->labelled;
    }
}


static void
ngx_prof_heap_comments(ngx_prof_heap_profile_t *h, ngx_prof_slot_t *slot)
{
    uint64_t                  n;
    const char               *why;
    const ngx_prof_stacks_t  *stacks;

    stacks = ngx_prof_zone_heap(ngx_prof_process.zone, slot);
    n = ngx_prof_load(&stacks->dropped);

    if (n) {
        ngx_prof_rawfile_comment(h->raw,
                        "%uL objects of %uL bytes are missing: a table of "
                        "stacks in the profiling zone is full",
                        (n + NGX_PROF_HEAP_ONE - 1)
                        / NGX_PROF_HEAP_ONE,
                        ngx_prof_load(&stacks->dropped_value));
    }

    n = ngx_prof_load(&slot->heap_lost);

    if (n) {
        ngx_prof_rawfile_comment(h->raw,
                        "%uL sampled blocks are missing: a worker had no "
                        "room for more of them, or too many threads", n);
    }

    if (h->pid == 0) {
        return;
    }

    switch (ngx_prof_load(&slot->heap_state)) {

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

    ngx_prof_rawfile_comment(h->raw, why, h->pid);
}
