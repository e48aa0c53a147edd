
/*
 * When the next of several pieces of work may begin that other processes do:
 * all together take a part of a processor, while their worker is busy.  A few
 * may begin at once before that.  Worker, normal context.
 */


#ifndef _NGX_PROF_PACE_H_INCLUDED_
#define _NGX_PROF_PACE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the time of a busy worker to that of all of them */
#define NGX_PROF_PACE_PART   30

/* ns of a processor that some may take at once */
#define NGX_PROF_PACE_BURST  100000000

/* ns that one waits for those before it, at most */
#define NGX_PROF_PACE_WAIT   10000000000

/* a worker is busy that is so for one part in so many of its time */
#define NGX_PROF_PACE_BUSY   10

/* ns after which that can be told: for less, others may have its processor */
#define NGX_PROF_PACE_LOOK   200000000


/* all are ns; zeroed at first */

typedef struct {
    uint64_t  owes;             /* until then, by the monotonic clock */
    uint64_t  seen;             /* when the worker was looked at */
    uint64_t  busy;             /* CPU time that it had taken by then */
} ngx_prof_pace_t;


/* one that has ended took so many ns of a processor */
void ngx_prof_pace_took(ngx_prof_pace_t *pace, uint64_t ns, uint64_t now);

/* whether one may begin; a worker that is not busy owes nothing any more */
ngx_uint_t ngx_prof_pace_may(ngx_prof_pace_t *pace, uint64_t now,
    uint64_t busy);


#endif /* _NGX_PROF_PACE_H_INCLUDED_ */
