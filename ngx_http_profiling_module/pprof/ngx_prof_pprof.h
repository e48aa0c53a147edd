
/*
 * Profiles as answers: /debug/pprof/ as Go's net/http/pprof serves it, and
 * the downloads of /api/profiling/.
 */


#ifndef _NGX_PROF_PPROF_H_INCLUDED_
#define _NGX_PROF_PPROF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_answer.h"


/* the tree below /debug/pprof, for a client that may see it */
ngx_int_t ngx_prof_pprof_tree(ngx_http_request_t *r, ngx_prof_error_pt error);


#endif /* _NGX_PROF_PPROF_H_INCLUDED_ */
