
/*
 * Profiles in progress: captured, encoded and sent.  Worker, normal context.
 */


#ifndef _NGX_PROF_PPROF_PROFILE_H_INCLUDED_
#define _NGX_PROF_PPROF_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_answer.h"
#include "ngx_prof_text.h"


/*
 * disposition: NULL for a text.  create() is for a capture that ends with
 * captured(), which answers, and form() if its output is no pprof (an output
 * of format/ngx_prof_raw.h); head() answers HEAD.
 */

typedef struct ngx_prof_profile_s  ngx_prof_profile_t;

ngx_prof_profile_t *ngx_prof_pprof_create(ngx_http_request_t *r,
    const char *disposition, ngx_prof_error_pt error);
void ngx_prof_pprof_form(ngx_prof_profile_t *p, uint32_t output);
void ngx_prof_pprof_captured(void *data, ngx_int_t rc, ngx_prof_text_t *raw);

/*
 * What captured() does, for callers that answer themselves: NGX_DONE if the
 * encoder was started, or else the status to answer with.
 */
ngx_int_t ngx_prof_pprof_encode(ngx_prof_profile_t *p, ngx_int_t rc,
    ngx_prof_text_t *raw);

/*
 * The same for what work.h has collected: a finish, which returns what this
 * does.
 */
ngx_int_t ngx_prof_pprof_collected(ngx_http_request_t *r,
    const char *disposition, ngx_prof_error_pt error, ngx_prof_text_t *raw);

/*
 * Before anything is done for a profile that takes no time: NGX_DECLINED, or
 * what to answer with if there are too many.
 */
ngx_int_t ngx_prof_pprof_enter(ngx_http_request_t *r, ngx_prof_error_pt error);

ngx_int_t ngx_prof_pprof_head(ngx_http_request_t *r, const char *disposition);


#endif /* _NGX_PROF_PPROF_PROFILE_H_INCLUDED_ */
