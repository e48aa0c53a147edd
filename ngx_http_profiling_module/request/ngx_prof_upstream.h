
/*
 * Upstreams of requests, and of subrequests: those are counted at the location
 * of the subrequest.
 */


#ifndef _NGX_PROF_UPSTREAM_H_INCLUDED_
#define _NGX_PROF_UPSTREAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* worker: the upstreams that a request has had, if any, at a place */
void ngx_prof_upstream_count(ngx_http_request_t *r, ngx_uint_t place);

/*
 * Worker: a subrequest may get an upstream; it is counted when the main
 * request ends.  May be told again.
 */
void ngx_prof_upstream_subrequest(ngx_http_request_t *r);


#endif /* _NGX_PROF_UPSTREAM_H_INCLUDED_ */
