
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_hold.h"
#include "ngx_prof_answer.h"
#include "ngx_prof_conf.h"


/* ms; when it expires, the timer is set again */
#define NGX_PROF_HOLD  60000


static void ngx_prof_hold_timer(ngx_event_t *ev);
static void ngx_prof_hold_cleanup(void *data);


ngx_int_t
ngx_prof_hold_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_event_t          *ev;
    ngx_pool_cleanup_t   *cln;
    ngx_prof_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    /*
     * before the answer begins: an error can still be answered with a status
     */

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_event_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_prof_answer_status(r, lcf->handler(r));

    if (rc != NGX_DONE) {
        return rc;
    }

    /* a handler that returned NGX_DONE keeps the request alive */

    ev = cln->data;

    ngx_memzero(ev, sizeof(ngx_event_t));

    ev->handler = ngx_prof_hold_timer;
    ev->data = r->connection;
    ev->log = r->connection->log;

    cln->handler = ngx_prof_hold_cleanup;

    ngx_add_timer(ev, NGX_PROF_HOLD);

    return NGX_DONE;
}


static void
ngx_prof_hold_timer(ngx_event_t *ev)
{
    ev->timedout = 0;
    ngx_add_timer(ev, NGX_PROF_HOLD);
}


static void
ngx_prof_hold_cleanup(void *data)
{
    ngx_event_t *ev = data;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }
}
