
/*
 * What is reported of one connection beyond its kind and state.  Worker,
 * normal context.
 */


#ifndef _NGX_PROF_CONNECTION_DETAILS_H_INCLUDED_
#define _NGX_PROF_CONNECTION_DETAILS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_connection.h"


/* completes a connection that was read */
void ngx_prof_connection_details(ngx_prof_connection_t *e);


#endif /* _NGX_PROF_CONNECTION_DETAILS_H_INCLUDED_ */
