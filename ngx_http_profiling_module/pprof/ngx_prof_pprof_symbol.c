
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_symbol.h"
#include "ngx_prof_job.h"
#include "ngx_prof_names.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_text.h"


/* addresses that one request may ask the names of, and bytes of its body */
#define NGX_PROF_SYMBOL_ADDRESSES  4096
#define NGX_PROF_SYMBOL_BODY       131072

/* bytes parsed, and addresses written, in one step */
#define NGX_PROF_SYMBOL_PARSE      4096
#define NGX_PROF_SYMBOL_WRITE      512


typedef struct {
    ngx_http_request_t  *request;
    ngx_prof_error_pt    error;
    ngx_prof_profile_t  *profile;
    ngx_prof_rawfile_t  *raw;               /* NULL: not begun yet */
    ngx_uint_t           written;           /* addresses in it */

    ngx_buf_t            args;
    ngx_chain_t          link;
    ngx_chain_t         *in;                /* to be parsed */
    size_t               size;              /* bytes of the body so far */

    /* the address that is being parsed */
    uint64_t             pc;
    ngx_uint_t           digits;            /* characters of it */
    ngx_uint_t           junk;              /* it is no number */

    ngx_uint_t           n;
    uint64_t            *pcs;

    ngx_prof_job_t       job;
} ngx_prof_symbol_t;


static ngx_prof_symbol_t *ngx_prof_symbol_create(ngx_http_request_t *r,
    ngx_prof_error_pt error);
static ngx_int_t ngx_prof_symbol_large(ngx_http_request_t *r,
    ngx_prof_error_pt error);
static void ngx_prof_symbol_body(ngx_http_request_t *r);
static void ngx_prof_symbol_read(ngx_http_request_t *r);
static ngx_prof_symbol_t *ngx_prof_symbol_find(ngx_http_request_t *r);
static ngx_int_t ngx_prof_symbol_step(void *data);
static ngx_int_t ngx_prof_symbol_more(ngx_prof_symbol_t *s);
static ngx_int_t ngx_prof_symbol_parse(ngx_prof_symbol_t *s);
static void ngx_prof_symbol_char(ngx_prof_symbol_t *s, u_char ch);
static ngx_int_t ngx_prof_symbol_write(ngx_prof_symbol_t *s);
static void ngx_prof_symbol_done(void *data, ngx_int_t rc);
static ngx_int_t ngx_prof_symbol_none(ngx_http_request_t *r);
static void ngx_prof_symbol_cleanup(void *data);


ngx_int_t
ngx_prof_pprof_symbol(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_int_t           rc;
    ngx_prof_symbol_t  *s;

    if (r->method == NGX_HTTP_POST
        && r->headers_in.content_length_n > NGX_PROF_SYMBOL_BODY)
    {
        /* a client that asks before it sends a body shall not send it */

        r->expect_tested = 1;

        rc = ngx_http_discard_request_body(r);

        return (rc == NGX_OK) ? ngx_prof_symbol_large(r, error) : rc;
    }

    s = ngx_prof_symbol_create(r, error);
    if (s == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method != NGX_HTTP_POST) {
        s->args.pos = r->args.data;
        s->args.last = r->args.data + r->args.len;
        s->link.buf = &s->args;
        s->in = &s->link;

        ngx_prof_answer_later(r);
        ngx_prof_job_start(&s->job, r->connection->log);

        return NGX_DONE;
    }

    /* a body without a length is cut off where it becomes too large */

    r->request_body_no_buffering = 1;
    r->request_body_in_file_only = 0;

    rc = ngx_http_read_client_request_body(r, ngx_prof_symbol_body);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static ngx_prof_symbol_t *
ngx_prof_symbol_create(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_prof_symbol_t   *s;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_prof_symbol_t));
    if (cln == NULL) {
        return NULL;
    }

    s = cln->data;
    ngx_memzero(s, sizeof(ngx_prof_symbol_t));

    cln->handler = ngx_prof_symbol_cleanup;

    s->request = r;
    s->error = error;
    s->job.step = ngx_prof_symbol_step;
    s->job.done = ngx_prof_symbol_done;
    s->job.data = s;

    s->profile = ngx_prof_pprof_create(r, NULL, error);
    s->pcs = ngx_palloc(r->pool,
                        NGX_PROF_SYMBOL_ADDRESSES * sizeof(uint64_t));

    return (s->profile && s->pcs) ? s : NULL;
}


static ngx_int_t
ngx_prof_symbol_large(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    r->keepalive = 0;

    return error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                 "addresses exceed the limit of %d bytes",
                 NGX_PROF_SYMBOL_BODY);
}


/* the whole body is there, or what has come of it until now */

static void
ngx_prof_symbol_body(ngx_http_request_t *r)
{
    ngx_prof_symbol_t  *s;

    s = ngx_prof_symbol_find(r);

    if (r->request_body) {
        s->in = r->request_body->bufs;
        r->request_body->bufs = NULL;
    }

    r->read_event_handler = ngx_prof_symbol_read;

    ngx_prof_job_start(&s->job, r->connection->log);
}


static void
ngx_prof_symbol_read(ngx_http_request_t *r)
{
    ngx_prof_job_resume(&ngx_prof_symbol_find(r)->job);
}


/* nginx's handlers of a body have nothing but the request */

static ngx_prof_symbol_t *
ngx_prof_symbol_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    cln = r->pool->cleanup;

    while (cln->handler != ngx_prof_symbol_cleanup) {
        cln = cln->next;
    }

    return cln->data;
}


static ngx_int_t
ngx_prof_symbol_step(void *data)
{
    ngx_prof_symbol_t *s = data;

    if (s->in) {
        return ngx_prof_symbol_parse(s);
    }

    if (s->request->reading_body) {
        return ngx_prof_symbol_more(s);
    }

    return ngx_prof_symbol_write(s);
}


/* NGX_DONE: the next event of the client continues */

static ngx_int_t
ngx_prof_symbol_more(ngx_prof_symbol_t *s)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = s->request;

    rc = ngx_http_read_unbuffered_request_body(r);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    s->in = r->request_body->bufs;
    r->request_body->bufs = NULL;

    return (s->in || rc == NGX_OK) ? NGX_AGAIN : NGX_DONE;
}


static ngx_int_t
ngx_prof_symbol_parse(ngx_prof_symbol_t *s)
{
    size_t      len;
    u_char     *last;
    ngx_buf_t  *b;

    b = s->in->buf;
    len = ngx_min(b->last - b->pos, NGX_PROF_SYMBOL_PARSE);

    s->size += len;

    if (s->size > NGX_PROF_SYMBOL_BODY) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    for (last = b->pos + len; b->pos < last; b->pos++) {
        ngx_prof_symbol_char(s, *b->pos);
    }

    if (b->pos == b->last) {
        s->in = s->in->next;
    }

    return NGX_AGAIN;
}


/* "0x4719ae+0x4719b2+..."; non-numbers are skipped, as in Go */

static void
ngx_prof_symbol_char(ngx_prof_symbol_t *s, u_char ch)
{
    ngx_int_t  digit;

    if (ch == '+') {

        if (s->pc && s->n < NGX_PROF_SYMBOL_ADDRESSES) {
            s->pcs[s->n++] = s->pc;
        }

        s->pc = 0;
        s->digits = 0;
        s->junk = 0;

        return;
    }

    if (s->junk) {
        return;
    }

    s->digits++;

    if (s->digits == 2 && s->pc == 0 && (ch | 0x20) == 'x') {
        return;
    }

    digit = (ch >= '0' && ch <= '9') ? ch - '0'
            : ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f')
            ? (ch | 0x20) - 'a' + 10 : -1;

    if (digit == -1) {
        s->pc = 0;
        s->junk = 1;
        return;
    }

    s->pc = s->pc << 4 | (uint64_t) digit;
}


static ngx_int_t
ngx_prof_symbol_write(ngx_prof_symbol_t *s)
{
    ngx_uint_t  n;

    if (s->raw == NULL) {
        ngx_prof_symbol_char(s, '+');

        if (s->n == 0) {
            return NGX_OK;
        }

        s->raw = ngx_prof_names_open(s->request->pool,
                                     ngx_prof_rawfile_relative());

        return s->raw ? NGX_AGAIN : NGX_ERROR;
    }

    n = ngx_min(s->n - s->written, NGX_PROF_SYMBOL_WRITE);

    if (n) {
        ngx_prof_names_add(s->raw, s->pcs + s->written, n);
        s->written += n;

        return NGX_AGAIN;
    }

    return ngx_prof_rawfile_finish(s->raw);
}


static void
ngx_prof_symbol_done(void *data, ngx_int_t rc)
{
    ngx_prof_symbol_t *s = data;

    ngx_http_request_t  *r;

    r = s->request;

    if (rc == NGX_OK && s->n) {

        /* as answer_later(), whose share in the request the body has had */

        ngx_prof_answer_later(r);
        r->main->count--;

        rc = ngx_prof_pprof_encode(s->profile, NGX_OK, &s->raw->text);

        if (rc == NGX_DONE) {
            return;
        }

    } else if (rc == NGX_OK) {
        rc = ngx_prof_symbol_none(r);

    } else if (rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        rc = ngx_prof_symbol_large(r, s->error);

    } else if (rc == NGX_ERROR) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_answer(r, rc);
}


static ngx_int_t
ngx_prof_symbol_none(ngx_http_request_t *r)
{
    ngx_str_t        type;
    ngx_prof_text_t  text;

    ngx_prof_text_init(&text, r->pool);
    ngx_prof_text_puts(&text, "num_symbols: 1\n");
    ngx_str_set(&type, "text/plain; charset=utf-8");

    return ngx_prof_send(r, NGX_HTTP_OK, &type, &text);
}


static void
ngx_prof_symbol_cleanup(void *data)
{
    ngx_prof_symbol_t *s = data;

    ngx_prof_job_stop(&s->job);
}
