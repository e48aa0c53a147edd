
/*
 * Requests during a trace: known from their first phase, which is seen in
 * nginx's table of phases, until they are logged.  Worker, normal context.
 */


#ifndef _NGX_PROF_TRACE_REQUEST_H_INCLUDED_
#define _NGX_PROF_TRACE_REQUEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_trace_watch.h"


/* a trace begins; it reports the requests that exist already; it ends */
ngx_int_t ngx_prof_trace_requests_start(void);
void ngx_prof_trace_requests_existing(uint64_t now);
void ngx_prof_trace_requests_stop(void);

/* what is known of a request or subrequest, by its address, or NULL */
ngx_prof_trace_key_t *ngx_prof_trace_find(const void *r);
void ngx_prof_trace_remove(ngx_prof_trace_key_t *key);

/*
 * records how far the request has come with its upstream, if that has changed
 */
void ngx_prof_trace_stage(ngx_prof_traced_t *t, ngx_http_request_t *r,
    uint64_t now);


#endif /* _NGX_PROF_TRACE_REQUEST_H_INCLUDED_ */
