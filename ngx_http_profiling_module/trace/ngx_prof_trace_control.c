
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include "ngx_prof_trace_control.h"
#include "ngx_prof_allocator.h"
#include "ngx_prof_base.h"
#include "ngx_prof_context.h"
#include "ngx_prof_poll.h"
#include "ngx_prof_record.h"
#include "ngx_prof_trace_pass.h"
#include "ngx_prof_trace_request.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_trace.h"


/*
 * ns between two readings of the heap at least, and the largest share of that
 * time that they may take
 */
#define NGX_PROF_TRACE_HEAP_GAP    100000000
#define NGX_PROF_TRACE_HEAP_SHARE  500


static uint64_t ngx_prof_trace_until(uint64_t now);
static void ngx_prof_trace_start(uint64_t now, uint64_t until);
static void ngx_prof_trace_heap(uint64_t now);


static ngx_prof_poll_t  ngx_prof_polled;
static ngx_int_t      (*ngx_prof_trace_heap_size)(ngx_prof_heap_t *heap,
    uint64_t bound);


/* when the trace that this worker is to record ends, 0: there is none */

static uint64_t
ngx_prof_trace_until(uint64_t now)
{
    uint64_t                  owner, until, worker, capture;
    ngx_prof_zone_t          *zone;
    ngx_prof_capture_slot_t  *claim;

    zone = ngx_prof_process.zone;

    owner = ngx_prof_load_acquire(&zone->header->trace.owner);
    capture = ngx_prof_load(&zone->header->trace.capture);

    if (owner == 0
        || capture >= NGX_PROF_CAPTURES)
    {
        return 0;
    }

    claim = &zone->header->capture[capture];

    if (ngx_prof_load_acquire(&claim->owner) != owner) {
        return 0;
    }

    until = ngx_prof_load(&claim->until);
    worker = ngx_prof_load(&claim->worker);

    return (until > now
            && (worker == 0
                || worker == ngx_prof_process.slot->owner))
           ? until : 0;
}


void
ngx_prof_trace_update(void)
{
    uint64_t              now, until;
    ngx_prof_recorder_t  *r;

    if (ngx_prof_process.slot == NULL) {
        return;
    }

    r = &ngx_prof_recorder;

    now = ngx_prof_clock();
    until = ngx_prof_trace_until(now);

    if (ngx_prof_tracing.on
        && (until == 0
            || r->seq != ngx_prof_load(
                             &ngx_prof_process.zone->header->trace.seq)))
    {
        ngx_prof_trace_stop();
    }

    if (until && !ngx_prof_tracing.on) {
        ngx_prof_trace_start(now, until);
    }
}


/*
 * A slot's new owner continues behind what the last owner wrote in the same
 * trace.
 */

static void
ngx_prof_trace_start(uint64_t now, uint64_t until)
{
    uint64_t                args[2];
    ngx_uint_t              i;
    ngx_prof_zone_t        *zone;
    ngx_prof_recorder_t    *r;
    ngx_prof_trace_ring_t  *ring;

    zone = ngx_prof_process.zone;
    r = &ngx_prof_recorder;

    i = ngx_prof_zone_slot_index(zone, ngx_prof_process.slot);
    ring = ngx_prof_trace_ring(zone, i);

    if (ring == NULL) {
        return;
    }

    r->ring = ring;
    r->data = ngx_prof_trace_data(ring);
    r->size = ngx_prof_trace_size(zone);
    r->seq = ngx_prof_load(&zone->header->trace.seq);
    r->until = until;
    r->head = ring->head;
    r->at = r->head % r->size;
    r->stop = 0;
    r->lost = 0;
    r->heap = 0;

    if (ngx_prof_trace_requests_start() != NGX_OK) {
        return;
    }

    if (ring->seq != r->seq) {
        ngx_prof_store(&ring->lost, 0);
        ngx_prof_store(&ring->moment_n, 0);
        ngx_prof_store(&ring->start, r->head);
        ngx_prof_store(&ring->tail, r->head);
        ngx_prof_store_release(&ring->seq, r->seq);
    }

    r->tail = ngx_prof_load_acquire(&ring->tail);
    r->time = 0;

    args[0] = (uint64_t) ngx_pid;
    args[1] = ngx_worker;

    if (ngx_prof_trace_put(NGX_PROF_TRACE_START, now, 2, args) != NGX_OK) {
        ngx_prof_trace_requests_stop();
        return;
    }

    ngx_prof_trace_requests_existing(now);

    ngx_prof_tracing.goroutine = 0;
    ngx_prof_tracing.on = 1;
    ngx_prof_tracing.polls = 1;
    ngx_prof_dispatch_divert(NGX_PROF_DIVERT_TRACE, 1);
}


void
ngx_prof_trace_stop(void)
{
    if (!ngx_prof_tracing.on) {
        return;
    }

    ngx_prof_tracing.on = 0;
    ngx_prof_tracing.goroutine = 0;
    ngx_prof_trace_requests_stop();
}


/*
 * During a trace the loop gets one event at a time: each pass then belongs to
 * one connection, and its time is exact.  The kernel is asked for several
 * events at once, since a call takes a good part of a short request.  Events
 * that are left when the trace ends are passed on before the kernel is asked
 * again.
 */

int
ngx_prof_trace_poll(uint64_t now, int ep, struct epoll_event *events, int n,
    int timeout, int (*wait)(int, struct epoll_event *, int, int))
{
    int               rc;
    ngx_prof_poll_t  *p;

    p = &ngx_prof_polled;

    if (ngx_prof_tracing.on) {
        ngx_prof_trace_requests_wait(now);

        if (now >= ngx_prof_recorder.until) {
            ngx_prof_trace_stop();
        }
    }

    ngx_prof_tracing.asked = 0;

    for ( ;; ) {
        rc = ngx_prof_poll_next(p, events, ngx_prof_tracing.on ? 1 : n);
        if (rc > 0) {
            return rc;
        }

        ngx_prof_tracing.asked = 1;

        if (!ngx_prof_tracing.on) {
            ngx_prof_tracing.polls = 0;
            ngx_prof_dispatch_divert(NGX_PROF_DIVERT_TRACE, 0);
            return wait(ep, events, n, timeout);
        }

        rc = ngx_prof_poll_ask(p, ep, timeout, wait);

        if (rc <= 0) {
            return rc;
        }
    }
}


void
ngx_prof_trace_pass(uint64_t now, const struct epoll_event *event, int n)
{
    if (now >= ngx_prof_recorder.until) {
        ngx_prof_trace_stop();
        return;
    }

    ngx_prof_trace_requests_pass(now, event, n);

    if (now >= ngx_prof_recorder.heap) {
        ngx_prof_trace_heap(now);
    }
}


void
ngx_prof_trace_heap_by(ngx_int_t (*size)(ngx_prof_heap_t *heap,
    uint64_t bound))
{
    ngx_prof_trace_heap_size = size;
}


static void
ngx_prof_trace_heap(uint64_t now)
{
    uint64_t         took;
    ngx_prof_heap_t  heap;

    if (ngx_prof_trace_heap_size
        && ngx_prof_trace_heap_size(&heap, NGX_PROF_HEAP_BOUND) == NGX_OK)
    {
        (void) ngx_prof_trace_put(NGX_PROF_TRACE_HEAP, now, 1, &heap.alloc);
    }

    took = ngx_prof_clock() - now;

    ngx_prof_recorder.heap = now
              + ngx_max(took * NGX_PROF_TRACE_HEAP_SHARE,
                        NGX_PROF_TRACE_HEAP_GAP);
}
