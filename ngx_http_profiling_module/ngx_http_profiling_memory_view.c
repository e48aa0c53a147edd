
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_aggregate.h"
#include "ngx_http_profiling_allocator.h"
#include "ngx_http_profiling_json.h"
#include "ngx_http_profiling_pools.h"
#include "ngx_http_profiling_slot.h"
#include "ngx_http_profiling_view.h"
#include "ngx_http_profiling_work.h"


static void ngx_http_profiling_view_details(ngx_http_profiling_json_t *j,
    ngx_http_profiling_snapshot_t *s, const ngx_http_profiling_figures_t *f);
static void ngx_http_profiling_view_megabytes(ngx_http_profiling_json_t *j,
    const char *key, uint64_t bytes, uint64_t unavailable);
static void ngx_http_profiling_view_zones(ngx_http_profiling_json_t *j);


ngx_int_t
ngx_http_profiling_view_memory(ngx_http_profiling_work_t *w)
{
    ngx_uint_t                      i;
    ngx_http_profiling_json_t      *j;
    ngx_http_profiling_worker_t    *worker;
    ngx_http_profiling_figures_t    f;
    ngx_http_profiling_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;

    ngx_http_profiling_figures(s, &f);

    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_json_time(j, "timestamp", s->time);
    ngx_http_profiling_view_memory_object(j, &f);
    ngx_http_profiling_view_details(j, s, &f);

    ngx_http_profiling_json_uint(j, "limit", s->conf->memory_limit);
    ngx_http_profiling_json_cstring(j, "allocator",
                                    ngx_http_profiling_allocator_name());

    ngx_http_profiling_json_open(j, "workers", '[');
    worker = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {
        ngx_http_profiling_json_open(j, NULL, '{');
        ngx_http_profiling_view_worker(j, &worker[i]);

        if (worker[i].known) {
            ngx_http_profiling_worker_figures(s, &worker[i], &f);
            ngx_http_profiling_view_memory_object(j, &f);
        }

        ngx_http_profiling_pools_worker(j, w->data, worker[i].pid);
        ngx_http_profiling_json_close(j, '}');
    }

    ngx_http_profiling_json_close(j, ']');
    ngx_http_profiling_pools_print(j, w->data);
    ngx_http_profiling_view_zones(j);
    ngx_http_profiling_view_unavailable(j, s->gauges.unavailable);
    ngx_http_profiling_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_http_profiling_view_details(ngx_http_profiling_json_t *j,
    ngx_http_profiling_snapshot_t *s, const ngx_http_profiling_figures_t *f)
{
    uint64_t  heap;

    heap = f->unavailable & NGX_HTTP_PROFILING_NO_HEAP;

    ngx_http_profiling_json_open(j, "details", '{');
    ngx_http_profiling_view_megabytes(j, "alloc_mb", s->gauges.heap_alloc,
                                      heap);
    ngx_http_profiling_view_megabytes(j, "total_alloc_mb",
                              s->totals.total_alloc,
                              f->unavailable & NGX_HTTP_PROFILING_NO_ALLOC);
    ngx_http_profiling_view_megabytes(j, "sys_mb", f->sys,
                              f->unavailable & NGX_HTTP_PROFILING_NO_MEMORY);
    ngx_http_profiling_view_megabytes(j, "heap_alloc_mb",
                                      s->gauges.heap_alloc, heap);
    ngx_http_profiling_view_megabytes(j, "heap_sys_mb", s->gauges.heap_sys,
                                      heap);
    ngx_http_profiling_view_megabytes(j, "stack_mb", s->gauges.stack_inuse,
                              f->unavailable & NGX_HTTP_PROFILING_NO_STACKS);
    ngx_http_profiling_json_close(j, '}');
}


static void
ngx_http_profiling_view_megabytes(ngx_http_profiling_json_t *j,
    const char *key, uint64_t bytes, uint64_t unavailable)
{
    if (unavailable) {
        ngx_http_profiling_json_null(j, key);
        return;
    }

    ngx_http_profiling_json_double(j, key, (double) bytes / 1048576);
}


/* all zones of shared memory of this nginx; free: whole pages */

static void
ngx_http_profiling_view_zones(ngx_http_profiling_json_t *j)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;
    ngx_slab_pool_t  *shpool;

    ngx_http_profiling_json_open(j, "zones", '[');

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            shpool = (ngx_slab_pool_t *) zone[i].shm.addr;

            ngx_http_profiling_json_open(j, NULL, '{');
            ngx_http_profiling_json_string(j, "name", zone[i].shm.name.data,
                                           zone[i].shm.name.len);
            ngx_http_profiling_json_uint(j, "size", zone[i].shm.size);
            ngx_http_profiling_json_uint(j, "free",
                                         shpool->pfree * ngx_pagesize);
            ngx_http_profiling_json_close(j, '}');
        }
    }

    ngx_http_profiling_json_close(j, ']');
}
