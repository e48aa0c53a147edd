
/*
 * Who may ask: profiling_access, and the headers by which browsers mark
 * requests from other sites.
 */


#ifndef _NGX_PROF_ACCESS_H_INCLUDED_
#define _NGX_PROF_ACCESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_conf.h"


/* postconfiguration: collects the names of servers that have our handlers */
ngx_int_t ngx_prof_access_init(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf);

/*
 * May this client see the module's answers, under profiling_access? NGX_OK or
 * NGX_HTTP_FORBIDDEN; *why then gives the reason.
 */
ngx_int_t ngx_prof_access_check(ngx_http_request_t *r, const char **why);

/* does a browser say that a page of this very origin asks? */
ngx_uint_t ngx_prof_access_same_origin(ngx_http_request_t *r);


#endif /* _NGX_PROF_ACCESS_H_INCLUDED_ */
