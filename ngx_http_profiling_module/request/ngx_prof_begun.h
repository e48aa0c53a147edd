
/*
 * When a request began, by the monotonic clock.
 *
 * nginx notes the begin of a request in milliseconds of the day's clock, which
 * may be set while the request is in progress.  The worker follows how far that
 * clock is from nginx's monotonic one, and since when.  Worker, normal context.
 */


#ifndef _NGX_PROF_BEGUN_H_INCLUDED_
#define _NGX_PROF_BEGUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* at each tick: whether the day's clock was set */
void ngx_prof_begun_update(void);

/*
 * ns, CLOCK_MONOTONIC, by nginx's own note in ms: never after `known`, a time
 * in ns at which the request was there; pass is when the present pass began.
 */
uint64_t ngx_prof_begun(const ngx_http_request_t *r, uint64_t pass,
    uint64_t known);


#endif /* _NGX_PROF_BEGUN_H_INCLUDED_ */
