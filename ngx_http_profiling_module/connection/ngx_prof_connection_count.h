
/*
 * The connections of this worker by kind and state.  The counts are exact and
 * do not drift, since no counter stays in shared memory that a killed worker
 * could leave behind.  Worker, normal context.
 */


#ifndef _NGX_PROF_CONNECTION_COUNT_H_INCLUDED_
#define _NGX_PROF_CONNECTION_COUNT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/*
 * connections, and entries of contexts, that are read in one pass: about 30 us
 */
#define NGX_PROF_CONNECTIONS_STEP  2048
#define NGX_PROF_CONTEXTS_STEP     8192


/*
 * Counts the next step into g, which is zeroed at first; *from is 0 to begin.
 * NGX_OK: done; NGX_AGAIN: call again in a later pass of the loop.
 */
ngx_int_t ngx_prof_connections_count(ngx_cycle_t *cycle, ngx_uint_t *from,
    ngx_prof_gauges_t *g);


#endif /* _NGX_PROF_CONNECTION_COUNT_H_INCLUDED_ */
