
/*
 * What is full: slots, pages and tables of the module's own, so that a figure
 * that is missing is reported as missing; and zones of shared memory.  For
 * health and /metrics.  Worker, normal context.
 */


#ifndef _NGX_PROF_CAPACITY_H_INCLUDED_
#define _NGX_PROF_CAPACITY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_snapshot.h"


typedef struct {
    ngx_uint_t            slots;
    ngx_uint_t            slots_used;       /* by living workers */
    ngx_uint_t            without_slot;     /* living workers */
    ngx_uint_t            pages;
    ngx_uint_t            pages_used;
    ngx_uint_t            uncounted;        /* configured locations that have
                                               no place of their own */
    ngx_uint_t            full;             /* 1: of a place that has one,
                                               requests are counted elsewhere */
    ngx_uint_t            unnamed;          /* upstreams and zones of shared
                                               memory */
    ngx_uint_t            tables;           /* of living workers, full */
    uint64_t              events;           /* that rings of the present trace
                                               had no room for */
    uint64_t              since[NGX_PROF_OWN];
                                            /* ns, CLOCK_MONOTONIC; 0: it is not
                                               full */
    const char           *damage;           /* of the zone, NULL: none */
} ngx_prof_capacity_t;


/* pages of a zone of shared memory */

typedef struct {
    ngx_str_t             name;
    size_t                size;
    uint64_t              pages;            /* 0: they are the module's own */
    uint64_t              used;
    uint64_t              failed;           /* small allocations that found no
                                               room, so far */
    uint64_t              since;            /* ns: nearly full; 0: it is not */
} ngx_prof_pages_t;


void ngx_prof_capacity(const ngx_prof_snapshot_t *s, ngx_prof_capacity_t *c);

/* worker, at each tick: so that it is known since when */
void ngx_prof_capacity_tick(uint64_t clock);

/* the i-th zone of shared memory of this nginx; NGX_DECLINED: there is none */
ngx_int_t ngx_prof_capacity_pages(ngx_uint_t i, uint64_t clock,
    ngx_prof_pages_t *pages);

/* full tables of a living worker, and the name of one of them */
ngx_uint_t ngx_prof_capacity_tables(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, const char **name);


#endif /* _NGX_PROF_CAPACITY_H_INCLUDED_ */
