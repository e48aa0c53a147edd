
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include "ngx_http_profiling_context.h"
#include "ngx_http_profiling_loop.h"


/* connections found on a stack that are looked at, from the outermost on */
#define NGX_HTTP_PROFILING_CONTEXT_HITS   4

/* bytes that the function which waits for events may have */
#define NGX_HTTP_PROFILING_CONTEXT_CODE   4096

/* the stack is read where a sanitizer believes it to be nobody's */
#define ngx_http_profiling_unchecked                                          \
    __attribute__((no_sanitize("address", "thread")))

/* requests with an upstream that are remembered, a power of two */
#define NGX_HTTP_PROFILING_CONTEXT_CACHE  16384

/* and streams */
#define NGX_HTTP_PROFILING_CONTEXT_CARRY  4096


/*
 * Requests by address, for the connections of their upstreams, whose data is
 * the request.  An entry is never removed: a request that uses the address
 * anew, and has an upstream, writes it anew.
 */

typedef struct {
    uintptr_t                  request;     /* followed if main is alive */
    const ngx_http_request_t  *main;
    const ngx_connection_t    *client;      /* in whose entry main is, if so */
    uint32_t                   place;       /* + 1, when it took a peer */
    uint32_t                   upstream;
} ngx_http_profiling_request_t;


/*
 * Streams by their own connections, which lie outside nginx's array.  Events
 * of upstreams and timers go on with a stream without passing by the
 * connection that carries it.
 */

typedef struct {
    uintptr_t            connection;    /* its address, never followed */
    ngx_http_request_t  *request;       /* main, alive */
    ngx_http_request_t  *sub;           /* of it, located last; or NULL */
} ngx_http_profiling_carried_t;


/* the upstreams of this configuration, sorted by address */

typedef struct {
    ngx_http_upstream_srv_conf_t   *upstream;
    ngx_http_upstream_init_peer_pt  init;
    ngx_uint_t                      index;
} ngx_http_profiling_peer_t;


static int ngx_libc_cdecl ngx_http_profiling_context_compare(const void *one,
    const void *two);
static ngx_http_profiling_peer_t *ngx_http_profiling_context_peer(
    ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_profiling_context_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_http_profiling_request_t *ngx_http_profiling_context_request(
    uintptr_t r);
static ngx_http_profiling_carried_t *ngx_http_profiling_context_carried(
    uintptr_t c);
static ngx_uint_t ngx_http_profiling_context_count(const void *p,
    const uintptr_t *last);
static uint32_t ngx_http_profiling_context_stream(const uintptr_t *last);
static uint32_t ngx_http_profiling_context_place(const ngx_http_request_t *r,
    const ngx_http_request_t *sub, const uintptr_t *last);
static ngx_int_t ngx_http_profiling_context_index(uintptr_t word);
static ngx_uint_t ngx_http_profiling_context_dispatched(void);
static ngx_uint_t ngx_http_profiling_context_listed(ngx_uint_t i);
static uint32_t ngx_http_profiling_context_scan(const uintptr_t *last,
    ngx_uint_t listed, ngx_uint_t *hits);
static ngx_uint_t ngx_http_profiling_context_served(ngx_uint_t i,
    const uintptr_t *last);
static uint32_t ngx_http_profiling_context_state_of(uint32_t label,
    uint32_t first);
static uint32_t ngx_http_profiling_context_connection(ngx_uint_t i,
    const uintptr_t *last);
static uint32_t ngx_http_profiling_context_client(ngx_uint_t i,
    const uintptr_t *last);
static ngx_uint_t ngx_http_profiling_context_state(const ngx_connection_t *c);


ngx_http_profiling_context_t          ngx_http_profiling_latest = {
    NGX_HTTP_PROFILING_NO_REQUEST, NULL, 0, 0
};

ngx_http_profiling_context_t         *ngx_http_profiling_contexts;
ngx_connection_t                     *ngx_http_profiling_array;
size_t                                ngx_http_profiling_array_size;

static ngx_http_profiling_request_t  *ngx_http_profiling_requests;
static ngx_http_profiling_carried_t  *ngx_http_profiling_streams;
static ngx_event_t                   *ngx_http_profiling_reads;
static ngx_event_t                   *ngx_http_profiling_writes;
static ngx_uint_t                     ngx_http_profiling_array_n;
static uintptr_t                      ngx_http_profiling_base;


const char *
ngx_http_profiling_request_state_name(ngx_uint_t state)
{
    static const char *const  names[] = {
        "idle", "accept", "tls", "read", "phase", "upstream", "write",
        "keepalive", "thread-pool", "other"
    };

    return state < NGX_HTTP_PROFILING_STATES ? names[state] : "unknown";
}


/*
 * The choice of a peer is where a request and its upstream meet: the function
 * of each upstream that begins it is called through ours.
 */

ngx_int_t
ngx_http_profiling_context_init(ngx_conf_t *cf)
{
    ngx_uint_t                        i;
    ngx_http_profiling_peer_t        *peer;
    ngx_http_upstream_srv_conf_t    **us;
    ngx_http_upstream_main_conf_t    *umcf;
    ngx_http_profiling_main_conf_t   *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);
    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);

    if (ngx_array_init(&mcf->peers, cf->pool,
                       ngx_max(umcf->upstreams.nelts, 1),
                       sizeof(ngx_http_profiling_peer_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    us = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        if (us[i]->peer.init == NULL) {
            continue;
        }

        peer = ngx_array_push(&mcf->peers);
        if (peer == NULL) {
            return NGX_ERROR;
        }

        peer->upstream = us[i];
        peer->init = us[i]->peer.init;
        peer->index = 0;

        us[i]->peer.init = ngx_http_profiling_context_init_peer;
    }

    ngx_qsort(mcf->peers.elts, mcf->peers.nelts,
              sizeof(ngx_http_profiling_peer_t),
              ngx_http_profiling_context_compare);

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_profiling_context_compare(const void *one, const void *two)
{
    const ngx_http_profiling_peer_t  *a, *b;

    a = one;
    b = two;

    return (a->upstream > b->upstream) - (a->upstream < b->upstream);
}


void
ngx_http_profiling_context_register(ngx_cycle_t *cycle,
    ngx_http_profiling_zone_t *zone)
{
    ngx_uint_t                       i;
    ngx_http_profiling_peer_t       *peer;
    ngx_http_profiling_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);
    peer = mcf->peers.elts;

    for (i = 0; i < mcf->peers.nelts; i++) {
        peer[i].index = ngx_http_profiling_zone_register_upstream(zone,
                                                    &peer[i].upstream->host);
    }
}


static ngx_http_profiling_peer_t *
ngx_http_profiling_context_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_uint_t                       low, high, middle;
    ngx_http_profiling_peer_t       *peer;
    ngx_http_profiling_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_profiling_module);

    peer = mcf->peers.elts;
    low = 0;
    high = mcf->peers.nelts;

    while (low < high) {
        middle = (low + high) / 2;

        if (peer[middle].upstream == us) {
            return &peer[middle];
        }

        if (peer[middle].upstream < us) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_profiling_context_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_profiling_peer_t      *peer;
    ngx_http_profiling_request_t   *request;
    ngx_http_profiling_loc_conf_t  *lcf;

    peer = ngx_http_profiling_context_peer(r, us);

    if (peer == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_profiling_requests) {
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

        request = ngx_http_profiling_context_request((uintptr_t) r);

        /* a handler between these lines sees no request, or the whole */

        request->request = 0;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        request->main = r->main;
        request->client = r->connection;
        request->place = lcf->place + 1;
        request->upstream = (uint32_t) peer->index;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        request->request = (uintptr_t) r;
    }

    return peer->init(r, us);
}


/* the kernel gives pages as they are written: most of these never are */

void
ngx_http_profiling_context_init_process(ngx_cycle_t *cycle, uintptr_t base)
{
    u_char  *p;
    size_t   contexts, requests, streams;

    contexts = cycle->connection_n * sizeof(ngx_http_profiling_context_t);
    requests = NGX_HTTP_PROFILING_CONTEXT_CACHE
               * sizeof(ngx_http_profiling_request_t);
    streams = NGX_HTTP_PROFILING_CONTEXT_CARRY
              * sizeof(ngx_http_profiling_carried_t);

    p = mmap(NULL, contexts + requests + streams, PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "mmap() of %uz bytes failed, profiles of this worker "
                      "have no labels", contexts + requests + streams);
        return;
    }

    ngx_http_profiling_contexts = (void *) p;
    ngx_http_profiling_requests = (void *) (p + contexts);
    ngx_http_profiling_streams = (void *) (p + contexts + requests);

    ngx_http_profiling_array = cycle->connections;
    ngx_http_profiling_reads = cycle->read_events;
    ngx_http_profiling_writes = cycle->write_events;
    ngx_http_profiling_array_n = cycle->connection_n;
    ngx_http_profiling_array_size = cycle->connection_n
                                    * sizeof(ngx_connection_t);
    ngx_http_profiling_base = base;

    ngx_http_profiling_latest.request = NULL;
}


void
ngx_http_profiling_context_base(uintptr_t base)
{
    ngx_http_profiling_base = base & ~(uintptr_t) 7;
}


void
ngx_http_profiling_context_carry(const ngx_connection_t *c,
    ngx_http_request_t *r, ngx_http_request_t *sub)
{
    ngx_http_profiling_carried_t  *stream;

    if (ngx_http_profiling_array_size == 0) {
        return;
    }

    stream = ngx_http_profiling_context_carried((uintptr_t) c);

    stream->connection = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    stream->request = r;
    stream->sub = sub;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    stream->connection = (uintptr_t) c;
}


void
ngx_http_profiling_context_drop(const ngx_connection_t *c)
{
    ngx_http_profiling_carried_t  *stream;

    if (ngx_http_profiling_array_size == 0) {
        return;
    }

    stream = ngx_http_profiling_context_carried((uintptr_t) c);

    if (stream->connection == (uintptr_t) c) {
        stream->connection = 0;
    }
}


/* the entry that a request has, or would take: 4 places to choose from */

static ngx_http_profiling_request_t *
ngx_http_profiling_context_request(uintptr_t r)
{
    ngx_uint_t                     i, at;
    ngx_http_profiling_request_t  *free, *request;

    at = (r >> 4) * 0x9e3779b97f4a7c15ULL >> 40
         & (NGX_HTTP_PROFILING_CONTEXT_CACHE - 4);
    free = &ngx_http_profiling_requests[at + (r >> 8 & 3)];

    for (i = 0; i < 4; i++) {
        request = &ngx_http_profiling_requests[at + i];

        if (request->request == r) {
            return request;
        }

        if (request->request == 0) {
            free = request;
        }
    }

    return free;
}


/* a newer stream may take the entry of another: that one is then unknown */

static ngx_http_profiling_carried_t *
ngx_http_profiling_context_carried(uintptr_t c)
{
    return &ngx_http_profiling_streams[(c >> 4) * 0x9e3779b97f4a7c15ULL >> 40
                                     & (NGX_HTTP_PROFILING_CONTEXT_CARRY - 1)];
}


/*
 * How often a word is on the stack.  What runs is there more often than what
 * holes of frames have kept.
 */

ngx_http_profiling_unchecked
static ngx_uint_t
ngx_http_profiling_context_count(const void *p, const uintptr_t *last)
{
    ngx_uint_t        n;
    const uintptr_t  *word;

    n = 0;
    word = (const uintptr_t *) ngx_http_profiling_base;

    while (--word >= last) {
        n += (*word == (uintptr_t) p);
    }

    return n;
}


/* the place + 1 of the stream that runs, 0: there is none */

ngx_http_profiling_unchecked
static uint32_t
ngx_http_profiling_context_stream(const uintptr_t *last)
{
    ngx_uint_t                           n, most;
    const uintptr_t                     *word;
    const ngx_http_profiling_carried_t  *stream, *best;

    best = NULL;
    most = 0;
    word = (const uintptr_t *) ngx_http_profiling_base;

    while (--word >= last) {
        stream = ngx_http_profiling_context_carried(*word);

        if (stream->connection != *word || *word == 0 || stream == best) {
            continue;
        }

        n = ngx_http_profiling_context_count(stream->request, last);

        if (best == NULL || n > most) {
            best = stream;
            most = n;
        }
    }

    return best ? ngx_http_profiling_context_place(best->request, best->sub,
                                                   last)
                : 0;
}


/*
 * The place + 1 where a request is: that of its subrequest, if the stack
 * shows that it runs.
 */

static uint32_t
ngx_http_profiling_context_place(const ngx_http_request_t *r,
    const ngx_http_request_t *sub, const uintptr_t *last)
{
    ngx_http_profiling_loc_conf_t  *lcf;

    if (sub && ngx_http_profiling_context_count(sub, last)) {
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


/*
 * Frames have holes, in which words of former frames are left.  When a
 * handler of one of the pass's events runs, the pass's connections alone are
 * believed to be the one served, and a client's needs no further search.
 * Posted events and timers are told by the outermost connection.
 */

uint32_t
ngx_http_profiling_context_label(uintptr_t sp)
{
    uint32_t          label, place;
    ngx_uint_t        hits;
    const uintptr_t  *last;

    label = ngx_http_profiling_label(0, 0, NGX_HTTP_PROFILING_STATE_IDLE);

    if (ngx_http_profiling_array_n == 0
        || sp >= ngx_http_profiling_base
        || ngx_http_profiling_slot_waiting(ngx_http_profiling_process.slot))
    {
        return label;
    }

    last = (const uintptr_t *) ((sp + 7) & ~(uintptr_t) 7);
    hits = 0;

    if (ngx_http_profiling_context_dispatched()) {
        label = ngx_http_profiling_context_scan(last, 1, &hits);
    }

    if (hits == 0) {
        label = ngx_http_profiling_context_scan(last, 0, &hits);
    }

    if (ngx_http_profiling_label_place(label)) {
        return label;
    }

    place = ngx_http_profiling_context_stream(last);

    return place ? ngx_http_profiling_label(place, 0,
                                            NGX_HTTP_PROFILING_STATE_PHASE)
                 : label;
}


ngx_http_profiling_unchecked
static uint32_t
ngx_http_profiling_context_scan(const uintptr_t *last, ngx_uint_t listed,
    ngx_uint_t *hits)
{
    uint32_t          label, first, best, place;
    ngx_int_t         i, seen;
    ngx_uint_t        n, most;
    const uintptr_t  *word;

    first = ngx_http_profiling_label(0, 0, NGX_HTTP_PROFILING_STATE_IDLE);
    best = 0;
    most = 0;
    word = (const uintptr_t *) ngx_http_profiling_base;
    seen = NGX_ERROR;

    while (--word >= last && *hits < NGX_HTTP_PROFILING_CONTEXT_HITS) {

        i = ngx_http_profiling_context_index(*word);

        if (i == NGX_ERROR || i == seen) {
            continue;
        }

        if (listed && *hits == 0 && !ngx_http_profiling_context_listed(i)) {
            continue;
        }

        seen = i;
        label = ngx_http_profiling_context_connection(i, last);

        if ((*hits)++ == 0) {
            first = label;

            if (listed && ngx_http_profiling_array[i].listening) {
                break;
            }
        }

        /* the latest of several streams need not be the one */

        if (ngx_http_profiling_contexts[i].streams > 1) {
            place = ngx_http_profiling_context_stream(last);

            if (place) {
                return ngx_http_profiling_label(place, 0,
                                          NGX_HTTP_PROFILING_STATE_PHASE);
            }
        }

        if (ngx_http_profiling_label_place(label) == 0) {
            continue;
        }

        if (*hits == 1) {
            return label;
        }

        n = ngx_http_profiling_context_served(i, last);

        if (best == 0 || n > most) {
            best = label;
            most = n;
        }
    }

    return best ? ngx_http_profiling_context_state_of(best, first) : first;
}


/* how often the request of a connection is on the stack */

static ngx_uint_t
ngx_http_profiling_context_served(ngx_uint_t i, const uintptr_t *last)
{
    const void                          *r;
    const ngx_connection_t              *c;
    const ngx_http_profiling_context_t  *context;

    c = &ngx_http_profiling_array[i];
    context = ngx_http_profiling_context_find(c);

    r = c->listening ? context->request : c->data;

    return ngx_http_profiling_context_count(r, last);
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
ngx_http_profiling_context_connection(ngx_uint_t i, const uintptr_t *last)
{
    uint32_t                             place;
    const ngx_connection_t              *c;
    const ngx_http_profiling_context_t  *context;
    const ngx_http_profiling_request_t  *request;

    c = &ngx_http_profiling_array[i];

    if (c->listening) {
        return ngx_http_profiling_context_client(i, last);
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
    context = ngx_http_profiling_context_find(request->client);

    if (context && context->request == request->main) {

        /* it may have been redirected since */

        place = ngx_http_profiling_context_place(c->data, NULL, last);
    }

    return ngx_http_profiling_label(place, request->upstream,
                                    NGX_HTTP_PROFILING_STATE_UPSTREAM);
}


static uint32_t
ngx_http_profiling_context_client(ngx_uint_t i, const uintptr_t *last)
{
    uint32_t                             place;
    ngx_uint_t                           begun, state;
    const ngx_connection_t              *c;
    const ngx_http_request_t            *r;
    const ngx_http_profiling_context_t  *context;

    c = &ngx_http_profiling_array[i];
    context = ngx_http_profiling_context_find(c);
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
            ? ngx_http_profiling_context_place(r, context->sub, last) : 0;

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
