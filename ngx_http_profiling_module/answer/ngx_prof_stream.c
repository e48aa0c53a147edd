
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_stream.h"
#include "ngx_prof_answer.h"


struct ngx_prof_stream_s {
    ngx_http_request_t  *request;
    ngx_chain_t         *busy;              /* not yet taken */
    void               (*more)(void *data);
    void                *data;
};


static ngx_uint_t ngx_prof_stream_taken(ngx_prof_stream_t *s);
static ngx_int_t ngx_prof_stream_wait(ngx_prof_stream_t *s);
static void ngx_prof_stream_write(ngx_http_request_t *r);
static ngx_prof_stream_t *ngx_prof_stream_find(ngx_http_request_t *r);
static void ngx_prof_stream_cleanup(void *data);


ngx_uint_t
ngx_prof_stream_able(ngx_http_request_t *r)
{
    return r == r->main
           && r->http_version >= NGX_HTTP_VERSION_11
           && r->method != NGX_HTTP_HEAD;
}


ngx_prof_stream_t *
ngx_prof_stream_begin(ngx_http_request_t *r, ngx_str_t *type,
    void (*more)(void *data), void *data)
{
    ngx_int_t            rc;
    ngx_prof_stream_t   *s;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_prof_stream_t));
    if (cln == NULL) {
        return NULL;
    }

    s = cln->data;
    s->request = r;
    s->busy = NULL;
    s->more = more;
    s->data = data;

    cln->handler = ngx_prof_stream_cleanup;

    rc = ngx_prof_answer_head(r, NGX_HTTP_OK, type, -1, NGX_PROF_STREAM_TIMES);

    return (rc == NGX_ERROR || rc > NGX_OK) ? NULL : s;
}


ngx_int_t
ngx_prof_stream_put(ngx_prof_stream_t *s, ngx_prof_text_t *text)
{
    ngx_int_t            rc;
    ngx_chain_t         *out, **last;
    ngx_http_request_t  *r;

    r = s->request;

    if (text->failed) {
        return NGX_ERROR;
    }

    /* room that was asked for but not used: nginx takes no empty buffer */

    for (last = &text->first; (*last)->next; last = &(*last)->next) {
        /* void */
    }

    if (ngx_buf_size((*last)->buf) == 0) {
        ngx_prof_text_free(r->pool, *last);
        *last = NULL;
    }

    out = text->first;

    if (ngx_chain_add_copy(r->pool, &s->busy, out) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_prof_text_init(text, r->pool);

    rc = ngx_http_output_filter(r, out);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_prof_stream_taken(s) ? NGX_OK : ngx_prof_stream_wait(s);
}


/* gives back what the client, or a filter, has taken; whether that is all */

static ngx_uint_t
ngx_prof_stream_taken(ngx_prof_stream_t *s)
{
    ngx_chain_t  *cl;

    while (s->busy && ngx_buf_size(s->busy->buf) == 0) {
        cl = s->busy;
        s->busy = cl->next;

        ngx_prof_text_free(s->request->pool, cl);
    }

    return (s->busy == NULL);
}


static ngx_int_t
ngx_prof_stream_wait(ngx_prof_stream_t *s)
{
    ngx_event_t               *wev;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = s->request;
    wev = r->connection->write;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    r->write_event_handler = ngx_prof_stream_write;

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    return (ngx_handle_write_event(wev, clcf->send_lowat) == NGX_OK)
           ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_prof_stream_write(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_event_t        *wev;
    ngx_prof_stream_t  *s;

    s = ngx_prof_stream_find(r);
    wev = r->connection->write;

    if (wev->timedout) {
        r->connection->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    rc = wev->delayed ? NGX_AGAIN : ngx_http_output_filter(r, NULL);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    if (!ngx_prof_stream_taken(s)) {

        if (ngx_prof_stream_wait(s) == NGX_ERROR) {
            ngx_http_finalize_request(r, NGX_ERROR);
        }

        return;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    if (wev->timer_set) {
        ngx_del_timer(wev);
    }

    s->more(s->data);
}


/* nginx's handlers of a request have nothing but it */

static ngx_prof_stream_t *
ngx_prof_stream_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    cln = r->pool->cleanup;

    while (cln->handler != ngx_prof_stream_cleanup) {
        cln = cln->next;
    }

    return cln->data;
}


static void
ngx_prof_stream_cleanup(void *data)
{
    /* what it holds is in the pool */
}


ngx_int_t
ngx_prof_stream_last(ngx_prof_stream_t *s, ngx_prof_text_t *text)
{
    ngx_chain_t  *out;

    if (text->size == 0) {
        return ngx_http_send_special(s->request, NGX_HTTP_LAST);
    }

    out = ngx_prof_text_finish(text);

    return out ? ngx_http_output_filter(s->request, out) : NGX_ERROR;
}
