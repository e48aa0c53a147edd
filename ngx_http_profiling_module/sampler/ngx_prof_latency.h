
/*
 * Where the time of requests went, by location: counted from a request's slices
 * when it is logged.
 */


#ifndef _NGX_PROF_LATENCY_H_INCLUDED_
#define _NGX_PROF_LATENCY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_base.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_slice.h"
#include "ngx_prof_zone.h"


/* master: the table, once for a zone, if what requests cost is asked for */
void ngx_prof_latency_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/* worker: a request is logged that has had slices before; its cost till now */
void ngx_prof_latency_over(ngx_uint_t place, const ngx_prof_cost_t *cost);

/*
 * Worker: a slice has ended in which a request began and was logged, loop ns
 * after its start: what followed is not the request's time.
 */
void ngx_prof_latency_only(ngx_prof_counting_t *counter, uint64_t loop,
    uint64_t cpu, uint64_t blocked, uint64_t wait);


/* the same, where nothing but the processor's time was in it */

static ngx_prof_always_inline void
ngx_prof_latency_plain(ngx_prof_elapsed_counts_t *counts, uint64_t loop,
    uint64_t wait)
{
    ngx_prof_add(&counts->requests, 1);
    ngx_prof_add(&counts->ns[NGX_PROF_ELAPSED_CPU], loop);
    ngx_prof_add(&counts->ns[NGX_PROF_ELAPSED_WAIT], wait);
}


#endif /* _NGX_PROF_LATENCY_H_INCLUDED_ */
