
/*
 * Events of the module's own, which have no descriptor: timers and posted
 * events.  Jobs: captures and answers that are made in steps by such an event,
 * so that no pass of the event loop is held up by the module: as many steps as
 * fit into a slice of time, the rest in the next pass, other events served
 * between.  They are below a request of the module, which keeps a worker that
 * shall exit (ngx_prof_hold.h).  Worker, normal context.
 */


#ifndef _NGX_PROF_JOB_H_INCLUDED_
#define _NGX_PROF_JOB_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/* ns of one slice */
#define NGX_PROF_SLICE  300000


/* one step of at most some 100 us; NGX_AGAIN: there is more to do now */
typedef ngx_int_t (*ngx_prof_step_pt)(void *data);


typedef struct {

    /* also NGX_DONE: it waits, see job_wait(); else: the job has ended */
    ngx_prof_step_pt    step;

    /* the job has ended by what the last step has returned */
    void              (*done)(void *data, ngx_int_t rc);
    void               *data;               /* of both */

    ngx_event_t         event;
    ngx_connection_t    connection;
} ngx_prof_job_t;


/* c: what nginx takes for the event's connection, zeroed as the event is */
void ngx_prof_event_init(ngx_event_t *ev, ngx_connection_t *c,
    ngx_event_handler_pt handler, ngx_log_t *log);

/* it is neither a timer nor posted any more */
void ngx_prof_event_stop(ngx_event_t *ev);

/* in so many ms, counted from now, and never before */
void ngx_prof_event_timer(ngx_event_t *ev, ngx_msec_t timer);

/* steps until they take no more, or for one slice; what the last returned */
ngx_int_t ngx_prof_slice(ngx_prof_step_pt step, void *data);

/* step, done and data are set, the rest is zeroed; the first step is later */
void ngx_prof_job_start(ngx_prof_job_t *job, ngx_log_t *log);

/* for a step: the next one comes in some ms; NGX_DONE */
ngx_int_t ngx_prof_job_wait(ngx_prof_job_t *job, ngx_msec_t timer);

/* no more steps, and done is not called; may be called at any time */
void ngx_prof_job_stop(ngx_prof_job_t *job);


#endif /* _NGX_PROF_JOB_H_INCLUDED_ */
