
/*
 * Who finds that a worker has died: a report is made of what is left in its
 * slot, and one line is written to the error log.  Any worker, normal context.
 */


#ifndef _NGX_PROF_REAPER_H_INCLUDED_
#define _NGX_PROF_REAPER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* two loads if nobody has died */
void ngx_prof_reap(ngx_log_t *log);

/*
 * By a worker that starts, before it claims a slot: waits for another one that
 * reaps.
 */
void ngx_prof_reap_first(ngx_log_t *log);

/* at each tick: as above, and knows kills by the kernel of others */
void ngx_prof_reap_tick(ngx_log_t *log);


#endif /* _NGX_PROF_REAPER_H_INCLUDED_ */
