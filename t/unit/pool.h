
/*
 * Pools for programs that are not nginx, by the names that nginx has for what
 * is done with them: every allocation is one of the system's, so that the
 * sanitizer sees a byte too many, and any of them can be told to fail.
 */


#ifndef _POOL_H_INCLUDED_
#define _POOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


ngx_pool_t *test_pool(void);
void test_pool_free(ngx_pool_t *pool);

/*
 * Allocations hang on pool->chain, where nginx has spare links.  Of a pool
 * that nginx has made, they are to be freed when it is destroyed.
 */
void test_pool_blocks_free(ngx_chain_t *chain);

/* the n-th allocation from now on fails, and all after it; 0: none */
void test_pool_fail(ngx_uint_t n);


#endif /* _POOL_H_INCLUDED_ */
