
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_upstream.h"
#include "ngx_prof_base.h"
#include "ngx_prof_cache.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_counter.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_try.h"
#include "ngx_prof_worker.h"


static void ngx_prof_upstream_sum(ngx_http_request_t *r, ngx_uint_t place)
    __attribute__((noinline));
static ngx_inline void ngx_prof_upstream_took(ngx_uint_t place, uint64_t ns,
    ngx_uint_t bucket);
static ngx_uint_t ngx_prof_upstream_asked(ngx_http_request_t *r,
    const ngx_http_upstream_state_t *state) __attribute__((noinline));
static ngx_uint_t ngx_prof_upstream_is(const ngx_str_t *name,
    const ngx_str_t *peer);
static void ngx_prof_upstream_cleanup(void *data);


void
ngx_prof_upstream_count(ngx_http_request_t *r, ngx_uint_t place)
{
    const ngx_prof_try_told_t  *told;

#if (NGX_HTTP_CACHE)

    if (r->upstream && r->upstream->cache_status) {
        ngx_prof_cache_count(r, place);
    }

#endif

    if (r->upstream_states == NULL) {
        return;
    }

    told = ngx_prof_try_told(r);

    /* most have tried one peer, and its time is known better than nginx does */

    if (ngx_prof_likely(r->upstream_states->nelts == 1
                        && told
                        && told->u == r->upstream
                        && told->bucket))
    {
        ngx_prof_upstream_took(place, told->took, told->bucket - 1);
        return;
    }

    ngx_prof_upstream_sum(r, place);
}


/* what nginx has recorded, in its milliseconds */

static void
ngx_prof_upstream_sum(ngx_http_request_t *r, ngx_uint_t place)
{
    uint64_t                    ns;
    ngx_uint_t                  i, asked, none;
    ngx_http_upstream_state_t  *state;

    if (r->upstream && r->upstream->resolved) {
        ngx_prof_try_resolved(r);
    }

    ns = 0;
    asked = 0;
    none = 0;
    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {

        if (state[i].peer == NULL
            || state[i].response_time == (ngx_msec_t) -1)
        {
            continue;
        }

        if (ngx_prof_likely(state[i].connect_time != (ngx_msec_t) -1
                            || state[i].bytes_sent)
            || ngx_prof_upstream_asked(r, &state[i]))
        {
            ns += (uint64_t) state[i].response_time * NGX_PROF_NSEC_PER_MSEC;
            asked = 1;

        } else {
            none++;
        }
    }

    if (none) {
        ngx_prof_add(&ngx_prof_process.slot->all.plain.no_live, none);
        ngx_prof_add(&ngx_prof_counter_of(place)->cell->plain[0].no_live, none);
    }

    if (asked) {
        ngx_prof_upstream_took(place, ns, ngx_prof_hist_bucket(ns));
    }
}


static ngx_inline void
ngx_prof_upstream_took(ngx_uint_t place, uint64_t ns, ngx_uint_t bucket)
{
    ngx_prof_counting_t  *counter;

    ngx_prof_hist_count(&ngx_prof_process.slot->all.upstream, bucket, ns);

    counter = ngx_prof_counter_open(place, NGX_PROF_UPSTREAM, bucket);

    ngx_prof_cell_time(counter->cell,
                       ngx_prof_counting_chunk(counter, NGX_PROF_UPSTREAM,
                                               bucket),
                       NGX_PROF_UPSTREAM, bucket, ns);
}


/*
 * Of a try that has not come to be connected: one for which no peer was alive
 * has the upstream's name for its peer.
 */

static ngx_uint_t
ngx_prof_upstream_asked(ngx_http_request_t *r,
    const ngx_http_upstream_state_t *state)
{
    ngx_uint_t                      i;
    ngx_http_upstream_srv_conf_t  **us;
    ngx_http_upstream_main_conf_t  *umcf;

    if (r->upstream
        && r->upstream->resolved
        && ngx_prof_upstream_is(&r->upstream->resolved->host, state->peer))
    {
        return 0;
    }

    umcf = ngx_http_get_module_main_conf(r, ngx_http_upstream_module);
    us = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        if (ngx_prof_upstream_is(&us[i]->host, state->peer)) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_prof_upstream_is(const ngx_str_t *name, const ngx_str_t *peer)
{
    return name->len == peer->len
           && ngx_memcmp(name->data, peer->data, name->len) == 0;
}


void
ngx_prof_upstream_subrequest(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (cln) {
        cln->handler = ngx_prof_upstream_cleanup;
        cln->data = r;
    }
}


static void
ngx_prof_upstream_cleanup(void *data)
{
    ngx_http_request_t *r = data;

    ngx_prof_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    if (ngx_prof_process.slot && lcf->counted) {
        ngx_prof_upstream_count(r, lcf->place);
    }

    /* once, of all that were added for it */

    r->upstream_states = NULL;

#if (NGX_HTTP_CACHE)

    if (r->upstream) {
        r->upstream->cache_status = 0;
    }

#endif
}
