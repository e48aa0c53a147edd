
/*
 * /api/profiling/goroutines: connections, counted and one by one.  Worker,
 * normal context.
 */


#ifndef _NGX_PROF_CONNECTIONS_H_INCLUDED_
#define _NGX_PROF_CONNECTIONS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* content handler: lists up to limit connections one by one */
ngx_int_t ngx_prof_connections_request(ngx_http_request_t *r, ngx_pid_t worker,
    ngx_uint_t limit);


#endif /* _NGX_PROF_CONNECTIONS_H_INCLUDED_ */
