
/*
 * What a client accepts, RFC 9110, 12.5.1.  Worker, normal context.
 */


#ifndef _NGX_PROF_ACCEPT_H_INCLUDED_
#define _NGX_PROF_ACCEPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The quality of a media type in thousandths, by the most specific range of
 * the Accept headers that it matches; 0: it is not accepted.  named: ranges
 * with "*" do not count.
 */
ngx_uint_t ngx_prof_accept(ngx_http_request_t *r, const char *type,
    ngx_uint_t named);


#endif /* _NGX_PROF_ACCEPT_H_INCLUDED_ */
