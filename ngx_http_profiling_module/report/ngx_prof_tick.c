
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include "ngx_prof_tick.h"
#include "ngx_prof_allocator.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_base.h"
#include "ngx_prof_begun.h"
#include "ngx_prof_block.h"
#include "ngx_prof_capacity.h"
#include "ngx_prof_cpu_profile.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_connection_count.h"
#include "ngx_prof_cpu.h"
#include "ngx_prof_descriptor.h"
#include "ngx_prof_inherited.h"
#include "ngx_prof_job.h"
#include "ngx_prof_loop.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_learn.h"
#include "ngx_prof_listener.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_heap_size.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_malloc.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_recorder.h"
#include "ngx_prof_ring.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_slowness.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_reaper.h"
#include "ngx_prof_reloads.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_throttle.h"
#include "ngx_prof_usage.h"
#include "ngx_prof_watch.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* the allocator is asked no more often than keeps the cost below this share */
#define NGX_PROF_HEAP_SHARE  50000


/* a tick in progress; with many connections it takes several passes */

typedef struct {
    ngx_connection_t  *timer;                   /* NULL: nginx's own */
    ngx_msec_t         interval;                /* of the timer now */
    ngx_event_t        event;                   /* posted, or nginx's timer */
    ngx_connection_t   connection;              /* for nginx's debug log */
    ngx_uint_t         from;                    /* next connection to count */
    uint64_t           spent;                   /* ns in this tick so far */
    uint64_t           heap_clock;              /* when to read the heap
                                                   again */
    ngx_prof_gauges_t  gauges;                  /* being filled */

    ngx_prof_rated_t   since;                   /* when this interval began */

    uint64_t           connections_since;       /* as of the gauges */
    uint64_t           descriptors_since;
    uint64_t           drain_since;
} ngx_prof_tick_t;


static ngx_int_t ngx_prof_tick_open(ngx_cycle_t *cycle);
static void ngx_prof_tick_timer(ngx_event_t *ev);
static void ngx_prof_tick_handler(ngx_event_t *ev);
static void ngx_prof_tick_arm(void);
static void ngx_prof_tick_begin(uint64_t clock);
static void ngx_prof_tick_end(uint64_t clock);
static void ngx_prof_tick_heap(uint64_t clock);
static uint64_t ngx_prof_tick_part(uint64_t value, uint64_t inherited);
static void ngx_prof_tick_rates(ngx_prof_slot_t *slot, uint64_t clock);
static void ngx_prof_tick_limits(uint64_t clock);
static void ngx_prof_tick_sample(ngx_prof_slot_t *slot);


static ngx_prof_tick_t  ngx_prof_ticking;


void
ngx_prof_tick_init(ngx_cycle_t *cycle)
{
    ngx_prof_tick_t  *t;

    t = &ngx_prof_ticking;
    ngx_memzero(t, sizeof(ngx_prof_tick_t));

    ngx_prof_event_init(&t->event, &t->connection,
                        ngx_prof_tick_handler,
                        cycle->log);
    t->event.cancelable = 1;

    if (ngx_prof_tick_open(cycle) != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "profiling has no timer of its own, "
                      "it uses one of nginx's");
    }

    /* the first figures at once, then at multiples of the interval */

    ngx_prof_tick_handler(&t->event);
}


/*
 * A timer of the kernel, in the event loop like a socket: one among nginx's
 * own would make each request's timers go deeper into their tree.
 */

static ngx_int_t
ngx_prof_tick_open(ngx_cycle_t *cycle)
{
    int                fd;
    ngx_connection_t  *c;

    fd = ngx_prof_barred(NGX_PROF_BARRED_TIMERFD) ? -1
         : timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK|TFD_CLOEXEC);

    if (fd == -1) {
        return NGX_ERROR;
    }

    c = ngx_prof_descriptor_open(fd, cycle->log);

    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->read->handler = ngx_prof_tick_timer;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_prof_descriptor_close(c);
        return NGX_ERROR;
    }

    ngx_prof_ticking.timer = c;

    return NGX_OK;
}


static void
ngx_prof_tick_timer(ngx_event_t *ev)
{
    uint64_t          n;
    ngx_prof_tick_t  *t;

    t = &ngx_prof_ticking;

    /* the last tick, over several passes, may still be in progress */

    if (read(t->timer->fd, &n, sizeof(uint64_t)) == sizeof(uint64_t)
        && t->from == 0)
    {
        ngx_prof_tick_handler(&t->event);
    }
}


void
ngx_prof_tick_finish(void)
{
    uint64_t          clock;
    ngx_prof_tick_t  *t;

    t = &ngx_prof_ticking;

    ngx_prof_event_stop(&t->event);

    if (t->timer) {
        ngx_prof_descriptor_close(t->timer);
        t->timer = NULL;
    }

    clock = ngx_prof_clock();

    ngx_prof_tick_begin(clock);
    ngx_prof_tick_end(clock);

    ngx_prof_recorder_finish();
    ngx_prof_watch_finish();
    ngx_prof_learn_finish();

    ngx_prof_slot_ended(ngx_prof_process.zone, ngx_prof_process.slot);
}


static void
ngx_prof_tick_handler(ngx_event_t *ev)
{
    uint64_t          clock;
    ngx_int_t         rc;
    ngx_prof_meter_t   cost;
    ngx_prof_tick_t  *t;

    if (ngx_prof_process.slot == NULL) {
        return;
    }

    ngx_prof_meter_begin_long(&cost);

    t = &ngx_prof_ticking;
    clock = ngx_prof_clock();

    if (ev->log != ngx_cycle->log) {
        ev->log = ngx_cycle->log;
    }

    if (t->from == 0) {
        ngx_prof_tick_begin(clock);
    }

    rc = ngx_prof_process.helper
         ? NGX_OK
         : ngx_prof_connections_count((ngx_cycle_t *) ngx_cycle,
                                      &t->from, &t->gauges);

    if (rc == NGX_AGAIN) {
        t->spent += ngx_prof_clock() - clock;
        ngx_post_event(ev, &ngx_posted_next_events);

    } else {
        t->from = 0;

        ngx_prof_tick_end(clock);
        ngx_prof_tick_arm();
    }

    ngx_prof_meter_end_long(&cost, NGX_PROF_METER_TICK);
}


/* at multiples of the interval, so that all workers agree */

static void
ngx_prof_tick_arm(void)
{
    uint64_t           ms;
    ngx_msec_t         interval;
    struct itimerspec  its;
    ngx_prof_tick_t   *t;

    t = &ngx_prof_ticking;

    interval = ngx_prof_setting(NGX_PROF_INTERVAL);
    ms = ngx_prof_clock() / NGX_PROF_NSEC_PER_MSEC;

    if (t->timer == NULL) {
        ngx_add_timer(&t->event, interval - ms % interval);
        return;
    }

    if (interval == t->interval) {
        return;
    }

    ms += interval - ms % interval;

    its.it_value.tv_sec = ms / 1000;
    its.it_value.tv_nsec = ms % 1000 * NGX_PROF_NSEC_PER_MSEC;
    its.it_interval.tv_sec = interval / 1000;
    its.it_interval.tv_nsec = interval % 1000 * NGX_PROF_NSEC_PER_MSEC;

    if (timerfd_settime(t->timer->fd, TFD_TIMER_ABSTIME, &its, NULL) == -1) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "timerfd_settime() failed");
        return;
    }

    t->interval = interval;
}


static void
ngx_prof_tick_begin(uint64_t clock)
{
    ngx_prof_tick_t  *t;

    t = &ngx_prof_ticking;

    ngx_memzero(&t->gauges, sizeof(ngx_prof_gauges_t));
    t->from = 0;
    t->spent = 0;

    t->gauges.unavailable = ngx_prof_process.unavailable;
    t->gauges.draining = ngx_exiting || ngx_quit;

    ngx_prof_clock_adjust();
    ngx_prof_begun_update();

    (void) ngx_prof_interpose_refresh(ngx_cycle->log);

    ngx_prof_cpu_profile_reap();
    ngx_prof_cpu_update();
    ngx_prof_block_tick();

    if (!ngx_prof_process.helper) {
        ngx_prof_heap_tick();
        ngx_prof_malloc_tick();

        /* ask those that are stuck for their stacks, before any client asks */

        (void) ngx_prof_hang_chase();

        ngx_prof_reap_tick(ngx_cycle->log);
    }

    ngx_prof_system_memory(&t->gauges);
    ngx_prof_inherited(&t->gauges);
    ngx_prof_thread_stacks(&t->gauges);
    ngx_prof_tick_heap(clock);
}


static void
ngx_prof_tick_end(uint64_t clock)
{
    uint64_t            spent;
    ngx_prof_slot_t    *slot;
    ngx_prof_gauges_t  *g;
    ngx_prof_tick_t    *t;

    slot = ngx_prof_process.slot;
    t = &ngx_prof_ticking;
    g = &t->gauges;

    ngx_prof_usage();
    ngx_prof_tick_rates(slot, clock);

    g->clock = clock;

    if (!ngx_prof_process.helper) {
        ngx_prof_tick_limits(clock);
    }

    ngx_prof_throttle_tick(clock, g, ngx_cycle->log);

    ngx_prof_tick_sample(slot);
    ngx_prof_recorder_tick();

    if (!ngx_prof_process.helper) {
        ngx_prof_watch_tick(ngx_cycle->log);
        ngx_prof_learn_tick(ngx_cycle->log);
        ngx_prof_slowness_tick();
    }

    spent = t->spent + ngx_prof_clock() - clock;

    g->collect = spent;

    ngx_prof_add(&slot->totals.ticks, 1);
    ngx_prof_add(&slot->totals.tick_time, spent);

    ngx_prof_record_write(&slot->gauges_seq, &slot->gauges, g,
                          sizeof(ngx_prof_gauges_t));
}


/* asking the allocator costs: it is asked for a share of the time only */

static void
ngx_prof_tick_heap(uint64_t clock)
{
    uint64_t                start, bound;
    ngx_prof_heap_t         heap;
    ngx_prof_gauges_t      *g;
    ngx_prof_tick_t        *t;
    const ngx_prof_heap_t  *inherited;

    t = &ngx_prof_ticking;
    g = &t->gauges;

    bound = (clock >= t->heap_clock) ? NGX_PROF_HEAP_BOUND : 0;
    start = ngx_prof_thread_cpu();

    if (ngx_prof_heap_size(&heap, bound) != NGX_OK) {
        g->unavailable |= NGX_PROF_NO_HEAP|NGX_PROF_NO_TRIM;
        return;
    }

    if (bound) {
        t->heap_clock = clock + (ngx_prof_thread_cpu() - start)
                                * NGX_PROF_HEAP_SHARE;
    }

    inherited = ngx_prof_heap_size_inherited();

    g->estimated |= heap.estimated ? NGX_PROF_ESTIMATED_HEAP : 0;
    g->heap_alloc = ngx_prof_tick_part(heap.alloc, inherited->alloc);
    g->heap_sys = ngx_prof_tick_part(heap.sys, inherited->sys);
    g->next_gc = heap.next_gc ? g->heap_alloc + heap.next_gc - heap.alloc : 0;

    if (g->next_gc == 0) {
        g->unavailable |= NGX_PROF_NO_TRIM;
    }
}


/* a worker's part of a figure that began as the master's */

static uint64_t
ngx_prof_tick_part(uint64_t value, uint64_t inherited)
{
    inherited = ngx_min(inherited, value);

    return value - inherited + ngx_prof_inherited_part(inherited);
}


/*
 * A worker begins between two ticks.  Where less than half an interval is left
 * to the first one, the second ends its first interval.
 */

static void
ngx_prof_tick_rates(ngx_prof_slot_t *slot, uint64_t clock)
{
    uint64_t           half;
    ngx_prof_tick_t   *t;
    ngx_prof_rated_t   now, *since, *interval;

    t = &ngx_prof_ticking;
    since = &t->since;
    interval = &t->gauges.interval;

    now.clock = clock;
    now.requests = ngx_prof_counts_requests(&slot->all);
    now.errors = ngx_prof_counts_class(&slot->all, 5);
    now.busy = ngx_prof_loop_busy(clock);
    now.cpu = slot->totals.user + slot->totals.system;

    half = (uint64_t) ngx_prof_setting(NGX_PROF_INTERVAL)
           * NGX_PROF_NSEC_PER_MSEC / 2;

    if (since->clock == 0) {
        *since = now;

    } else if (clock - since->clock >= half) {
        interval->clock = clock - since->clock;
        interval->requests = now.requests - since->requests;
        interval->errors = now.errors - since->errors;
        interval->cpu = now.cpu - since->cpu;

        /* two clocks: passes are timed by the processor's counter, clock.h */

        interval->busy = (now.busy > since->busy)
                         ? ngx_min(now.busy - since->busy, interval->clock)
                         : 0;
        *since = now;
    }

    t->gauges.since = *since;
}


/* how near this worker is to what it may not pass, and since when */

static void
ngx_prof_tick_limits(uint64_t clock)
{
    ngx_uint_t          level;
    struct rlimit       limit;
    ngx_prof_tick_t    *t;
    ngx_prof_gauges_t  *g;

    t = &ngx_prof_ticking;
    g = &t->gauges;

    g->accept_wait = ngx_prof_loop_accept_wait();
    g->connection_n = ngx_cycle->connection_n;

    level = ngx_prof_full_level(g->connection_n - g->free, g->connection_n);
    t->connections_since = ngx_prof_full_since(t->connections_since, clock,
                                               level);
    g->connections_since = t->connections_since;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0
        && limit.rlim_cur != RLIM_INFINITY)
    {
        g->descriptor_limit = limit.rlim_cur;
    }

    level = (g->unavailable & NGX_PROF_NO_FDS) ? 0
            : ngx_prof_full_level(g->descriptors, g->descriptor_limit);
    t->descriptors_since = ngx_prof_full_since(t->descriptors_since, clock,
                                               level);
    g->descriptors_since = t->descriptors_since;

    t->drain_since = g->draining ? ngx_prof_full_since(t->drain_since, clock, 1)
                                 : 0;
    g->drain.since = t->drain_since;

    ngx_prof_listener_tick(clock);
    ngx_prof_capacity_tick(clock);
    ngx_prof_reloads_tick(clock);
}


/*
 * Each tick has one sample: of what a worker finds when it begins or ends,
 * between two of them, the history knows nothing.
 */

static void
ngx_prof_tick_sample(ngx_prof_slot_t *slot)
{
    uint32_t            tick;
    ngx_prof_zone_t    *zone;
    ngx_prof_gauges_t  *g;
    ngx_prof_sample_t   s;

    zone = ngx_prof_process.zone;
    g = &ngx_prof_ticking.gauges;

    tick = ngx_prof_tick(g->clock, ngx_prof_setting(NGX_PROF_INTERVAL));

    if (tick == (uint32_t) slot->tick || tick == (uint32_t) slot->last_tick) {
        return;
    }

    ngx_prof_slot_sample(slot, &s);

    s.tick = tick;
    s.clock = g->clock;
    s.unavailable = g->unavailable;
    s.heap_alloc = g->heap_alloc;
    s.heap_sys = g->heap_sys;
    s.next_gc = g->next_gc;
    s.anonymous = g->anonymous;
    s.shared = (uint32_t) (g->shared >> 10);
    s.files = (uint32_t) (g->files >> 10);
    s.connections = (uint32_t) g->connections;
    s.stacks = ngx_prof_sample_stacks(g->stack_inuse, g->stack_sys);

    ngx_prof_ring_write(ngx_prof_zone_history(slot), zone->history, &s);
    ngx_prof_store(&slot->last_tick, tick);
}
