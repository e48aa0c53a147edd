
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_dumps.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_job.h"
#include "ngx_prof_outside.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* ms between two checks of workers that were late once */
#define NGX_PROF_DUMPS_LOOK   20

/* bytes copied in one step */
#define NGX_PROF_DUMPS_CHUNK  65536


static ngx_int_t ngx_prof_dumps_ask(ngx_prof_dumps_t *g, ngx_pid_t worker,
    ngx_uint_t limit, ngx_msec_t age);
static ngx_uint_t ngx_prof_dumps_fresh(ngx_prof_worker_dump_t *w,
    uint64_t age);
static void ngx_prof_dumps_handler(ngx_event_t *ev);
static ngx_int_t ngx_prof_dumps_look(ngx_prof_dumps_t *g,
    ngx_prof_worker_dump_t *w);
static ngx_int_t ngx_prof_dumps_copy(ngx_prof_dumps_t *g,
    ngx_prof_worker_dump_t *w);
static void ngx_prof_dumps_late(ngx_prof_dumps_t *g,
    ngx_prof_worker_dump_t *w);
static ngx_int_t ngx_prof_dumps_native(ngx_prof_worker_dump_t *w);
static ngx_int_t ngx_prof_dumps_outside(ngx_prof_worker_dump_t *w);
static void ngx_prof_dumps_silent(ngx_prof_worker_dump_t *w, ngx_uint_t state);
static void ngx_prof_dumps_cleanup(void *data);


static ngx_queue_t  ngx_prof_dumps_waiting;


ngx_prof_dumps_t *
ngx_prof_dumps_request(ngx_pool_t *pool, ngx_log_t *log, ngx_pid_t worker,
    ngx_uint_t limit, ngx_msec_t age, ngx_prof_dumps_pt done, void *data)
{
    ngx_pool_cleanup_t  *cln;
    ngx_prof_dumps_t    *g;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_prof_dumps_t));
    if (cln == NULL) {
        return NULL;
    }

    g = cln->data;
    ngx_memzero(g, sizeof(ngx_prof_dumps_t));

    if (ngx_array_init(&g->workers, pool, 8,
                       sizeof(ngx_prof_worker_dump_t))
        != NGX_OK)
    {
        return NULL;
    }

    g->pool = pool;
    g->limit = limit;
    g->time = ngx_prof_time();
    g->start = ngx_prof_clock();
    g->done = done;
    g->data = data;

    ngx_prof_event_init(&g->event, &g->connection,
                        ngx_prof_dumps_handler, log);

    if (ngx_prof_dumps_waiting.next == NULL) {
        ngx_queue_init(&ngx_prof_dumps_waiting);
    }

    ngx_queue_insert_tail(&ngx_prof_dumps_waiting, &g->queue);
    cln->handler = ngx_prof_dumps_cleanup;

    if (ngx_prof_process.slot) {
        (void) __atomic_fetch_add(&ngx_prof_process.slot->awaiting,
                                  1, __ATOMIC_SEQ_CST);
    }

    if (ngx_prof_dumps_ask(g, worker, limit, age) != NGX_OK) {
        ngx_prof_dumps_cleanup(g);
        return NULL;
    }

    ngx_add_timer(&g->event, ngx_prof_process.slot
                             ? NGX_PROF_DUMPS_BEGIN
                             : NGX_PROF_DUMPS_LOOK);

    ngx_post_event(&g->event, &ngx_posted_next_events);

    return g;
}


static ngx_int_t
ngx_prof_dumps_ask(ngx_prof_dumps_t *g, ngx_pid_t worker, ngx_uint_t limit,
    ngx_msec_t age)
{
    ngx_pid_t                pid;
    ngx_uint_t               i;
    ngx_prof_slot_t         *slot;
    ngx_prof_zone_t         *zone;
    ngx_prof_worker_dump_t  *w;

    zone = ngx_prof_process.zone;

    if (zone->dump == 0) {
        return NGX_DECLINED;
    }

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->claims) == 0) {
            continue;
        }

        pid = ngx_prof_slot_pid(slot);

        if (pid == 0
            || (worker && pid != worker)
            || !ngx_prof_slot_alive(slot))
        {
            continue;
        }

        w = ngx_array_push(&g->workers);
        if (w == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(w, sizeof(ngx_prof_worker_dump_t));

        w->slot = slot;
        w->area = ngx_prof_zone_dump(zone, i);
        w->pid = pid;
        w->worker = ngx_prof_load(&slot->worker);
        w->generation = ngx_prof_load(&slot->generation);
        w->copy = NGX_DECLINED;

        if (age && ngx_prof_dumps_fresh(w, age * NGX_PROF_NSEC_PER_MSEC)) {
            continue;
        }

        w->asked = ngx_prof_dump_ask(w->area, limit);

        (void) ngx_prof_wake(slot);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_prof_dumps_fresh(ngx_prof_worker_dump_t *w, uint64_t age)
{
    return ngx_prof_dump_find(w->area, 0, w->pid, &w->head)
           != NGX_DECLINED
           && w->head.clock + age > ngx_prof_clock();
}


void
ngx_prof_dumps_check(void)
{
    ngx_queue_t       *q;
    ngx_prof_dumps_t  *g;

    if (ngx_prof_dumps_waiting.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_prof_dumps_waiting);
         q != ngx_queue_sentinel(&ngx_prof_dumps_waiting);
         q = ngx_queue_next(q))
    {
        g = ngx_queue_data(q, ngx_prof_dumps_t, queue);

        if (!g->event.posted) {
            ngx_post_event(&g->event, &ngx_posted_next_events);
        }
    }
}


static void
ngx_prof_dumps_handler(ngx_event_t *ev)
{
    uint64_t                 end;
    ngx_int_t                rc;
    ngx_uint_t               waiting;
    ngx_prof_dumps_t        *g;
    ngx_prof_worker_dump_t  *w;

    g = (ngx_prof_dumps_t *)
            ((u_char *) ev - offsetof(ngx_prof_dumps_t, event));

    ev->timedout = 0;

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    end = ngx_prof_clock() + NGX_PROF_SLICE;
    waiting = 0;
    w = g->workers.elts;

    for ( /* void */ ; g->next < g->workers.nelts; g->next++) {

        do {
            rc = ngx_prof_dumps_look(g, &w[g->next]);

            if (rc == NGX_AGAIN && ngx_prof_clock() >= end) {
                ngx_post_event(ev, &ngx_posted_next_events);
                return;
            }

        } while (rc == NGX_AGAIN);
    }

    g->next = 0;

    for (rc = 0; rc < (ngx_int_t) g->workers.nelts; rc++) {
        waiting |= (w[rc].state == NGX_PROF_DUMPS_WAITING);
    }

    if (waiting) {

        if (!ev->timer_set) {
            ngx_add_timer(ev, NGX_PROF_DUMPS_LOOK);
        }

        return;
    }

    ngx_prof_dumps_cleanup(g);

    g->done(g->data);
}


/* NGX_AGAIN: more can be done now; NGX_OK: go on to the next worker */

static ngx_int_t
ngx_prof_dumps_look(ngx_prof_dumps_t *g, ngx_prof_worker_dump_t *w)
{
    size_t  groups;

    if (w->state != NGX_PROF_DUMPS_WAITING) {
        return NGX_OK;
    }

    if (w->copy != NGX_DECLINED) {
        return ngx_prof_dumps_copy(g, w);
    }

    w->copy = ngx_prof_dump_find(w->area, w->asked, w->pid, &w->head);

    if (w->copy == NGX_DECLINED) {
        ngx_prof_dumps_late(g, w);
        return NGX_OK;
    }

    w->copied = 0;

    if (!ngx_prof_dump_fits(&w->head, ngx_prof_process.zone->dump)) {
        ngx_prof_dumps_silent(w, NGX_PROF_DUMPS_SILENT);
        return NGX_OK;
    }

    if (g->limit == 0) {

        /* the details were asked for by others */

        w->head.used = 0;
        w->head.details = 0;
    }

    groups = w->head.groups * sizeof(ngx_prof_dump_group_t);

    w->groups = ngx_palloc(g->pool, groups + w->head.used + 1);

    if (w->groups == NULL) {
        ngx_prof_dumps_silent(w, NGX_PROF_DUMPS_SILENT);
        return NGX_OK;
    }

    w->details = (u_char *) w->groups + groups;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_dumps_copy(ngx_prof_dumps_t *g, ngx_prof_worker_dump_t *w)
{
    size_t         size, len, groups;
    const u_char  *from;

    size = ngx_prof_process.zone->dump;
    groups = w->head.groups * sizeof(ngx_prof_dump_group_t);

    if (w->copied < groups) {
        from = (u_char *) ngx_prof_dump_group(w->area, size, w->copy)
               + w->copied;
        len = groups - w->copied;

    } else {
        from = ngx_prof_dump_details(w->area, size, w->copy)
               + (w->copied - groups);
        len = groups + w->head.used - w->copied;
    }

    len = ngx_min(len, NGX_PROF_DUMPS_CHUNK);

    ngx_prof_copy_words((u_char *) w->groups + w->copied, from, len);
    w->copied += len;

    if (!ngx_prof_dump_same(w->area, w->copy, w->head.seq)) {

        /* there is a newer dump */

        w->copy = NGX_DECLINED;
        return NGX_AGAIN;
    }

    if (w->copied < groups + w->head.used) {
        return NGX_AGAIN;
    }

    ngx_prof_dump_mend(w->groups, w->head.groups);

    w->state = NGX_PROF_DUMPS_ANSWERED;

    return NGX_OK;
}


static void
ngx_prof_dumps_late(ngx_prof_dumps_t *g, ngx_prof_worker_dump_t *w)
{
    uint64_t  ms, limit;

    limit = NGX_PROF_DUMPS_SIGNAL;
    ms = (ngx_prof_clock() - g->start) / NGX_PROF_NSEC_PER_MSEC;

    if (ms < NGX_PROF_DUMPS_BEGIN) {
        return;
    }

    if (!ngx_prof_slot_alive(w->slot) || ngx_prof_slot_pid(w->slot) != w->pid)
    {
        w->state = NGX_PROF_DUMPS_GONE;
        return;
    }

    if (ngx_prof_load_acquire(&w->area->begun) >= w->asked) {

        if (ms >= NGX_PROF_DUMPS_END) {
            ngx_prof_dumps_silent(w, NGX_PROF_DUMPS_SILENT);
        }

        return;
    }

    if (w->signalled == 0) {
        w->signalled = __atomic_add_fetch(&w->area->signalled, 1,
                                          __ATOMIC_SEQ_CST);
        return;
    }

    if (ngx_prof_slot_waiting(w->slot)) {

        /*
         * the worker is waiting for events: it will answer if it can be woken
         */

        limit = NGX_PROF_DUMPS_TURN;

    } else if (ngx_prof_dumps_native(w) != NGX_OK) {
        (void) ngx_prof_dumps_outside(w);
    }

    if (w->state == NGX_PROF_DUMPS_WAITING && ms >= limit) {
        ngx_prof_dumps_silent(w, NGX_PROF_DUMPS_SILENT);
    }
}


/* it burns CPU time, and has left its stack at a tick */

static ngx_int_t
ngx_prof_dumps_native(ngx_prof_worker_dump_t *w)
{
    ngx_prof_dump_native_t  *native;

    native = &w->native;

    if (ngx_prof_record_read(&w->area->native.seq, &native->number,
                             &w->area->native.number,
                             NGX_PROF_DUMP_NATIVE_BODY)
        != NGX_OK
        || native->number < w->signalled
        || native->pid != (uint64_t) w->pid
        || native->since == 0)
    {
        return NGX_DECLINED;
    }

    w->since = ngx_prof_clock() - native->since;

    ngx_prof_dumps_silent(w, NGX_PROF_DUMPS_STUCK);

    return NGX_OK;
}


/* it sleeps */

static ngx_int_t
ngx_prof_dumps_outside(ngx_prof_worker_dump_t *w)
{
    ngx_prof_outside_t       o;
    ngx_prof_dump_native_t  *native;

    if (ngx_prof_outside(w->slot, &o) != NGX_OK) {
        return NGX_DECLINED;
    }

    native = &w->native;

    native->since = o.pass;
    native->label = o.label;
    native->depth = ngx_min(o.n, NGX_PROF_DUMP_NATIVE);
    ngx_memcpy(native->stack, o.pcs, native->depth * sizeof(uint64_t));

    /* the innermost one is an exact address */

    if (native->stack[0] > NGX_PROF_FRAME_RESERVED) {
        native->stack[0]--;
    }

    w->since = ngx_prof_clock() - native->since;

    ngx_prof_dumps_silent(w, NGX_PROF_DUMPS_STUCK);

    return NGX_OK;
}


static void
ngx_prof_dumps_silent(ngx_prof_worker_dump_t *w, ngx_uint_t state)
{
    ngx_prof_gauges_t  gauges;

    w->state = state;

    if (ngx_prof_record_read(&w->slot->gauges_seq, &gauges,
                             &w->slot->gauges,
                             sizeof(ngx_prof_gauges_t))
        == NGX_OK)
    {
        w->connections = gauges.connections;
    }
}


uint64_t
ngx_prof_dumps_count(const ngx_prof_worker_dump_t *w)
{
    switch (w->state) {

    case NGX_PROF_DUMPS_ANSWERED:
        return w->head.count;

    case NGX_PROF_DUMPS_STUCK:

        /* the connection it is stuck in may be younger than its latest tick */

        return ngx_max(w->connections, 1);

    case NGX_PROF_DUMPS_SILENT:
        return w->connections;
    }

    return 0;
}


/* called when all is done, or the client has gone */

static void
ngx_prof_dumps_cleanup(void *data)
{
    ngx_prof_dumps_t *g = data;

    if (g->queue.next == NULL) {
        return;
    }

    ngx_queue_remove(&g->queue);
    g->queue.next = NULL;

    ngx_prof_event_stop(&g->event);

    if (ngx_prof_process.slot) {
        (void) __atomic_fetch_sub(&ngx_prof_process.slot->awaiting,
                                  1, __ATOMIC_SEQ_CST);
    }
}
