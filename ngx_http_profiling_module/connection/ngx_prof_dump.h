
/*
 * The dump of a worker's connections, by the worker itself: into its area of
 * the zone (ngx_prof_dump_area.h), when it is asked.
 *
 * The table of connections is walked in steps, one a pass of the event loop,
 * so that no pass is held up however many there are.  A connection is read
 * whole in one step; between two steps others may come and go.
 */


#ifndef _NGX_PROF_DUMP_H_INCLUDED_
#define _NGX_PROF_DUMP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* ns of one step, and connections, or places, that are read before the clock */
#define NGX_PROF_DUMP_STEP   200000
#define NGX_PROF_DUMP_CHECK  16
#define NGX_PROF_DUMP_FREE   1024


/* worker: one whose loop does not come round is asked by a signal */
void ngx_prof_dump_init(void);

/* worker, when it is woken: answers what was asked since, in later passes */
void ngx_prof_dump_answer(void);

/* names for people and labels; all are constants */
const char *ngx_prof_dump_kind_name(ngx_uint_t kind);
const char *ngx_prof_dump_state_name(ngx_uint_t state);
const char *ngx_prof_dump_timer_name(ngx_uint_t kind, ngx_uint_t state,
    ngx_uint_t timer);


#endif /* _NGX_PROF_DUMP_H_INCLUDED_ */
