
/* Caches: counts requests by what the cache had for them. */


#ifndef _NGX_PROF_CACHE_H_INCLUDED_
#define _NGX_PROF_CACHE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* worker: a request, or a subrequest, that a cache was asked for has ended */
void ngx_prof_cache_count(ngx_http_request_t *r, ngx_uint_t place);


#endif /* _NGX_PROF_CACHE_H_INCLUDED_ */
