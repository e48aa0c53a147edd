
/*
 * /api/profiling/incidents, one of them, and its profile.  Worker, normal
 * context.
 */


#ifndef _NGX_PROF_INCIDENT_VIEW_H_INCLUDED_
#define _NGX_PROF_INCIDENT_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_incidents.h"
#include "ngx_prof_text.h"
#include "ngx_prof_work.h"


/* all of them, the latest first; or, with w->report, one with all it has */
ngx_int_t ngx_prof_incidents_view(ngx_prof_work_t *w);

/* the name of a reason */
const char *ngx_prof_incident_name(ngx_uint_t reason);

/*
 * Copies a profile that is kept.  NGX_AGAIN: it is being recorded;
 * NGX_DECLINED: there is none; NGX_ERROR: no memory.
 */
ngx_int_t ngx_prof_incident_profile(uint64_t number, ngx_prof_text_t *text);


#endif /* _NGX_PROF_INCIDENT_VIEW_H_INCLUDED_ */
