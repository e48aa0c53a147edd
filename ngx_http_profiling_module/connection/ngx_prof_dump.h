
/*
 * The dump of a worker's connections: the worker itself writes it to its area
 * of the zone (ngx_prof_dump_area.h) when it is asked.
 *
 * The table of connections is walked in steps, one in each pass of the event
 * loop, so that many connections do not hold up a pass.  Each connection is
 * read completely in one step; between two steps connections may come and go.
 */


#ifndef _NGX_PROF_DUMP_H_INCLUDED_
#define _NGX_PROF_DUMP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * ns of one step, and connections or places that are read between two looks at
 * the clock
 */
#define NGX_PROF_DUMP_STEP   200000
#define NGX_PROF_DUMP_CHECK  16
#define NGX_PROF_DUMP_FREE   1024


/* worker: registers for the signal by which a worker that is stuck is asked */
void ngx_prof_dump_init(void);

/*
 * worker, when it is woken: answers what was asked meanwhile, in later passes
 */
void ngx_prof_dump_answer(void);

/* names for people and labels; all are constants */
const char *ngx_prof_dump_kind_name(ngx_uint_t kind);
const char *ngx_prof_dump_state_name(ngx_uint_t state);
const char *ngx_prof_dump_timer_name(ngx_uint_t kind, ngx_uint_t state,
    ngx_uint_t timer);


#endif /* _NGX_PROF_DUMP_H_INCLUDED_ */
