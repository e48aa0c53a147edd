
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_caches.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_json.h"
#include "ngx_prof_row.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


/* a cache of this nginx */

typedef struct {
    ngx_str_t   name;
    ngx_str_t   path;
    uint64_t    size;           /* bytes */
    uint64_t    limit;          /* 0: none */
    uint64_t    entries;
    ngx_uint_t  loaded;
    ngx_uint_t  loading;
} ngx_prof_file_cache_t;


static ngx_int_t ngx_prof_caches_known(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts);
static ngx_int_t ngx_prof_file_cache(ngx_uint_t n, ngx_prof_file_cache_t *c);
#if (NGX_HTTP_CACHE)
static ngx_uint_t ngx_prof_module_is(const void *module, const char *name);
#endif
static void ngx_prof_view_file_caches(ngx_prof_json_t *j);
static void ngx_prof_view_cached(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts);
static void ngx_prof_expose_file_caches(ngx_prof_work_t *w);


static const char *const  ngx_prof_cache_names[] = {
    NULL, "miss", "bypass", "expired", "stale", "updating", "revalidated", "hit"
};


ngx_int_t
ngx_prof_view_caches(ngx_prof_work_t *w)
{
    ngx_uint_t        row;
    ngx_prof_json_t  *j;

    j = &w->json;

    if (w->next == 0) {
        w->data = ngx_palloc(w->snapshot->pool, sizeof(ngx_prof_row_counts_t));
        if (w->data == NULL) {
            return NGX_ERROR;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_time(j, "timestamp", w->snapshot->time);
        ngx_prof_view_file_caches(j);
        ngx_prof_json_open(j, "locations", '[');
    }

    row = ngx_prof_row_first(NGX_PROF_ROW_CACHES) + w->next++;

    if (row < ngx_prof_row_end(w->snapshot->zone, NGX_PROF_ROW_CACHES)) {

        if (ngx_prof_caches_known(w, row, w->data) == NGX_OK) {
            ngx_prof_view_cached(w, row, w->data);
        }

        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_uint(j, "lost",
                  ngx_prof_load(&w->snapshot->zone->header->rows_lost));
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static ngx_int_t
ngx_prof_caches_known(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts)
{
    uint64_t           n;
    ngx_uint_t         i;
    ngx_prof_cache_t  *cache;

    ngx_prof_row_sum(w->snapshot->zone, row, w->snapshot->filter, counts);

    cache = ngx_prof_caches(&counts->plain);

    for (i = 0, n = 0; i < NGX_PROF_CACHE_STATUSES; i++) {
        n += cache->status[i];
    }

    return n ? NGX_OK : NGX_DECLINED;
}


static void
ngx_prof_view_cached(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts)
{
    ngx_uint_t         i;
    ngx_str_t          part[3];
    ngx_prof_json_t   *j;
    ngx_prof_cache_t  *cache;

    static const char *const  names[] = { "zone", "server", "location" };

    j = &w->json;
    cache = ngx_prof_caches(&counts->plain);

    ngx_prof_row_parts(w->snapshot->zone, row, part);

    ngx_prof_json_open(j, NULL, '{');

    for (i = 0; i < 3; i++) {
        ngx_prof_json_string(j, names[i], part[i].data, part[i].len);
    }

    for (i = 1; i < NGX_PROF_CACHE_STATUSES; i++) {
        ngx_prof_json_uint(j, ngx_prof_cache_names[i], cache->status[i]);
    }

    ngx_prof_json_uint(j, "lock_waits", cache->locked);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_file_caches(ngx_prof_json_t *j)
{
    ngx_uint_t             n;
    ngx_prof_file_cache_t  c;

    ngx_prof_json_open(j, "zones", '[');

    for (n = 0; ngx_prof_file_cache(n, &c) == NGX_OK; n++) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_string(j, "name", c.name.data, c.name.len);
        ngx_prof_json_string(j, "path", c.path.data, c.path.len);
        ngx_prof_json_uint(j, "size", c.size);
        ngx_prof_view_figure(j, "limit", c.limit, c.limit == 0);
        ngx_prof_view_double(j, "percent",
                             100.0 * (double) c.size / (double) c.limit,
                             c.limit == 0);
        ngx_prof_json_uint(j, "entries", c.entries);
        ngx_prof_json_cstring(j, "loader", c.loaded ? "done"
                              : c.loading ? "loading" : "waiting");
        ngx_prof_json_cstring(j, "manager", c.limit && c.size > c.limit
                              ? "removing" : "waiting");
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


/* caches have the zones of the modules that have a directive for them */

static ngx_int_t
ngx_prof_file_cache(ngx_uint_t n, ngx_prof_file_cache_t *c)
{
#if (NGX_HTTP_CACHE)

    void                    *tag;
    ngx_uint_t               i, k;
    ngx_shm_zone_t          *zone;
    ngx_list_part_t         *part;
    ngx_http_file_cache_t   *cache;

    static const char *const  names[] = {
        "ngx_http_proxy_module", "ngx_http_fastcgi_module",
        "ngx_http_uwsgi_module", "ngx_http_scgi_module"
    };

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            tag = zone[i].tag;

            for (k = 0; k < 4; k++) {

                if (ngx_prof_module_is(tag, names[k])) {
                    break;
                }
            }

            cache = zone[i].data;

            if (k == 4 || cache == NULL || cache->sh == NULL || n--) {
                continue;
            }

            c->name = zone[i].shm.name;
            c->path = cache->path->name;
            c->size = (uint64_t) cache->sh->size * cache->bsize;
            c->limit = (cache->max_size == NGX_MAX_OFF_T_VALUE
                        || cache->max_size >= NGX_MAX_OFF_T_VALUE
                                              / (off_t) cache->bsize)
                       ? 0 : (uint64_t) cache->max_size * cache->bsize;
            c->entries = cache->sh->count;
            c->loaded = (cache->sh->cold == 0);
            c->loading = (cache->sh->loading != 0);

            return NGX_OK;
        }
    }

#endif

    return NGX_DECLINED;
}


#if (NGX_HTTP_CACHE)

/* a module is known by its name: an nginx may be without it */

static ngx_uint_t
ngx_prof_module_is(const void *module, const char *name)
{
    ngx_uint_t  i;

    for (i = 0; ngx_cycle->modules[i]; i++) {

        if (ngx_cycle->modules[i] == module) {
            return ngx_strcmp(ngx_cycle->modules[i]->name, name) == 0;
        }
    }

    return 0;
}

#endif


ngx_int_t
ngx_prof_expose_caches(ngx_prof_work_t *w, ngx_uint_t *next)
{
    ngx_uint_t                    row, first, place, i;
    ngx_prof_cache_t             *cache;
    static ngx_prof_row_counts_t  counts;

    first = ngx_prof_row_first(NGX_PROF_ROW_CACHES);

    if (*next == 2 * NGX_PROF_CACHE_ROWS) {
        return NGX_DONE;
    }

    row = first + *next % NGX_PROF_CACHE_ROWS;

    if (*next == 0) {
        ngx_prof_expose_file_caches(w);
        ngx_prof_expose_family(w, "cache_requests_total", "counter",
                               "Requests by what became of them in a cache.");

    } else if (row == first) {
        ngx_prof_expose_family(w, "cache_lock_waits_total", "counter",
                               "Requests that waited for another one to fill "
                               "a cache.");
    }

    i = (*next)++ / NGX_PROF_CACHE_ROWS;

    if (row >= w->snapshot->zone->shape.rows
        || ngx_prof_caches_known(w, row, &counts) != NGX_OK)
    {
        return NGX_AGAIN;
    }

    cache = ngx_prof_caches(&counts.plain);
    place = w->snapshot->zone->places + row;

    if (i == 1) {
        ngx_prof_expose_count(w, "cache_lock_waits_total", place, NULL, NULL,
                              cache->locked);
        return NGX_AGAIN;
    }

    for (i = 1; i < NGX_PROF_CACHE_STATUSES; i++) {

        if (cache->status[i]) {
            ngx_prof_expose_count(w, "cache_requests_total", place, "result",
                                  ngx_prof_cache_names[i], cache->status[i]);
        }
    }

    return NGX_AGAIN;
}


static void
ngx_prof_expose_file_caches(ngx_prof_work_t *w)
{
    uint64_t               value;
    ngx_uint_t             n, k;
    ngx_prof_file_cache_t  c;

    static const struct {
        const char  *name;
        const char  *help;
        size_t       offset;
    } families[] = {
        { "cache_size_bytes", "Bytes of files in a cache.",
          offsetof(ngx_prof_file_cache_t, size) },
        { "cache_limit_bytes", "Bytes that a cache may take: max_size.",
          offsetof(ngx_prof_file_cache_t, limit) },
    };

    for (k = 0; k < 2; k++) {
        ngx_prof_expose_family(w, families[k].name, "gauge", families[k].help);

        for (n = 0; ngx_prof_file_cache(n, &c) == NGX_OK; n++) {
            value = *(uint64_t *) ((u_char *) &c + families[k].offset);

            if (k == 1 && value == 0) {
                continue;
            }

            ngx_prof_expose_open(w, families[k].name, "");
            ngx_prof_expose_label(w, "zone", &c.name);
            ngx_prof_text_printf(&w->json.text, "} %uL\n", value);
        }
    }
}
