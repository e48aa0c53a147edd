
/*
 * Whose a slot is: a worker claims one when it starts, and gives it back when
 * it ends in good order.  The slot of a worker that was killed goes to whoever
 * claims a slot next; that the worker is dead is told by its pid and start
 * time, which the caller reads.
 */


#ifndef _NGX_HTTP_PROFILING_OWNER_H_INCLUDED_
#define _NGX_HTTP_PROFILING_OWNER_H_INCLUDED_


#include "ngx_http_profiling_zone.h"


/* a slot's owner: its pid; this bit while the claim is being made */
#define NGX_HTTP_PROFILING_CLAIMING   ((uint64_t) 1 << 63)


/* who claims a slot */

typedef struct {
    ngx_pid_t                     pid;
    uint64_t                      start;        /* clock ticks since the
                                                   machine's start, 0: not
                                                   known */
    uint64_t                      time;         /* ms since the epoch */
    uint64_t                      tick;
    ngx_uint_t                    generation;
    ngx_uint_t                    process_slot;
    ngx_uint_t                    worker;
    uint64_t                      interval;     /* ms */

    /* whether the owner of a slot lives */
    ngx_uint_t                  (*alive)(
                                        const ngx_http_profiling_slot_t *slot);
} ngx_http_profiling_claim_t;


/*
 * Claims a slot for the calling process: the one of an ended worker if there
 * is one, else a fresh one.  NULL: all slots belong to living processes.
 */
ngx_http_profiling_slot_t *ngx_http_profiling_slot_claim(
    ngx_http_profiling_zone_t *zone, const ngx_http_profiling_claim_t *claim);

/*
 * By the owner: from tick on ticks are numbered by another interval (ms).
 * The history begins anew: samples that are numbered otherwise would pass for
 * those of other times.
 */
void ngx_http_profiling_slot_renumber(ngx_http_profiling_zone_t *zone,
    ngx_http_profiling_slot_t *slot, uint64_t interval, uint64_t tick);

/* by the owner, when it ends in good order */
void ngx_http_profiling_slot_release(ngx_http_profiling_slot_t *slot);

/* the pid of the owner, 0 if the slot is free or being claimed; not a check */
ngx_pid_t ngx_http_profiling_slot_pid(const ngx_http_profiling_slot_t *slot);

/*
 * Whether the slot was ever used, and belongs to the worker pid; 0: to any,
 * one that has ended included.
 */
ngx_uint_t ngx_http_profiling_slot_of(const ngx_http_profiling_slot_t *slot,
    ngx_pid_t pid);


#endif /* _NGX_HTTP_PROFILING_OWNER_H_INCLUDED_ */
