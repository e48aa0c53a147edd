
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_hang.h"
#include "ngx_prof_base.h"
#include "ngx_prof_label.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


ngx_int_t
ngx_prof_hang_read(const ngx_prof_slot_t *slot, uint64_t age,
    ngx_prof_stall_t *stall, uint64_t *duration)
{
    uint64_t  pass, now;

    pass = ngx_prof_load_acquire(&slot->pass_start);
    now = ngx_prof_clock();

    if (pass == 0
        || ngx_prof_slot_waiting(slot)
        || now < pass + age
        || ngx_prof_slot_pid(slot) == 0)
    {
        return NGX_DECLINED;
    }

    *duration = now - pass;

    if (ngx_prof_record_read(&slot->stall.seq, &stall->pass,
                             &slot->stall.pass,
                             NGX_PROF_STALL_BODY)
        != NGX_OK
        || stall->pass != pass
        || stall->n > NGX_PROF_PAUSE_FRAMES)
    {
        return NGX_AGAIN;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_prof_hang_chase(ngx_uint_t again)
{
    uint64_t          now, duration;
    ngx_int_t         rc;
    ngx_uint_t        i, n;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;
    ngx_prof_stall_t  stall;

    n = 0;
    zone = ngx_prof_process.zone;
    now = ngx_prof_clock();

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->claims) == 0 || slot == ngx_prof_process.slot)
        {
            continue;
        }

        rc = ngx_prof_hang_read(slot, NGX_PROF_STALL, &stall, &duration);
        if (rc == NGX_DECLINED
            || (rc == NGX_OK
                && (!again || now - ngx_min(now, stall.time)
                              < NGX_PROF_STALL)))
        {
            continue;
        }

        if (ngx_prof_wake_signal(slot) == NGX_OK) {
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_prof_hang_waits(const ngx_prof_slot_t *slot, char *text, size_t size)
{
    char              name[NGX_PROF_NAME_LEN];
    u_char           *p, *last;
    uint64_t          duration;
    ngx_int_t         i;
    ngx_prof_stall_t  stall;

    if (ngx_prof_hang_read(slot, NGX_PROF_STALL, &stall,
                                      &duration)
        != NGX_OK
        || !stall.blocked)
    {
        return 0;
    }

    i = ngx_prof_frame_cause(stall.frames, stall.n);

    if (i == NGX_ERROR) {
        return 0;
    }

    (void) ngx_prof_frame_name(stall.frames[i], name);

    p = (u_char *) text;
    last = p + size - 1;

    p = ngx_slprintf(p, last, "worker %P takes no CPU time: it has been in %s "
                     "for %.1f s", ngx_prof_slot_pid(slot), name,
                     (double) duration / 1e9);
    p = ngx_prof_label_print(p, last, stall.label);
    *p = '\0';

    return 1;
}
