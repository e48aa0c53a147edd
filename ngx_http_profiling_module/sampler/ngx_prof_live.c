
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/mman.h>
#include "ngx_prof_live.h"
#include "ngx_prof_record.h"


/*
 * Tables of growing size: a block that finds no room in one goes to the next.
 * Nothing ever moves, and few samples touch few pages.
 */

#define NGX_PROF_LIVE_FIRST    12                /* bits of the first
                                                    table's size */
#define NGX_PROF_LIVE_GROWTH   2                 /* bits more in each
                                                    further table */
#define NGX_PROF_LIVE_TABLES   5

/* entries of a table where an address may be */
#define NGX_PROF_LIVE_WINDOW   16

#define NGX_PROF_LIVE_FILLED   1


static ngx_prof_heap_live_t *ngx_prof_heap_live_place(ngx_uint_t table,
    uintptr_t address, ngx_uint_t i);
static void ngx_prof_heap_live_count(uintptr_t address, ngx_int_t n);
static void ngx_prof_heap_live_add(u_char *p, ngx_int_t n);


u_char
    ngx_prof_heap_quick_filter[NGX_PROF_FILTER_QUICK];
u_char  ngx_prof_heap_filter[NGX_PROF_FILTER];

static ngx_prof_heap_live_t
    *ngx_prof_live[NGX_PROF_LIVE_TABLES];

/* number of tables in use */
static ngx_uint_t  ngx_prof_live_n;


ngx_int_t
ngx_prof_heap_live_init(void)
{
    size_t                 size;
    ngx_uint_t             i, bits;
    ngx_prof_heap_live_t  *p;

    size = 0;
    bits = NGX_PROF_LIVE_FIRST;

    for (i = 0; i < NGX_PROF_LIVE_TABLES; i++) {
        size += sizeof(ngx_prof_heap_live_t) << bits;
        bits += NGX_PROF_LIVE_GROWTH;
    }

    p = mmap(NULL, size, PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        return NGX_ERROR;
    }

    bits = NGX_PROF_LIVE_FIRST;

    for (i = 0; i < NGX_PROF_LIVE_TABLES; i++) {
        ngx_prof_live[i] = p;
        p += (size_t) 1 << bits;
        bits += NGX_PROF_LIVE_GROWTH;
    }

    ngx_prof_live_n = 1;

    /*
     * free(NULL) must not pass as the free of a block: the filter stops NULL
     */

    ngx_prof_heap_quick_filter[0] = 255;

    return NGX_OK;
}


static ngx_prof_heap_live_t *
ngx_prof_heap_live_place(ngx_uint_t table, uintptr_t address, ngx_uint_t i)
{
    uint64_t    hash;
    ngx_uint_t  bits;

    bits = NGX_PROF_LIVE_FIRST
           + table * NGX_PROF_LIVE_GROWTH;
    hash = (uint64_t) (address >> 4) * 0x9e3779b97f4a7c15ULL;

    return &ngx_prof_live[table][((hash >> (64 - bits)) + i)
                                 & (((uint64_t) 1 << bits) - 1)];
}


static void
ngx_prof_heap_live_count(uintptr_t address, ngx_int_t n)
{
    ngx_prof_heap_live_add(&ngx_prof_heap_quick_filter[
                            ngx_prof_heap_quick_filter_of(address)],
                           n);
    ngx_prof_heap_live_add(&ngx_prof_heap_filter[
                                  ngx_prof_heap_filter_of(address)],
                           n);
}


static void
ngx_prof_heap_live_add(u_char *p, ngx_int_t n)
{
    u_char  v;

    v = ngx_prof_load(p);

    do {
        if (v == 255) {
            return;
        }

    } while (!__atomic_compare_exchange_n(p, &v, (u_char) (v + n), 0,
                                          __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
}


ngx_int_t
ngx_prof_heap_live_insert(const ngx_prof_heap_live_t *live)
{
    uintptr_t              free;
    ngx_uint_t             table, i, n;
    ngx_prof_heap_live_t  *p;

    for (table = 0; table < NGX_PROF_LIVE_TABLES; table++) {

        /* another thread may do the same at this moment */

        n = table;
        (void) __atomic_compare_exchange_n(&ngx_prof_live_n, &n,
                                           table + 1, 0, __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED);

        for (i = 0; i < NGX_PROF_LIVE_WINDOW; i++) {
            p = ngx_prof_heap_live_place(table, live->address, i);
            free = 0;

            if (ngx_prof_load(&p->address) != 0
                || !__atomic_compare_exchange_n(&p->address, &free,
                                              NGX_PROF_LIVE_FILLED,
                                              0, __ATOMIC_ACQUIRE,
                                              __ATOMIC_RELAXED))
            {
                continue;
            }

            p->count = live->count;
            p->bytes = live->bytes;
            p->tally = live->tally;

            ngx_prof_heap_live_count(live->address, 1);
            ngx_prof_store_release(&p->address, live->address);

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_prof_heap_live_take(const void *address, ngx_prof_heap_live_t *live)
{
    ngx_uint_t             table, i, n;
    ngx_prof_heap_live_t  *p;

    if (address == NULL) {
        return NGX_DECLINED;
    }

    n = ngx_prof_load(&ngx_prof_live_n);

    for (table = 0; table < n; table++) {

        for (i = 0; i < NGX_PROF_LIVE_WINDOW; i++) {
            p = ngx_prof_heap_live_place(table, (uintptr_t) address, i);

            if (ngx_prof_load_acquire(&p->address) != (uintptr_t) address) {
                continue;
            }

            *live = *p;

            ngx_prof_heap_live_count((uintptr_t) address, -1);
            ngx_prof_store_release(&p->address, 0);

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}
