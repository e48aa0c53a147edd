
#include "pool.h"


/* an allocation, followed by its bytes */

typedef struct test_block_s  test_block_t;

struct test_block_s {
    test_block_t  *next;
    uint64_t       align;
};


static ngx_uint_t  test_failing;
static ngx_uint_t  test_fail_in;


ngx_pool_t *
test_pool(void)
{
    test_pool_fail(0);

    return calloc(1, sizeof(ngx_pool_t));
}


void
test_pool_free(ngx_pool_t *pool)
{
    test_pool_blocks_free(pool->chain);
    free(pool);
}


void
test_pool_blocks_free(ngx_chain_t *chain)
{
    test_block_t  *block, *next;

    for (block = (test_block_t *) chain; block; block = next) {
        next = block->next;
        free(block);
    }
}


void
test_pool_fail(ngx_uint_t n)
{
    test_failing = (n != 0);
    test_fail_in = n;
}


void *
ngx_palloc(ngx_pool_t *pool, size_t size)
{
    test_block_t  *block;

    if (test_failing && (test_fail_in == 0 || --test_fail_in == 0)) {
        return NULL;
    }

    block = malloc(sizeof(test_block_t) + size);

    if (block == NULL) {
        return NULL;
    }

    memset(block, 0xa5, sizeof(test_block_t) + size);

    block->next = (test_block_t *) pool->chain;
    pool->chain = (ngx_chain_t *) block;

    return block + 1;
}


void *
ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    return ngx_palloc(pool, size);
}


void *
ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    void  *p;

    p = ngx_palloc(pool, size);

    return p ? memset(p, 0, size) : NULL;
}


ngx_pool_cleanup_t *
ngx_pool_cleanup_add(ngx_pool_t *pool, size_t size)
{
    ngx_pool_cleanup_t  *c;

    c = ngx_pcalloc(pool, sizeof(ngx_pool_cleanup_t));

    if (c == NULL) {
        return NULL;
    }

    c->data = size ? ngx_palloc(pool, size) : NULL;
    c->next = pool->cleanup;
    pool->cleanup = c;

    return c;
}


ngx_chain_t *
ngx_alloc_chain_link(ngx_pool_t *pool)
{
    return ngx_palloc(pool, sizeof(ngx_chain_t));
}


ngx_buf_t *
ngx_create_temp_buf(ngx_pool_t *pool, size_t size)
{
    ngx_buf_t  *b;

    b = ngx_pcalloc(pool, sizeof(ngx_buf_t));

    if (b == NULL) {
        return NULL;
    }

    b->start = ngx_palloc(pool, size);

    if (b->start == NULL) {
        return NULL;
    }

    b->pos = b->start;
    b->last = b->start;
    b->end = b->start + size;
    b->temporary = 1;

    return b;
}


void *
ngx_array_push(ngx_array_t *a)
{
    void  *elts;

    if (a->nelts == a->nalloc) {
        elts = ngx_palloc(a->pool, 2 * a->nalloc * a->size);

        if (elts == NULL) {
            return NULL;
        }

        memcpy(elts, a->elts, a->nelts * a->size);

        a->elts = elts;
        a->nalloc *= 2;
    }

    return (u_char *) a->elts + a->size * a->nelts++;
}


void *
ngx_list_push(ngx_list_t *list)
{
    ngx_list_part_t  *last;

    last = list->last;

    if (last->nelts == list->nalloc) {
        last = ngx_pcalloc(list->pool, sizeof(ngx_list_part_t));

        if (last == NULL) {
            return NULL;
        }

        last->elts = ngx_palloc(list->pool, list->nalloc * list->size);

        if (last->elts == NULL) {
            return NULL;
        }

        list->last->next = last;
        list->last = last;
    }

    return (char *) last->elts + list->size * last->nelts++;
}


ngx_int_t
ngx_pfree(ngx_pool_t *pool, void *p)
{
    test_block_t  *block, **prev;

    prev = (test_block_t **) &pool->chain;

    for (block = *prev; block; prev = &block->next, block = *prev) {

        if ((void *) (block + 1) == p) {
            *prev = block->next;
            free(block);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}
