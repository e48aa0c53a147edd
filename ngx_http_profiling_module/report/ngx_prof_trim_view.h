
/*
 * Forced collection: every worker gives free heap memory back to the system.
 * The asking worker answers when all have answered, or when the time is up.
 */


#ifndef _NGX_PROF_TRIM_VIEW_H_INCLUDED_
#define _NGX_PROF_TRIM_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Content handler: asks all workers or one of them.  Returns NGX_DONE and
 * answers later.
 */
ngx_int_t ngx_prof_trim_request(ngx_http_request_t *r, ngx_pid_t worker);


#endif /* _NGX_PROF_TRIM_VIEW_H_INCLUDED_ */
