
/*
 * Finds workers that have died: makes a report from what is left in the slot,
 * and writes one line to the error log.  Any worker, normal context.
 */


#ifndef _NGX_PROF_REAPER_H_INCLUDED_
#define _NGX_PROF_REAPER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* two loads if nobody has died */
void ngx_prof_reap(ngx_log_t *log);

/*
 * By a worker that starts, before it claims a slot: waits while another worker
 * reaps.
 */
void ngx_prof_reap_first(ngx_log_t *log);

/* at each tick: likewise, and counts what else the kernel has killed */
void ngx_prof_reap_tick(ngx_log_t *log);


#endif /* _NGX_PROF_REAPER_H_INCLUDED_ */
