
/*
 * Raises incidents with what all workers serve now (ngx_prof_incidents.h).
 * Worker, normal context.
 */


#ifndef _NGX_PROF_INCIDENT_H_INCLUDED_
#define _NGX_PROF_INCIDENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_incidents.h"


/* see ngx_prof_incident_raise() */
void ngx_prof_incident(ngx_uint_t reason, uint64_t key, uint64_t pid,
    uint64_t value, const ngx_prof_pause_t *where);

/* a pass of this worker that took so long, in ns */
void ngx_prof_incident_stall(uint64_t duration, const ngx_prof_pause_t *pause);


#endif /* _NGX_PROF_INCIDENT_H_INCLUDED_ */
