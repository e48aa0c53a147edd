
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_memory.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_allocator.h"
#include "ngx_prof_answer.h"
#include "ngx_prof_label.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_json.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_work.h"
#include "ngx_prof_worker.h"


static void ngx_prof_memory_print(ngx_prof_json_t *j,
    const ngx_prof_memory_t *p);
static void ngx_prof_memory_worker(ngx_prof_json_t *j,
    const ngx_prof_memory_t *p, ngx_pid_t pid);
static ngx_int_t ngx_prof_view_memory(ngx_prof_work_t *w);
static void ngx_prof_view_details(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_figures_t *f);
static void ngx_prof_view_megabytes(ngx_prof_json_t *j, const char *key,
    uint64_t bytes, uint64_t unavailable);
static void ngx_prof_view_zones(ngx_prof_json_t *j);
static ngx_int_t ngx_prof_memory_run(ngx_prof_memory_t *p);
static void ngx_prof_memory_dumped(void *data);
static ngx_int_t ngx_prof_memory_step(ngx_prof_work_t *w);
static void ngx_prof_memory_add(ngx_prof_memory_t *p,
    const ngx_prof_worker_dump_t *w, ngx_prof_pool_bytes_t *held);
static void ngx_prof_memory_held(ngx_prof_json_t *j,
    const ngx_prof_pool_bytes_t *held);
static void ngx_prof_memory_place(ngx_prof_json_t *j, ngx_uint_t place,
    const ngx_prof_pool_bytes_t *held);


ngx_int_t
ngx_prof_memory_request(ngx_http_request_t *r, ngx_pid_t worker)
{
    ngx_prof_memory_t  *p;

    p = ngx_pcalloc(r->pool, sizeof(ngx_prof_memory_t));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p->request = r;
    p->filter = worker;

    if (ngx_prof_process.zone->dump == 0) {
        return ngx_prof_memory_run(p);
    }

    p->dumps = ngx_prof_dumps_request(r->pool, r->connection->log, worker,
                                      0, NGX_PROF_MEMORY_AGE,
                                      ngx_prof_memory_dumped,
                                      p);
    if (p->dumps == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_answer_later(r);

    return NGX_DONE;
}


static ngx_int_t
ngx_prof_memory_run(ngx_prof_memory_t *p)
{
    ngx_prof_work_t  *w;

    w = ngx_prof_work_create(p->request);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->worker = p->filter;
    w->step = ngx_prof_memory_step;
    w->data = p;

    return ngx_prof_work_run(w);
}


static void
ngx_prof_memory_dumped(void *data)
{
    ngx_int_t            rc;
    ngx_pool_t          *pool;
    ngx_http_request_t  *r;
    ngx_prof_memory_t   *p;

    p = data;
    r = p->request;
    pool = r->pool;

    rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    p->places = ngx_prof_zone_place_n(ngx_prof_process.zone);

    p->place = ngx_pcalloc(pool,
                           (p->places + 1) * sizeof(ngx_prof_pool_bytes_t));
    p->worker = ngx_pcalloc(pool, (p->dumps->ask.workers.nelts + 1)
                                  * sizeof(ngx_prof_pool_bytes_t));

    if (p->place && p->worker) {
        rc = ngx_prof_memory_run(p);
    }

    ngx_prof_answer(r, rc);
}


static ngx_int_t
ngx_prof_memory_step(ngx_prof_work_t *w)
{
    ngx_prof_memory_t       *p;
    ngx_prof_worker_dump_t  *worker;

    p = w->data;

    if (p->dumps && p->next < p->dumps->ask.workers.nelts) {
        worker = p->dumps->ask.workers.elts;

        ngx_prof_memory_add(p, &worker[p->next], &p->worker[p->next]);
        p->next++;

        return NGX_AGAIN;
    }

    return ngx_prof_view_memory(w);
}


static void
ngx_prof_memory_add(ngx_prof_memory_t *p, const ngx_prof_worker_dump_t *w,
    ngx_prof_pool_bytes_t *held)
{
    ngx_uint_t                    i, n, place;
    ngx_prof_pool_bytes_t        *to[3];
    const ngx_prof_dump_group_t  *g;

    if (w->asked.state != NGX_PROF_ASKED_ANSWERED) {
        return;
    }

    to[0] = held;
    to[1] = &p->all;

    for (i = 0; i < w->head.groups; i++) {
        g = &w->groups[i];

        place = ngx_prof_label_place(g->label);
        to[2] = &p->place[(place <= p->places) ? place : 0];

        for (n = 0; n < 3; n++) {
            to[n]->connections += g->count;
            to[n]->connection += g->connection_pools;
            to[n]->request += g->request_pools;
        }
    }

    p->configuration = ngx_max(p->configuration, w->head.configuration);
    p->cut += w->head.cut;
}


static void
ngx_prof_memory_print(ngx_prof_json_t *j, const ngx_prof_memory_t *p)
{
    ngx_uint_t  i;

    if (p->dumps == NULL) {
        ngx_prof_json_null(j, "pools");
        return;
    }

    ngx_prof_json_open(j, "pools", '{');
    ngx_prof_memory_held(j, &p->all);
    ngx_prof_json_uint(j, "configuration_bytes", p->configuration);
    ngx_prof_json_uint(j, "not_measured_whole", p->cut);
    ngx_prof_json_open(j, "locations", '[');

    for (i = 0; i <= p->places; i++) {

        if (p->place[i].connections) {
            ngx_prof_memory_place(j, i, &p->place[i]);
        }
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_memory_held(ngx_prof_json_t *j, const ngx_prof_pool_bytes_t *held)
{
    ngx_prof_json_uint(j, "connections", held->connections);
    ngx_prof_json_uint(j, "connection_bytes", held->connection);
    ngx_prof_json_uint(j, "request_bytes", held->request);
}


/* place: as in labels; 0: connections without a server */

static void
ngx_prof_memory_place(ngx_prof_json_t *j, ngx_uint_t place,
    const ngx_prof_pool_bytes_t *held)
{
    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_view_place(j, ngx_prof_label(place, 0, 0));
    ngx_prof_memory_held(j, held);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_memory_worker(ngx_prof_json_t *j, const ngx_prof_memory_t *p,
    ngx_pid_t pid)
{
    ngx_uint_t                     i;
    const ngx_prof_worker_dump_t  *w;

    for (i = 0; p->dumps && i < p->dumps->ask.workers.nelts; i++) {
        w = p->dumps->ask.workers.elts;
        w += i;

        if (w->asked.pid != pid || w->asked.state != NGX_PROF_ASKED_ANSWERED) {
            continue;
        }

        ngx_prof_json_open(j, "pools", '{');
        ngx_prof_memory_held(j, &p->worker[i]);
        ngx_prof_json_uint(j, "configuration_bytes",
                           w->head.configuration);
        ngx_prof_json_time(j, "time", w->head.time);
        ngx_prof_json_close(j, '}');

        return;
    }

    /* the worker did not answer, or started later */

    ngx_prof_json_null(j, "pools");
}


static ngx_int_t
ngx_prof_view_memory(ngx_prof_work_t *w)
{
    ngx_uint_t            i;
    ngx_prof_json_t      *j;
    ngx_prof_worker_t    *worker;
    ngx_prof_figures_t    f;
    ngx_prof_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;

    ngx_prof_figures(s, &f);

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_time(j, "timestamp", s->time);
    ngx_prof_view_memory_object(j, &f);
    ngx_prof_view_details(j, s, &f);

    ngx_prof_json_uint(j, "limit", s->memory_limit);
    ngx_prof_json_cstring(j, "allocator",
                          ngx_prof_allocator_name());

    ngx_prof_json_open(j, "workers", '[');
    worker = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_view_worker(j, &worker[i]);

        if (worker[i].known) {
            ngx_prof_worker_figures(s, &worker[i], &f);
            ngx_prof_view_memory_object(j, &f);
        }

        ngx_prof_memory_worker(j, w->data, worker[i].pid);
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_memory_print(j, w->data);
    ngx_prof_view_zones(j);
    ngx_prof_view_unavailable(j, s->gauges.unavailable);
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_prof_view_details(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_figures_t *f)
{
    uint64_t  heap;

    heap = f->unavailable & NGX_PROF_NO_HEAP;

    ngx_prof_json_open(j, "details", '{');
    ngx_prof_view_megabytes(j, "alloc_mb", s->gauges.heap_alloc,
                            heap);
    ngx_prof_view_megabytes(j, "total_alloc_mb",
                              s->totals.total_alloc,
                              f->unavailable & (NGX_PROF_NO_ALLOC
                                                |NGX_PROF_NO_COUNT));
    ngx_prof_view_megabytes(j, "sys_mb", f->sys,
                              f->unavailable & NGX_PROF_NO_MEMORY);
    ngx_prof_view_megabytes(j, "heap_alloc_mb",
                            s->gauges.heap_alloc, heap);
    ngx_prof_view_megabytes(j, "heap_sys_mb", s->gauges.heap_sys,
                            heap);
    ngx_prof_view_megabytes(j, "stack_mb", s->gauges.stack_inuse,
                              f->unavailable & NGX_PROF_NO_STACKS);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_megabytes(ngx_prof_json_t *j, const char *key, uint64_t bytes,
    uint64_t unavailable)
{
    if (unavailable) {
        ngx_prof_json_null(j, key);
        return;
    }

    ngx_prof_json_double(j, key, (double) bytes / 1048576);
}


/* all zones of shared memory of this nginx; free counts whole pages */

static void
ngx_prof_view_zones(ngx_prof_json_t *j)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;
    ngx_slab_pool_t  *shpool;

    ngx_prof_json_open(j, "zones", '[');

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            shpool = (ngx_slab_pool_t *) zone[i].shm.addr;

            ngx_prof_json_open(j, NULL, '{');
            ngx_prof_json_string(j, "name", zone[i].shm.name.data,
                                 zone[i].shm.name.len);
            ngx_prof_json_uint(j, "size", zone[i].shm.size);
            ngx_prof_json_uint(j, "free",
                               shpool->pfree * ngx_pagesize);
            ngx_prof_json_close(j, '}');
        }
    }

    ngx_prof_json_close(j, ']');
}
