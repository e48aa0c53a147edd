
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_usage.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_worker.h"


/* a handler that interrupts usage() keeps away, or a counter would fall */
static volatile sig_atomic_t  ngx_prof_usage_busy;


/* the slot's counters go on from where its earlier owners left them */

void
ngx_prof_usage(void)
{
    uint64_t            child_user, child_system;
    ngx_prof_slot_t    *slot;
    ngx_prof_totals_t   t;

    if (ngx_prof_usage_busy) {
        return;
    }

    ngx_prof_usage_busy = 1;

    slot = ngx_prof_process.slot;

    ngx_memzero(&t, sizeof(ngx_prof_totals_t));
    ngx_prof_system_usage(&t);

    ngx_prof_store(&slot->totals.user, slot->base.user + t.user);
    ngx_prof_store(&slot->totals.system, slot->base.system + t.system);
    ngx_prof_store(&slot->totals.voluntary,
                   slot->base.voluntary + t.voluntary);
    ngx_prof_store(&slot->totals.involuntary,
                   slot->base.involuntary + t.involuntary);
    ngx_prof_store(&slot->totals.minor_faults,
                   slot->base.minor_faults + t.minor_faults);
    ngx_prof_store(&slot->totals.major_faults,
                   slot->base.major_faults + t.major_faults);

    ngx_prof_system_children(&child_user, &child_system);

    ngx_prof_store(&slot->spent.user, t.user);
    ngx_prof_store(&slot->spent.system, t.system);
    ngx_prof_store(&slot->spent.child_user, child_user);
    ngx_prof_store(&slot->spent.child_system, child_system);

    ngx_prof_usage_busy = 0;
}


ngx_int_t
ngx_prof_usage_timed(void)
{
    if (ngx_prof_barred(NGX_PROF_BARRED_USAGE)) {
        return NGX_DECLINED;
    }

    ngx_prof_store(&ngx_prof_process.slot->usage_timed, 1);

    return NGX_OK;
}
