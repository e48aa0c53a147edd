
/*
 * Dumps of all workers, collected by the worker that asks: it wakes every
 * worker, each writes its connections to the zone, and they are copied from
 * there.  A worker that does not begin within 200 ms is stuck in a handler; it
 * gets a signal, and its native stack is reported in place of its
 * connections.  Every wait has a deadline.  Worker, normal context.
 */


#ifndef _NGX_PROF_DUMPS_H_INCLUDED_
#define _NGX_PROF_DUMPS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_dump_area.h"
#include "ngx_prof_slot.h"


/*
 * ms from the request on: to begin; to answer the signal as well; to begin,
 * for a worker that is not in a handler; to end a dump that was begun
 */
#define NGX_PROF_DUMPS_BEGIN   200
#define NGX_PROF_DUMPS_SIGNAL  600
#define NGX_PROF_DUMPS_TURN    2000
#define NGX_PROF_DUMPS_END     10000


typedef enum {
    NGX_PROF_DUMPS_WAITING = 0,
    NGX_PROF_DUMPS_ANSWERED,
    NGX_PROF_DUMPS_STUCK,                   /* native is its stack */
    NGX_PROF_DUMPS_SILENT,                  /* it has not answered at all */
    NGX_PROF_DUMPS_GONE                     /* it ended meanwhile */
} ngx_prof_dumps_state_e;


/* a worker */

typedef struct {
    ngx_prof_slot_t        *slot;
    ngx_prof_dump_area_t   *area;
    ngx_pid_t               pid;
    uint64_t                worker;                 /* ngx_worker */
    uint64_t                generation;
    ngx_uint_t              state;
    uint64_t                asked;                  /* 0: an older dump will
                                                       do */
    uint64_t                signalled;              /* 0: no signal was sent */

    /* answered */
    ngx_prof_dump_copy_t    head;
    ngx_prof_dump_group_t  *groups;
    u_char                 *details;

    /* being copied */
    ngx_int_t               copy;                   /* NGX_DECLINED: none */
    size_t                  copied;

    /* not answered */
    ngx_prof_dump_native_t  native;
    uint64_t                since;                  /* ns, length of the
                                                       pause, if stuck */
    uint64_t                connections; /* at its latest tick */
} ngx_prof_worker_dump_t;


typedef struct ngx_prof_dumps_s  ngx_prof_dumps_t;

/* all answers that can be expected have come */
typedef void (*ngx_prof_dumps_pt)(void *data);


struct ngx_prof_dumps_s {
    ngx_array_t             workers;
                                       /* ngx_prof_worker_dump_t */
    uint64_t                time;                   /* ms since the epoch */
    ngx_uint_t              limit;                  /* details */

    ngx_queue_t             queue;
    ngx_event_t             event;                  /* timer, and posted */
    ngx_connection_t        connection;
    ngx_pool_t             *pool;
    uint64_t                start;                  /* ns, CLOCK_MONOTONIC */
    ngx_uint_t              next;                   /* worker to look at */
    ngx_prof_dumps_pt       done;
    void                   *data;
};


/*
 * Asks one worker or (0) all for their connections, with up to limit details
 * from each; dumps of at most age ms will do.  done is called once, later,
 * unless the pool is destroyed first.  NULL: out of memory, or the zone has no
 * room for dumps.
 */
ngx_prof_dumps_t *ngx_prof_dumps_request(ngx_pool_t *pool, ngx_log_t *log,
    ngx_pid_t worker, ngx_uint_t limit, ngx_msec_t age, ngx_prof_dumps_pt done,
    void *data);

/* worker, when it is woken: there may be answers */
void ngx_prof_dumps_check(void);

/* number of connections of a worker, as far as known */
uint64_t ngx_prof_dumps_count(const ngx_prof_worker_dump_t *w);


#endif /* _NGX_PROF_DUMPS_H_INCLUDED_ */
