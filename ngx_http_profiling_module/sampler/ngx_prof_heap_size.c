
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_heap_size.h"
#include "ngx_prof_base.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_worker.h"


/* ns to count a free chunk that is not cached */
#define NGX_PROF_HEAP_CHUNK   250

/* a heap so small is cheap to walk through, however fragmented */
#define NGX_PROF_HEAP_SMALL   (4 * 1024 * 1024)


typedef struct {
    ngx_prof_heap_t  heap;                      /* the latest answer */
    ngx_uint_t       known;
    uint64_t         spent;                     /* ns that it took */
    uintptr_t        end;                       /* of the heap, then */
    uint64_t         frees;                     /* until then */
    uint64_t         bytes;
    int64_t          sampled;                   /* bytes in use, then */
} ngx_prof_heap_answer_t;


static ngx_uint_t ngx_prof_heap_cheap(const ngx_prof_heap_answer_t *a,
    uint64_t bound);
static void ngx_prof_heap_estimate(const ngx_prof_heap_answer_t *a,
    ngx_prof_heap_t *heap);
static uintptr_t ngx_prof_heap_end_of(void);


/* workers inherit what the master filled in */
static ngx_prof_heap_answer_t  ngx_prof_heap_answer;
static ngx_prof_heap_t         ngx_prof_heap_inherited;


void
ngx_prof_heap_size_init_module(void)
{
    ngx_prof_heap_t  heap;

    (void) ngx_prof_heap_size_ask(&heap);

    ngx_memzero(&ngx_prof_heap_inherited, sizeof(ngx_prof_heap_t));

    if (ngx_prof_heap_answer.known) {
        ngx_prof_heap_inherited = heap;
    }
}


const ngx_prof_heap_t *
ngx_prof_heap_size_inherited(void)
{
    return &ngx_prof_heap_inherited;
}


ngx_int_t
ngx_prof_heap_size_ask(ngx_prof_heap_t *heap)
{
    uint64_t                 start;
    ngx_prof_heap_answer_t  *a;

    a = &ngx_prof_heap_answer;

    start = ngx_prof_thread_cpu();
    a->known = (ngx_prof_allocator_read(&a->heap) == NGX_OK);
    a->spent = ngx_prof_thread_cpu() - start;

    a->end = ngx_prof_heap_end_of();
    a->frees = ngx_prof_heap_frees();
    a->bytes = ngx_prof_heap_bytes();
    a->sampled = ngx_prof_heap_sampled();

    *heap = a->heap;

    return a->known ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_prof_heap_size(ngx_prof_heap_t *heap, uint64_t bound)
{
    int64_t                  grown;
    ngx_prof_heap_answer_t  *a;

    a = &ngx_prof_heap_answer;

    if (ngx_prof_heap_cheap(a, bound)) {
        return ngx_prof_heap_size_ask(heap);
    }

    if (!a->known) {
        return NGX_DECLINED;
    }

    if (!ngx_prof_heap_seen()) {
        *heap = a->heap;
        return bound ? NGX_DECLINED : NGX_OK;
    }

    grown = (int64_t) (ngx_prof_heap_end_of() - a->end);

    /* blocks are larger than what was asked for */

    if (grown > NGX_PROF_HEAP_SMALL
                + 2 * (int64_t) (ngx_prof_heap_bytes() - a->bytes))
    {
        return NGX_DECLINED;
    }

    ngx_prof_heap_estimate(a, heap);

    return NGX_OK;
}


static ngx_uint_t
ngx_prof_heap_cheap(const ngx_prof_heap_answer_t *a, uint64_t bound)
{
    uint64_t  frees;

    if (!ngx_prof_allocator_walks()) {
        return bound != 0;
    }

    /* if it has become cheaper, nobody knows */

    if (!a->known || a->spent > bound) {
        return 0;
    }

    if (a->heap.sys + (ngx_prof_heap_end_of() - a->end) > NGX_PROF_HEAP_SMALL) {
        return 0;
    }

    frees = ngx_prof_heap_seen() ? ngx_prof_heap_frees() - a->frees : 0;

    return a->spent + frees * NGX_PROF_HEAP_CHUNK <= bound;
}


static void
ngx_prof_heap_estimate(const ngx_prof_heap_answer_t *a, ngx_prof_heap_t *heap)
{
    int64_t    more;
    uint64_t   threshold;
    uintptr_t  end;

    *heap = a->heap;
    heap->estimated = (ngx_prof_heap_bytes() != a->bytes
                       || ngx_prof_heap_frees() != a->frees);
    threshold = heap->next_gc ? heap->next_gc - heap->alloc : 0;

    more = ngx_prof_heap_sampled() - a->sampled;
    heap->alloc = (more < 0 && (uint64_t) -more > heap->alloc)
                  ? 0 : heap->alloc + (uint64_t) more;

    end = ngx_prof_heap_end_of();

    if (end > a->end || a->end - end < heap->sys) {
        heap->sys += end - a->end;
    }

    heap->sys = ngx_max(heap->sys, heap->alloc);
    heap->next_gc = threshold ? heap->alloc + threshold : 0;
}


/* where brk() has put the end of the heap; sbrk(0) makes no system call */

static uintptr_t
ngx_prof_heap_end_of(void)
{
    return (uintptr_t) sbrk(0);
}
