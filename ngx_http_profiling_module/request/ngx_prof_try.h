
/*
 * Tries of upstreams, by peer: counted and timed as they go.
 *
 * A request's functions that choose a peer and give it back are wrapped in
 * ours, as those of nginx's own balancers wrap each other.  The first bytes
 * sent and received pass through functions of ours once a try.
 */


#ifndef _NGX_PROF_TRY_H_INCLUDED_
#define _NGX_PROF_TRY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_conf.h"


/* what a request's try of a peer has come to, when it has ended */

typedef struct {
    ngx_http_upstream_t  *u;
    uint64_t              took;     /* ns */
    ngx_uint_t            bucket;   /* of that + 1; 0: it has not ended */
} ngx_prof_try_told_t;


/* worker: of the latest try of a request; NULL: it has had none of ours */

static ngx_inline const ngx_prof_try_told_t *
ngx_prof_try_told(const ngx_http_request_t *r)
{
    return ngx_http_get_module_ctx(r, ngx_http_profiling_module);
}


/*
 * Worker: a request is about to try the peers of an upstream, by its index in
 * the zone, whose balancer is ready.  NGX_OK, always.
 */
ngx_int_t ngx_prof_try_begin(ngx_http_request_t *r, ngx_uint_t upstream);

/*
 * Worker: the row + 1 of the peer that a connection of a request leads to, and
 * its step.  0: the connection is not to an upstream, or has no row.
 */
ngx_uint_t ngx_prof_try_peer(ngx_http_request_t *r, const ngx_connection_t *c,
    ngx_uint_t *step);

/* worker: when the latest try of a request began, ticks; 0: not known */
uint64_t ngx_prof_try_start(const ngx_http_request_t *r);

/*
 * Worker: a request that ends may have had peers that were found by name and
 * belong to no upstream of the configuration: they are counted from nginx's own
 * record, in its milliseconds.
 */
void ngx_prof_try_resolved(ngx_http_request_t *r);


#endif /* _NGX_PROF_TRY_H_INCLUDED_ */
