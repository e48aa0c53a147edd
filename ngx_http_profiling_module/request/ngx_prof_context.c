
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <sys/mman.h>
#include "ngx_prof_context.h"
#include "ngx_prof_try.h"
#include "ngx_prof_upstream.h"


/* entries of the table of requests by address, at least; a power of two */
#define NGX_PROF_CONTEXT_CACHE  16384

/* entries of the table of streams, and of that of them by their requests */
#define NGX_PROF_CONTEXT_CARRY  4096
#define NGX_PROF_CONTEXT_SERVED  (4 * NGX_PROF_CONTEXT_CARRY)


/* the largest frame whose words are believed, in words; 64 at most */
#define NGX_PROF_CONTEXT_FRAME  32


/* the upstreams of this configuration, sorted by address */

typedef struct {
    ngx_http_upstream_srv_conf_t   *upstream;
    ngx_http_upstream_init_peer_pt  init;
    ngx_uint_t                      index;
} ngx_prof_peer_t;


/* which of a request and its subrequests runs */

typedef struct {
    const ngx_prof_context_t
                    *owner;
    uintptr_t        request;       /* found, 0: not yet */
    uintptr_t        sp;            /* frames below it are ours */
} ngx_prof_running_t;


static ngx_prof_context_t *ngx_prof_context_carried(uintptr_t c);
static int ngx_libc_cdecl ngx_prof_context_compare(const void *one,
    const void *two);
static void ngx_prof_context_upstream_name(ngx_http_upstream_srv_conf_t *us,
    u_char *buf, ngx_str_t *name);
static ngx_prof_peer_t *ngx_prof_context_peer(ngx_prof_main_conf_t *mcf,
    const ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_prof_context_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static void ngx_prof_context_listening(ngx_cycle_t *cycle);
static uint32_t ngx_prof_context_server(const ngx_listening_t *ls);
static ngx_prof_context_t *ngx_prof_context_stream(uintptr_t client);
static uint16_t *ngx_prof_context_serving(uintptr_t r);
static ngx_prof_request_t *ngx_prof_context_entry(uintptr_t r,
    ngx_prof_context_t *owner);
static ngx_inline ngx_prof_request_t *ngx_prof_context_enter(
    ngx_prof_request_t *request, uintptr_t r, const ngx_prof_context_t *owner);
static ngx_prof_request_t *ngx_prof_context_free(ngx_prof_request_t *bucket,
    ngx_uint_t preferred) __attribute__((noinline));
static ngx_uint_t ngx_prof_context_alive(const ngx_prof_request_t *request);
static ngx_prof_request_t *ngx_prof_context_bucket(uintptr_t r);
static ngx_uint_t ngx_prof_context_frame(void *data,
    const ngx_prof_unwind_frame_t *frame);
static ngx_uint_t ngx_prof_context_serves(const ngx_prof_running_t *running,
    uintptr_t word);


ngx_prof_context_t          ngx_prof_latest = {
    .request = NGX_PROF_NO_REQUEST
};

ngx_uint_t                  ngx_prof_context_conf;
ngx_prof_context_t         *ngx_prof_contexts;
ngx_connection_t           *ngx_prof_array;
size_t                      ngx_prof_array_size;

ngx_event_t                          *ngx_prof_reads;
ngx_event_t                          *ngx_prof_writes;
ngx_uint_t                            ngx_prof_array_n;
uintptr_t                             ngx_prof_base;

ngx_prof_listen_t          *ngx_prof_listens;
uintptr_t                   ngx_prof_listening;
ngx_uint_t                  ngx_prof_listen_n;
ngx_prof_dispatch_t         ngx_prof_dispatch;

/* a copy of what was found last, for a cycle may go before its requests do */
static ngx_prof_peer_t      ngx_prof_latest_peer;

static ngx_prof_request_t  *ngx_prof_requests;
static ngx_uint_t           ngx_prof_requests_n;
static ngx_prof_context_t  *ngx_prof_streams;
static uint16_t            *ngx_prof_serving;
static uint64_t             ngx_prof_lives;


/*
 * A request and its upstream meet when a peer is chosen: each upstream's
 * function for that is wrapped in ours.
 */

ngx_int_t
ngx_prof_context_init(ngx_conf_t *cf)
{
    ngx_uint_t                      i;
    ngx_prof_peer_t                *peer;
    ngx_http_upstream_srv_conf_t  **us;
    ngx_http_upstream_main_conf_t  *umcf;
    ngx_prof_main_conf_t           *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);
    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);

    if (ngx_array_init(&mcf->peers, cf->pool,
                       ngx_max(umcf->upstreams.nelts, 1),
                       sizeof(ngx_prof_peer_t))
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

        us[i]->peer.init = ngx_prof_context_init_peer;
    }

    ngx_qsort(mcf->peers.elts, mcf->peers.nelts,
              sizeof(ngx_prof_peer_t),
              ngx_prof_context_compare);

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_prof_context_compare(const void *one, const void *two)
{
    const ngx_prof_peer_t  *a, *b;

    a = one;
    b = two;

    return (a->upstream > b->upstream) - (a->upstream < b->upstream);
}


void
ngx_prof_context_register(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    u_char                 buf[NGX_MAX_PATH + 32];
    ngx_str_t              name;
    ngx_uint_t             i;
    ngx_prof_peer_t       *peer;
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);
    peer = mcf->peers.elts;
    ngx_prof_latest_peer.upstream = NULL;

    ngx_prof_store(&zone->header->unnamed, 0);

    for (i = 0; i < mcf->peers.nelts; i++) {
        ngx_prof_context_upstream_name(peer[i].upstream, buf, &name);
        peer[i].index = ngx_prof_zone_register_upstream(zone, &name);
    }
}


/* two upstreams without a block may differ in their ports alone */

static void
ngx_prof_context_upstream_name(ngx_http_upstream_srv_conf_t *us, u_char *buf,
    ngx_str_t *name)
{
    *name = us->host;

    if (us->port && us->host.len <= NGX_MAX_PATH) {
        name->data = buf;
        name->len = ngx_sprintf(buf, "%V:%ui", &us->host,
                                (ngx_uint_t) us->port)
                    - buf;
    }
}


ngx_uint_t
ngx_prof_context_upstream(const ngx_http_upstream_srv_conf_t *us)
{
    ngx_prof_peer_t  *peer;

    peer = ngx_prof_context_peer(ngx_prof_process.conf, us);

    return peer ? peer->index : 0;
}


static ngx_prof_peer_t *
ngx_prof_context_peer(ngx_prof_main_conf_t *mcf,
    const ngx_http_upstream_srv_conf_t *us)
{
    ngx_uint_t        low, high, middle;
    ngx_prof_peer_t  *peer;

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
ngx_prof_context_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_int_t            rc;
    ngx_prof_peer_t     *peer, *found;
    ngx_prof_context_t  *owner;
    ngx_prof_request_t  *request;

    peer = &ngx_prof_latest_peer;

    if (ngx_prof_unlikely(peer->upstream != us)) {
        found = ngx_prof_context_peer(
                  ngx_http_get_module_main_conf(r, ngx_http_profiling_module),
                  us);

        if (found == NULL) {
            return NGX_ERROR;
        }

        *peer = *found;
    }

    owner = ngx_prof_context_owner((uintptr_t) r->connection);

    if (owner && owner->request == (uintptr_t) r->main) {
        request = ngx_prof_context_entry((uintptr_t) r, owner);
        request->upstream = (uint32_t) peer->index;
    }

    /* of an update in the background, or a slice, no location is found */

    if (r != r->main) {
        ngx_prof_upstream_subrequest(r);
    }

    rc = peer->init(r, us);

    return (rc == NGX_OK) ? ngx_prof_try_begin(r, peer->index) : rc;
}


/* the kernel provides pages when they are written; most of these never are */

void
ngx_prof_context_init_process(ngx_cycle_t *cycle, uintptr_t base)
{
    u_char      *p;
    size_t       contexts, requests, streams, serving, listens;
    ngx_uint_t   n;

    for (n = NGX_PROF_CONTEXT_CACHE;
         n < cycle->connection_n;
         n *= 2)
    {
        /* void */
    }

    contexts = cycle->connection_n * sizeof(ngx_prof_context_t);
    requests = n * sizeof(ngx_prof_request_t);
    streams = NGX_PROF_CONTEXT_CARRY
              * sizeof(ngx_prof_context_t);
    serving = NGX_PROF_CONTEXT_SERVED * sizeof(uint16_t);
    listens = cycle->listening.nelts * sizeof(ngx_prof_listen_t);

    p = mmap(NULL, contexts + requests + streams + serving + listens,
             PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE,
             -1, 0);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "mmap() of %uz bytes failed, profiles of this worker "
                      "have no labels",
                      contexts + requests + streams + serving + listens);
        return;
    }

    ngx_prof_contexts = (void *) p;
    ngx_prof_requests = (void *) (p + contexts);
    ngx_prof_streams = (void *) (p + contexts + requests);
    ngx_prof_serving = (void *) (p + contexts + requests + streams);
    ngx_prof_listens = (void *) (p + contexts + requests + streams + serving);
    ngx_prof_requests_n = n;

    ngx_prof_context_listening(cycle);

    ngx_prof_array = cycle->connections;
    ngx_prof_reads = cycle->read_events;
    ngx_prof_writes = cycle->write_events;
    ngx_prof_array_n = cycle->connection_n;
    ngx_prof_array_size = cycle->connection_n
                                    * sizeof(ngx_connection_t);
    ngx_prof_base = base;
    ngx_prof_context_conf = ngx_http_profiling_module.ctx_index;

    ngx_prof_latest.request = 0;
}


void
ngx_prof_context_base(uintptr_t base)
{
    ngx_prof_base = base & ~(uintptr_t) 7;
}


/* nginx keeps listening sockets in a pool: copy what samples need of them */

static void
ngx_prof_context_listening(ngx_cycle_t *cycle)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    ls = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ls[i].handler == ngx_http_init_connection) {
            ngx_prof_listens[i].http = 1;
            ngx_prof_listens[i].place =
                                 ngx_prof_context_server(&ls[i]);
        }
    }

    ngx_prof_listening = (uintptr_t) ls;
    ngx_prof_listen_n = cycle->listening.nelts;
}


/* the place + 1 of the server, if only one can answer on this socket */

static uint32_t
ngx_prof_context_server(const ngx_listening_t *ls)
{
    ngx_http_port_t       *port;
    ngx_http_addr_conf_t  *conf;
    ngx_http_in_addr_t    *addr;
#if (NGX_HAVE_INET6)
    ngx_http_in6_addr_t   *addr6;
#endif
    ngx_prof_loc_conf_t   *lcf;

    port = ls->servers;

    if (port == NULL || port->naddrs != 1) {
        return 0;
    }

#if (NGX_HAVE_INET6)

    if (ls->sockaddr->sa_family == AF_INET6) {
        addr6 = port->addrs;
        conf = &addr6[0].conf;

    } else

#endif
    {
        addr = port->addrs;
        conf = &addr[0].conf;
    }

    if (conf->virtual_names) {
        return 0;
    }

    lcf = conf->default_server->ctx
              ->loc_conf[ngx_http_profiling_module.ctx_index];

    return lcf->place + 1;
}


void
ngx_prof_context_carry(ngx_http_request_t *r)
{
    ngx_prof_context_t  *stream;

    if (ngx_prof_array_size == 0) {
        return;
    }

    stream = ngx_prof_context_carried((uintptr_t) r->connection);

    /*
     * a newer stream may take another one's entry; the old stream is then
     * unknown
     */

    stream->request = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    stream->sent = 0;
    ngx_prof_context_note(stream, r);

    /* another one's place may be taken: that one is known by its connection */

    *ngx_prof_context_serving((uintptr_t) r) =
                                       (uint16_t) (stream - ngx_prof_streams);
}


/* where the index of the stream is that has this request */

static uint16_t *
ngx_prof_context_serving(uintptr_t r)
{
    return &ngx_prof_serving[(r >> 4) * 0x9e3779b97f4a7c15ULL >> 32
                             & (NGX_PROF_CONTEXT_SERVED - 1)];
}


ngx_prof_context_t *
ngx_prof_context_stream_of(uintptr_t r)
{
    ngx_prof_context_t  *stream;

    stream = &ngx_prof_streams[*ngx_prof_context_serving(r)];

    return (stream->request == r) ? stream : NULL;
}


void
ngx_prof_context_drop(const ngx_connection_t *c)
{
    ngx_prof_context_t  *stream;

    if (ngx_prof_array_size == 0) {
        return;
    }

    stream = ngx_prof_context_carried((uintptr_t) c);

    if (stream->connection == (uintptr_t) c) {
        stream->request = 0;
    }
}


void
ngx_prof_context_answered(const ngx_connection_t *c)
{
    ngx_prof_context_t  *context;

    context = ngx_prof_context(c);

    if (context && context->request == 0) {
        context->number = c->number;
    }
}


ngx_prof_context_t *
ngx_prof_context_owner(uintptr_t client)
{
    const ngx_connection_t  *c;
    ngx_prof_context_t      *context;

    if (ngx_prof_array_size == 0) {
        return NULL;
    }

    c = (const ngx_connection_t *) client;

    if (ngx_prof_context_is_latest(c)) {
        return &ngx_prof_latest;
    }

    if (client - (uintptr_t) ngx_prof_array >= ngx_prof_array_size) {
        return ngx_prof_context_stream(client);
    }

    /*
     * the address lies in nginx's table, but perhaps in the middle of an
     * element
     */

    if ((client - (uintptr_t) ngx_prof_array)
        % sizeof(ngx_connection_t))
    {
        return NULL;
    }

#if (NGX_HTTP_V3)

    if (c->quic) {
        return ngx_prof_context_stream(client);
    }

#endif

    context = ngx_prof_context(c);

    return (context->request && context->number == c->number) ? context
                                                              : NULL;
}


static ngx_prof_context_t *
ngx_prof_context_stream(uintptr_t client)
{
    ngx_prof_context_t  *stream;

    stream = ngx_prof_context_carried(client);

    return (stream->request && stream->connection == client) ? stream : NULL;
}


void
ngx_prof_context_located(ngx_http_request_t *r)
{
    ngx_prof_context_t  *owner;
    ngx_prof_request_t  *request;

    owner = ngx_prof_context_owner((uintptr_t) r->connection);

    if (owner == NULL || owner->request != (uintptr_t) r->main) {
        return;
    }

    if (r == r->main) {
        owner->place = ngx_prof_context_place(r);
        return;
    }

    request = ngx_prof_context_entry((uintptr_t) r, owner);
    request->place = (uint32_t) ngx_prof_context_place(r);
    owner->subs++;
}


void
ngx_prof_context_known(ngx_prof_context_t *owner)
{
    (void) ngx_prof_context_entry(owner->request, owner);
}


static ngx_prof_request_t *
ngx_prof_context_entry(uintptr_t r, ngx_prof_context_t *owner)
{
    ngx_uint_t           i;
    ngx_prof_request_t  *bucket;

    if (owner->life == 0) {
        owner->subs = 0;
        owner->life = ++ngx_prof_lives;
    }

    bucket = ngx_prof_context_bucket(r);

    for (i = 0; i < 4; i++) {

        if (bucket[i].request == r) {
            return (bucket[i].life == owner->life)
                   ? &bucket[i] : ngx_prof_context_enter(&bucket[i], r, owner);
        }
    }

    return ngx_prof_context_enter(ngx_prof_context_free(bucket, r >> 8 & 3), r,
                                  owner);
}


static ngx_inline ngx_prof_request_t *
ngx_prof_context_enter(ngx_prof_request_t *request, uintptr_t r,
    const ngx_prof_context_t *owner)
{
    /* a signal handler sees no request, or all of it */

    request->request = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    request->client = owner->connection;
    request->life = owner->life;
    request->place = (uint32_t) owner->place;
    request->upstream = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    request->request = r;

    return request;
}


/* of 4 places one that holds nothing any more, or the one that is preferred */

static ngx_prof_request_t *
ngx_prof_context_free(ngx_prof_request_t *bucket, ngx_uint_t preferred)
{
    ngx_uint_t  i;

    for (i = 0; i < 4; i++) {

        if (!ngx_prof_context_alive(&bucket[i])) {
            return &bucket[i];
        }
    }

    return &bucket[preferred];
}


static ngx_uint_t
ngx_prof_context_alive(const ngx_prof_request_t *request)
{
    const ngx_prof_context_t  *owner;

    if (request->request == 0) {
        return 0;
    }

    owner = ngx_prof_context_owner(request->client);

    return owner && owner->life == request->life;
}


const ngx_prof_request_t *
ngx_prof_context_request(uintptr_t r)
{
    ngx_uint_t                 i;
    const ngx_prof_request_t  *bucket;

    bucket = ngx_prof_context_bucket(r);

    for (i = 0; i < 4; i++) {

        if (bucket[i].request == r) {
            return ngx_prof_context_alive(&bucket[i]) ? &bucket[i]
                                                                : NULL;
        }
    }

    return NULL;
}


static ngx_prof_request_t *
ngx_prof_context_bucket(uintptr_t r)
{
    return &ngx_prof_requests[(r >> 4) * 0x9e3779b97f4a7c15ULL >> 32
                             & (ngx_prof_requests_n - 4)];
}


/* 4 places to choose from: its own, or one that holds nothing any more */

static ngx_prof_context_t *
ngx_prof_context_carried(uintptr_t c)
{
    ngx_uint_t           i;
    ngx_prof_context_t  *bucket, *stream;

    bucket = &ngx_prof_streams[
                                     (c >> 4) * 0x9e3779b97f4a7c15ULL >> 40
                                     & (NGX_PROF_CONTEXT_CARRY - 4)];
    stream = &bucket[c >> 8 & 3];

    for (i = 0; i < 4; i++) {

        if (bucket[i].connection == c && bucket[i].request) {
            return &bucket[i];
        }

        if (bucket[i].request == 0) {
            stream = &bucket[i];
        }
    }

    return stream;
}


/*
 * Of a request and its subrequests, the one that runs: the innermost function
 * that has any of them has that one.  Functions further out have those that
 * called or woke it.
 */

uintptr_t
ngx_prof_context_running(const ngx_prof_context_t *owner,
    const ngx_prof_unwind_path_t *walk, uintptr_t sp, uintptr_t otherwise)
{
    ngx_prof_running_t  running;

    if (owner->life == 0 || owner->subs == 0) {
        return otherwise;
    }

    running.owner = owner;
    running.request = 0;
    running.sp = sp;

    ngx_prof_unwind_frames(walk, ngx_prof_context_frame, &running);

    return running.request ? running.request : otherwise;
}


/*
 * A register that the function has written to is sure.  One that has what its
 * caller has there may be the function's own as well: its caller tells.  Words
 * of its frame may be those of an earlier one, unless it is one of nginx's and
 * small: such a function uses most of them.  A single one only aligns the
 * stack.  Handlers of posted events may lie where the loop's frame was when the
 * pass began: words there are those of earlier events.
 */

ngx_prof_unchecked
static ngx_uint_t
ngx_prof_context_frame(void *data, const ngx_prof_unwind_frame_t *frame)
{
    ngx_prof_running_t *running = data;

    uintptr_t   word;
    ngx_uint_t  i, n;

    if (frame->lo < running->sp) {
        return 0;
    }

    for (i = 0; i < frame->all; i++) {

        if (ngx_prof_context_serves(running, frame->own[i])) {
            if (i < frame->n) {
                running->request = frame->own[i];
                return 1;
            }

            return 0;
        }
    }

    n = (frame->hi - frame->lo) / sizeof(uintptr_t);

    if (!frame->main
        || frame->lo >= ngx_prof_base
        || frame->saved == 0
        || n > NGX_PROF_CONTEXT_FRAME
        || n <= (ngx_uint_t) __builtin_popcountll(frame->saved) + 1)
    {
        return 0;
    }

    for (word = frame->lo; word < frame->hi; word += sizeof(uintptr_t)) {
        i = (frame->hi - word) / sizeof(uintptr_t) - 1;

        if (!(frame->saved & ((uint64_t) 1 << i))
            && ngx_prof_context_serves(running, *(const uintptr_t *) word))
        {
            running->request = *(const uintptr_t *) word;
            return 1;
        }
    }

    return 0;
}


/* whether it is the request or a subrequest of it */

static ngx_uint_t
ngx_prof_context_serves(const ngx_prof_running_t *running, uintptr_t word)
{
    const ngx_prof_request_t  *request;

    if (word != running->owner->request) {
        request = ngx_prof_context_request(word);

        if (request == NULL || request->life != running->owner->life) {
            return 0;
        }
    }

    return 1;
}
