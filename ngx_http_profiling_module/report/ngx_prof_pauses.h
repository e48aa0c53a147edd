
/*
 * /api/profiling/gc: the latest pauses, and where they happened.
 */


#ifndef _NGX_PROF_PAUSES_H_INCLUDED_
#define _NGX_PROF_PAUSES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_prof_pauses_view(ngx_prof_work_t *w);

/* one of them as an object of an array */
void ngx_prof_pauses_print(ngx_prof_json_t *j, const ngx_prof_pause_t *p);


#endif /* _NGX_PROF_PAUSES_H_INCLUDED_ */
