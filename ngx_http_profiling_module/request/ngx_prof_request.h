
/* Requests: when each began, and in which counters its end is counted. */


#ifndef _NGX_PROF_REQUEST_H_INCLUDED_
#define _NGX_PROF_REQUEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* master: the log handler, in postconfiguration */
ngx_int_t ngx_prof_request_init(ngx_conf_t *cf);

/* master, once nginx has built its phase engine: wraps two of its phases */
void ngx_prof_request_init_module(ngx_cycle_t *cycle);

/* worker: how many requests a connection serves; HTTP/2 may have many */
ngx_uint_t ngx_prof_request_active(const ngx_connection_t *c);


#endif /* _NGX_PROF_REQUEST_H_INCLUDED_ */
