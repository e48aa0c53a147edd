
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_ask.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_job.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* ms between two looks at workers that are late */
#define NGX_PROF_ASK_LOOK  20

#define ngx_prof_asked(a, i)                                                  \
    ((ngx_prof_asked_t *) ((u_char *) (a)->workers.elts                       \
                           + (i) * (a)->workers.size))


static void ngx_prof_ask_handler(ngx_event_t *ev);
static ngx_int_t ngx_prof_ask_step(void *data);
static void ngx_prof_ask_late(ngx_prof_ask_t *a, ngx_prof_asked_t *w);
static void ngx_prof_ask_stop(void *data);


static ngx_queue_t  ngx_prof_ask_waiting;


void *
ngx_prof_ask_create(ngx_pool_t *pool, size_t size,
    const ngx_prof_question_t *question, void (*done)(void *data),
    void *data)
{
    ngx_prof_ask_t      *a;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, size);
    if (cln == NULL) {
        return NULL;
    }

    a = cln->data;
    ngx_memzero(a, size);

    if (ngx_array_init(&a->workers, pool, 8, question->size) != NGX_OK) {
        return NULL;
    }

    a->question = question;
    a->pool = pool;
    a->start = ngx_prof_clock();
    a->late = question->late;
    a->done = done;
    a->data = data;

    cln->handler = ngx_prof_ask_stop;

    return a;
}


ngx_int_t
ngx_prof_ask_start(ngx_prof_ask_t *a, ngx_pid_t worker, ngx_log_t *log)
{
    ngx_pid_t          pid;
    ngx_uint_t         i;
    ngx_prof_slot_t   *slot;
    ngx_prof_zone_t   *zone;
    ngx_prof_asked_t  *w;

    zone = ngx_prof_process.zone;

    ngx_prof_event_init(&a->event, &a->connection, ngx_prof_ask_handler, log);

    if (ngx_prof_ask_waiting.next == NULL) {
        ngx_queue_init(&ngx_prof_ask_waiting);
    }

    ngx_queue_insert_tail(&ngx_prof_ask_waiting, &a->queue);

    if (ngx_prof_process.slot) {
        (void) __atomic_fetch_add(&ngx_prof_process.slot->awaiting, 1,
                                  __ATOMIC_SEQ_CST);
    }

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);
        pid = ngx_prof_slot_of(slot, worker) ? ngx_prof_slot_pid(slot) : 0;

        if (pid == 0
            || (a->question->living && !ngx_prof_slot_alive(slot)))
        {
            continue;
        }

        w = ngx_array_push(&a->workers);

        if (w == NULL) {
            ngx_prof_ask_stop(a);
            return NGX_ERROR;
        }

        ngx_memzero(w, a->question->size);

        w->slot = slot;
        w->pid = pid;

        /* itself too: the answer comes by the same way */

        if (a->question->ask(a, w) == NGX_OK) {
            w->reached = (ngx_prof_wake(slot) == NGX_OK);
        }
    }

    ngx_add_timer(&a->event, ngx_prof_process.slot ? a->late
                                                   : NGX_PROF_ASK_LOOK);

    ngx_post_event(&a->event, &ngx_posted_next_events);

    return NGX_OK;
}


void
ngx_prof_ask_check(void)
{
    ngx_queue_t     *q;
    ngx_prof_ask_t  *a;

    if (ngx_prof_ask_waiting.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_prof_ask_waiting);
         q != ngx_queue_sentinel(&ngx_prof_ask_waiting);
         q = ngx_queue_next(q))
    {
        a = ngx_queue_data(q, ngx_prof_ask_t, queue);

        if (!a->event.posted) {
            ngx_post_event(&a->event, &ngx_posted_next_events);
        }
    }
}


static void
ngx_prof_ask_handler(ngx_event_t *ev)
{
    ngx_int_t        rc;
    ngx_prof_ask_t  *a;

    a = (ngx_prof_ask_t *) ((u_char *) ev - offsetof(ngx_prof_ask_t, event));

    ev->timedout = 0;

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    rc = ngx_prof_slice(ngx_prof_ask_step, a);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_BUSY) {

        if (!ev->timer_set) {
            ngx_add_timer(ev, NGX_PROF_ASK_LOOK);
        }

        return;
    }

    ngx_prof_ask_stop(a);

    a->done(a->data);
}


/* one look at one worker; NGX_OK: none is waited for, NGX_BUSY: some are */

static ngx_int_t
ngx_prof_ask_step(void *data)
{
    ngx_prof_ask_t *a = data;

    ngx_prof_asked_t  *w;

    if (a->next == a->workers.nelts) {

        for (a->next = 0; a->next < a->workers.nelts; a->next++) {

            if (ngx_prof_asked(a, a->next)->state == NGX_PROF_ASKED_WAITING) {
                a->next = 0;
                return NGX_BUSY;
            }
        }

        return NGX_OK;
    }

    w = ngx_prof_asked(a, a->next);

    if (w->state == NGX_PROF_ASKED_WAITING) {

        if (a->question->look(a, w) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (w->state == NGX_PROF_ASKED_WAITING) {
            ngx_prof_ask_late(a, w);
        }
    }

    a->next++;

    return NGX_AGAIN;
}


static void
ngx_prof_ask_late(ngx_prof_ask_t *a, ngx_prof_asked_t *w)
{
    ngx_msec_t                  ms;
    const ngx_prof_question_t  *q;

    q = a->question;
    ms = (ngx_msec_t) ((ngx_prof_clock() - a->start) / NGX_PROF_NSEC_PER_MSEC);

    /* what was not woken can only be chased */

    if (!w->reached && q->chase == NULL) {
        w->state = NGX_PROF_ASKED_SILENT;
    }

    if (ms < a->late || w->state != NGX_PROF_ASKED_WAITING) {
        return;
    }

    if (!ngx_prof_slot_alive(w->slot) || ngx_prof_slot_pid(w->slot) != w->pid)
    {
        w->state = NGX_PROF_ASKED_GONE;

    } else if (q->chase) {
        q->chase(a, w, ms);

    } else if (ms >= q->end) {
        w->state = NGX_PROF_ASKED_SILENT;
    }
}


/* when it is done, or the client goes away */

static void
ngx_prof_ask_stop(void *data)
{
    ngx_prof_ask_t *a = data;

    if (a->queue.next == NULL) {
        return;
    }

    ngx_queue_remove(&a->queue);
    a->queue.next = NULL;

    ngx_prof_event_stop(&a->event);

    if (ngx_prof_process.slot) {
        (void) __atomic_fetch_sub(&ngx_prof_process.slot->awaiting, 1,
                                  __ATOMIC_SEQ_CST);
    }
}
