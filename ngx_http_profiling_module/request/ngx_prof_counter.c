
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <sys/mman.h>
#include "ngx_prof_counter.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static void ngx_prof_counter_full(void);


static ngx_prof_counting_t  ngx_prof_counter_rows[NGX_PROF_ROWS];

ngx_prof_counting_t  **ngx_prof_counters;


/* the kernel gives pages as they are written: most of these never are */

ngx_int_t
ngx_prof_counter_init_process(ngx_cycle_t *cycle)
{
    void    *p;
    size_t   size;

    size = (ngx_prof_process.zone->places + 1) * sizeof(ngx_prof_counting_t *);

    p = mmap(NULL, size, PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "mmap() of %uz bytes failed, this worker is not profiled",
                      size);
        return NGX_ERROR;
    }

    ngx_prof_counters = p;

    return NGX_OK;
}


ngx_prof_counting_t *
ngx_prof_counter_make(ngx_uint_t place, ngx_uint_t hist, ngx_uint_t bucket)
{
    ngx_prof_counting_t  *counter;

    counter = ngx_prof_counter_of(place);

    if (ngx_prof_counting_chunk(counter, hist, bucket)
        || ngx_prof_cell_grow(ngx_prof_process.zone, ngx_prof_process.slot,
                              counter, hist, bucket)
           == NGX_OK)
    {
        return counter;
    }

    ngx_prof_counter_full();

    return ngx_prof_counter_of(NGX_PROF_PLACE_OTHER);
}


/* a place that found no page keeps the counter of the other places */

ngx_prof_counting_t *
ngx_prof_counter_of(ngx_uint_t place)
{
    ngx_prof_counting_t        *counter;
    static ngx_prof_counting_t  other;

    if (ngx_prof_counters[place]) {
        return ngx_prof_counters[place];
    }

    if (place != NGX_PROF_PLACE_OTHER) {
        counter = ngx_alloc(sizeof(ngx_prof_counting_t), ngx_cycle->log);

        if (counter
            && ngx_prof_cell_open(ngx_prof_process.zone,
                                  ngx_prof_process.slot, place, counter)
               == NGX_OK)
        {
            ngx_prof_counters[place] = counter;
            return counter;
        }

        ngx_free(counter);
        ngx_prof_counter_full();
    }

    if (other.cell == NULL) {
        ngx_prof_cell_open_other(ngx_prof_process.zone,
                                 ngx_prof_process.slot, &other);
    }

    ngx_prof_counters[place] = &other;

    return &other;
}


ngx_prof_counting_t *
ngx_prof_counter_row(ngx_uint_t row)
{
    ngx_prof_counting_t  *counter;

    counter = &ngx_prof_counter_rows[row];

    if (counter->cell
        || ngx_prof_cell_open(ngx_prof_process.zone, ngx_prof_process.slot,
                              ngx_prof_process.zone->places + row, counter)
           == NGX_OK)
    {
        return counter;
    }

    return NULL;
}


ngx_uint_t
ngx_prof_counter_row_of(const ngx_prof_counting_t *counter)
{
    return counter - ngx_prof_counter_rows;
}


ngx_int_t
ngx_prof_counter_grow(ngx_prof_counting_t *counter, ngx_uint_t hist,
    ngx_uint_t bucket)
{
    if (ngx_prof_cell_grow(ngx_prof_process.zone, ngx_prof_process.slot,
                           counter, hist, bucket)
        == NGX_OK)
    {
        return NGX_OK;
    }

    (void) __atomic_fetch_add(&ngx_prof_process.zone->header->rows_lost, 1,
                              __ATOMIC_RELAXED);

    return NGX_DECLINED;
}


/* told once after each start and reload, by the worker that comes upon it */

static void
ngx_prof_counter_full(void)
{
    ngx_prof_header_t  *h;

    h = ngx_prof_process.zone->header;

    if (ngx_prof_load(&h->full)
        || __atomic_exchange_n(&h->full, 1, __ATOMIC_RELAXED))
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "profiling zone \"%V\" is full, requests of further "
                  "locations are counted together; it needs a larger size "
                  "and a restart",
                  &ngx_prof_process.conf->shm_zone->shm.name);
}
