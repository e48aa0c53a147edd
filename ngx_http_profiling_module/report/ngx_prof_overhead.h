
/*
 * What the module itself takes of the processors, by part, and the rates at
 * which it samples, for /api/profiling/runtime and Prometheus.
 */


#ifndef _NGX_PROF_OVERHEAD_H_INCLUDED_
#define _NGX_PROF_OVERHEAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_json.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_work.h"


/* writes the object `overhead`; returns the bits of what is not known */
uint64_t ngx_prof_overhead_view(ngx_prof_json_t *j, ngx_prof_snapshot_t *s);

void ngx_prof_overhead_expose(ngx_prof_work_t *w);


#endif /* _NGX_PROF_OVERHEAD_H_INCLUDED_ */
