
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_answer.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_job.h"


typedef struct {
    ngx_prof_error_pt    error;
} ngx_prof_answer_t;


typedef struct {
    ngx_http_request_t  *request;
    ngx_event_t          timer;
    ngx_connection_t     connection;
} ngx_prof_answer_limit_t;


static ngx_int_t ngx_prof_answer_limit(ngx_http_request_t *r,
    ngx_uint_t times);
static void ngx_prof_answer_late(ngx_event_t *ev);
static void ngx_prof_answer_cleanup(void *data);


void
ngx_prof_answer_later(ngx_http_request_t *r)
{
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
    r->main->count++;

    /* the client may have closed already: no further event would tell */

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }
}


void
ngx_prof_answer(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_finalize_request(r, ngx_prof_answer_status(r, rc));
    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_prof_answer_open(ngx_http_request_t *r, ngx_prof_error_pt error)
{
    ngx_prof_answer_t  *a;

    a = ngx_palloc(r->pool, sizeof(ngx_prof_answer_t));
    if (a == NULL) {
        return NGX_ERROR;
    }

    a->error = error;

    return ngx_prof_budget_open(r->pool, a);
}


ngx_int_t
ngx_prof_answer_status(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_prof_answer_t  *a;

    if (rc != NGX_HTTP_INTERNAL_SERVER_ERROR || r->header_sent) {
        return rc;
    }

    a = ngx_prof_budget_exceeded(r->pool);

    return a ? ngx_prof_answer_busy(r, a->error, "answers hold all of "
                                                 "profiling_answer_memory")
             : rc;
}


ngx_int_t
ngx_prof_answer_busy(ngx_http_request_t *r, ngx_prof_error_pt error,
    const char *why)
{
    if (ngx_prof_header(r, "Retry-After", NGX_PROF_RETRY_AFTER) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return error(r, NGX_HTTP_SERVICE_UNAVAILABLE, "%s", why);
}


/*
 * The answer is ready: a client that has not taken it when so many times
 * send_timeout are over loses it, however often it takes a little.
 */

static ngx_int_t
ngx_prof_answer_limit(ngx_http_request_t *r, ngx_uint_t times)
{
    ngx_pool_cleanup_t        *cln;
    ngx_prof_answer_limit_t   *l;
    ngx_http_core_loc_conf_t  *clcf;

    /* the whole of which a subrequest is a part is not ours */

    if (r != r->main) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_prof_answer_limit_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    l = cln->data;
    ngx_memzero(l, sizeof(ngx_prof_answer_limit_t));
    l->request = r;

    cln->handler = ngx_prof_answer_cleanup;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_prof_event_init(&l->timer, &l->connection, ngx_prof_answer_late,
                        r->connection->log);
    l->timer.cancelable = 1;

    ngx_add_timer(&l->timer, times * clcf->send_timeout);

    return NGX_OK;
}


static void
ngx_prof_answer_late(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_prof_answer_limit_t  *l;

    l = (ngx_prof_answer_limit_t *)
            ((u_char *) ev - offsetof(ngx_prof_answer_limit_t, timer));

    r = l->request;
    c = r->connection;

    ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                  "client did not take its answer in time");

#if (NGX_HTTP_V2)

    /* what is in the connection's queue, nginx keeps until it is sent */

    if (r->stream && r->stream->queued) {
        c = r->stream->connection->connection;
        c->write->timedout = 1;
        ngx_post_event(c->write, &ngx_posted_events);
        return;
    }

#endif

    c->timedout = 1;

    ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
    ngx_http_run_posted_requests(c);
}


static void
ngx_prof_answer_cleanup(void *data)
{
    ngx_prof_answer_limit_t *l = data;

    ngx_prof_event_stop(&l->timer);
}


ngx_int_t
ngx_prof_send(ngx_http_request_t *r, ngx_uint_t status, ngx_str_t *type,
    ngx_prof_text_t *text)
{
    ngx_int_t     rc;
    ngx_chain_t  *out;

    out = ngx_prof_text_finish(text);
    if (out == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_prof_answer_head(r, status, type, text->size, 1);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, out);
}


ngx_int_t
ngx_prof_answer_head(ngx_http_request_t *r, ngx_uint_t status, ngx_str_t *type,
    off_t length, ngx_uint_t times)
{
    u_char  *semicolon;

    if (ngx_prof_header(r, "Cache-Control", "no-store") != NGX_OK
        || ngx_prof_header(r, "X-Content-Type-Options", "nosniff") != NGX_OK
        || ngx_prof_answer_limit(r, times) != NGX_OK)
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
    r->headers_out.content_length_n = length;

    return ngx_http_send_header(r);
}


ngx_int_t
ngx_prof_header(ngx_http_request_t *r, const char *name, const char *value)
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
