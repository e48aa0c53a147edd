
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_latency_profile.h"
#include "ngx_prof_anonymous.h"
#include "ngx_prof_base.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_elapsed.h"
#include "ngx_prof_job.h"
#include "ngx_prof_label.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_record.h"
#include "ngx_prof_row.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* rows read, and rows written, in one step */
#define NGX_PROF_LATENCY_READ    2048
#define NGX_PROF_LATENCY_CHUNK   16

/* frames and labels of a sample */
#define NGX_PROF_LATENCY_FRAMES  5
#define NGX_PROF_LATENCY_LABELS  6


typedef struct {
    ngx_prof_latency_query_t    query;
    ngx_pool_t                 *pool;
    ngx_prof_capture_pt         done;
    void                       *data;

    uint64_t                    begin;          /* ns, monotonic */
    ngx_uint_t                  next;           /* row */
    ngx_prof_elapsed_counts_t  *base;           /* NULL: of a start */
    ngx_prof_elapsed_counts_t   other;

    ngx_prof_rawfile_t         *file;
    uint32_t                    key_part;       /* strings */
    uint32_t                    key_peer;
    uint32_t                    key_step;
    uint32_t                    unplaced;
    uint32_t                    part[NGX_PROF_ELAPSED_KINDS];
    uint32_t                    frame[NGX_PROF_ELAPSED_KINDS];
    uint32_t                    step[NGX_PROF_PEER_STEPS];

    ngx_prof_job_t              job;
} ngx_prof_latency_raw_t;


/* what a sample is of: strings, 0: none */

typedef struct {
    ngx_uint_t                  place;          /* + 1, 0: none */
    ngx_uint_t                  upstream;
    uint32_t                    peer;
    ngx_int_t                   part;           /* -1: none */
    ngx_int_t                   step;           /* likewise */
} ngx_prof_latency_of_t;


static ngx_int_t ngx_prof_latency_first_step(void *data);
static ngx_int_t ngx_prof_latency_pause(void *data);
static ngx_int_t ngx_prof_latency_begin(void *data);
static void ngx_prof_latency_names(ngx_prof_latency_raw_t *raw);
static uint32_t ngx_prof_latency_string(ngx_prof_latency_raw_t *raw,
    const char *s);
static ngx_int_t ngx_prof_latency_write(void *data);
static void ngx_prof_latency_write_row(ngx_prof_latency_raw_t *raw,
    ngx_uint_t i);
static void ngx_prof_latency_write_peer(ngx_prof_latency_raw_t *raw,
    uint64_t key, const ngx_prof_elapsed_counts_t *counts);
static void ngx_prof_latency_write_place(ngx_prof_latency_raw_t *raw,
    ngx_uint_t place, const ngx_prof_elapsed_counts_t *counts);
static void ngx_prof_latency_sample(ngx_prof_latency_raw_t *raw,
    const ngx_prof_latency_of_t *of, uint64_t requests, uint64_t ns);
static uint32_t ngx_prof_latency_stack(ngx_prof_latency_raw_t *raw,
    const ngx_prof_latency_of_t *of);
static uint32_t ngx_prof_latency_labels(ngx_prof_latency_raw_t *raw,
    const ngx_prof_latency_of_t *of);
static void ngx_prof_latency_less(ngx_prof_elapsed_counts_t *counts,
    const ngx_prof_elapsed_counts_t *base);
static void ngx_prof_latency_done(void *data, ngx_int_t rc);
static void ngx_prof_latency_cleanup(void *data);


ngx_int_t
ngx_prof_latency_profile(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_latency_query_t *query, ngx_prof_capture_pt done,
    void *data)
{
    ngx_pool_cleanup_t      *cln;
    ngx_prof_latency_raw_t  *raw;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_prof_latency_raw_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    raw = cln->data;
    ngx_memzero(raw, sizeof(ngx_prof_latency_raw_t));

    raw->query = *query;
    raw->pool = pool;
    raw->done = done;
    raw->data = data;
    raw->job.step = ngx_prof_latency_begin;
    raw->job.done = ngx_prof_latency_done;
    raw->job.data = raw;

    if (query->seconds) {
        raw->base = ngx_prof_budget_alloc(pool, NGX_PROF_ELAPSED_ROWS
                                          * sizeof(ngx_prof_elapsed_counts_t));
        if (raw->base == NULL) {
            return NGX_ERROR;
        }

        raw->job.step = ngx_prof_latency_first_step;
    }

    cln->handler = ngx_prof_latency_cleanup;

    ngx_prof_job_start(&raw->job, log);

    return NGX_OK;
}


static ngx_int_t
ngx_prof_latency_first_step(void *data)
{
    ngx_prof_latency_raw_t *raw = data;

    ngx_uint_t           n;
    ngx_prof_elapsed_t  *elapsed;

    elapsed = ngx_prof_process.zone->elapsed;

    if (raw->next == 0) {
        raw->begin = ngx_prof_clock();
        raw->other = elapsed->other;
    }

    for (n = raw->next + NGX_PROF_LATENCY_READ; raw->next < n; raw->next++) {
        raw->base[raw->next] = elapsed->row[raw->next].counts;
    }

    if (raw->next == NGX_PROF_ELAPSED_ROWS) {
        raw->next = 0;
        raw->job.step = ngx_prof_latency_pause;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_latency_pause(void *data)
{
    ngx_prof_latency_raw_t *raw = data;

    raw->job.step = ngx_prof_latency_begin;

    return ngx_prof_job_pause(&raw->job,
                              (ngx_msec_t) raw->query.seconds * 1000);
}


static ngx_int_t
ngx_prof_latency_begin(void *data)
{
    ngx_prof_latency_raw_t *raw = data;

    ngx_prof_raw_type_t     types[2];
    ngx_prof_raw_header_t  *h;

    raw->file = ngx_prof_rawfile_open(raw->pool, NGX_PROF_RAW_BLOCK);
    if (raw->file == NULL) {
        return NGX_ERROR;
    }

    types[0].type = ngx_prof_latency_string(raw, "requests");
    types[0].unit = NGX_PROF_S_COUNT;
    types[1].type = ngx_prof_latency_string(raw, "time");
    types[1].unit = NGX_PROF_S_NANOSECONDS;

    ngx_prof_rawfile_types(raw->file, types, 2);

    h = raw->file->header;
    h->output = raw->query.text ? NGX_PROF_RAW_TEXT : NGX_PROF_RAW_PPROF;
    h->default_type = types[1].type;
    h->period_type = types[1].type;
    h->period_unit = types[1].unit;
    h->period = 1;
    h->time_nanos = (int64_t) ngx_prof_time() * NGX_PROF_NSEC_PER_MSEC;

    if (raw->begin) {
        h->duration_nanos = (int64_t) (ngx_prof_clock() - raw->begin);
    }

    ngx_prof_latency_names(raw);

    raw->job.step = ngx_prof_latency_write;

    return NGX_AGAIN;
}


static void
ngx_prof_latency_names(ngx_prof_latency_raw_t *raw)
{
    u_char      name[64];
    ngx_uint_t  i;

    static const char *const  parts[NGX_PROF_ELAPSED_KINDS] = {
        "other", "client", "sending", "upstream", "timer", "cpu", "wait",
        "blocked", "preempted"
    };

    static const char *const  steps[NGX_PROF_PEER_STEPS] = {
        "connect", "first byte", "body"
    };

    raw->key_part = ngx_prof_latency_string(raw, "part");
    raw->key_peer = ngx_prof_latency_string(raw, "peer");
    raw->key_step = ngx_prof_latency_string(raw, "step");
    raw->unplaced = ngx_prof_latency_string(raw, "(other)");

    for (i = 0; i < NGX_PROF_ELAPSED_KINDS; i++) {
        raw->part[i] = ngx_prof_latency_string(raw, parts[i]);

        *ngx_sprintf(name, "[%s]", parts[i]) = '\0';
        raw->frame[i] = ngx_prof_latency_string(raw, (char *) name);
    }

    for (i = 0; i < NGX_PROF_PEER_STEPS; i++) {
        raw->step[i] = ngx_prof_latency_string(raw, steps[i]);
    }
}


static uint32_t
ngx_prof_latency_string(ngx_prof_latency_raw_t *raw, const char *s)
{
    return ngx_prof_rawfile_one(raw->file, s, ngx_strlen(s));
}


static ngx_int_t
ngx_prof_latency_write(void *data)
{
    ngx_prof_latency_raw_t *raw = data;

    ngx_uint_t                 n;
    ngx_prof_elapsed_counts_t  other;

    if (ngx_prof_rawfile_names(raw->file) != NGX_OK) {
        return NGX_AGAIN;
    }

    for (n = raw->next + NGX_PROF_LATENCY_CHUNK; raw->next < n; raw->next++) {
        ngx_prof_latency_write_row(raw, raw->next);
    }

    if (raw->file->text.failed) {
        return NGX_ERROR;
    }

    if (raw->next < NGX_PROF_ELAPSED_ROWS) {
        return NGX_AGAIN;
    }

    if (raw->query.worker == 0) {
        other = ngx_prof_process.zone->elapsed->other;
        ngx_prof_latency_less(&other, &raw->other);
        ngx_prof_latency_write_place(raw, 0, &other);
    }

    if (raw->job.cut) {
        ngx_prof_rawfile_comment(raw->file, "the capture ended %.3f s early: "
                                 "nginx told the worker that took it to exit",
                                 (double) raw->job.cut
                                 / NGX_PROF_NSEC_PER_SEC);
    }

    return ngx_prof_rawfile_finish(raw->file);
}


/* of one worker only what its slot has counted since it has it */

static void
ngx_prof_latency_write_row(ngx_prof_latency_raw_t *raw, ngx_uint_t i)
{
    uint64_t                   key;
    ngx_prof_slot_t           *slot;
    ngx_prof_zone_t           *zone;
    ngx_prof_elapsed_row_t    *row;
    ngx_prof_elapsed_counts_t  counts;

    zone = ngx_prof_process.zone;
    row = &zone->elapsed->row[i];
    key = ngx_prof_load(&row->key);

    if (key == 0 || ngx_prof_elapsed_slot(key) >= zone->slots) {
        return;
    }

    counts = row->counts;

    if (raw->query.worker) {
        slot = ngx_prof_zone_slot(zone, ngx_prof_elapsed_slot(key));

        if (ngx_prof_slot_pid(slot) != raw->query.worker
            || ngx_prof_load(&slot->claims) != ngx_prof_load(&row->claims))
        {
            return;
        }

        ngx_prof_latency_less(&counts, &row->base);

        if (raw->base) {
            ngx_prof_latency_less(&raw->base[i], &row->base);
        }
    }

    if (raw->base) {
        ngx_prof_latency_less(&counts, &raw->base[i]);
    }

    if (ngx_prof_elapsed_peer(key)) {
        ngx_prof_latency_write_peer(raw, key, &counts);

    } else {
        ngx_prof_latency_write_place(raw, ngx_prof_elapsed_place(key) + 1,
                                     &counts);
    }
}


/* a location that another one's place was given to counts from 0 again */

static void
ngx_prof_latency_less(ngx_prof_elapsed_counts_t *counts,
    const ngx_prof_elapsed_counts_t *base)
{
    ngx_uint_t  i;

    counts->requests -= ngx_min(counts->requests, base->requests);

    for (i = 0; i < NGX_PROF_ELAPSED_KINDS; i++) {
        counts->ns[i] -= ngx_min(counts->ns[i], base->ns[i]);
    }
}


static void
ngx_prof_latency_write_peer(ngx_prof_latency_raw_t *raw, uint64_t key,
    const ngx_prof_elapsed_counts_t *counts)
{
    u_char                 hidden[NGX_PROF_ANONYMOUS_LEN];
    ngx_int_t              i;
    ngx_str_t              name;
    ngx_uint_t             number;
    ngx_prof_latency_of_t  of;

    of.place = ngx_prof_elapsed_place(key) + 1;
    of.part = NGX_PROF_PART_UPSTREAM;
    of.peer = 0;
    of.upstream = 0;

    for (i = 0; i < NGX_PROF_PEER_STEPS; i++) {

        if (counts->ns[i] == 0) {
            continue;
        }

        if (of.peer == 0) {
            of.peer = raw->unplaced;

            if (ngx_prof_row_name(ngx_prof_process.zone,
                                  ngx_prof_elapsed_peer(key) - 1, &name,
                                  &number)
                == NGX_OK)
            {
                if (ngx_prof_setting(NGX_PROF_ANONYMIZE)) {
                    name.len = ngx_prof_anonymous(hidden, "addr", name.data,
                                                  name.len)
                               - hidden;
                    name.data = hidden;
                }

                of.peer = ngx_prof_rawfile_one(raw->file, name.data, name.len);
                of.upstream = number;
            }
        }

        of.step = i;
        ngx_prof_latency_sample(raw, &of, 0, counts->ns[i]);
    }
}


static void
ngx_prof_latency_write_place(ngx_prof_latency_raw_t *raw, ngx_uint_t place,
    const ngx_prof_elapsed_counts_t *counts)
{
    ngx_prof_latency_of_t  of;

    of.place = place;
    of.upstream = 0;
    of.peer = 0;
    of.step = -1;
    of.part = -1;

    if (counts->requests) {
        ngx_prof_latency_sample(raw, &of, counts->requests, 0);
    }

    for (of.part = 0; of.part < NGX_PROF_ELAPSED_KINDS; of.part++) {

        if (counts->ns[of.part]) {
            ngx_prof_latency_sample(raw, &of, 0, counts->ns[of.part]);
        }
    }
}


static void
ngx_prof_latency_sample(ngx_prof_latency_raw_t *raw,
    const ngx_prof_latency_of_t *of, uint64_t requests, uint64_t ns)
{
    int64_t   values[2];
    uint32_t  stack, labels;

    stack = ngx_prof_latency_stack(raw, of);
    labels = ngx_prof_latency_labels(raw, of);

    values[0] = (int64_t) requests;
    values[1] = (int64_t) ns;

    ngx_prof_rawfile_section(raw->file, NGX_PROF_RAW_SAMPLES);
    ngx_prof_rawfile_sample(raw->file, NGX_PROF_RAW_NONE, stack, labels,
                            values, 2);
    ngx_prof_rawfile_close(raw->file, 1);
}


/* from the outside: server, location, part, peer, step */

static uint32_t
ngx_prof_latency_stack(ngx_prof_latency_raw_t *raw,
    const ngx_prof_latency_of_t *of)
{
    uint32_t                stack, frame[NGX_PROF_LATENCY_FRAMES];
    uint64_t                pcs[NGX_PROF_LATENCY_FRAMES];
    ngx_uint_t              i, n;
    ngx_prof_rawfile_t     *f;
    ngx_prof_place_name_t   place;

    f = raw->file;
    n = 0;

    if (of->step != -1) {
        frame[n++] = raw->step[of->step];
    }

    if (of->peer) {
        frame[n++] = of->peer;
    }

    if (of->part != -1) {
        frame[n++] = raw->frame[of->part];
    }

    if (of->place == 0
        || of->place > f->place_n
        || ngx_prof_zone_place_name(f->zone, of->place - 1, &place) != NGX_OK)
    {
        frame[n++] = raw->unplaced;

    } else {
        if (place.location.len) {
            frame[n++] = f->places + 2 * (uint32_t) of->place;
        }

        if (place.server.len) {
            frame[n++] = f->places + 2 * (uint32_t) of->place - 1;
        }
    }

    for (i = 0; i < n; i++) {
        pcs[i] = NGX_PROF_RAW_NAMED | frame[i];
    }

    ngx_prof_rawfile_section(f, NGX_PROF_RAW_STACKS);
    stack = ngx_prof_rawfile_stack(f, pcs, n, NGX_PROF_RAW_ALL_EXACT);
    ngx_prof_rawfile_close(f, 1);

    return stack;
}


static uint32_t
ngx_prof_latency_labels(ngx_prof_latency_raw_t *raw,
    const ngx_prof_latency_of_t *of)
{
    ngx_uint_t            n;
    ngx_prof_raw_label_t  labels[NGX_PROF_LATENCY_LABELS];

    ngx_memzero(labels, sizeof(labels));

    n = ngx_prof_rawfile_place(raw->file,
                               ngx_prof_label(of->place, of->upstream, 0),
                               labels);

    if (of->part != -1) {
        labels[n].key = raw->key_part;
        labels[n++].str = raw->part[of->part];
    }

    if (of->peer) {
        labels[n].key = raw->key_peer;
        labels[n++].str = of->peer;
    }

    if (of->step != -1) {
        labels[n].key = raw->key_step;
        labels[n++].str = raw->step[of->step];
    }

    return n ? ngx_prof_rawfile_labelset(raw->file, labels, (uint32_t) n) : 0;
}


static void
ngx_prof_latency_done(void *data, ngx_int_t rc)
{
    ngx_prof_latency_raw_t *raw = data;

    if (raw->base) {
        ngx_prof_budget_free(raw->pool, raw->base);
        raw->base = NULL;
    }

    raw->done(raw->data, rc, (rc == NGX_OK) ? &raw->file->text : NULL);
}


static void
ngx_prof_latency_cleanup(void *data)
{
    ngx_prof_latency_raw_t *raw = data;

    ngx_prof_job_stop(&raw->job);
}
