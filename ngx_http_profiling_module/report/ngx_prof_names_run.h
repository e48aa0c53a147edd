
/*
 * Answers that name frames.  Worker, normal context.
 */


#ifndef _NGX_PROF_NAMES_RUN_H_INCLUDED_
#define _NGX_PROF_NAMES_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


/* names of what: where pauses and deaths were; stacks of pauses; deaths */

typedef enum {
    NGX_PROF_NAMES_PLACES = 0,
    NGX_PROF_NAMES_STACKS,
    NGX_PROF_NAMES_DEATHS
} ngx_prof_names_of_e;


/*
 * Runs a work once the names that its answer needs are known.  First asks
 * stuck workers for their stacks.  Returns what a content handler returns.
 */
ngx_int_t ngx_prof_names_run(ngx_prof_work_t *w, ngx_prof_names_of_e of);


#endif /* _NGX_PROF_NAMES_RUN_H_INCLUDED_ */
