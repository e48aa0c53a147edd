
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_process.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_allocator.h"
#include "ngx_prof_base.h"
#include "ngx_prof_block.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_tick.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_context.h"
#include "ngx_prof_cpu.h"
#include "ngx_prof_dump.h"
#include "ngx_prof_encode.h"
#include "ngx_prof_gather.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_loop.h"
#include "ngx_prof_malloc.h"
#include "ngx_prof_mutex.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_place.h"
#include "ngx_prof_record.h"
#include "ngx_prof_request.h"
#include "ngx_prof_roster.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_pause.h"
#include "ngx_prof_threads.h"
#include "ngx_prof_trace_control.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_trim.h"
#include "ngx_prof_trim_view.h"
#include "ngx_prof_wait.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static void ngx_http_profiling_configure(ngx_http_profiling_main_conf_t *mcf);
static ngx_int_t ngx_http_profiling_claim(ngx_http_profiling_main_conf_t *mcf,
    ngx_log_t *log);
static ngx_int_t ngx_http_profiling_keep_zone(ngx_log_t *log);
static void ngx_http_profiling_asked(void);


ngx_int_t
ngx_http_profiling_init_module(ngx_cycle_t *cycle)
{
    ngx_http_profiling_zone_t       *zone;
    ngx_http_profiling_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);

    if (mcf == NULL || !mcf->active || ngx_test_config) {
        return NGX_OK;
    }

    zone = mcf->zone;

    ngx_http_profiling_store(&zone->generation, zone->generation + 1);

    if (zone->generation > 1) {
        ngx_http_profiling_store(&zone->reload_time,
                                 ngx_http_profiling_time());
    }

    ngx_http_profiling_place_register(mcf, cycle->log);
    ngx_http_profiling_context_register(cycle, zone);
    ngx_http_profiling_request_init_module(cycle);
    ngx_http_profiling_mutex_register(cycle, zone);
    ngx_http_profiling_wake_open(zone, cycle->log);
    ngx_http_profiling_trace_init_module(cycle, zone);

    /* the workers inherit both; unwind tables are shared by copy-on-write */

    ngx_http_profiling_threads_init_module(cycle->log);

    if (ngx_http_profiling_objects_refresh() == NGX_ERROR) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "unwind tables cannot be made, profiles have no stacks");
    }

    ngx_http_profiling_encode_init_module(cycle);

    if (ngx_http_profiling_process.slot) {

        /* a single process: it goes on under the new configuration */

        ngx_http_profiling_trace_stop();
        ngx_http_profiling_configure(mcf);
        ngx_http_profiling_stall_configure();
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_profiling_init_process(ngx_cycle_t *cycle)
{
    ngx_http_profiling_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);

    if (mcf == NULL
        || !mcf->active
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    ngx_http_profiling_process.zone = mcf->zone;

    if (ngx_process == NGX_PROCESS_SINGLE
        && ngx_http_profiling_keep_zone(cycle->log) != NGX_OK)
    {
        return NGX_OK;
    }

    if (ngx_process == NGX_PROCESS_WORKER) {
        ngx_http_profiling_objects_forked();
    }

    ngx_http_profiling_configure(mcf);
    ngx_http_profiling_allocator_init();

    if (ngx_http_profiling_claim(mcf, cycle->log) != NGX_OK) {

        /* it can tell of the others all the same */

        return NGX_OK;
    }

    ngx_http_profiling_clock_init();
    ngx_http_profiling_loop_init(cycle);
    ngx_http_profiling_request_init_process(cycle);
    ngx_http_profiling_context_init_process(cycle,
                                 (uintptr_t) __builtin_frame_address(0));
    ngx_http_profiling_cpu_init(cycle);

    if (ngx_http_profiling_wait_init(cycle) == NGX_OK) {
        ngx_http_profiling_block_init(cycle);
        ngx_http_profiling_mutex_init(cycle);
        ngx_http_profiling_stall_init(cycle);
    }

    ngx_http_profiling_malloc_init(cycle);
    ngx_http_profiling_dump_init();
    ngx_http_profiling_wake_init(cycle, ngx_http_profiling_asked);
    ngx_http_profiling_trace_update();
    ngx_http_profiling_roster_init(cycle);
    ngx_http_profiling_collector_init(cycle);

    return NGX_OK;
}


void
ngx_http_profiling_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_profiling_slot_t  *slot;

    slot = ngx_http_profiling_process.slot;

    if (slot == NULL) {
        return;
    }

    ngx_http_profiling_collector_finish();
    ngx_http_profiling_trace_stop();

    ngx_http_profiling_process.slot = NULL;
    ngx_http_profiling_interpose_restore(NULL, 0, cycle->log);

    ngx_http_profiling_slot_release(slot);
}


static void
ngx_http_profiling_configure(ngx_http_profiling_main_conf_t *mcf)
{
    int64_t                     interval;
    ngx_http_profiling_slot_t  *slot;

    slot = ngx_http_profiling_process.slot;
    interval = mcf->setting[NGX_HTTP_PROFILING_INTERVAL];

    if (slot && slot->interval != (uint64_t) interval) {
        ngx_http_profiling_slot_renumber(ngx_http_profiling_process.zone,
                       slot, interval,
                       ngx_http_profiling_tick(ngx_http_profiling_clock(),
                                               interval));
    }

    ngx_http_profiling_process.conf = mcf;
    ngx_http_profiling_process.pause_threshold =
        mcf->setting[NGX_HTTP_PROFILING_PAUSE_THRESHOLD]
        * (uint64_t) 1000000;
}


static ngx_int_t
ngx_http_profiling_claim(ngx_http_profiling_main_conf_t *mcf, ngx_log_t *log)
{
    ngx_http_profiling_claim_t  claim;

    claim.pid = ngx_pid;
    claim.start = ngx_http_profiling_process_start(ngx_pid, NULL);
    claim.alive = ngx_http_profiling_slot_alive;
    claim.time = ngx_http_profiling_time();
    claim.tick = ngx_http_profiling_tick(ngx_http_profiling_clock(),
                                    mcf->setting[NGX_HTTP_PROFILING_INTERVAL]);
    claim.generation = mcf->zone->generation;
    claim.process_slot = ngx_process_slot;
    claim.worker = ngx_worker;
    claim.interval = mcf->setting[NGX_HTTP_PROFILING_INTERVAL];

    ngx_http_profiling_process.slot =
        ngx_http_profiling_slot_claim(ngx_http_profiling_process.zone, &claim);

    if (ngx_http_profiling_process.slot) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "all %uL slots of profiling zone \"%V\" are taken, this "
                  "worker is not profiled; more can be set by slots=",
                  mcf->zone->slots, &mcf->shm_zone->shm.name);

    return NGX_ERROR;
}


/*
 * A single process that reloads without the module unmaps the zone while our
 * hooks are in place: it works on a mapping of its own.  An old size of zero
 * makes a second mapping of shared pages, mremap(2).
 */

static ngx_int_t
ngx_http_profiling_keep_zone(ngx_log_t *log)
{
    u_char     *p;
    size_t      size, offset;
    uintptr_t   start;

    start = (uintptr_t) ngx_http_profiling_process.zone
            & ~(uintptr_t) (ngx_pagesize - 1);
    offset = (uintptr_t) ngx_http_profiling_process.zone - start;
    size = ngx_http_profiling_process.zone->size + offset;

    p = mremap((void *) start, 0, size, MREMAP_MAYMOVE);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                      "mremap() of the profiling zone failed");
        ngx_http_profiling_process.zone = NULL;
        return NGX_ERROR;
    }

    ngx_http_profiling_process.zone = (ngx_http_profiling_zone_t *)
                                          (p + offset);

    return NGX_OK;
}


/* another process has woken this worker: what is asked stands in the zone */

static void
ngx_http_profiling_asked(void)
{
    ngx_http_profiling_cpu_update();
    ngx_http_profiling_trace_update();
    ngx_http_profiling_trim_answer();
    ngx_http_profiling_trim_check();
    ngx_http_profiling_dump_answer();
    ngx_http_profiling_gather_check();
}
