
/*
 * How children of the master end: its waitpid() is interposed, and what that
 * tells of workers is kept in the zone.
 */


#ifndef _NGX_PROF_EXITS_H_INCLUDED_
#define _NGX_PROF_EXITS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


/* master, at each start and reload.  cycle: as long as the zone is there */
void ngx_prof_exits_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/*
 * any process that the master has forked: the blocking calls of a worker have
 * a hook of waitpid() of their own, and one name can have one hook
 */
void ngx_prof_exits_init_process(ngx_log_t *log);


#endif /* _NGX_PROF_EXITS_H_INCLUDED_ */
