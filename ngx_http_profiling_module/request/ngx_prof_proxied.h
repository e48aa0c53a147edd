
/*
 * The end of a request that one peer of an upstream has answered, as most of
 * those that have an upstream end.
 */


#ifndef _NGX_PROF_PROXIED_H_INCLUDED_
#define _NGX_PROF_PROXIED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Worker, in the log phase: counts a request right after its response.  late:
 * from this difference of ngx_prof_loop_ticks() on it is not right after.
 * NGX_DECLINED: the request is none of these, and is not counted.
 */
ngx_int_t ngx_prof_proxied_count(ngx_http_request_t *r, uint64_t late);


#endif /* _NGX_PROF_PROXIED_H_INCLUDED_ */
