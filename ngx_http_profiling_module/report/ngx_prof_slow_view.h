
/* Slow requests: the list, and one of them part by part. */


#ifndef _NGX_PROF_SLOW_VIEW_H_INCLUDED_
#define _NGX_PROF_SLOW_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slow.h"
#include "ngx_prof_work.h"


/* w->report: the number of one, which is there; 0: all */
ngx_int_t ngx_prof_slow_view(ngx_prof_work_t *w);

/* the one with this number, until the next call; NULL: it is not kept */
const ngx_prof_slow_t *ngx_prof_slow_find(uint64_t number);


#endif /* _NGX_PROF_SLOW_VIEW_H_INCLUDED_ */
