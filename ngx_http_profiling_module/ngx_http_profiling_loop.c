
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/epoll.h>
#include <pthread.h>
#include "ngx_http_profiling_loop.h"
#include "ngx_http_profiling_context.h"
#include "ngx_http_profiling_interpose.h"


static int ngx_http_profiling_loop_wait(int ep, struct epoll_event *events,
    int n, int timeout);
static void ngx_http_profiling_loop_pass(ngx_http_profiling_slot_t *slot,
    uint64_t busy);
static int ngx_http_profiling_loop_accept(int s, struct sockaddr *sa,
    socklen_t *len);
static int ngx_http_profiling_loop_accept4(int s, struct sockaddr *sa,
    socklen_t *len, int flags);
static void ngx_http_profiling_loop_accepted(void);
static int ngx_http_profiling_loop_signal(pthread_cond_t *cond);


static int (*ngx_http_profiling_epoll_wait)(int, struct epoll_event *, int,
    int);
static int (*ngx_http_profiling_accept)(int, struct sockaddr *, socklen_t *);
static int (*ngx_http_profiling_accept4)(int, struct sockaddr *, socklen_t *,
    int);
static int (*ngx_http_profiling_cond_signal)(pthread_cond_t *);


static ngx_http_profiling_hook_t  ngx_http_profiling_loop_hooks[] = {

    { "epoll_wait", (void *) ngx_http_profiling_loop_wait,
      (void **) &ngx_http_profiling_epoll_wait,
      NGX_HTTP_PROFILING_HOOK_MAIN },

    { "accept4", (void *) ngx_http_profiling_loop_accept4,
      (void **) &ngx_http_profiling_accept4,
      NGX_HTTP_PROFILING_HOOK_MAIN },

    { "accept", (void *) ngx_http_profiling_loop_accept,
      (void **) &ngx_http_profiling_accept,
      NGX_HTTP_PROFILING_HOOK_MAIN },

    /* nginx signals a condition only to hand a task to a thread pool */

    { "pthread_cond_signal", (void *) ngx_http_profiling_loop_signal,
      (void **) &ngx_http_profiling_cond_signal,
      NGX_HTTP_PROFILING_HOOK_MAIN }
};


ngx_http_profiling_dispatch_t  ngx_http_profiling_dispatch;

/* the descriptor of the worker's event loop, and time in this pass that is
 * counted as a pause already */

static int       ngx_http_profiling_loop_ep;
static uint64_t  ngx_http_profiling_loop_paused;


void
ngx_http_profiling_loop_init(ngx_cycle_t *cycle)
{
    ngx_uint_t                           n;
    ngx_event_conf_t                    *ecf;
    ngx_http_profiling_interpose_stat_t  stat;

    ngx_http_profiling_loop_ep = -1;

    n = sizeof(ngx_http_profiling_loop_hooks)
        / sizeof(ngx_http_profiling_hook_t);

    if (ngx_http_profiling_interpose(ngx_http_profiling_loop_hooks, n,
                                     cycle->log)
        == NGX_ERROR)
    {
        ngx_http_profiling_process.unavailable |=
            NGX_HTTP_PROFILING_NO_LOOP|NGX_HTTP_PROFILING_NO_TASKS
            |NGX_HTTP_PROFILING_NO_ACCEPT;
        return;
    }

    ngx_http_profiling_interpose_stat(&stat);

    if (stat.foreign || stat.failed) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "profiling could not interpose %ui calls of the "
                      "event loop, %ui belong to another tool",
                      stat.foreign + stat.failed, stat.foreign);
    }

    ecf = ngx_event_get_conf(cycle->conf_ctx, ngx_event_core_module);

    if (ngx_strcmp(ecf->name, "epoll") != 0) {
        ngx_http_profiling_process.unavailable |= NGX_HTTP_PROFILING_NO_LOOP;
    }
}


static int
ngx_http_profiling_loop_wait(int ep, struct epoll_event *events, int n,
    int timeout)
{
    int                         rc;
    uint64_t                    now, then;
    ngx_http_profiling_slot_t  *slot;

    slot = ngx_http_profiling_process.slot;

    if (ngx_http_profiling_loop_ep == -1) {
        ngx_http_profiling_loop_ep = ep;

        /* event handlers are called from where this function is */

        ngx_http_profiling_context_base(
                                 (uintptr_t) __builtin_frame_address(0)
                                 + 2 * sizeof(uintptr_t));
    }

    if (slot == NULL || ep != ngx_http_profiling_loop_ep) {
        return ngx_http_profiling_epoll_wait(ep, events, n, timeout);
    }

    ngx_http_profiling_dispatch.n = 0;

    then = ngx_http_profiling_clock();

    if (slot->pass_start) {
        ngx_http_profiling_loop_pass(slot, then - slot->pass_start);
    }

    ngx_http_profiling_store(&slot->wait_start, then);

    rc = ngx_http_profiling_epoll_wait(ep, events, n, timeout);

#if defined(__x86_64__)
    ngx_http_profiling_dispatch.caller =
                                     (uintptr_t) __builtin_return_address(0);
#endif

    ngx_http_profiling_dispatch.events = events;
    ngx_http_profiling_dispatch.n = rc;

    now = ngx_http_profiling_clock();

    ngx_http_profiling_store(&slot->pass_start, now);
    ngx_http_profiling_store(&slot->wait_start, 0);

    ngx_http_profiling_add(&slot->totals.wait, now - then);
    ngx_http_profiling_add(&slot->totals.iterations, 1);

    if (rc > 0) {
        ngx_http_profiling_add(&slot->totals.events, rc);
    }

    return rc;
}


static void
ngx_http_profiling_loop_pass(ngx_http_profiling_slot_t *slot, uint64_t busy)
{
    uint64_t  rest;

    ngx_http_profiling_add(&slot->totals.busy, busy);
    ngx_http_profiling_hist_count(&slot->passes,
                                  ngx_http_profiling_hist_bucket(busy), busy);

    if (busy < ngx_http_profiling_process.pause_threshold) {
        ngx_http_profiling_loop_paused = 0;
        return;
    }

    rest = busy - ngx_min(busy, ngx_http_profiling_loop_paused);
    ngx_http_profiling_loop_paused = 0;

    if (rest >= ngx_http_profiling_process.pause_threshold) {
        ngx_http_profiling_slot_pause(slot, ngx_http_profiling_time(), rest,
                                      NGX_HTTP_PROFILING_CAUSE_UNKNOWN);
    }
}


void
ngx_http_profiling_loop_pause(uint64_t duration, ngx_uint_t cause)
{
    ngx_http_profiling_slot_t  *slot;

    slot = ngx_http_profiling_process.slot;

    ngx_http_profiling_loop_paused += duration;
    ngx_http_profiling_slot_pause(slot, ngx_http_profiling_time(), duration,
                                  cause);
}


static int
ngx_http_profiling_loop_accept4(int s, struct sockaddr *sa, socklen_t *len,
    int flags)
{
    int  fd;

    fd = ngx_http_profiling_accept4(s, sa, len, flags);

    if (fd != -1) {
        ngx_http_profiling_loop_accepted();
    }

    return fd;
}


static int
ngx_http_profiling_loop_accept(int s, struct sockaddr *sa, socklen_t *len)
{
    int  fd;

    fd = ngx_http_profiling_accept(s, sa, len);

    if (fd != -1) {
        ngx_http_profiling_loop_accepted();
    }

    return fd;
}


static void
ngx_http_profiling_loop_accepted(void)
{
    ngx_http_profiling_slot_t  *slot;

    slot = ngx_http_profiling_process.slot;

    if (slot == NULL) {
        return;
    }

    ngx_http_profiling_add(&slot->totals.accepted, 1);

    /*
     * ngx_get_connection() then fails, and nginx closes the socket: it has
     * no free connection and none that it may close for a new one
     */

    if (ngx_cycle->free_connection_n == 0
        && ngx_cycle->reusable_connections_n == 0)
    {
        ngx_http_profiling_add(&slot->totals.dropped, 1);
    }
}


static int
ngx_http_profiling_loop_signal(pthread_cond_t *cond)
{
    ngx_http_profiling_slot_t  *slot;

    slot = ngx_http_profiling_process.slot;

    if (slot) {
        (void) __atomic_fetch_add(&slot->totals.tasks, 1, __ATOMIC_RELAXED);
    }

    return ngx_http_profiling_cond_signal(cond);
}
