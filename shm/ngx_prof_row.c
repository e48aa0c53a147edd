
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_row.h"
#include "ngx_prof_owner.h"


static const ngx_uint_t  ngx_prof_row_start[] = {
    0,
    NGX_PROF_PEERS,
    NGX_PROF_PEERS + NGX_PROF_TLS_ROWS,
    NGX_PROF_ROWS
};


ngx_uint_t
ngx_prof_row_first(ngx_uint_t kind)
{
    return ngx_prof_row_start[kind];
}


ngx_uint_t
ngx_prof_row_end(const ngx_prof_zone_t *zone, ngx_uint_t kind)
{
    return ngx_min(ngx_prof_row_start[kind + 1], zone->shape.rows);
}


/* eight bytes at a time, the last ones over those before: for each try */


ngx_int_t
ngx_prof_row_open(ngx_prof_zone_t *zone, ngx_uint_t kind, uint64_t hash,
    ngx_uint_t number, const ngx_str_t *name, ngx_uint_t *row)
{
    uint64_t         found;
    ngx_uint_t       i, n, first;
    ngx_prof_row_t  *r;

    if (zone->shape.rows == 0) {
        return NGX_DECLINED;
    }

    first = ngx_prof_row_start[kind];
    n = ngx_prof_row_start[kind + 1] - first - 1;

    for (i = 0; i < n; i++) {
        *row = first + 1 + (hash + i) % n;
        r = ngx_prof_zone_row(zone, *row);
        found = ngx_prof_load_acquire(&r->hash);

        if (found == 0
            && __atomic_compare_exchange_n(&r->hash, &found, hash, 0,
                                           __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        {
            found = hash;
        }

        if (found == hash) {

            if (ngx_prof_load_acquire(&r->named) == 0) {
                ngx_prof_store(&r->number, (uint32_t) number);
                ngx_prof_store(&r->len,
                               (uint16_t) ngx_prof_zone_cut(r->name,
                                                  NGX_PROF_ROW_NAME, name));
                ngx_prof_store_release(&r->named, 1);
            }

            return NGX_OK;
        }
    }

    *row = first;

    return NGX_OK;
}


ngx_int_t
ngx_prof_row_name(const ngx_prof_zone_t *zone, ngx_uint_t row, ngx_str_t *name,
    ngx_uint_t *number)
{
    ngx_prof_row_t  *r;

    if (row >= zone->shape.rows) {
        return NGX_DECLINED;
    }

    r = ngx_prof_zone_row(zone, row);

    if (ngx_prof_load_acquire(&r->named) == 0) {
        return NGX_DECLINED;
    }

    name->data = r->name;
    name->len = ngx_min(ngx_prof_load(&r->len), NGX_PROF_ROW_NAME);
    *number = ngx_prof_load(&r->number);

    return NGX_OK;
}


void
ngx_prof_row_parts(const ngx_prof_zone_t *zone, ngx_uint_t row,
    ngx_str_t part[3])
{
    u_char      *p, *last;
    ngx_str_t    name;
    ngx_uint_t   i, number;

    static ngx_str_t  other = ngx_string("(other)");

    if (ngx_prof_row_name(zone, row, &name, &number) != NGX_OK) {
        part[0] = part[1] = part[2] = other;
        return;
    }

    last = name.data + name.len;

    for (i = 0; i < 3; i++) {
        part[i].data = name.data;

        p = (i < 2) ? ngx_strlchr(name.data, last, '|') : last;
        p = p ? p : last;

        part[i].len = p - name.data;
        name.data = ngx_min(p + 1, last);
    }
}


void
ngx_prof_row_handshake(const ngx_prof_zone_t *zone, ngx_uint_t row,
    ngx_prof_handshake_t *h)
{
    ngx_str_t   part[3];
    ngx_uint_t  number;

    ngx_prof_row_parts(zone, row, part);

    h->protocol = part[0];
    h->key = part[1];
    h->result = part[2];

    if (ngx_prof_row_name(zone, row, &part[0], &number) != NGX_OK) {
        number = 0;
    }

    h->resumed = number & NGX_PROF_TLS_RESUMED;
    h->upstream = number & NGX_PROF_TLS_UPSTREAM;
}


void
ngx_prof_row_sum(ngx_prof_zone_t *zone, ngx_uint_t row, ngx_pid_t pid,
    ngx_prof_row_counts_t *dst)
{
    ngx_uint_t        i;
    ngx_prof_hist_t  *hist[NGX_PROF_HISTS];

    ngx_memzero(dst, sizeof(ngx_prof_row_counts_t));

    for (i = 0; i < NGX_PROF_HISTS; i++) {
        hist[i] = &dst->hist[i];
    }

    ngx_prof_cells_add(zone, zone->places + row, pid, &dst->plain, hist);
}


uint64_t
ngx_prof_row_in_flight(ngx_prof_zone_t *zone, ngx_uint_t row, ngx_pid_t pid,
    ngx_uint_t (*alive)(const ngx_prof_slot_t *slot))
{
    uint64_t           n, open;
    ngx_uint_t         i;
    ngx_prof_slot_t   *slot;
    ngx_prof_cell_t   *cell;
    ngx_prof_tries_t  *now, *base;

    n = 0;

    for (i = 0; i < zone->slots; i++) {
        cell = ngx_prof_cells_at(zone, zone->places + row, i);

        if (cell == NULL) {
            break;
        }

        if (ngx_prof_load(&cell->slot) >= zone->slots) {
            continue;
        }

        slot = ngx_prof_zone_slot(zone, ngx_prof_load(&cell->slot));

        if (!ngx_prof_slot_of(slot, pid)
            || ngx_prof_load_acquire(&cell->claims)
               != ngx_prof_load(&slot->claims)
            || !alive(slot))
        {
            continue;
        }

        now = ngx_prof_tries(&cell->plain[0]);
        base = ngx_prof_tries(&cell->plain[1]);

        /* what ended is read first, so that there are never more of them */

        open = ngx_prof_load_acquire(&now->ended)
               - ngx_prof_load(&base->ended);
        n += ngx_prof_load(&now->started) - ngx_prof_load(&base->started)
             - open;
    }

    return n;
}
