
/*
 * How many bytes a pool of nginx holds: its blocks, and what it allocated
 * apart from them because it was too large.  nginx does not keep the sizes of
 * the latter, the allocator does.  Worker, normal context.
 */


#ifndef _NGX_PROF_POOL_H_INCLUDED_
#define _NGX_PROF_POOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* where a measurement that is made in steps goes on; zeroed: at the begin */

typedef struct {
    ngx_pool_t        *block;
    ngx_pool_large_t  *large;
    ngx_uint_t         begun;
    uint64_t           size;            /* bytes so far */
} ngx_prof_pool_t;


/*
 * Adds up to max blocks and large allocations of a pool.  NGX_OK: that were
 * all of them; NGX_AGAIN: call again, now or in another pass of the loop, as
 * long as the pool lives: nginx adds to a pool, and takes nothing away.
 */
ngx_int_t ngx_prof_pool_measure(ngx_prof_pool_t *m, ngx_pool_t *pool,
    ngx_uint_t max);

/*
 * Whether so many bytes are of a pool that is alive, so that they can be read;
 * at most max blocks and large allocations are looked at.
 */
ngx_uint_t ngx_prof_pool_has(ngx_pool_t *pool, const void *p, size_t size,
    ngx_uint_t max);


#endif /* _NGX_PROF_POOL_H_INCLUDED_ */
