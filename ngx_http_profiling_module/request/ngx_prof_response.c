
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_response.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_context.h"
#include "ngx_prof_request.h"
#include "ngx_prof_slice.h"


static ngx_int_t ngx_prof_response_header(ngx_http_request_t *r);
static ngx_int_t ngx_prof_response_alone(ngx_http_request_t *r, ngx_int_t rc)
    __attribute__((noinline));
static ngx_int_t ngx_prof_response_counted(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_prof_response_clock(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_prof_response_any(ngx_http_request_t *r, ngx_chain_t *in)
    __attribute__((noinline));
static void ngx_prof_response_handed(ngx_http_request_t *r);


static ngx_http_output_header_filter_pt  ngx_prof_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_prof_next_body_filter;


/* before all other filters: what they hold back is not handed over */

void
ngx_prof_response_init_process(void)
{
    ngx_uint_t  counted;

    counted = ngx_prof_clock_counted();

    ngx_prof_request_late = ngx_prof_loop_span(counted, NGX_PROF_REQUEST_LATE);

    if (ngx_http_top_header_filter == ngx_prof_response_header) {
        return;
    }

    ngx_prof_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_prof_response_header;

    ngx_prof_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = counted ? ngx_prof_response_counted
                                       : ngx_prof_response_clock;
}


/* some responses are a header and nothing else */

static ngx_int_t
ngx_prof_response_header(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_prof_next_header_filter(r);

    return ngx_prof_unlikely(r->header_only) ? ngx_prof_response_alone(r, rc)
                                             : rc;
}


/* apart from it, for what each response passes saves nothing more */

static ngx_int_t
ngx_prof_response_alone(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_prof_response_handed(r);

    return rc;
}


/* each call may be the last one: the next tells that it was not */

static ngx_prof_always_inline ngx_int_t
ngx_prof_response_body(ngx_http_request_t *r, ngx_chain_t *in,
    ngx_uint_t counted)
{
    ngx_int_t  rc;

    if (ngx_prof_unlikely(ngx_prof_latest.request != (uintptr_t) r)) {
        return ngx_prof_response_any(r, in);
    }

    rc = ngx_prof_next_body_filter(r, in);

    ngx_prof_latest.end = ngx_prof_loop_ticks(counted);

    return rc;
}


static ngx_int_t
ngx_prof_response_counted(ngx_http_request_t *r, ngx_chain_t *in)
{
    return ngx_prof_response_body(r, in, 1);
}


static ngx_int_t
ngx_prof_response_clock(ngx_http_request_t *r, ngx_chain_t *in)
{
    return ngx_prof_response_body(r, in, 0);
}


static ngx_int_t
ngx_prof_response_any(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t  rc;

    /* a thread's task that ends does not tell whose it was */

    if (ngx_prof_slicing.charged) {
        ngx_prof_slice_for(r);
    }

    rc = ngx_prof_next_body_filter(r, in);

    ngx_prof_response_handed(r);

    return rc;
}


static void
ngx_prof_response_handed(ngx_http_request_t *r)
{
    uint64_t            *end;
    ngx_prof_context_t  *owner;

    if (ngx_prof_process.slot == NULL || r != r->main || r->post_action) {
        return;
    }

    owner = ngx_prof_context_find(r->connection);

    if (ngx_prof_likely(owner && owner->request == (uintptr_t) r)) {
        owner->end = ngx_prof_loop_now();
        return;
    }

    /* a stream, or one of which nothing is recorded yet */

    end = ngx_prof_request_end(r);

    if (end == NULL) {

        /* it is answered before it has come to a phase */

        ngx_prof_request_begin(r);
        end = ngx_prof_request_end(r);
    }

    if (end) {
        *end = ngx_prof_loop_now();
    }

    /* the connection of a stream cannot be asked for it */

    if (ngx_prof_is_stream(r)) {
        owner = ngx_prof_context_owner((uintptr_t) r->connection);

        if (owner) {
            owner->sent = 1;
        }
    }
}
