
/*
 * What is told of one connection beyond its kind and state.  Worker, normal
 * context.
 */


#ifndef _NGX_PROF_ENTRY_DETAILS_H_INCLUDED_
#define _NGX_PROF_ENTRY_DETAILS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_connection.h"


/* what the entry that was read is told with */
void ngx_prof_connection_details(ngx_prof_connection_t *e);


#endif /* _NGX_PROF_ENTRY_DETAILS_H_INCLUDED_ */
