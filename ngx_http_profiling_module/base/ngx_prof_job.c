
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_job.h"
#include "ngx_prof_base.h"
#include "ngx_prof_meter.h"


/* ms after which a worker that pauses sees that it shall exit */
#define NGX_PROF_JOB_LOOK  1000

/* ns that pauses may go on for since then */
#define NGX_PROF_JOB_GRACE  (5 * (uint64_t) NGX_PROF_NSEC_PER_SEC)


static ngx_int_t ngx_prof_job_look(ngx_prof_job_t *job);
static ngx_uint_t ngx_prof_job_late(uint64_t now);
static void ngx_prof_job_handler(ngx_event_t *ev);
static ngx_int_t ngx_prof_job_step(void *data);


void
ngx_prof_event_init(ngx_event_t *ev, ngx_connection_t *c,
    ngx_event_handler_pt handler, ngx_log_t *log)
{
    ev->handler = handler;
    ev->data = c;
    ev->log = log;
    ev->posted = 0;

    c->fd = (ngx_socket_t) -1;
}


void
ngx_prof_event_stop(ngx_event_t *ev)
{
    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }
}


void
ngx_prof_event_timer(ngx_event_t *ev, ngx_msec_t timer)
{
    /*
     * nginx counts whole milliseconds from the start of the pass, which may be
     * long ago
     */

    ngx_time_update();
    ngx_add_timer(ev, timer + 1);
}


ngx_int_t
ngx_prof_slice(ngx_prof_step_pt step, void *data)
{
    uint64_t         end;
    ngx_int_t        rc;
    ngx_prof_meter_t  cost;

    ngx_prof_meter_begin_long(&cost);

    end = ngx_prof_clock() + NGX_PROF_SLICE;

    do {
        rc = step(data);

    } while (rc == NGX_AGAIN && ngx_prof_clock() < end);

    ngx_prof_meter_end_long(&cost, NGX_PROF_METER_ANSWERS);

    return rc;
}


void
ngx_prof_job_start(ngx_prof_job_t *job, ngx_log_t *log)
{
    ngx_prof_event_init(&job->event, &job->connection,
                        ngx_prof_job_handler, log);

    ngx_post_event(&job->event, &ngx_posted_events);
}


ngx_int_t
ngx_prof_job_wait(ngx_prof_job_t *job, ngx_msec_t timer)
{
    /* nginx would not move a timer that is about to expire */

    if (job->event.timer_set) {
        ngx_del_timer(&job->event);
    }

    ngx_prof_event_timer(&job->event, timer);

    return NGX_DONE;
}


ngx_int_t
ngx_prof_job_pause(ngx_prof_job_t *job, ngx_msec_t timer)
{
    job->until = ngx_prof_clock() + (uint64_t) timer * NGX_PROF_NSEC_PER_MSEC;

    return ngx_prof_job_wait(job, 0);
}


/* NGX_OK: the pause is over */

static ngx_int_t
ngx_prof_job_look(ngx_prof_job_t *job)
{
    uint64_t    now;
    ngx_msec_t  rest;

    now = ngx_prof_clock();

    if (now < job->until && !ngx_prof_job_late(now)) {
        rest = (ngx_msec_t) ((job->until - now) / NGX_PROF_NSEC_PER_MSEC);
        return ngx_prof_job_wait(job, ngx_min(rest, NGX_PROF_JOB_LOOK));
    }

    job->cut = job->until - ngx_min(job->until, now);
    job->until = 0;

    return NGX_OK;
}


/*
 * nginx has told the worker to exit.  The workers that take its place begin
 * just then: a capture sees that, and then the worker waits no more.
 */

static ngx_uint_t
ngx_prof_job_late(uint64_t now)
{
    static uint64_t  told;

    if (!ngx_exiting && !ngx_quit) {
        return 0;
    }

    if (told == 0) {
        told = now;
    }

    return now - told > NGX_PROF_JOB_GRACE;
}


void
ngx_prof_job_resume(ngx_prof_job_t *job)
{
    ngx_post_event(&job->event, &ngx_posted_events);
}


void
ngx_prof_job_stop(ngx_prof_job_t *job)
{
    ngx_prof_event_stop(&job->event);
}


static void
ngx_prof_job_handler(ngx_event_t *ev)
{
    ngx_int_t        rc;
    ngx_prof_job_t  *job;

    job = (ngx_prof_job_t *)
              ((u_char *) ev - offsetof(ngx_prof_job_t, event));

    ev->timedout = 0;

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }

    if (job->until && ngx_prof_job_look(job) != NGX_OK) {
        return;
    }

    rc = ngx_prof_slice(ngx_prof_job_step, job);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_DONE) {
        return;
    }

    ngx_prof_job_stop(job);

    job->done(job->data, rc);
}


/* a step may set the following one */

static ngx_int_t
ngx_prof_job_step(void *data)
{
    ngx_prof_job_t *job = data;

    return job->step(job->data);
}
