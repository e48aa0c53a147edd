
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_cache.h"
#include "ngx_prof_base.h"
#include "ngx_prof_counter.h"
#include "ngx_prof_row.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


#if (NGX_HTTP_CACHE)


/* rows that this worker has found, by zone and place */

#define NGX_PROF_CACHE_KNOWN  256

typedef struct {
    const ngx_shm_zone_t  *zone;
    ngx_uint_t             place;
    ngx_prof_counting_t   *counter;
} ngx_prof_cache_known_t;


static const ngx_shm_zone_t *ngx_prof_cache_zone(ngx_http_request_t *r);
static ngx_prof_counting_t *ngx_prof_cache_counter(const ngx_shm_zone_t *zone,
    ngx_uint_t place);
static ngx_prof_counting_t *ngx_prof_cache_find(const ngx_shm_zone_t *zone,
    ngx_uint_t place);


static ngx_prof_cache_known_t  ngx_prof_cache_known[NGX_PROF_CACHE_KNOWN];


void
ngx_prof_cache_count(ngx_http_request_t *r, ngx_uint_t place)
{
    ngx_uint_t             status;
    ngx_prof_cache_t      *cache;
    ngx_prof_counting_t   *counter;
    const ngx_shm_zone_t  *zone;

    status = r->upstream->cache_status;

    /* an update in the background is of a request that was counted */

    if (status == 0 || status >= NGX_PROF_CACHE_STATUSES || r->background) {
        return;
    }

    zone = ngx_prof_cache_zone(r);
    counter = zone ? ngx_prof_cache_counter(zone, place) : NULL;

    if (counter == NULL) {
        (void) __atomic_fetch_add(&ngx_prof_process.zone->header->rows_lost, 1,
                                  __ATOMIC_RELAXED);
        return;
    }

    cache = ngx_prof_caches(counter->cell->plain);

    ngx_prof_add(&cache->status[status], 1);

    if (r->cache && r->cache->wait_time) {
        ngx_prof_add(&cache->locked, 1);
    }
}


/* without a key, for what went past the cache, there is no r->cache */

static const ngx_shm_zone_t *
ngx_prof_cache_zone(ngx_http_request_t *r)
{
    if (r->cache && r->cache->file_cache) {
        return r->cache->file_cache->shm_zone;
    }

    return r->upstream->conf ? r->upstream->conf->cache_zone : NULL;
}


static ngx_prof_counting_t *
ngx_prof_cache_counter(const ngx_shm_zone_t *zone, ngx_uint_t place)
{
    ngx_prof_cache_known_t  *known;

    known = &ngx_prof_cache_known[(((uintptr_t) zone >> 6) ^ place)
                                  % NGX_PROF_CACHE_KNOWN];

    if (known->zone != zone || known->place != place) {
        known->counter = ngx_prof_cache_find(zone, place);
        known->zone = zone;
        known->place = place;
    }

    return known->counter;
}


/* a place may be another one after a reload: the row has its name */

static ngx_prof_counting_t *
ngx_prof_cache_find(const ngx_shm_zone_t *zone, ngx_uint_t place)
{
    u_char                 *p, *last, text[1024];
    ngx_str_t               name;
    ngx_uint_t              row;
    ngx_prof_place_name_t   at;

    if (ngx_prof_zone_place_name(ngx_prof_process.zone, place, &at) != NGX_OK) {
        ngx_str_set(&at.server, "(other)");
        ngx_str_set(&at.location, "(other)");
    }

    last = text + sizeof(text);
    p = ngx_slprintf(text, last, "%V|%V|%V", &zone->shm.name, &at.server,
                     &at.location);

    name.data = text;
    name.len = p - text;

    if (ngx_prof_row_open(ngx_prof_process.zone, NGX_PROF_ROW_CACHES,
                          ngx_prof_row_hash(&name, 0), 0, &name, &row)
        != NGX_OK)
    {
        return NULL;
    }

    return ngx_prof_counter_row(row);
}


#endif
