
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


/* ms that the day's clock has to be set by before the zone follows it */
#define NGX_PROF_DAY_STEP  20


static size_t ngx_prof_zone_wait_bytes(ngx_uint_t stacks);
static size_t ngx_prof_zone_stacks_offset(ngx_uint_t history);
static size_t ngx_prof_zone_record_offset(const ngx_prof_shape_t *shape);
static size_t ngx_prof_zone_dump_offset(const ngx_prof_shape_t *shape);
static size_t ngx_prof_zone_places_offset(void);
static size_t ngx_prof_zone_names_offset(const ngx_prof_shape_t *shape);
static size_t ngx_prof_zone_states_offset(const ngx_prof_shape_t *shape);
static size_t ngx_prof_zone_rows_offset(const ngx_prof_shape_t *shape);
static size_t ngx_prof_zone_pages_offset(const ngx_prof_shape_t *shape);
static size_t ngx_prof_zone_functions_offset(const ngx_prof_shape_t *shape);
static size_t ngx_prof_zone_slots_offset(const ngx_prof_shape_t *shape);
static const ngx_prof_region_t *ngx_prof_zone_region(
    const ngx_prof_zone_t *zone, ngx_uint_t *i);
static void ngx_prof_zone_text(const ngx_prof_zone_t *zone,
    const ngx_prof_text_name_t *from, ngx_str_t *name);
static ngx_uint_t ngx_prof_zone_register(ngx_prof_zone_t *zone,
    ngx_prof_text_name_t *table, ngx_uint_t n, ngx_uint_t max,
    const ngx_str_t *name);
static ngx_uint_t ngx_prof_zone_find(const ngx_prof_zone_t *zone,
    const ngx_prof_text_name_t *table, ngx_uint_t n, const ngx_str_t *name);
static ngx_int_t ngx_prof_zone_text_put(ngx_prof_zone_t *zone,
    ngx_prof_text_name_t *to, const ngx_str_t *name);
static uint16_t ngx_prof_zone_text_hash(const ngx_str_t *name);


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
ngx_prof_zone_stacks_offset(ngx_uint_t history)
{
    return ngx_prof_round(sizeof(ngx_prof_slot_t))
           + ngx_prof_round(history * sizeof(ngx_prof_sample_t));
}


static size_t
ngx_prof_zone_record_offset(const ngx_prof_shape_t *shape)
{
    return ngx_prof_zone_stacks_offset(shape->history)
           + ngx_prof_stacks_size(shape->stacks)
           + NGX_PROF_WAITS * ngx_prof_zone_wait_bytes(shape->stacks)
           + ngx_prof_stacks_size(ngx_prof_zone_heap_n(shape->stacks))
           + ngx_prof_round(ngx_prof_zone_heap_n(shape->stacks)
                            * sizeof(ngx_prof_freed_t));
}


static size_t
ngx_prof_zone_dump_offset(const ngx_prof_shape_t *shape)
{
    return ngx_prof_zone_record_offset(shape)
           + ngx_prof_recording_size(ngx_prof_recorded_cpu_n(shape->stacks),
                                     ngx_prof_zone_wait_size(shape->stacks),
                                     ngx_prof_zone_heap_n(shape->stacks),
                                     shape->record);
}


size_t
ngx_prof_zone_slot_size(const ngx_prof_shape_t *shape)
{
    return ngx_prof_zone_dump_offset(shape)
           + (shape->dump ? ngx_prof_round(ngx_prof_dump_area_size(shape->dump))
                          : 0);
}


static size_t
ngx_prof_zone_places_offset(void)
{
    return ngx_prof_round(sizeof(ngx_prof_header_t));
}


static size_t
ngx_prof_zone_names_offset(const ngx_prof_shape_t *shape)
{
    return ngx_prof_zone_places_offset()
           + ngx_prof_round(shape->places * sizeof(ngx_prof_place_t));
}


static size_t
ngx_prof_zone_states_offset(const ngx_prof_shape_t *shape)
{
    return ngx_prof_zone_names_offset(shape) + ngx_prof_round(shape->names);
}


static size_t
ngx_prof_zone_rows_offset(const ngx_prof_shape_t *shape)
{
    return ngx_prof_zone_states_offset(shape)
           + ngx_prof_round(shape->pages * sizeof(uint32_t));
}


static size_t
ngx_prof_zone_pages_offset(const ngx_prof_shape_t *shape)
{
    return ngx_prof_zone_rows_offset(shape)
           + ngx_prof_round(shape->rows * sizeof(ngx_prof_row_t));
}


static size_t
ngx_prof_zone_functions_offset(const ngx_prof_shape_t *shape)
{
    return ngx_prof_zone_pages_offset(shape)
           + shape->pages * NGX_PROF_PAGE_SIZE;
}


static size_t
ngx_prof_zone_slots_offset(const ngx_prof_shape_t *shape)
{
    return ngx_prof_zone_functions_offset(shape)
           + ngx_prof_round(shape->functions * sizeof(ngx_prof_function_t));
}


size_t
ngx_prof_zone_size(const ngx_prof_shape_t *shape)
{
    size_t  size;

    /* with these limits nothing but the sum of all slots can overflow */

    if (shape->history == 0 || shape->places == 0
        || shape->slots > NGX_PROF_SLOTS_MAX
        || shape->history > NGX_PROF_HISTORY_MAX
        || shape->places > NGX_PROF_PLACES_MAX
        || shape->names > NGX_PROF_PLACE_NAMES_MAX
        || shape->pages > NGX_PROF_PAGES_MAX
        || (shape->rows && shape->rows != NGX_PROF_ROWS)
        || shape->functions > NGX_PROF_FUNCTIONS_MAX
        || shape->stacks > NGX_PROF_STACKS_MAX
        || (shape->stacks & (shape->stacks - 1))
        || shape->dump > NGX_PROF_DUMP_MAX
        || shape->dump % NGX_PROF_LINE
        || shape->record > NGX_PROF_RECORDED_MAX)
    {
        return 0;
    }

    if (__builtin_mul_overflow(ngx_prof_zone_slot_size(shape), shape->slots,
                               &size)
        || __builtin_add_overflow(ngx_prof_zone_slots_offset(shape), size,
                                  &size))
    {
        return 0;
    }

    return size;
}


void
ngx_prof_zone_init(ngx_prof_zone_t *zone, void *memory,
    const ngx_prof_shape_t *shape, uint64_t time, uint64_t clock)
{
    ngx_prof_header_t  *h;
    static ngx_str_t    other = ngx_string("(other)");

    ngx_memzero(zone, sizeof(ngx_prof_zone_t));

    zone->magic = NGX_PROF_MAGIC;
    zone->layout = NGX_PROF_LAYOUT;
    zone->shape = *shape;
    zone->size = ngx_prof_zone_size(shape);
    zone->slots = shape->slots;
    zone->history = shape->history;
    zone->places = shape->places;
    zone->stacks = shape->stacks;
    zone->dump = shape->dump;
    zone->start_time = time;
    zone->start_clock = clock;
    zone->region_n = 1;
    zone->region[0].n = shape->slots;

    ngx_prof_zone_move(zone, memory);

    h = zone->header;
    h->place_n = 1;
    h->upstream_n = 1;
    h->name_n = 1;
    (void) ngx_prof_zone_text_put(zone, &h->upstream[NGX_PROF_UPSTREAMS - 1],
                                  &other);
    h->epoch = time - clock / NGX_PROF_NSEC_PER_MSEC;

    ngx_prof_zone_mend(zone);
}


ngx_int_t
ngx_prof_zone_grow(ngx_prof_zone_t *zone, void *memory, ngx_uint_t n)
{
    ngx_prof_region_t  *region;

    if (zone->region_n == NGX_PROF_REGIONS
        || n > NGX_PROF_SLOTS_MAX - zone->slots)
    {
        return NGX_DECLINED;
    }

    region = &zone->region[zone->region_n++];
    region->start = memory;
    region->n = n;
    region->rings = NULL;

    zone->slots += n;

    return NGX_OK;
}


const char *
ngx_prof_process_name(uint64_t worker)
{
    static const char *const  names[NGX_PROF_HELPER_KINDS] = {
        "cache manager", "cache loader", "helper"
    };

    if (worker < NGX_PROF_SLOTS_MAX) {
        return "worker";
    }

    return names[ngx_min(ngx_prof_helper_kind(worker), NGX_PROF_HELPER_OTHER)];
}


void
ngx_prof_zone_add_helpers(ngx_prof_zone_t *zone, void *memory)
{
    zone->helper.start = memory;
    zone->helper.n = NGX_PROF_HELPERS;
    zone->helper.rings = NULL;
}


/* a slow change is followed in steps: the same event has the same time */

void
ngx_prof_zone_set_day(ngx_prof_zone_t *zone, uint64_t time, uint64_t clock)
{
    int64_t   change;
    uint64_t  epoch;

    epoch = time - clock / NGX_PROF_NSEC_PER_MSEC;
    change = (int64_t) (epoch - ngx_prof_load(&zone->header->epoch));

    if (change > NGX_PROF_DAY_STEP || change < -NGX_PROF_DAY_STEP) {
        ngx_prof_store(&zone->header->epoch, epoch);
    }
}


uint64_t
ngx_prof_zone_day(const ngx_prof_zone_t *zone, uint64_t clock)
{
    return clock ? ngx_prof_load(&zone->header->epoch)
                   + clock / NGX_PROF_NSEC_PER_MSEC
                 : 0;
}


void
ngx_prof_zone_move(ngx_prof_zone_t *zone, void *memory)
{
    zone->header = memory;
    zone->region[0].start = (u_char *) memory
                            + ngx_prof_zone_slots_offset(&zone->shape);
}


const char *
ngx_prof_zone_check(const ngx_prof_zone_t *zone)
{
    const ngx_prof_header_t  *h;

    h = zone->header;

    if (ngx_prof_load(&h->magic) != NGX_PROF_MAGIC
        || ngx_prof_load(&h->layout) != NGX_PROF_LAYOUT
        || ngx_prof_load(&h->size) != zone->size
        || ngx_memcmp(&h->shape, &zone->shape, sizeof(ngx_prof_shape_t)) != 0)
    {
        return "its sizes were overwritten";
    }

    if (ngx_prof_load(&h->place_n) == 0
        || ngx_prof_load(&h->place_n) > zone->places
        || ngx_prof_load(&h->upstream_n) == 0
        || ngx_prof_load(&h->upstream_n) > NGX_PROF_UPSTREAMS
        || ngx_prof_load(&h->name_n) == 0
        || ngx_prof_load(&h->name_n) > NGX_PROF_ZONES
        || ngx_prof_load(&h->text_n) > NGX_PROF_TEXTS
        || ngx_prof_load(&h->page_n) > zone->shape.pages)
    {
        return "its counts were overwritten";
    }

    return NULL;
}


void
ngx_prof_zone_mend(ngx_prof_zone_t *zone)
{
    ngx_prof_header_t  *h;

    h = zone->header;

    h->layout = NGX_PROF_LAYOUT;
    h->size = zone->size;
    h->shape = zone->shape;
    h->place_n = ngx_prof_zone_place_n(zone);
    h->upstream_n = ngx_prof_zone_upstream_n(zone);
    h->name_n = ngx_prof_zone_name_n(zone);
    h->text_n = ngx_min(h->text_n, NGX_PROF_TEXTS);
    h->page_n = ngx_min(h->page_n, zone->shape.pages);

    ngx_prof_store_release(&h->magic, NGX_PROF_MAGIC);
}


ngx_prof_slot_t *
ngx_prof_zone_slot(const ngx_prof_zone_t *zone, ngx_uint_t i)
{
    const ngx_prof_region_t  *region;

    region = ngx_prof_zone_region(zone, &i);

    return (ngx_prof_slot_t *)
               (region->start + i * ngx_prof_zone_slot_size(&zone->shape));
}


/* the region of a slot, and its index there */

static const ngx_prof_region_t *
ngx_prof_zone_region(const ngx_prof_zone_t *zone, ngx_uint_t *i)
{
    const ngx_prof_region_t  *region;

    if (*i >= NGX_PROF_SLOTS_MAX) {
        *i -= NGX_PROF_SLOTS_MAX;
        return &zone->helper;
    }

    for (region = zone->region; *i >= region->n; region++) {
        *i -= region->n;
    }

    return region;
}


ngx_uint_t
ngx_prof_zone_process_n(const ngx_prof_zone_t *zone)
{
    return zone->slots + zone->helper.n;
}


ngx_prof_slot_t *
ngx_prof_zone_process(const ngx_prof_zone_t *zone, ngx_uint_t i)
{
    return ngx_prof_zone_slot(zone, i < zone->slots
                                    ? i
                                    : NGX_PROF_SLOTS_MAX + i - zone->slots);
}


ngx_prof_function_t *
ngx_prof_zone_functions(const ngx_prof_zone_t *zone)
{
    return (ngx_prof_function_t *)
               ((u_char *) zone->header
                + ngx_prof_zone_functions_offset(&zone->shape));
}


ngx_uint_t
ngx_prof_zone_slot_index(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot)
{
    size_t                    size, offset;
    ngx_uint_t                i, first;
    const ngx_prof_region_t  *region;

    size = ngx_prof_zone_slot_size(&zone->shape);
    first = 0;

    for (i = 0; i < zone->region_n; i++) {
        region = &zone->region[i];
        offset = (uintptr_t) slot - (uintptr_t) region->start;

        if (offset < region->n * size) {
            return first + offset / size;
        }

        first += region->n;
    }

    offset = (uintptr_t) slot - (uintptr_t) zone->helper.start;

    return (offset < zone->helper.n * size)
           ? NGX_PROF_SLOTS_MAX + offset / size : zone->slots;
}


ngx_prof_sample_t *
ngx_prof_zone_history(const ngx_prof_slot_t *slot)
{
    return (ngx_prof_sample_t *)
               ((u_char *) slot + ngx_prof_round(sizeof(ngx_prof_slot_t)));
}


u_char *
ngx_prof_zone_ring(const ngx_prof_zone_t *zone, ngx_uint_t i)
{
    const ngx_prof_region_t  *region;

    region = ngx_prof_zone_region(zone, &i);

    return region->rings ? region->rings + i * zone->ring : NULL;
}


ngx_prof_stacks_t *
ngx_prof_zone_stacks(const ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot)
{
    return (ngx_prof_stacks_t *)
               ((u_char *) slot + ngx_prof_zone_stacks_offset(zone->history));
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


void
ngx_prof_zone_recorder(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_prof_recorded_slot_t *rec)
{
    ngx_uint_t  i;

    ngx_prof_recording_open(rec,
                            (u_char *) slot
                            + ngx_prof_zone_record_offset(&zone->shape),
                            ngx_prof_recorded_cpu_n(zone->stacks),
                            ngx_prof_zone_wait_size(zone->stacks),
                            ngx_prof_zone_heap_n(zone->stacks),
                            zone->shape.record);

    for (i = 0; i < NGX_PROF_WAITS; i++) {
        rec->table[NGX_PROF_RECORDED_BLOCK + i].stacks =
                                          ngx_prof_zone_waits(zone, slot, i);
    }

    rec->table[NGX_PROF_RECORDED_ALLOCS].stacks = ngx_prof_zone_heap(zone,
                                                                     slot);
}


ngx_prof_dump_area_t *
ngx_prof_zone_dump(const ngx_prof_zone_t *zone, ngx_uint_t i)
{
    if (zone->dump == 0) {
        return NULL;
    }

    return (ngx_prof_dump_area_t *)
               ((u_char *) ngx_prof_zone_slot(zone, i)
                + ngx_prof_zone_dump_offset(&zone->shape));
}


ngx_prof_place_t *
ngx_prof_zone_place(const ngx_prof_zone_t *zone, ngx_uint_t place)
{
    return (ngx_prof_place_t *)
               ((u_char *) zone->header + ngx_prof_zone_places_offset())
           + place;
}


u_char *
ngx_prof_zone_names(const ngx_prof_zone_t *zone)
{
    return (u_char *) zone->header + ngx_prof_zone_names_offset(&zone->shape);
}


uint32_t *
ngx_prof_zone_states(const ngx_prof_zone_t *zone)
{
    return (uint32_t *)
               ((u_char *) zone->header
                + ngx_prof_zone_states_offset(&zone->shape));
}


ngx_prof_row_t *
ngx_prof_zone_row(const ngx_prof_zone_t *zone, ngx_uint_t row)
{
    return (ngx_prof_row_t *)
               ((u_char *) zone->header
                + ngx_prof_zone_rows_offset(&zone->shape))
           + row;
}


ngx_prof_cell_t *
ngx_prof_zone_page(const ngx_prof_zone_t *zone, ngx_uint_t i)
{
    if (i >= zone->shape.pages) {
        return NULL;
    }

    return (ngx_prof_cell_t *)
               ((u_char *) zone->header
                + ngx_prof_zone_pages_offset(&zone->shape)
                + i * NGX_PROF_PAGE_SIZE);
}


ngx_uint_t
ngx_prof_zone_place_n(const ngx_prof_zone_t *zone)
{
    uint64_t  n;

    n = ngx_prof_load_acquire(&zone->header->place_n);

    return n ? ngx_min(n, zone->places) : 1;
}


ngx_uint_t
ngx_prof_zone_upstream_n(const ngx_prof_zone_t *zone)
{
    uint64_t  n;

    n = ngx_prof_load_acquire(&zone->header->upstream_n);

    return n ? ngx_min(n, NGX_PROF_UPSTREAMS) : 1;
}


ngx_uint_t
ngx_prof_zone_name_n(const ngx_prof_zone_t *zone)
{
    uint64_t  n;

    n = ngx_prof_load_acquire(&zone->header->name_n);

    return n ? ngx_min(n, NGX_PROF_ZONES) : 1;
}


ngx_int_t
ngx_prof_zone_place_name(const ngx_prof_zone_t *zone, ngx_uint_t place,
    ngx_prof_place_name_t *name)
{
    size_t                   at, server, location;
    uint64_t                 generation;
    const ngx_prof_place_t  *p;

    if (place == NGX_PROF_PLACE_OTHER || place >= ngx_prof_zone_place_n(zone)) {
        return NGX_DECLINED;
    }

    p = ngx_prof_zone_place(zone, place);
    generation = ngx_prof_load_acquire(&p->generation);

    /* each is read once: what is checked is what is used */

    at = ngx_prof_load(&p->name);
    server = ngx_prof_load(&p->server_len);
    location = ngx_prof_load(&p->location_len);

    if (generation == 0
        || server > NGX_PROF_SERVER_LEN
        || location > NGX_PROF_LOCATION_LEN
        || at > zone->shape.names
        || server + location > zone->shape.names - at)
    {
        return NGX_DECLINED;
    }

    name->server.data = ngx_prof_zone_names(zone) + at;
    name->server.len = server;
    name->location.data = name->server.data + server;
    name->location.len = location;
    name->hash = ngx_prof_load(&p->hash);
    name->has_location = (ngx_prof_load(&p->has_location) != 0);
    name->counted = (ngx_prof_load(&p->counted) != 0);
    name->configured = (generation
                        == ngx_prof_load(&zone->header->generation));

    return NGX_OK;
}


void
ngx_prof_zone_upstream(const ngx_prof_zone_t *zone, ngx_uint_t i,
    ngx_str_t *name)
{
    ngx_str_null(name);

    if (i < ngx_prof_zone_upstream_n(zone)) {
        ngx_prof_zone_text(zone, &zone->header->upstream[i], name);
    }
}


void
ngx_prof_zone_name(const ngx_prof_zone_t *zone, ngx_uint_t i, ngx_str_t *name)
{
    ngx_str_null(name);

    if (i < ngx_prof_zone_name_n(zone)) {
        ngx_prof_zone_text(zone, &zone->header->name[i], name);
    }
}


static void
ngx_prof_zone_text(const ngx_prof_zone_t *zone,
    const ngx_prof_text_name_t *from, ngx_str_t *name)
{
    uint32_t  start;

    start = ngx_min(ngx_prof_load(&from->start), NGX_PROF_TEXTS);

    name->data = zone->header->text + start;
    name->len = ngx_min(ngx_prof_load(&from->len), NGX_PROF_TEXTS - start);
}


ngx_uint_t
ngx_prof_zone_register_upstream(ngx_prof_zone_t *zone, const ngx_str_t *name)
{
    ngx_uint_t          i, n;
    ngx_prof_header_t  *h;

    h = zone->header;
    n = ngx_prof_zone_upstream_n(zone);
    i = ngx_prof_zone_register(zone, h->upstream, n, NGX_PROF_UPSTREAMS - 1,
                               name);

    if (i == 0 && name->len) {
        ngx_prof_store(&h->unnamed, h->unnamed + 1);
        i = NGX_PROF_UPSTREAMS - 1;
    }

    if (i >= n) {
        ngx_prof_store_release(&h->upstream_n, i + 1);
    }

    return i;
}


ngx_uint_t
ngx_prof_zone_register_name(ngx_prof_zone_t *zone, const ngx_str_t *name)
{
    ngx_uint_t          i, n;
    ngx_prof_header_t  *h;

    h = zone->header;
    n = ngx_prof_zone_name_n(zone);
    i = ngx_prof_zone_register(zone, h->name, n, NGX_PROF_ZONES, name);

    if (i >= n) {
        ngx_prof_store_release(&h->name_n, i + 1);
    }

    return i;
}


ngx_uint_t
ngx_prof_zone_find_name(const ngx_prof_zone_t *zone, const ngx_str_t *name)
{
    return ngx_prof_zone_find(zone, zone->header->name,
                              ngx_prof_zone_name_n(zone), name);
}


/* the index of a name in a table of n, or n: it was added; 0: it is full */

static ngx_uint_t
ngx_prof_zone_register(ngx_prof_zone_t *zone, ngx_prof_text_name_t *table,
    ngx_uint_t n, ngx_uint_t max, const ngx_str_t *name)
{
    ngx_uint_t  i;

    i = ngx_prof_zone_find(zone, table, n, name);

    if (i) {
        return i;
    }

    return (n < max
            && ngx_prof_zone_text_put(zone, &table[n], name) == NGX_OK)
           ? n : 0;
}


static ngx_uint_t
ngx_prof_zone_find(const ngx_prof_zone_t *zone,
    const ngx_prof_text_name_t *table, ngx_uint_t n, const ngx_str_t *name)
{
    uint16_t    hash;
    ngx_str_t   known;
    ngx_uint_t  i;

    hash = ngx_prof_zone_text_hash(name);

    for (i = 1; i < n; i++) {

        if (table[i].hash != hash || table[i].len != name->len) {
            continue;
        }

        ngx_prof_zone_text(zone, &table[i], &known);

        if (known.len == name->len
            && ngx_memcmp(known.data, name->data, name->len) == 0)
        {
            return i;
        }
    }

    return 0;
}


static ngx_int_t
ngx_prof_zone_text_put(ngx_prof_zone_t *zone, ngx_prof_text_name_t *to,
    const ngx_str_t *name)
{
    uint64_t            start;
    ngx_prof_header_t  *h;

    h = zone->header;
    start = ngx_min(h->text_n, NGX_PROF_TEXTS);

    if (name->len > 65535 || name->len > NGX_PROF_TEXTS - start) {
        return NGX_DECLINED;
    }

    ngx_memcpy(h->text + start, name->data, name->len);
    h->text_n = start + name->len;

    to->start = (uint32_t) start;
    to->len = (uint16_t) name->len;
    to->hash = ngx_prof_zone_text_hash(name);

    return NGX_OK;
}


static uint16_t
ngx_prof_zone_text_hash(const ngx_str_t *name)
{
    size_t    i;
    uint32_t  hash;

    hash = 0;

    for (i = 0; i < name->len; i++) {
        hash = ngx_hash(hash, name->data[i]);
    }

    return (uint16_t) (hash ^ hash >> 16);
}


size_t
ngx_prof_zone_cut(u_char *dst, size_t max, const ngx_str_t *name)
{
    if (name->len <= max) {
        ngx_memcpy(dst, name->data, name->len);
        return name->len;
    }

    /* the hash distinguishes names that differ behind the cut */

    ngx_memcpy(dst, name->data, max - 3);
    ngx_memcpy(dst + max - 3, "...", 3);

    return max;
}
