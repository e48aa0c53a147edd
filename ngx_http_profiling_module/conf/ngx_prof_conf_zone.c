
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <sys/random.h>
#include "ngx_prof_conf_zone.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_lua.h"
#include "ngx_prof_place.h"
#include "ngx_prof_reload.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_shared.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_zone.h"


static ngx_int_t ngx_prof_conf_zone_size(ngx_cycle_t *cycle,
    ngx_prof_main_conf_t *mcf);
static size_t ngx_prof_conf_zone_with_slab(size_t size);
static ngx_shm_zone_t *ngx_prof_conf_zone_old(ngx_cycle_t *cycle,
    ngx_str_t *name);
static ngx_uint_t ngx_prof_conf_zone_slots(ngx_cycle_t *cycle,
    ngx_prof_main_conf_t *mcf);
static ngx_int_t ngx_prof_conf_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static void ngx_prof_conf_zone_least(const ngx_prof_main_conf_t *mcf,
    ngx_prof_shape_t *shape);
static void ngx_prof_conf_zone_default(ngx_prof_main_conf_t *mcf,
    ngx_prof_shape_t *shape);
static ngx_uint_t ngx_prof_conf_zone_record(ngx_prof_main_conf_t *mcf);
static void ngx_prof_conf_zone_tables(ngx_prof_shape_t *shape, size_t slot,
    ngx_uint_t record);
static ngx_int_t ngx_prof_conf_zone_attach(ngx_shm_zone_t *shm_zone,
    ngx_prof_main_conf_t *mcf, const ngx_prof_zone_t *old);
static ngx_int_t ngx_prof_conf_zone_shape(ngx_shm_zone_t *shm_zone,
    ngx_prof_main_conf_t *mcf, ngx_prof_shape_t *shape);
static void ngx_prof_conf_zone_helpers(ngx_cycle_t *cycle,
    ngx_prof_zone_t *zone);
static ngx_uint_t ngx_prof_conf_zone_helped(ngx_cycle_t *cycle);
static ngx_uint_t ngx_prof_conf_zone_free_slots(ngx_prof_zone_t *zone);


/*
 * nginx recognizes the zone on a reload by its tag, which must stay the same
 * when the module's file has been replaced: the address of an object of nginx
 * itself.
 */

#define ngx_prof_tag  ((void *) &ngx_http_core_module)


/*
 * A zone that has no configured size: address space, of which that is used
 * which is touched.  Small machines bound it (ulimit -v), so it stays far below
 * what the workers of a configuration of that size take by themselves.
 */

#define NGX_PROF_MEMORY_WORKER  (8 * 1024 * 1024)
#define NGX_PROF_MEMORY_SLOTS   (224 * 1024 * 1024)
#define NGX_PROF_MEMORY_PAGES   (48 * 1024 * 1024)

/* places that a reload may bring onto a start with a few, and their names */
#define NGX_PROF_MEMORY_PLACES  1000
#define NGX_PROF_MEMORY_NAME    64

/* of these, places that have room in all slots */
#define NGX_PROF_MEMORY_COUNTED 250


typedef struct {
    ngx_prof_main_conf_t  *main_conf;
} ngx_prof_core_conf_t;


void *
ngx_prof_conf_zone_create_conf(ngx_cycle_t *cycle)
{
    ngx_prof_reload_begin();

    return ngx_pcalloc(cycle->pool, sizeof(ngx_prof_core_conf_t));
}


char *
ngx_prof_conf_zone_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_prof_core_conf_t *pcf = conf;

    if (pcf->main_conf == NULL) {
        return NGX_CONF_OK;
    }

    ngx_prof_reload_read();

    if (ngx_prof_conf_zone_size(cycle, pcf->main_conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_prof_conf_zone_add(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf)
{
    ngx_prof_core_conf_t  *pcf;

    if (mcf->zone_name.len == 0) {
        ngx_str_set(&mcf->zone_name, NGX_PROF_ZONE_NAME);
    }

    mcf->shm_zone = ngx_shared_memory_add(cf, &mcf->zone_name, mcf->zone_size,
                                          ngx_prof_tag);
    if (mcf->shm_zone == NULL) {
        return NGX_ERROR;
    }

    mcf->shm_zone->init = ngx_prof_conf_zone_init;
    mcf->shm_zone->data = &mcf->memory;

    pcf = (ngx_prof_core_conf_t *)
              ngx_get_conf(cf->cycle->conf_ctx,
                           ngx_http_profiling_core_module);

    pcf->main_conf = mcf;

    return NGX_OK;
}


/*
 * Called when the whole configuration has been read, so that the number of
 * workers is known: sets the zone's size.  A reload keeps the size of the
 * existing zone, and fails if the configuration asks for another one.
 */

static ngx_int_t
ngx_prof_conf_zone_size(ngx_cycle_t *cycle, ngx_prof_main_conf_t *mcf)
{
    size_t            least;
    ngx_shm_zone_t   *old;
    ngx_prof_shape_t  shape;

    mcf->slot_n = ngx_prof_conf_zone_slots(cycle, mcf);

    old = ngx_prof_conf_zone_old(cycle, &mcf->zone_name);

    if (old) {

        if (mcf->zone_size && mcf->zone_size != old->shm.size) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                          "the size %uz of profiling zone \"%V\" conflicts "
                          "with the %uz bytes of the running one, "
                          "which holds the history: restart to change it",
                          mcf->zone_size, &mcf->zone_name, old->shm.size);
            return NGX_ERROR;
        }

        mcf->shm_zone->shm.size = old->shm.size;

        return NGX_OK;
    }

    if (mcf->zone_size) {
        ngx_prof_conf_zone_least(mcf, &shape);

        least = ngx_prof_conf_zone_with_slab(ngx_prof_zone_size(&shape));

        if (mcf->zone_size < least) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                          "profiling zone \"%V\" of %uzk is too small, it must "
                          "have at least %uzk in %V:%ui",
                          &mcf->zone_name, mcf->zone_size / 1024, least / 1024,
                          &mcf->zone_file, mcf->zone_line);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    ngx_prof_conf_zone_default(mcf, &shape);

    mcf->shm_zone->shm.size =
        ngx_prof_conf_zone_with_slab(ngx_prof_zone_size(&shape));

    return NGX_OK;
}


/* a header, and no slot */

static void
ngx_prof_conf_zone_least(const ngx_prof_main_conf_t *mcf,
    ngx_prof_shape_t *shape)
{
    ngx_memzero(shape, sizeof(ngx_prof_shape_t));

    shape->history = ngx_prof_conf_setting(mcf, NGX_PROF_HISTORY);
    shape->places = 1;
    shape->stacks = NGX_PROF_STACKS_MIN;
}


static void
ngx_prof_conf_zone_default(ngx_prof_main_conf_t *mcf, ngx_prof_shape_t *shape)
{
    size_t      room, fixed;
    ngx_uint_t  n;

    n = ngx_prof_place_number(mcf);

    ngx_memzero(shape, sizeof(ngx_prof_shape_t));

    shape->history = ngx_prof_conf_setting(mcf, NGX_PROF_HISTORY);
    shape->places = ngx_min(2 * n + NGX_PROF_MEMORY_PLACES,
                            NGX_PROF_PLACES_MAX);
    shape->names = shape->places * NGX_PROF_MEMORY_NAME;
    shape->rows = NGX_PROF_ROWS;

    /* a block and a page of chunks for each */

    shape->pages = ngx_min(2 * mcf->slot_n
                           * ngx_max(n, NGX_PROF_MEMORY_COUNTED),
                           NGX_PROF_MEMORY_PAGES / NGX_PROF_PAGE_SIZE);

    shape->functions = NGX_PROF_FUNCTIONS_MAX;

    room = ngx_min(ngx_max(mcf->slot_n / 2, 2) * NGX_PROF_MEMORY_WORKER,
                   NGX_PROF_MEMORY_SLOTS);
    fixed = ngx_prof_zone_size(shape);

    if (n <= NGX_PROF_MEMORY_COUNTED && room > fixed) {
        room -= fixed;
    }

    shape->slots = mcf->slot_n;

    ngx_prof_conf_zone_tables(shape, room / shape->slots,
                              ngx_prof_conf_zone_record(mcf));
}


/* bytes of a ring that holds what profiling_record asks for */

static ngx_uint_t
ngx_prof_conf_zone_record(ngx_prof_main_conf_t *mcf)
{
    ngx_uint_t  size;

    size = ngx_prof_conf_ms(mcf, NGX_PROF_RECORD) / 60000
           * NGX_PROF_RECORDED_MINUTE;

    return size ? ngx_min(ngx_max(size, NGX_PROF_RECORDED_MIN),
                          NGX_PROF_RECORDED_MAX)
                : 0;
}


/*
 * The largest tables with which a slot takes at most so many bytes: a quarter
 * may be for dumps, a quarter for the ring of the recording, most of the rest
 * is for stacks.
 */

static void
ngx_prof_conf_zone_tables(ngx_prof_shape_t *shape, size_t slot,
    ngx_uint_t record)
{
    shape->dump = NGX_PROF_DUMP_MAX;
    shape->stacks = NGX_PROF_STACKS_MIN;

    while (shape->dump
           && (ngx_prof_dump_area_size(shape->dump) > slot / 4
               || ngx_prof_zone_slot_size(shape) > slot))
    {
        shape->dump = (shape->dump > NGX_PROF_DUMP_MIN) ? shape->dump / 2 : 0;
    }

    shape->record = record;

    while (shape->record
           && (shape->record > slot / 4
               || ngx_prof_zone_slot_size(shape) > slot))
    {
        shape->record = (shape->record > NGX_PROF_RECORDED_MIN)
                        ? shape->record / 2 & ~(ngx_uint_t) (NGX_PROF_LINE - 1)
                        : 0;
    }

    while (shape->stacks < NGX_PROF_STACKS_MAX) {
        shape->stacks *= 2;

        if (ngx_prof_zone_slot_size(shape) > slot) {
            shape->stacks /= 2;
            break;
        }
    }
}


/*
 * The size of a shared zone with room for so many bytes: the slab allocator
 * has a header and lists of small sizes, together less than a page, and a
 * structure per page, and allocates from a page's start.
 */

static size_t
ngx_prof_conf_zone_with_slab(size_t size)
{
    size_t  pages;

    pages = (size + ngx_pagesize - 1) / ngx_pagesize;

    return (pages + pages * sizeof(ngx_slab_page_t) / ngx_pagesize + 3)
           * ngx_pagesize;
}


static ngx_shm_zone_t *
ngx_prof_conf_zone_old(ngx_cycle_t *cycle, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_shm_zone_t   *shm_zone;

    if (cycle->old_cycle == NULL) {
        return NULL;
    }

    for (part = &cycle->old_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        shm_zone = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (shm_zone[i].tag == ngx_prof_tag
                && shm_zone[i].shm.name.len == name->len
                && ngx_memcmp(shm_zone[i].shm.name.data, name->data,
                              name->len)
                   == 0)
            {
                return &shm_zone[i];
            }
        }
    }

    return NULL;
}


/*
 * A reload starts new workers while the old ones finish their connections.  If
 * more generations than two do that, a zone without a size of its own grows.
 */

static ngx_uint_t
ngx_prof_conf_zone_slots(ngx_cycle_t *cycle, ngx_prof_main_conf_t *mcf)
{
    ngx_uint_t  workers;

    workers = ngx_prof_conf_zone_workers(cycle);

    if (mcf->slots == NGX_CONF_UNSET) {
        return ngx_min(mcf->zone_size ? ngx_max(4 * workers, 16)
                                      : ngx_max(2 * workers, 4),
                       NGX_PROF_SLOTS_MAX);
    }

    if ((ngx_uint_t) mcf->slots < 2 * workers) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "slots=%i of profiling zone \"%V\" are fewer than twice "
                      "the %ui workers: after a reload, some are not profiled "
                      "until those before them have gone",
                      mcf->slots, &mcf->zone_name, workers);
    }

    return mcf->slots;
}


ngx_uint_t
ngx_prof_conf_zone_workers(ngx_cycle_t *cycle)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    return (ccf->master && ccf->worker_processes > 0)
           ? (ngx_uint_t) ccf->worker_processes : 1;
}


static ngx_int_t
ngx_prof_conf_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    void                  *memory;
    size_t                 size;
    ngx_slab_pool_t       *shpool;
    ngx_prof_shape_t       shape;
    ngx_prof_main_conf_t  *mcf;

    mcf = (ngx_prof_main_conf_t *)
              ((u_char *) shm_zone->data
               - offsetof(ngx_prof_main_conf_t, memory));

    mcf->zone = &mcf->memory;

    if (data) {
        return ngx_prof_conf_zone_attach(shm_zone, mcf, data);
    }

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (ngx_prof_conf_zone_shape(shm_zone, mcf, &shape) != NGX_OK) {
        return NGX_ERROR;
    }

    size = ngx_prof_zone_size(&shape);
    memory = ngx_slab_alloc(shpool, size);

    if (memory == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "profiling zone \"%V\" has no room for %uz bytes",
                      &shm_zone->shm.name, size);
        return NGX_ERROR;
    }

#if (NGX_DEBUG_MALLOC)
    /* the allocator fills what it hands out; otherwise fresh pages are zero */
    ngx_memzero(memory, size);
#endif

    ngx_prof_zone_init(mcf->zone, memory, &shape, ngx_prof_time(),
                       ngx_prof_clock());

    /* without it texts cannot be made anonymous: 0 is never valid */

    if (getrandom(&mcf->zone->cookie, sizeof(uint64_t), 0)
        != sizeof(uint64_t))
    {
        mcf->zone->cookie = 0;
    }

    shpool->data = memory;

    return NGX_OK;
}


/*
 * What the cycle before knows of the zone is taken over: nothing in shared
 * memory is believed.
 */

static ngx_int_t
ngx_prof_conf_zone_attach(ngx_shm_zone_t *shm_zone, ngx_prof_main_conf_t *mcf,
    const ngx_prof_zone_t *old)
{
    ngx_int_t    history;
    const char  *error;

    if (old->magic != NGX_PROF_MAGIC || old->layout != NGX_PROF_LAYOUT) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "profiling zone \"%V\" cannot be taken over: it has the "
                      "layout of another version of the module (this is %d): "
                      "restart to replace it",
                      &shm_zone->shm.name, NGX_PROF_LAYOUT);
        return NGX_ERROR;
    }

    *mcf->zone = *old;

    error = ngx_prof_zone_check(mcf->zone);

    if (error) {
        ngx_log_error(NGX_LOG_CRIT, shm_zone->shm.log, 0,
                      "profiling zone \"%V\" is damaged: %s; what was counted "
                      "may be wrong", &shm_zone->shm.name, error);

        if (!ngx_test_config) {
            ngx_prof_zone_mend(mcf->zone);
        }
    }

    if (mcf->slots != NGX_CONF_UNSET
        && (ngx_uint_t) mcf->slots != mcf->zone->slots)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "slots=%i of profiling zone \"%V\" conflicts with the "
                      "%ui slots of the running one: restart to change it",
                      mcf->slots, &shm_zone->shm.name, mcf->zone->slots);
        return NGX_ERROR;
    }

    history = ngx_prof_conf_setting(mcf, NGX_PROF_HISTORY);

    if ((ngx_uint_t) history != mcf->zone->history) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "profiling_history %i conflicts with the %ui samples "
                      "of the running profiling zone \"%V\": "
                      "restart to change it",
                      history, mcf->zone->history, &shm_zone->shm.name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * What fits into a zone, whatever its size: places and their names first, then
 * slots, then what each of these has room for; what is left is for counting.
 */

static ngx_int_t
ngx_prof_conf_zone_shape(ngx_shm_zone_t *shm_zone, ngx_prof_main_conf_t *mcf,
    ngx_prof_shape_t *shape)
{
    size_t            room, fixed, least;
    ngx_uint_t        needed;
    ngx_slab_pool_t  *shpool;

    if (mcf->zone_size == 0) {
        ngx_prof_conf_zone_default(mcf, shape);
        return NGX_OK;
    }

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    room = shpool->pfree * ngx_pagesize;

    ngx_prof_conf_zone_least(mcf, shape);

    fixed = ngx_prof_zone_size(shape);
    room -= fixed;

    needed = ngx_min(2 * ngx_prof_place_number(mcf) + 64, NGX_PROF_PLACES_MAX);
    least = sizeof(ngx_prof_place_t) + NGX_PROF_MEMORY_NAME;

    shape->places = 1 + ngx_min(needed - 1, room / 8 / least);
    shape->names = shape->places * NGX_PROF_MEMORY_NAME;

    room -= ngx_prof_zone_size(shape) - fixed;

    /* a zone that has little room counts no rows */

    if (room / 8 > NGX_PROF_ROWS * sizeof(ngx_prof_row_t)) {
        shape->rows = NGX_PROF_ROWS;
        room -= ngx_prof_round(NGX_PROF_ROWS * sizeof(ngx_prof_row_t));
    }

    least = ngx_prof_zone_slot_size(shape);

    shape->slots = ngx_min(mcf->slot_n, room / least);

    if (shape->slots < mcf->slot_n) {
        ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                      "profiling zone \"%V\" of %uz bytes has room for %ui "
                      "slots of %ui: further workers are not profiled",
                      &shm_zone->shm.name, shm_zone->shm.size, shape->slots,
                      mcf->slot_n);
    }

    if (shape->slots) {
        ngx_prof_conf_zone_tables(shape, least
                                  + (room - shape->slots * least)
                                 / shape->slots * 3 / 4,
                                  ngx_prof_conf_zone_record(mcf));

        room -= shape->slots * ngx_prof_zone_slot_size(shape);
    }

    shape->pages = room / (NGX_PROF_PAGE_SIZE + sizeof(uint32_t));
    shape->pages = ngx_min(shape->pages - (shape->pages > 0),
                           NGX_PROF_PAGES_MAX);

    return NGX_OK;
}


void
ngx_prof_conf_zone_grow(ngx_cycle_t *cycle, ngx_prof_main_conf_t *mcf)
{
    void             *memory;
    size_t            size;
    ngx_uint_t        n, free, workers;
    ngx_core_conf_t  *ccf;
    ngx_prof_zone_t  *zone;

    zone = mcf->zone;
    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    ngx_prof_shared_not_dumped(mcf->shm_zone->shm.addr,
                               mcf->shm_zone->shm.size);

    ngx_prof_conf_zone_helpers(cycle, zone);

    if (mcf->zone_size || mcf->slots != NGX_CONF_UNSET || !ccf->master) {
        return;
    }

    workers = ngx_prof_conf_zone_workers(cycle);
    free = ngx_prof_conf_zone_free_slots(zone);

    if (free >= workers) {
        return;
    }

    /* twice as many each time: a few regions are enough for any number */

    n = ngx_min(ngx_max(workers - free, zone->slots),
                NGX_PROF_SLOTS_MAX - zone->slots);
    size = n * ngx_prof_zone_slot_size(&zone->shape);

    memory = ngx_prof_shared(size);

    if (memory == NULL || ngx_prof_zone_grow(zone, memory, n) != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "%ui workers of %ui find no slot in profiling zone "
                      "\"%V\" until others have gone: mmap() of %uz bytes "
                      "failed", workers - free, workers,
                      &mcf->shm_zone->shm.name, size);
    }
}


/* the first configuration that has helpers adds slots for them */

static void
ngx_prof_conf_zone_helpers(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    void    *memory;
    size_t   size;

    if (zone->helper.n
        || zone->slots == 0
        || !ngx_prof_conf_zone_helped(cycle))
    {
        return;
    }

    size = NGX_PROF_HELPERS * ngx_prof_zone_slot_size(&zone->shape);
    memory = ngx_prof_shared(size);

    if (memory == NULL) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "mmap() of %uz bytes failed, processes that serve "
                      "nobody are not profiled", size);
        return;
    }

    ngx_prof_zone_add_helpers(zone, memory);
}


static ngx_uint_t
ngx_prof_conf_zone_helped(ngx_cycle_t *cycle)
{
    ngx_uint_t        i;
    ngx_path_t      **path;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (!ccf->master) {
        return 0;
    }

#ifdef HAVE_PRIVILEGED_PROCESS_PATCH

    /* OpenResty's */

    if (ccf->privileged_agent) {
        return 1;
    }

#endif

    path = cycle->paths.elts;

    for (i = 0; i < cycle->paths.nelts; i++) {

        if (path[i]->manager || path[i]->loader) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_prof_conf_zone_free_slots(ngx_prof_zone_t *zone)
{
    ngx_uint_t        i, n;
    ngx_prof_slot_t  *slot;

    n = 0;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);
        n += (ngx_prof_load(&slot->owner) == 0 || !ngx_prof_slot_alive(slot));
    }

    return n;
}
