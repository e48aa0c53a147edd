
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_registry.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_owner.h"


static uint64_t ngx_prof_registry_oldest(ngx_prof_zone_t *zone,
    ngx_uint_t (*alive)(const ngx_prof_slot_t *slot));
static void ngx_prof_registry_give(ngx_prof_registry_t *reg, uint64_t oldest);
static void ngx_prof_registry_mark(ngx_prof_registry_t *reg);
static void ngx_prof_registry_mark_stacks(ngx_prof_registry_t *reg,
    const ngx_prof_stacks_t *stacks, ngx_uint_t size);
static void ngx_prof_registry_mark_label(ngx_prof_registry_t *reg,
    uint64_t label);
static void ngx_prof_registry_enter(ngx_prof_registry_t *reg, ngx_uint_t i,
    const ngx_prof_place_name_t *name);
static ngx_uint_t ngx_prof_registry_find(ngx_prof_registry_t *reg,
    uint32_t hash, const ngx_str_t *server, const ngx_str_t *location);
static ngx_uint_t ngx_prof_registry_entry(ngx_prof_registry_t *reg);
static ngx_int_t ngx_prof_registry_name(ngx_prof_registry_t *reg, size_t len,
    size_t *offset);
static uint32_t ngx_prof_registry_hash(const ngx_str_t *server,
    const ngx_str_t *location);


#define ngx_prof_registry_units(bytes)                                        \
    (((bytes) + NGX_PROF_NAME_UNIT - 1) / NGX_PROF_NAME_UNIT)


static ngx_uint_t
ngx_prof_registry_buckets(const ngx_prof_zone_t *zone)
{
    ngx_uint_t  n;

    for (n = 64; n < zone->places; n *= 2) { /* void */ }

    return n;
}


size_t
ngx_prof_registry_size(const ngx_prof_zone_t *zone)
{
    return (ngx_prof_registry_buckets(zone) + zone->places) * sizeof(uint32_t)
           + zone->shape.names / NGX_PROF_NAME_UNIT / 8 + 1
           + ngx_max(zone->places, zone->shape.pages) / 8 + 1;
}


void
ngx_prof_registry_open(ngx_prof_registry_t *reg, ngx_prof_zone_t *zone,
    void *memory, ngx_uint_t (*alive)(const ngx_prof_slot_t *slot))
{
    ngx_uint_t             i;
    ngx_prof_place_name_t  name;

    ngx_memzero(reg, sizeof(ngx_prof_registry_t));

    reg->zone = zone;
    reg->mask = ngx_prof_registry_buckets(zone) - 1;
    reg->bucket = memory;
    reg->next = reg->bucket + reg->mask + 1;
    reg->units = (u_char *) (reg->next + zone->places);
    reg->unit_n = zone->shape.names / NGX_PROF_NAME_UNIT;
    reg->marks = reg->units + reg->unit_n / 8 + 1;
    reg->place = 1;

    ngx_prof_store(&zone->header->uncounted, 0);
    ngx_prof_store(&zone->header->full, 0);

    if (ngx_prof_cells_used(zone) > zone->shape.pages / 2) {
        ngx_prof_cells_sweep(zone, reg->marks, alive);
        ngx_memzero(reg->marks, zone->shape.pages / 8 + 1);
    }

    ngx_prof_registry_give(reg, ngx_prof_registry_oldest(zone, alive));

    for (i = 1; i < ngx_prof_zone_place_n(zone); i++) {

        if (ngx_prof_zone_place_name(zone, i, &name) == NGX_OK) {
            ngx_prof_registry_enter(reg, i, &name);
        }
    }
}


/*
 * The oldest generation whose places may still be counted: that before the
 * present one, or that of a worker which has not gone.
 */

static uint64_t
ngx_prof_registry_oldest(ngx_prof_zone_t *zone,
    ngx_uint_t (*alive)(const ngx_prof_slot_t *slot))
{
    uint64_t          oldest, generation;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;

    oldest = ngx_prof_load(&zone->header->generation);
    oldest -= (oldest > 0);

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->claims) && ngx_prof_load(&slot->owner)) {
            generation = ngx_prof_load(&slot->generation);

            if (generation < oldest && alive(slot)) {
                oldest = generation;
            }
        }
    }

    return oldest;
}


static void
ngx_prof_registry_give(ngx_prof_registry_t *reg, uint64_t oldest)
{
    ngx_uint_t             i, n, used, units;
    ngx_prof_zone_t       *zone;
    ngx_prof_place_t      *place;
    ngx_prof_place_name_t  name;

    zone = reg->zone;
    n = ngx_prof_zone_place_n(zone);
    used = 1;
    units = 0;

    for (i = 1; i < n; i++) {
        place = ngx_prof_zone_place(zone, i);

        if (place->generation < oldest && place->first) {
            ngx_prof_cells_free(zone, i);
            ngx_prof_elapsed_free(zone->elapsed, i);
        }

        if (ngx_prof_zone_place_name(zone, i, &name) == NGX_OK) {
            units += ngx_prof_registry_units(name.server.len
                                             + name.location.len);
            used++;

        } else if (place->generation) {

            /* something has overwritten it */

            ngx_prof_cells_free(zone, i);
            ngx_prof_store(&place->generation, 0);
        }
    }

    if (used < zone->places - zone->places / 4
        && units < reg->unit_n - reg->unit_n / 4)
    {
        return;
    }

    ngx_prof_registry_mark(reg);

    for (i = 1; i < n; i++) {
        place = ngx_prof_zone_place(zone, i);

        if (place->generation < oldest && !ngx_prof_bit(reg->marks, i)) {
            ngx_prof_store_release(&place->generation, 0);
        }
    }
}


/* places that are named by what profiles and pauses are made of */

static void
ngx_prof_registry_mark(ngx_prof_registry_t *reg)
{
    ngx_uint_t           i, k;
    ngx_prof_slot_t     *slot;
    ngx_prof_zone_t     *zone;
    ngx_prof_recorded_slot_t  rec;

    zone = reg->zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->claims) == 0) {
            continue;
        }

        ngx_prof_registry_mark_stacks(reg, ngx_prof_zone_stacks(zone, slot),
                                      zone->stacks);
        ngx_prof_registry_mark_stacks(reg, ngx_prof_zone_heap(zone, slot),
                                      ngx_prof_zone_heap_n(zone->stacks));

        for (k = 0; k < NGX_PROF_WAITS; k++) {
            ngx_prof_registry_mark_stacks(reg,
                                      ngx_prof_zone_waits(zone, slot, k),
                                      ngx_prof_zone_wait_size(zone->stacks));
        }

        ngx_prof_zone_recorder(zone, slot, &rec);

        for (k = 0; rec.recording && k < NGX_PROF_RECORDED_CPUS; k++) {
            ngx_prof_registry_mark_stacks(reg, rec.table[k].stacks,
                                          rec.table[k].size);
        }

        for (k = 0; k < NGX_PROF_PAUSES; k++) {
            ngx_prof_registry_mark_label(reg, slot->pause[k].label);
        }

        ngx_prof_registry_mark_label(reg, slot->seen.label);
    }
}


static void
ngx_prof_registry_mark_stacks(ngx_prof_registry_t *reg,
    const ngx_prof_stacks_t *stacks, ngx_uint_t size)
{
    ngx_uint_t        i, n;
    ngx_prof_tally_t  tally;

    n = ngx_prof_stacks_tallies(stacks, size);

    for (i = 1; i < n; i++) {

        if (ngx_prof_stacks_tally(stacks, size, i, &tally) == NGX_OK) {
            ngx_prof_registry_mark_label(reg, tally.label);
        }
    }
}


static void
ngx_prof_registry_mark_label(ngx_prof_registry_t *reg, uint64_t label)
{
    ngx_uint_t  place;

    place = ngx_prof_label_place((uint32_t) label);

    if (place && place - 1 < reg->zone->places) {
        ngx_prof_set_bit(reg->marks, place - 1);
    }
}


static void
ngx_prof_registry_enter(ngx_prof_registry_t *reg, ngx_uint_t i,
    const ngx_prof_place_name_t *name)
{
    size_t      at, n;
    uint32_t   *bucket;

    bucket = &reg->bucket[name->hash & reg->mask];
    reg->next[i] = *bucket;
    *bucket = (uint32_t) i;

    at = (name->server.data - ngx_prof_zone_names(reg->zone))
         / NGX_PROF_NAME_UNIT;
    n = ngx_prof_registry_units(name->server.len + name->location.len);

    while (n-- && at < reg->unit_n) {
        ngx_prof_set_bit(reg->units, at);
        at++;
    }
}


ngx_uint_t
ngx_prof_registry_place(ngx_prof_registry_t *reg, const ngx_str_t *server,
    const ngx_str_t *location, ngx_uint_t counted)
{
    u_char                *p, text[NGX_PROF_SERVER_LEN
                                   + NGX_PROF_LOCATION_LEN];
    size_t                 at;
    uint32_t               hash;
    ngx_str_t              one, two;
    ngx_uint_t             i;
    ngx_prof_place_t      *place;
    ngx_prof_place_name_t  name;

    one.data = text;
    one.len = ngx_prof_zone_cut(one.data, NGX_PROF_SERVER_LEN, server);
    two.data = text + one.len;
    two.len = location ? ngx_prof_zone_cut(two.data, NGX_PROF_LOCATION_LEN,
                                           location)
                       : 0;

    hash = ngx_prof_registry_hash(server, location);
    i = ngx_prof_registry_find(reg, hash, &one, location ? &two : NULL);

    if (i) {
        place = ngx_prof_zone_place(reg->zone, i);
        ngx_prof_store(&place->generation, reg->zone->header->generation);
        place->counted |= counted;
        return i;
    }

    i = ngx_prof_registry_entry(reg);

    if (i == 0
        || ngx_prof_registry_name(reg, one.len + two.len, &at) != NGX_OK)
    {
        ngx_prof_add(&reg->zone->header->place_lost, 1);
        ngx_prof_add(&reg->zone->header->uncounted, 1);
        return NGX_PROF_PLACE_OTHER;
    }

    p = ngx_prof_zone_names(reg->zone) + at;
    ngx_memcpy(p, text, one.len + two.len);

    place = ngx_prof_zone_place(reg->zone, i);
    place->hash = hash;
    place->first = 0;
    place->name = (uint32_t) at;
    place->server_len = (uint16_t) one.len;
    place->location_len = (uint16_t) two.len;
    place->has_location = (location != NULL);
    place->counted = (counted != 0);

    /* readers see the name before its index */

    ngx_prof_store_release(&place->generation, reg->zone->header->generation);

    if (i >= ngx_prof_zone_place_n(reg->zone)) {
        ngx_prof_store_release(&reg->zone->header->place_n, i + 1);
    }

    if (ngx_prof_zone_place_name(reg->zone, i, &name) == NGX_OK) {
        ngx_prof_registry_enter(reg, i, &name);
    }

    return i;
}


static ngx_uint_t
ngx_prof_registry_find(ngx_prof_registry_t *reg, uint32_t hash,
    const ngx_str_t *server, const ngx_str_t *location)
{
    ngx_uint_t             i;
    ngx_prof_place_name_t  name;

    for (i = reg->bucket[hash & reg->mask]; i; i = reg->next[i]) {

        if (ngx_prof_zone_place_name(reg->zone, i, &name) == NGX_OK
            && name.hash == hash
            && name.has_location == (location != NULL)
            && name.server.len == server->len
            && name.location.len == (location ? location->len : 0)
            && ngx_memcmp(name.server.data, server->data, server->len) == 0
            && (location == NULL
                || ngx_memcmp(name.location.data, location->data,
                              location->len)
                   == 0))
        {
            return i;
        }
    }

    return 0;
}


/* an entry that nobody has, 0: there is none */

static ngx_uint_t
ngx_prof_registry_entry(ngx_prof_registry_t *reg)
{
    for ( /* void */ ; reg->place < reg->zone->places; reg->place++) {

        if (reg->place >= ngx_prof_zone_place_n(reg->zone)
            || ngx_prof_zone_place(reg->zone, reg->place)->generation == 0)
        {
            return reg->place;
        }
    }

    return 0;
}


static ngx_int_t
ngx_prof_registry_name(ngx_prof_registry_t *reg, size_t len, size_t *offset)
{
    ngx_uint_t  n, i, free, looked;

    n = ngx_prof_registry_units(len);
    free = 0;

    if (n == 0) {
        *offset = 0;
        return NGX_OK;
    }

    if (reg->refused && n >= reg->refused) {
        return NGX_DECLINED;
    }

    /* once through all, from where the latest search ended */

    for (looked = 0; looked < reg->unit_n + n; looked++) {
        i = reg->unit;

        if (i == reg->unit_n) {
            reg->unit = 0;
            free = 0;
            continue;
        }

        reg->unit++;
        free = ngx_prof_bit(reg->units, i) ? 0 : free + 1;

        if (free == n) {
            *offset = (i + 1 - n) * NGX_PROF_NAME_UNIT;
            return NGX_OK;
        }
    }

    reg->refused = n;

    return NGX_DECLINED;
}


static uint32_t
ngx_prof_registry_hash(const ngx_str_t *server, const ngx_str_t *location)
{
    size_t    i;
    uint32_t  hash;

    /* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */

    hash = 2166136261U;

    for (i = 0; i < server->len; i++) {
        hash = (hash ^ server->data[i]) * 16777619U;
    }

    hash *= 16777619U;

    for (i = 0; location && i < location->len; i++) {
        hash = (hash ^ location->data[i]) * 16777619U;
    }

    return hash;
}
