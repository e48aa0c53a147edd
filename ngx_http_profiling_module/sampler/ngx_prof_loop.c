
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/epoll.h>
#include <pthread.h>
#include "ngx_prof_loop.h"
#include "ngx_prof_incident.h"
#include "ngx_prof_base.h"
#include "ngx_prof_block.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_context.h"
#include "ngx_prof_cost.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_listener.h"
#include "ngx_prof_mark.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slice.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_pause.h"
#include "ngx_prof_trace_control.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_worker.h"


/* ns from one connection that is asked how long it waited to the next */
#define NGX_PROF_LOOP_ASK  1000000


static int ngx_prof_loop_wait_counted(int ep, struct epoll_event *events,
    int n, int timeout);
static int ngx_prof_loop_wait_clock(int ep, struct epoll_event *events, int n,
    int timeout);
static int ngx_prof_loop_other(int ep, struct epoll_event *events, int n,
    int timeout, uintptr_t caller, uintptr_t cfa)
    __attribute__((noinline));
static int ngx_prof_loop_long(int ep, struct epoll_event *events, int n,
    int timeout, uint64_t then, uint64_t busy)
    __attribute__((noinline));
static int ngx_prof_loop_ask(int ep, struct epoll_event *events, int n,
    int timeout);
static void ngx_prof_loop_begin(int ep, const struct epoll_event *events,
    uintptr_t caller, uintptr_t cfa);
static void ngx_prof_loop_paused(ngx_prof_slot_t *slot, uint64_t busy)
    __attribute__((noinline));
static int ngx_prof_loop_accept(int s, struct sockaddr *sa, socklen_t *len);
static int ngx_prof_loop_accept4(int s, struct sockaddr *sa, socklen_t *len,
    int flags);
static void ngx_prof_loop_accepted(int fd);
static int ngx_prof_loop_signal(pthread_cond_t *cond);


static int (*ngx_prof_epoll_wait)(int, struct epoll_event *, int, int);
static int (*ngx_prof_accept)(int, struct sockaddr *, socklen_t *);
static int (*ngx_prof_accept4)(int, struct sockaddr *, socklen_t *, int);
static int (*ngx_prof_cond_signal)(pthread_cond_t *);

static uint64_t  ngx_prof_loop_waited;


static ngx_prof_hook_t  ngx_prof_loop_hooks[] = {

    { "epoll_wait", (void *) ngx_prof_loop_wait_counted,
      (void **) &ngx_prof_epoll_wait,
      NGX_PROF_HOOK_MAIN },

    { "accept4", (void *) ngx_prof_loop_accept4,
      (void **) &ngx_prof_accept4,
      NGX_PROF_HOOK_MAIN },

    { "accept", (void *) ngx_prof_loop_accept,
      (void **) &ngx_prof_accept,
      NGX_PROF_HOOK_MAIN },

    /* nginx signals a condition only to hand a task to a thread pool */

    { "pthread_cond_signal", (void *) ngx_prof_loop_signal,
      (void **) &ngx_prof_cond_signal,
      NGX_PROF_HOOK_MAIN }
};

ngx_prof_hooks_expected(ngx_prof_loop_hooks)


/* ns already counted as a pause of known cause, and the pass they belong to */

static uint64_t  ngx_prof_loop_known;
static uint64_t  ngx_prof_loop_known_pass;


void
ngx_prof_loop_init(ngx_cycle_t *cycle)
{
    ngx_uint_t                 n;
    ngx_event_conf_t          *ecf;
    ngx_prof_interpose_stat_t  stat;

    ngx_prof_dispatch.own = -1;
    ngx_prof_dispatch.ep = -1;

    if (!ngx_prof_clock_counted()) {
        ngx_prof_loop_hooks[0].hook =
                                 (void *) ngx_prof_loop_wait_clock;
    }

    n = sizeof(ngx_prof_loop_hooks)
        / sizeof(ngx_prof_hook_t);

    if (ngx_prof_interpose(ngx_prof_loop_hooks, n, cycle->log) == NGX_ERROR) {
        ngx_prof_process.unavailable |=
            NGX_PROF_NO_LOOP|NGX_PROF_NO_TASKS
            |NGX_PROF_NO_ACCEPT;
        return;
    }

    ngx_prof_interpose_stat(&stat);

    if (stat.foreign || stat.failed) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "profiling could not interpose %ui calls of the "
                      "event loop, %ui belong to another tool",
                      stat.foreign + stat.failed, stat.foreign);
    }

    ecf = ngx_event_get_conf(cycle->conf_ctx, ngx_event_core_module);

    if (ngx_strcmp(ecf->name, "epoll") != 0) {
        ngx_prof_process.unavailable |= NGX_PROF_NO_LOOP;
    }
}


/* ends a pass that took so many ns */

static ngx_prof_always_inline void
ngx_prof_loop_end(ngx_prof_slot_t *slot, uint64_t busy)
{
    uint64_t    n;
    ngx_uint_t  bucket;

    bucket = ngx_prof_hist_bucket(busy);

    /* a crash report has the requests of the passes before it */

    n = slot->totals.iterations % NGX_PROF_CRASH_PASSES;

    ngx_prof_store(&slot->before[n],
                   ngx_prof_crash_pass(ngx_prof_latest.place,
                                       ngx_prof_latest.start));

    ngx_prof_add(&slot->totals.busy, busy);
    ngx_prof_hist_count(&slot->passes, bucket, busy);
}


/*
 * epoll_wait(), called at `then`, has returned rc: the next pass begins `now`
 */

static ngx_prof_always_inline void
ngx_prof_loop_next(ngx_prof_slot_t *slot, uint64_t then, uint64_t now, int rc)
{
    ngx_prof_dispatch.n = rc;

    ngx_prof_store(&slot->pass_start, now);

    ngx_prof_add(&slot->totals.wait, now - then);
    ngx_prof_add(&slot->totals.iterations, 1);

    if (rc > 0) {
        ngx_prof_add(&slot->totals.events, rc);
    }
}


/* every pass runs this: rare cases are in other() */

static ngx_prof_always_inline int
ngx_prof_loop_wait(int ep, struct epoll_event *events, int n, int timeout,
    ngx_uint_t counted)
{
    int               rc;
    uint64_t          then, busy;
    ngx_prof_slot_t  *slot;

    if (ngx_prof_unlikely(ep != ngx_prof_dispatch.ep)) {
        return ngx_prof_loop_other(ep, events, n, timeout,
                                     (uintptr_t) __builtin_return_address(0),
                                     (uintptr_t) __builtin_dwarf_cfa());
    }

    slot = ngx_prof_process.slot;
    then = ngx_prof_loop_clock(counted);
    busy = then - slot->pass_start;

    ngx_prof_loop_end(slot, busy);

    if (ngx_prof_unlikely(busy >= ngx_prof_process.pause_threshold)) {
        return ngx_prof_loop_long(ep, events, n, timeout, then, busy);
    }

    ngx_prof_store(&slot->wait_start, then);

    rc = ngx_prof_epoll_wait(ep, events, n, timeout);

    ngx_prof_loop_next(slot, then, ngx_prof_loop_clock(counted), rc);

    return rc;
}


static int
ngx_prof_loop_wait_counted(int ep, struct epoll_event *events, int n,
    int timeout)
{
    return ngx_prof_loop_wait(ep, events, n, timeout, 1);
}


static int
ngx_prof_loop_wait_clock(int ep, struct epoll_event *events, int n,
    int timeout)
{
    return ngx_prof_loop_wait(ep, events, n, timeout, 0);
}


/*
 * The same after a long pass: kept apart, as the last call, so that it costs
 * the other passes no register.
 */

static int
ngx_prof_loop_long(int ep, struct epoll_event *events, int n, int timeout,
    uint64_t then, uint64_t busy)
{
    int               rc;
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    ngx_prof_loop_paused(slot, busy);
    ngx_prof_store(&slot->wait_start, then);

    rc = ngx_prof_epoll_wait(ep, events, n, timeout);

    ngx_prof_loop_next(slot, then,
                       ngx_prof_loop_clock(ngx_prof_clock_counted()),
                       rc);
    return rc;
}


/*
 * The other cases: the worker's first pass, whose descriptor is that of its
 * event loop; a pass during a trace, or with slices; another descriptor; no
 * slot.
 */

static int
ngx_prof_loop_other(int ep, struct epoll_event *events, int n, int timeout,
    uintptr_t caller, uintptr_t cfa)
{
    int               rc, room;
    uint64_t          then, now, busy, began, ticks;
    ngx_uint_t        counted;
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    if (slot == NULL
        || (ep != ngx_prof_dispatch.own
            && ngx_prof_dispatch.own != -1))
    {
        return ngx_prof_epoll_wait(ep, events, n, timeout);
    }

    if (ngx_prof_dispatch.own == -1) {
        ngx_prof_loop_begin(ep, events, caller, cfa);
    }

    counted = ngx_prof_clock_counted();
    began = ngx_prof_loop_ticks(counted);
    then = ngx_prof_loop_at(counted, began);
    busy = then - slot->pass_start;
    room = n;

    if (ngx_prof_cost_marked()) {
        ngx_prof_mark_end(began);
        room = ngx_prof_mark_room(n);
    }

    ngx_prof_loop_end(slot, busy);

    if (busy >= ngx_prof_process.pause_threshold) {
        ngx_prof_loop_paused(slot, busy);
    }

    ngx_prof_store(&slot->wait_start, then);

    ticks = began;

    if (ngx_prof_tracing.polls) {
        rc = ngx_prof_trace_poll(then, ep, events, room, timeout,
                                 ngx_prof_epoll_wait);

        if (ngx_prof_tracing.asked) {
            ticks = ngx_prof_loop_ticks(counted);
        }

    } else {
        rc = ngx_prof_loop_ask(ep, events, room, timeout);
        ticks = ngx_prof_loop_ticks(counted);
    }

    now = ngx_prof_loop_at(counted, ticks);

    ngx_prof_loop_next(slot, then, now, rc);

    if (ngx_prof_tracing.on) {
        ngx_prof_trace_pass(now, events, rc);
    }

    if (ngx_prof_slicing.on) {
        rc = ngx_prof_mark_pass(events, rc, n, began, ticks);
        ngx_prof_dispatch.n = rc;
    }

    return rc;
}


/*
 * After a slice that held the loop up, the kernel is asked without waiting,
 * until it tells that nothing is left that was ready meanwhile.
 */

static int
ngx_prof_loop_ask(int ep, struct epoll_event *events, int n, int timeout)
{
    int  rc;

    if (ngx_prof_unlikely(ngx_prof_slicing.late)) {
        rc = ngx_prof_epoll_wait(ep, events, n, 0);

        if (rc) {
            return rc;
        }

        ngx_prof_slicing.late = 0;
    }

    return ngx_prof_epoll_wait(ep, events, n, timeout);
}


static void
ngx_prof_loop_begin(int ep, const struct epoll_event *events, uintptr_t caller,
    uintptr_t cfa)
{
    ngx_prof_store(&ngx_prof_process.slot->pass_start,
                   ngx_prof_loop_clock(
                                       ngx_prof_clock_counted()));

    if (!NGX_PROF_ARCH_LINKS) {
        ngx_prof_dispatch.caller = caller;
    }

    /* event handlers are called from the frame that called this hook */

    ngx_prof_context_base(cfa);

    /* nginx has the same array of events in each pass */

    ngx_prof_dispatch.events = events;

    ngx_prof_dispatch.own = ep;

    ngx_prof_dispatch_divert(NGX_PROF_DIVERT_TRACE, ngx_prof_tracing.polls);
}


/* counts the part of a long pass without a known cause as a pause */

static void
ngx_prof_loop_paused(ngx_prof_slot_t *slot, uint64_t busy)
{
    uint64_t  rest;

    rest = busy;

    if (ngx_prof_loop_known_pass == slot->pass_start) {
        rest -= ngx_min(busy, ngx_prof_loop_known);
    }

    if (rest >= ngx_prof_process.pause_threshold) {
        ngx_prof_pause_end(slot, busy, rest);
        ngx_prof_cost_paused();
    }
}


void
ngx_prof_loop_pause(uint64_t duration, ngx_uint_t cause)
{
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    if (ngx_prof_loop_known_pass != slot->pass_start) {
        ngx_prof_loop_known_pass = slot->pass_start;
        ngx_prof_loop_known = 0;
    }

    ngx_prof_loop_known += duration;

    ngx_prof_slot_pause(slot, ngx_prof_clock(), duration, cause);
    ngx_prof_incident_stall(duration, NULL);
}


static int
ngx_prof_loop_accept4(int s, struct sockaddr *sa, socklen_t *len, int flags)
{
    int  fd;

    fd = ngx_prof_accept4(s, sa, len, flags);

    if (fd != -1) {
        ngx_prof_block_socket(fd);
        ngx_prof_loop_accepted(fd);
    }

    return fd;
}


static int
ngx_prof_loop_accept(int s, struct sockaddr *sa, socklen_t *len)
{
    int  fd;

    fd = ngx_prof_accept(s, sa, len);

    if (fd != -1) {
        ngx_prof_loop_accepted(fd);
    }

    return fd;
}


static void
ngx_prof_loop_accepted(int fd)
{
    uint64_t          waited;
    ngx_prof_slot_t  *slot;
    static uint64_t   asked;

    slot = ngx_prof_process.slot;

    if (slot == NULL) {
        return;
    }

    ngx_prof_add(&slot->totals.accepted, 1);

    if (slot->pass_start - asked >= NGX_PROF_LOOP_ASK) {
        asked = slot->pass_start;
        waited = ngx_prof_listener_waited(fd);
        ngx_prof_loop_waited = ngx_max(ngx_prof_loop_waited, waited);
    }

    /*
     * ngx_get_connection() will fail, and nginx will close the socket: no
     * connection is free, and none may be closed for a new one
     */

    if (ngx_cycle->free_connection_n == 0
        && ngx_cycle->reusable_connections_n == 0)
    {
        ngx_prof_add(&slot->totals.dropped, 1);
    }
}


uint64_t
ngx_prof_loop_accept_wait(void)
{
    uint64_t  waited;

    waited = ngx_prof_loop_waited;
    ngx_prof_loop_waited = 0;

    return waited;
}


static int
ngx_prof_loop_signal(pthread_cond_t *cond)
{
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    if (slot) {
        (void) __atomic_fetch_add(&slot->totals.tasks, 1, __ATOMIC_RELAXED);
    }

    return ngx_prof_cond_signal(cond);
}
