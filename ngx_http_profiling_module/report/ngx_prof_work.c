
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_work.h"
#include "ngx_prof_answer.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_job.h"
#include "ngx_prof_text.h"


static ngx_int_t ngx_prof_work_slice(ngx_prof_work_t *w);
static ngx_int_t ngx_prof_work_step(void *data);
static void ngx_prof_work_handler(ngx_event_t *ev);
static ngx_int_t ngx_prof_work_part(ngx_prof_work_t *w);
static void ngx_prof_work_more(void *data);
static void ngx_prof_work_cleanup(void *data);


ngx_prof_work_t *
ngx_prof_work_create(ngx_http_request_t *r)
{
    ngx_prof_work_t  *w;

    w = ngx_pcalloc(r->pool, sizeof(ngx_prof_work_t));
    if (w == NULL) {
        return NULL;
    }

    w->request = r;
    w->status = NGX_HTTP_OK;
    ngx_str_set(&w->type, "application/json; charset=utf-8");

    ngx_prof_text_init(&w->json.text, r->pool);

    /* the API has refused what is wrong before */

    if (ngx_prof_argument_fields(r, &w->fields) == NGX_OK) {
        w->json.fields = &w->fields;
    }

    return w;
}


ngx_int_t
ngx_prof_work_run(ngx_prof_work_t *w)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;
    ngx_pool_cleanup_t  *cln;

    r = w->request;

    rc = ngx_prof_work_slice(w);

    if (rc != NGX_AGAIN) {
        return rc;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_prof_work_cleanup;
    cln->data = w;

    ngx_prof_event_init(&w->event, &w->connection,
                        ngx_prof_work_handler,
                        r->connection->log);

    ngx_prof_answer_later(r);

    ngx_prof_turn(&w->event);

    return NGX_DONE;
}


/* runs a slice; returns NGX_AGAIN, or what the finished request returns */

static ngx_int_t
ngx_prof_work_slice(ngx_prof_work_t *w)
{
    ngx_int_t  rc;

    rc = ngx_prof_turn_slice(ngx_prof_work_step, w);

    if (rc == NGX_DONE && w->finish) {
        return w->finish(w);
    }

    if (w->stream && rc == NGX_ERROR) {
        return rc;
    }

    if (rc == NGX_DONE) {
        rc = w->stream
             ? ngx_prof_stream_last(w->stream, &w->json.text)
             : ngx_prof_send(w->request, w->status, &w->type, &w->json.text);

        /* nginx sends what the client has not taken yet */

        return (rc == NGX_AGAIN) ? NGX_OK : rc;
    }

    return (rc == NGX_ERROR) ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
}


static ngx_int_t
ngx_prof_work_step(void *data)
{
    ngx_prof_work_t *w = data;

    ngx_int_t  rc;

    /* not before its turn: a client that leaves meanwhile needs none */

    if (w->snapshot == NULL) {
        w->snapshot = ngx_prof_snapshot_create(w->request->pool, w->worker);

        if (w->snapshot == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_prof_snapshot_next(w->snapshot) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    rc = w->step(w);

    /* what it holds is for others */

    return w->json.text.failed ? NGX_ERROR : rc;
}


static void
ngx_prof_work_handler(ngx_event_t *ev)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;
    ngx_prof_work_t     *w;

    w = (ngx_prof_work_t *)
            ((u_char *) ev - offsetof(ngx_prof_work_t, event));
    r = w->request;

    ngx_prof_event_stop(ev);

    rc = ngx_prof_work_slice(w);

    if (rc == NGX_AGAIN
        && w->parts
        && w->json.text.size >= NGX_PROF_STREAM_PART)
    {
        rc = ngx_prof_work_part(w);

        if (rc == NGX_AGAIN) {
            return;
        }

        rc = (rc == NGX_OK) ? NGX_AGAIN : NGX_ERROR;
    }

    if (rc == NGX_AGAIN) {
        ngx_prof_work_more(w);
        return;
    }

    ngx_prof_answer(r, rc);
}


/* as ngx_prof_stream_put() */

static ngx_int_t
ngx_prof_work_part(ngx_prof_work_t *w)
{
    if (w->stream == NULL) {
        w->stream = ngx_prof_stream_begin(w->request, &w->type,
                                          ngx_prof_work_more, w);
        if (w->stream == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_prof_stream_put(w->stream, &w->json.text);
}


static void
ngx_prof_work_more(void *data)
{
    ngx_prof_work_t *w = data;

    ngx_prof_turn(&w->event);
}


static void
ngx_prof_work_cleanup(void *data)
{
    ngx_prof_work_t *w = data;

    ngx_prof_event_stop(&w->event);
}
