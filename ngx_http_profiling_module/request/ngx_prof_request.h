
/* Requests: when each began, and in which counters its end is counted. */


#ifndef _NGX_PROF_REQUEST_H_INCLUDED_
#define _NGX_PROF_REQUEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_base.h"
#include "ngx_prof_context.h"


/* ns: shorter work of a request after its response is not reported */
#define NGX_PROF_REQUEST_LATE  100000


/* the same by ngx_prof_loop_ticks() */
extern uint64_t  ngx_prof_request_late
    NGX_PROF_HIDDEN;


/* master: the log handler, in postconfiguration */
ngx_int_t ngx_prof_request_init(ngx_conf_t *cf);

/* master, once nginx has built its phase engine: that handler is the last */
void ngx_prof_request_init_module(ngx_cycle_t *cycle);

/*
 * Worker: where it is recorded when bytes of a request's response went to the
 * kernel last; NULL: it has not begun.
 */
uint64_t *ngx_prof_request_end(ngx_http_request_t *r);

/* worker: the latest request becomes one of those that have not ended */
void ngx_prof_request_put_away(void);

/* worker: slow path of what follows the search for a request's location */
void ngx_prof_request_located(ngx_http_request_t *r);

/* worker: begin(), where the latest request has not ended, or for a stream */
void ngx_prof_request_another(ngx_http_request_t *r);

/* worker: how many requests a connection serves; HTTP/2 may have many */
ngx_uint_t ngx_prof_request_active(const ngx_connection_t *c);


/* HTTP/2 and HTTP/3: the connection is not in nginx's table */

static ngx_inline ngx_uint_t
ngx_prof_is_stream(ngx_http_request_t *r)
{
#if (NGX_HTTP_V2)

    if (r->stream) {
        return 1;
    }

#endif

#if (NGX_HTTP_V3)

    if (r->connection->quic) {
        return 1;
    }

#endif

    return 0;
}


/*
 * A request enters its first phase.  Its time counts from the start of this
 * pass of the event loop: while other events of the pass were handled, its
 * client waited.
 */

static ngx_inline void
ngx_prof_request_begin(ngx_http_request_t *r)
{
    ngx_prof_context_t  *latest;

    latest = &ngx_prof_latest;

    if (ngx_prof_unlikely(latest->request != 0 || ngx_prof_is_stream(r))) {
        ngx_prof_request_another(r);

    } else if (ngx_prof_likely(r == r->main)) {
        ngx_prof_context_note(latest, r);
    }
}


#endif /* _NGX_PROF_REQUEST_H_INCLUDED_ */
