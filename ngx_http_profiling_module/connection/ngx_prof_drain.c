
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_drain.h"


/*
 * Places that are counted at once.  One that finds no room takes one off each,
 * so that a place with more than a ninth of the clients is always found.
 */
#define NGX_PROF_DRAIN_PLACES  8


typedef struct {
    uint64_t  place;            /* + 1 */
    uint64_t  n;
    uint64_t  upgraded;
    uint64_t  weight;
} ngx_prof_drain_place_t;


static ngx_prof_drain_place_t *ngx_prof_drain_find(uint64_t place);


static ngx_prof_drain_t        ngx_prof_draining;
static ngx_prof_drain_place_t  ngx_prof_drain_place[NGX_PROF_DRAIN_PLACES];


void
ngx_prof_drain_begin(void)
{
    ngx_memzero(&ngx_prof_draining, sizeof(ngx_prof_drain_t));
    ngx_memzero(ngx_prof_drain_place, sizeof(ngx_prof_drain_place));
}


void
ngx_prof_drain_count(const ngx_prof_context_t *context)
{
    ngx_uint_t               upgraded;
    ngx_http_request_t      *r;
    ngx_prof_drain_t        *drain;
    ngx_prof_drain_place_t  *place;

    drain = &ngx_prof_draining;
    drain->clients++;

    if (context == NULL || context->request == 0) {
        return;
    }

    r = (ngx_http_request_t *) context->request;
    upgraded = (r->upstream && r->upstream->upgrade);

    drain->upgraded += upgraded;
    drain->oldest = (drain->oldest == 0)
                    ? context->start : ngx_min(drain->oldest, context->start);

    place = ngx_prof_drain_find(context->place);

    if (place) {
        place->n++;
        place->upgraded += upgraded;
    }
}


static ngx_prof_drain_place_t *
ngx_prof_drain_find(uint64_t place)
{
    ngx_uint_t               i;
    ngx_prof_drain_place_t  *p, *free;

    free = NULL;

    for (i = 0; i < NGX_PROF_DRAIN_PLACES; i++) {
        p = &ngx_prof_drain_place[i];

        if (p->weight && p->place == place) {
            p->weight++;
            return p;
        }

        if (p->weight == 0) {
            free = p;
        }
    }

    if (free) {
        ngx_memzero(free, sizeof(ngx_prof_drain_place_t));
        free->place = place;
        free->weight = 1;
        return free;
    }

    for (i = 0; i < NGX_PROF_DRAIN_PLACES; i++) {
        ngx_prof_drain_place[i].weight--;
    }

    return NULL;
}


void
ngx_prof_drain_end(ngx_prof_drain_t *drain)
{
    ngx_uint_t                     i;
    const ngx_prof_drain_place_t  *p, *most;

    most = &ngx_prof_drain_place[0];

    for (i = 1; i < NGX_PROF_DRAIN_PLACES; i++) {
        p = &ngx_prof_drain_place[i];

        if (p->weight > most->weight) {
            most = p;
        }
    }

    *drain = ngx_prof_draining;

    if (most->weight) {
        drain->place = most->place;
        drain->held = most->n;
        drain->held_upgraded = most->upgraded;
    }
}
