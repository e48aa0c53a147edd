
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_trace.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_trace_profile.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_raw.h"
#include "ngx_prof_trace.h"


/* seconds */
#define NGX_PROF_TRACE_MAX  60


static ngx_msec_t ngx_prof_pprof_seconds(ngx_str_t *value);
static ngx_int_t ngx_prof_pprof_options(ngx_http_request_t *r,
    ngx_prof_trace_options_t *o, ngx_prof_error_pt error);
static ngx_int_t ngx_prof_pprof_format(ngx_http_request_t *r,
    ngx_prof_trace_options_t *o, ngx_prof_error_pt error);


ngx_int_t
ngx_prof_pprof_trace(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_int_t                 rc;
    const char               *disposition;
    ngx_prof_profile_t       *p;
    ngx_prof_trace_options_t  o;

    rc = ngx_prof_pprof_options(r, &o, error);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    disposition = (o.format == NGX_PROF_TRACE_PERFETTO)
                  ? "attachment; filename=\"trace.json\""
                  : "attachment; filename=\"trace\"";

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_prof_pprof_head(r, disposition);
    }

    if (ngx_prof_process.slot == NULL) {
        return error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                     "this worker has no slot in the profiling zone");
    }

    p = ngx_prof_pprof_create(r, disposition, error);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_pprof_form(p, NGX_PROF_RAW_TRACE);

    rc = ngx_prof_trace_capture(r->pool, r->connection->log, &o,
                                ngx_prof_pprof_captured,
                                p);
    if (rc == NGX_BUSY) {
        return error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                     "Could not enable tracing: "
                     "runtime error: tracing is already enabled");
    }

    if (rc == NGX_DECLINED) {
        return error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                     "Could not enable tracing: "
                     "there is no memory for profiling_trace_buffer");
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_answer_later(r);

    return NGX_DONE;
}


/* NGX_DECLINED: go on; else what error() returned */

static ngx_int_t
ngx_prof_pprof_options(ngx_http_request_t *r, ngx_prof_trace_options_t *o,
    ngx_prof_error_pt error)
{
    ngx_int_t  n;
    ngx_str_t  value;

    ngx_memzero(o, sizeof(ngx_prof_trace_options_t));

    o->duration = 1000;

    if (ngx_prof_argument(r, "seconds", &value) == NGX_OK) {
        o->duration = ngx_prof_pprof_seconds(&value);
    }

    if (o->duration > NGX_PROF_TRACE_MAX * 1000) {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "trace duration exceeds the limit of %d seconds",
                     NGX_PROF_TRACE_MAX);
    }

    if (ngx_prof_argument(r, "min_ms", &value) == NGX_OK) {
        n = ngx_atoi(value.data, value.len);

        if (n == NGX_ERROR || n > NGX_PROF_TRACE_MAX * 1000) {
            return error(r, NGX_HTTP_BAD_REQUEST,
                         "min_ms must be an integer from 0 to %d, not \"%V\"",
                         NGX_PROF_TRACE_MAX * 1000, &value);
        }

        o->min = (ngx_uint_t) n;
    }

    if (ngx_prof_argument(r, "server", &value) == NGX_OK) {
        o->server = value;
    }

    if (ngx_prof_argument(r, "location", &value) == NGX_OK) {
        o->location = value;
    }

    n = ngx_prof_pprof_format(r, o, error);

    if (n != NGX_DECLINED) {
        return n;
    }

    return ngx_prof_argument_worker(r, &o->worker, error);
}


static ngx_int_t
ngx_prof_pprof_format(ngx_http_request_t *r, ngx_prof_trace_options_t *o,
    ngx_prof_error_pt error)
{
    ngx_str_t  value;

    o->format = NGX_PROF_TRACE_GO;

    if (ngx_prof_argument(r, "version", &value) == NGX_OK
        && (value.len != 1 || value.data[0] != '2'))
    {
        return error(r, NGX_HTTP_BAD_REQUEST,
                     "version must be 2, which Go 1.22 and later read, "
                     "not \"%V\"", &value);
    }

    if (ngx_prof_argument(r, "format", &value) == NGX_OK) {

        if (value.len == 8
            && ngx_strncmp(value.data, "perfetto", 8) == 0)
        {
            o->format = NGX_PROF_TRACE_PERFETTO;

        } else if (value.len != 2 || ngx_strncmp(value.data, "go", 2) != 0) {
            return error(r, NGX_HTTP_BAD_REQUEST,
                         "format must be go or perfetto, not \"%V\"",
                         &value);
        }
    }

    return NGX_DECLINED;
}


/* ms; anything but a positive number means the default, as in Go */

static ngx_msec_t
ngx_prof_pprof_seconds(ngx_str_t *value)
{
    char   *end, text[NGX_PROF_VALUE + 1];
    double  seconds;

    ngx_memcpy(text, value->data, value->len);
    text[value->len] = '\0';

    seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds > 0)) {
        return 1000;
    }

    if (seconds > NGX_PROF_TRACE_MAX) {
        return NGX_PROF_TRACE_MAX * 1000 + 1;
    }

    return ngx_max((ngx_msec_t) (seconds * 1000), 1);
}
