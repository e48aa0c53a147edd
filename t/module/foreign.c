
/*
 * A request as a module makes one of its own: its connection is none of
 * nginx's table, nor a stream of one that is.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "foreign.h"


static void
begin(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;

    c = ev->data;
    r = c->data;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = &cmcf->phase_engine.handlers[0];

    (void) ph->checker(r, ph);

    ngx_log_error(NGX_LOG_NOTICE, ev->log, 0, "a foreign request has begun");
}


/* it comes to its first phase in n ms, when no other is served, and stays */

void
profiling_test_foreign(long n, const char *file)
{
    ngx_event_t                *ev;
    ngx_pool_t                 *pool;
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_core_srv_conf_t  **cscf;
    ngx_http_core_main_conf_t  *cmcf;

    pool = ngx_create_pool(8192, ngx_cycle->log);

    if (pool == NULL) {
        return;
    }

    ev = ngx_pcalloc(pool, sizeof(ngx_event_t));
    c = ngx_pcalloc(pool, sizeof(ngx_connection_t));
    r = ngx_pcalloc(pool, sizeof(ngx_http_request_t));

    cmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_core_module);

    if (ev == NULL || c == NULL || r == NULL || cmcf == NULL) {
        return;
    }

    cscf = cmcf->servers.elts;

    r->main = r;
    r->pool = pool;
    r->connection = c;
    r->main_conf = cscf[0]->ctx->main_conf;
    r->srv_conf = cscf[0]->ctx->srv_conf;
    r->loc_conf = cscf[0]->ctx->loc_conf;

    c->fd = (ngx_socket_t) -1;
    c->data = r;
    c->log = ngx_cycle->log;
    c->pool = pool;

    ev->data = c;
    ev->log = ngx_cycle->log;
    ev->handler = begin;

    ngx_add_timer(ev, (ngx_msec_t) n);
}
