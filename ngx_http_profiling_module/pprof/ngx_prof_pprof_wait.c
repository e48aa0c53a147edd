
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_wait.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_wait_profile.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_range.h"
#include "ngx_prof_zone.h"


static ngx_int_t ngx_prof_pprof_waits(ngx_http_request_t *r, ngx_uint_t wait,
    ngx_prof_error_pt error);


ngx_int_t
ngx_prof_pprof_block(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    return ngx_prof_pprof_waits(r, NGX_PROF_BLOCK, error);
}


ngx_int_t
ngx_prof_pprof_mutex(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    return ngx_prof_pprof_waits(r, NGX_PROF_MUTEX, error);
}


static ngx_int_t
ngx_prof_pprof_waits(ngx_http_request_t *r, ngx_uint_t wait,
    ngx_prof_error_pt error)
{
    ngx_int_t               rc, seconds, debug;
    const char             *disposition;
    ngx_prof_profile_t     *p;
    ngx_prof_wait_query_t   query;

    static const char *const  names[][2] = {
        { "attachment; filename=\"block\"",
          "attachment; filename=\"block-delta\"" },
        { "attachment; filename=\"mutex\"",
          "attachment; filename=\"mutex-delta\"" }
    };

    rc = ngx_prof_argument_delta(r, &debug, &seconds, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_prof_range(r, &query.span, "seconds", error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_prof_argument_process(r, &query.worker, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    query.wait = wait;
    query.seconds = seconds;
    query.text = (debug != 0);

    disposition = debug ? NULL : names[wait][seconds || query.span.until];

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_prof_pprof_head(r, disposition);
    }

    p = ngx_prof_pprof_create(r, disposition, error);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_prof_wait_profile(r->pool, r->connection->log, &query,
                              ngx_prof_pprof_captured, p)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_answer_later(r);

    return NGX_DONE;
}
