
/*
 * Where the time of requests went, by location: in memory that all workers
 * share.
 *
 * A row is what one slot has counted for one location, or for one location and
 * one peer of an upstream.  Its owner finds it by a hash and adds it by one
 * atomic step.  Rows are never given to another key.  Their counters continue
 * through all owners of the slot; the base, the counters as the present owner
 * found them, is valid if `claims` is the slot's.
 */


#ifndef _NGX_PROF_ELAPSED_H_INCLUDED_
#define _NGX_PROF_ELAPSED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"
#include "ngx_prof_slow.h"


/* rows of a table, a power of two */
#define NGX_PROF_ELAPSED_ROWS  8192


/*
 * What a request's time went for: parts as of slow.h, where that of the event
 * loop is split in three
 */

typedef enum {
    NGX_PROF_ELAPSED_CPU = NGX_PROF_PART_LOOP,
    NGX_PROF_ELAPSED_WAIT = NGX_PROF_PART_WAIT,
    NGX_PROF_ELAPSED_BLOCKED = NGX_PROF_PART_KINDS,
    NGX_PROF_ELAPSED_PREEMPTED,
    NGX_PROF_ELAPSED_KINDS
} ngx_prof_elapsed_e;


/* of a peer: until it was connected, until its first byte, and from then on */

typedef enum {
    NGX_PROF_PEER_CONNECT = 0,
    NGX_PROF_PEER_FIRST_BYTE,
    NGX_PROF_PEER_BODY,
    NGX_PROF_PEER_STEPS
} ngx_prof_peer_step_e;


typedef struct {
    uint64_t  requests;         /* that have ended; of a peer's row 0 */
    uint64_t  ns[NGX_PROF_ELAPSED_KINDS];
                                /* by ngx_prof_elapsed_e, or, of a peer's row,
                                   by ngx_prof_peer_step_e */
} ngx_prof_elapsed_counts_t;


typedef struct {
    uint64_t                   key;         /* 0: the row is free */
    uint64_t                   claims;      /* of the slot, when the base was
                                               copied */
    ngx_prof_elapsed_counts_t  counts;
    ngx_prof_elapsed_counts_t  base;
} ngx_prof_elapsed_row_t;


typedef struct {
    ngx_prof_elapsed_counts_t  other;       /* what found no row; atomically */
    ngx_prof_elapsed_row_t     row[NGX_PROF_ELAPSED_ROWS];
} ngx_prof_elapsed_t;


/* a slot's index, a place, and a row of peers + 1, 0: of all */

#define ngx_prof_elapsed_key(slot, place, peer)                               \
    ((uint64_t) ((slot) + 1) << 40 | (uint64_t) (place) << 16 | (peer))

#define ngx_prof_elapsed_slot(key)   ((ngx_uint_t) ((key) >> 40) - 1)
#define ngx_prof_elapsed_place(key)  ((ngx_uint_t) ((key) >> 16 & 0xffffff))
#define ngx_prof_elapsed_peer(key)   ((ngx_uint_t) ((key) & 0xffff))


/* by the owner of the slot of the key; NULL: there is no room */
ngx_prof_elapsed_row_t *ngx_prof_elapsed_open(ngx_prof_elapsed_t *elapsed,
    uint64_t key, uint64_t claims);

/* by the master: a place is another location's from now on */
void ngx_prof_elapsed_free(ngx_prof_elapsed_t *elapsed, ngx_uint_t place);

/* by any worker: what found no row */
void ngx_prof_elapsed_other(ngx_prof_elapsed_t *elapsed, ngx_uint_t i,
    uint64_t ns);


#endif /* _NGX_PROF_ELAPSED_H_INCLUDED_ */
