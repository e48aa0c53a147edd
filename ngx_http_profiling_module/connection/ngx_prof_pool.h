
/*
 * How many bytes an nginx pool holds: its blocks, and its large allocations,
 * whose sizes only the allocator knows.  Worker, normal context.
 */


#ifndef _NGX_PROF_POOL_H_INCLUDED_
#define _NGX_PROF_POOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the state of a measurement in steps; zeroed at the beginning */

typedef struct {
    ngx_pool_t        *block;
    ngx_pool_large_t  *large;
    ngx_uint_t         begun;
    uint64_t           size;            /* bytes so far */
} ngx_prof_pool_t;


/*
 * Adds up to max blocks and large allocations of a pool.  NGX_OK: these were
 * the last; NGX_AGAIN: call again, now or in another pass, while the pool
 * lives: nginx only adds to a pool.
 */
ngx_int_t ngx_prof_pool_measure(ngx_prof_pool_t *m, ngx_pool_t *pool,
    ngx_uint_t max);

/*
 * Do these bytes belong to a living pool, so that they may be read? Checks at
 * most max blocks and large allocations.
 */
ngx_uint_t ngx_prof_pool_has(ngx_pool_t *pool, const void *p, size_t size,
    ngx_uint_t max);


#endif /* _NGX_PROF_POOL_H_INCLUDED_ */
