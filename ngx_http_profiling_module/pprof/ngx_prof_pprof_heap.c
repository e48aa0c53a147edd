
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_heap.h"
#include "ngx_prof_access.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_heap_profile.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_range.h"
#include "ngx_prof_worker.h"


static ngx_int_t ngx_prof_pprof_named(ngx_http_request_t *r, ngx_uint_t kind,
    ngx_prof_error_pt error);
static ngx_int_t ngx_prof_pprof_query(ngx_http_request_t *r,
    ngx_prof_heap_query_t *query, ngx_prof_error_pt error);
static ngx_int_t ngx_prof_pprof_heap_send(ngx_http_request_t *r,
    const ngx_prof_heap_query_t *query, const char *disposition,
    ngx_prof_error_pt error);


/* by kind: file names of a reading and of a difference */

static const char *const  ngx_prof_dispositions[][2] = {

    { "attachment; filename=\"heap\"",
      "attachment; filename=\"heap-delta\"" },

    { "attachment; filename=\"allocs\"",
      "attachment; filename=\"allocs-delta\"" },

    { "attachment; filename=\"threadcreate\"",
      "attachment; filename=\"threadcreate-delta\"" }
};


ngx_int_t
ngx_prof_pprof_heap(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    return ngx_prof_pprof_named(r, NGX_PROF_OF_HEAP, error);
}


ngx_int_t
ngx_prof_pprof_allocs(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    return ngx_prof_pprof_named(r, NGX_PROF_OF_ALLOCS, error);
}


ngx_int_t
ngx_prof_pprof_threadcreate(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    return ngx_prof_pprof_named(r, NGX_PROF_OF_THREADS, error);
}


ngx_int_t
ngx_prof_pprof_dump(ngx_http_request_t *r, ngx_pid_t worker,
    const char *disposition, ngx_prof_error_pt error)
{
    ngx_int_t              rc;
    ngx_prof_heap_query_t  query;

    rc = ngx_prof_pprof_enter(r, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_memzero(&query, sizeof(ngx_prof_heap_query_t));

    query.kind = NGX_PROF_OF_HEAP;
    query.worker = worker;

    return ngx_prof_pprof_heap_send(r, &query, disposition, error);
}


static ngx_int_t
ngx_prof_pprof_named(ngx_http_request_t *r, ngx_uint_t kind,
    ngx_prof_error_pt error)
{
    ngx_int_t              rc;
    const char            *disposition;
    ngx_prof_heap_query_t  query;

    ngx_memzero(&query, sizeof(ngx_prof_heap_query_t));

    query.kind = kind;

    rc = ngx_prof_pprof_query(r, &query, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    disposition = query.text ? NULL
                  : ngx_prof_dispositions[kind][query.delta
                                                || query.span.until];

    return ngx_prof_pprof_heap_send(r, &query, disposition, error);
}


/* NGX_DECLINED: the arguments are valid, and nothing was sent */

static ngx_int_t
ngx_prof_pprof_query(ngx_http_request_t *r, ngx_prof_heap_query_t *query,
    ngx_prof_error_pt error)
{
    ngx_int_t  rc, n, debug, seconds;

    rc = ngx_prof_argument_delta(r, &debug, &seconds, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (query->kind == NGX_PROF_OF_ALLOCS) {
        rc = ngx_prof_range(r, &query->span, "seconds", error);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    query->text = (debug != 0);
    query->delta = (ngx_msec_t) seconds * 1000;

    query->trim = (query->kind == NGX_PROF_OF_HEAP
                   && seconds == 0
                   && ngx_prof_argument_number(r, "gc", &n) == NGX_OK
                   && n > 0);

    /* a link or an image of another site is a GET */

    if (query->trim && r->method != NGX_HTTP_POST
        && !ngx_prof_access_same_origin(r))
    {
        return error(r, NGX_HTTP_FORBIDDEN,
                     "\"gc=1\" takes POST, or a page of the same origin");
    }

    return ngx_prof_argument_worker(r, &query->worker, error);
}


static ngx_int_t
ngx_prof_pprof_heap_send(ngx_http_request_t *r,
    const ngx_prof_heap_query_t *query, const char *disposition,
    ngx_prof_error_pt error)
{
    ngx_prof_profile_t  *p;

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_prof_pprof_head(r, disposition);
    }

    if (ngx_prof_process.slot == NULL) {
        return error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                     "this worker has no slot in the profiling zone");
    }

    p = ngx_prof_pprof_create(r, disposition, error);

    if (p == NULL
        || ngx_prof_heap_profile(r->pool, r->connection->log, query,
                                 ngx_prof_pprof_captured,
                                 p)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_answer_later(r);

    return NGX_DONE;
}
