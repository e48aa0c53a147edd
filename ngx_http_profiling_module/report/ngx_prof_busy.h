
/*
 * The places with the most requests.  Worker, normal context; private to a
 * request.
 */


#ifndef _NGX_PROF_BUSY_H_INCLUDED_
#define _NGX_PROF_BUSY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


/* so many have histograms in /metrics, unless it is asked for others */
#define NGX_PROF_BUSY  500


typedef struct {
    uint64_t    requests;
    uint32_t    place;
} ngx_prof_busy_place_t;


typedef struct {
    ngx_uint_t               n;         /* in heap */
    ngx_uint_t               next;      /* place to be looked at */
    ngx_uint_t               places;
    u_char                  *busy;      /* a bit for each place */
    ngx_prof_busy_place_t    heap[NGX_PROF_BUSY];
                                        /* the least one is the first */
} ngx_prof_busy_t;


/* NULL: out of memory */
ngx_prof_busy_t *ngx_prof_busy_create(ngx_pool_t *pool,
    const ngx_prof_zone_t *zone);

/* looks at some places: NGX_AGAIN, or NGX_DONE when there is none left */
ngx_int_t ngx_prof_busy_next(ngx_prof_busy_t *b, ngx_prof_zone_t *zone);

/* after that */
ngx_uint_t ngx_prof_busy(const ngx_prof_busy_t *b, ngx_uint_t place);


#endif /* _NGX_PROF_BUSY_H_INCLUDED_ */
