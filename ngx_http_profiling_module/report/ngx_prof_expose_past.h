
/*
 * For prometheus.c: what went wrong, and how far back there is a recording.
 * Worker, normal context.
 */


#ifndef _NGX_PROF_EXPOSE_PAST_H_INCLUDED_
#define _NGX_PROF_EXPOSE_PAST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


void ngx_prof_expose_deaths(ngx_prof_work_t *w);
void ngx_prof_expose_past(ngx_prof_work_t *w);


#endif /* _NGX_PROF_EXPOSE_PAST_H_INCLUDED_ */
