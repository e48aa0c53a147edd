
/*
 * What is told of one connection beyond its kind and state.  Worker, normal
 * context.
 */


#ifndef _NGX_HTTP_PROFILING_ENTRY_DETAILS_H_INCLUDED_
#define _NGX_HTTP_PROFILING_ENTRY_DETAILS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_entry.h"


/* what the entry that was read is told with */
void ngx_http_profiling_entry_details(ngx_http_profiling_entry_t *e);


#endif /* _NGX_HTTP_PROFILING_ENTRY_DETAILS_H_INCLUDED_ */
