
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/mman.h>
#include "ngx_prof_trace_profile.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_base.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_job.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_text.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_raw.h"
#include "ngx_prof_trace.h"


/* ms between two readings of the rings */
#define NGX_PROF_TRACE_DRAIN   20

/* bytes read at once, and bytes of one trace; the rest is lost */
#define NGX_PROF_TRACE_PIECE   32768
#define NGX_PROF_TRACE_LIMIT   (64 * 1024 * 1024)

/* CPU samples written in one step */
#define NGX_PROF_TRACE_CHUNK   64


typedef struct {
    ngx_pool_t               *pool;
    ngx_prof_trace_options_t  options;
    ngx_prof_capture_pt       done;
    void                     *data;

    ngx_uint_t                claimed;
    uint64_t                  seq;
    uint64_t                  start;                /* ns */
    ngx_uint_t                slot;                 /* being read */
    ngx_uint_t                read;                 /* slots that have no
                                                       more */
    ngx_prof_text_t           text;                 /* sections of chunks */

    ngx_uint_t                moment;               /* of the slot */

    ngx_event_t               event;
    ngx_connection_t          connection;
} ngx_prof_trace_capture_t;


static ngx_int_t ngx_prof_trace_claim(ngx_prof_trace_capture_t *c);
static void ngx_prof_trace_drain(ngx_event_t *ev);
static ngx_int_t ngx_prof_trace_read(void *data);
static ngx_prof_trace_ring_t *ngx_prof_trace_own(ngx_prof_trace_capture_t *c,
    ngx_uint_t slot);
static size_t ngx_prof_trace_piece(ngx_prof_trace_capture_t *c,
    ngx_prof_trace_ring_t *ring);
static ngx_int_t ngx_prof_trace_more(void *data, ngx_prof_rawfile_t *f);
static void ngx_prof_trace_moments(ngx_prof_trace_capture_t *c,
    ngx_prof_rawfile_t *f, ngx_prof_trace_ring_t *ring);
static ngx_uint_t ngx_prof_trace_stacks(ngx_prof_trace_capture_t *c,
    ngx_prof_rawfile_t *f, ngx_prof_trace_ring_t *ring,
    ngx_prof_raw_trace_sample_t *samples);
static void ngx_prof_trace_discard(ngx_prof_trace_ring_t *ring);
static void ngx_prof_trace_info(ngx_prof_trace_capture_t *c,
    ngx_prof_rawfile_t *f);
static void ngx_prof_trace_done(void *data, ngx_int_t rc,
    ngx_prof_text_t *raw);
static void ngx_prof_trace_release(ngx_prof_trace_capture_t *c);
static void ngx_prof_trace_cleanup(void *data);


ngx_int_t
ngx_prof_trace_capture(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_prof_trace_options_t *options, ngx_prof_capture_pt done,
    void *data)
{
    ngx_int_t                  rc;
    ngx_uint_t                 number;
    ngx_pool_cleanup_t        *cln;
    ngx_prof_zone_t           *zone;
    ngx_prof_trace_capture_t  *c;

    zone = ngx_prof_process.zone;

    if (zone->ring == 0) {
        return NGX_DECLINED;
    }

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_prof_trace_capture_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    c = cln->data;
    ngx_memzero(c, sizeof(ngx_prof_trace_capture_t));

    c->pool = pool;
    c->options = *options;
    c->done = done;
    c->data = data;
    c->start = ngx_prof_clock();

    ngx_prof_event_init(&c->event, &c->connection, ngx_prof_trace_drain, log);
    ngx_prof_text_init(&c->text, pool);

    if (ngx_prof_trace_claim(c) != NGX_OK) {
        return NGX_BUSY;
    }

    cln->handler = ngx_prof_trace_cleanup;

    rc = ngx_prof_cpu_profile_trace(pool, log, options->duration,
                                    options->worker, ngx_prof_trace_done,
                                    ngx_prof_trace_more, c, &number);
    if (rc != NGX_OK) {
        ngx_prof_trace_release(c);
        return rc;
    }

    /* workers read it once the capture has its time and wakes them */

    ngx_prof_store_release(&zone->header->trace.capture, number);

    ngx_add_timer(&c->event, NGX_PROF_TRACE_DRAIN);

    return NGX_OK;
}


static ngx_int_t
ngx_prof_trace_claim(ngx_prof_trace_capture_t *c)
{
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;

    if (ngx_prof_claim_take(&zone->header->trace.owner) != NGX_OK) {
        return NGX_BUSY;
    }

    ngx_prof_store(&zone->header->trace.capture, NGX_PROF_CAPTURES);
    c->seq = zone->header->trace.seq + 1;
    ngx_prof_store_release(&zone->header->trace.seq, c->seq);
    c->claimed = 1;

    return NGX_OK;
}


static void
ngx_prof_trace_drain(ngx_event_t *ev)
{
    ngx_int_t                  rc;
    ngx_prof_trace_capture_t  *c;

    c = (ngx_prof_trace_capture_t *)
            ((u_char *) ev - offsetof(ngx_prof_trace_capture_t, event));

    ev->timedout = 0;

    rc = ngx_prof_slice(ngx_prof_trace_read, c);

    if (!ev->timer_set) {
        ngx_add_timer(ev, (rc == NGX_AGAIN) ? 1
                                            : NGX_PROF_TRACE_DRAIN);
    }
}


/* reads the next piece; NGX_OK: no ring has more */

static ngx_int_t
ngx_prof_trace_read(void *data)
{
    ngx_prof_trace_capture_t *c = data;

    ngx_prof_zone_t        *zone;
    ngx_prof_trace_ring_t  *ring;

    zone = ngx_prof_process.zone;

    ring = ngx_prof_trace_own(c, c->slot);

    if (ring && ngx_prof_trace_piece(c, ring)) {
        c->read = 0;

    } else {
        c->read++;
    }

    c->slot = (c->slot + 1) % zone->slots;

    if (c->read < zone->slots) {
        return NGX_AGAIN;
    }

    c->read = 0;

    return NGX_OK;
}


/* the ring of a slot, if its worker records this trace; else NULL */

static ngx_prof_trace_ring_t *
ngx_prof_trace_own(ngx_prof_trace_capture_t *c, ngx_uint_t slot)
{
    ngx_prof_zone_t        *zone;
    ngx_prof_trace_ring_t  *ring;

    zone = ngx_prof_process.zone;

    /* do not touch the pages of rings that were never written */

    if (ngx_prof_load(&ngx_prof_zone_slot(zone, slot)->claims) == 0) {
        return NULL;
    }

    ring = ngx_prof_trace_ring(zone, slot);

    return (ring && ngx_prof_load_acquire(&ring->seq) == c->seq) ? ring
                                                                 : NULL;
}


static size_t
ngx_prof_trace_piece(ngx_prof_trace_capture_t *c, ngx_prof_trace_ring_t *ring)
{
    u_char                      *p, *data;
    size_t                       len, at, size, part, room;
    uint64_t                     head, tail;
    ngx_prof_raw_section_t      *section;
    ngx_prof_raw_trace_chunk_t  *chunk;

    size = ngx_prof_trace_size(ngx_prof_process.zone);
    data = ngx_prof_trace_data(ring);

    head = ngx_prof_load_acquire(&ring->head);
    tail = ring->tail;

    /* half of what is left is for the encoder's answer, and for others */

    if (head <= tail || head - tail > size
        || c->text.size >= NGX_PROF_TRACE_LIMIT
        || 2 * NGX_PROF_TRACE_PIECE + (size_t) c->text.size
           > ngx_prof_budget_left())
    {
        return 0;
    }

    len = ngx_min((size_t) (head - tail), NGX_PROF_TRACE_PIECE);
    room = sizeof(ngx_prof_raw_section_t)
           + sizeof(ngx_prof_raw_trace_chunk_t)
           + len + (-len & 7);

    p = ngx_prof_text_reserve(&c->text, room);
    if (p == NULL) {
        return 0;
    }

    section = (ngx_prof_raw_section_t *) p;
    section->type = NGX_PROF_RAW_TRACE_CHUNKS;
    section->count = 1;
    section->size = sizeof(ngx_prof_raw_trace_chunk_t) + len;

    chunk = (ngx_prof_raw_trace_chunk_t *) (section + 1);
    chunk->slot = (uint32_t) c->slot;
    chunk->reserved = 0;

    p = (u_char *) (chunk + 1);
    at = tail % size;
    part = ngx_min(len, size - at);

    p = ngx_cpymem(p, data + at, part);
    p = ngx_cpymem(p, data, len - part);
    ngx_memzero(p, -len & 7);

    ngx_prof_store_release(&ring->tail, tail + len);

    return len;
}


/*
 * Writes the rest of the rings, then the CPU samples of each slot, then the
 * header of the trace.
 */

static ngx_int_t
ngx_prof_trace_more(void *data, ngx_prof_rawfile_t *f)
{
    ngx_prof_trace_capture_t *c = data;

    ngx_prof_trace_ring_t  *ring;

    if (c->event.timer_set) {
        ngx_del_timer(&c->event);
        c->read = 0;
    }

    if (c->read < f->zone->slots) {

        if (ngx_prof_trace_read(c) == NGX_OK) {
            c->read = f->zone->slots;
            c->slot = 0;
            c->moment = 0;
        }

        return NGX_AGAIN;
    }

    if (c->slot < f->zone->slots) {
        ring = ngx_prof_trace_own(c, c->slot);

        if (ring
            && c->moment < NGX_PROF_TRACE_MOMENTS
            && c->moment < ngx_prof_load(&ring->moment_n))
        {
            ngx_prof_trace_moments(c, f, ring);
            return NGX_AGAIN;
        }

        if (ring) {
            ngx_prof_trace_discard(ring);
        }

        c->moment = 0;
        c->slot++;

        return NGX_AGAIN;
    }

    ngx_prof_trace_info(c, f);

    return f->text.failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_prof_trace_moments(ngx_prof_trace_capture_t *c, ngx_prof_rawfile_t *f,
    ngx_prof_trace_ring_t *ring)
{
    ngx_uint_t                   n;
    ngx_prof_raw_trace_sample_t  samples[
                                              NGX_PROF_TRACE_CHUNK];

    n = ngx_prof_trace_stacks(c, f, ring, samples);

    if (n) {
        ngx_prof_rawfile_put(f, NGX_PROF_RAW_TRACE_SAMPLES,
                        samples,
                        n * sizeof(ngx_prof_raw_trace_sample_t),
                        (uint32_t) n);
    }
}


/* the root of a stack is the pid of its process */

static ngx_uint_t
ngx_prof_trace_stacks(ngx_prof_trace_capture_t *c, ngx_prof_rawfile_t *f,
    ngx_prof_trace_ring_t *ring, ngx_prof_raw_trace_sample_t *samples)
{
    uint64_t                 pcs[NGX_PROF_FRAMES + 1];
    ngx_uint_t               n, depth, last;
    ngx_prof_slot_t         *slot;
    ngx_prof_stacks_t       *stacks;
    ngx_prof_trace_moment_t  m;

    slot = ngx_prof_zone_slot(f->zone, c->slot);
    stacks = ngx_prof_zone_stacks(f->zone, slot);

    last = ngx_min(c->moment + NGX_PROF_TRACE_CHUNK,
                   ngx_prof_load(&ring->moment_n));
    last = ngx_min(last, NGX_PROF_TRACE_MOMENTS);
    n = 0;

    for ( /* void */ ; c->moment < last; c->moment++) {
        m = ring->moment[c->moment];

        /* a moment of an earlier trace, whose entry is being overwritten */

        if (m.time < c->start) {
            continue;
        }

        depth = ngx_prof_stacks_frames(stacks, f->zone->stacks,
                                            m.node, pcs,
                                            NGX_PROF_FRAMES + 1);
        if (depth < 2) {
            continue;
        }

        samples[n].time = m.time;
        samples[n].slot = (uint32_t) c->slot;
        samples[n].goroutine = m.goroutine;
        samples[n].process = ngx_prof_rawfile_process(f,
                                     (ngx_pid_t) pcs[depth - 1],
                                     ngx_prof_load(&slot->worker));

        ngx_prof_rawfile_section(f, NGX_PROF_RAW_STACKS);
        samples[n].stack = ngx_prof_rawfile_stack(f, pcs, depth - 1, 0);
        ngx_prof_rawfile_close(f, 1);

        n++;
    }

    return n;
}


/* returns the pages; a worker that still writes gets fresh ones */

static void
ngx_prof_trace_discard(ngx_prof_trace_ring_t *ring)
{
    uintptr_t  from, to;

    from = ((uintptr_t) ngx_prof_trace_data(ring) + ngx_pagesize - 1)
           & ~(uintptr_t) (ngx_pagesize - 1);
    to = (uintptr_t) ring + ngx_prof_process.zone->ring;

    if (!ngx_prof_barred(NGX_PROF_BARRED_ADVICE)) {
        (void) madvise((void *) from, to - from, MADV_REMOVE);
    }
}


static void
ngx_prof_trace_info(ngx_prof_trace_capture_t *c, ngx_prof_rawfile_t *f)
{
    ngx_prof_raw_trace_t  info;

    ngx_memzero(&info, sizeof(ngx_prof_raw_trace_t));

    info.version = NGX_PROF_TRACE_VERSION;
    info.format = (uint32_t) c->options.format;
    info.start = c->start;
    info.end = ngx_prof_clock();
    info.places = f->places;
    info.nplaces = (f->upstreams - f->places) / 2;
    info.upstreams = f->upstreams;
    info.nupstreams = f->upstream_n;
    info.min = (uint64_t) c->options.min * NGX_PROF_NSEC_PER_MSEC;

    if (c->options.server.len) {
        info.server = ngx_prof_rawfile_one(f,
                                                   c->options.server.data,
                                                   c->options.server.len);
    }

    if (c->options.location.len) {
        info.location = ngx_prof_rawfile_one(f,
                                                   c->options.location.data,
                                                   c->options.location.len);
    }

    ngx_prof_rawfile_put(f, NGX_PROF_RAW_TRACE_INFO, &info, sizeof(info), 1);

    f->header->output = NGX_PROF_RAW_TRACE;

    if (c->text.first) {
        *f->text.last = c->text.first;
        f->text.last = c->text.last;
        f->text.buf = c->text.buf;
        f->text.size += c->text.size;
    }

    f->text.failed |= c->text.failed;
}


static void
ngx_prof_trace_done(void *data, ngx_int_t rc, ngx_prof_text_t *raw)
{
    ngx_prof_trace_capture_t *c = data;

    ngx_prof_trace_release(c);

    c->done(c->data, rc, raw);
}


static void
ngx_prof_trace_release(ngx_prof_trace_capture_t *c)
{
    if (c->event.timer_set) {
        ngx_del_timer(&c->event);
    }

    if (c->claimed) {
        c->claimed = 0;
        ngx_prof_claim_give(&ngx_prof_process.zone->header->trace.owner);
    }
}


static void
ngx_prof_trace_cleanup(void *data)
{
    ngx_prof_trace_release(data);
}
