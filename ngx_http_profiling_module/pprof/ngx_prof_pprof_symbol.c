
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pprof_symbol.h"
#include "ngx_prof_names.h"
#include "ngx_prof_pprof_profile.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_text.h"


/* addresses that one request may ask for */
#define NGX_PROF_ADDRESSES  4096


static void ngx_prof_pprof_body(ngx_http_request_t *r);
static ngx_int_t ngx_prof_pprof_symbols(ngx_http_request_t *r,
    ngx_prof_error_pt error, const u_char *p, size_t len);
static ngx_uint_t ngx_prof_pprof_addresses(uint64_t *pcs, const u_char *p,
    size_t len);
static ngx_int_t ngx_prof_pprof_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...);


ngx_int_t
ngx_prof_pprof_symbol(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_int_t  rc;

    if (r->method != NGX_HTTP_POST) {
        return ngx_prof_pprof_symbols(r, error, r->args.data, r->args.len);
    }

    rc = ngx_http_read_client_request_body(r, ngx_prof_pprof_body);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


/*
 * Tools ask for some dozens of addresses at a time.  nginx keeps the body in
 * several buffers: what came with the header, the rest, a file, and an empty
 * one that marks the end.
 */

static void
ngx_prof_pprof_body(ngx_http_request_t *r)
{
    size_t        len;
    u_char       *body, *p;
    ngx_buf_t    *b;
    ngx_chain_t  *in, *cl;

    in = r->request_body ? r->request_body->bufs : NULL;
    len = 0;

    for (cl = in; cl; cl = cl->next) {
        len += (size_t) ngx_buf_size(cl->buf);
    }

    body = ngx_pnalloc(r->pool, len + 1);
    if (body == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    p = body;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            continue;
        }

        if (ngx_read_file(b->file, p, (size_t) ngx_buf_size(b), b->file_pos)
            != (ssize_t) ngx_buf_size(b))
        {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }

        p += ngx_buf_size(b);
    }

    ngx_http_finalize_request(r,
                    ngx_prof_pprof_symbols(r,
                                 ngx_prof_pprof_error, body, len));
}


static ngx_int_t
ngx_prof_pprof_symbols(ngx_http_request_t *r, ngx_prof_error_pt error,
    const u_char *p, size_t len)
{
    uint64_t            *pcs;
    ngx_int_t            rc;
    ngx_str_t            type;
    ngx_uint_t           n;
    ngx_prof_text_t      text;
    ngx_prof_profile_t  *profile;
    ngx_prof_rawfile_t  *f;

    pcs = ngx_palloc(r->pool, NGX_PROF_ADDRESSES * sizeof(uint64_t));
    if (pcs == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n = ngx_prof_pprof_addresses(pcs, p, len);

    if (n == 0) {
        ngx_prof_text_init(&text, r->pool);
        ngx_prof_text_puts(&text, "num_symbols: 1\n");
        ngx_str_set(&type, "text/plain; charset=utf-8");

        return ngx_prof_send(r, NGX_HTTP_OK, &type, &text);
    }

    f = ngx_prof_names_capture(r->pool, pcs, n);
    profile = ngx_prof_pprof_create(r, NULL, error);

    if (f == NULL || profile == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_prof_pprof_encode(profile, NGX_OK, &f->text);

    if (rc == NGX_DONE) {
        ngx_prof_answer_later(r);
    }

    return rc;
}


/* "0x4719ae+0x4719b2+..."; other text is skipped, as Go does */

static ngx_uint_t
ngx_prof_pprof_addresses(uint64_t *pcs, const u_char *p, size_t len)
{
    uint64_t       pc;
    ngx_int_t      digit;
    ngx_uint_t     n;
    const u_char  *last;

    n = 0;
    last = p + len;

    while (p < last && n < NGX_PROF_ADDRESSES) {

        pc = 0;

        if (last - p > 2 && p[0] == '0' && (p[1] | 0x20) == 'x') {
            p += 2;
        }

        for ( /* void */ ; p < last && *p != '+'; p++) {
            digit = (*p >= '0' && *p <= '9') ? *p - '0'
                    : ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
                    ? (*p | 0x20) - 'a' + 10 : -1;

            if (digit == -1) {
                pc = 0;

                while (p + 1 < last && p[1] != '+') {
                    p++;
                }

                continue;
            }

            pc = pc << 4 | (uint64_t) digit;
        }

        p++;

        if (pc) {
            pcs[n++] = pc;
        }
    }

    return n;
}


/*
 * once the body has been read, the error callback is gone: answer with the
 * bare status
 */

static ngx_int_t
ngx_prof_pprof_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *format, ...)
{
    return (ngx_int_t) status;
}
