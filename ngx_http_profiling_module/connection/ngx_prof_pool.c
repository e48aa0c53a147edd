
#include <ngx_config.h>
#include <ngx_core.h>
#include <malloc.h>
#include "ngx_prof_pool.h"


ngx_int_t
ngx_prof_pool_measure(ngx_prof_pool_t *m, ngx_pool_t *pool, ngx_uint_t max)
{
    ngx_uint_t  n;

    if (!m->begun) {
        m->begun = 1;
        m->block = pool;
        m->large = pool->large;
        m->size = 0;
    }

    n = 0;

    for ( /* void */ ; m->block; m->block = m->block->d.next) {

        if (n++ == max) {
            return NGX_AGAIN;
        }

        m->size += m->block->d.end - (u_char *) m->block;
    }

    for ( /* void */ ; m->large; m->large = m->large->next) {

        if (n++ == max) {
            return NGX_AGAIN;
        }

        if (m->large->alloc) {
            m->size += malloc_usable_size(m->large->alloc);
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_prof_pool_has(ngx_pool_t *pool, const void *p, size_t size, ngx_uint_t max)
{
    uintptr_t          at;
    ngx_uint_t         n;
    ngx_pool_t        *block;
    ngx_pool_large_t  *large;

    at = (uintptr_t) p;
    n = 0;

    for (block = pool; block && n++ < max; block = block->d.next) {

        if (at >= (uintptr_t) block
            && at <= (uintptr_t) block->d.last
            && size <= (uintptr_t) block->d.last - at)
        {
            return 1;
        }
    }

    for (large = pool->large; large && n++ < max; large = large->next) {

        if (large->alloc == p) {
            return p && size <= malloc_usable_size(large->alloc);
        }
    }

    return 0;
}
