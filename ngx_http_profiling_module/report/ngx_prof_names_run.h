
/*
 * Answers that name frames.  Worker, normal context.
 */


#ifndef _NGX_PROF_NAMES_RUN_H_INCLUDED_
#define _NGX_PROF_NAMES_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


/*
 * Runs a work once the names that its answer needs are known: those of the
 * stacks of pauses (stacks is 1), or only those of their causes.  First asks
 * stuck workers for their stacks.  Returns what a content handler returns.
 */
ngx_int_t ngx_prof_names_run(ngx_prof_work_t *w, ngx_uint_t stacks);


#endif /* _NGX_PROF_NAMES_RUN_H_INCLUDED_ */
