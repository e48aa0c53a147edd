
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


static size_t ngx_prof_zone_wait_bytes(ngx_uint_t stacks);
static size_t ngx_prof_zone_slot_size(const ngx_prof_shape_t *shape);
static size_t ngx_prof_zone_dump_size(size_t dump);
static size_t ngx_prof_zone_slots_offset(const ngx_prof_shape_t *shape);
static ngx_uint_t ngx_prof_zone_check_names(const ngx_prof_zone_t *zone);
static size_t ngx_prof_zone_name(u_char *dst, size_t max,
    const ngx_str_t *name);
static uint32_t ngx_prof_zone_hash(const ngx_str_t *server,
    const ngx_str_t *location);


/* a wait is far rarer than a sample of the CPU */

ngx_uint_t
ngx_prof_zone_wait_size(ngx_uint_t stacks)
{
    return ngx_max(stacks / 32, 512);
}


static size_t
ngx_prof_zone_wait_bytes(ngx_uint_t stacks)
{
    ngx_uint_t  n;

    n = ngx_prof_zone_wait_size(stacks);

    return ngx_prof_stacks_size(n)
           + ngx_prof_round(n * sizeof(ngx_prof_wait_base_t));
}


static size_t
ngx_prof_zone_slot_size(const ngx_prof_shape_t *shape)
{
    return ngx_prof_round(sizeof(ngx_prof_slot_t))
           + ngx_prof_round(shape->history * sizeof(ngx_prof_sample_t))
           + 2 * shape->places * NGX_PROF_COUNTS_SIZE
           + ngx_prof_stacks_size(shape->stacks)
           + NGX_PROF_WAITS
             * ngx_prof_zone_wait_bytes(shape->stacks)
           + ngx_prof_stacks_size(ngx_prof_zone_heap_n(shape->stacks))
           + ngx_prof_round(
                               ngx_prof_zone_heap_n(shape->stacks)
                               * sizeof(ngx_prof_freed_t));
}


static size_t
ngx_prof_zone_slots_offset(const ngx_prof_shape_t *shape)
{
    return ngx_prof_round(sizeof(ngx_prof_zone_t))
           + ngx_prof_round(shape->places * sizeof(ngx_prof_place_t));
}


static size_t
ngx_prof_zone_dump_size(size_t dump)
{
    return dump
           ? ngx_prof_round(ngx_prof_dump_area_size(dump))
           : 0;
}


size_t
ngx_prof_zone_size(const ngx_prof_shape_t *shape)
{
    size_t  size;

    /* with these limits the size of one slot cannot overflow */

    if (shape->slots == 0 || shape->history == 0 || shape->places == 0
        || shape->slots > NGX_PROF_SLOTS_MAX
        || shape->history > NGX_PROF_HISTORY_MAX
        || shape->places > NGX_PROF_PLACES_MAX
        || shape->stacks > NGX_PROF_STACKS_MAX
        || (shape->stacks & (shape->stacks - 1))
        || shape->dump > NGX_PROF_DUMP_MAX
        || shape->dump % NGX_PROF_LINE)
    {
        return 0;
    }

    if (__builtin_mul_overflow(ngx_prof_zone_slot_size(shape)
                               + ngx_prof_zone_dump_size(shape->dump),
                               shape->slots, &size)
        || __builtin_add_overflow(ngx_prof_zone_slots_offset(shape),
                                  size, &size))
    {
        return 0;
    }

    return size;
}


void
ngx_prof_zone_init(ngx_prof_zone_t *zone, const ngx_prof_shape_t *shape,
    uint64_t time, uint64_t clock)
{
    zone->layout = NGX_PROF_LAYOUT;
    zone->size = ngx_prof_zone_size(shape);
    zone->slots = shape->slots;
    zone->history = shape->history;
    zone->places = shape->places;
    zone->stacks = shape->stacks;
    zone->slot_size = ngx_prof_zone_slot_size(shape);
    zone->slots_offset = ngx_prof_zone_slots_offset(shape);
    zone->dump = shape->dump;
    zone->dumps_offset = zone->slots_offset + zone->slots * zone->slot_size;
    zone->start_time = time;
    zone->start_clock = clock;
    zone->place_n = 1;
    zone->upstream_n = 1;
    zone->name_n = 1;

    ngx_prof_store_release(&zone->magic, NGX_PROF_MAGIC);
}


const char *
ngx_prof_zone_check(const ngx_prof_zone_t *zone, size_t size)
{
    ngx_prof_shape_t  shape;

    if (size < sizeof(ngx_prof_zone_t) || zone->magic != NGX_PROF_MAGIC) {
        return "it does not hold profiling data";
    }

    if (zone->layout != NGX_PROF_LAYOUT) {
        return "it has the layout of another version of the module";
    }

    shape.slots = zone->slots;
    shape.history = zone->history;
    shape.places = zone->places;
    shape.stacks = zone->stacks;
    shape.dump = zone->dump;

    if (zone->size > size
        || zone->size != ngx_prof_zone_size(&shape)
        || zone->slot_size != ngx_prof_zone_slot_size(&shape)
        || zone->slots_offset != ngx_prof_zone_slots_offset(&shape)
        || zone->dumps_offset != zone->slots_offset
                                 + zone->slots * zone->slot_size
        || zone->place_n == 0 || zone->place_n > zone->places
        || zone->upstream_n > NGX_PROF_UPSTREAMS
        || zone->name_n > NGX_PROF_ZONES)
    {
        return "its header contradicts itself";
    }

    if (!ngx_prof_zone_check_names(zone)) {
        return "its names do not fit";
    }

    return NULL;
}


/* they are read by their lengths, by all workers */

static ngx_uint_t
ngx_prof_zone_check_names(const ngx_prof_zone_t *zone)
{
    ngx_uint_t               i;
    const ngx_prof_place_t  *place;

    for (i = 0; i < zone->place_n; i++) {
        place = ngx_prof_zone_place(zone, i);

        if (place->server_len > NGX_PROF_SERVER_LEN
            || place->location_len > NGX_PROF_LOCATION_LEN)
        {
            return 0;
        }
    }

    for (i = 0; i < zone->upstream_n; i++) {
        if (zone->upstream[i].len > NGX_PROF_UPSTREAM_LEN) {
            return 0;
        }
    }

    for (i = 0; i < zone->name_n; i++) {
        if (zone->name[i].len > NGX_PROF_UPSTREAM_LEN) {
            return 0;
        }
    }

    return 1;
}


ngx_prof_slot_t *
ngx_prof_zone_slot(const ngx_prof_zone_t *zone, ngx_uint_t i)
{
    return (ngx_prof_slot_t *)
               ((u_char *) zone + zone->slots_offset + i * zone->slot_size);
}


ngx_uint_t
ngx_prof_zone_slot_index(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot)
{
    return ((u_char *) slot - (u_char *) zone - zone->slots_offset)
           / zone->slot_size;
}


ngx_prof_sample_t *
ngx_prof_zone_history(const ngx_prof_slot_t *slot)
{
    return (ngx_prof_sample_t *)
               ((u_char *) slot + ngx_prof_round(sizeof(ngx_prof_slot_t)));
}


ngx_prof_counts_t *
ngx_prof_zone_counts(const ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot,
    ngx_uint_t place)
{
    u_char  *p;

    p = (u_char *) ngx_prof_zone_history(slot)
        + ngx_prof_round(zone->history * sizeof(ngx_prof_sample_t));

    return (ngx_prof_counts_t *)
               (p + place * NGX_PROF_COUNTS_SIZE);
}


ngx_prof_counts_t *
ngx_prof_zone_base_counts(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_uint_t place)
{
    return ngx_prof_zone_counts(zone, slot, zone->places + place);
}


ngx_prof_place_t *
ngx_prof_zone_place(const ngx_prof_zone_t *zone, ngx_uint_t place)
{
    return (ngx_prof_place_t *)
               ((u_char *) zone + ngx_prof_round(sizeof(ngx_prof_zone_t)))
           + place;
}


ngx_prof_stacks_t *
ngx_prof_zone_stacks(const ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot)
{
    return (ngx_prof_stacks_t *)
               ngx_prof_zone_counts(zone, slot, 2 * zone->places);
}


ngx_prof_stacks_t *
ngx_prof_zone_waits(const ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot,
    ngx_uint_t wait)
{
    return (ngx_prof_stacks_t *)
               ((u_char *) ngx_prof_zone_stacks(zone, slot)
                + ngx_prof_stacks_size(zone->stacks)
                + wait * ngx_prof_zone_wait_bytes(zone->stacks));
}


ngx_prof_wait_base_t *
ngx_prof_zone_wait_base(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_uint_t wait)
{
    return (ngx_prof_wait_base_t *)
               ((u_char *) ngx_prof_zone_waits(zone, slot, wait)
                + ngx_prof_stacks_size(
                        ngx_prof_zone_wait_size(zone->stacks)));
}


ngx_prof_stacks_t *
ngx_prof_zone_heap(const ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot)
{
    return (ngx_prof_stacks_t *)
               ngx_prof_zone_waits(zone, slot, NGX_PROF_WAITS);
}


ngx_prof_freed_t *
ngx_prof_zone_freed(const ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot)
{
    return (ngx_prof_freed_t *)
               ((u_char *) ngx_prof_zone_heap(zone, slot)
                + ngx_prof_stacks_size(
                               ngx_prof_zone_heap_n(zone->stacks)));
}


ngx_prof_dump_area_t *
ngx_prof_zone_dump(const ngx_prof_zone_t *zone, ngx_uint_t i)
{
    if (zone->dump == 0) {
        return NULL;
    }

    return (ngx_prof_dump_area_t *)
               ((u_char *) zone + zone->dumps_offset
                + i * ngx_prof_zone_dump_size(zone->dump));
}


ngx_uint_t
ngx_prof_zone_register(ngx_prof_zone_t *zone, const ngx_str_t *server,
    const ngx_str_t *location, ngx_uint_t counted)
{
    uint32_t           hash;
    ngx_uint_t         i;
    ngx_prof_place_t  *place, name;

    ngx_memzero(&name, sizeof(ngx_prof_place_t));

    name.server_len = ngx_prof_zone_name(name.server,
                                NGX_PROF_SERVER_LEN, server);

    if (location) {
        name.has_location = 1;
        name.location_len = ngx_prof_zone_name(name.location,
                                NGX_PROF_LOCATION_LEN, location);
    }

    hash = ngx_prof_zone_hash(server, location);

    for (i = 1; i < zone->place_n; i++) {
        place = ngx_prof_zone_place(zone, i);

        if (place->hash == hash
            && place->has_location == name.has_location
            && place->server_len == name.server_len
            && place->location_len == name.location_len
            && ngx_memcmp(place->server, name.server, name.server_len) == 0
            && ngx_memcmp(place->location, name.location, name.location_len)
               == 0)
        {
            ngx_prof_store(&place->generation, zone->generation);
            place->counted |= counted;
            return i;
        }
    }

    if (i == zone->places) {
        ngx_prof_add(&zone->place_lost, 1);
        return NGX_PROF_PLACE_OTHER;
    }

    name.hash = hash;
    name.counted = counted;
    name.generation = zone->generation;
    *ngx_prof_zone_place(zone, i) = name;

    /* readers see the name before its index */
    ngx_prof_store_release(&zone->place_n, i + 1);

    return i;
}


ngx_uint_t
ngx_prof_zone_register_upstream(ngx_prof_zone_t *zone, const ngx_str_t *name)
{
    ngx_uint_t            i;
    ngx_prof_upstream_t  *upstream, cut;

    ngx_memzero(&cut, sizeof(ngx_prof_upstream_t));

    cut.len = ngx_prof_zone_name(cut.name, NGX_PROF_UPSTREAM_LEN, name);

    for (i = 1; i < zone->upstream_n; i++) {
        upstream = &zone->upstream[i];

        if (ngx_memcmp(upstream, &cut, sizeof(ngx_prof_upstream_t)) == 0) {
            return i;
        }
    }

    if (i == NGX_PROF_UPSTREAMS) {
        return i - 1;
    }

    if (i == NGX_PROF_UPSTREAMS - 1) {
        cut.len = sizeof("(other)") - 1;
        ngx_memcpy(cut.name, "(other)", cut.len);
    }

    zone->upstream[i] = cut;
    ngx_prof_store_release(&zone->upstream_n, i + 1);

    return i;
}


ngx_uint_t
ngx_prof_zone_register_name(ngx_prof_zone_t *zone, const ngx_str_t *name)
{
    ngx_uint_t            i;
    ngx_prof_upstream_t  *known, cut;

    ngx_memzero(&cut, sizeof(ngx_prof_upstream_t));

    cut.len = ngx_prof_zone_name(cut.name, NGX_PROF_UPSTREAM_LEN, name);

    for (i = 1; i < zone->name_n; i++) {
        known = &zone->name[i];

        if (ngx_memcmp(known, &cut, sizeof(ngx_prof_upstream_t)) == 0) {
            return i;
        }
    }

    if (i == NGX_PROF_ZONES) {
        return 0;
    }

    zone->name[i] = cut;
    ngx_prof_store_release(&zone->name_n, i + 1);

    return i;
}


static size_t
ngx_prof_zone_name(u_char *dst, size_t max, const ngx_str_t *name)
{
    if (name->len <= max) {
        ngx_memcpy(dst, name->data, name->len);
        return name->len;
    }

    /* names that differ behind the cut are told apart by the hash */

    ngx_memcpy(dst, name->data, max - 3);
    ngx_memcpy(dst + max - 3, "...", 3);

    return max;
}


static uint32_t
ngx_prof_zone_hash(const ngx_str_t *server, const ngx_str_t *location)
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
