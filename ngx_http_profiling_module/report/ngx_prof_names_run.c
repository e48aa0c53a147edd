
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_names_run.h"
#include "ngx_prof_answer.h"
#include "ngx_prof_base.h"
#include "ngx_prof_job.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_names.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* ms that stuck workers have to write their stacks */
#define NGX_PROF_NAMES_ANSWER  50


/* an answer that is waiting for names */

typedef struct {
    ngx_prof_work_t  *work;
    ngx_uint_t        stacks;
    ngx_uint_t        slot;                     /* to read next */
    ngx_uint_t        n;
    uint64_t         *frames;
    ngx_event_t       event;
    ngx_connection_t  connection;
} ngx_prof_names_waiting_t;


static void ngx_prof_names_handler(ngx_event_t *ev);
static ngx_int_t ngx_prof_names_collect(ngx_prof_names_waiting_t *n);
static void ngx_prof_names_slot(ngx_prof_names_waiting_t *n,
    ngx_prof_slot_t *slot);
static void ngx_prof_names_frames(ngx_prof_names_waiting_t *n,
    const uint64_t *frames, ngx_uint_t number);
static void ngx_prof_names_ready(void *data);
static void ngx_prof_names_cleanup(void *data);


ngx_int_t
ngx_prof_names_run(ngx_prof_work_t *w, ngx_uint_t stacks)
{
    ngx_int_t                  rc;
    ngx_uint_t                 asked;
    ngx_http_request_t        *r;
    ngx_pool_cleanup_t        *cln;
    ngx_prof_names_waiting_t  *n;

    r = w->request;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_prof_names_waiting_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n = cln->data;
    ngx_memzero(n, sizeof(ngx_prof_names_waiting_t));

    n->frames = ngx_palloc(r->pool, NGX_PROF_NAMES_MAX * sizeof(uint64_t));
    if (n->frames == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n->work = w;
    n->stacks = stacks;

    ngx_prof_event_init(&n->event, &n->connection,
                        ngx_prof_names_handler,
                        r->connection->log);

    asked = ngx_prof_process.slot
            ? ngx_prof_hang_chase() : 0;

    if (asked == 0) {

        /* usually every name is known already */

        rc = ngx_prof_names_collect(n);

        if (rc == NGX_OK) {
            return ngx_prof_work_run(w);
        }

        if (rc == NGX_AGAIN) {
            ngx_post_event(&n->event, &ngx_posted_next_events);
        }

    } else {
        ngx_add_timer(&n->event, NGX_PROF_NAMES_ANSWER);
    }

    cln->handler = ngx_prof_names_cleanup;

    ngx_prof_answer_later(r);

    return NGX_DONE;
}


static void
ngx_prof_names_handler(ngx_event_t *ev)
{
    ngx_int_t                  rc;
    ngx_prof_names_waiting_t  *n;

    n = (ngx_prof_names_waiting_t *)
            ((u_char *) ev - offsetof(ngx_prof_names_waiting_t, event));

    ngx_prof_event_stop(ev);

    rc = ngx_prof_names_collect(n);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_OK) {
        ngx_prof_names_ready(n);
    }
}


/*
 * NGX_OK: all names are known; NGX_AGAIN: call again; NGX_DONE: they will come
 */

static ngx_int_t
ngx_prof_names_collect(ngx_prof_names_waiting_t *n)
{
    uint64_t             end;
    ngx_int_t            rc;
    ngx_http_request_t  *r;
    ngx_prof_slot_t     *slot;
    ngx_prof_zone_t     *zone;

    zone = ngx_prof_process.zone;
    end = ngx_prof_clock() + NGX_PROF_SLICE;

    while (n->slot < zone->slots) {
        slot = ngx_prof_zone_slot(zone, n->slot++);

        if (ngx_prof_load(&slot->claims)) {
            ngx_prof_names_slot(n, slot);
        }

        if (ngx_prof_clock() > end) {
            return NGX_AGAIN;
        }
    }

    if (n->n == 0) {
        return NGX_OK;
    }

    r = n->work->request;

    rc = ngx_prof_names(r->pool, r->connection->log, n->frames,
                        n->n, ngx_prof_names_ready, n);

    return (rc == NGX_AGAIN) ? NGX_DONE : NGX_OK;
}


static void
ngx_prof_names_slot(ngx_prof_names_waiting_t *n, ngx_prof_slot_t *slot)
{
    uint64_t                 duration, last;
    ngx_uint_t               i;
    ngx_prof_pause_seen_t    seen;
    ngx_prof_pause_t         pause;
    const ngx_prof_pause_t  *p;

    if (ngx_prof_hang_read(slot, NGX_PROF_PAUSE_LONG, &seen,
                           &duration) == NGX_OK)
    {
        ngx_prof_names_frames(n, seen.frames, seen.n);
    }

    last = ngx_prof_load_acquire(&slot->last_stall);

    for (i = 0; i < NGX_PROF_PAUSES; i++) {
        p = &slot->pause[i];

        if (ngx_prof_load(&p->n) == 0
            || (!n->stacks && ngx_prof_load(&p->number) != last)
            || ngx_prof_pause_read(p, &pause) != NGX_OK)
        {
            continue;
        }

        ngx_prof_names_frames(n, pause.frames, pause.n);
    }
}


/* adds frames without a known name; many stacks are alike */

static void
ngx_prof_names_frames(ngx_prof_names_waiting_t *n, const uint64_t *frames,
    ngx_uint_t number)
{
    ngx_int_t   cause;
    ngx_uint_t  i, j;

    number = ngx_min(number, NGX_PROF_PAUSE_FRAMES);

    if (!n->stacks) {
        cause = ngx_prof_frame_cause(frames, number);

        if (cause == NGX_ERROR) {
            return;
        }

        frames += cause;
        number = 1;
    }

    for (i = 0; i < number; i++) {

        if (n->n == NGX_PROF_NAMES_MAX) {
            return;
        }

        /* clients of health do not wait for long */

        if (ngx_prof_names_known(frames[i], !n->stacks)) {
            continue;
        }

        for (j = n->n; j > 0 && n->frames[j - 1] != frames[i]; j--) {
            /* void */
        }

        if (j == 0) {
            n->frames[n->n++] = frames[i];
        }
    }
}


static void
ngx_prof_names_ready(void *data)
{
    ngx_prof_names_waiting_t *n = data;

    ngx_http_request_t  *r;

    r = n->work->request;

    ngx_prof_answer(r, ngx_prof_work_run(n->work));
}


static void
ngx_prof_names_cleanup(void *data)
{
    ngx_prof_names_waiting_t *n = data;

    ngx_prof_event_stop(&n->event);
}
