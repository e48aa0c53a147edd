
/*
 * Asking all workers: each finds the question in its mailbox in the zone and
 * is woken; answers are looked for whenever a worker tells that it has one.
 * A worker that does not answer soon is looked at: it may have ended, or be
 * stuck in a handler.  Nothing is waited for without a bound.  Worker, normal
 * context.
 */


#ifndef _NGX_PROF_ASK_H_INCLUDED_
#define _NGX_PROF_ASK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_slot.h"


typedef enum {
    NGX_PROF_ASKED_WAITING = 0,
    NGX_PROF_ASKED_ANSWERED,
    NGX_PROF_ASKED_STUCK,                   /* in a handler */
    NGX_PROF_ASKED_SILENT,                  /* nothing is known of it */
    NGX_PROF_ASKED_GONE                     /* it has ended meanwhile */
} ngx_prof_asked_e;


/* a worker; a question may have more behind it */

typedef struct {
    ngx_prof_slot_t           *slot;
    ngx_pid_t                  pid;
    ngx_uint_t                 state;
    ngx_uint_t                 reached;     /* it was woken */
    uint64_t                   number;      /* of the question; 0: none */
} ngx_prof_asked_t;


typedef struct ngx_prof_ask_s  ngx_prof_ask_t;


typedef struct {
    size_t                     size;        /* of a worker */
    ngx_uint_t                 living;      /* whether owners live is asked
                                               at once, not of the late */
    ngx_msec_t                 late;        /* after which one is late */
    ngx_msec_t                 end;         /* after which none is waited for,
                                               unless there is chase() */

    /* fills the mailbox; NGX_DECLINED: it is not to be woken */
    ngx_int_t                (*ask)(ngx_prof_ask_t *a, ngx_prof_asked_t *w);

    /* sets the state if it has answered; NGX_AGAIN: there is more to do now */
    ngx_int_t                (*look)(ngx_prof_ask_t *a, ngx_prof_asked_t *w);

    /* of a late one, that lives; may set the state, or be NULL */
    void                     (*chase)(ngx_prof_ask_t *a, ngx_prof_asked_t *w,
        ngx_msec_t ms);
} ngx_prof_question_t;


/* a kind of questions may have more behind it */

struct ngx_prof_ask_s {
    const ngx_prof_question_t *question;
    ngx_array_t                workers;     /* ngx_prof_asked_t, with more */
    uint64_t                   start;       /* ns, CLOCK_MONOTONIC */
    ngx_msec_t                 late;        /* as the question's, or less */
    ngx_pool_t                *pool;
    void                     (*done)(void *data);
    void                      *data;        /* of done() */

    ngx_uint_t                 next;        /* worker to look at */
    ngx_queue_t                queue;
    ngx_event_t                event;       /* timer, and posted */
    ngx_connection_t           connection;
};


/*
 * size bytes, which begin with a ngx_prof_ask_t, all zeros but that.  done is
 * called once, when no worker is waited for any more, unless the pool is
 * destroyed before.  NULL: out of memory.
 */
void *ngx_prof_ask_create(ngx_pool_t *pool, size_t size,
    const ngx_prof_question_t *question, void (*done)(void *data),
    void *data);

/* asks one worker or (0) all; NGX_ERROR: out of memory, done is not called */
ngx_int_t ngx_prof_ask_start(ngx_prof_ask_t *a, ngx_pid_t worker,
    ngx_log_t *log);

/* when this worker is woken: there may be answers */
void ngx_prof_ask_check(void);


#endif /* _NGX_PROF_ASK_H_INCLUDED_ */
