
/*
 * Which location counts a request that went through several of them.
 *
 * The location that answers counts it; those that handed it over, by a
 * rewrite, try_files, an index, X-Accel-Redirect or a named location, do not.
 * A response that error_page replaced stays with the location that failed.
 *
 * `counted` is the address of the module's configuration of that location.
 * Its lowest bit is set when it stays, whatever location comes next.
 */


#ifndef _NGX_PROF_ROUTE_H_INCLUDED_
#define _NGX_PROF_ROUTE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_conf.h"


typedef enum {
    NGX_PROF_ROUTE_SAME = 0,
    NGX_PROF_ROUTE_HANDED_OVER,         /* by the location counted before */
    NGX_PROF_ROUTE_INTERNAL             /* the present one serves an error */
} ngx_prof_route_e;


/*
 * Master, in postconfiguration: `failed` is called in a worker each time that
 * an error_page is used, while the request is still in the location that
 * failed.
 */
ngx_int_t ngx_prof_route_init(ngx_conf_t *cf,
    void (*failed)(ngx_http_request_t *r));


/* worker: whether no location was found for the request before this one */

static ngx_inline ngx_uint_t
ngx_prof_route_is_first(const ngx_http_request_t *r)
{
    return r->uri_changes == NGX_HTTP_MAX_URI_CHANGES + 1;
}


/* worker: the location that counts a request, from where it is now */

static ngx_inline ngx_prof_loc_conf_t *
ngx_prof_route_location(uintptr_t counted, ngx_prof_loc_conf_t *now)
{
    return (counted & 1) ? (ngx_prof_loc_conf_t *) (counted - 1) : now;
}


/* worker: a main request is in a location; updates *counted */
ngx_prof_route_e ngx_prof_route(uintptr_t *counted,
    const ngx_http_request_t *r);

/* worker: error_page replaces the response of a main request */
void ngx_prof_route_failed(uintptr_t *counted, const ngx_http_request_t *r);


#endif /* _NGX_PROF_ROUTE_H_INCLUDED_ */
