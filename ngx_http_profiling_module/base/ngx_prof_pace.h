
/*
 * When the next of several pieces of work may begin that other processes do:
 * all together take a part of a processor, while their worker is busy.  A few
 * may begin at once before that.  And whether a worker is idle.  Worker, normal
 * context.
 */


#ifndef _NGX_PROF_PACE_H_INCLUDED_
#define _NGX_PROF_PACE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the time of a busy worker to that of all of them */
#define NGX_PROF_PACE_PART   50

/* ns of a processor that some may take at once */
#define NGX_PROF_PACE_BURST  20000000

/* ns that one waits for those before it, at most */
#define NGX_PROF_PACE_WAIT   10000000000

/* a worker is idle that is busy for less than one part in so many */
#define NGX_PROF_PACE_IDLE   5

/* ns after which that can be told once more */
#define NGX_PROF_PACE_LOOK   200000000


/* zeroed at first, like the look */

typedef struct {
    uint64_t    owes;           /* ns: until then, by the monotonic clock */
} ngx_prof_pace_t;


typedef struct {
    uint64_t    seen;           /* ns: when the worker was looked at */
    uint64_t    busy;           /* ns that it had been busy by then */
    ngx_uint_t  idle;           /* since the look before */
} ngx_prof_pace_look_t;


/* one that has ended took so many ns of a processor */
void ngx_prof_pace_took(ngx_prof_pace_t *pace, uint64_t ns, uint64_t now);

/* whether one may begin; a worker that is idle owes nothing any more */
ngx_uint_t ngx_prof_pace_may(ngx_prof_pace_t *pace, uint64_t now,
    ngx_uint_t idle);

/* whether a worker is idle, by how long it has been busy until now */
void ngx_prof_pace_look(ngx_prof_pace_look_t *look, uint64_t now,
    uint64_t busy);


#endif /* _NGX_PROF_PACE_H_INCLUDED_ */
