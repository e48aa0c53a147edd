
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_pprof.h"
#include "ngx_http_profiling_argument.h"
#include "ngx_http_profiling_heap_profile.h"
#include "ngx_http_profiling_work.h"


static ngx_int_t ngx_http_profiling_pprof_named(ngx_http_request_t *r,
    ngx_uint_t kind, ngx_http_profiling_error_pt error);
static ngx_int_t ngx_http_profiling_pprof_query(ngx_http_request_t *r,
    ngx_http_profiling_heap_query_t *query,
    ngx_http_profiling_error_pt error);
static ngx_int_t ngx_http_profiling_pprof_number(ngx_http_request_t *r,
    const char *name);
static ngx_int_t ngx_http_profiling_pprof_heap_send(ngx_http_request_t *r,
    const ngx_http_profiling_heap_query_t *query, const char *disposition,
    ngx_http_profiling_error_pt error);


/* by kind, as one reading and as a difference */

static const char *const  ngx_http_profiling_dispositions[][2] = {

    { "attachment; filename=\"heap\"",
      "attachment; filename=\"heap-delta\"" },

    { "attachment; filename=\"allocs\"",
      "attachment; filename=\"allocs-delta\"" },

    { "attachment; filename=\"threadcreate\"",
      "attachment; filename=\"threadcreate-delta\"" }
};


ngx_int_t
ngx_http_profiling_pprof_heap(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    return ngx_http_profiling_pprof_named(r, NGX_HTTP_PROFILING_OF_HEAP,
                                          error);
}


ngx_int_t
ngx_http_profiling_pprof_allocs(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    return ngx_http_profiling_pprof_named(r, NGX_HTTP_PROFILING_OF_ALLOCS,
                                          error);
}


ngx_int_t
ngx_http_profiling_pprof_threadcreate(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error)
{
    return ngx_http_profiling_pprof_named(r, NGX_HTTP_PROFILING_OF_THREADS,
                                          error);
}


ngx_int_t
ngx_http_profiling_pprof_dump(ngx_http_request_t *r, ngx_pid_t worker,
    const char *disposition, ngx_http_profiling_error_pt error)
{
    ngx_http_profiling_heap_query_t  query;

    ngx_memzero(&query, sizeof(ngx_http_profiling_heap_query_t));

    query.kind = NGX_HTTP_PROFILING_OF_HEAP;
    query.worker = worker;

    return ngx_http_profiling_pprof_heap_send(r, &query, disposition, error);
}


static ngx_int_t
ngx_http_profiling_pprof_named(ngx_http_request_t *r, ngx_uint_t kind,
    ngx_http_profiling_error_pt error)
{
    ngx_int_t                        rc;
    const char                      *disposition;
    ngx_http_profiling_heap_query_t  query;

    ngx_memzero(&query, sizeof(ngx_http_profiling_heap_query_t));

    query.kind = kind;

    rc = ngx_http_profiling_pprof_query(r, &query, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    disposition = query.text ? NULL
                  : ngx_http_profiling_dispositions[kind][query.delta != 0];

    return ngx_http_profiling_pprof_heap_send(r, &query, disposition, error);
}


/*
 * As Go reads them: net/http/pprof, handler.ServeHTTP().  NGX_DECLINED: they
 * are good, no answer was given yet.
 */

static ngx_int_t
ngx_http_profiling_pprof_query(ngx_http_request_t *r,
    ngx_http_profiling_heap_query_t *query, ngx_http_profiling_error_pt error)
{
    ngx_int_t  seconds;
    ngx_str_t  value;

    query->text = (ngx_http_profiling_pprof_number(r, "debug") != 0);

    if (ngx_http_profiling_argument(r, "seconds", &value) == NGX_OK
        && value.len)
    {
        seconds = ngx_atoi(value.data, value.len);

        if (seconds <= 0) {
            return error(r, NGX_HTTP_BAD_REQUEST,
                         "invalid value for \"seconds\" - must be a positive "
                         "integer");
        }

        if (query->text) {
            return error(r, NGX_HTTP_BAD_REQUEST,
                         "seconds and debug params are incompatible");
        }

        if (seconds > NGX_HTTP_PROFILING_SECONDS_MAX) {
            return error(r, NGX_HTTP_BAD_REQUEST,
                         "profile duration exceeds the limit of %d seconds",
                         NGX_HTTP_PROFILING_SECONDS_MAX);
        }

        query->delta = (ngx_msec_t) seconds * 1000;

    } else {
        query->trim = (query->kind == NGX_HTTP_PROFILING_OF_HEAP
                       && ngx_http_profiling_pprof_number(r, "gc") > 0);
    }

    return ngx_http_profiling_argument_worker(r, &query->worker, error);
}


/* what is no number is 0 */

static ngx_int_t
ngx_http_profiling_pprof_number(ngx_http_request_t *r, const char *name)
{
    ngx_int_t  n;
    ngx_str_t  value;

    if (ngx_http_profiling_argument(r, name, &value) != NGX_OK) {
        return 0;
    }

    if (value.len && value.data[0] == '-') {
        n = ngx_atoi(value.data + 1, value.len - 1);
        return (n > 0) ? -n : 0;
    }

    n = ngx_atoi(value.data, value.len);

    return (n == NGX_ERROR) ? 0 : n;
}


static ngx_int_t
ngx_http_profiling_pprof_heap_send(ngx_http_request_t *r,
    const ngx_http_profiling_heap_query_t *query, const char *disposition,
    ngx_http_profiling_error_pt error)
{
    ngx_http_profiling_profile_t  *p;

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_http_profiling_pprof_head(r, disposition);
    }

    if (ngx_http_profiling_process.slot == NULL) {
        return error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                     "this worker has no slot in the profiling zone");
    }

    p = ngx_http_profiling_pprof_create(r, disposition, error);

    if (p == NULL
        || ngx_http_profiling_heap_profile(r->pool, r->connection->log, query,
                                           ngx_http_profiling_pprof_captured,
                                           p)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_profiling_answer_later(r);

    return NGX_DONE;
}
