
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
#include "ngx_prof_route.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/*
 * Code that each request runs must cost few instructions: only the log phase
 * has a handler of ours.  For the rest, the checkers of two phases of nginx's
 * engine are wrapped in functions that record the request on its way.
 */

#define ngx_prof_checker(note, checker)                                       \
                                                                              \
static ngx_int_t                                                              \
ngx_prof_##note##_##checker(ngx_http_request_t *r,                            \
    ngx_http_phase_handler_t *ph)                                             \
{                                                                             \
    ngx_prof_request_##note(r);                                               \
                                                                              \
    return ngx_http_core_##checker##_phase(r, ph);                            \
}


typedef struct {
    ngx_http_phase_handler_pt      checker;     /* nginx's */
    ngx_http_phase_handler_pt      wrapper;     /* ours, calls it */
} ngx_prof_checker_t;


/* streams of HTTP/2 and HTTP/3 have connections outside nginx's table */

typedef struct {
    uint64_t             start;                 /* ns, of the pass */
    uintptr_t            request;
    uintptr_t            counted;               /* as of a context */
    ngx_connection_t    *connection;
    ngx_prof_context_t  *context;               /* NULL: not known */
} ngx_prof_stream_t;


static ngx_int_t ngx_prof_log_counted(ngx_http_request_t *r);
static ngx_int_t ngx_prof_log_clock(ngx_http_request_t *r);
static ngx_uint_t ngx_prof_request_status(ngx_http_request_t *r);
static void ngx_prof_stream_cleanup(void *data);

/* rare cases stay out of the code that each request runs */

static ngx_int_t ngx_prof_request_wrap(ngx_http_phase_handler_t *ph,
    const ngx_prof_checker_t *checker, ngx_log_t *log);
static void ngx_prof_request_another(ngx_http_request_t *r)
    __attribute__((noinline));
static void ngx_prof_request_stream(ngx_http_request_t *r);
static void ngx_prof_request_located(ngx_http_request_t *r)
    __attribute__((noinline));
static void ngx_prof_request_route(ngx_http_request_t *r);
static void ngx_prof_request_failed(ngx_http_request_t *r);
static uintptr_t *ngx_prof_request_counted(ngx_http_request_t *r);
static ngx_int_t ngx_prof_request_filter(ngx_http_request_t *r);
static ngx_prof_stream_t *ngx_prof_request_find_stream(ngx_http_request_t *r)
    __attribute__((noinline));
static uint64_t ngx_prof_request_earlier(ngx_http_request_t *r, uint64_t start)
    __attribute__((noinline));
static ngx_prof_context_t *ngx_prof_request_context(ngx_http_request_t *r)
    __attribute__((noinline));
static ngx_int_t ngx_prof_request_count(ngx_http_request_t *r,
    ngx_uint_t place, ngx_uint_t code, ngx_uint_t bucket, uint64_t latency)
    __attribute__((noinline));
static void ngx_prof_request_upstream(ngx_http_request_t *r,
    ngx_uint_t place);
static ngx_connection_t *ngx_prof_request_parent(ngx_http_request_t *r);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


/* HTTP/2 and HTTP/3: the connection is not in nginx's table */

static ngx_inline ngx_uint_t
ngx_prof_is_stream(ngx_http_request_t *r)
{
#if (NGX_HTTP_V2)

    if (r->stream) {
        return 1;
    }

#endif

#if (NGX_HTTP_V3)

    if (r->connection->quic) {
        return 1;
    }

#endif

    return 0;
}


/*
 * A request enters its first phase.  Its time counts from the start of this
 * pass of the event loop: while other events of the pass were handled, its
 * client waited.
 */

static ngx_inline void
ngx_prof_request_begin(ngx_http_request_t *r)
{
    ngx_prof_context_t  *latest;

    latest = &ngx_prof_latest;

    if (ngx_prof_unlikely(latest->request != 0 || ngx_prof_is_stream(r))) {
        ngx_prof_request_another(r);

    } else if (ngx_prof_likely(r == r->main)) {
        ngx_prof_context_note(latest, r);
    }
}


/* the location of a request has been found, the first time or again */

static ngx_inline void
ngx_prof_request_locate(ngx_http_request_t *r)
{
    ngx_prof_context_t  *latest;

    latest = &ngx_prof_latest;

    if (ngx_prof_likely(latest->request == (uintptr_t) r
                        && ngx_prof_route_is_first(r)))
    {
        latest->counted = (uintptr_t) ngx_prof_context_location(r);
        latest->place = ngx_prof_context_place(r);

    } else {
        ngx_prof_request_located(r);
    }
}


ngx_prof_checker(begin, generic)
ngx_prof_checker(begin, rewrite)
ngx_prof_checker(begin, find_config)

ngx_prof_checker(locate, generic)
ngx_prof_checker(locate, rewrite)
ngx_prof_checker(locate, access)
ngx_prof_checker(locate, content)


/*
 * phases that may come first, and those that may follow the search for a
 * location
 */

static const ngx_prof_checker_t  ngx_prof_begins[] = {
    { ngx_http_core_generic_phase, ngx_prof_begin_generic },
    { ngx_http_core_rewrite_phase, ngx_prof_begin_rewrite },
    { ngx_http_core_find_config_phase, ngx_prof_begin_find_config },
    { NULL, NULL }
};

static const ngx_prof_checker_t  ngx_prof_locates[] = {
    { ngx_http_core_generic_phase, ngx_prof_locate_generic },
    { ngx_http_core_rewrite_phase, ngx_prof_locate_rewrite },
    { ngx_http_core_access_phase, ngx_prof_locate_access },
    { ngx_http_core_content_phase, ngx_prof_locate_content },
    { NULL, NULL }
};


ngx_int_t
ngx_prof_request_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_prof_clock_choose() ? ngx_prof_log_counted
                                           : ngx_prof_log_clock;

    return ngx_prof_route_init(cf, ngx_prof_request_failed);
}


void
ngx_prof_request_init_module(ngx_cycle_t *cycle)
{
    ngx_http_phase_engine_t    *engine;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    if (cmcf == NULL) {
        return;
    }

    engine = &cmcf->phase_engine;

    if (ngx_prof_request_wrap(&engine->handlers[0],
                              ngx_prof_begins,
                              cycle->log)
        != NGX_OK)
    {
        return;
    }

    (void) ngx_prof_request_wrap(
                           &engine->handlers[engine->location_rewrite_index],
                           ngx_prof_locates, cycle->log);
}


static ngx_int_t
ngx_prof_request_wrap(ngx_http_phase_handler_t *ph,
    const ngx_prof_checker_t *checker, ngx_log_t *log)
{
    for ( /* void */ ; checker->checker; checker++) {

        if (ph->checker == checker->checker) {
            ph->checker = checker->wrapper;
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "profiling does not know a phase of this nginx, "
                  "times and labels of requests are inexact");

    return NGX_DECLINED;
}


ngx_uint_t
ngx_prof_request_active(const ngx_connection_t *c)
{
    ngx_prof_context_t  *context;

    context = ngx_prof_context_find(c);

    return context ? ngx_prof_context_active(context) : 0;
}


/* slow path: the latest request has not ended yet, or this one is a stream */

static void
ngx_prof_request_another(ngx_http_request_t *r)
{
    uint64_t             streams;
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

    ngx_prof_context_note(latest, r);
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

    /* only streams need the filter: without them it takes itself out */

    if (ngx_http_top_header_filter != ngx_prof_request_filter) {
        ngx_http_next_header_filter = ngx_http_top_header_filter;
        ngx_http_top_header_filter = ngx_prof_request_filter;
    }

    cln->handler = ngx_prof_stream_cleanup;
}


static void
ngx_prof_request_located(ngx_http_request_t *r)
{
    if (ngx_prof_process.slot == NULL) {
        return;
    }

    if (r == r->main) {
        ngx_prof_request_route(r);
    }

    ngx_prof_context_located(r);
}


/* a main request is in another location than before */

static void
ngx_prof_request_route(ngx_http_request_t *r)
{
    uintptr_t            *counted;
    ngx_prof_plain_t     *plain;
    ngx_prof_route_e      route;
    ngx_prof_loc_conf_t  *lcf;

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

    if (ngx_prof_is_stream(r)) {
        stream = ngx_prof_request_find_stream(r);
        return stream ? &stream->counted : NULL;
    }

    context = ngx_prof_context_find(r->connection);

    return (context && context->request == (uintptr_t) r) ? &context->counted
                                                          : NULL;
}


/* the response of a stream begins: its connection does not tell */

static ngx_int_t
ngx_prof_request_filter(ngx_http_request_t *r)
{
    ngx_prof_context_t  *owner;

    if (r == r->main && ngx_prof_is_stream(r)) {
        owner = ngx_prof_context_owner((uintptr_t) r->connection);

        if (owner) {
            owner->sent = 1;
        }
    }

    return ngx_http_next_header_filter(r);
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


/* every call comes before the clock is read: that reading ends the request */

static ngx_prof_always_inline ngx_int_t
ngx_prof_log_handler(ngx_http_request_t *r, ngx_uint_t counted)
{
    off_t                 in, out;
    uint64_t              start, latency, *chunk;
    ngx_uint_t            code, bucket;
    ngx_prof_cell_t      *cell;
    ngx_prof_slot_t      *slot;
    ngx_prof_context_t   *context;
    ngx_prof_counting_t   *counter;
    ngx_prof_loc_conf_t  *lcf;

    if (r != r->main) {
        return NGX_OK;
    }

    context = &ngx_prof_latest;

    if (ngx_prof_unlikely(context->request != (uintptr_t) r)) {
        context = ngx_prof_request_context(r);

        if (context == NULL) {
            return NGX_OK;
        }
    }

    lcf = ngx_prof_route_location(context->counted,
                                  ngx_prof_context_location(r));
    start = ngx_prof_request_finish(context, r);
    code = ngx_prof_code_index(ngx_prof_request_status(r));

    latency = ngx_prof_loop_clock(counted) - start;

    if (ngx_prof_unlikely(!lcf->counted)) {
        return NGX_OK;
    }

    bucket = ngx_prof_hist_bucket(latency);
    counter = ngx_prof_counters[lcf->place];

    if (ngx_prof_unlikely(counter == NULL || r->upstream_states != NULL)) {
        return ngx_prof_request_count(r, lcf->place, code, bucket,
                                      latency);
    }

    chunk = ngx_prof_counting_chunk(counter, NGX_PROF_LATENCY, bucket);

    if (ngx_prof_unlikely(chunk == NULL)) {
        return ngx_prof_request_count(r, lcf->place, code, bucket,
                                      latency);
    }

    slot = ngx_prof_process.slot;
    cell = counter->cell;
    in = r->request_length;
    out = r->connection->sent;

    ngx_prof_counts_add(&slot->all, code, in, out, bucket, latency);
    ngx_prof_cell_add(cell, chunk, code, in, out, bucket, latency);

    return NGX_OK;
}


/* the same with what few requests need */

static ngx_int_t
ngx_prof_request_count(ngx_http_request_t *r, ngx_uint_t place,
    ngx_uint_t code, ngx_uint_t bucket, uint64_t latency)
{
    off_t                 in, out;
    ngx_prof_counting_t  *counter;

    counter = ngx_prof_counter_open(place, NGX_PROF_LATENCY, bucket);
    in = r->request_length;
    out = r->connection->sent;

    ngx_prof_counts_add(&ngx_prof_process.slot->all, code, in, out, bucket,
                        latency);
    ngx_prof_cell_add(counter->cell,
                      ngx_prof_counting_chunk(counter, NGX_PROF_LATENCY,
                                              bucket),
                      code, in, out, bucket, latency);

    if (r->upstream_states) {
        ngx_prof_request_upstream(r, place);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_prof_log_counted(ngx_http_request_t *r)
{
    return ngx_prof_log_handler(r, 1);
}


static ngx_int_t
ngx_prof_log_clock(ngx_http_request_t *r)
{
    return ngx_prof_log_handler(r, 0);
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

    context = ngx_prof_context(r->connection);

    if (context && context->request == (uintptr_t) r) {
        return context;
    }

    stream = context ? NULL : ngx_prof_request_find_stream(r);

    if (stream) {
        unknown.start = stream->start;
        unknown.counted = stream->counted;

    } else {

        /* it ended before its headers were complete */

        unknown.start = ngx_prof_loop_pass_start();
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


/* NULL: not recorded */

static ngx_prof_stream_t *
ngx_prof_request_find_stream(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

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


static void
ngx_prof_request_upstream(ngx_http_request_t *r, ngx_uint_t place)
{
    uint64_t                    ns;
    ngx_uint_t                  i, bucket, known;
    ngx_prof_counting_t        *counter;
    ngx_http_upstream_state_t  *state;

    ns = 0;
    known = 0;
    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {

        if (state[i].peer
            && state[i].response_time != (ngx_msec_t) -1)
        {
            ns += (uint64_t) state[i].response_time * NGX_PROF_NSEC_PER_MSEC;
            known = 1;
        }
    }

    if (!known) {
        return;
    }

    bucket = ngx_prof_hist_bucket(ns);

    ngx_prof_hist_count(&ngx_prof_process.slot->all.upstream, bucket, ns);

    counter = ngx_prof_counter_open(place, NGX_PROF_UPSTREAM, bucket);

    ngx_prof_cell_time(counter->cell,
                       ngx_prof_counting_chunk(counter, NGX_PROF_UPSTREAM,
                                               bucket),
                       NGX_PROF_UPSTREAM, bucket, ns);
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
