
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_latency.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_latency_profile.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_worker.h"


ngx_int_t
ngx_prof_pprof_latency(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_int_t                  rc, seconds, debug;
    const char                *disposition;
    ngx_prof_profile_t        *p;
    ngx_prof_latency_query_t   query;

    rc = ngx_prof_argument_delta(r, &debug, &seconds, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_prof_argument_worker(r, &query.worker, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (!ngx_prof_process.conf->cost || ngx_prof_process.zone->elapsed == NULL)
    {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "nothing is measured: no variable of the module is used, "
                     "nor profiling_expensive");
    }

    query.seconds = seconds;
    query.text = (debug != 0);

    disposition = debug ? NULL
                  : seconds ? "attachment; filename=\"latency-delta\""
                  : "attachment; filename=\"latency\"";

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_prof_pprof_head(r, disposition);
    }

    p = ngx_prof_pprof_create(r, disposition, error);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_prof_latency_profile(r->pool, r->connection->log, &query,
                                 ngx_prof_pprof_captured, p)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_answer_later(r);

    return NGX_DONE;
}
