
/*
 * The process that the module runs in.
 */


#ifndef _NGX_PROF_WORKER_H_INCLUDED_
#define _NGX_PROF_WORKER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_base.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_zone.h"


/*
 * This process, if it is a worker, a helper or the single process.  Written
 * when it starts, and when a single process is reloaded.
 */

typedef struct {
    ngx_prof_zone_t       *zone;
    ngx_prof_slot_t       *slot;                  /* NULL: not profiled */
    ngx_prof_main_conf_t  *conf;
    uint64_t               generation;            /* of conf */
    uint64_t               pause_threshold;             /* ns */
    uint64_t               unavailable; /* bits that never change */
    ngx_uint_t             helper;                /* 1: no requests */
} ngx_prof_process_t;


extern ngx_prof_process_t  ngx_prof_process
    NGX_PROF_HIDDEN;


/* the value in force */
static ngx_inline int64_t
ngx_prof_setting(ngx_prof_setting_e setting)
{
    return ngx_prof_conf_setting(ngx_prof_process.conf, setting);
}


/* ns, CLOCK_MONOTONIC, when this pass began; 0 if that is not known */
static ngx_inline uint64_t
ngx_prof_loop_pass_start(void)
{
    return ngx_prof_process.slot->pass_start;
}


/* ns that the loop has been busy until now, with those of this pass */
static ngx_inline uint64_t
ngx_prof_loop_busy(uint64_t now)
{
    uint64_t  start;

    start = ngx_prof_loop_pass_start();

    return ngx_prof_process.slot->totals.busy
           + ((start && start < now) ? now - start : 0);
}


#endif /* _NGX_PROF_WORKER_H_INCLUDED_ */
