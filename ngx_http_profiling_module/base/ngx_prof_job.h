
/*
 * The module's own events without a descriptor: timers and posted events.
 *
 * Jobs: captures and answers made in steps by such an event, so that the
 * module never holds up a pass of the event loop.  As many steps as fit in a
 * slice of time run in one pass; the rest runs in later passes, and other
 * events are served between.  Each job belongs to a request to the module,
 * which keeps an exiting worker alive (ngx_prof_hold.h).  Worker, normal
 * context.
 */


#ifndef _NGX_PROF_JOB_H_INCLUDED_
#define _NGX_PROF_JOB_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/* ns of one slice */
#define NGX_PROF_SLICE  300000


/* events that may wait for their turn before answers are refused */
#define NGX_PROF_TURNS  64


/* one step of at most some 100 us; NGX_AGAIN: more can be done now */
typedef ngx_int_t (*ngx_prof_step_pt)(void *data);


typedef struct {

    /*
     * may also return NGX_DONE: it waits, see job_wait().  Otherwise the job
     * ends
     */
    ngx_prof_step_pt    step;

    /* the job has ended with rc, from its last step */
    void              (*done)(void *data, ngx_int_t rc);
    void               *data;               /* for both */

    ngx_event_t         event;
    ngx_connection_t    connection;
    uint64_t            until;              /* of a pause: ns, monotonic */
    uint64_t            cut;                /* ns that the latest one lacked */
    ngx_uint_t          turns;              /* its slices take turns with those
                                               of answers */
} ngx_prof_job_t;


/* c: stands for the event's connection in nginx; zeroed like the event */
void ngx_prof_event_init(ngx_event_t *ev, ngx_connection_t *c,
    ngx_event_handler_pt handler, ngx_log_t *log);

/* afterwards the event is neither a timer nor posted */
void ngx_prof_event_stop(ngx_event_t *ev);

/*
 * runs steps until one does not return NGX_AGAIN, or for one slice; returns
 * what the last one returned
 */
ngx_int_t ngx_prof_slice(ngx_prof_step_pt step, void *data);

/*
 * The same, of an answer.  If others have to come first, it runs none and
 * returns NGX_AGAIN: the caller's event waits for its turn then.
 */
ngx_int_t ngx_prof_turn_slice(ngx_prof_step_pt step, void *data);

/*
 * Calls the event's handler, for one more slice, in a later pass: events take
 * turns, one a pass.  While the worker is busy with other work they take a
 * fortieth of its CPU time, but for the first 20 ms.  ngx_prof_event_stop() is
 * for these events, too.
 */
void ngx_prof_turn(ngx_event_t *ev);

/* whether other work than slices took less than a fifth of a processor */
ngx_uint_t ngx_prof_turn_idle(void);

/* whether NGX_PROF_TURNS events wait */
ngx_uint_t ngx_prof_turn_full(void);

/*
 * the caller has set step, done and data and zeroed the rest; the first step
 * runs later
 */
void ngx_prof_job_start(ngx_prof_job_t *job, ngx_log_t *log);

/* for a step: delays the next one by some ms; returns NGX_DONE */
ngx_int_t ngx_prof_job_wait(ngx_prof_job_t *job, ngx_msec_t timer);

/*
 * for a step: as job_wait(), for a time that somebody asked for; it is over
 * some seconds after the worker has been told to exit
 */
ngx_int_t ngx_prof_job_pause(ngx_prof_job_t *job, ngx_msec_t timer);

/* continues a job whose step returned NGX_DONE without job_wait() */
void ngx_prof_job_resume(ngx_prof_job_t *job);

/* no more steps, and done is not called; may be called at any time */
void ngx_prof_job_stop(ngx_prof_job_t *job);


#endif /* _NGX_PROF_JOB_H_INCLUDED_ */
