
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_busy.h"
#include "ngx_prof_cell.h"


/* places that a step looks at */
#define NGX_PROF_BUSY_STEP  64


static void ngx_prof_busy_add(ngx_prof_busy_t *b, uint64_t requests,
    ngx_uint_t place);


ngx_prof_busy_t *
ngx_prof_busy_create(ngx_pool_t *pool, const ngx_prof_zone_t *zone)
{
    ngx_prof_busy_t  *b;

    b = ngx_pcalloc(pool, sizeof(ngx_prof_busy_t));
    if (b == NULL) {
        return NULL;
    }

    b->places = ngx_prof_zone_place_n(zone);
    b->busy = ngx_pcalloc(pool, b->places / 8 + 1);

    return b->busy ? b : NULL;
}


ngx_int_t
ngx_prof_busy_next(ngx_prof_busy_t *b, ngx_prof_zone_t *zone)
{
    uint64_t    requests;
    ngx_uint_t  i, last;

    last = ngx_min(b->next + NGX_PROF_BUSY_STEP, b->places);

    for ( /* void */ ; b->next < last; b->next++) {
        requests = ngx_prof_cells_requests(zone, b->next);

        /* subrequests are no requests of a place, their upstreams are */

        if (requests == 0) {
            requests = ngx_prof_cells_upstreams(zone, b->next);
        }

        if (requests) {
            ngx_prof_busy_add(b, requests, b->next);
        }
    }

    if (b->next < b->places) {
        return NGX_AGAIN;
    }

    for (i = 0; i < b->n; i++) {
        ngx_prof_set_bit(b->busy, b->heap[i].place);
    }

    return NGX_DONE;
}


/* a binary heap, whose first one leaves it when there is a busier place */

static void
ngx_prof_busy_add(ngx_prof_busy_t *b, uint64_t requests, ngx_uint_t place)
{
    ngx_uint_t              i, child;
    ngx_prof_busy_place_t  *heap;

    heap = b->heap;

    if (b->n < NGX_PROF_BUSY) {

        for (i = b->n++;
             i && heap[(i - 1) / 2].requests > requests;
             i = (i - 1) / 2)
        {
            heap[i] = heap[(i - 1) / 2];
        }

    } else {

        if (requests <= heap[0].requests) {
            return;
        }

        for (i = 0; 2 * i + 1 < b->n; i = child) {
            child = 2 * i + 1;

            if (child + 1 < b->n
                && heap[child + 1].requests < heap[child].requests)
            {
                child++;
            }

            if (heap[child].requests >= requests) {
                break;
            }

            heap[i] = heap[child];
        }
    }

    heap[i].requests = requests;
    heap[i].place = (uint32_t) place;
}


ngx_uint_t
ngx_prof_busy(const ngx_prof_busy_t *b, ngx_uint_t place)
{
    return place < b->places && ngx_prof_bit(b->busy, place) != 0;
}
