
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_dumps.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_outside.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* bytes that are copied in one step */
#define NGX_PROF_DUMPS_CHUNK  65536


static ngx_int_t ngx_prof_dumps_ask(ngx_prof_ask_t *a, ngx_prof_asked_t *to);
static ngx_int_t ngx_prof_dumps_look(ngx_prof_ask_t *a, ngx_prof_asked_t *to);
static ngx_int_t ngx_prof_dumps_part(ngx_prof_dumps_t *g,
    ngx_prof_worker_dump_t *w);
static ngx_int_t ngx_prof_dumps_begin(ngx_prof_dumps_t *g,
    ngx_prof_worker_dump_t *w);
static ngx_int_t ngx_prof_dumps_copy(ngx_prof_dumps_t *g,
    ngx_prof_worker_dump_t *w);
static ngx_int_t ngx_prof_dumps_add(ngx_prof_dumps_t *g,
    ngx_prof_worker_dump_t *w);
static ngx_int_t ngx_prof_dumps_add_groups(ngx_prof_dumps_t *g,
    ngx_prof_worker_dump_t *w);
static ngx_int_t ngx_prof_dumps_failed(ngx_prof_worker_dump_t *w);
static void ngx_prof_dumps_chase(ngx_prof_ask_t *a, ngx_prof_asked_t *to,
    ngx_msec_t ms);
static ngx_int_t ngx_prof_dumps_native(ngx_prof_worker_dump_t *w);
static ngx_int_t ngx_prof_dumps_outside(ngx_prof_worker_dump_t *w);
static void ngx_prof_dumps_silent(ngx_prof_worker_dump_t *w, ngx_uint_t state);


static const ngx_prof_question_t  ngx_prof_dumps_question = {
    sizeof(ngx_prof_worker_dump_t), 1, NGX_PROF_DUMPS_BEGIN, NGX_PROF_DUMPS_END,
    ngx_prof_dumps_ask, ngx_prof_dumps_look, ngx_prof_dumps_chase
};


ngx_prof_dumps_t *
ngx_prof_dumps_request(ngx_pool_t *pool, ngx_log_t *log, ngx_pid_t worker,
    ngx_uint_t limit, ngx_msec_t age, void (*done)(void *data), void *data)
{
    ngx_prof_dumps_t  *g;

    if (ngx_prof_process.zone->dump == 0) {
        return NULL;
    }

    g = ngx_prof_ask_create(pool, sizeof(ngx_prof_dumps_t),
                            &ngx_prof_dumps_question, done, data);
    if (g == NULL) {
        return NULL;
    }

    g->limit = limit;
    g->age = age;
    g->time = ngx_prof_time();

    return (ngx_prof_ask_start(&g->ask, worker, log) == NGX_OK) ? g : NULL;
}


/* a dump that is fresh enough was asked for by another */

static ngx_int_t
ngx_prof_dumps_ask(ngx_prof_ask_t *a, ngx_prof_asked_t *to)
{
    ngx_prof_zone_t         *zone;
    ngx_prof_dumps_t        *g;
    ngx_prof_worker_dump_t  *w;

    g = (ngx_prof_dumps_t *) a;
    w = (ngx_prof_worker_dump_t *) to;
    zone = ngx_prof_process.zone;

    w->area = ngx_prof_zone_dump(zone,
                                 ngx_prof_zone_slot_index(zone, to->slot));
    w->worker = ngx_prof_load(&to->slot->worker);
    w->generation = ngx_prof_load(&to->slot->generation);
    w->copy = NGX_DECLINED;

    if (g->age
        && ngx_prof_dump_find(w->area, 0, to->pid, &w->part) != NGX_DECLINED
        && w->part.clock + g->age * NGX_PROF_NSEC_PER_MSEC > ngx_prof_clock())
    {
        return NGX_DECLINED;
    }

    to->number = ngx_prof_dump_ask(w->area, g->limit);

    return NGX_OK;
}


static ngx_int_t
ngx_prof_dumps_look(ngx_prof_ask_t *a, ngx_prof_asked_t *to)
{
    ngx_prof_dumps_t        *g;
    ngx_prof_worker_dump_t  *w;

    g = (ngx_prof_dumps_t *) a;
    w = (ngx_prof_worker_dump_t *) to;

    if (w->copy != NGX_DECLINED) {
        return ngx_prof_dumps_copy(g, w);
    }

    if (w->groups) {
        return ngx_prof_dumps_part(g, w);
    }

    w->copy = ngx_prof_dump_find(w->area, to->number, to->pid, &w->part);

    return (w->copy == NGX_DECLINED) ? NGX_OK : ngx_prof_dumps_begin(g, w);
}


/* what had no room in the worker's area, as far as it is wanted */

static ngx_int_t
ngx_prof_dumps_part(ngx_prof_dumps_t *g, ngx_prof_worker_dump_t *w)
{
    uint64_t  now;

    now = ngx_prof_clock();

    if (w->head.next == 0
        || g->details >= g->limit
        || (now - g->ask.start) / NGX_PROF_NSEC_PER_MSEC >= NGX_PROF_DUMPS_END
        || !ngx_prof_slot_alive(w->asked.slot)
        || ngx_prof_slot_pid(w->asked.slot) != w->asked.pid)
    {
        w->asked.state = NGX_PROF_ASKED_ANSWERED;
        return NGX_OK;
    }

    w->copy = ngx_prof_dump_find_part(w->area, w->head.next, g->ask.start,
                                      w->asked.pid, &w->part);

    if (w->copy != NGX_DECLINED) {
        return ngx_prof_dumps_begin(g, w);
    }

    if (ngx_prof_dump_ask_part(w->area, w->head.next, g->limit - g->details,
                               now)
        == NGX_OK)
    {
        w->part_asked = now;
        (void) ngx_prof_wake(w->asked.slot);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_prof_dumps_begin(ngx_prof_dumps_t *g, ngx_prof_worker_dump_t *w)
{
    if (!ngx_prof_dump_fits(&w->part, ngx_prof_process.zone->dump)) {
        return ngx_prof_dumps_failed(w);
    }

    if (g->limit == 0) {

        /* the details were asked for by others */

        w->part.used = 0;
        w->part.details = 0;
    }

    w->copied = 0;
    w->part_groups = ngx_prof_budget_alloc(g->ask.pool,
                           w->part.groups * sizeof(ngx_prof_dump_group_t) + 1);
    w->page = ngx_prof_budget_alloc(g->ask.pool,
                         sizeof(ngx_prof_dump_page_t) + w->part.used);

    if (w->part_groups == NULL || w->page == NULL) {
        return ngx_prof_dumps_failed(w);
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_dumps_copy(ngx_prof_dumps_t *g, ngx_prof_worker_dump_t *w)
{
    u_char        *to;
    size_t         size, len, groups;
    const u_char  *from;

    size = ngx_prof_process.zone->dump;
    groups = w->part.groups * sizeof(ngx_prof_dump_group_t);

    if (w->copied < groups) {
        from = (u_char *) ngx_prof_dump_group(w->area, size, w->copy)
               + w->copied;
        to = (u_char *) w->part_groups + w->copied;
        len = groups - w->copied;

    } else {
        from = ngx_prof_dump_details(w->area, size, w->copy)
               + (w->copied - groups);
        to = (u_char *) (w->page + 1) + (w->copied - groups);
        len = groups + w->part.used - w->copied;
    }

    len = ngx_min(len, NGX_PROF_DUMPS_CHUNK);

    ngx_prof_copy_words(to, from, len);
    w->copied += len;

    if (!ngx_prof_dump_same(w->area, w->copy, w->part.seq)) {

        /* there is a newer dump */

        ngx_prof_budget_free(g->ask.pool, w->part_groups);
        ngx_prof_budget_free(g->ask.pool, w->page);

        w->copy = NGX_DECLINED;
        return NGX_AGAIN;
    }

    if (w->copied < groups + w->part.used) {
        return NGX_AGAIN;
    }

    return ngx_prof_dumps_add(g, w);
}


/* what was copied joins the rest */

static ngx_int_t
ngx_prof_dumps_add(ngx_prof_dumps_t *g, ngx_prof_worker_dump_t *w)
{
    ngx_prof_dump_mend(w->part_groups, w->part.groups);

    if (w->groups == NULL) {
        w->head = w->part;
        w->groups = w->part_groups;
        w->last = &w->pages;

    } else {
        ngx_prof_dump_release_part(w->area, w->part_asked);

        if (w->part.next <= w->head.next) {
            w->part.next = 0;
        }

        w->head.next = w->part.next;
        w->head.spent += w->part.spent;

        if (ngx_prof_dumps_add_groups(g, w) != NGX_OK) {
            return ngx_prof_dumps_failed(w);
        }
    }

    w->page->used = w->part.used;
    w->page->next = NULL;
    *w->last = w->page;
    w->last = &w->page->next;

    g->details += w->part.details;
    w->copy = NGX_DECLINED;

    return NGX_AGAIN;
}


/* the connections of a part's groups are counted already */

static ngx_int_t
ngx_prof_dumps_add_groups(ngx_prof_dumps_t *g, ngx_prof_worker_dump_t *w)
{
    size_t                   offset;
    ngx_uint_t               i, n;
    ngx_prof_dump_group_t   *groups;
    ngx_prof_dump_detail_t  *d;

    n = ngx_max(w->part.groups, NGX_PROF_DUMP_REST) - NGX_PROF_DUMP_REST;

    groups = ngx_prof_budget_alloc(g->ask.pool, (w->head.groups + n)
                                 * sizeof(ngx_prof_dump_group_t));
    if (groups == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(groups, w->groups,
               w->head.groups * sizeof(ngx_prof_dump_group_t));

    for (i = 0; i < n; i++) {
        groups[w->head.groups + i] = w->part_groups[NGX_PROF_DUMP_REST + i];
        groups[w->head.groups + i].count = 0;
        groups[w->head.groups + i].connection_pools = 0;
        groups[w->head.groups + i].request_pools = 0;
    }

    offset = 0;

    while ((d = ngx_prof_dump_next((u_char *) (w->page + 1), w->part.used,
                                   w->part.groups, &offset)))
    {
        if (d->group >= NGX_PROF_DUMP_REST) {
            d->group += w->head.groups - NGX_PROF_DUMP_REST;
        }
    }

    ngx_prof_budget_free(g->ask.pool, w->groups);
    ngx_prof_budget_free(g->ask.pool, w->part_groups);

    w->groups = groups;
    w->head.groups += n;

    return NGX_OK;
}


/* what is there is reported all the same */

static ngx_int_t
ngx_prof_dumps_failed(ngx_prof_worker_dump_t *w)
{
    if (w->groups) {
        w->asked.state = NGX_PROF_ASKED_ANSWERED;

    } else {
        ngx_prof_dumps_silent(w, NGX_PROF_ASKED_SILENT);
    }

    return NGX_OK;
}


static void
ngx_prof_dumps_chase(ngx_prof_ask_t *a, ngx_prof_asked_t *to, ngx_msec_t ms)
{
    ngx_msec_t               limit;
    ngx_prof_worker_dump_t  *w;

    w = (ngx_prof_worker_dump_t *) to;
    limit = NGX_PROF_DUMPS_STACK;

    if (ngx_prof_load_acquire(&w->area->begun) >= to->number) {

        if (ms >= NGX_PROF_DUMPS_END) {
            ngx_prof_dumps_silent(w, NGX_PROF_ASKED_SILENT);
        }

        return;
    }

    if (w->stack_asked == 0) {
        w->stack_asked = __atomic_add_fetch(&w->area->stack_asked, 1,
                                          __ATOMIC_SEQ_CST);
        return;
    }

    if (ngx_prof_slot_waiting(w->asked.slot)) {

        /*
         * the worker is waiting for events: it will answer if it can be woken
         */

        limit = NGX_PROF_DUMPS_TURN;

    } else if (ngx_prof_dumps_native(w) != NGX_OK) {
        (void) ngx_prof_dumps_outside(w);
    }

    if (to->state == NGX_PROF_ASKED_WAITING && ms >= limit) {
        ngx_prof_dumps_silent(w, NGX_PROF_ASKED_SILENT);
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
        || native->number < w->stack_asked
        || native->pid != (uint64_t) w->asked.pid
        || native->since == 0)
    {
        return NGX_DECLINED;
    }

    w->since = ngx_prof_clock() - native->since;

    ngx_prof_dumps_silent(w, NGX_PROF_ASKED_STUCK);

    return NGX_OK;
}


/* it sleeps */

static ngx_int_t
ngx_prof_dumps_outside(ngx_prof_worker_dump_t *w)
{
    ngx_prof_outside_t       o;
    ngx_prof_dump_native_t  *native;

    if (ngx_prof_outside(w->asked.slot, &o) != NGX_OK) {
        return NGX_DECLINED;
    }

    native = &w->native;

    native->since = o.pass;
    native->label = o.label;
    native->depth = ngx_min(o.n, NGX_PROF_DUMP_NATIVE);
    ngx_memcpy(native->stack, o.pcs, native->depth * sizeof(uint64_t));

    /* the innermost one is an exact address */

    if (!ngx_prof_frame_is_synthetic(native->stack[0])) {
        native->stack[0]--;
    }

    w->since = ngx_prof_clock() - native->since;

    ngx_prof_dumps_silent(w, NGX_PROF_ASKED_STUCK);

    return NGX_OK;
}


static void
ngx_prof_dumps_silent(ngx_prof_worker_dump_t *w, ngx_uint_t state)
{
    ngx_prof_gauges_t  gauges;

    w->asked.state = state;

    if (ngx_prof_record_read(&w->asked.slot->gauges_seq, &gauges,
                             &w->asked.slot->gauges,
                             sizeof(ngx_prof_gauges_t))
        == NGX_OK)
    {
        w->connections = gauges.connections;
    }
}


uint64_t
ngx_prof_dumps_count(const ngx_prof_worker_dump_t *w)
{
    switch (w->asked.state) {

    case NGX_PROF_ASKED_ANSWERED:
        return w->head.count;

    case NGX_PROF_ASKED_STUCK:

        /* the connection it is stuck in may be younger than its latest tick */

        return ngx_max(w->connections, 1);

    case NGX_PROF_ASKED_SILENT:
        return w->connections;
    }

    return 0;
}
