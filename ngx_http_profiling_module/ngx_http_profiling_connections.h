
/*
 * The connections of this worker, counted from nginx's own table: exact, and
 * without drift, since nothing is kept in shared memory that a killed worker
 * could leave behind.  Worker, normal context.
 */


#ifndef _NGX_HTTP_PROFILING_CONNECTIONS_H_INCLUDED_
#define _NGX_HTTP_PROFILING_CONNECTIONS_H_INCLUDED_


#include "ngx_http_profiling_module.h"


/* connections looked at in one step: about 30 us */
#define NGX_HTTP_PROFILING_CONNECTIONS_STEP  4096


/*
 * Counts the next step of the table into g, from connection *from, which it
 * moves on.  NGX_OK: the table is done; NGX_AGAIN: call again in a later
 * pass of the loop.
 */
ngx_int_t ngx_http_profiling_connections_count(ngx_cycle_t *cycle,
    ngx_uint_t *from, ngx_http_profiling_gauges_t *g);


#endif /* _NGX_HTTP_PROFILING_CONNECTIONS_H_INCLUDED_ */
