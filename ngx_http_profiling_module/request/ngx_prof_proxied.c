
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_proxied.h"
#include "ngx_prof_base.h"
#include "ngx_prof_begun.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_context.h"
#include "ngx_prof_counter.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_try.h"
#include "ngx_prof_worker.h"


static ngx_inline ngx_uint_t ngx_prof_proxied_plain(ngx_http_request_t *r,
    const ngx_prof_try_told_t *told);
static uint64_t ngx_prof_proxied_began(ngx_http_request_t *r, uint64_t start)
    __attribute__((noinline));


ngx_int_t
ngx_prof_proxied_count(ngx_http_request_t *r, uint64_t late)
{
    uint64_t                    end, latency, *chunk, *upstream_chunk;
    ngx_uint_t                  bucket, upstream_bucket;
    ngx_time_t                 *tp;
    ngx_prof_counts_t          *all;
    ngx_prof_context_t         *context;
    ngx_prof_counting_t        *counter;
    const ngx_prof_try_told_t  *told;

    told = ngx_prof_try_told(r);
    context = ngx_prof_context_find(r->connection);

    if (told == NULL
        || context == NULL
        || context->request != (uintptr_t) r
        || context->end == 0
        || (context->counted & 1)
        || !ngx_prof_clock_counted()
        || ngx_prof_counter_read() - context->end >= late
        || !ngx_prof_proxied_plain(r, told))
    {
        return NGX_DECLINED;
    }

    counter = ngx_prof_counters[ngx_prof_context_location(r)->counter];

    if (counter == NULL) {
        return NGX_DECLINED;
    }

    end = ngx_prof_counter_ns(&ngx_prof_counter, context->end);
    tp = ngx_timeofday();

    latency = ngx_prof_passed((tp->msec == r->start_msec
                               && tp->sec == r->start_sec)
                              ? context->start
                              : ngx_prof_proxied_began(r, context->start),
                              end);
    bucket = ngx_prof_hist_bucket(latency);
    upstream_bucket = told->bucket - 1;
    chunk = ngx_prof_counting_chunk(counter, NGX_PROF_LATENCY, bucket);
    upstream_chunk = ngx_prof_counting_chunk(counter, NGX_PROF_UPSTREAM,
                                             upstream_bucket);

    if (chunk == NULL || upstream_chunk == NULL) {
        return NGX_DECLINED;
    }

    context->request = 0;
    all = &ngx_prof_process.slot->all;

    ngx_prof_cell_add_all(counter->cell, chunk, all, NGX_PROF_CODE_200,
                          r->request_length, r->connection->sent, bucket,
                          latency);
    ngx_prof_hist_count(&all->upstream, upstream_bucket, told->took);
    ngx_prof_cell_time(counter->cell, upstream_chunk, NGX_PROF_UPSTREAM,
                       upstream_bucket, told->took);

    return NGX_OK;
}


/* without a body, a cache, an error or another protocol */

static ngx_inline ngx_uint_t
ngx_prof_proxied_plain(ngx_http_request_t *r, const ngx_prof_try_told_t *told)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    return told->u == u
           && told->bucket
           && r == r->main
           && r->upstream_states->nelts == 1
           && ((r->headers_out.status ^ NGX_HTTP_OK) | r->err_status) == 0
           && r->headers_in.content_length_n == -1
           && !r->headers_in.chunked
#if (NGX_HTTP_CACHE)
           && !u->cache_status
#endif
           && !u->upgrade
           && r->done
           && !r->post_action;
}


/* its first bytes came before the present millisecond */

static uint64_t
ngx_prof_proxied_began(ngx_http_request_t *r, uint64_t start)
{
    return ngx_prof_begun(r, ngx_prof_loop_pass_start(), start);
}
