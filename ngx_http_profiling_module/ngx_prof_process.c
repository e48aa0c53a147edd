
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_process.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_allocator.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_base.h"
#include "ngx_prof_block.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_checker.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_tick.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_conf_zone.h"
#include "ngx_prof_context.h"
#include "ngx_prof_cost.h"
#include "ngx_prof_counter.h"
#include "ngx_prof_cpu.h"
#include "ngx_prof_crash.h"
#include "ngx_prof_exits.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_dump.h"
#include "ngx_prof_encoder.h"
#include "ngx_prof_ask.h"
#include "ngx_prof_heap_size.h"
#include "ngx_prof_inherited.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_job.h"
#include "ngx_prof_latency.h"
#include "ngx_prof_learn.h"
#include "ngx_prof_listener.h"
#include "ngx_prof_loop.h"
#include "ngx_prof_lua.h"
#include "ngx_prof_malloc.h"
#include "ngx_prof_mark.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_mutex.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_place.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_reaper.h"
#include "ngx_prof_reload.h"
#include "ngx_prof_record.h"
#include "ngx_prof_request.h"
#include "ngx_prof_response.h"
#include "ngx_prof_connection_table.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_signal.h"
#include "ngx_prof_slice.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_slowness.h"
#include "ngx_prof_pause.h"
#include "ngx_prof_threads.h"
#include "ngx_prof_tls.h"
#include "ngx_prof_trace_control.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_trim.h"
#include "ngx_prof_trim_view.h"
#include "ngx_prof_wait.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_watch.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* ms from one look for a free slot to the next */
#define NGX_PROF_RETRY  200


static void ngx_prof_configure(ngx_prof_main_conf_t *mcf);
static ngx_int_t ngx_prof_process_claim(ngx_prof_main_conf_t *mcf,
    ngx_uint_t worker);
static void ngx_prof_process_claim_again(ngx_event_t *ev);
static void ngx_prof_begin(ngx_cycle_t *cycle);
static ngx_int_t ngx_prof_keep_zone(ngx_log_t *log);
static void ngx_prof_asked(void);
static void ngx_prof_process_help(ngx_cycle_t *cycle,
    ngx_prof_main_conf_t *mcf);
static void ngx_prof_process_helps(ngx_event_t *ev);
static void ngx_prof_helper_asked(void);


static ngx_event_t       ngx_prof_retry;
static ngx_connection_t  ngx_prof_retry_connection;

/* below it lies what handlers of events work on */
static uintptr_t         ngx_prof_stack_base;


ngx_int_t
ngx_prof_init_module(ngx_cycle_t *cycle)
{
    ngx_prof_zone_t       *zone;
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);

    if (mcf == NULL || !mcf->active || ngx_test_config) {
        return NGX_OK;
    }

    zone = mcf->zone;

    ngx_prof_store(&zone->header->generation, zone->header->generation + 1);

    if (zone->header->generation > 1) {
        ngx_prof_store(&zone->header->reload_time, ngx_prof_time());
    }

    ngx_prof_barred_init(cycle->log);

    if (ngx_prof_place_register(mcf, cycle->log) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_prof_conf_zone_grow(cycle, mcf);
    ngx_prof_context_register(cycle, zone);
    ngx_prof_request_init_module(cycle);
    ngx_prof_checker_init_module(cycle);
    ngx_prof_mutex_register(cycle, zone);
    ngx_prof_trace_init_module(cycle, zone);
    ngx_prof_slowness_init_module(cycle, zone);
    ngx_prof_latency_init_module(cycle, zone);
    ngx_prof_listener_init_module(cycle);
    ngx_prof_watch_init_module(cycle, zone);
    ngx_prof_learn_init_module(cycle, zone);

    ngx_prof_allocator_init();
    ngx_prof_heap_size_init_module();
    ngx_prof_inherited_init_module(ngx_prof_conf_zone_workers(cycle));

    /* workers inherit both; they share the unwind tables by copy-on-write */

    ngx_prof_signal_init_module();
    ngx_prof_threads_init_module(cycle->log);
    ngx_prof_exits_init_module(cycle, zone);
    ngx_prof_crash_init_module(cycle, zone,
                               ngx_prof_conf_setting(mcf, NGX_PROF_CRASH));

    if (ngx_prof_objects_refresh() == NGX_ERROR) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "unwind tables cannot be built, profiles have no stacks");
    }

    ngx_prof_rawfile_remember(cycle, zone);
    ngx_prof_encoder_init_module(cycle);
    ngx_prof_reload_ready(cycle, zone->header->generation);

    if (ngx_prof_process.slot) {

        /* a single process continues under the new configuration */

        ngx_prof_trace_stop();
        ngx_prof_configure(mcf);
        ngx_prof_pause_configure();
        ngx_prof_cost_init(mcf->cost, mcf->watch);
        ngx_prof_slowness_init();
    }

    return NGX_OK;
}


ngx_int_t
ngx_prof_init_process(ngx_cycle_t *cycle)
{
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);

    if (mcf == NULL
        || !mcf->active
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_HELPER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    ngx_prof_process.zone = mcf->zone;

    ngx_prof_clock_begin();

    if (ngx_process == NGX_PROCESS_HELPER) {
        ngx_prof_process_help(cycle, mcf);
        return NGX_OK;
    }

    if (ngx_process == NGX_PROCESS_SINGLE
        && ngx_prof_keep_zone(cycle->log) != NGX_OK)
    {
        return NGX_OK;
    }

    if (ngx_process == NGX_PROCESS_WORKER) {
        ngx_prof_objects_forked();
    }

    ngx_prof_exits_init_process(cycle->log);
    ngx_prof_configure(mcf);
    ngx_prof_reload_init_process(ngx_prof_process.generation, cycle->log);
    ngx_prof_crash_init(cycle->log);
    ngx_prof_frame_scripts(ngx_prof_zone_functions(ngx_prof_process.zone),
                           ngx_prof_process.zone->shape.functions);
    ngx_prof_allocator_init();

    /* without a slot it can tell of the others all the same */

    if (ngx_prof_counter_init_process(cycle) != NGX_OK) {
        return NGX_OK;
    }

    ngx_prof_stack_base = (uintptr_t) __builtin_frame_address(0);

    ngx_prof_reap_first(cycle->log);

    if (ngx_prof_process_claim(mcf, ngx_worker) == NGX_OK) {
        ngx_prof_begin(cycle);
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                  "all %ui slots of profiling zone \"%V\" are taken, this "
                  "worker is not profiled until one is free; more can be set "
                  "by slots=", mcf->zone->slots, &mcf->shm_zone->shm.name);

    ngx_prof_slot_wait(ngx_prof_process.zone, ngx_prof_claim_own());

    ngx_prof_event_init(&ngx_prof_retry, &ngx_prof_retry_connection,
                        ngx_prof_process_claim_again, cycle->log);
    ngx_prof_retry.cancelable = 1;
    ngx_add_timer(&ngx_prof_retry, NGX_PROF_RETRY);

    return NGX_OK;
}


/* a worker without a slot: those of earlier generations go one by one */

static void
ngx_prof_process_claim_again(ngx_event_t *ev)
{
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_prof_process.conf;

    /* an earlier generation's places may be others by now */

    if (ngx_exiting
        || ngx_prof_load(&mcf->zone->header->generation)
           != ngx_prof_process.generation)
    {
        ngx_prof_slot_waited(ngx_prof_process.zone, ngx_prof_claim_own());
        return;
    }

    if (ngx_prof_process_claim(mcf, ngx_worker) != NGX_OK) {
        ngx_add_timer(ev, NGX_PROF_RETRY);
        return;
    }

    ngx_prof_slot_waited(ngx_prof_process.zone, ngx_prof_claim_own());
    ngx_prof_clock_begin();
    ngx_prof_begin((ngx_cycle_t *) ngx_cycle);

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "a slot of profiling zone \"%V\" is free, this worker is "
                  "profiled from now on", &mcf->shm_zone->shm.name);
}


/*
 * A helper: what kind it is nginx says when its modules have begun, by its
 * title.  It has hooks and timers, and no part of what serves clients.
 */

static void
ngx_prof_process_help(ngx_cycle_t *cycle, ngx_prof_main_conf_t *mcf)
{
    if (mcf->zone->helper.n == 0) {
        return;
    }

    ngx_prof_process.helper = 1;
    ngx_prof_process.unavailable = NGX_PROF_NO_ALLOC|NGX_PROF_NO_TLS;

    ngx_prof_objects_forked();
    ngx_prof_exits_init_process(cycle->log);
    ngx_prof_reload_init_process(0, cycle->log);
    ngx_prof_configure(mcf);
    ngx_prof_allocator_init();

    ngx_prof_event_init(&ngx_prof_retry, &ngx_prof_retry_connection,
                        ngx_prof_process_helps, cycle->log);
    ngx_prof_retry.cancelable = 1;
    ngx_post_event(&ngx_prof_retry, &ngx_posted_next_events);
}


static void
ngx_prof_process_helps(ngx_event_t *ev)
{
    ngx_uint_t    kind;
    ngx_cycle_t  *cycle;

    cycle = (ngx_cycle_t *) ngx_cycle;

    kind = ngx_strstr(ngx_os_argv[0], "cache manager")
           ? NGX_PROF_HELPER_MANAGER
           : ngx_strstr(ngx_os_argv[0], "cache loader")
           ? NGX_PROF_HELPER_LOADER : NGX_PROF_HELPER_OTHER;

    /* the one of an earlier generation has not gone */

    if (ngx_prof_process_claim(ngx_prof_process.conf,
                               ngx_prof_helper_worker(kind))
        != NGX_OK)
    {
        ngx_add_timer(ev, NGX_PROF_RETRY);
        return;
    }

    ngx_prof_clock_begin();
    ngx_prof_clock_init();
    ngx_prof_meter_init(ngx_prof_process.slot);
    ngx_prof_loop_init(cycle);
    ngx_prof_cpu_init(cycle);

    if (ngx_prof_wait_init(cycle) == NGX_OK) {
        ngx_prof_block_init(cycle);
        ngx_prof_mutex_init(cycle);
        ngx_prof_pause_init(cycle);
    }

    ngx_prof_wake_init(cycle, ngx_prof_helper_asked);
    ngx_prof_tick_init(cycle);
}


static void
ngx_prof_helper_asked(void)
{
    ngx_prof_cpu_update();
}


/* a worker that has its slot */

static void
ngx_prof_begin(ngx_cycle_t *cycle)
{
    ngx_prof_clock_init();
    ngx_prof_lua_init(ngx_prof_zone_functions(ngx_prof_process.zone),
                      ngx_prof_process.zone->shape.functions, cycle->log);
    ngx_prof_meter_init(ngx_prof_process.slot);
    ngx_prof_response_init_process();
    ngx_prof_loop_init(cycle);
    ngx_prof_context_init_process(cycle, ngx_prof_stack_base);
    ngx_prof_cpu_init(cycle);

    if (ngx_prof_wait_init(cycle) == NGX_OK) {
        ngx_prof_block_init(cycle);
        ngx_prof_mutex_init(cycle);
        ngx_prof_pause_init(cycle);
    }

    ngx_prof_tls_init(cycle);
    ngx_prof_malloc_init(cycle);
    ngx_prof_mark_init(cycle);
    ngx_prof_cost_init(ngx_prof_process.conf->cost,
                       ngx_prof_process.conf->watch);
    ngx_prof_slowness_init();
    ngx_prof_dump_init();
    ngx_prof_wake_init(cycle, ngx_prof_asked);
    ngx_prof_trace_heap_by(ngx_prof_heap_size);
    ngx_prof_trace_update();
    ngx_prof_connection_table_init(cycle);
    ngx_prof_tick_init(cycle);
}


void
ngx_prof_exit_process(ngx_cycle_t *cycle)
{
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

    if (slot == NULL) {

        if (ngx_prof_process.zone) {
            ngx_prof_slot_waited(ngx_prof_process.zone, ngx_prof_claim_own());
        }

        return;
    }

    ngx_prof_tick_finish();
    ngx_prof_trace_stop();

    ngx_prof_cpu_exit();

    ngx_prof_process.slot = NULL;
    ngx_prof_slicing.on = 0;
    ngx_prof_meter_init(NULL);
    ngx_prof_slicing.charged = 0;
    ngx_prof_interpose_restore(NULL, 0, cycle->log);

    ngx_prof_slot_release(slot);
}


static void
ngx_prof_configure(ngx_prof_main_conf_t *mcf)
{
    uint64_t          interval;
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;
    interval = ngx_prof_conf_ms(mcf, NGX_PROF_INTERVAL);

    if (slot && slot->interval != interval) {
        ngx_prof_slot_renumber(ngx_prof_process.zone, slot, interval,
                               ngx_prof_tick(ngx_prof_clock(), interval));
    }

    ngx_prof_budget_limit((size_t) ngx_prof_conf_setting(mcf,
                                                    NGX_PROF_ANSWER_MEMORY));

    ngx_prof_process.conf = mcf;
    ngx_prof_process.generation = ngx_prof_load(
                                              &mcf->zone->header->generation);
    ngx_prof_process.pause_threshold =
                             ngx_prof_conf_ns(mcf, NGX_PROF_PAUSE_THRESHOLD);
}


static ngx_int_t
ngx_prof_process_claim(ngx_prof_main_conf_t *mcf, ngx_uint_t worker)
{
    ngx_prof_slot_claim_t  claim;

    claim.pid = ngx_pid;
    claim.start = ngx_prof_process_start(ngx_pid, NULL);
    claim.alive = ngx_prof_slot_alive;
    claim.clock = ngx_prof_clock();
    claim.interval = ngx_prof_conf_ms(mcf, NGX_PROF_INTERVAL);
    claim.tick = ngx_prof_tick(claim.clock, claim.interval);
    claim.generation = ngx_prof_process.generation;
    claim.process_slot = ngx_process_slot;
    claim.worker = worker;

    ngx_prof_process.slot =
        ngx_prof_slot_claim(ngx_prof_process.zone, &claim);

    return ngx_prof_process.slot ? NGX_OK : NGX_DECLINED;
}


/*
 * When a single process reloads without the module, nginx unmaps the zone
 * while our hooks are in place: they work on another mapping.  mremap(2) with
 * an old size of zero maps shared pages a second time.
 */

static ngx_int_t
ngx_prof_keep_zone(ngx_log_t *log)
{
    u_char                  *p;
    size_t                   size, offset;
    uintptr_t                start, header;
    static ngx_prof_zone_t   zone;

    zone = *ngx_prof_process.zone;

    header = (uintptr_t) zone.header;
    start = header & ~(uintptr_t) (ngx_pagesize - 1);
    offset = header - start;
    size = zone.size + offset;

    p = mremap((void *) start, 0, size, MREMAP_MAYMOVE);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                      "mremap() of the profiling zone failed");
        ngx_prof_process.zone = NULL;
        return NGX_ERROR;
    }

    ngx_prof_zone_move(&zone, p + offset);
    ngx_prof_process.zone = &zone;

    return NGX_OK;
}


/* another process has woken this worker: the requests are in the zone */

static void
ngx_prof_asked(void)
{
    ngx_prof_cpu_update();
    ngx_prof_trace_update();
    ngx_prof_trim_answer();
    ngx_prof_dump_answer();
    ngx_prof_ask_check();
}
