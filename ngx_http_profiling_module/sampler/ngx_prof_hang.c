
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_hang.h"
#include "ngx_prof_base.h"
#include "ngx_prof_label.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_outside.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_wait.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static ngx_int_t ngx_prof_hang_look(ngx_prof_slot_t *slot,
    const ngx_prof_pause_seen_t *known);
static void ngx_prof_hang_tell(ngx_prof_slot_t *slot, ngx_prof_outside_t *o,
    uint64_t now, ngx_uint_t count);


ngx_int_t
ngx_prof_hang_read(const ngx_prof_slot_t *slot, uint64_t age,
    ngx_prof_pause_seen_t *seen, uint64_t *duration)
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

    if (ngx_prof_record_read(&slot->seen.seq, &seen->pass,
                             &slot->seen.pass,
                             NGX_PROF_PAUSE_SEEN_BODY)
        != NGX_OK
        || seen->pass != pass
        || seen->n > NGX_PROF_PAUSE_FRAMES)
    {
        return NGX_AGAIN;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_prof_hang_chase(void)
{
    uint64_t               now, duration;
    ngx_int_t              rc;
    ngx_uint_t             i, n;
    ngx_prof_slot_t       *slot;
    ngx_prof_zone_t       *zone;
    ngx_prof_pause_seen_t  seen;

    n = 0;
    zone = ngx_prof_process.zone;
    now = ngx_prof_clock();

    for (i = 0; i < ngx_prof_zone_process_n(zone); i++) {
        slot = ngx_prof_zone_process(zone, i);

        if (ngx_prof_load(&slot->claims) == 0 || slot == ngx_prof_process.slot)
        {
            continue;
        }

        rc = ngx_prof_hang_read(slot, NGX_PROF_PAUSE_LONG, &seen, &duration);

        if (rc == NGX_DECLINED
            || (rc == NGX_OK && now < seen.time + NGX_PROF_PAUSE_LONG))
        {
            continue;
        }

        if (ngx_prof_hang_look(slot, (rc == NGX_OK) ? &seen : NULL)
            != NGX_OK)
        {
            (void) __atomic_fetch_add(&slot->ask, 1, __ATOMIC_RELAXED);
            n++;
        }
    }

    return n;
}


/* where a worker sleeps, for all who read its slot; known: as told so far */

static ngx_int_t
ngx_prof_hang_look(ngx_prof_slot_t *slot, const ngx_prof_pause_seen_t *known)
{
    uint64_t               now;
    ngx_prof_pause_seen_t  seen;
    ngx_prof_outside_t     o;

    if (ngx_prof_outside(slot, &o) != NGX_OK) {
        return NGX_DECLINED;
    }

    now = ngx_prof_clock();

    ngx_prof_hang_tell(slot, &o, now,
                       known == NULL
                       || !known->blocked
                       || known->time < o.begin);

    seen.pass = o.pass;
    seen.time = now;
    seen.blocked = 1;
    seen.label = o.label;
    seen.n = ngx_prof_frame_pack(seen.frames, NGX_PROF_PAUSE_FRAMES, o.pcs,
                                 o.n);

    return ngx_prof_record_try(&slot->seen.seq, &slot->seen.pass,
                               &seen.pass, NGX_PROF_PAUSE_SEEN_BODY);
}


/*
 * The time up to now goes to this stack, in the worker's own table of
 * blocking: it finds what was counted when it goes on.
 */

static void
ngx_prof_hang_tell(ngx_prof_slot_t *slot, ngx_prof_outside_t *o, uint64_t now,
    ngx_uint_t count)
{
    uint64_t  old, told, from;

    if (ngx_prof_setting(NGX_PROF_BLOCK_RATE) == 0) {
        return;
    }

    old = ngx_prof_load(&slot->told);
    told = ngx_max(old, o->pass);
    from = ngx_max(told, o->begin);

    /* another one may be faster, or the worker itself */

    if (now <= from
        || !__atomic_compare_exchange_n(&slot->told, &old,
                                        told + (now - from), 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    {
        return;
    }

    o->pcs[o->n] = ngx_prof_waiter.image;

    ngx_prof_wait_count(slot, NGX_PROF_BLOCK, o->pcs, o->n + 1, o->label,
                        count, now - from);
}


ngx_uint_t
ngx_prof_hang_waits(const ngx_prof_slot_t *slot, char *text, size_t size)
{
    char                   name[NGX_PROF_NAME_LEN];
    u_char                *p, *last;
    uint64_t               duration;
    ngx_int_t              i;
    ngx_prof_pause_seen_t  seen;

    if (ngx_prof_hang_read(slot, NGX_PROF_PAUSE_LONG, &seen,
                                      &duration)
        != NGX_OK
        || !seen.blocked)
    {
        return 0;
    }

    i = ngx_prof_frame_cause(seen.frames, seen.n);

    if (i == NGX_ERROR) {
        return 0;
    }

    (void) ngx_prof_frame_name(seen.frames[i], name);

    p = (u_char *) text;
    last = p + size - 1;

    p = ngx_slprintf(p, last, "worker %P takes no CPU time: it has been in %s "
                     "for %.1f s", ngx_prof_slot_pid(slot), name,
                     ngx_prof_seconds(duration));
    p = ngx_prof_label_print(p, last, seen.label);
    *p = '\0';

    return 1;
}
