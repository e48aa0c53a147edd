
/*
 * Parts of /api/profiling/goroutines.  Worker, normal context.
 */


#ifndef _NGX_PROF_CONNECTIONS_VIEW_H_INCLUDED_
#define _NGX_PROF_CONNECTIONS_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_dump_area.h"
#include "ngx_prof_dumps.h"
#include "ngx_prof_json.h"
#include "ngx_prof_slot.h"


/* parts of the answer in JSON: states are as of the latest ticks */
void ngx_prof_connections_states(ngx_prof_json_t *j,
    const ngx_prof_gauges_t *g);
void ngx_prof_connections_sums(ngx_prof_json_t *j, const ngx_prof_dumps_t *g);
void ngx_prof_connections_workers(ngx_prof_json_t *j,
    const ngx_prof_dumps_t *g);
void ngx_prof_connections_stuck(ngx_prof_json_t *j,
    const ngx_prof_worker_dump_t *w);
void ngx_prof_connections_detail(ngx_prof_json_t *j,
    const ngx_prof_dump_detail_t *d, const ngx_prof_dump_group_t *g);


#endif /* _NGX_PROF_CONNECTIONS_VIEW_H_INCLUDED_ */
