
/* /api/profiling/history: the samples kept by the ticks. */


#ifndef _NGX_PROF_HISTORY_H_INCLUDED_
#define _NGX_PROF_HISTORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_prof_view_history(ngx_prof_work_t *w);


#endif /* _NGX_PROF_HISTORY_H_INCLUDED_ */
