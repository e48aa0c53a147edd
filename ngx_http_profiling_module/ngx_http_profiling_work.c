
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_work.h"
#include "ngx_http_profiling_event.h"


static ngx_int_t ngx_http_profiling_work_slice(ngx_http_profiling_work_t *w);
static ngx_int_t ngx_http_profiling_work_step(void *data);
static void ngx_http_profiling_work_handler(ngx_event_t *ev);
static void ngx_http_profiling_work_cleanup(void *data);


ngx_http_profiling_work_t *
ngx_http_profiling_work_create(ngx_http_request_t *r)
{
    ngx_http_profiling_work_t  *w;

    w = ngx_pcalloc(r->pool, sizeof(ngx_http_profiling_work_t));
    if (w == NULL) {
        return NULL;
    }

    w->request = r;
    w->status = NGX_HTTP_OK;
    ngx_str_set(&w->type, "application/json; charset=utf-8");

    ngx_http_profiling_text_init(&w->json.text, r->pool);

    return w;
}


ngx_int_t
ngx_http_profiling_work_run(ngx_http_profiling_work_t *w)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;
    ngx_pool_cleanup_t  *cln;

    r = w->request;

    w->snapshot = ngx_http_profiling_snapshot_create(r->pool, w->worker);
    if (w->snapshot == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_profiling_work_slice(w);

    if (rc != NGX_AGAIN) {
        return rc;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_profiling_work_cleanup;
    cln->data = w;

    ngx_http_profiling_event_init(&w->event, &w->connection,
                                  ngx_http_profiling_work_handler,
                                  r->connection->log);

    ngx_http_profiling_answer_later(r);

    ngx_post_event(&w->event, &ngx_posted_next_events);

    return NGX_DONE;
}


/* NGX_AGAIN, or what the finished request returns */

static ngx_int_t
ngx_http_profiling_work_slice(ngx_http_profiling_work_t *w)
{
    ngx_int_t  rc;

    rc = ngx_http_profiling_slice(ngx_http_profiling_work_step, w);

    if (rc == NGX_DONE && w->finish) {
        return w->finish(w);
    }

    if (rc == NGX_DONE) {
        rc = ngx_http_profiling_send(w->request, w->status, &w->type,
                                     &w->json.text);

        /* what the client has not taken yet is nginx's, not ours */

        return (rc == NGX_AGAIN) ? NGX_OK : rc;
    }

    return (rc == NGX_ERROR) ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
}


static ngx_int_t
ngx_http_profiling_work_step(void *data)
{
    ngx_http_profiling_work_t *w = data;

    if (ngx_http_profiling_snapshot_next(w->snapshot) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    return w->step(w);
}


static void
ngx_http_profiling_work_handler(ngx_event_t *ev)
{
    ngx_int_t                   rc;
    ngx_http_request_t         *r;
    ngx_http_profiling_work_t  *w;

    w = (ngx_http_profiling_work_t *)
            ((u_char *) ev - offsetof(ngx_http_profiling_work_t, event));
    r = w->request;

    ngx_http_profiling_event_stop(ev);

    rc = ngx_http_profiling_work_slice(w);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    ngx_http_profiling_answer(r, rc);
}


static void
ngx_http_profiling_work_cleanup(void *data)
{
    ngx_http_profiling_work_t *w = data;

    ngx_http_profiling_event_stop(&w->event);
}


void
ngx_http_profiling_answer_later(ngx_http_request_t *r)
{
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
    r->main->count++;

    /* it may have gone with its request: no other event will tell */

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }
}


void
ngx_http_profiling_answer(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_profiling_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_http_profiling_text_t *text)
{
    u_char       *semicolon;
    ngx_int_t     rc;
    ngx_chain_t  *out;

    out = ngx_http_profiling_text_finish(text);

    if (out == NULL
        || ngx_http_profiling_header(r, "Cache-Control", "no-store") != NGX_OK
        || ngx_http_profiling_header(r, "X-Content-Type-Options", "nosniff")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_type = *type;

    /* the length without parameters is what gzip_types is matched with */

    semicolon = ngx_strlchr(type->data, type->data + type->len, ';');
    r->headers_out.content_type_len = semicolon
                                      ? (size_t) (semicolon - type->data)
                                      : type->len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = text->size;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, out);
}


ngx_int_t
ngx_http_profiling_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value.len = ngx_strlen(value);
    h->value.data = (u_char *) value;

    return NGX_OK;
}
