
/*
 * /api/profiling/runtime: versions, settings, the machine.
 */


#ifndef _NGX_PROF_RUNTIME_H_INCLUDED_
#define _NGX_PROF_RUNTIME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_prof_view_runtime(ngx_prof_work_t *w);


#endif /* _NGX_PROF_RUNTIME_H_INCLUDED_ */
