
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <sys/epoll.h>
#include "ngx_http_profiling_context.h"
#include "ngx_http_profiling_loop.h"


/* registers that a function has to save before it uses them, at most */
#if defined(__aarch64__)
#define NGX_HTTP_PROFILING_CONTEXT_SAVED  12
#else
#define NGX_HTTP_PROFILING_CONTEXT_SAVED  6
#endif

/* requests that are found on a stack, from the outermost on */
#define NGX_HTTP_PROFILING_CONTEXT_FOUND  8

/* bytes that the function which waits for events may have */
#define NGX_HTTP_PROFILING_CONTEXT_CODE   4096

/* the stack is read where a sanitizer believes it to be nobody's */
#define ngx_http_profiling_unchecked                                          \
    __attribute__((no_sanitize("address", "thread")))


/* the words of a stack that are looked at, the outermost span first */

typedef struct {
    const uintptr_t     *lo;
    const uintptr_t     *hi;        /* the one after the last */
} ngx_http_profiling_span_t;


typedef struct {
    ngx_uint_t                 n;
    ngx_http_profiling_span_t  span[NGX_HTTP_PROFILING_FRAMES + 2];
} ngx_http_profiling_spans_t;


/* a request whose connection, or stream's, is on the stack */

typedef struct {
    uintptr_t            request;
    uintptr_t            sub;       /* of it, located last; or 0 */
    uint32_t             label;
    ngx_uint_t           n;         /* words of the stack that point to it */
} ngx_http_profiling_found_t;


static ngx_uint_t ngx_http_profiling_context_on_stack(const void *p,
    const ngx_http_profiling_spans_t *spans);
static uint32_t ngx_http_profiling_context_place(const ngx_http_request_t *r,
    const ngx_http_request_t *sub, const ngx_http_profiling_spans_t *spans);
static ngx_int_t ngx_http_profiling_context_index(uintptr_t word);
static ngx_uint_t ngx_http_profiling_context_dispatched(void);
static ngx_uint_t ngx_http_profiling_context_listed(ngx_uint_t i);
static void ngx_http_profiling_context_whole(ngx_http_profiling_spans_t *spans,
    uintptr_t sp);
static void ngx_http_profiling_context_saved(ngx_http_profiling_spans_t *spans,
    uintptr_t sp, const ngx_http_profiling_unwind_cache_t *walk);
static uint32_t ngx_http_profiling_context_label_of(
    const ngx_http_profiling_spans_t *spans);
static ngx_int_t ngx_http_profiling_context_outermost(
    const ngx_http_profiling_spans_t *spans, ngx_uint_t listed);
static uint32_t ngx_http_profiling_context_elect(
    const ngx_http_profiling_spans_t *spans);
static ngx_uint_t ngx_http_profiling_context_gather(
    const ngx_http_profiling_spans_t *spans,
    ngx_http_profiling_found_t *found);
static ngx_uint_t ngx_http_profiling_context_add(uintptr_t word,
    const ngx_http_profiling_spans_t *spans, ngx_http_profiling_found_t *found,
    ngx_uint_t n);
static ngx_uint_t ngx_http_profiling_context_found(uintptr_t word,
    const ngx_http_profiling_spans_t *spans,
    ngx_http_profiling_found_t *found);
static uint32_t ngx_http_profiling_context_state_of(uint32_t label,
    uint32_t first);
static uint32_t ngx_http_profiling_context_connection(ngx_uint_t i,
    const ngx_http_profiling_spans_t *spans);
static ngx_uint_t ngx_http_profiling_context_alive(
    const ngx_http_profiling_request_t *request);
static uint32_t ngx_http_profiling_context_client(ngx_uint_t i,
    const ngx_http_profiling_spans_t *spans);
static ngx_uint_t ngx_http_profiling_context_state(const ngx_connection_t *c);


ngx_http_profiling_unchecked
static ngx_uint_t
ngx_http_profiling_context_on_stack(const void *p,
    const ngx_http_profiling_spans_t *spans)
{
    ngx_uint_t        i;
    const uintptr_t  *word;

    for (i = 0; i < spans->n; i++) {
        word = spans->span[i].hi;

        while (--word >= spans->span[i].lo) {

            if (*word == (uintptr_t) p) {
                return 1;
            }
        }
    }

    return 0;
}


/*
 * The place + 1 where a request is: that of its subrequest, if the stack
 * shows that it runs.
 */

static uint32_t
ngx_http_profiling_context_place(const ngx_http_request_t *r,
    const ngx_http_request_t *sub, const ngx_http_profiling_spans_t *spans)
{
    ngx_http_profiling_loc_conf_t  *lcf;

    if (sub && ngx_http_profiling_context_on_stack(sub, spans)) {
        r = sub;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    return lcf->place + 1;
}


/* the index of the connection that a word points to, or to whose event */

static ngx_int_t
ngx_http_profiling_context_index(uintptr_t word)
{
    uintptr_t  offset, size;

    size = ngx_http_profiling_array_size;
    offset = word - (uintptr_t) ngx_http_profiling_array;

    if (offset < size) {
        return (offset % sizeof(ngx_connection_t) == 0)
               ? (ngx_int_t) (offset / sizeof(ngx_connection_t)) : NGX_ERROR;
    }

    size = ngx_http_profiling_array_n * sizeof(ngx_event_t);
    offset = word - (uintptr_t) ngx_http_profiling_reads;

    if (offset >= size) {
        offset = word - (uintptr_t) ngx_http_profiling_writes;
    }

    if (offset < size && offset % sizeof(ngx_event_t) == 0) {
        return offset / sizeof(ngx_event_t);
    }

    return NGX_ERROR;
}


/*
 * Is the handler of one of the pass's events running?  Its return address
 * then lies where that of epoll_wait() did, and leads to the same function.
 */

ngx_http_profiling_unchecked
static ngx_uint_t
ngx_http_profiling_context_dispatched(void)
{
    uintptr_t  caller, address;

    caller = ngx_http_profiling_dispatch.caller;
    address = ((const uintptr_t *) ngx_http_profiling_base)[-1];

    return ngx_http_profiling_dispatch.n > 0
           && caller
           && address - caller + NGX_HTTP_PROFILING_CONTEXT_CODE
              < 2 * NGX_HTTP_PROFILING_CONTEXT_CODE;
}


/* is a connection among those that this pass has events for? */

static ngx_uint_t
ngx_http_profiling_context_listed(ngx_uint_t i)
{
    ngx_int_t  n;
    uintptr_t  c;

    c = (uintptr_t) &ngx_http_profiling_array[i];

    for (n = 0; n < ngx_http_profiling_dispatch.n; n++) {

        /* the lowest bit tells instances of an event apart */

        if (((uintptr_t) ngx_http_profiling_dispatch.events[n].data.ptr
             & ~(uintptr_t) 1)
            == c)
        {
            return 1;
        }
    }

    return 0;
}


/* all of the stack between the loop's frame and sp */

static void
ngx_http_profiling_context_whole(ngx_http_profiling_spans_t *spans,
    uintptr_t sp)
{
    spans->n = 1;
    spans->span[0].lo = (const uintptr_t *) ((sp + 7) & ~(uintptr_t) 7);
    spans->span[0].hi = (const uintptr_t *) ngx_http_profiling_base;
}


/*
 * What each function has saved of its caller's registers: it lies next to the
 * return address, on x86_64 below it, on aarch64 above the stack pointer.  The
 * rest of a frame may never have been written by it.  `walk` has the stack
 * pointer of each frame, that is where the one it calls began.
 */

static void
ngx_http_profiling_context_saved(ngx_http_profiling_spans_t *spans,
    uintptr_t sp, const ngx_http_profiling_unwind_cache_t *walk)
{
    ngx_uint_t                  i;
    uintptr_t                   lo, hi;
    ngx_http_profiling_span_t  *span;

    spans->n = 0;

    for (i = walk->n; i-- > 0; /* void */ ) {
        hi = (uintptr_t) walk->sp[i];
        lo = i ? (uintptr_t) walk->sp[i - 1] : sp;

        /* the walk may have looked ahead to see whether a caller is one */

        if (hi > ngx_http_profiling_base || hi <= lo || lo < sp) {
            continue;
        }

#if defined(__aarch64__)
        hi = ngx_min(hi, lo + NGX_HTTP_PROFILING_CONTEXT_SAVED
                              * sizeof(uintptr_t));
#else
        lo = ngx_max(lo, hi - (NGX_HTTP_PROFILING_CONTEXT_SAVED + 1)
                              * sizeof(uintptr_t));
#endif

        span = &spans->span[spans->n++];
        span->lo = (const uintptr_t *) ((lo + 7) & ~(uintptr_t) 7);
        span->hi = (const uintptr_t *) (hi & ~(uintptr_t) 7);
    }
}


uint32_t
ngx_http_profiling_context_label(uintptr_t sp,
    const ngx_http_profiling_unwind_cache_t *walk)
{
    uint32_t                    label;
    ngx_http_profiling_spans_t  spans;

    if (ngx_http_profiling_array_n == 0
        || sp >= ngx_http_profiling_base
        || ngx_http_profiling_slot_waiting(ngx_http_profiling_process.slot))
    {
        return ngx_http_profiling_label(0, 0, NGX_HTTP_PROFILING_STATE_IDLE);
    }

    if (walk) {
        ngx_http_profiling_context_saved(&spans, sp, walk);

        label = ngx_http_profiling_context_label_of(&spans);

        if (label != ngx_http_profiling_label(0, 0,
                                              NGX_HTTP_PROFILING_STATE_IDLE))
        {
            return label;
        }
    }

    ngx_http_profiling_context_whole(&spans, sp);

    return ngx_http_profiling_context_label_of(&spans);
}


/*
 * Frames have holes, in which words of former frames are left.  When a
 * handler of one of the pass's events runs, the pass's connections alone are
 * believed to be the one served; else, of posted events and timers, it is the
 * outermost on the stack.  Where that one has no request, since it was closed
 * meanwhile or is none of HTTP's, or several, the request that runs is elected
 * among those that the stack has.
 */

static uint32_t
ngx_http_profiling_context_label_of(const ngx_http_profiling_spans_t *spans)
{
    uint32_t    label, elected;
    ngx_int_t   i;
    ngx_uint_t  listed;

    label = ngx_http_profiling_label(0, 0, NGX_HTTP_PROFILING_STATE_IDLE);
    i = NGX_ERROR;

    if (ngx_http_profiling_context_dispatched()) {
        i = ngx_http_profiling_context_outermost(spans, 1);
    }

    listed = (i != NGX_ERROR);

    if (!listed) {
        i = ngx_http_profiling_context_outermost(spans, 0);
    }

    if (i != NGX_ERROR) {
        label = ngx_http_profiling_context_connection(i, spans);

        if (ngx_http_profiling_contexts[i].streams <= 1
            && (ngx_http_profiling_label_place(label)
                || (listed && ngx_http_profiling_array[i].listening)))
        {
            return label;
        }
    }

    elected = ngx_http_profiling_context_elect(spans);

    return elected ? ngx_http_profiling_context_state_of(elected, label)
                   : label;
}


/* the connection of the outermost word that points to one */

ngx_http_profiling_unchecked
static ngx_int_t
ngx_http_profiling_context_outermost(const ngx_http_profiling_spans_t *spans,
    ngx_uint_t listed)
{
    ngx_int_t         i;
    ngx_uint_t        k;
    const uintptr_t  *word;

    for (k = 0; k < spans->n; k++) {
        word = spans->span[k].hi;

        while (--word >= spans->span[k].lo) {
            i = ngx_http_profiling_context_index(*word);

            if (i != NGX_ERROR
                && (!listed || ngx_http_profiling_context_listed(i)))
            {
                return i;
            }
        }
    }

    return NGX_ERROR;
}


/*
 * The label of the request that the most words of the stack point to: what
 * runs is there more often than what holes of frames have kept.  0: none is.
 */

ngx_http_profiling_unchecked
static uint32_t
ngx_http_profiling_context_elect(const ngx_http_profiling_spans_t *spans)
{
    ngx_uint_t                   i, k, n;
    const uintptr_t             *word;
    ngx_http_profiling_found_t   found[NGX_HTTP_PROFILING_CONTEXT_FOUND + 1],
                                *best;

    n = ngx_http_profiling_context_gather(spans, found);

    for (k = 0; k < spans->n; k++) {
        word = spans->span[k].hi;

        while (--word >= spans->span[k].lo) {

            for (i = 0; i < n; i++) {
                found[i].n += (*word == found[i].request);
                found[i].n += (*word == found[i].sub && found[i].sub);
            }
        }
    }

    best = NULL;

    for (i = 0; i < n; i++) {
        if (found[i].n && (best == NULL || found[i].n > best->n)) {
            best = &found[i];
        }
    }

    return best ? best->label : 0;
}


ngx_http_profiling_unchecked
static ngx_uint_t
ngx_http_profiling_context_gather(const ngx_http_profiling_spans_t *spans,
    ngx_http_profiling_found_t *found)
{
    uintptr_t         seen;
    ngx_uint_t        k, n;
    const uintptr_t  *word;

    n = 0;
    seen = 0;

    for (k = 0; k < spans->n; k++) {
        word = spans->span[k].hi;

        while (--word >= spans->span[k].lo
               && n < NGX_HTTP_PROFILING_CONTEXT_FOUND)
        {
            if (*word != seen) {
                seen = *word;
                n = ngx_http_profiling_context_add(seen, spans, found, n);
            }
        }
    }

    return n;
}


/* once each; there is room for one more than is asked for */

static ngx_uint_t
ngx_http_profiling_context_add(uintptr_t word,
    const ngx_http_profiling_spans_t *spans, ngx_http_profiling_found_t *found,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    if (!ngx_http_profiling_context_found(word, spans, &found[n])) {
        return n;
    }

    for (i = 0; i < n; i++) {

        if (found[i].request == found[n].request) {
            return n;
        }
    }

    return n + 1;
}


/* the request of the connection, or stream, that a word points to */

static ngx_uint_t
ngx_http_profiling_context_found(uintptr_t word,
    const ngx_http_profiling_spans_t *spans,
    ngx_http_profiling_found_t *found)
{
    ngx_int_t                            i;
    const ngx_connection_t              *c;
    const ngx_http_profiling_context_t  *context;
    const ngx_http_profiling_carried_t  *stream;

    found->n = 0;
    found->sub = 0;

    i = ngx_http_profiling_context_index(word);

    if (i == NGX_ERROR) {
        stream = ngx_http_profiling_context_carried(word);

        if (word == 0 || stream->connection != word) {
            return 0;
        }

        found->request = (uintptr_t) stream->request;
        found->sub = (uintptr_t) stream->sub;
        found->label = ngx_http_profiling_label(
                           ngx_http_profiling_context_place(stream->request,
                                                            stream->sub,
                                                            spans),
                           0, NGX_HTTP_PROFILING_STATE_PHASE);
        return 1;
    }

    /* one of several streams is found by itself */

    if (ngx_http_profiling_contexts[i].streams > 1) {
        return 0;
    }

    c = &ngx_http_profiling_array[i];

    found->label = ngx_http_profiling_context_connection(i, spans);
    found->request = (uintptr_t) c->data;

    if (c->listening) {
        context = ngx_http_profiling_context_at(i);
        found->request = (uintptr_t) context->request;
        found->sub = (uintptr_t) context->sub;
    }

    return ngx_http_profiling_label_place(found->label) != 0;
}


/* the outermost connection tells the state, the request the place */

static uint32_t
ngx_http_profiling_context_state_of(uint32_t label, uint32_t first)
{
    if (ngx_http_profiling_label_state(first)
        != NGX_HTTP_PROFILING_STATE_UPSTREAM)
    {
        return label;
    }

    return (label & ~(uint32_t) 0xf) | NGX_HTTP_PROFILING_STATE_UPSTREAM;
}


static uint32_t
ngx_http_profiling_context_connection(ngx_uint_t i,
    const ngx_http_profiling_spans_t *spans)
{
    uint32_t                             place;
    const ngx_connection_t              *c;
    const ngx_http_profiling_request_t  *request;

    c = &ngx_http_profiling_array[i];

    if (c->listening) {
        return ngx_http_profiling_context_client(i, spans);
    }

    /* what is closed has no request any more */

    if (c->fd == (ngx_socket_t) -1) {
        return ngx_http_profiling_label(0, 0, NGX_HTTP_PROFILING_STATE_OTHER);
    }

    request = ngx_http_profiling_context_request((uintptr_t) c->data);

    if (request->request != (uintptr_t) c->data || request->request == 0) {
        return ngx_http_profiling_label(0, 0, NGX_HTTP_PROFILING_STATE_OTHER);
    }

    place = request->place;

    if (ngx_http_profiling_context_alive(request)) {

        /* it may have been redirected since */

        place = ngx_http_profiling_context_place(c->data, NULL, spans);
    }

    return ngx_http_profiling_label(place, request->upstream,
                                    NGX_HTTP_PROFILING_STATE_UPSTREAM);
}


/* may a request that took a peer be followed? */

static ngx_uint_t
ngx_http_profiling_context_alive(const ngx_http_profiling_request_t *request)
{
    const ngx_http_profiling_context_t  *context;
    const ngx_http_profiling_carried_t  *stream;

    context = ngx_http_profiling_context_find(request->client);

    if (context) {
        return context->request == request->main;
    }

    stream = ngx_http_profiling_context_carried((uintptr_t) request->client);

    return stream->connection == (uintptr_t) request->client
           && stream->request == request->main;
}


static uint32_t
ngx_http_profiling_context_client(ngx_uint_t i,
    const ngx_http_profiling_spans_t *spans)
{
    uint32_t                             place;
    ngx_uint_t                           begun, state;
    const ngx_connection_t              *c;
    const ngx_http_request_t            *r;
    const ngx_http_profiling_context_t  *context;

    c = &ngx_http_profiling_array[i];
    context = ngx_http_profiling_context_at(i);
    r = context->request;

    if (r == NULL) {
        return ngx_http_profiling_label(0, 0,
                                        ngx_http_profiling_context_state(c));
    }

    begun = (context->start == ngx_http_profiling_loop_pass_start());

    state = (begun || !r->header_sent) ? NGX_HTTP_PROFILING_STATE_PHASE
                                       : NGX_HTTP_PROFILING_STATE_WRITE;

    /*
     * Of several requests on one connection only the one that has begun in
     * this pass is known to be served now
     */

    place = (ngx_http_profiling_contexts[i].streams <= 1 || begun)
            ? ngx_http_profiling_context_place(r, context->sub, spans) : 0;

    return ngx_http_profiling_label(place, 0, state);
}


/* of a client's connection that serves no request */

static ngx_uint_t
ngx_http_profiling_context_state(const ngx_connection_t *c)
{
    /*
     * A listening socket's connection has the accept flag in its read event,
     * in the array beside
     */

    if (ngx_http_profiling_reads[c - ngx_http_profiling_array].accept) {
        return NGX_HTTP_PROFILING_STATE_ACCEPT;
    }

    if (c->listening->handler != ngx_http_init_connection) {
        return NGX_HTTP_PROFILING_STATE_OTHER;
    }

#if (NGX_SSL || NGX_COMPAT)

    if (c->requests == 0 && c->ssl != NULL) {
        return NGX_HTTP_PROFILING_STATE_TLS;
    }

#endif

    return c->reusable ? NGX_HTTP_PROFILING_STATE_KEEPALIVE
                       : NGX_HTTP_PROFILING_STATE_READ;
}
