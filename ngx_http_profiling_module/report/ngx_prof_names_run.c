
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


/* ms in which workers that are stuck tell where */
#define NGX_HTTP_PROFILING_NAMES_ANSWER  50


/* an answer that waits for names */

typedef struct {
    ngx_http_profiling_work_t  *work;
    ngx_uint_t                  stacks;
    ngx_uint_t                  slot;           /* to be read */
    ngx_uint_t                  n;
    uint64_t                   *frames;
    ngx_event_t                 event;
    ngx_connection_t            connection;
} ngx_http_profiling_waiting_t;


static void ngx_http_profiling_names_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_profiling_names_gather(
    ngx_http_profiling_waiting_t *n);
static void ngx_http_profiling_names_slot(ngx_http_profiling_waiting_t *n,
    ngx_http_profiling_slot_t *slot);
static void ngx_http_profiling_names_frames(ngx_http_profiling_waiting_t *n,
    const uint64_t *frames, ngx_uint_t number);
static void ngx_http_profiling_names_ready(void *data);
static void ngx_http_profiling_names_cleanup(void *data);


ngx_int_t
ngx_http_profiling_names_run(ngx_http_profiling_work_t *w, ngx_uint_t stacks)
{
    ngx_int_t                      rc;
    ngx_uint_t                     asked;
    ngx_http_request_t            *r;
    ngx_pool_cleanup_t            *cln;
    ngx_http_profiling_waiting_t  *n;

    r = w->request;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_profiling_waiting_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n = cln->data;
    ngx_memzero(n, sizeof(ngx_http_profiling_waiting_t));

    n->frames = ngx_palloc(r->pool, NGX_HTTP_PROFILING_NAMES_MAX
                                    * sizeof(uint64_t));
    if (n->frames == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n->work = w;
    n->stacks = stacks;

    ngx_http_profiling_event_init(&n->event, &n->connection,
                                  ngx_http_profiling_names_handler,
                                  r->connection->log);

    asked = ngx_http_profiling_process.slot
            ? ngx_http_profiling_hang_chase(0) : 0;

    if (asked == 0) {

        /* mostly there is nothing that has no name */

        rc = ngx_http_profiling_names_gather(n);

        if (rc == NGX_OK) {
            return ngx_http_profiling_work_run(w);
        }

        if (rc == NGX_AGAIN) {
            ngx_post_event(&n->event, &ngx_posted_next_events);
        }

    } else {
        ngx_add_timer(&n->event, NGX_HTTP_PROFILING_NAMES_ANSWER);
    }

    cln->handler = ngx_http_profiling_names_cleanup;

    ngx_http_profiling_answer_later(r);

    return NGX_DONE;
}


static void
ngx_http_profiling_names_handler(ngx_event_t *ev)
{
    ngx_int_t                      rc;
    ngx_http_profiling_waiting_t  *n;

    n = (ngx_http_profiling_waiting_t *)
            ((u_char *) ev - offsetof(ngx_http_profiling_waiting_t, event));

    ngx_http_profiling_event_stop(ev);

    rc = ngx_http_profiling_names_gather(n);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_OK) {
        ngx_http_profiling_names_ready(n);
    }
}


/* NGX_OK: all names are there; NGX_AGAIN: to go on; NGX_DONE: they will be */

static ngx_int_t
ngx_http_profiling_names_gather(ngx_http_profiling_waiting_t *n)
{
    uint64_t                    end;
    ngx_int_t                   rc;
    ngx_http_request_t         *r;
    ngx_http_profiling_slot_t  *slot;
    ngx_http_profiling_zone_t  *zone;

    zone = ngx_http_profiling_process.zone;
    end = ngx_http_profiling_clock() + NGX_HTTP_PROFILING_SLICE;

    while (n->slot < zone->slots) {
        slot = ngx_http_profiling_zone_slot(zone, n->slot++);

        if (ngx_http_profiling_load(&slot->claims)) {
            ngx_http_profiling_names_slot(n, slot);
        }

        if (ngx_http_profiling_clock() > end) {
            return NGX_AGAIN;
        }
    }

    if (n->n == 0) {
        return NGX_OK;
    }

    r = n->work->request;

    rc = ngx_http_profiling_names(r->pool, r->connection->log, n->frames,
                                  n->n, ngx_http_profiling_names_ready, n);

    return (rc == NGX_AGAIN) ? NGX_DONE : NGX_OK;
}


static void
ngx_http_profiling_names_slot(ngx_http_profiling_waiting_t *n,
    ngx_http_profiling_slot_t *slot)
{
    uint64_t                           duration, last;
    ngx_uint_t                         i;
    ngx_http_profiling_stall_t         stall;
    ngx_http_profiling_pause_t         pause;
    const ngx_http_profiling_pause_t  *p;

    if (ngx_http_profiling_hang_read(slot, NGX_HTTP_PROFILING_STALL, &stall,
                                      &duration)
        == NGX_OK)
    {
        ngx_http_profiling_names_frames(n, stall.frames, stall.n);
    }

    last = ngx_http_profiling_load_acquire(&slot->last_stall);

    for (i = 0; i < NGX_HTTP_PROFILING_PAUSES; i++) {
        p = &slot->pause[i];

        if (ngx_http_profiling_load(&p->n) == 0
            || (!n->stacks && ngx_http_profiling_load(&p->number) != last)
            || ngx_http_profiling_pause_read(p, &pause) != NGX_OK)
        {
            continue;
        }

        ngx_http_profiling_names_frames(n, pause.frames, pause.n);
    }
}


/* those that are not known yet; of most stacks there are many alike */

static void
ngx_http_profiling_names_frames(ngx_http_profiling_waiting_t *n,
    const uint64_t *frames, ngx_uint_t number)
{
    ngx_int_t   cause;
    ngx_uint_t  i, j;

    number = ngx_min(number, NGX_HTTP_PROFILING_PAUSE_FRAMES);

    if (!n->stacks) {
        cause = ngx_http_profiling_frame_cause(frames, number);

        if (cause == NGX_ERROR) {
            return;
        }

        frames += cause;
        number = 1;
    }

    for (i = 0; i < number; i++) {

        if (n->n == NGX_HTTP_PROFILING_NAMES_MAX) {
            return;
        }

        /* health is asked by those who do not wait for long */

        if (ngx_http_profiling_names_known(frames[i], !n->stacks)) {
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
ngx_http_profiling_names_ready(void *data)
{
    ngx_http_profiling_waiting_t *n = data;

    ngx_http_request_t  *r;

    r = n->work->request;

    ngx_http_profiling_answer(r, ngx_http_profiling_work_run(n->work));
}


static void
ngx_http_profiling_names_cleanup(void *data)
{
    ngx_http_profiling_waiting_t *n = data;

    ngx_http_profiling_event_stop(&n->event);
}
