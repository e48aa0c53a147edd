
/*
 * Keeps a worker that has been told to exit until its answers are given.
 * nginx lets it go as soon as no timer is left, and what the module does in
 * steps, one in each pass of the event loop, or waits for from a descriptor,
 * has none of its own.  Worker, normal context.
 */


#ifndef _NGX_PROF_HOLD_H_INCLUDED_
#define _NGX_PROF_HOLD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The content handler of all locations of the module: calls the location's
 * own.  If that goes on later, a timer is there until the request ends.
 */
ngx_int_t ngx_prof_hold_handler(ngx_http_request_t *r);


#endif /* _NGX_PROF_HOLD_H_INCLUDED_ */
