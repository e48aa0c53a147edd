
/*
 * Where a worker counts the requests of each place.
 */


#ifndef _NGX_PROF_COUNTER_H_INCLUDED_
#define _NGX_PROF_COUNTER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_base.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_histogram.h"


/* worker: by place; NULL: it had no request here yet, as the last one always */
extern ngx_prof_counting_t  **ngx_prof_counters
    NGX_PROF_HIDDEN;


/* worker, before it has its slot: NGX_ERROR: it cannot have one */
ngx_int_t ngx_prof_counter_init_process(ngx_cycle_t *cycle);

/* slow path of counter_open() */
ngx_prof_counting_t *ngx_prof_counter_make(ngx_uint_t place, ngx_uint_t hist,
    ngx_uint_t bucket);

/* worker: the counter of a row, see row.h; NULL: there is no room for it */
ngx_prof_counting_t *ngx_prof_counter_row(ngx_uint_t row);

/* the row of a counter that it has returned */
ngx_uint_t ngx_prof_counter_row_of(const ngx_prof_counting_t *counter);

/* slow path of counter_time(); NGX_DECLINED: no room, which is counted */
ngx_int_t ngx_prof_counter_grow(ngx_prof_counting_t *counter, ngx_uint_t hist,
    ngx_uint_t bucket);

/* worker: the counter of a place, or that of the place `other` */
ngx_prof_counting_t *ngx_prof_counter_of(ngx_uint_t place);


/*
 * Worker: a counter with room for a bucket: that of the place, which gets what
 * it lacks, or that of the place `other`.
 */

static ngx_inline ngx_prof_counting_t *
ngx_prof_counter_open(ngx_uint_t place, ngx_uint_t hist, ngx_uint_t bucket)
{
    ngx_prof_counting_t  *counter;

    counter = ngx_prof_counters[place];

    return (ngx_prof_likely(counter != NULL)
            && ngx_prof_counting_chunk(counter, hist, bucket))
           ? counter : ngx_prof_counter_make(place, hist, bucket);
}


/* worker: a duration of a row, in ns */

static ngx_prof_always_inline void
ngx_prof_counter_time(ngx_prof_counting_t *counter, ngx_uint_t hist,
    uint64_t ns)
{
    ngx_uint_t  bucket;

    bucket = ngx_prof_hist_bucket(ns);

    if (ngx_prof_unlikely(ngx_prof_counting_chunk(counter, hist, bucket)
                          == NULL)
        && ngx_prof_counter_grow(counter, hist, bucket) != NGX_OK)
    {
        return;
    }

    ngx_prof_cell_time(counter->cell,
                       ngx_prof_counting_chunk(counter, hist, bucket),
                       hist, bucket, ns);
}


#endif /* _NGX_PROF_COUNTER_H_INCLUDED_ */
