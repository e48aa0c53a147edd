
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_cpu.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_cpu_profile.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_worker.h"


/* of a profile, by default */
#define NGX_PROF_SECONDS    30


/*
 * "seconds" as Go reads it: anything but a positive integer means the default
 */

ngx_int_t
ngx_prof_pprof_profile(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_int_t        seconds, rc;
    ngx_pid_t        worker;
    ngx_str_t        value;
    ngx_prof_span_t  span;

    seconds = NGX_PROF_SECONDS;

    if (ngx_prof_argument(r, "seconds", &value) == NGX_OK) {
        seconds = ngx_atoi(value.data, value.len);

        if (seconds <= 0) {
            seconds = NGX_PROF_SECONDS;
        }
    }

    rc = ngx_prof_argument_seconds(r, seconds, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ngx_prof_argument(r, "format", &value) == NGX_OK
        && (value.len != 5 || ngx_strncmp(value.data, "pprof", 5) != 0))
    {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "format must be pprof, which \"go tool pprof\" reads, "
                     "not \"%V\"", &value);
    }

    rc = ngx_prof_range(r, &span, "seconds", error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_prof_argument_process(r, &worker, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    return ngx_prof_pprof_cpu(r, seconds, &span, worker,
                                     "attachment; filename=\"profile\"",
                                     error);
}


ngx_int_t
ngx_prof_pprof_cpu(ngx_http_request_t *r, ngx_uint_t seconds,
    const ngx_prof_span_t *span, ngx_pid_t worker, const char *disposition,
    ngx_prof_error_pt error)
{
    ngx_int_t            rc;
    ngx_prof_profile_t  *p;

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_prof_pprof_head(r, disposition);
    }

    if (ngx_prof_process.slot == NULL) {
        return error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                     "this worker has no slot in the profiling zone");
    }

    if (span->until) {
        rc = ngx_prof_pprof_enter(r, error);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    p = ngx_prof_pprof_create(r, disposition, error);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = span->until
         ? ngx_prof_cpu_profile_past(r->pool, r->connection->log, span, worker,
                                     ngx_prof_pprof_captured, p)
         : ngx_prof_cpu_profile(r->pool, r->connection->log,
                                seconds * 1000, worker,
                                ngx_prof_pprof_captured, p);
    if (rc == NGX_BUSY) {
        return error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                     "Could not enable CPU profiling: "
                     "cpu profiling already in use");
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_answer_later(r);

    return NGX_DONE;
}
