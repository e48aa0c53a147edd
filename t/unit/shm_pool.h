
/*
 * What the module uses of nginx, for programs that are not nginx: pools that
 * the sanitizer sees through and that can be told to fail, and nginx's own
 * functions of strings and times, taken from its binary.
 */


#ifndef _SHM_POOL_H_INCLUDED_
#define _SHM_POOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Finds the functions in the nginx that is tested with (BINARY), or the
 * system's.  0: there is none that can be loaded, *why tells.
 */
ngx_uint_t test_nginx(const char **why);

ngx_pool_t *test_pool(void);
void test_pool_free(ngx_pool_t *pool);

/* the n-th allocation from now on fails, and all after it; 0: none */
void test_pool_fail(ngx_uint_t n);


#endif /* _SHM_POOL_H_INCLUDED_ */
