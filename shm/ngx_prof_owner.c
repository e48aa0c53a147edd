
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_owner.h"


static ngx_uint_t ngx_prof_slot_given(const ngx_prof_slot_t *slot,
    uint64_t owner);
static ngx_uint_t ngx_prof_slot_try(ngx_prof_slot_t *slot, uint64_t owner,
    const ngx_prof_slot_claim_t *claim);
static void ngx_prof_slot_take(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    const ngx_prof_slot_claim_t *claim, ngx_uint_t killed);
static void ngx_prof_slot_base(ngx_prof_slot_t *slot);


ngx_prof_slot_t *
ngx_prof_slot_claim(ngx_prof_zone_t *zone, const ngx_prof_slot_claim_t *claim)
{
    uint64_t          owner;
    ngx_uint_t        i, fresh, first, last;
    ngx_prof_slot_t  *slot;

    first = 0;
    last = zone->slots;

    if (claim->worker >= NGX_PROF_SLOTS_MAX) {
        first = NGX_PROF_SLOTS_MAX
                + ngx_prof_helper_kind(claim->worker) * NGX_PROF_HELPER_SLOTS;
        last = zone->helper.n ? first + NGX_PROF_HELPER_SLOTS : first;
    }

    /* prefer slots that were used before, whose pages already exist */

    for (fresh = 0; fresh < 2; fresh++) {

        for (i = first; i < last; i++) {
            slot = ngx_prof_zone_slot(zone, i);

            if ((ngx_prof_load(&slot->claims) == 0) != fresh) {
                continue;
            }

            owner = ngx_prof_load_acquire(&slot->owner);

            if (ngx_prof_slot_try(slot, owner, claim)) {
                ngx_prof_slot_take(zone, slot, claim,
                                   !ngx_prof_slot_given(slot, owner));
                return slot;
            }
        }
    }

    return NULL;
}


/* nobody has it, or its owner has given it back */

static ngx_uint_t
ngx_prof_slot_given(const ngx_prof_slot_t *slot, uint64_t owner)
{
    return owner == 0 || owner == ngx_prof_load(&slot->released);
}


static ngx_uint_t
ngx_prof_slot_try(ngx_prof_slot_t *slot, uint64_t owner,
    const ngx_prof_slot_claim_t *claim)
{
    if (owner != 0 && claim->alive(slot)) {
        return 0;
    }

    return __atomic_compare_exchange_n(&slot->owner, &owner,
                              (uint64_t) claim->pid
                              | NGX_PROF_CLAIMING,
                              0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}


static void
ngx_prof_slot_take(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    const ngx_prof_slot_claim_t *claim, ngx_uint_t killed)
{
    ngx_prof_gauges_t  gauges;

    if (killed) {
        ngx_prof_slot_ended(zone, slot);
    }

    ngx_prof_store(&slot->start, claim->start);
    ngx_prof_store(&slot->claimed, claim->clock);
    ngx_prof_slot_renumber(zone, slot, claim->interval, claim->tick);
    ngx_prof_store(&slot->generation, claim->generation);
    ngx_prof_store(&slot->process_slot, claim->process_slot);
    ngx_prof_store(&slot->worker, claim->worker);

    if (slot->claims) {
        ngx_prof_slot_base(slot);
    }

    ngx_prof_store(&slot->claims, ngx_max(slot->claims + 1, 1));
    ngx_prof_store(&slot->pass_start, 0);
    ngx_prof_store(&slot->wait_start, 0);
    ngx_prof_store(&slot->awaiting, 0);
    ngx_prof_store(&slot->rung, 0);
    ngx_prof_store(&slot->told, 0);
    ngx_prof_store(&slot->encoders, 0);
    ngx_prof_store(&slot->call.start, 0);

    /* one that was killed while it wrote */

    if (slot->seen.seq & 1) {
        ngx_prof_store(&slot->seen.seq, slot->seen.seq + 1);
    }

    ngx_prof_store(&slot->sampler, NGX_PROF_SAMPLER_NONE);
    ngx_prof_store(&slot->sample_until, 0);
    ngx_prof_store(&slot->usage_timed, 0);

    ngx_prof_copy_words(&slot->left, &slot->spent, sizeof(ngx_prof_spent_t));
    ngx_prof_store(&slot->spent.pid, (uint64_t) claim->pid);
    ngx_prof_store(&slot->spent.unsampled, 0);
    ngx_prof_store(&slot->spent.sampled, 0);

    /* a pid may come again */

    if (slot->released == (uint64_t) claim->pid) {
        ngx_prof_store(&slot->released, 0);
    }

    ngx_memzero(&gauges, sizeof(ngx_prof_gauges_t));
    ngx_prof_record_write(&slot->gauges_seq, &slot->gauges, &gauges,
                          sizeof(ngx_prof_gauges_t));

    ngx_prof_store_release(&slot->owner, (uint64_t) claim->pid);
}


void
ngx_prof_slot_renumber(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    uint64_t interval, uint64_t tick)
{
    ngx_uint_t          i;
    ngx_prof_sample_t  *ring;

    ngx_prof_store(&slot->tick, tick);

    if (slot->interval == interval) {
        return;
    }

    ring = ngx_prof_zone_history(slot);

    /* if this owner is killed meanwhile, the next one clears the ring again */

    for (i = 0; slot->claims && i < zone->history; i++) {
        ngx_prof_store(&ring[i].tick, 0);
    }

    ngx_prof_store(&slot->last_tick, 0);

    ngx_prof_store_release(&slot->interval, interval);
}


/* the bases of its cells follow at the first request of each: see cell.h */

static void
ngx_prof_slot_base(ngx_prof_slot_t *slot)
{
    ngx_prof_copy_words(&slot->base, &slot->totals, sizeof(ngx_prof_totals_t));
    ngx_prof_copy_words(&slot->base_passes, &slot->passes,
                        sizeof(ngx_prof_hist_t));
    ngx_prof_copy_words(&slot->base_all, &slot->all,
                        sizeof(ngx_prof_counts_t));
}


void
ngx_prof_slot_ended(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot)
{
    ngx_prof_sample_t  s;

    if (slot->last_tick == 0) {
        return;
    }

    ngx_prof_slot_sample(slot, &s);
    s.tick = (uint32_t) slot->last_tick + 1;

    if (s.tick) {
        ngx_prof_ring_write(ngx_prof_zone_history(slot), zone->history, &s);
    }
}


void
ngx_prof_slot_release(ngx_prof_slot_t *slot)
{
    ngx_prof_store_release(&slot->released, slot->owner);
}


ngx_int_t
ngx_prof_slot_spent(const ngx_prof_slot_t *slot, ngx_pid_t pid,
    ngx_prof_spent_t *spent)
{
    const ngx_prof_spent_t  *from;

    from = (ngx_prof_load(&slot->spent.pid) == (uint64_t) pid) ? &slot->spent
                                                               : &slot->left;
    ngx_prof_copy_words(spent, from, sizeof(ngx_prof_spent_t));

    return (spent->pid == (uint64_t) pid) ? NGX_OK : NGX_DECLINED;
}


void
ngx_prof_slot_wait(ngx_prof_zone_t *zone, uint64_t claim)
{
    uint64_t    nobody;
    ngx_uint_t  i;

    (void) __atomic_fetch_add(&zone->header->unprofiled, 1, __ATOMIC_RELAXED);

    for (i = 0; i < NGX_PROF_WAITING; i++) {
        nobody = 0;

        if (__atomic_compare_exchange_n(&zone->header->waiting[i], &nobody,
                                        claim, 0, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        {
            return;
        }
    }
}


void
ngx_prof_slot_waited(ngx_prof_zone_t *zone, uint64_t claim)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_WAITING; i++) {

        if (ngx_prof_load(&zone->header->waiting[i]) == claim) {
            ngx_prof_store(&zone->header->waiting[i], 0);
        }
    }
}


ngx_uint_t
ngx_prof_slot_waiters(const ngx_prof_zone_t *zone,
    ngx_uint_t (*alive)(uint64_t claim))
{
    uint64_t    claim;
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < NGX_PROF_WAITING; i++) {
        claim = ngx_prof_load(&zone->header->waiting[i]);
        n += (claim && alive(claim));
    }

    return n;
}


ngx_pid_t
ngx_prof_slot_pid(const ngx_prof_slot_t *slot)
{
    uint64_t  owner;

    owner = ngx_prof_load_acquire(&slot->owner);

    if ((owner & NGX_PROF_CLAIMING) || ngx_prof_slot_given(slot, owner)) {
        return 0;
    }

    return (ngx_pid_t) owner;
}


ngx_uint_t
ngx_prof_slot_of(const ngx_prof_slot_t *slot, ngx_pid_t pid)
{
    return ngx_prof_load(&slot->claims)
           && (pid == 0 || ngx_prof_slot_pid(slot) == pid);
}
