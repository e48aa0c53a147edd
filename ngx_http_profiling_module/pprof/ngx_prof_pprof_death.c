
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_death.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_death_profile.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_work.h"
#include "ngx_prof_raw.h"


typedef struct {
    ngx_prof_death_raw_t  *raw;
    const char            *disposition;
    ngx_prof_error_pt      error;
} ngx_prof_pprof_death_t;


static ngx_int_t ngx_prof_pprof_death_write(ngx_prof_work_t *w);
static ngx_int_t ngx_prof_pprof_death_encode(ngx_prof_work_t *w);


ngx_int_t
ngx_prof_pprof_death(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_int_t                rc, debug;
    ngx_pid_t                worker;
    ngx_prof_work_t         *w;
    ngx_prof_pprof_death_t  *ctx;

    if (ngx_prof_argument_number(r, "debug", &debug) != NGX_OK) {
        debug = 0;
    }

    rc = ngx_prof_argument_worker(r, &worker, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ctx = ngx_palloc(r->pool, sizeof(ngx_prof_pprof_death_t));
    w = ngx_prof_work_create(r);

    if (ctx == NULL || w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->error = error;
    ctx->disposition = debug ? NULL : "attachment; filename=\"crash\"";

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_prof_pprof_head(r, ctx->disposition);
    }

    ctx->raw = ngx_prof_death_raw_create(r->pool,
                                         debug ? NGX_PROF_RAW_TEXT
                                               : NGX_PROF_RAW_PPROF,
                                         worker);
    if (ctx->raw == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->step = ngx_prof_pprof_death_write;
    w->finish = ngx_prof_pprof_death_encode;
    w->data = ctx;

    return ngx_prof_work_run(w);
}


static ngx_int_t
ngx_prof_pprof_death_write(ngx_prof_work_t *w)
{
    ngx_prof_pprof_death_t *ctx = w->data;

    return ngx_prof_death_raw_step(ctx->raw);
}


static ngx_int_t
ngx_prof_pprof_death_encode(ngx_prof_work_t *w)
{
    ngx_prof_pprof_death_t *ctx = w->data;

    return ngx_prof_pprof_collected(w->request, ctx->disposition, ctx->error,
                                    &ctx->raw->file->text);
}
