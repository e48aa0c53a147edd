
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_capacity.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_listener.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_worker.h"


/* a zone of shared memory, and the index of its name in ours, 0: none */

typedef struct {
    ngx_shm_zone_t  *shm_zone;
    ngx_uint_t       name;
} ngx_prof_capacity_zone_t;


static void ngx_prof_capacity_own(ngx_prof_zone_t *zone, uint64_t clock,
    ngx_prof_capacity_t *c);
static void ngx_prof_capacity_since(ngx_prof_zone_t *zone, ngx_uint_t what,
    uint64_t n, uint64_t clock);
static ngx_uint_t ngx_prof_capacity_zones(void);
static uint64_t ngx_prof_capacity_events(const ngx_prof_zone_t *zone,
    ngx_uint_t slot);


static ngx_prof_capacity_zone_t  ngx_prof_capacity_zone[NGX_PROF_ZONES];


void
ngx_prof_capacity(const ngx_prof_snapshot_t *s, ngx_prof_capacity_t *c)
{
    ngx_uint_t          i;
    const char         *name;
    ngx_prof_zone_t    *zone;
    ngx_prof_worker_t  *w;

    ngx_memzero(c, sizeof(ngx_prof_capacity_t));

    zone = s->zone;
    w = s->workers.elts;

    ngx_prof_capacity_own(zone, s->clock, c);

    c->slots = zone->slots;
    c->slots_used = s->workers.nelts;
    c->pages = zone->shape.pages;
    c->pages_used = ngx_prof_cells_used(zone);
    c->damage = ngx_prof_zone_check(zone);

    for (i = 0; i < s->workers.nelts; i++) {
        c->tables += ngx_prof_capacity_tables(zone, w[i].slot, &name);
        c->events += ngx_prof_capacity_events(zone, w[i].index);
    }

    /* of one worker alone, nobody knows of the others */

    if (s->filter == 0) {
        ngx_prof_capacity_since(zone, NGX_PROF_OWN_TABLES, c->tables, s->clock);
        ngx_prof_capacity_since(zone, NGX_PROF_OWN_EVENTS, c->events, s->clock);
    }

    for (i = 0; i < NGX_PROF_OWN; i++) {
        c->since[i] = ngx_prof_load(&zone->header->full_since[i]);
    }
}


/* what costs little */

static void
ngx_prof_capacity_own(ngx_prof_zone_t *zone, uint64_t clock,
    ngx_prof_capacity_t *c)
{
    ngx_prof_header_t  *h;

    h = zone->header;

    c->without_slot = ngx_prof_slot_waiters(zone, ngx_prof_claim_alive);
    c->uncounted = ngx_prof_load(&h->uncounted);
    c->unnamed = ngx_prof_load(&h->unnamed);
    c->full = (ngx_prof_load(&h->full) != 0);

    ngx_prof_capacity_since(zone, NGX_PROF_OWN_SLOTS, c->without_slot, clock);
    ngx_prof_capacity_since(zone, NGX_PROF_OWN_PLACES, c->uncounted, clock);
    ngx_prof_capacity_since(zone, NGX_PROF_OWN_NAMES, c->unnamed, clock);
    ngx_prof_capacity_since(zone, NGX_PROF_OWN_PAGES, c->full, clock);
}


static void
ngx_prof_capacity_since(ngx_prof_zone_t *zone, ngx_uint_t what, uint64_t n,
    uint64_t clock)
{
    uint64_t  *since;

    since = &zone->header->full_since[what];

    ngx_prof_store(since, ngx_prof_full_since(ngx_prof_load(since), clock,
                                              n != 0));
}


void
ngx_prof_capacity_tick(uint64_t clock)
{
    ngx_uint_t           i;
    ngx_prof_pages_t     pages;
    ngx_prof_capacity_t  c;

    if (ngx_process == NGX_PROCESS_WORKER && ngx_worker != 0) {
        return;
    }

    ngx_prof_capacity_own(ngx_prof_process.zone, clock, &c);

    for (i = 0; ngx_prof_capacity_pages(i, clock, &pages) == NGX_OK; i++) {
        /* void */
    }
}


ngx_int_t
ngx_prof_capacity_pages(ngx_uint_t i, uint64_t clock, ngx_prof_pages_t *pages)
{
    uint64_t         *since;
    ngx_uint_t        n, shift;
    ngx_shm_zone_t   *shm_zone;
    ngx_slab_pool_t  *pool;

    if (i >= ngx_prof_capacity_zones()) {
        return NGX_DECLINED;
    }

    shm_zone = ngx_prof_capacity_zone[i].shm_zone;
    n = ngx_prof_capacity_zone[i].name;

    ngx_memzero(pages, sizeof(ngx_prof_pages_t));

    pages->name = shm_zone->shm.name;
    pages->size = shm_zone->shm.size;

    if (shm_zone == ngx_prof_process.conf->shm_zone) {

        /* one allocation, whose pages are reported apart */

        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    pages->pages = pool->last - pool->pages;
    pages->used = pages->pages - ngx_min(pages->pages, pool->pfree);

    for (shift = pool->min_shift; shift < ngx_pagesize_shift; shift++) {
        pages->failed += pool->stats[shift - pool->min_shift].fails;
    }

    if (n) {
        since = &ngx_prof_process.zone->header->zone_since[n];
        pages->since = ngx_prof_full_since(ngx_prof_load(since), clock,
                                   ngx_prof_full_level(pages->used,
                                                       pages->pages));
        ngx_prof_store(since, pages->since);
    }

    return NGX_OK;
}


/* the zones of the cycle in force, with their names in the profiling zone */

static ngx_uint_t
ngx_prof_capacity_zones(void)
{
    ngx_uint_t                    i;
    ngx_shm_zone_t               *shm_zone;
    ngx_list_part_t              *part;
    static ngx_uint_t             n;
    static volatile ngx_cycle_t  *cycle;

    if (cycle == ngx_cycle) {
        return n;
    }

    n = 0;

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        shm_zone = part->elts;

        for (i = 0; i < part->nelts && n < NGX_PROF_ZONES; i++) {
            ngx_prof_capacity_zone[n].shm_zone = &shm_zone[i];
            ngx_prof_capacity_zone[n].name =
                ngx_prof_zone_find_name(ngx_prof_process.zone,
                                        &shm_zone[i].shm.name);
            n++;
        }
    }

    cycle = ngx_cycle;

    return n;
}


/* once a trace has ended, nothing is missing any more */

static uint64_t
ngx_prof_capacity_events(const ngx_prof_zone_t *zone, ngx_uint_t slot)
{
    ngx_prof_trace_zone_t        *trace;
    const ngx_prof_trace_ring_t  *ring;

    trace = &zone->header->trace;
    ring = (ngx_prof_trace_ring_t *) ngx_prof_zone_ring(zone, slot);

    if (ring == NULL
        || ngx_prof_load(&trace->owner) == 0
        || ngx_prof_load(&ring->seq) != ngx_prof_load(&trace->seq))
    {
        return 0;
    }

    return ngx_prof_load(&ring->lost);
}


ngx_uint_t
ngx_prof_capacity_tables(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, const char **name)
{
    ngx_uint_t  n, waits;

    n = 0;
    waits = ngx_prof_zone_wait_size(zone->stacks);

    if (ngx_prof_stacks_full(ngx_prof_zone_stacks(zone, slot), zone->stacks)) {
        *name = "stacks on the processor";
        n++;
    }

    if (ngx_prof_stacks_full(ngx_prof_zone_heap(zone, slot),
                             ngx_prof_zone_heap_n(zone->stacks)))
    {
        *name = "stacks of the heap";
        n++;
    }

    if (ngx_prof_stacks_full(ngx_prof_zone_waits(zone, slot, NGX_PROF_BLOCK),
                             waits))
    {
        *name = "stacks of blocking";
        n++;
    }

    if (ngx_prof_stacks_full(ngx_prof_zone_waits(zone, slot, NGX_PROF_MUTEX),
                             waits))
    {
        *name = "stacks of locks";
        n++;
    }

    return n;
}
