
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_variable.h"
#include "ngx_prof_base.h"
#include "ngx_prof_conf_cost.h"
#include "ngx_prof_context.h"
#include "ngx_prof_cost.h"
#include "ngx_prof_slowness.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static ngx_int_t ngx_prof_variable_cost(ngx_http_request_t *r,
    ngx_prof_cost_t *cost);
static ngx_int_t ngx_prof_variable_slow(ngx_http_request_t *r,
    ngx_http_variable_value_t *v);
static ngx_uint_t ngx_prof_variable_logging(const ngx_http_request_t *r);
static ngx_uint_t ngx_prof_variable_expensive(ngx_http_request_t *r,
    const ngx_prof_cost_t *cost);
static ngx_int_t ngx_prof_variable_holder(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_uint_t holder);
static ngx_int_t ngx_prof_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uint64_t n, ngx_uint_t seconds);


ngx_int_t
ngx_prof_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_prof_cost_t  cost;

    v->not_found = 1;

    if (data == NGX_PROF_VAR_SLOW_ID) {
        return ngx_prof_variable_slow(r->main, v);
    }

    if (!ngx_prof_context_location(r->main)->enable
        || ngx_prof_variable_cost(r->main, &cost) != NGX_OK)
    {
        return NGX_OK;
    }

    switch (data) {

    case NGX_PROF_VAR_CPU:
        return ngx_prof_cost_cpus()
               ? ngx_prof_variable_number(r, v, cost.cpu, 1) : NGX_OK;

    case NGX_PROF_VAR_LOOP:
        return ngx_prof_variable_number(r, v, cost.loop, 1);

    case NGX_PROF_VAR_LONGEST:
        return ngx_prof_variable_number(r, v, cost.longest, 1);

    case NGX_PROF_VAR_BLOCKED:
        return ngx_prof_variable_number(r, v, cost.blocked, 1);

    case NGX_PROF_VAR_WAIT:
        return ngx_prof_variable_number(r, v, cost.wait, 1);

    case NGX_PROF_VAR_WAIT_FOR:
        return cost.held ? ngx_prof_variable_holder(r, v, cost.holder)
                         : NGX_OK;

    case NGX_PROF_VAR_ALLOC:
        return ngx_prof_cost_allocs()
               ? ngx_prof_variable_number(r, v, cost.alloc, 0) : NGX_OK;

    default: /* NGX_PROF_VAR_EXPENSIVE */

        if (ngx_prof_variable_expensive(r, &cost)) {
            v->data = (u_char *) "1";
            v->len = 1;
            v->valid = 1;
            v->not_found = 0;
        }

        return NGX_OK;
    }
}


/* all that a request's lines in its logs tell is of one moment */

static ngx_int_t
ngx_prof_variable_cost(ngx_http_request_t *r, ngx_prof_cost_t *cost)
{
    static uint64_t             start;
    static ngx_prof_cost_t      logged;
    static ngx_http_request_t  *of;

    if (!ngx_prof_variable_logging(r)) {
        return ngx_prof_cost_now(r, cost);
    }

    if (of != r || start != ngx_prof_slicing.start) {

        if (ngx_prof_cost_now(r, &logged) != NGX_OK) {
            return NGX_DECLINED;
        }

        of = r;
        start = ngx_prof_slicing.start;
    }

    *cost = logged;

    return NGX_OK;
}


/* whether a request was slow is known when it is logged */

static ngx_int_t
ngx_prof_variable_slow(ngx_http_request_t *r, ngx_http_variable_value_t *v)
{
    uint64_t  number;

    number = ngx_prof_variable_logging(r) ? ngx_prof_slowness(r) : 0;

    return number ? ngx_prof_variable_number(r, v, number, 0) : NGX_OK;
}


static ngx_uint_t
ngx_prof_variable_logging(const ngx_http_request_t *r)
{
    const char  *action;

    action = r->connection->log->action;

    return action && ngx_strcmp(action, "logging request") == 0;
}


static ngx_uint_t
ngx_prof_variable_expensive(ngx_http_request_t *r, const ngx_prof_cost_t *cost)
{
    const ngx_prof_bounds_t  *b;

    b = ngx_prof_context_location(r)->expensive;

    return b
           && ((b->cpu && cost->cpu > b->cpu && ngx_prof_cost_cpus())
               || (b->loop && cost->loop > b->loop)
               || (b->wait && cost->wait > b->wait)
               || (b->alloc && cost->alloc > b->alloc
                   && ngx_prof_cost_allocs()));
}


static ngx_int_t
ngx_prof_variable_holder(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    ngx_uint_t holder)
{
    ngx_str_t              name;
    ngx_prof_place_name_t  place;

    ngx_str_set(&name, "(none)");

    if (holder
        && ngx_prof_zone_place_name(ngx_prof_process.zone, holder - 1, &place)
           == NGX_OK)
    {
        name = place.has_location ? place.location : place.server;
    }

    /* the text is in shared memory, where a reload may give it another place */

    v->data = ngx_pnalloc(r->pool, name.len);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(v->data, name.data, name.len);

    v->len = name.len;
    v->valid = 1;
    v->not_found = 0;

    return NGX_OK;
}


/* ns as seconds, or bytes */

static ngx_int_t
ngx_prof_variable_number(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uint64_t n, ngx_uint_t seconds)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN + sizeof(".000000"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->data = p;

    if (seconds) {
        n /= 1000;
        p = ngx_sprintf(p, "%uL.%06uL", n / NGX_PROF_USEC_PER_SEC,
                        n % NGX_PROF_USEC_PER_SEC);

    } else {
        p = ngx_sprintf(p, "%uL", n);
    }

    v->len = p - v->data;
    v->valid = 1;
    v->not_found = 0;

    return NGX_OK;
}
