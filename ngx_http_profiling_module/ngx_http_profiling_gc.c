
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_gc.h"
#include "ngx_http_profiling_alive.h"
#include "ngx_http_profiling_allocator.h"
#include "ngx_http_profiling_base.h"
#include "ngx_http_profiling_event.h"
#include "ngx_http_profiling_loop.h"
#include "ngx_http_profiling_record.h"
#include "ngx_http_profiling_system.h"
#include "ngx_http_profiling_text.h"
#include "ngx_http_profiling_wake.h"
#include "ngx_http_profiling_work.h"
#include "ngx_http_profiling_worker.h"
#include "ngx_http_profiling_zone.h"


/* a request that waits for answers */

typedef struct {
    ngx_queue_t                 queue;
    ngx_http_request_t         *request;
    ngx_event_t                 timer;
    ngx_connection_t            connection;
    uint64_t                    start;          /* ns, monotonic */
    ngx_array_t                 workers;
                                          /* ngx_http_profiling_gc_worker_t */
} ngx_http_profiling_gc_t;


static ngx_http_profiling_gc_t *ngx_http_profiling_gc_create(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_profiling_gc_ask(ngx_http_profiling_gc_t *gc,
    ngx_pid_t worker);
static void ngx_http_profiling_gc_read(ngx_http_profiling_trim_heap_t *heap);
static ngx_uint_t ngx_http_profiling_gc_complete(ngx_http_profiling_gc_t *gc);
static void ngx_http_profiling_gc_timeout(ngx_event_t *ev);
static void ngx_http_profiling_gc_finish(ngx_http_profiling_gc_t *gc);
static ngx_int_t ngx_http_profiling_gc_send(ngx_http_profiling_gc_t *gc);
static void ngx_http_profiling_gc_cleanup(void *data);


static ngx_queue_t  ngx_http_profiling_gc_waiting;


ngx_int_t
ngx_http_profiling_gc_reserve(void)
{
    uint64_t                    last, now;
    ngx_http_profiling_zone_t  *zone;

    zone = ngx_http_profiling_process.zone;
    last = ngx_http_profiling_load(&zone->trim_clock);
    now = ngx_http_profiling_clock();

    if ((last && now < last + NGX_HTTP_PROFILING_GC_INTERVAL * 1000000)
        || !__atomic_compare_exchange_n(&zone->trim_clock, &last, now, 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    {
        return NGX_BUSY;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_profiling_gc_request(ngx_http_request_t *r, ngx_pid_t worker)
{
    ngx_http_profiling_gc_t  *gc;

    gc = ngx_http_profiling_gc_create(r);

    if (gc == NULL || ngx_http_profiling_gc_ask(gc, worker) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (gc->workers.nelts == 0) {
        return NGX_HTTP_NOT_FOUND;
    }

    ngx_add_timer(&gc->timer, NGX_HTTP_PROFILING_GC_DEADLINE);

    ngx_http_profiling_answer_later(r);

    return NGX_DONE;
}


static ngx_http_profiling_gc_t *
ngx_http_profiling_gc_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_profiling_gc_t  *gc;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_profiling_gc_t));
    if (cln == NULL) {
        return NULL;
    }

    gc = cln->data;
    ngx_memzero(gc, sizeof(ngx_http_profiling_gc_t));

    if (ngx_array_init(&gc->workers, r->pool, 8,
                       sizeof(ngx_http_profiling_gc_worker_t))
        != NGX_OK)
    {
        return NULL;
    }

    gc->request = r;
    gc->start = ngx_http_profiling_clock();

    ngx_http_profiling_event_init(&gc->timer, &gc->connection,
                                  ngx_http_profiling_gc_timeout,
                                  r->connection->log);

    if (ngx_http_profiling_gc_waiting.next == NULL) {
        ngx_queue_init(&ngx_http_profiling_gc_waiting);
    }

    ngx_queue_insert_tail(&ngx_http_profiling_gc_waiting, &gc->queue);
    cln->handler = ngx_http_profiling_gc_cleanup;

    (void) __atomic_fetch_add(&ngx_http_profiling_process.slot->awaiting, 1,
                              __ATOMIC_SEQ_CST);

    return gc;
}


static ngx_int_t
ngx_http_profiling_gc_ask(ngx_http_profiling_gc_t *gc, ngx_pid_t worker)
{
    ngx_pid_t                        pid;
    ngx_uint_t                       i;
    ngx_http_profiling_slot_t       *slot;
    ngx_http_profiling_zone_t       *zone;
    ngx_http_profiling_gc_worker_t  *w;

    zone = ngx_http_profiling_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_http_profiling_zone_slot(zone, i);

        pid = ngx_http_profiling_slot_worker(slot, worker);

        if (pid == 0) {
            continue;
        }

        w = ngx_array_push(&gc->workers);
        if (w == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(w, sizeof(ngx_http_profiling_gc_worker_t));

        w->slot = slot;
        w->pid = pid;
        w->asked = __atomic_add_fetch(&slot->trim.asked, 1, __ATOMIC_SEQ_CST);

        /* itself too: the answer comes by the same way, in a later pass */

        w->reached = (ngx_http_profiling_wake(slot) == NGX_OK);
    }

    return NGX_OK;
}


void
ngx_http_profiling_gc_answer(void)
{
    uint64_t                    start;
    ngx_http_profiling_slot_t  *slot;
    ngx_http_profiling_trim_t   trim;

    slot = ngx_http_profiling_process.slot;

    ngx_memzero(&trim, sizeof(ngx_http_profiling_trim_t));
    trim.done = ngx_http_profiling_load_acquire(&slot->trim.asked);

    if (trim.done == slot->trim.done) {
        return;
    }

    start = ngx_http_profiling_clock();

    ngx_http_profiling_gc_read(&trim.before);

    trim.trimmed = (ngx_http_profiling_allocator_trim() == NGX_OK);

    ngx_http_profiling_gc_read(&trim.after);

    trim.pid = ngx_pid;
    trim.duration = ngx_http_profiling_clock() - start;

    ngx_http_profiling_add(&slot->totals.trims, 1);
    ngx_http_profiling_loop_pause(trim.duration,
                                  NGX_HTTP_PROFILING_CAUSE_TRIM);

    ngx_http_profiling_record_write(&slot->trim.seq, &slot->trim.done,
                                    &trim.done,
                                    NGX_HTTP_PROFILING_TRIM_BODY);

    ngx_http_profiling_wake_awaiting();
}


static void
ngx_http_profiling_gc_read(ngx_http_profiling_trim_heap_t *heap)
{
    ngx_http_profiling_heap_t  h;

    if (ngx_http_profiling_allocator_read(&h) == NGX_OK) {
        heap->alloc = h.alloc;
        heap->sys = h.sys;
        heap->resident = h.resident;
    }

    heap->anonymous = ngx_http_profiling_system_anonymous();
}


void
ngx_http_profiling_gc_check(void)
{
    ngx_queue_t              *q;
    ngx_http_profiling_gc_t  *gc;

    q = ngx_http_profiling_gc_waiting.next;

    if (q == NULL) {
        return;
    }

    while (q != &ngx_http_profiling_gc_waiting) {
        gc = ngx_queue_data(q, ngx_http_profiling_gc_t, queue);

        if (ngx_http_profiling_gc_complete(gc)) {
            ngx_http_profiling_gc_finish(gc);

            /* it may have taken others of its connection along */

            q = ngx_http_profiling_gc_waiting.next;
            continue;
        }

        q = q->next;
    }
}


/* whether all that can answer have; a worker that ended never will */

static ngx_uint_t
ngx_http_profiling_gc_complete(ngx_http_profiling_gc_t *gc)
{
    ngx_uint_t                       i, complete;
    ngx_http_profiling_gc_worker_t  *w;

    complete = 1;
    w = gc->workers.elts;

    for (i = 0; i < gc->workers.nelts; i++) {

        if (w[i].answered || !w[i].reached) {
            continue;
        }

        if (ngx_http_profiling_record_read(&w[i].slot->trim.seq,
                                           &w[i].trim.done,
                                           &w[i].slot->trim.done,
                                           NGX_HTTP_PROFILING_TRIM_BODY)
            == NGX_OK
            && w[i].trim.done >= w[i].asked
            && w[i].trim.pid == (uint64_t) w[i].pid)
        {
            w[i].answered = 1;
            continue;
        }

        complete = 0;
    }

    return complete;
}


static void
ngx_http_profiling_gc_timeout(ngx_event_t *ev)
{
    ngx_http_profiling_gc_t  *gc;

    gc = (ngx_http_profiling_gc_t *)
             ((u_char *) ev - offsetof(ngx_http_profiling_gc_t, timer));

    (void) ngx_http_profiling_gc_complete(gc);
    ngx_http_profiling_gc_finish(gc);
}


static void
ngx_http_profiling_gc_finish(ngx_http_profiling_gc_t *gc)
{
    ngx_http_request_t  *r;

    r = gc->request;

    ngx_http_profiling_gc_cleanup(gc);

    ngx_http_profiling_answer(r, ngx_http_profiling_gc_send(gc));
}


static ngx_int_t
ngx_http_profiling_gc_send(ngx_http_profiling_gc_t *gc)
{
    ngx_str_t                   type;
    ngx_http_profiling_json_t   j;

    ngx_memzero(&j, sizeof(ngx_http_profiling_json_t));
    ngx_http_profiling_text_init(&j.text, gc->request->pool);

    ngx_http_profiling_gc_view(&j, &gc->workers,
                               ngx_http_profiling_clock() - gc->start);

    ngx_str_set(&type, "application/json; charset=utf-8");

    return ngx_http_profiling_send(gc->request, NGX_HTTP_OK, &type, &j.text);
}


/* also when the client goes away */

static void
ngx_http_profiling_gc_cleanup(void *data)
{
    ngx_http_profiling_gc_t *gc = data;

    if (gc->queue.next == NULL) {
        return;
    }

    ngx_queue_remove(&gc->queue);
    gc->queue.next = NULL;

    if (gc->timer.timer_set) {
        ngx_del_timer(&gc->timer);
    }

    if (ngx_http_profiling_process.slot) {
        (void) __atomic_fetch_sub(&ngx_http_profiling_process.slot->awaiting,
                                  1, __ATOMIC_SEQ_CST);
    }
}
