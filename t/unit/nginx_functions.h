
/*
 * nginx's own functions of strings and times, taken from its binary, for
 * programs that are not nginx.
 */


#ifndef _NGINX_FUNCTIONS_H_INCLUDED_
#define _NGINX_FUNCTIONS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Finds the functions in the nginx that is tested with (BINARY), or the
 * system's.  0: there is none that can be loaded, *why tells.
 */
ngx_uint_t test_nginx(const char **why);


#endif /* _NGINX_FUNCTIONS_H_INCLUDED_ */
