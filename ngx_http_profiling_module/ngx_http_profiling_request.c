
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_request.h"
#include "ngx_http_profiling_context.h"
#include "ngx_http_profiling_loop.h"


/* of HTTP/2 and HTTP/3, which have connections outside nginx's table */

typedef struct {
    uint64_t                       start;
    ngx_http_request_t            *request;
    ngx_http_profiling_context_t  *context;     /* NULL: not known */
} ngx_http_profiling_stream_t;


static ngx_int_t ngx_http_profiling_post_read_handler(ngx_http_request_t *r);

/* what is rare stays out of what each request passes */

static ngx_int_t ngx_http_profiling_stream_handler(ngx_http_request_t *r)
    __attribute__((noinline));
static ngx_int_t ngx_http_profiling_rewrite_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_profiling_log_handler(ngx_http_request_t *r);
static uint64_t ngx_http_profiling_request_earlier(ngx_http_request_t *r)
    __attribute__((noinline));
static uint64_t ngx_http_profiling_request_finish(ngx_http_request_t *r);
static ngx_uint_t ngx_http_profiling_request_status(ngx_http_request_t *r);
static void ngx_http_profiling_request_upstream(ngx_http_request_t *r,
    ngx_http_profiling_counts_t *all, ngx_http_profiling_counts_t *place);
static ngx_connection_t *ngx_http_profiling_request_parent(
    ngx_http_request_t *r);
static void ngx_http_profiling_stream_cleanup(void *data);


static u_char  *ngx_http_profiling_places;


ngx_int_t
ngx_http_profiling_request_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_profiling_post_read_handler;

    /* later modules are called first: before rewrite's own "return" */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_profiling_rewrite_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_profiling_log_handler;

    return NGX_OK;
}


void
ngx_http_profiling_request_init_process(ngx_cycle_t *cycle)
{
    ngx_http_profiling_places = (u_char *)
        ngx_http_profiling_zone_counts(ngx_http_profiling_process.zone,
                                       ngx_http_profiling_process.slot, 0);
}


ngx_uint_t
ngx_http_profiling_request_active(const ngx_connection_t *c)
{
    ngx_http_profiling_context_t  *context;

    context = ngx_http_profiling_context(c);

    return context ? context->active : 0;
}


/*
 * A request begins with the pass of the event loop in which its first bytes
 * came: time that it waited for other events of that pass is time that its
 * client waited.  If earlier passes read its first bytes, nginx's own start,
 * in ms, tells how long ago.
 */

static ngx_inline uint64_t
ngx_http_profiling_request_start(ngx_http_request_t *r)
{
    uint64_t     now;
    ngx_time_t  *tp;

    now = ngx_http_profiling_loop_pass_start();
    tp = ngx_timeofday();

    if (now && tp->sec == r->start_sec && tp->msec == r->start_msec) {
        return now;
    }

    return ngx_http_profiling_request_earlier(r);
}


static ngx_int_t
ngx_http_profiling_post_read_handler(ngx_http_request_t *r)
{
    ngx_http_profiling_context_t   *context;
    ngx_http_profiling_loc_conf_t  *lcf;

    if (ngx_http_profiling_process.slot == NULL) {
        return NGX_DECLINED;
    }

    context = ngx_http_profiling_context(r->connection);

    if (context) {
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

        context->start = ngx_http_profiling_request_start(r);
        context->active = 1;

        ngx_http_profiling_context_note(context, r, lcf->place);

        return NGX_DECLINED;
    }

    return ngx_http_profiling_stream_handler(r);
}


static ngx_int_t
ngx_http_profiling_stream_handler(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t           *cln;
    ngx_http_profiling_stream_t  *stream;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_profiling_stream_t));
    if (cln == NULL) {
        return NGX_DECLINED;
    }

    stream = cln->data;
    stream->start = ngx_http_profiling_request_start(r);
    stream->request = r;
    stream->context = ngx_http_profiling_context(
                                        ngx_http_profiling_request_parent(r));
    if (stream->context) {
        stream->context->active++;
    }

    cln->handler = ngx_http_profiling_stream_cleanup;

    return ngx_http_profiling_rewrite_handler(r);
}


/* the location is found, for the first time or anew */

static ngx_int_t
ngx_http_profiling_rewrite_handler(ngx_http_request_t *r)
{
    ngx_http_profiling_context_t   *context;
    ngx_http_profiling_loc_conf_t  *lcf;

    if (ngx_http_profiling_process.slot == NULL) {
        return NGX_DECLINED;
    }

    context = ngx_http_profiling_context(r->connection);

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    if (context == NULL) {
        context = ngx_http_profiling_context(
                                        ngx_http_profiling_request_parent(r));
        ngx_http_profiling_context_carry(r->connection, lcf->place);
    }

    if (context) {
        ngx_http_profiling_context_note(context, r->main, lcf->place);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_profiling_log_handler(ngx_http_request_t *r)
{
    uint64_t                        start, latency;
    ngx_uint_t                      code, bucket;
    ngx_http_profiling_slot_t      *slot;
    ngx_http_profiling_counts_t    *place;
    ngx_http_profiling_loc_conf_t  *lcf;

    slot = ngx_http_profiling_process.slot;

    if (slot == NULL || r != r->main) {
        return NGX_OK;
    }

    start = ngx_http_profiling_request_finish(r);

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    if (!lcf->enable || lcf->handler) {
        return NGX_OK;
    }

    latency = ngx_http_profiling_clock() - start;
    bucket = ngx_http_profiling_hist_bucket(latency);
    code = ngx_http_profiling_code_index(ngx_http_profiling_request_status(r));

    place = (ngx_http_profiling_counts_t *)
                (ngx_http_profiling_places
                 + lcf->place * NGX_HTTP_PROFILING_COUNTS_SIZE);

    ngx_http_profiling_counts_add(&slot->all, code, r->request_length,
                                  r->connection->sent, bucket, latency);
    ngx_http_profiling_counts_add(place, code, r->request_length,
                                  r->connection->sent, bucket, latency);

    if (r->upstream_states) {
        ngx_http_profiling_request_upstream(r, &slot->all, place);
    }

    return NGX_OK;
}


static uint64_t
ngx_http_profiling_request_earlier(ngx_http_request_t *r)
{
    uint64_t     now;
    ngx_time_t  *tp;
    int64_t      ms;

    now = ngx_http_profiling_loop_pass_start();

    if (now == 0) {
        now = ngx_http_profiling_clock();
    }

    tp = ngx_timeofday();
    ms = (int64_t) (tp->sec - r->start_sec) * 1000
         + ((int64_t) tp->msec - (int64_t) r->start_msec);

    /* the clock of the day may have been set back meanwhile */

    return now - (uint64_t) ngx_max(ms, 0) * 1000000;
}


/* the request's start; it is no longer served */

static uint64_t
ngx_http_profiling_request_finish(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t            *cln;
    ngx_http_profiling_stream_t   *stream;
    ngx_http_profiling_context_t  *context;

    context = ngx_http_profiling_context(r->connection);

    if (context && context->request == (uintptr_t) r) {
        context->active = 0;
        ngx_http_profiling_context_clear(context, r);
        return context->start;
    }

    if (context == NULL) {

        for (cln = r->pool->cleanup; cln; cln = cln->next) {

            if (cln->handler == ngx_http_profiling_stream_cleanup) {
                stream = cln->data;
                return stream->start;
            }
        }
    }

    /* it ended before its headers were complete */

    return ngx_http_profiling_request_start(r);
}


static void
ngx_http_profiling_stream_cleanup(void *data)
{
    ngx_http_profiling_stream_t *stream = data;

    ngx_http_profiling_context_drop(stream->request->connection);

    if (stream->context && stream->context->active) {
        stream->context->active--;
        ngx_http_profiling_context_clear(stream->context, stream->request);
    }
}


static ngx_uint_t
ngx_http_profiling_request_status(ngx_http_request_t *r)
{
    if (r->err_status) {
        return r->err_status;
    }

    return r->headers_out.status;
}


static void
ngx_http_profiling_request_upstream(ngx_http_request_t *r,
    ngx_http_profiling_counts_t *all, ngx_http_profiling_counts_t *place)
{
    uint64_t                    ns;
    ngx_uint_t                  i, bucket, known;
    ngx_http_upstream_state_t  *state;

    ns = 0;
    known = 0;
    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {

        if (state[i].peer
            && state[i].response_time != (ngx_msec_t) -1)
        {
            ns += (uint64_t) state[i].response_time * 1000000;
            known = 1;
        }
    }

    if (!known) {
        return;
    }

    bucket = ngx_http_profiling_hist_bucket(ns);

    ngx_http_profiling_hist_count(&all->upstream, bucket, ns);
    ngx_http_profiling_hist_count(&place->upstream, bucket, ns);
}


/* the connection that carries the stream of a request; NULL: not known */

static ngx_connection_t *
ngx_http_profiling_request_parent(ngx_http_request_t *r)
{
#if (NGX_HTTP_V2)

    if (r->stream) {
        return r->stream->connection->connection;
    }

#endif

#if (NGX_HTTP_V3)

    if (r->connection->quic) {
        return r->connection->quic->parent;
    }

#endif

    return NULL;
}
