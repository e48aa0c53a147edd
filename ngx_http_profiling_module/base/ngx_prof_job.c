
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_job.h"
#include "ngx_prof_base.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_pace.h"


/* ms after which a worker that pauses sees that it shall exit */
#define NGX_PROF_JOB_LOOK  1000

/* ns that pauses may last since then */
#define NGX_PROF_JOB_GRACE  (5 * (uint64_t) NGX_PROF_NSEC_PER_SEC)

/*
 * The CPU time of a busy worker to that of all slices; ns of it that slices
 * may take before, and that are owed beyond that at most
 */
#define NGX_PROF_TURN_PART  40
#define NGX_PROF_TURN_LENT  (20 * NGX_PROF_TURN_PART                          \
                             * (uint64_t) NGX_PROF_NSEC_PER_MSEC)
#define NGX_PROF_TURN_OWED  50000000


static ngx_int_t ngx_prof_job_look(ngx_prof_job_t *job);
static ngx_uint_t ngx_prof_job_late(uint64_t now);
static void ngx_prof_job_handler(ngx_event_t *ev);
static ngx_int_t ngx_prof_job_step(void *data);
static void ngx_prof_turn_handler(ngx_event_t *ev);
static ngx_msec_t ngx_prof_turn_wait(void);
static ngx_uint_t ngx_prof_turn_free(void);
static void ngx_prof_turn_took(uint64_t began);


static ngx_queue_t       ngx_prof_turns;
static ngx_event_t       ngx_prof_turn_event;
static ngx_connection_t  ngx_prof_turn_connection;
static uint64_t          ngx_prof_turn_next;    /* ns, of CPU time */
static uint64_t          ngx_prof_turn_cpu;     /* ns, of all slices */
static ngx_uint_t        ngx_prof_turn_runs;


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


/* sets a timer of so many ms from now, which never expires early */

static void
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
ngx_prof_turn_slice(ngx_prof_step_pt step, void *data)
{
    if (!ngx_prof_turn_runs && !ngx_prof_turn_free()) {
        return NGX_AGAIN;
    }

    return ngx_prof_slice(step, data);
}


ngx_int_t
ngx_prof_slice(ngx_prof_step_pt step, void *data)
{
    uint64_t          began;
    ngx_int_t         rc;
    ngx_prof_meter_t  cost;

    ngx_prof_meter_begin_long(&cost);

    began = ngx_prof_clock();

    do {
        rc = step(data);

    } while (rc == NGX_AGAIN && ngx_prof_clock() < began + NGX_PROF_SLICE);

    ngx_prof_turn_took(cost.start);

    ngx_prof_meter_end_long(&cost, NGX_PROF_METER_ANSWERS);

    return rc;
}


void
ngx_prof_turn(ngx_event_t *ev)
{
    if (ngx_prof_turns.next == NULL) {
        ngx_queue_init(&ngx_prof_turns);

        ngx_prof_event_init(&ngx_prof_turn_event, &ngx_prof_turn_connection,
                            ngx_prof_turn_handler, ngx_cycle->log);
        ngx_prof_turn_event.cancelable = 1;
    }

    ngx_post_event(ev, &ngx_prof_turns);

    if (!ngx_prof_turn_event.posted && !ngx_prof_turn_event.timer_set) {
        ngx_post_event(&ngx_prof_turn_event, &ngx_posted_next_events);
    }
}


ngx_uint_t
ngx_prof_turn_idle(void)
{
    uint64_t  now;

    static ngx_prof_pace_look_t  look;

    now = ngx_prof_clock();

    if (now - look.seen >= NGX_PROF_PACE_LOOK) {
        ngx_prof_pace_look(&look, now,
                           ngx_prof_meter_cpu() - ngx_prof_turn_cpu);
    }

    return look.idle;
}


static void
ngx_prof_turn_handler(ngx_event_t *ev)
{
    ngx_msec_t    wait;
    ngx_queue_t  *q;
    ngx_event_t  *next;

    if (ngx_queue_empty(&ngx_prof_turns)) {
        return;
    }

    wait = ngx_prof_turn_wait();

    if (wait) {
        ngx_add_timer(ev, wait);
        return;
    }

    q = ngx_queue_head(&ngx_prof_turns);
    next = ngx_queue_data(q, ngx_event_t, queue);

    ngx_delete_posted_event(next);

    ngx_prof_turn_runs = 1;
    next->handler(next);
    ngx_prof_turn_runs = 0;

    if (!ngx_queue_empty(&ngx_prof_turns) && !ev->posted) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


/* ms after which the next one may run, if it may not do so now */

static ngx_msec_t
ngx_prof_turn_wait(void)
{
    uint64_t  may;

    may = ngx_prof_meter_cpu() + NGX_PROF_TURN_LENT;

    if (may >= ngx_prof_turn_next || ngx_prof_turn_idle()) {
        return 0;
    }

    /* no process has more CPU time than time */

    return (ngx_msec_t) ((ngx_prof_turn_next - may) / NGX_PROF_NSEC_PER_MSEC)
           + 1;
}


static ngx_uint_t
ngx_prof_turn_free(void)
{
    return (ngx_prof_turns.next == NULL || ngx_queue_empty(&ngx_prof_turns))
           && ngx_prof_meter_cpu() >= ngx_prof_turn_next;
}


ngx_uint_t
ngx_prof_turn_full(void)
{
    ngx_uint_t    n;
    ngx_queue_t  *q;

    if (ngx_prof_turns.next == NULL) {
        return 0;
    }

    n = 0;

    for (q = ngx_queue_head(&ngx_prof_turns);
         q != ngx_queue_sentinel(&ngx_prof_turns) && n < NGX_PROF_TURNS;
         q = ngx_queue_next(q))
    {
        n++;
    }

    return n == NGX_PROF_TURNS;
}


static void
ngx_prof_turn_took(uint64_t began)
{
    uint64_t  now, next;

    now = ngx_prof_meter_cpu();

    ngx_prof_turn_cpu += now - began;

    next = ngx_max(ngx_prof_turn_next, began)
           + NGX_PROF_TURN_PART * (now - began);

    ngx_prof_turn_next = ngx_min(next, now + NGX_PROF_TURN_LENT
                                       + NGX_PROF_TURN_OWED);
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

    rc = job->turns ? ngx_prof_turn_slice(ngx_prof_job_step, job)
                    : ngx_prof_slice(ngx_prof_job_step, job);

    if (rc == NGX_AGAIN) {

        if (job->turns) {
            ngx_prof_turn(ev);

        } else {
            ngx_post_event(ev, &ngx_posted_next_events);
        }

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
