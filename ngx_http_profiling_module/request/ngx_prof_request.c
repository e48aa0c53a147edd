
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_request.h"
#include "ngx_prof_base.h"
#include "ngx_prof_begun.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_context.h"
#include "ngx_prof_counter.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_proxied.h"
#include "ngx_prof_received.h"
#include "ngx_prof_route.h"
#include "ngx_prof_slice.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_upstream.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* streams of HTTP/2 and HTTP/3 have connections outside nginx's table */

typedef struct {
    uint64_t             start;                 /* ns, of the pass */
    uint64_t             end;                   /* as of a context */
    uintptr_t            request;
    uintptr_t            counted;               /* as of a context */
    ngx_connection_t    *connection;
    ngx_prof_context_t  *context;               /* NULL: not known */
} ngx_prof_stream_t;


static ngx_int_t ngx_prof_log_counted(ngx_http_request_t *r);
static ngx_int_t ngx_prof_log_clock(ngx_http_request_t *r);
static ngx_int_t ngx_prof_log_charged(ngx_http_request_t *r);
static ngx_int_t ngx_prof_log_charged_clock(ngx_http_request_t *r);
static ngx_int_t ngx_prof_log_sliced(ngx_http_request_t *r, uint64_t now)
    __attribute__((noinline));
static ngx_int_t ngx_prof_log_watched(ngx_http_request_t *r);
static ngx_int_t ngx_prof_log_watched_clock(ngx_http_request_t *r);
static ngx_int_t ngx_prof_log_long(ngx_http_request_t *r, uint64_t now)
    __attribute__((noinline));
static ngx_int_t ngx_prof_log_any(ngx_http_request_t *r)
    __attribute__((noinline));
static void ngx_prof_log_last(ngx_http_core_main_conf_t *cmcf);
static void ngx_prof_request_post(ngx_http_request_t *r);
static ngx_uint_t ngx_prof_request_whole(const ngx_http_request_t *r);
static ngx_uint_t ngx_prof_request_status(ngx_http_request_t *r);
static void ngx_prof_stream_cleanup(void *data);

/* rare cases stay out of the code that each request runs */

static void ngx_prof_request_stream(ngx_http_request_t *r);
static void ngx_prof_request_route(ngx_http_request_t *r);
static void ngx_prof_request_passed(ngx_http_request_t *r);
static void ngx_prof_request_failed(ngx_http_request_t *r);
static uintptr_t *ngx_prof_request_counted(ngx_http_request_t *r);
static ngx_prof_context_t *ngx_prof_request_find(ngx_http_request_t *r);
static ngx_prof_stream_t *ngx_prof_request_find_stream(ngx_http_request_t *r)
    __attribute__((noinline));
static uint64_t ngx_prof_request_earlier(ngx_http_request_t *r, uint64_t start)
    __attribute__((noinline));
static ngx_prof_context_t *ngx_prof_request_context(ngx_http_request_t *r)
    __attribute__((noinline));
static void ngx_prof_request_count(ngx_http_request_t *r, ngx_uint_t place,
    uint64_t latency, uint64_t after);
static ngx_connection_t *ngx_prof_request_parent(ngx_http_request_t *r);


uint64_t  ngx_prof_request_late;

/* of the configuration that was read last */
static ngx_http_handler_pt  ngx_prof_log_chosen;


ngx_int_t
ngx_prof_request_init(ngx_conf_t *cf)
{
    ngx_uint_t                  counted;
    ngx_http_handler_pt        *h;
    ngx_prof_main_conf_t       *mcf;
    ngx_http_core_main_conf_t  *cmcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    counted = ngx_prof_clock_choose();

    ngx_prof_log_chosen =
        mcf->cost ? (counted ? ngx_prof_log_charged
                             : ngx_prof_log_charged_clock)
        : mcf->watch ? (counted ? ngx_prof_log_watched
                                : ngx_prof_log_watched_clock)
        : (counted ? ngx_prof_log_counted : ngx_prof_log_clock);

    *h = ngx_prof_log_chosen;

    return ngx_prof_route_init(cf, ngx_prof_request_failed);
}


void
ngx_prof_request_init_module(ngx_cycle_t *cycle)
{
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    if (cmcf) {
        ngx_prof_log_last(cmcf);
    }
}


/* what others do in the phase of the log comes after the response, too */

static void
ngx_prof_log_last(ngx_http_core_main_conf_t *cmcf)
{
    ngx_uint_t            i, n;
    ngx_http_handler_pt  *h;

    h = cmcf->phases[NGX_HTTP_LOG_PHASE].handlers.elts;
    n = cmcf->phases[NGX_HTTP_LOG_PHASE].handlers.nelts;

    for (i = 0; i + 1 < n; i++) {

        if (h[i] == ngx_prof_log_chosen) {
            h[i] = h[i + 1];
            h[i + 1] = ngx_prof_log_chosen;
        }
    }
}


ngx_uint_t
ngx_prof_request_active(const ngx_connection_t *c)
{
    ngx_prof_context_t  *context;

    context = ngx_prof_context_find(c);

    return context ? ngx_prof_context_active(context) : 0;
}


/* slow path: the latest request has not ended yet, or this one is a stream */

void
ngx_prof_request_another(ngx_http_request_t *r)
{
    ngx_prof_context_t  *latest, *context;

    latest = &ngx_prof_latest;

    if (latest->request == NGX_PROF_NO_REQUEST || r != r->main) {
        return;
    }

    if (ngx_prof_is_stream(r)) {
        ngx_prof_request_stream(r);
        return;
    }

    context = ngx_prof_context_find(r->connection);

    if (context == NULL) {
        return;
    }

    if (context->request == (uintptr_t) r) {

        /* it enters its first phase again: its server is known only now */

        context->place = ngx_prof_context_place(r);
        return;
    }

    ngx_prof_request_put_away();
    ngx_prof_context_note(latest, r);
}


void
ngx_prof_request_put_away(void)
{
    uint64_t             streams;
    ngx_prof_context_t  *latest, *context;

    latest = &ngx_prof_latest;
    context = ngx_prof_context((ngx_connection_t *) latest->connection);

    if (context) {
        streams = context->streams;
        *context = *latest;
        context->number = ((ngx_connection_t *) latest->connection)->number;
        context->streams = streams;
    }

    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    latest->request = 0;

    if (context) {
        ngx_prof_context_known(context);
    }
}


static void
ngx_prof_request_stream(ngx_http_request_t *r)
{
    ngx_connection_t    *parent;
    ngx_pool_cleanup_t  *cln;
    ngx_prof_stream_t   *stream;

    if (ngx_prof_request_find_stream(r)) {
        ngx_prof_context_located(r);
        return;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_prof_stream_t));
    if (cln == NULL) {
        return;
    }

    stream = cln->data;
    stream->start = ngx_prof_loop_pass_start();
    stream->end = 0;
    stream->request = (uintptr_t) r;
    stream->counted = (uintptr_t) ngx_prof_context_location(r);
    stream->connection = r->connection;

    parent = ngx_prof_request_parent(r);
    stream->context = ngx_prof_context(parent);

    if (stream->context) {
        stream->context->streams++;
        stream->context->number = parent->number;
        ngx_prof_context_note(stream->context, r);
    }

    ngx_prof_context_carry(r);

    cln->handler = ngx_prof_stream_cleanup;
}


void
ngx_prof_request_located(ngx_http_request_t *r)
{
    if (ngx_prof_process.slot == NULL) {
        return;
    }

    if (r == r->main) {
        ngx_prof_request_route(r);

    } else if (ngx_prof_route_is_first(r)) {
        ngx_prof_upstream_subrequest(r);
    }

    ngx_prof_context_located(r);

    if (r == r->main && ngx_prof_is_stream(r)) {
        ngx_prof_request_passed(r);
    }
}


/*
 * A report of a death has the latest request of each pass.  A stream is none
 * that has begun in this pass for whoever asks: it may not be the one served.
 */

static void
ngx_prof_request_passed(ngx_http_request_t *r)
{
    if (ngx_prof_latest.request == 0) {
        ngx_prof_latest.place = ngx_prof_context_place(r);
        ngx_prof_latest.start = ngx_prof_loop_pass_start() - 1;
    }
}


/* a main request is in another location than before */

static void
ngx_prof_request_route(ngx_http_request_t *r)
{
    uintptr_t            *counted;
    ngx_prof_plain_t     *plain;
    ngx_prof_route_e      route;
    ngx_prof_loc_conf_t  *lcf;

    if (r->post_action) {
        ngx_prof_request_post(r);
    }

    counted = ngx_prof_request_counted(r);

    if (counted == NULL) {
        return;
    }

    lcf = (ngx_prof_loc_conf_t *) (*counted & ~(uintptr_t) 1);
    route = ngx_prof_route(counted, r);

    if (route == NGX_PROF_ROUTE_INTERNAL) {
        lcf = ngx_prof_context_location(r);
    }

    if (route == NGX_PROF_ROUTE_SAME || !lcf->counted) {
        return;
    }

    plain = ngx_prof_counter_of(lcf->place)->cell->plain;

    if (route == NGX_PROF_ROUTE_INTERNAL) {
        ngx_prof_add(&plain->internal, 1);

    } else {
        ngx_prof_add(&plain->handed_over, 1);
    }
}


static void
ngx_prof_request_failed(ngx_http_request_t *r)
{
    uintptr_t  *counted;

    if (ngx_prof_process.slot == NULL || r != r->main) {
        return;
    }

    counted = ngx_prof_request_counted(r);

    if (counted) {
        ngx_prof_route_failed(counted, r);
    }
}


/* where it is kept which location counts a request; NULL: not recorded */

static uintptr_t *
ngx_prof_request_counted(ngx_http_request_t *r)
{
    ngx_prof_stream_t   *stream;
    ngx_prof_context_t  *context;

    context = ngx_prof_request_find(r);

    if (context) {
        return &context->counted;
    }

    stream = ngx_prof_request_find_stream(r);

    return stream ? &stream->counted : NULL;
}


/* a request that has had its response is sent to its post_action */

static void
ngx_prof_request_post(ngx_http_request_t *r)
{
    uint64_t  *end;

    /* what it has yet to do is not the response */

    if (ngx_prof_latest.request == (uintptr_t) r) {
        ngx_prof_request_put_away();
    }

    end = ngx_prof_request_end(r);

    if (end && *end == 0) {
        *end = ngx_prof_loop_now();
    }
}


uint64_t *
ngx_prof_request_end(ngx_http_request_t *r)
{
    ngx_prof_stream_t   *stream;
    ngx_prof_context_t  *context;

    context = ngx_prof_request_find(r);

    if (context) {
        return &context->end;
    }

    stream = ngx_prof_request_find_stream(r);

    return stream ? &stream->end : NULL;
}


/* returns when the request began, in ns, and forgets the request */

static ngx_inline uint64_t
ngx_prof_request_finish(ngx_prof_context_t *context, ngx_http_request_t *r)
{
    uint64_t     start;
    ngx_time_t  *tp;

    context->request = 0;
    start = context->start;

    tp = ngx_timeofday();

    if (ngx_prof_unlikely(tp->msec != r->start_msec
                          || tp->sec != r->start_sec))
    {
        return ngx_prof_request_earlier(r, start);
    }

    return start;
}


/*
 * A request has ended, the latest one, right after its response, with what
 * most have.  Nothing is called here, so that nothing has to be saved.
 */

static ngx_prof_always_inline ngx_int_t
ngx_prof_log_handler(ngx_http_request_t *r, ngx_uint_t counted, uint64_t now)
{
    off_t                 in, out;
    uint64_t              end, latency, *chunk;
    ngx_uint_t            bucket;
    ngx_time_t           *tp;
    ngx_prof_slot_t      *slot;
    ngx_prof_counting_t  *counter;
    ngx_prof_loc_conf_t  *lcf;

    end = ngx_prof_latest.end;
    tp = ngx_timeofday();

    if (ngx_prof_unlikely(ngx_prof_latest.request != (uintptr_t) r
                          || (ngx_prof_latest.counted & 1)
                          || now - end >= ngx_prof_request_late
                          || tp->msec != r->start_msec
                          || tp->sec != r->start_sec
                          || ((r->headers_out.status ^ NGX_HTTP_OK)
                              | r->err_status
                              | (uintptr_t) r->upstream)
                          || r->headers_in.content_length_n != -1
                          || !r->done))
    {
        return (r->upstream
                && ngx_prof_proxied_count(r, ngx_prof_request_late) == NGX_OK)
               ? NGX_OK : ngx_prof_log_any(r);
    }

    lcf = (ngx_prof_loc_conf_t *) ngx_prof_latest.counted;
    counter = ngx_prof_counters[lcf->counter];

    if (ngx_prof_unlikely(counter == NULL)) {
        return ngx_prof_log_any(r);
    }

    latency = ngx_prof_passed(ngx_prof_latest.start,
                              ngx_prof_loop_at(counted, end));
    bucket = ngx_prof_hist_bucket(latency);
    chunk = ngx_prof_counting_chunk(counter, NGX_PROF_LATENCY, bucket);

    if (ngx_prof_unlikely(chunk == NULL)) {
        return ngx_prof_log_any(r);
    }

    ngx_prof_latest.request = 0;

    slot = ngx_prof_process.slot;
    in = r->request_length;
    out = r->connection->sent;

    ngx_prof_cell_add_all(counter->cell, chunk, &slot->all, NGX_PROF_CODE_200,
                          in, out, bucket, latency);

    return NGX_OK;
}


/* any other */

static ngx_int_t
ngx_prof_log_any(ngx_http_request_t *r)
{
    uint64_t              now, end, after, start, latency;
    ngx_uint_t            clock;
    ngx_prof_context_t   *context;
    ngx_prof_loc_conf_t  *lcf;

    if (r != r->main) {
        return NGX_OK;
    }

    context = ngx_prof_request_context(r);

    if (context == NULL) {
        return NGX_OK;
    }

    clock = ngx_prof_clock_counted();
    now = ngx_prof_loop_ticks(clock);
    end = (context->end && ngx_prof_request_whole(r)) ? context->end : now;
    after = ngx_prof_loop_took(clock, now - end);

    lcf = ngx_prof_route_location(context->counted,
                                  ngx_prof_context_location(r));
    start = ngx_prof_request_finish(context, r);

    /* the clock may have been set right since: by what it is off, at most */

    latency = ngx_prof_passed(start, ngx_prof_loop_at(clock, now) - after);

    if (lcf->counted) {
        ngx_prof_request_count(r, lcf->place, latency, after);
    }

    return NGX_OK;
}


/* nginx gave no part of the response up, and no other protocol followed it */

static ngx_uint_t
ngx_prof_request_whole(const ngx_http_request_t *r)
{
    if (r->post_action) {
        return 1;
    }

    return r->done && (r->upstream == NULL || !r->upstream->upgrade);
}


static void
ngx_prof_request_count(ngx_http_request_t *r, ngx_uint_t place,
    uint64_t latency, uint64_t after)
{
    off_t                 in, out;
    ngx_uint_t            code, bucket;
    ngx_prof_cell_t      *cell;
    ngx_prof_counts_t    *all;
    ngx_prof_counting_t  *counter;

    code = ngx_prof_code_index(ngx_prof_request_status(r));
    bucket = ngx_prof_hist_bucket(latency);
    counter = ngx_prof_counter_open(place, NGX_PROF_LATENCY, bucket);
    cell = counter->cell;
    all = &ngx_prof_process.slot->all;
    in = ngx_prof_received(r);
    out = r->connection->sent;

    ngx_prof_cell_add_all(cell,
                          ngx_prof_counting_chunk(counter, NGX_PROF_LATENCY,
                                                  bucket),
                          all, code, in, out, bucket, latency);

    if (after >= NGX_PROF_REQUEST_LATE) {
        ngx_prof_plain_after(&all->plain, after);
        ngx_prof_plain_after(&cell->plain[0], after);
    }

    ngx_prof_upstream_count(r, place);
}


static ngx_int_t
ngx_prof_log_counted(ngx_http_request_t *r)
{
    return ngx_prof_log_handler(r, 1, ngx_prof_loop_ticks(1));
}


static ngx_int_t
ngx_prof_log_clock(ngx_http_request_t *r)
{
    return ngx_prof_log_handler(r, 0, ngx_prof_loop_ticks(0));
}


static ngx_prof_always_inline ngx_int_t
ngx_prof_log_charge(ngx_http_request_t *r, ngx_uint_t counted)
{
    uint64_t  now;

    now = ngx_prof_loop_ticks(counted);

    if (ngx_prof_unlikely(!ngx_prof_slice_at_once(r, now))) {
        return ngx_prof_log_sliced(r, now);
    }

    ngx_prof_slice_leave(r, now);

    return ngx_prof_log_handler(r, counted, now);
}


static ngx_int_t
ngx_prof_log_charged(ngx_http_request_t *r)
{
    return ngx_prof_log_charge(r, 1);
}


static ngx_int_t
ngx_prof_log_charged_clock(ngx_http_request_t *r)
{
    return ngx_prof_log_charge(r, 0);
}


/* a request that has had slices before, or is slow */

static ngx_int_t
ngx_prof_log_sliced(ngx_http_request_t *r, uint64_t now)
{
    ngx_prof_slice_logged(r, now);

    return ngx_prof_log_handler(r, ngx_prof_clock_counted(), now);
}


static ngx_prof_always_inline ngx_int_t
ngx_prof_log_watch(ngx_http_request_t *r, ngx_uint_t counted)
{
    uint64_t  now;

    now = ngx_prof_loop_ticks(counted);

    if (ngx_prof_unlikely(ngx_prof_latest.request != (uintptr_t) r
                          || !ngx_prof_slice_is_short(now)))
    {
        return ngx_prof_log_long(r, now);
    }

    ngx_prof_slice_anew(now);

    return ngx_prof_log_handler(r, counted, now);
}


static ngx_int_t
ngx_prof_log_watched(ngx_http_request_t *r)
{
    return ngx_prof_log_watch(r, 1);
}


static ngx_int_t
ngx_prof_log_watched_clock(ngx_http_request_t *r)
{
    return ngx_prof_log_watch(r, 0);
}


static ngx_int_t
ngx_prof_log_long(ngx_http_request_t *r, uint64_t now)
{
    ngx_prof_slice_end(r, now);

    return ngx_prof_log_any(r);
}


/*
 * The entry of a request that is not the one that began last.  NULL: this
 * worker has no slot.
 */

static ngx_prof_context_t *
ngx_prof_request_context(ngx_http_request_t *r)
{
    ngx_prof_stream_t         *stream;
    ngx_prof_context_t        *context;
    static ngx_prof_context_t  unknown;

    if (ngx_prof_process.slot == NULL) {
        return NULL;
    }

    context = ngx_prof_request_find(r);

    if (context) {
        return context;
    }

    stream = ngx_prof_request_find_stream(r);

    if (stream) {
        unknown.start = stream->start;
        unknown.end = stream->end;
        unknown.counted = stream->counted;

    } else {

        /* it ended before its headers were complete */

        unknown.start = ngx_prof_loop_pass_start();
        unknown.end = 0;
        unknown.counted = (uintptr_t) ngx_prof_context_location(r);
    }

    return &unknown;
}


/* a request whose first bytes came before the present millisecond */

static uint64_t
ngx_prof_request_earlier(ngx_http_request_t *r, uint64_t start)
{
    return ngx_prof_begun(r, ngx_prof_loop_pass_start(), start);
}


/*
 * A request is recorded by its connection, a stream in its own pool: QUIC's
 * streams have connections of nginx's table, too, where nothing is noted.
 * NULL: it is not recorded so.
 */

static ngx_prof_context_t *
ngx_prof_request_find(ngx_http_request_t *r)
{
    ngx_prof_context_t  *context;

    context = ngx_prof_context_find(r->connection);

    return (context && context->request == (uintptr_t) r) ? context : NULL;
}


static ngx_prof_stream_t *
ngx_prof_request_find_stream(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    if (!ngx_prof_is_stream(r)) {
        return NULL;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_prof_stream_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_prof_stream_cleanup(void *data)
{
    ngx_prof_stream_t *stream = data;

    ngx_prof_context_drop(stream->connection);

    if (stream->context && stream->context->streams) {
        stream->context->streams--;

        if (stream->context->request == stream->request) {
            stream->context->request = 0;
        }
    }
}


static ngx_uint_t
ngx_prof_request_status(ngx_http_request_t *r)
{
    if (r->err_status) {
        return r->err_status;
    }

    return r->headers_out.status;
}


/* the connection that carries the stream of a request; NULL: not known */

static ngx_connection_t *
ngx_prof_request_parent(ngx_http_request_t *r)
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
