
/*
 * What holds a worker that drains: counted at its ticks, from the connections
 * that are open then.  Worker, normal context.
 */


#ifndef _NGX_PROF_DRAIN_H_INCLUDED_
#define _NGX_PROF_DRAIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_context.h"
#include "ngx_prof_slot.h"


void ngx_prof_drain_begin(void);

/* a client's connection; context: what is known of it, or NULL */
void ngx_prof_drain_count(const ngx_prof_context_t *context);

/* fills all but since */
void ngx_prof_drain_end(ngx_prof_drain_t *drain);


#endif /* _NGX_PROF_DRAIN_H_INCLUDED_ */
