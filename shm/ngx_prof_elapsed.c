
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_elapsed.h"


/* rows that are tried before there counts as no room */
#define NGX_PROF_ELAPSED_PROBES  64


ngx_prof_elapsed_row_t *
ngx_prof_elapsed_open(ngx_prof_elapsed_t *elapsed, uint64_t key,
    uint64_t claims)
{
    uint64_t                 hash, found;
    ngx_uint_t               i;
    ngx_prof_elapsed_row_t  *row;

    hash = key * 0x9e3779b97f4a7c15ULL >> 32;

    for (i = 0; i < NGX_PROF_ELAPSED_PROBES; i++) {
        row = &elapsed->row[(hash + i) % NGX_PROF_ELAPSED_ROWS];
        found = ngx_prof_load(&row->key);

        if (found == 0
            && __atomic_compare_exchange_n(&row->key, &found, key, 0,
                                           __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        {
            found = key;
        }

        if (found != key) {
            continue;
        }

        if (ngx_prof_load(&row->claims) != claims) {
            row->base = row->counts;
            ngx_prof_store_release(&row->claims, claims);
        }

        return row;
    }

    return NULL;
}


void
ngx_prof_elapsed_free(ngx_prof_elapsed_t *elapsed, ngx_uint_t place)
{
    ngx_uint_t               i;
    ngx_prof_elapsed_row_t  *row;

    for (i = 0; elapsed && i < NGX_PROF_ELAPSED_ROWS; i++) {
        row = &elapsed->row[i];

        if (row->key && ngx_prof_elapsed_place(row->key) == place) {
            ngx_memzero(&row->counts, 2 * sizeof(ngx_prof_elapsed_counts_t));
        }
    }
}


void
ngx_prof_elapsed_other(ngx_prof_elapsed_t *elapsed, ngx_uint_t i, uint64_t ns)
{
    (void) __atomic_fetch_add(&elapsed->other.ns[i], ns, __ATOMIC_RELAXED);
}
