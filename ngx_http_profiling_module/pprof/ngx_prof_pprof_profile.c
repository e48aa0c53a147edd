
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_encode.h"
#include "ngx_prof_encoder.h"
#include "ngx_prof_raw.h"
#include "ngx_prof_stream.h"


/* an answer in progress */

struct ngx_prof_profile_s {
    ngx_http_request_t  *request;
    const char          *disposition;           /* NULL: text */
    uint32_t             output;                /* of the raw capture, 0: as
                                                   captured */
    ngx_prof_error_pt    error;
    ngx_msec_t           created;
    ngx_prof_stream_t   *stream;                /* NULL: none has begun */
    ngx_prof_text_t     *part;                  /* that is being sent */
};


/* that are made at once, of those that take no time; see encode.c */
#define NGX_PROF_PROFILES      34

/* ms; who has waited for longer has had a capture made */
#define NGX_PROF_PROFILE_LONG  1000


static void ngx_prof_pprof_encoded(void *data, ngx_int_t rc,
    ngx_prof_text_t *out, ngx_str_t *error);
static void ngx_prof_pprof_output(ngx_prof_text_t *raw, uint32_t output);
static void ngx_prof_pprof_leave(ngx_http_request_t *r);
static void ngx_prof_pprof_cleanup(void *data);
static ngx_int_t ngx_prof_pprof_part(ngx_prof_profile_t *p,
    ngx_prof_text_t *out);
static void ngx_prof_pprof_more(void *data);
static ngx_int_t ngx_prof_pprof_describe(ngx_http_request_t *r,
    const char *disposition, ngx_str_t *type);
static ngx_int_t ngx_prof_pprof_failed(ngx_prof_profile_t *p, ngx_int_t rc,
    ngx_str_t *why);
static ngx_uint_t ngx_prof_pprof_whole(const ngx_prof_text_t *out);
static ngx_int_t ngx_prof_pprof_send(ngx_prof_profile_t *p,
    ngx_prof_text_t *out);


static ngx_uint_t  ngx_prof_profiles;


ngx_int_t
ngx_prof_pprof_enter(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_pool_cleanup_t  *cln;

    if (r->method == NGX_HTTP_HEAD) {
        return NGX_DECLINED;
    }

    if (ngx_prof_profiles >= NGX_PROF_PROFILES) {
        return ngx_prof_answer_busy(r, error, "profile not encoded: too many "
                                              "profiles are being encoded");
    }

    if (!ngx_prof_encoder_spare()) {
        return ngx_prof_answer_busy(r, error, "profile not encoded: "
                                              "connections are scarce");
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_uint_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_profiles++;
    *(ngx_uint_t *) cln->data = 1;

    cln->handler = ngx_prof_pprof_cleanup;

    return NGX_DECLINED;
}


/* what is left is to be sent */

static void
ngx_prof_pprof_leave(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_prof_pprof_cleanup) {
            ngx_prof_pprof_cleanup(cln->data);
        }
    }
}


static void
ngx_prof_pprof_cleanup(void *data)
{
    ngx_uint_t *entered = data;

    ngx_prof_profiles -= *entered;
    *entered = 0;
}


ngx_prof_profile_t *
ngx_prof_pprof_create(ngx_http_request_t *r, const char *disposition,
    ngx_prof_error_pt error)
{
    ngx_prof_profile_t  *p;

    p = ngx_palloc(r->pool, sizeof(ngx_prof_profile_t));

    if (p) {
        p->request = r;
        p->disposition = disposition;
        p->output = 0;
        p->error = error;
        p->created = ngx_current_msec;
        p->stream = NULL;
    }

    return p;
}


static void
ngx_prof_pprof_output(ngx_prof_text_t *raw, uint32_t output)
{
    ngx_prof_raw_header_t  *h;

    h = (ngx_prof_raw_header_t *) raw->first->buf->pos;
    h->output = output;
}


void
ngx_prof_pprof_form(ngx_prof_profile_t *p, uint32_t output)
{
    p->output = output;
}


void
ngx_prof_pprof_captured(void *data, ngx_int_t rc, ngx_prof_text_t *raw)
{
    ngx_prof_profile_t *p = data;

    rc = ngx_prof_pprof_encode(p, rc, raw);

    if (rc != NGX_DONE) {
        ngx_prof_answer(p->request, rc);
    }
}


ngx_int_t
ngx_prof_pprof_encode(ngx_prof_profile_t *p, ngx_int_t rc,
    ngx_prof_text_t *raw)
{
    size_t               part;
    ngx_str_t            error;
    ngx_uint_t           how;
    ngx_http_request_t  *r;

    r = p->request;

    ngx_str_set(&error, "out of memory");

    if (rc == NGX_OK && p->output) {
        ngx_prof_pprof_output(raw, p->output);
    }

    if (rc == NGX_OK) {
        how = (ngx_current_msec - p->created >= NGX_PROF_PROFILE_LONG)
              ? NGX_PROF_ENCODE_CAPTURED : NGX_PROF_ENCODE_TURN;

        part = ngx_prof_stream_able(r) ? NGX_PROF_STREAM_PART : 0;

        rc = ngx_prof_encode(r->pool, r->connection->log, raw, how, part,
                             ngx_prof_pprof_encoded, p, &error);

        if (rc == NGX_OK) {
            return NGX_DONE;
        }
    }

    rc = ngx_prof_pprof_failed(p, rc, &error);

    /* nginx sends what the client has not taken yet */

    return (rc == NGX_AGAIN) ? NGX_OK : rc;
}


ngx_int_t
ngx_prof_pprof_collected(ngx_http_request_t *r, const char *disposition,
    ngx_prof_error_pt error, ngx_prof_text_t *raw)
{
    ngx_int_t            rc;
    ngx_prof_profile_t  *p;

    p = ngx_prof_pprof_create(r, disposition, error);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_prof_pprof_encode(p, NGX_OK, raw);

    if (rc == NGX_DONE) {
        ngx_prof_answer_later(r);
    }

    return rc;
}


/* ends a profile that was given to the encoder by other means */

static void
ngx_prof_pprof_encoded(void *data, ngx_int_t rc, ngx_prof_text_t *out,
    ngx_str_t *error)
{
    ngx_http_request_t  *r;
    ngx_prof_profile_t  *p;

    p = data;
    r = p->request;

    ngx_prof_pprof_leave(r);

    if (p->stream == NULL && (rc == NGX_OK || rc == NGX_AGAIN)
        && p->disposition && p->output == 0
        && !ngx_prof_pprof_whole(out))
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "profile not encoded: the encoder wrote no profile");

        rc = p->error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                      "profile not encoded: the encoder wrote no profile");

    } else if (rc == NGX_AGAIN) {
        rc = ngx_prof_pprof_part(p, out);

        if (rc == NGX_AGAIN) {
            return;
        }

    } else if (p->stream) {

        /* what was cut has no end, by which the client knows */

        rc = (rc == NGX_OK) ? ngx_prof_stream_last(p->stream, out) : NGX_ERROR;

    } else if (rc == NGX_OK) {
        rc = ngx_prof_pprof_send(p, out);

    } else {
        rc = ngx_prof_pprof_failed(p, rc, error);
    }

    ngx_prof_answer(r, rc);
}


/* NGX_AGAIN, or NGX_ERROR */

static ngx_int_t
ngx_prof_pprof_part(ngx_prof_profile_t *p, ngx_prof_text_t *out)
{
    ngx_int_t            rc;
    ngx_str_t            type;
    ngx_http_request_t  *r;

    r = p->request;
    p->part = out;

    if (p->stream == NULL) {
        if (ngx_prof_pprof_describe(r, p->disposition, &type) != NGX_OK) {
            return NGX_ERROR;
        }

        p->stream = ngx_prof_stream_begin(r, &type, ngx_prof_pprof_more, p);

        if (p->stream == NULL) {
            return NGX_ERROR;
        }
    }

    rc = ngx_prof_stream_put(p->stream, out);

    if (rc == NGX_OK) {
        ngx_prof_pprof_more(p);
        return NGX_AGAIN;
    }

    return rc;
}


static void
ngx_prof_pprof_more(void *data)
{
    ngx_prof_profile_t *p = data;

    ngx_prof_encode_more(p->part);
}


/* a file for tools, or a text for people */

static ngx_int_t
ngx_prof_pprof_describe(ngx_http_request_t *r, const char *disposition,
    ngx_str_t *type)
{
    if (disposition == NULL) {
        ngx_str_set(type, "text/plain; charset=utf-8");
        return NGX_OK;
    }

    ngx_str_set(type, "application/octet-stream");

    return ngx_prof_header(r, "Content-Disposition", disposition);
}


/* NGX_BUSY: it may be asked for again */

static ngx_int_t
ngx_prof_pprof_failed(ngx_prof_profile_t *p, ngx_int_t rc, ngx_str_t *why)
{
    ngx_uint_t           status;
    ngx_http_request_t  *r;

    r = p->request;
    status = NGX_HTTP_INTERNAL_SERVER_ERROR;

    if (rc != NGX_BUSY && ngx_prof_budget_exceeded(r->pool)) {
        return ngx_prof_answer_status(r, status);
    }

    if (rc == NGX_BUSY) {
        status = NGX_HTTP_SERVICE_UNAVAILABLE;

        if (ngx_prof_header(r, "Retry-After", NGX_PROF_RETRY_AFTER)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return p->error(r, status, "profile not encoded: %V", why);
}


/* is this a complete gzip file? RFC 1952, 2.3 */

static ngx_uint_t
ngx_prof_pprof_whole(const ngx_prof_text_t *out)
{
    const ngx_buf_t  *b;

    b = out->first->buf;

    return b->last - b->pos > 18 && b->pos[0] == 0x1f && b->pos[1] == 0x8b;
}


static ngx_int_t
ngx_prof_pprof_send(ngx_prof_profile_t *p, ngx_prof_text_t *out)
{
    ngx_str_t            type;
    ngx_http_request_t  *r;

    r = p->request;

    if (ngx_prof_pprof_describe(r, p->disposition, &type) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_prof_send(r, NGX_HTTP_OK, &type, out);
}


/* sends the header at once, without a length, which is not known yet */

ngx_int_t
ngx_prof_pprof_head(ngx_http_request_t *r, const char *disposition)
{
    if (ngx_prof_pprof_describe(r, disposition, &r->headers_out.content_type)
        != NGX_OK
        || ngx_prof_header(r, "X-Content-Type-Options", "nosniff") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_length_n = -1;

    return ngx_http_send_header(r);
}
