
/*
 * Processes that serve no requests: the master and the helpers, whose figures
 * are in no sum of the workers'.
 */


#ifndef _NGX_PROF_PROCESSES_H_INCLUDED_
#define _NGX_PROF_PROCESSES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_json.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_work.h"


/* writes the array `processes` */
void ngx_prof_view_processes(ngx_prof_json_t *j, ngx_prof_snapshot_t *s);

void ngx_prof_expose_processes(ngx_prof_work_t *w);


#endif /* _NGX_PROF_PROCESSES_H_INCLUDED_ */
