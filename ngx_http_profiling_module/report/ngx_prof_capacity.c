
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_capacity.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_trace_ring.h"


static uint64_t ngx_prof_capacity_events(const ngx_prof_zone_t *zone,
    ngx_uint_t slot);


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

    c->slots = zone->slots;
    c->slots_used = s->workers.nelts;
    c->without_slot = ngx_prof_slot_waiters(zone, ngx_prof_process_exists);
    c->pages = zone->shape.pages;
    c->pages_used = ngx_prof_cells_used(zone);
    c->uncounted = ngx_prof_load(&zone->header->uncounted);
    c->unnamed = ngx_prof_load(&zone->header->unnamed);
    c->full = (ngx_prof_load(&zone->header->full) != 0);
    c->damage = ngx_prof_zone_check(zone);

    for (i = 0; i < s->workers.nelts; i++) {
        c->tables += ngx_prof_capacity_tables(zone, w[i].slot, &name);
        c->events += ngx_prof_capacity_events(zone, w[i].index);
    }
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
