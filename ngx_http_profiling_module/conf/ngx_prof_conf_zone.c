
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <sys/random.h>
#include "ngx_prof_conf_zone.h"
#include "ngx_prof_base.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_place.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_zone.h"


static void *ngx_prof_core_create_conf(ngx_cycle_t *cycle);
static char *ngx_prof_core_init_conf(ngx_cycle_t *cycle, void *conf);
static size_t ngx_prof_memory_with_slab(size_t size);
static ngx_shm_zone_t *ngx_prof_memory_old_zone(ngx_cycle_t *cycle,
    ngx_str_t *name);
static ngx_uint_t ngx_prof_memory_slots(ngx_cycle_t *cycle,
    ngx_prof_main_conf_t *mcf);
static ngx_int_t ngx_prof_memory_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_prof_memory_attach(ngx_shm_zone_t *shm_zone,
    ngx_prof_main_conf_t *mcf);
static ngx_int_t ngx_prof_memory_shape(ngx_shm_zone_t *shm_zone,
    ngx_prof_main_conf_t *mcf, ngx_prof_shape_t *shape);


/*
 * The zone is told from others by nginx with a tag that must be the same
 * after the module's file was replaced: an address in nginx itself.
 */

#define ngx_prof_tag  ((void *) &ngx_http_core_module)


/*
 * The number of workers is known only after all of nginx.conf is read, when
 * the core modules complete their configuration, in order.
 */

typedef struct {
    ngx_prof_main_conf_t  *main_conf;
} ngx_prof_core_conf_t;


static ngx_core_module_t  ngx_http_profiling_core_module_ctx = {
    ngx_string("http_profiling"),
    ngx_prof_core_create_conf,
    ngx_prof_core_init_conf
};


ngx_module_t  ngx_http_profiling_core_module = {
    NGX_MODULE_V1,
    &ngx_http_profiling_core_module_ctx,   /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_prof_core_create_conf(ngx_cycle_t *cycle)
{
    return ngx_pcalloc(cycle->pool, sizeof(ngx_prof_core_conf_t));
}


static char *
ngx_prof_core_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_prof_core_conf_t *pcf = conf;

    if (pcf->main_conf == NULL) {
        return NGX_CONF_OK;
    }

    if (ngx_prof_memory_size_zone(cycle, pcf->main_conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_prof_memory_add_zone(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf)
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

    mcf->shm_zone->init = ngx_prof_memory_init_zone;
    mcf->shm_zone->data = mcf;

    pcf = (ngx_prof_core_conf_t *)
              ngx_get_conf(cf->cycle->conf_ctx,
                           ngx_http_profiling_core_module);

    pcf->main_conf = mcf;

    return NGX_OK;
}


ngx_int_t
ngx_prof_memory_size_zone(ngx_cycle_t *cycle, ngx_prof_main_conf_t *mcf)
{
    size_t            size;
    ngx_shm_zone_t   *old;
    ngx_prof_shape_t  shape;

    mcf->slot_n = ngx_prof_memory_slots(cycle, mcf);

    old = ngx_prof_memory_old_zone(cycle, &mcf->zone_name);

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
        return NGX_OK;
    }

    shape.slots = mcf->slot_n;
    shape.history = mcf->setting[NGX_PROF_HISTORY];
    shape.places = 2 * ngx_prof_place_number(mcf) + 30;
    shape.stacks = NGX_PROF_STACKS_MAX;
    shape.dump = NGX_PROF_DUMP_MAX;

    size = ngx_prof_zone_size(&shape);

    if (size == 0) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "profiling cannot hold %ui locations", shape.places);
        return NGX_ERROR;
    }

    mcf->shm_zone->shm.size = ngx_prof_memory_with_slab(size);

    return NGX_OK;
}


/*
 * The size of a shared zone with room for so many bytes: the slab allocator
 * keeps a header and lists of small sizes, both in less than a page, and a
 * structure a page, and begins at a page.
 */

static size_t
ngx_prof_memory_with_slab(size_t size)
{
    size_t  pages;

    pages = (size + ngx_pagesize - 1) / ngx_pagesize;

    return (pages + pages * sizeof(ngx_slab_page_t) / ngx_pagesize + 3)
           * ngx_pagesize;
}


static ngx_shm_zone_t *
ngx_prof_memory_old_zone(ngx_cycle_t *cycle, ngx_str_t *name)
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
 * A reload starts new workers while the old ones finish their connections:
 * room for several generations at once.
 */

static ngx_uint_t
ngx_prof_memory_slots(ngx_cycle_t *cycle, ngx_prof_main_conf_t *mcf)
{
    ngx_uint_t        workers;
    ngx_core_conf_t  *ccf;

    if (mcf->slots != NGX_CONF_UNSET) {
        return mcf->slots;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    workers = (ccf->master && ccf->worker_processes > 0)
              ? (ngx_uint_t) ccf->worker_processes : 1;

    return ngx_min(ngx_max(4 * workers, 16), NGX_PROF_SLOTS_MAX);
}


static ngx_int_t
ngx_prof_memory_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    size_t                 size;
    ngx_slab_pool_t       *shpool;
    ngx_prof_shape_t       shape;
    ngx_prof_main_conf_t  *mcf;

    mcf = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data || shm_zone->shm.exists) {
        return ngx_prof_memory_attach(shm_zone, mcf);
    }

    if (ngx_prof_memory_shape(shm_zone, mcf, &shape) != NGX_OK) {
        return NGX_ERROR;
    }

    size = ngx_prof_zone_size(&shape);

    mcf->zone = ngx_slab_alloc(shpool, size);

    if (mcf->zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "profiling zone \"%V\" has no room for %uz bytes",
                      &shm_zone->shm.name, size);
        return NGX_ERROR;
    }

#if (NGX_DEBUG_MALLOC)
    /* the allocator fills what it hands out; otherwise fresh pages are zero */
    ngx_memzero(mcf->zone, size);
#endif

    ngx_prof_zone_init(mcf->zone, &shape, ngx_prof_time(), ngx_prof_clock());

    /* without it texts cannot be made anonymous: 0 is never valid */

    if (getrandom(&mcf->zone->cookie, sizeof(uint64_t), 0)
        != sizeof(uint64_t))
    {
        mcf->zone->cookie = 0;
    }

    shpool->data = mcf->zone;

    return NGX_OK;
}


static ngx_int_t
ngx_prof_memory_attach(ngx_shm_zone_t *shm_zone, ngx_prof_main_conf_t *mcf)
{
    const char       *error;
    ngx_int_t         history;
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    mcf->zone = shpool->data;

    error = mcf->zone ? ngx_prof_zone_check(mcf->zone, shm_zone->shm.size)
                      : "it does not hold profiling data";

    if (error) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "profiling zone \"%V\" cannot be taken over: %s "
                      "(layout %uL, this is %d): restart to replace it",
                      &shm_zone->shm.name, error,
                      mcf->zone ? mcf->zone->layout : 0,
                      NGX_PROF_LAYOUT);
        return NGX_ERROR;
    }

    if (mcf->slots != NGX_CONF_UNSET
        && (uint64_t) mcf->slots != mcf->zone->slots)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "slots=%i of profiling zone \"%V\" conflicts with the "
                      "%uL slots of the running one: restart to change it",
                      mcf->slots, &shm_zone->shm.name, mcf->zone->slots);
        return NGX_ERROR;
    }

    history = mcf->setting[NGX_PROF_HISTORY];

    if ((uint64_t) history != mcf->zone->history) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "profiling_history %i conflicts with the %uL samples "
                      "of the running profiling zone \"%V\": "
                      "restart to change it",
                      history, mcf->zone->history, &shm_zone->shm.name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* what fits: the room is for dumps, for tables of stacks, and for places */

static ngx_int_t
ngx_prof_memory_shape(ngx_shm_zone_t *shm_zone, ngx_prof_main_conf_t *mcf,
    ngx_prof_shape_t *shape)
{
    size_t                       room, least, more;
    ngx_uint_t                   needed;
    ngx_slab_pool_t             *shpool;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    room = shpool->pfree * ngx_pagesize;

    needed = ngx_prof_place_number(mcf);

    shape->slots = mcf->slot_n;
    shape->history = mcf->setting[NGX_PROF_HISTORY];
    shape->places = needed;
    shape->stacks = NGX_PROF_STACKS_MIN;
    shape->dump = 0;

    least = ngx_prof_zone_size(shape);

    if (least == 0) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "profiling cannot hold %ui locations", needed);
        return NGX_ERROR;
    }

    if (least > room) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "profiling zone \"%V\" of %uz bytes is too small: "
                      "%ui slots with %ui samples and %ui locations "
                      "take %uz bytes",
                      &shm_zone->shm.name, shm_zone->shm.size, shape->slots,
                      shape->history, needed,
                      ngx_prof_memory_with_slab(least));
        return NGX_ERROR;
    }

    /* at most a quarter of what is left is for dumps, half for the stacks */

    shape->dump = NGX_PROF_DUMP_MAX;

    while (shape->dump
           && ngx_prof_zone_size(shape) > least + (room - least) / 4)
    {
        shape->dump = (shape->dump > NGX_PROF_DUMP_MIN)
                      ? shape->dump / 2 : 0;
    }

    least = ngx_prof_zone_size(shape);

    while (shape->stacks < NGX_PROF_STACKS_MAX) {
        shape->stacks *= 2;

        if (ngx_prof_zone_size(shape) > least + (room - least) / 2) {
            shape->stacks /= 2;
            break;
        }
    }

    least = ngx_prof_zone_size(shape);

    shape->places++;
    more = ngx_prof_zone_size(shape) - least;

    shape->places = needed + (room - least) / more;
    shape->places = ngx_min(shape->places, NGX_PROF_PLACES_MAX);

    return NGX_OK;
}
