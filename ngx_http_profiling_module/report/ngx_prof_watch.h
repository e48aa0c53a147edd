
/*
 * Watches over all workers: raises incidents (ngx_prof_incidents.h), and keeps
 * what was recorded around them.  One worker an interval looks at all of them.
 * Worker, normal context, unless told otherwise.
 */


#ifndef _NGX_PROF_WATCH_H_INCLUDED_
#define _NGX_PROF_WATCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"
#include "ngx_prof_zone.h"


/* master: maps the memory of incidents, once for a zone */
void ngx_prof_watch_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/* at each tick, and when the worker exits */
void ngx_prof_watch_tick(ngx_log_t *log);
void ngx_prof_watch_finish(void);


#endif /* _NGX_PROF_WATCH_H_INCLUDED_ */
