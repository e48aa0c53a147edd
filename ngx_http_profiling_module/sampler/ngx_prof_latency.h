
/*
 * Where the time of requests went, by location: counted as each is logged,
 * from what is known of its slices.
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

/* slow path of latency_first() */
void ngx_prof_latency_only(ngx_prof_counting_t *counter,
    const ngx_prof_cost_t *part, uint64_t loop);


/*
 * Worker: a slice has ended in which a request began and was logged; what
 * followed is not the request's time.
 */

static ngx_prof_always_inline void
ngx_prof_latency_first(ngx_prof_counting_t *counter,
    const ngx_prof_cost_t *part)
{
    uint64_t                    loop;
    ngx_prof_elapsed_counts_t  *counts;

    loop = ngx_prof_loop_took(ngx_prof_clock_counted(),
                              ngx_prof_slicing.logged
                              - ngx_prof_slicing.start);

    if (ngx_prof_unlikely(counter->elapsed == NULL
                          || part->cpu != part->loop))
    {
        ngx_prof_latency_only(counter, part, loop);
        return;
    }

    counts = &counter->elapsed->counts;

    ngx_prof_add(&counts->requests, 1);
    ngx_prof_add(&counts->ns[NGX_PROF_ELAPSED_CPU], loop);
    ngx_prof_add(&counts->ns[NGX_PROF_ELAPSED_WAIT], part->wait);
}


#endif /* _NGX_PROF_LATENCY_H_INCLUDED_ */
