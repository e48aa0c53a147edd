
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_claim.h"
#include "ngx_prof_alive.h"


ngx_int_t
ngx_prof_claim_take(uint64_t *claim)
{
    uint64_t  free;

    ngx_prof_claim_reap(claim);

    if (ngx_prof_load_acquire(claim)) {
        return NGX_BUSY;
    }

    free = 0;

    return __atomic_compare_exchange_n(claim, &free, ngx_prof_claim_own(), 0,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
           ? NGX_OK : NGX_BUSY;
}


/* the same in all claims of a process, even if /proc cannot be read later */

uint64_t
ngx_prof_claim_own(void)
{
    static uint64_t   own;
    static ngx_pid_t  pid;

    if (pid != ngx_pid) {
        pid = ngx_pid;
        own = ngx_prof_process_start(pid, NULL) << NGX_PROF_CLAIM_PID
              | (uint64_t) pid;
    }

    return own;
}


void
ngx_prof_claim_give(uint64_t *claim)
{
    ngx_prof_store_release(claim, 0);
}


void
ngx_prof_claim_reap(uint64_t *claim)
{
    uint64_t  owner;

    owner = ngx_prof_load_acquire(claim);

    if (owner && !ngx_prof_claim_alive(owner)) {
        (void) __atomic_compare_exchange_n(claim, &owner, 0, 0,
                                           __ATOMIC_ACQ_REL,
                                           __ATOMIC_RELAXED);
    }
}


ngx_uint_t
ngx_prof_claim_alive(uint64_t claim)
{
    return claim == ngx_prof_claim_own()
           || ngx_prof_process_alive((ngx_pid_t) ngx_prof_claim_pid(claim),
                                     claim >> NGX_PROF_CLAIM_PID);
}
