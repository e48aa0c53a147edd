
/*
 * What a worker counts for one place: a cell of the zone's pages.
 *
 * A slot's owner takes a page at the first request that it counts for a place,
 * and further pages as durations of other powers of two are seen.  The cells
 * of one place, one a slot, are a list that begins at the place: who reads a
 * place touches what was counted for it, and nothing else.
 *
 * As the counters of a slot, those of a cell continue through all owners.  The
 * base, the counters as the present owner found them, is copied at that
 * owner's first request, and is valid if `claims` is the slot's.
 *
 * Requests of places that found no page are counted in the slot's own cell,
 * as those of the place `other`.
 *
 * A number behind those of all places is that of a row: see row.h.
 *
 * A page is taken by one atomic step, filled, and then linked by another, so
 * that a worker killed at any instruction leaves at most one page that nobody
 * finds: see ngx_prof_cells_sweep().
 */


#ifndef _NGX_PROF_CELL_H_INCLUDED_
#define _NGX_PROF_CELL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


/* bits that mark pages, places and units of names */
#define ngx_prof_bit(bits, i)      ((bits)[(i) / 8] & 1 << (i) % 8)
#define ngx_prof_set_bit(bits, i)  (bits)[(i) / 8] |= (u_char) (1 << (i) % 8)


/*
 * By the owner, in its own memory: where one place is counted.  Nothing that
 * the owner writes to is found through shared memory again.
 */

typedef struct {
    ngx_prof_cell_t   *cell;

    ngx_prof_elapsed_row_t
                      *elapsed;         /* NULL: not looked for yet */

    /*
     * Of each chunk: where the first bucket of the histogram would be, so that
     * a bucket is found by its own index.  NULL: there is no chunk.
     */
    uint64_t          *bucket[NGX_PROF_HISTS][NGX_PROF_HIST_CHUNKS];
} ngx_prof_counting_t;


/*
 * By the owner: makes a counter for a place, with the chunks of the histograms
 * that have been seen before.  NGX_DECLINED: the zone has no page left.
 */
ngx_int_t ngx_prof_cell_open(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    ngx_uint_t place, ngx_prof_counting_t *counter);

/* the same for the place `other`, which needs no page */
void ngx_prof_cell_open_other(const ngx_prof_zone_t *zone,
    ngx_prof_slot_t *slot, ngx_prof_counting_t *counter);

/* by the owner: makes room for a bucket; NGX_DECLINED: no page is left */
ngx_int_t ngx_prof_cell_grow(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    ngx_prof_counting_t *counter, ngx_uint_t hist, ngx_uint_t bucket);


/* by the owner: the chunk that a bucket lies in, NULL: there is no room */

static ngx_inline uint64_t *
ngx_prof_counting_chunk(const ngx_prof_counting_t *counter, ngx_uint_t hist,
    ngx_uint_t bucket)
{
    return counter->bucket[hist][bucket / NGX_PROF_CELL_BUCKETS];
}


/* by the owner: one duration, in ns, in its chunk */

static ngx_inline void
ngx_prof_cell_time(ngx_prof_cell_t *cell, uint64_t *chunk, ngx_uint_t hist,
    ngx_uint_t bucket, uint64_t ns)
{
    ngx_prof_head_t  *head;

    head = &cell->head[0][hist];

    ngx_prof_add(&chunk[bucket], 1);
    ngx_prof_add(&head->sum, ns);

    if (ns >= head->max) {
        ngx_prof_store(&head->max, ns);
        ngx_prof_store(&head->top, bucket + 1);
    }
}


/* by the owner: one ended request; latency in ns, in its chunk */

static ngx_inline void
ngx_prof_cell_add(ngx_prof_cell_t *cell, uint64_t *chunk, ngx_uint_t code,
    uint64_t in, uint64_t out, ngx_uint_t bucket, uint64_t latency)
{
    ngx_prof_plain_add(&cell->plain[0], code, in, out);
    ngx_prof_cell_time(cell, chunk, NGX_PROF_LATENCY, bucket, latency);
}


/* the same, counted for the whole slot, too: its maximum is no less */

static ngx_inline void
ngx_prof_cell_add_all(ngx_prof_cell_t *cell, uint64_t *chunk,
    ngx_prof_counts_t *all, ngx_uint_t code, uint64_t in, uint64_t out,
    ngx_uint_t bucket, uint64_t latency)
{
    ngx_prof_head_t  *head;

    head = &cell->head[0][NGX_PROF_LATENCY];

    ngx_prof_plain_add(&all->plain, code, in, out);
    ngx_prof_add(&all->latency.bucket[bucket], 1);
    ngx_prof_add(&all->latency.sum, latency);

    ngx_prof_plain_add(&cell->plain[0], code, in, out);
    ngx_prof_add(&chunk[bucket], 1);
    ngx_prof_add(&head->sum, latency);

    if (latency >= head->max) {
        ngx_prof_store(&head->max, latency);
        ngx_prof_store(&head->top, bucket + 1);

        if (latency >= all->latency.max) {
            ngx_prof_store(&all->latency.max, latency);
            ngx_prof_store(&all->latency.top, bucket + 1);
        }
    }
}


/*
 * By anyone: adds what all slots have counted for a place to the private dst;
 * if pid is not 0, what its present owner has counted in the slot of that pid.
 */
void ngx_prof_cells_sum(ngx_prof_zone_t *zone, ngx_uint_t place,
    ngx_pid_t pid, ngx_prof_counts_t *dst);

/* likewise of a place or a row; hist[i] may be NULL */
void ngx_prof_cells_add(ngx_prof_zone_t *zone, ngx_uint_t place,
    ngx_pid_t pid, ngx_prof_plain_t *plain,
    ngx_prof_hist_t *const hist[NGX_PROF_HISTS]);

/* the n-th cell of a place or a row, NULL: there are no more */
ngx_prof_cell_t *ngx_prof_cells_at(const ngx_prof_zone_t *zone,
    ngx_uint_t place, ngx_uint_t n);

/* requests of a place over all slots; reads no histogram */
uint64_t ngx_prof_cells_requests(ngx_prof_zone_t *zone, ngx_uint_t place);

/* whether a place has had upstreams; reads no histogram */
ngx_uint_t ngx_prof_cells_upstreams(ngx_prof_zone_t *zone, ngx_uint_t place);

/* by the master: gives the pages of a place back, which nobody counts for */
void ngx_prof_cells_free(ngx_prof_zone_t *zone, ngx_uint_t place);

/*
 * By the master: gives back pages that killed workers took and did not link.
 * marks: a bit for each page, all 0.  alive: whether the owner of a slot lives.
 */
void ngx_prof_cells_sweep(ngx_prof_zone_t *zone, u_char *marks,
    ngx_uint_t (*alive)(const ngx_prof_slot_t *slot));

/* pages in use */
ngx_uint_t ngx_prof_cells_used(ngx_prof_zone_t *zone);


#endif /* _NGX_PROF_CELL_H_INCLUDED_ */
