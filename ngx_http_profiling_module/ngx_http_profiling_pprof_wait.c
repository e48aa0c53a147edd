
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_pprof.h"
#include "ngx_http_profiling_argument.h"
#include "ngx_http_profiling_contention.h"
#include "ngx_http_profiling_work.h"


static ngx_int_t ngx_http_profiling_pprof_waits(ngx_http_request_t *r,
    ngx_uint_t wait, ngx_http_profiling_error_pt error);


ngx_int_t
ngx_http_profiling_pprof_block(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    return ngx_http_profiling_pprof_waits(r, NGX_HTTP_PROFILING_BLOCK, error);
}


ngx_int_t
ngx_http_profiling_pprof_mutex(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    return ngx_http_profiling_pprof_waits(r, NGX_HTTP_PROFILING_MUTEX, error);
}


/* parameters as Go reads them; a debug that is no number means 0 */

static ngx_int_t
ngx_http_profiling_pprof_waits(ngx_http_request_t *r, ngx_uint_t wait,
    ngx_http_profiling_error_pt error)
{
    ngx_int_t                      rc, seconds, debug;
    ngx_pid_t                      worker;
    ngx_str_t                      value;
    const char                    *disposition;
    ngx_http_profiling_profile_t  *p;

    static const char *const  names[][2] = {
        { "attachment; filename=\"block\"",
          "attachment; filename=\"block-delta\"" },
        { "attachment; filename=\"mutex\"",
          "attachment; filename=\"mutex-delta\"" }
    };

    debug = 0;
    seconds = 0;

    if (ngx_http_profiling_argument(r, "debug", &value) == NGX_OK) {
        debug = ngx_atoi(value.data, value.len);
        debug = ngx_max(debug, 0);
    }

    if (ngx_http_profiling_argument(r, "seconds", &value) == NGX_OK
        && value.len)
    {
        seconds = ngx_atoi(value.data, value.len);

        if (seconds <= 0) {
            return error(r, NGX_HTTP_BAD_REQUEST,
                         "invalid value for \"seconds\" - "
                         "must be a positive integer");
        }

        if (debug) {
            return error(r, NGX_HTTP_BAD_REQUEST,
                         "seconds and debug params are incompatible");
        }

        if (seconds > NGX_HTTP_PROFILING_SECONDS_MAX) {
            return error(r, NGX_HTTP_BAD_REQUEST,
                         "profile duration exceeds the limit of %d seconds",
                         NGX_HTTP_PROFILING_SECONDS_MAX);
        }
    }

    rc = ngx_http_profiling_argument_worker(r, &worker, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    disposition = debug ? NULL : names[wait][seconds != 0];

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_http_profiling_pprof_head(r, disposition);
    }

    p = ngx_http_profiling_pprof_create(r, disposition, error);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_profiling_contention(r->pool, r->connection->log, wait,
                                      seconds, worker, debug != 0,
                                      ngx_http_profiling_pprof_captured, p)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_profiling_answer_later(r);

    return NGX_DONE;
}
