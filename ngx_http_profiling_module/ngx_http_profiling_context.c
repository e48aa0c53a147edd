
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <sys/mman.h>
#include "ngx_http_profiling_context.h"


/* requests with an upstream that are remembered, a power of two */
#define NGX_HTTP_PROFILING_CONTEXT_CACHE  16384

/* and streams */
#define NGX_HTTP_PROFILING_CONTEXT_CARRY  4096


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


ngx_http_profiling_context_t          ngx_http_profiling_latest = {
    NGX_HTTP_PROFILING_NO_REQUEST, NULL, 0, 0
};

ngx_http_profiling_context_t         *ngx_http_profiling_contexts;
ngx_connection_t                     *ngx_http_profiling_array;
size_t                                ngx_http_profiling_array_size;

ngx_event_t                          *ngx_http_profiling_reads;
ngx_event_t                          *ngx_http_profiling_writes;
ngx_uint_t                            ngx_http_profiling_array_n;
uintptr_t                             ngx_http_profiling_base;

static ngx_http_profiling_request_t  *ngx_http_profiling_requests;
static ngx_http_profiling_carried_t  *ngx_http_profiling_streams;


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


/* 4 places to choose from */

ngx_http_profiling_request_t *
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

ngx_http_profiling_carried_t *
ngx_http_profiling_context_carried(uintptr_t c)
{
    return &ngx_http_profiling_streams[(c >> 4) * 0x9e3779b97f4a7c15ULL >> 40
                                     & (NGX_HTTP_PROFILING_CONTEXT_CARRY - 1)];
}
