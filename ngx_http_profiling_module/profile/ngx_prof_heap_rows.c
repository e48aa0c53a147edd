
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_heap_rows.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_record.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_raw.h"


/* a tally as reported */

typedef struct {
    uint32_t                          node;     /* 0: [ended workers] */
    uint32_t                          set;
    int64_t                           alloc[2]; /* objects, bytes */
    int64_t                           inuse[2];
} ngx_prof_heap_row_t;


static ngx_int_t ngx_prof_heap_row(ngx_prof_heap_profile_t *h,
    ngx_prof_slot_t *slot, ngx_uint_t i, ngx_prof_heap_row_t *row);
static uint32_t ngx_prof_heap_set(ngx_prof_heap_profile_t *h, uint32_t label,
    uint64_t size);
static void ngx_prof_heap_stacks(ngx_prof_heap_profile_t *h,
    ngx_prof_slot_t *slot, const ngx_prof_heap_row_t *rows, ngx_uint_t n);
static void ngx_prof_heap_samples(ngx_prof_heap_profile_t *h,
    const ngx_prof_heap_row_t *rows, ngx_uint_t n);
static ngx_uint_t ngx_prof_heap_put(ngx_prof_heap_profile_t *h,
    uint32_t process, uint32_t stack, uint32_t set, const int64_t *alloc,
    const int64_t *inuse);


static const int64_t  ngx_prof_heap_none[2];


void
ngx_prof_heap_rows(ngx_prof_heap_profile_t *h, ngx_prof_slot_t *slot,
    ngx_uint_t last)
{
    ngx_uint_t           i, n;
    ngx_prof_heap_row_t  rows[NGX_PROF_HEAP_CHUNK];

    n = 0;

    for (i = h->entry; i < last; i++) {
        if (ngx_prof_heap_row(h, slot, i, &rows[n]) == NGX_OK) {
            n++;
        }
    }

    if (n) {
        ngx_prof_heap_stacks(h, slot, rows, n);
        ngx_prof_heap_samples(h, rows, n);
    }
}


static ngx_inline int64_t
ngx_prof_heap_objects(uint64_t count)
{
    return (int64_t) ((count + NGX_PROF_HEAP_ONE / 2) / NGX_PROF_HEAP_ONE);
}


/* NGX_DECLINED: the tally has nothing to report */

static ngx_int_t
ngx_prof_heap_row(ngx_prof_heap_profile_t *h, ngx_prof_slot_t *slot,
    ngx_uint_t i, ngx_prof_heap_row_t *row)
{
    uint64_t                 pcs[NGX_PROF_HEAP_DEPTH];
    uint64_t                 count, value;
    ngx_uint_t               k, n, threads;
    ngx_prof_zone_t         *zone;
    ngx_prof_tally_t         tally;
    ngx_prof_freed_t         freed;
    ngx_prof_stacks_t       *stacks;
    const ngx_prof_freed_t  *from;

    zone = ngx_prof_process.zone;
    stacks = ngx_prof_zone_heap(zone, slot);
    from = &ngx_prof_zone_freed(zone, slot)[i];

    /* in this order: what is freed meanwhile was allocated before */

    freed.freed_count = ngx_prof_load_acquire(&from->freed_count);
    freed.freed_value = ngx_prof_load_acquire(&from->freed_value);
    freed.base_count = ngx_prof_load_acquire(&from->base_count);
    freed.base_value = ngx_prof_load_acquire(&from->base_value);

    if (ngx_prof_stacks_tally(stacks,
                              ngx_prof_zone_heap_n(zone->stacks), i,
                              &tally)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    n = ngx_prof_stacks_frames(stacks,
                              ngx_prof_zone_heap_n(zone->stacks),
                              tally.node, pcs, NGX_PROF_HEAP_DEPTH);

    /* there are a size and a root at least, unless the zone is corrupt */

    if (n < 2) {
        return NGX_DECLINED;
    }

    threads = (pcs[0] == NGX_PROF_HEAP_THREAD);

    if (threads != (h->query.kind == NGX_PROF_OF_THREADS)) {
        return NGX_DECLINED;
    }

    /* of this owner: what it has in use */

    count = tally.count - freed.base_count;
    value = tally.value - freed.base_value;

    row->inuse[0] = 0;
    row->inuse[1] = 0;

    if (h->pid && count > freed.freed_count) {
        row->inuse[0] = ngx_prof_heap_objects(count - freed.freed_count);
        row->inuse[1] = (int64_t) (value
                                   - ngx_min(value, freed.freed_value));
    }

    if (!h->query.worker) {
        count = tally.count;
        value = tally.value;
    }

    row->alloc[0] = ngx_prof_heap_objects(count);
    row->alloc[1] = (int64_t) value;

    if (threads ? row->inuse[0] == 0 : row->alloc[0] == 0) {
        return NGX_DECLINED;
    }

    for (k = 0; k < h->nroots; k++) {
        if (h->roots[k] == pcs[n - 1]) {
            break;
        }
    }

    row->node = (k < h->nroots) ? tally.node : 0;
    row->set = threads ? 0 : ngx_prof_heap_set(h, tally.label, pcs[0]);
    return NGX_OK;
}


/* the set of labels of a block, written at its first use */

static uint32_t
ngx_prof_heap_set(ngx_prof_heap_profile_t *h, uint32_t label, uint64_t size)
{
    ngx_uint_t                n;
    ngx_prof_known_labels_t  *known;
    ngx_prof_raw_label_t      labels[4];

    known = ngx_prof_rawfile_known(h->raw, label, size);

    if (known->set) {
        return known->set;
    }

    ngx_memzero(labels, sizeof(labels));

    n = ngx_prof_rawfile_place(h->raw, label, labels);

    labels[n].key = h->bytes;
    labels[n].str = NGX_PROF_RAW_NONE;
    labels[n].unit = h->bytes;
    labels[n].num = (int64_t) size;

    known->set = ngx_prof_rawfile_labelset(h->raw, labels, (uint32_t) n + 1);
    return known->set;
}


/*
 * writes stacks without the size before the innermost frame and the root at
 * the end
 */

static void
ngx_prof_heap_stacks(ngx_prof_heap_profile_t *h, ngx_prof_slot_t *slot,
    const ngx_prof_heap_row_t *rows, ngx_uint_t n)
{
    uint64_t            pcs[NGX_PROF_HEAP_DEPTH];
    ngx_uint_t          i, depth, size;
    ngx_prof_zone_t    *zone;
    ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;
    stacks = ngx_prof_zone_heap(zone, slot);
    size = ngx_prof_zone_heap_n(zone->stacks);

    ngx_prof_rawfile_section(h->raw, NGX_PROF_RAW_STACKS);

    for (i = 0; i < n; i++) {

        depth = rows[i].node ? ngx_prof_stacks_frames(stacks, size,
                                          rows[i].node, pcs,
                                          NGX_PROF_HEAP_DEPTH)
                             : 0;

        /* in a corrupt zone the stack may have changed meanwhile */

        if (depth < 2) {
            pcs[0] = NGX_PROF_RAW_NAMED | h->ended;
            (void) ngx_prof_rawfile_stack(h->raw, pcs, 1, 0);
            continue;
        }

        (void) ngx_prof_rawfile_stack(h->raw, &pcs[1], depth - 2, 0);
    }

    ngx_prof_rawfile_close(h->raw, (uint32_t) n);
}


static void
ngx_prof_heap_samples(ngx_prof_heap_profile_t *h,
    const ngx_prof_heap_row_t *rows, ngx_uint_t n)
{
    uint32_t    stack;
    ngx_uint_t  i, count;

    ngx_prof_rawfile_section(h->raw, NGX_PROF_RAW_SAMPLES);
    count = 0;

    for (i = 0; i < n; i++) {
        stack = h->raw->stacks - (uint32_t) (n - i);

        if (h->query.kind != NGX_PROF_OF_THREADS) {
            count += ngx_prof_heap_put(h, h->plain, stack,
                                       rows[i].set, rows[i].alloc,
                                       ngx_prof_heap_none);
        }

        if (rows[i].inuse[0]) {
            count += ngx_prof_heap_put(h, h->labelled, stack,
                                       rows[i].set,
                                       ngx_prof_heap_none,
                                       rows[i].inuse);
        }
    }

    ngx_prof_rawfile_close(h->raw, (uint32_t) count);
}


static ngx_uint_t
ngx_prof_heap_put(ngx_prof_heap_profile_t *h, uint32_t process, uint32_t stack,
    uint32_t set, const int64_t *alloc, const int64_t *inuse)
{
    int64_t     values[4];
    ngx_uint_t  n;

    values[0] = h->sign * alloc[0];
    values[1] = h->sign * alloc[1];
    values[2] = h->sign * inuse[0];
    values[3] = h->sign * inuse[1];
    n = 4;

    if (h->query.kind == NGX_PROF_OF_THREADS) {
        values[0] = values[2];
        n = 1;
    }

    ngx_prof_rawfile_sample(h->raw, process, stack, set, values, n);

    return 1;
}
