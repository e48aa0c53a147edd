
/*
 * Who owns a slot.  A worker claims a slot when it starts and releases it when
 * it exits normally: nobody asks it for anything from then on, but its sampler
 * works until the process is gone.  Then the slot goes to the next claim, as
 * that of a killed worker.  The caller of a claim decides whether an owner is
 * alive, by pid and start time.
 */


#ifndef _NGX_PROF_OWNER_H_INCLUDED_
#define _NGX_PROF_OWNER_H_INCLUDED_


#include "ngx_prof_zone.h"


/* set beside the pid in slot->owner while a claim is being made */
#define NGX_PROF_CLAIMING   ((uint64_t) 1 << 63)


/* the process that claims a slot */

typedef struct {
    ngx_pid_t                     pid;
    uint64_t                      start;        /* clock ticks since the
                                                   machine's start, 0: not
                                                   known */
    uint64_t                      clock;        /* ns, CLOCK_MONOTONIC */
    uint64_t                      tick;
    ngx_uint_t                    generation;
    ngx_uint_t                    process_slot;
    ngx_uint_t                    worker;
    uint64_t                      interval;     /* ms */

    /* whether the owner of a slot lives */
    ngx_uint_t                  (*alive)(const ngx_prof_slot_t *slot);
} ngx_prof_slot_claim_t;


/*
 * Claims a slot for the calling process, of those for its worker number: one
 * that an ended process had if there is any, else an unused one.  NULL: all of
 * them belong to living processes.
 */
ngx_prof_slot_t *ngx_prof_slot_claim(ngx_prof_zone_t *zone,
    const ngx_prof_slot_claim_t *claim);

/*
 * By the owner: from "tick" on, ticks are numbered by another interval (ms).
 * The history is cleared, because its samples would appear at wrong times.
 */
void ngx_prof_slot_renumber(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot,
    uint64_t interval, uint64_t tick);

/*
 * By the owner: the sample of the tick behind the last one, of a worker that
 * has ended, with the counters as it left them.  By the next owner too, if it
 * was killed.
 */
void ngx_prof_slot_ended(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot);

/* by the owner, when it exits normally */
void ngx_prof_slot_release(ngx_prof_slot_t *slot);

/*
 * By a worker that found no slot, and when it has one or goes: its claim is
 * noted in the zone.  ngx_prof_slot_waiters() counts those that are alive.
 */
void ngx_prof_slot_wait(ngx_prof_zone_t *zone, uint64_t claim);
void ngx_prof_slot_waited(ngx_prof_zone_t *zone, uint64_t claim);
ngx_uint_t ngx_prof_slot_waiters(const ngx_prof_zone_t *zone,
    ngx_uint_t (*alive)(uint64_t claim));

/*
 * What the owner of that pid, or the one before, has told of its CPU time.
 * NGX_DECLINED: the slot has had others since.
 */
ngx_int_t ngx_prof_slot_spent(const ngx_prof_slot_t *slot, ngx_pid_t pid,
    ngx_prof_spent_t *spent);

/*
 * The owner's pid, alive or not; 0 if the slot is free, released or being
 * claimed
 */
ngx_pid_t ngx_prof_slot_pid(const ngx_prof_slot_t *slot);

/*
 * Whether the slot was ever used and its owner is the worker "pid".  If pid is
 * 0, any owner will do, even one that has ended.
 */
ngx_uint_t ngx_prof_slot_of(const ngx_prof_slot_t *slot, ngx_pid_t pid);


#endif /* _NGX_PROF_OWNER_H_INCLUDED_ */
