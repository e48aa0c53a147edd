
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_gc.h"
#include "ngx_http_profiling_allocator.h"
#include "ngx_http_profiling_loop.h"
#include "ngx_http_profiling_system.h"
#include "ngx_http_profiling_wake.h"
#include "ngx_http_profiling_work.h"


/* a worker that was asked */

typedef struct {
    ngx_http_profiling_slot_t  *slot;
    ngx_pid_t                   pid;
    uint64_t                    asked;
    ngx_uint_t                  answered;
    ngx_http_profiling_trim_t   trim;
} ngx_http_profiling_gc_worker_t;


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
static uint64_t ngx_http_profiling_gc_resident(void);
static ngx_uint_t ngx_http_profiling_gc_complete(ngx_http_profiling_gc_t *gc);
static void ngx_http_profiling_gc_timeout(ngx_event_t *ev);
static void ngx_http_profiling_gc_finish(ngx_http_profiling_gc_t *gc);
static ngx_int_t ngx_http_profiling_gc_send(ngx_http_profiling_gc_t *gc);
static uint64_t ngx_http_profiling_gc_pauses(void);
static void ngx_http_profiling_gc_megabytes(ngx_http_profiling_json_t *j,
    const char *key, uint64_t bytes, uint64_t known);
static void ngx_http_profiling_gc_print(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_gc_worker_t *w);
static void ngx_http_profiling_gc_cleanup(void *data);


static ngx_queue_t  ngx_http_profiling_gc_waiting;


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

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
    r->main->count++;

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
    gc->connection.fd = (ngx_socket_t) -1;
    gc->timer.handler = ngx_http_profiling_gc_timeout;
    gc->timer.data = &gc->connection;
    gc->timer.log = r->connection->log;

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

        if (ngx_http_profiling_load(&slot->claims) == 0) {
            continue;
        }

        pid = ngx_http_profiling_slot_pid(slot);

        if (pid == 0
            || (worker && pid != worker)
            || !ngx_http_profiling_slot_alive(slot))
        {
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

        (void) ngx_http_profiling_wake(slot);
    }

    return NGX_OK;
}


void
ngx_http_profiling_gc_answer(void)
{
    uint64_t                    start;
    ngx_http_profiling_slot_t  *slot;
    ngx_http_profiling_heap_t   heap;
    ngx_http_profiling_trim_t   trim;

    slot = ngx_http_profiling_process.slot;

    ngx_memzero(&trim, sizeof(ngx_http_profiling_trim_t));
    trim.done = ngx_http_profiling_load_acquire(&slot->trim.asked);

    if (trim.done == slot->trim.done) {
        return;
    }

    start = ngx_http_profiling_clock();

    trim.before = ngx_http_profiling_gc_resident();

    (void) ngx_http_profiling_allocator_trim();

    trim.after = ngx_http_profiling_gc_resident();

    if (ngx_http_profiling_allocator_read(&heap) == NGX_OK) {
        trim.alloc = heap.alloc;
        trim.sys = heap.sys;
    }

    trim.duration = ngx_http_profiling_clock() - start;

    ngx_http_profiling_add(&slot->totals.trims, 1);
    ngx_http_profiling_loop_pause(trim.duration,
                                  NGX_HTTP_PROFILING_CAUSE_TRIM);

    ngx_http_profiling_record_write(&slot->trim.seq, &slot->trim.done,
                                    &trim.done,
                                    NGX_HTTP_PROFILING_TRIM_BODY);

    ngx_http_profiling_wake_awaiting();
}


/*
 * What a trim gives back is seen in the resident memory only: pages that are
 * free between others stay part of the allocator's arenas.
 */

static uint64_t
ngx_http_profiling_gc_resident(void)
{
    ngx_http_profiling_gauges_t  g;

    ngx_memzero(&g, sizeof(ngx_http_profiling_gauges_t));
    ngx_http_profiling_system_memory(&g);

    return g.anonymous;
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


/* whether all that were asked have answered; a worker that ended never will */

static ngx_uint_t
ngx_http_profiling_gc_complete(ngx_http_profiling_gc_t *gc)
{
    ngx_uint_t                       i, complete;
    ngx_http_profiling_gc_worker_t  *w;

    complete = 1;
    w = gc->workers.elts;

    for (i = 0; i < gc->workers.nelts; i++) {

        if (w[i].answered) {
            continue;
        }

        if (ngx_http_profiling_record_read(&w[i].slot->trim.seq,
                                           &w[i].trim.done,
                                           &w[i].slot->trim.done,
                                           NGX_HTTP_PROFILING_TRIM_BODY)
            == NGX_OK
            && w[i].trim.done >= w[i].asked)
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
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = gc->request;
    c = r->connection;

    ngx_http_profiling_gc_cleanup(gc);

    ngx_http_finalize_request(r, ngx_http_profiling_gc_send(gc));
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_profiling_gc_send(ngx_http_profiling_gc_t *gc)
{
    ngx_str_t                        type;
    ngx_uint_t                       i, answered;
    ngx_http_profiling_json_t        j;
    ngx_http_profiling_trim_t        sum;
    ngx_http_profiling_gc_worker_t  *w;

    ngx_memzero(&j, sizeof(ngx_http_profiling_json_t));
    ngx_memzero(&sum, sizeof(ngx_http_profiling_trim_t));
    ngx_http_profiling_text_init(&j.text, gc->request->pool);

    answered = 0;
    w = gc->workers.elts;

    for (i = 0; i < gc->workers.nelts; i++) {

        if (w[i].answered) {
            answered++;
            sum.alloc += w[i].trim.alloc;
            sum.before += w[i].trim.before;
            sum.after += w[i].trim.after;
        }
    }

    ngx_http_profiling_json_open(&j, NULL, '{');
    ngx_http_profiling_json_bool(&j, "success",
                                 answered == gc->workers.nelts);
    ngx_http_profiling_json_double(&j, "gc_duration_ms",
                         (double) (ngx_http_profiling_clock() - gc->start)
                         / 1e6);
    ngx_http_profiling_json_uint(&j, "num_gc",
                                 ngx_http_profiling_gc_pauses());
    ngx_http_profiling_gc_megabytes(&j, "heap_alloc_mb", sum.alloc, sum.alloc);
    ngx_http_profiling_gc_megabytes(&j, "heap_freed_mb",
                                    sum.before - ngx_min(sum.before,
                                                         sum.after),
                                    sum.before);
    ngx_http_profiling_json_open(&j, "workers", '[');

    for (i = 0; i < gc->workers.nelts; i++) {
        ngx_http_profiling_gc_print(&j, &w[i]);
    }

    ngx_http_profiling_json_close(&j, ']');
    ngx_http_profiling_json_close(&j, '}');

    ngx_str_set(&type, "application/json; charset=utf-8");

    return ngx_http_profiling_send(gc->request, NGX_HTTP_OK, &type, &j.text);
}


/* of all workers, ended ones included */

static uint64_t
ngx_http_profiling_gc_pauses(void)
{
    uint64_t                    n;
    ngx_uint_t                  i;
    ngx_http_profiling_slot_t  *slot;
    ngx_http_profiling_zone_t  *zone;

    n = 0;
    zone = ngx_http_profiling_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_http_profiling_zone_slot(zone, i);

        if (ngx_http_profiling_load(&slot->claims)) {
            n += ngx_http_profiling_load(&slot->totals.pauses);
        }
    }

    return n;
}


/* null if `known` is 0: the figure could not be had */

static void
ngx_http_profiling_gc_megabytes(ngx_http_profiling_json_t *j,
    const char *key, uint64_t bytes, uint64_t known)
{
    if (known == 0) {
        ngx_http_profiling_json_null(j, key);
        return;
    }

    ngx_http_profiling_json_double(j, key, (double) bytes / 1048576);
}


static void
ngx_http_profiling_gc_print(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_gc_worker_t *w)
{
    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_json_int(j, "pid", w->pid);
    ngx_http_profiling_json_bool(j, "success", w->answered);

    if (w->answered) {
        ngx_http_profiling_json_double(j, "duration_ms",
                                       (double) w->trim.duration / 1e6);
        ngx_http_profiling_gc_megabytes(j, "heap_alloc_mb", w->trim.alloc,
                                        w->trim.alloc);
        ngx_http_profiling_gc_megabytes(j, "heap_sys_mb", w->trim.sys,
                                        w->trim.sys);
        ngx_http_profiling_gc_megabytes(j, "heap_freed_mb",
                                        w->trim.before
                                        - ngx_min(w->trim.before,
                                                  w->trim.after),
                                        w->trim.before);

    } else {
        ngx_http_profiling_json_cstring(j, "error",
                                        "the worker did not answer in time");
    }

    ngx_http_profiling_json_close(j, '}');
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
