
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_connections.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_connection_list.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_job.h"
#include "ngx_prof_dumps.h"
#include "ngx_prof_connections_profile.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_text.h"
#include "ngx_prof_work.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_raw.h"


typedef struct {
    ngx_http_request_t          *request;
    ngx_prof_error_pt            error;
    ngx_pid_t                    worker;
    ngx_uint_t                   output;
    ngx_uint_t                   limit;
    ngx_msec_t                   delay;             /* of a delta, 0: none */
    const char                  *disposition;

    ngx_prof_dumps_t            *base;
    ngx_prof_dumps_t            *dumps;
    ngx_prof_connections_raw_t  *raw;

    ngx_prof_job_t               job;               /* of the delta */
} ngx_prof_pprof_connections_t;


static ngx_int_t ngx_prof_pprof_connections_arguments(
    ngx_prof_pprof_connections_t *ctx);
static ngx_int_t ngx_prof_pprof_connections_ask(
    ngx_prof_pprof_connections_t *ctx);
static void ngx_prof_pprof_connections_dumped(void *data);
static ngx_int_t ngx_prof_pprof_connections_nothing(ngx_http_request_t *r);
static ngx_int_t ngx_prof_pprof_connections_pause(void *data);
static ngx_int_t ngx_prof_pprof_connections_over(void *data);
static void ngx_prof_pprof_connections_again(void *data, ngx_int_t rc);
static void ngx_prof_pprof_connections_cleanup(void *data);
static ngx_int_t ngx_prof_pprof_connections_write(ngx_prof_work_t *w);
static ngx_int_t ngx_prof_pprof_connections_encode(ngx_prof_work_t *w);


ngx_int_t
ngx_prof_pprof_connections_begin(ngx_http_request_t *r,
    ngx_prof_error_pt error)
{
    ngx_int_t                      rc;
    ngx_pool_cleanup_t            *cln;
    ngx_prof_pprof_connections_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_prof_pprof_connections_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_prof_pprof_connections_t));

    cln->handler = ngx_prof_pprof_connections_cleanup;

    ctx->request = r;
    ctx->error = error;

    rc = ngx_prof_pprof_connections_arguments(ctx);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_prof_pprof_head(r, ctx->disposition);
    }

    if (ngx_prof_process.zone->dump == 0) {
        return error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                     "the profiling zone has no room for dumps");
    }

    if (ngx_prof_pprof_connections_ask(ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_answer_later(r);

    return NGX_DONE;
}


/* NGX_DECLINED: the arguments are valid */

static ngx_int_t
ngx_prof_pprof_connections_arguments(ngx_prof_pprof_connections_t *ctx)
{
    ngx_int_t            rc, n, debug, seconds;
    ngx_http_request_t  *r;

    r = ctx->request;

    rc = ngx_prof_argument_delta(r, &debug, &seconds, ctx->error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ctx->delay = seconds * 1000;
    ctx->disposition = ctx->delay
                       ? "attachment; filename=\"goroutine-delta\""
                       : "attachment; filename=\"goroutine\"";
    ctx->output = NGX_PROF_RAW_PPROF;

    if (debug) {
        ctx->disposition = NULL;
        ctx->output = (debug >= 2) ? NGX_PROF_RAW_DUMP
                                   : NGX_PROF_RAW_TEXT;
    }

    if (debug >= 2) {
        ctx->limit = NGX_PROF_DUMP_LIMIT_MAX;

        if (ngx_prof_argument_number(r, "limit", &n) == NGX_OK
            && n >= 0)
        {
            ctx->limit = ngx_min(n, NGX_PROF_DUMP_LIMIT_MAX);
        }
    }

    return ngx_prof_argument_worker(r, &ctx->worker, ctx->error);
}


static ngx_int_t
ngx_prof_pprof_connections_ask(ngx_prof_pprof_connections_t *ctx)
{
    ctx->dumps = ngx_prof_dumps_request(ctx->request->pool,
                                   ctx->request->connection->log, ctx->worker,
                                   ctx->limit, 0,
                                   ngx_prof_pprof_connections_dumped,
                                   ctx);

    return ctx->dumps ? NGX_OK : NGX_ERROR;
}


static void
ngx_prof_pprof_connections_dumped(void *data)
{
    ngx_int_t                      rc;
    ngx_http_request_t            *r;
    ngx_prof_work_t               *w;
    ngx_prof_pprof_connections_t  *ctx;

    ctx = data;
    r = ctx->request;

    if (ctx->delay && ctx->base == NULL) {
        ctx->base = ctx->dumps;

        ctx->job.step = ngx_prof_pprof_connections_pause;
        ctx->job.done = ngx_prof_pprof_connections_again;
        ctx->job.data = ctx;

        ngx_prof_job_start(&ctx->job, r->connection->log);
        return;
    }

    rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    if (ctx->output == NGX_PROF_RAW_DUMP
        && ngx_prof_connections_none(ctx->dumps, ctx->limit))
    {
        rc = ngx_prof_pprof_connections_nothing(r);
        goto done;
    }

    ctx->raw = ngx_prof_connections_raw_create(r->pool, ctx->output,
                                           ctx->dumps, ctx->base,
                                           ctx->limit);
    w = ngx_prof_work_create(r);

    if (ctx->raw && w) {
        w->worker = ctx->worker;
        w->step = ngx_prof_pprof_connections_write;
        w->finish = ngx_prof_pprof_connections_encode;
        w->data = ctx;

        rc = ngx_prof_work_run(w);
    }

done:

    ngx_prof_answer(r, rc);
}


/* a worker may have no connection at all */

static ngx_int_t
ngx_prof_pprof_connections_nothing(ngx_http_request_t *r)
{
    ngx_str_t        type;
    ngx_prof_text_t  text;

    ngx_prof_text_init(&text, r->pool);
    ngx_prof_text_puts(&text, "\n");

    ngx_str_set(&type, "text/plain; charset=utf-8");

    return ngx_prof_send(r, NGX_HTTP_OK, &type, &text);
}


static ngx_int_t
ngx_prof_pprof_connections_pause(void *data)
{
    ngx_prof_pprof_connections_t *ctx = data;

    ctx->job.step = ngx_prof_pprof_connections_over;

    return ngx_prof_job_pause(&ctx->job, ctx->delay);
}


static ngx_int_t
ngx_prof_pprof_connections_over(void *data)
{
    return NGX_OK;
}


static void
ngx_prof_pprof_connections_again(void *data, ngx_int_t rc)
{
    ngx_prof_pprof_connections_t *ctx = data;

    ngx_http_request_t  *r;

    r = ctx->request;

    if (ngx_prof_pprof_connections_ask(ctx) != NGX_OK) {
        ngx_prof_answer(r, ctx->error(r,
                                            NGX_HTTP_INTERNAL_SERVER_ERROR,
                                            "failed to collect profile"));
    }
}


static void
ngx_prof_pprof_connections_cleanup(void *data)
{
    ngx_prof_pprof_connections_t *ctx = data;

    ngx_prof_job_stop(&ctx->job);
}


static ngx_int_t
ngx_prof_pprof_connections_write(ngx_prof_work_t *w)
{
    ngx_prof_pprof_connections_t *ctx = w->data;

    return ngx_prof_connections_raw_step(ctx->raw);
}


static ngx_int_t
ngx_prof_pprof_connections_encode(ngx_prof_work_t *w)
{
    ngx_prof_pprof_connections_t *ctx = w->data;

    return ngx_prof_pprof_collected(w->request, ctx->disposition, ctx->error,
                                    &ctx->raw->file->text);
}
