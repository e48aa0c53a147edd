
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

/* functions of a worker that died, in a summary */
#define NGX_PROF_NAMES_CAUSE   4


/* an answer that is waiting for names */

typedef struct {
    ngx_prof_work_t  *work;
    ngx_uint_t        of;                       /* ngx_prof_names_of_e */
    ngx_uint_t        slot;                     /* to read next */
    ngx_uint_t        n;
    uint64_t         *frames;
    ngx_event_t       event;
    ngx_connection_t  connection;
} ngx_prof_names_waiting_t;


static void ngx_prof_names_handler(ngx_event_t *ev);
static ngx_int_t ngx_prof_names_collect(ngx_prof_names_waiting_t *n);
static ngx_int_t ngx_prof_names_look(void *data);
static void ngx_prof_names_slot(ngx_prof_names_waiting_t *n,
    ngx_prof_slot_t *slot);
static void ngx_prof_names_frames(ngx_prof_names_waiting_t *n,
    const uint64_t *frames, ngx_uint_t number);
static void ngx_prof_names_cause(ngx_prof_names_waiting_t *n,
    const uint64_t *frames, ngx_uint_t number, ngx_uint_t max);
static void ngx_prof_names_all(ngx_prof_names_waiting_t *n,
    const uint64_t *frames, ngx_uint_t number);
static void ngx_prof_names_reports(ngx_prof_names_waiting_t *n);
static void ngx_prof_names_ready(void *data);
static void ngx_prof_names_cleanup(void *data);


ngx_int_t
ngx_prof_names_run(ngx_prof_work_t *w, ngx_prof_names_of_e of)
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
    n->of = of;

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
            ngx_prof_turn(&n->event);
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
        ngx_prof_turn(ev);
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
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    rc = ngx_prof_turn_slice(ngx_prof_names_look, n);

    if (rc == NGX_AGAIN || n->n == 0) {
        return rc;
    }

    r = n->work->request;

    rc = ngx_prof_names(r->pool, r->connection->log, n->frames,
                        n->n, ngx_prof_names_ready, n);

    return (rc == NGX_AGAIN) ? NGX_DONE : NGX_OK;
}


/* at one slot; NGX_OK: there was none any more */

static ngx_int_t
ngx_prof_names_look(void *data)
{
    ngx_prof_names_waiting_t *n = data;

    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;

    if (n->slot == 0 && n->of != NGX_PROF_NAMES_STACKS) {
        ngx_prof_names_reports(n);
    }

    if (n->of == NGX_PROF_NAMES_DEATHS || n->slot == zone->slots) {
        return NGX_OK;
    }

    slot = ngx_prof_zone_slot(zone, n->slot++);

    if (ngx_prof_load(&slot->claims)) {
        ngx_prof_names_slot(n, slot);
    }

    return NGX_AGAIN;
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
            || (n->of == NGX_PROF_NAMES_PLACES
                && ngx_prof_load(&p->number) != last)
            || ngx_prof_pause_read(p, &pause) != NGX_OK)
        {
            continue;
        }

        ngx_prof_names_frames(n, pause.frames, pause.n);
    }
}


/* of workers that died: of one all frames, or of each where it was */

static void
ngx_prof_names_reports(ngx_prof_names_waiting_t *n)
{
    ngx_uint_t                i, k;
    const ngx_prof_deaths_t  *deaths;

    static ngx_prof_report_t  report;

    deaths = &ngx_prof_process.zone->header->deaths;

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {

        if (ngx_prof_load(&deaths->report[i].number) == 0
            || ngx_prof_report_read(deaths, i, &report) != NGX_OK)
        {
            continue;
        }

        if (n->work->report == 0) {
            ngx_prof_names_cause(n, report.crash.frames, report.crash.n,
                                 NGX_PROF_NAMES_CAUSE);

        } else if (n->work->report == report.number) {
            ngx_prof_names_all(n, report.crash.frames, report.crash.n);

            for (k = 0; k < report.holder_n; k++) {
                ngx_prof_names_all(n, &report.holder[k].frame, 1);
            }
        }
    }
}


/* adds frames without a known name; many stacks are alike */

static void
ngx_prof_names_frames(ngx_prof_names_waiting_t *n, const uint64_t *frames,
    ngx_uint_t number)
{
    number = ngx_min(number, NGX_PROF_PAUSE_FRAMES);

    if (n->of == NGX_PROF_NAMES_STACKS) {
        ngx_prof_names_all(n, frames, number);

    } else {
        ngx_prof_names_cause(n, frames, number, 1);
    }
}


/* from the frame that says where it was, so many */

static void
ngx_prof_names_cause(ngx_prof_names_waiting_t *n, const uint64_t *frames,
    ngx_uint_t number, ngx_uint_t max)
{
    ngx_int_t  cause;

    cause = ngx_prof_frame_cause(frames, number);

    if (cause != NGX_ERROR) {
        ngx_prof_names_all(n, frames + cause, ngx_min(number - cause, max));
    }
}


static void
ngx_prof_names_all(ngx_prof_names_waiting_t *n, const uint64_t *frames,
    ngx_uint_t number)
{
    ngx_uint_t  i, j;

    for (i = 0; i < number; i++) {

        if (n->n == NGX_PROF_NAMES_MAX) {
            return;
        }

        /* clients of health do not wait for long */

        if (ngx_prof_names_known(frames[i],
                                 n->of == NGX_PROF_NAMES_PLACES)) {
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
