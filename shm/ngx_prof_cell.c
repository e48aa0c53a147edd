
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_cell.h"
#include "ngx_prof_owner.h"


static uint32_t *ngx_prof_cell_first(const ngx_prof_zone_t *zone,
    ngx_uint_t place);
static uint32_t ngx_prof_cell_take(ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot);
static void ngx_prof_cell_give(ngx_prof_zone_t *zone, ngx_uint_t page);
static ngx_prof_cell_t *ngx_prof_cell_next(const ngx_prof_zone_t *zone,
    const uint32_t *link, ngx_uint_t place);
static ngx_prof_cell_t *ngx_prof_cell_new(ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_uint_t place);
static void ngx_prof_cell_base(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_prof_cell_t *cell);
static ngx_prof_chunk_t *ngx_prof_cell_chunk(const ngx_prof_zone_t *zone,
    const ngx_prof_cell_t *cell, ngx_uint_t n);
static uint64_t *ngx_prof_cell_biased(ngx_prof_chunk_t *chunk, ngx_uint_t i);
static void ngx_prof_cell_pointers(const ngx_prof_zone_t *zone,
    ngx_prof_counting_t *counter);
static void ngx_prof_cell_sum(const ngx_prof_zone_t *zone,
    const ngx_prof_cell_t *cell, ngx_uint_t based, ngx_prof_plain_t *plain,
    ngx_prof_hist_t *const dst[NGX_PROF_HISTS]);
static ngx_uint_t ngx_prof_cell_chunk_sum(uint64_t *bucket, ngx_uint_t i,
    const ngx_prof_chunk_t *chunk, ngx_uint_t based);
static void ngx_prof_cell_mark(const ngx_prof_zone_t *zone,
    const ngx_prof_cell_t *cell, u_char *marks);


/* the state of a page that is in use: its slot, and which owner of that */

static uint32_t
ngx_prof_cell_state(const ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot)
{
    return (uint32_t) (ngx_prof_zone_slot_index(zone, slot) + 1)
           | (uint32_t) ngx_prof_load(&slot->claims) << 16;
}


/* page + 1, zeroed; 0: there is none */

static uint32_t
ngx_prof_cell_take(ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot)
{
    uint32_t            state, mine, *states;
    uint64_t            n;
    ngx_uint_t          i;
    ngx_prof_header_t  *h;

    h = zone->header;
    states = ngx_prof_zone_states(zone);
    mine = ngx_prof_cell_state(zone, slot);
    n = ngx_prof_load(&h->page_n);

    if ((int64_t) ngx_prof_load(&h->page_free) > 0) {

        for (i = 0; i < ngx_min(n, zone->shape.pages); i++) {
            state = ngx_prof_load(&states[i]);

            if (state == 0
                && __atomic_compare_exchange_n(&states[i], &state, mine, 0,
                                               __ATOMIC_ACQ_REL,
                                               __ATOMIC_RELAXED))
            {
                (void) __atomic_fetch_sub(&h->page_free, 1, __ATOMIC_RELAXED);
                goto taken;
            }
        }
    }

    while (n < zone->shape.pages) {

        if (!__atomic_compare_exchange_n(&h->page_n, &n, n + 1, 0,
                                         __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        {
            continue;
        }

        /* another that looked for free pages may have been faster */

        i = n++;
        state = 0;

        if (__atomic_compare_exchange_n(&states[i], &state, mine, 0,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        {
            goto taken;
        }
    }

    return 0;

taken:

    ngx_memzero(ngx_prof_zone_page(zone, i), NGX_PROF_PAGE_SIZE);

    return (uint32_t) (i + 1);
}


static void
ngx_prof_cell_give(ngx_prof_zone_t *zone, ngx_uint_t page)
{
    ngx_prof_store_release(&ngx_prof_zone_states(zone)[page], 0);
    (void) __atomic_fetch_add(&zone->header->page_free, 1, __ATOMIC_RELAXED);
}


/* the cell that a link leads to, NULL: it is the last, or not the place's */

static ngx_prof_cell_t *
ngx_prof_cell_next(const ngx_prof_zone_t *zone, const uint32_t *link,
    ngx_uint_t place)
{
    uint32_t          page;
    ngx_prof_cell_t  *cell;

    page = ngx_prof_load_acquire(link);
    cell = page ? ngx_prof_zone_page(zone, page - 1) : NULL;

    return (cell && ngx_prof_load(&cell->place) == place + 1) ? cell : NULL;
}


/* where the list of cells of a place or a row begins */

static uint32_t *
ngx_prof_cell_first(const ngx_prof_zone_t *zone, ngx_uint_t place)
{
    return (place < zone->places)
           ? &ngx_prof_zone_place(zone, place)->first
           : &ngx_prof_zone_row(zone, place - zone->places)->first;
}


/*
 * Lists are read with a bound: what overwrote the zone may have made a circle.
 */

#define ngx_prof_cell_each(zone, p, cell, i)                                \
    for (i = 0,                                                              \
         cell = ngx_prof_cell_next(zone, ngx_prof_cell_first(zone, p), p);    \
         cell && i < NGX_PROF_SLOTS_MAX;                                     \
         i++, cell = ngx_prof_cell_next(zone, &cell->next, p))


ngx_int_t
ngx_prof_cell_open(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    ngx_uint_t place, ngx_prof_counting_t *counter)
{
    ngx_uint_t        i, index;
    ngx_prof_cell_t  *cell;

    index = ngx_prof_zone_slot_index(zone, slot);

    ngx_prof_cell_each(zone, place, cell, i) {

        if (ngx_prof_load(&cell->slot) == index) {
            break;
        }
    }

    if (cell == NULL || i == NGX_PROF_SLOTS_MAX) {
        cell = ngx_prof_cell_new(zone, slot, place);

        if (cell == NULL) {
            return NGX_DECLINED;
        }
    }

    if (cell->claims != slot->claims) {
        ngx_prof_cell_base(zone, slot, cell);
    }

    counter->cell = cell;
    counter->elapsed = NULL;
    ngx_prof_cell_pointers(zone, counter);

    return NGX_OK;
}


void
ngx_prof_cell_open_other(const ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    ngx_prof_counting_t *counter)
{
    ngx_uint_t        i;
    ngx_prof_cell_t  *cell;

    cell = &slot->other.cell;

    if (cell->claims != slot->claims) {
        ngx_prof_store(&cell->chunks, NGX_PROF_CELL_CHUNKS);

        for (i = 0; i < NGX_PROF_CELL_CHUNKS; i++) {
            ngx_prof_store(&cell->chunk[i], (uint8_t) (i + 1));
        }

        ngx_prof_cell_base(zone, slot, cell);
    }

    counter->cell = cell;
    counter->elapsed = NULL;
    ngx_prof_cell_pointers(zone, counter);
}


static ngx_prof_cell_t *
ngx_prof_cell_new(ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot,
    ngx_uint_t place)
{
    uint32_t          page, *first;
    ngx_prof_cell_t  *cell;

    page = ngx_prof_cell_take(zone, slot);

    if (page == 0) {
        return NULL;
    }

    cell = ngx_prof_zone_page(zone, page - 1);
    cell->place = (uint32_t) place + 1;
    cell->slot = (uint32_t) ngx_prof_zone_slot_index(zone, slot);
    cell->claims = slot->claims;

    first = ngx_prof_cell_first(zone, place);
    cell->next = ngx_prof_load(first);

    while (!__atomic_compare_exchange_n(first, &cell->next, page, 0,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    {
        /* void */
    }

    return cell;
}


/* if this owner is killed meanwhile, the next one copies the base again */

static void
ngx_prof_cell_base(const ngx_prof_zone_t *zone, const ngx_prof_slot_t *slot,
    ngx_prof_cell_t *cell)
{
    ngx_uint_t         i;
    ngx_prof_chunk_t  *chunk;

    ngx_prof_copy_words(&cell->plain[1], &cell->plain[0],
                        sizeof(ngx_prof_plain_t));
    ngx_prof_copy_words(cell->head[1], cell->head[0],
                        sizeof(cell->head[0]));

    for (i = 0; i < NGX_PROF_CELL_CHUNKS; i++) {
        chunk = ngx_prof_cell_chunk(zone, cell, cell->chunk[i]);

        if (chunk) {
            ngx_prof_copy_words(chunk->bucket[1], chunk->bucket[0],
                                sizeof(chunk->bucket[0]));
        }
    }

    ngx_prof_store_release(&cell->claims, slot->claims);
}


/* n: + 1; NULL: there is none */

static ngx_prof_chunk_t *
ngx_prof_cell_chunk(const ngx_prof_zone_t *zone,
    const ngx_prof_cell_t *cell, ngx_uint_t n)
{
    uint32_t          page;
    ngx_prof_cell_t  *start;

    if (n == 0 || n > NGX_PROF_CELL_CHUNKS) {
        return NULL;
    }

    if (n == 1) {
        return (ngx_prof_chunk_t *) &cell->first;
    }

    n -= 2;
    start = ngx_prof_zone_page(zone, 0);

    if ((size_t) ((u_char *) cell - (u_char *) start)
        >= zone->shape.pages * NGX_PROF_PAGE_SIZE)
    {
        /* a slot's own */

        return &((ngx_prof_other_t *) cell)->chunk[n];
    }

    page = ngx_prof_load_acquire(&cell->page[n / NGX_PROF_PAGE_CHUNKS]);
    start = page ? ngx_prof_zone_page(zone, page - 1) : NULL;

    return start ? (ngx_prof_chunk_t *) start + n % NGX_PROF_PAGE_CHUNKS
                 : NULL;
}


static uint64_t *
ngx_prof_cell_biased(ngx_prof_chunk_t *chunk, ngx_uint_t i)
{
    return (uint64_t *) ((uintptr_t) chunk->bucket[0]
                         - i * sizeof(chunk->bucket[0]));
}


static void
ngx_prof_cell_pointers(const ngx_prof_zone_t *zone,
    ngx_prof_counting_t *counter)
{
    ngx_uint_t         hist, i;
    ngx_prof_chunk_t  *chunk;

    for (hist = 0; hist < NGX_PROF_HISTS; hist++) {

        for (i = 0; i < NGX_PROF_HIST_CHUNKS; i++) {
            chunk = ngx_prof_cell_chunk(zone, counter->cell,
                       counter->cell->chunk[hist * NGX_PROF_HIST_CHUNKS + i]);

            counter->bucket[hist][i] = chunk ? ngx_prof_cell_biased(chunk, i)
                                             : NULL;
        }
    }
}


ngx_int_t
ngx_prof_cell_grow(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    ngx_prof_counting_t *counter, ngx_uint_t hist, ngx_uint_t bucket)
{
    uint32_t          *page;
    ngx_uint_t         n;
    ngx_prof_cell_t   *cell;
    ngx_prof_chunk_t  *chunk;

    cell = counter->cell;
    n = cell->chunks;

    if (n >= NGX_PROF_CELL_CHUNKS) {
        return NGX_DECLINED;
    }

    if (n) {
        page = &cell->page[(n - 1) / NGX_PROF_PAGE_CHUNKS];

        if (*page == 0) {
            ngx_prof_store_release(page, ngx_prof_cell_take(zone, slot));
        }
    }

    chunk = ngx_prof_cell_chunk(zone, cell, n + 1);

    if (chunk == NULL) {
        return NGX_DECLINED;
    }

    /* killed between the two, nobody has the chunk, rather than two */

    ngx_prof_store(&cell->chunks, (uint32_t) n + 1);
    bucket /= NGX_PROF_CELL_BUCKETS;
    ngx_prof_store_release(&cell->chunk[hist * NGX_PROF_HIST_CHUNKS + bucket],
                           (uint8_t) (n + 1));

    counter->bucket[hist][bucket] = ngx_prof_cell_biased(chunk, bucket);

    return NGX_OK;
}


void
ngx_prof_cells_sum(ngx_prof_zone_t *zone, ngx_uint_t place, ngx_pid_t pid,
    ngx_prof_counts_t *dst)
{
    ngx_prof_hist_t  *hist[NGX_PROF_HISTS];

    ngx_memzero(hist, sizeof(hist));
    hist[NGX_PROF_LATENCY] = &dst->latency;
    hist[NGX_PROF_UPSTREAM] = &dst->upstream;

    ngx_prof_cells_add(zone, place, pid, &dst->plain, hist);
}


void
ngx_prof_cells_add(ngx_prof_zone_t *zone, ngx_uint_t place, ngx_pid_t pid,
    ngx_prof_plain_t *plain, ngx_prof_hist_t *const dst[NGX_PROF_HISTS])
{
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_cell_t  *cell;

    if (place == NGX_PROF_PLACE_OTHER) {

        for (i = 0; i < zone->slots; i++) {
            slot = ngx_prof_zone_slot(zone, i);
            cell = &slot->other.cell;

            if (ngx_prof_slot_of(slot, pid)
                && ngx_prof_load(&cell->claims)
                && (pid == 0
                    || ngx_prof_load_acquire(&cell->claims)
                       == ngx_prof_load(&slot->claims)))
            {
                ngx_prof_cell_sum(zone, cell, pid != 0, plain, dst);
            }
        }

        return;
    }

    ngx_prof_cell_each(zone, place, cell, i) {

        if (pid == 0) {
            ngx_prof_cell_sum(zone, cell, 0, plain, dst);
            continue;
        }

        if (ngx_prof_load(&cell->slot) >= zone->slots) {
            continue;
        }

        slot = ngx_prof_zone_slot(zone, ngx_prof_load(&cell->slot));

        if (ngx_prof_slot_of(slot, pid)
            && ngx_prof_load_acquire(&cell->claims)
               == ngx_prof_load(&slot->claims))
        {
            ngx_prof_cell_sum(zone, cell, 1, plain, dst);
        }
    }
}


static void
ngx_prof_cell_sum(const ngx_prof_zone_t *zone, const ngx_prof_cell_t *cell,
    ngx_uint_t based, ngx_prof_plain_t *plain,
    ngx_prof_hist_t *const dst[NGX_PROF_HISTS])
{
    ngx_uint_t              hist, i, n, used, number;
    ngx_prof_hist_t        *h;
    const ngx_prof_head_t  *head;

    ngx_prof_plain_sum(plain, &cell->plain[0],
                       based ? &cell->plain[1] : NULL);

    for (hist = 0; hist < NGX_PROF_HISTS; hist++) {
        h = dst[hist];
        used = 0;

        if (h == NULL) {
            continue;
        }

        for (i = 0; i < NGX_PROF_HIST_CHUNKS; i++) {
            number = ngx_prof_load_acquire(
                                &cell->chunk[hist * NGX_PROF_HIST_CHUNKS + i]);
            n = ngx_prof_cell_chunk_sum(h->bucket, i,
                                        ngx_prof_cell_chunk(zone, cell, number),
                                        based);
            used = ngx_max(used, n);
        }

        if (used) {
            head = &cell->head[0][hist];
            ngx_prof_hist_ends(h, used, &head->sum, &head->max,
                               based ? &cell->head[1][hist].sum : NULL,
                               based ? &cell->head[1][hist].max : NULL);
        }
    }
}


/* 1 + the highest bucket that was added, 0: none; chunk may be NULL */

static ngx_uint_t
ngx_prof_cell_chunk_sum(uint64_t *bucket, ngx_uint_t i,
    const ngx_prof_chunk_t *chunk, ngx_uint_t based)
{
    uint64_t    n, less;
    ngx_uint_t  b, used;

    used = 0;
    i *= NGX_PROF_CELL_BUCKETS;

    for (b = 0; chunk && b < NGX_PROF_CELL_BUCKETS; b++) {
        less = based ? ngx_prof_load_acquire(&chunk->bucket[1][b]) : 0;
        n = ngx_prof_load(&chunk->bucket[0][b]) - less;

        if (n && i + b < NGX_PROF_HIST_BUCKETS) {
            bucket[i + b] += n;
            used = i + b + 1;
        }
    }

    return used;
}


ngx_prof_cell_t *
ngx_prof_cells_at(const ngx_prof_zone_t *zone, ngx_uint_t place, ngx_uint_t n)
{
    ngx_uint_t        i;
    ngx_prof_cell_t  *cell;

    ngx_prof_cell_each(zone, place, cell, i) {

        if (i == n) {
            return cell;
        }
    }

    return NULL;
}


uint64_t
ngx_prof_cells_requests(ngx_prof_zone_t *zone, ngx_uint_t place)
{
    uint64_t          n;
    ngx_uint_t        i;
    ngx_prof_cell_t  *cell;

    n = 0;

    ngx_prof_cell_each(zone, place, cell, i) {
        n += ngx_prof_plain_requests(&cell->plain[0]);
    }

    return n;
}


ngx_uint_t
ngx_prof_cells_upstreams(ngx_prof_zone_t *zone, ngx_uint_t place)
{
    ngx_uint_t        i;
    ngx_prof_cell_t  *cell;

    ngx_prof_cell_each(zone, place, cell, i) {

        if (ngx_prof_load(&cell->head[0][NGX_PROF_UPSTREAM].top)) {
            return 1;
        }
    }

    return 0;
}


void
ngx_prof_cells_free(ngx_prof_zone_t *zone, ngx_uint_t place)
{
    uint32_t          page;
    ngx_uint_t        i, k;
    ngx_prof_cell_t  *cell;

    page = __atomic_exchange_n(ngx_prof_cell_first(zone, place), 0,
                               __ATOMIC_ACQ_REL);

    for (i = 0; page && i < NGX_PROF_SLOTS_MAX; i++) {
        cell = ngx_prof_zone_page(zone, page - 1);

        if (cell == NULL || cell->place != place + 1) {
            break;
        }

        /* the place gives it up before another takes it */

        ngx_prof_store_release(&cell->place, 0);

        for (k = 0; k < NGX_PROF_CELL_PAGES; k++) {

            if (cell->page[k] && cell->page[k] <= zone->shape.pages) {
                ngx_prof_cell_give(zone, cell->page[k] - 1);
            }
        }

        k = page - 1;
        page = cell->next;
        ngx_prof_cell_give(zone, k);
    }
}


void
ngx_prof_cells_sweep(ngx_prof_zone_t *zone, u_char *marks,
    ngx_uint_t (*alive)(const ngx_prof_slot_t *slot))
{
    uint32_t          state, *states;
    ngx_uint_t        i, place, n, free;
    ngx_prof_slot_t  *slot;
    ngx_prof_cell_t  *cell;

    states = ngx_prof_zone_states(zone);
    free = 0;

    for (place = 1; place < ngx_prof_zone_place_n(zone); place++) {

        ngx_prof_cell_each(zone, place, cell, i) {
            ngx_prof_cell_mark(zone, cell, marks);
        }
    }

    for (n = 0; n < zone->shape.rows; n++) {
        place = zone->places + n;

        ngx_prof_cell_each(zone, place, cell, i) {
            ngx_prof_cell_mark(zone, cell, marks);
        }
    }

    n = ngx_min(ngx_prof_load(&zone->header->page_n), zone->shape.pages);

    for (i = 0; i < n; i++) {
        state = ngx_prof_load(&states[i]);

        if (state == 0) {
            free++;
            continue;
        }

        if (ngx_prof_bit(marks, i)) {
            continue;
        }

        place = (state & 0xffff) - 1;
        slot = (place < zone->slots) ? ngx_prof_zone_slot(zone, place) : NULL;

        /* a worker that lives may be about to link it */

        if (slot && state == ngx_prof_cell_state(zone, slot) && alive(slot)) {
            continue;
        }

        ngx_prof_store_release(&states[i], 0);
        free++;
    }

    /* a worker may have been killed between taking a page and counting it */

    ngx_prof_store(&zone->header->page_free, free);
}


static void
ngx_prof_cell_mark(const ngx_prof_zone_t *zone, const ngx_prof_cell_t *cell,
    u_char *marks)
{
    size_t      i;
    ngx_uint_t  k;

    i = ((u_char *) cell - (u_char *) ngx_prof_zone_page(zone, 0))
        / NGX_PROF_PAGE_SIZE;

    ngx_prof_set_bit(marks, i);

    for (k = 0; k < NGX_PROF_CELL_PAGES; k++) {
        i = cell->page[k] - 1;

        if (i < zone->shape.pages) {
            ngx_prof_set_bit(marks, i);
        }
    }
}


ngx_uint_t
ngx_prof_cells_used(ngx_prof_zone_t *zone)
{
    int64_t     n;
    ngx_uint_t  used;

    used = ngx_min(ngx_prof_load(&zone->header->page_n), zone->shape.pages);
    n = (int64_t) ngx_prof_load(&zone->header->page_free);

    return (n > 0) ? used - ngx_min((ngx_uint_t) n, used) : used;
}
