
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_slice.h"
#include "ngx_prof_context.h"
#include "ngx_prof_conf.h"


static ngx_prof_cost_t *ngx_prof_slice_cost(const ngx_http_request_t *r);
static void ngx_prof_slice_cleanup(void *data);


ngx_prof_slice_t  ngx_prof_slicing;

void (*ngx_prof_slice_cut)(void);

ngx_log_handler_pt  ngx_prof_slice_handler;

/* most requests end in the slice in which they began, and need no memory */
static ngx_prof_cost_t  ngx_prof_slice_first;


void
ngx_prof_slice_take(ngx_http_request_t *r)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (!s->charged) {
        return;
    }

    if (s->request || s->counter != NGX_PROF_NO_COUNTER) {
        ngx_prof_slice_cut();
    }

    ngx_prof_slice_own(r);
}


void
ngx_prof_slice_own(ngx_http_request_t *r)
{
    ngx_prof_cost_t   *cost;
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (!s->charged) {

        /* nothing tells when the request ends */

        ngx_prof_slice_note(r);
        return;
    }

    cost = ngx_prof_slice_cost(r);

    if (cost == NULL) {
        cost = &ngx_prof_slice_first;
        ngx_memzero(cost, sizeof(ngx_prof_cost_t));

        if (ngx_prof_slice_handler == NULL) {
            ngx_prof_slice_handler = r->connection->log->handler;
        }
    }

    s->request = r;
    s->cost = cost;

    if (s->wait == 0) {
        return;
    }

    cost->wait += s->wait;

    if (s->held > cost->held) {
        cost->held = s->held;
        cost->holder = s->holder;
    }
}


/* NULL: the request has had no slice that is over */

static ngx_prof_cost_t *
ngx_prof_slice_cost(const ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_prof_slice_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


void
ngx_prof_slice_keep(void)
{
    ngx_prof_slice_t    *s;
    ngx_pool_cleanup_t  *cln;

    s = &ngx_prof_slicing;

    if (s->cost != &ngx_prof_slice_first) {
        return;
    }

    cln = ngx_pool_cleanup_add(s->request->pool, sizeof(ngx_prof_cost_t));

    if (cln) {
        cln->handler = ngx_prof_slice_cleanup;
        ngx_memcpy(cln->data, s->cost, sizeof(ngx_prof_cost_t));
    }
}


/* it tells where the cost of a request is; it lies in the pool itself */

static void
ngx_prof_slice_cleanup(void *data)
{
}


void
ngx_prof_slice_logged(ngx_http_request_t *r)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (r != r->main || !s->charged) {
        return;
    }

    ngx_prof_slice_for(r);
    ngx_prof_slice_note(r);

    s->request = NULL;
    s->cost = NULL;
    s->counter = ngx_prof_context_location(r)->counter;
}


void
ngx_prof_slice_latest(void)
{
    ngx_prof_slice_t    *s;
    ngx_prof_context_t  *latest;

    s = &ngx_prof_slicing;
    latest = &ngx_prof_latest;

    if (s->connection == NULL) {
        return;
    }

    s->number = s->connection->number;

    if (latest->connection == (uintptr_t) s->connection
        && latest->start == ngx_prof_loop_pass_start())
    {
        s->marked = (uint32_t) latest->place;
    }
}
