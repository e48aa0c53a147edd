
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_budget.h"


/* bytes for an answer that says why there is none */
#define NGX_PROF_BUDGET_ERROR  32768


/* before each piece of memory */

typedef struct {
    size_t      size;           /* counted, 0: not */
    size_t      pad;            /* what follows has the alignment of malloc() */
} ngx_prof_budget_head_t;


typedef struct {
    void       *data;
    size_t      used;
    ngx_uint_t  refused;
    ngx_uint_t  told;
} ngx_prof_budget_t;


static ngx_prof_budget_t *ngx_prof_budget_find(ngx_pool_t *pool);
static ngx_uint_t ngx_prof_budget_allows(ngx_prof_budget_t *b, size_t size);
static void ngx_prof_budget_cleanup(void *data);


static size_t  ngx_prof_budget_most = NGX_MAX_SIZE_T_VALUE;
static size_t  ngx_prof_budget_used;


void
ngx_prof_budget_limit(size_t limit)
{
    ngx_prof_budget_most = limit;
}


size_t
ngx_prof_budget_left(void)
{
    return (ngx_prof_budget_used < ngx_prof_budget_most)
           ? ngx_prof_budget_most - ngx_prof_budget_used : 0;
}


ngx_int_t
ngx_prof_budget_open(ngx_pool_t *pool, void *data)
{
    ngx_prof_budget_t   *b;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_prof_budget_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    b = cln->data;
    ngx_memzero(b, sizeof(ngx_prof_budget_t));
    b->data = data;

    cln->handler = ngx_prof_budget_cleanup;

    return NGX_OK;
}


static ngx_prof_budget_t *
ngx_prof_budget_find(ngx_pool_t *pool)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_prof_budget_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


void *
ngx_prof_budget_alloc(ngx_pool_t *pool, size_t size)
{
    ngx_prof_budget_t       *b;
    ngx_prof_budget_head_t  *head;

    size += sizeof(ngx_prof_budget_head_t);

    b = ngx_prof_budget_find(pool);

    if (b && !ngx_prof_budget_allows(b, size)) {
        b->refused = 1;
        return NULL;
    }

    head = ngx_palloc(pool, size);
    if (head == NULL) {
        return NULL;
    }

    head->size = 0;

    if (b) {
        head->size = size;
        b->used += size;
        ngx_prof_budget_used += size;
    }

    return head + 1;
}


static ngx_uint_t
ngx_prof_budget_allows(ngx_prof_budget_t *b, size_t size)
{
    return size <= ngx_prof_budget_left()
           || (b->told && size <= NGX_PROF_BUDGET_ERROR);
}


void
ngx_prof_budget_free(ngx_pool_t *pool, void *p)
{
    size_t                   size;
    ngx_prof_budget_t       *b;
    ngx_prof_budget_head_t  *head;

    if (p == NULL) {
        return;
    }

    head = (ngx_prof_budget_head_t *) p - 1;
    size = head->size;

    /* what is small stays in the pool */

    if (ngx_pfree(pool, head) != NGX_OK || size == 0) {
        return;
    }

    b = ngx_prof_budget_find(pool);

    if (b) {
        b->used -= size;
        ngx_prof_budget_used -= size;
    }
}


void *
ngx_prof_budget_exceeded(ngx_pool_t *pool)
{
    ngx_prof_budget_t  *b;

    b = ngx_prof_budget_find(pool);

    if (b == NULL || !b->refused) {
        return NULL;
    }

    b->told = 1;

    return b->data;
}


static void
ngx_prof_budget_cleanup(void *data)
{
    ngx_prof_budget_t *b = data;

    ngx_prof_budget_used -= b->used;
}
