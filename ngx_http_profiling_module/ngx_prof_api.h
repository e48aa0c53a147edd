
/*
 * The content handlers: they check who asks, the method, the endpoint and the
 * parameters.  Other files make the answers.
 */


#ifndef _NGX_PROF_API_H_INCLUDED_
#define _NGX_PROF_API_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t ngx_prof_api_handler(ngx_http_request_t *r);
ngx_int_t ngx_prof_pprof_handler(ngx_http_request_t *r);
ngx_int_t ngx_prof_prometheus_handler(ngx_http_request_t *r);


#endif /* _NGX_PROF_API_H_INCLUDED_ */
