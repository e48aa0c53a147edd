
/*
 * Who may ask: profiling_access, and what a browser sends of other sites.
 */


#ifndef _NGX_PROF_ACCESS_H_INCLUDED_
#define _NGX_PROF_ACCESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_conf.h"


/* postconfiguration: keeps the names of servers that handlers are in */
ngx_int_t ngx_prof_access_init(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf);

/*
 * Whether this client may see what the module tells, under profiling_access.
 * NGX_OK or NGX_HTTP_FORBIDDEN; *why then says what is wrong.
 */
ngx_int_t ngx_prof_access_check(ngx_http_request_t *r, const char **why);


#endif /* _NGX_PROF_ACCESS_H_INCLUDED_ */
