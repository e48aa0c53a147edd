
/*
 * Keeps a worker that was told to exit alive until its answers are sent.  nginx
 * lets a worker exit as soon as no timer is left; the module's jobs, which run
 * a step in each pass of the event loop or wait for a descriptor, have no
 * timer.  Worker, normal context.
 */


#ifndef _NGX_PROF_HOLD_H_INCLUDED_
#define _NGX_PROF_HOLD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The content handler of all the module's locations: calls the location's own
 * handler.  If that handler answers later, a timer runs until the request ends.
 */
ngx_int_t ngx_prof_hold_handler(ngx_http_request_t *r);


#endif /* _NGX_PROF_HOLD_H_INCLUDED_ */
