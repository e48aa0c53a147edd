
/*
 * Requests: when they began and where they are counted when they end.
 *
 * A table beside nginx's connections, indexed like them, says which of them
 * serve a request.  It is private to the worker and written by the module's
 * own phase handlers only.
 */


#ifndef _NGX_HTTP_PROFILING_REQUEST_H_INCLUDED_
#define _NGX_HTTP_PROFILING_REQUEST_H_INCLUDED_


#include "ngx_http_profiling_module.h"


/* master: the phase handlers */
ngx_int_t ngx_http_profiling_request_init(ngx_conf_t *cf);

/* worker: where its slot counts */
void ngx_http_profiling_request_init_process(ngx_cycle_t *cycle);

/* worker: how many requests a connection serves; many with HTTP/2 */
ngx_uint_t ngx_http_profiling_request_active(const ngx_connection_t *c);


#endif /* _NGX_HTTP_PROFILING_REQUEST_H_INCLUDED_ */
