
/*
 * Reads what the slots have recorded (ngx_prof_recording.h), in steps, slot by
 * slot: intervals that have ended, and of each slot the one that has not.
 * Worker, normal context.
 */


#ifndef _NGX_PROF_PAST_H_INCLUDED_
#define _NGX_PROF_PAST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_recording.h"
#include "ngx_prof_slot.h"


/* parts of the range that are known to be covered, or not */
#define NGX_PROF_PAST_PARTS  1024


typedef struct ngx_prof_past_s  ngx_prof_past_t;


/* a gain of an interval that the range has a part of; table may be NULL */
typedef ngx_int_t (*ngx_prof_past_pt)(ngx_prof_past_t *past,
    const ngx_prof_interval_t *interval, const ngx_prof_section_t *section,
    const ngx_prof_gain_t *gain);


struct ngx_prof_past_s {

    /* by the caller; the rest is zero */
    ngx_pool_t                    *pool;
    uint64_t                       from;        /* ms, CLOCK_MONOTONIC */
    uint64_t                       until;
    ngx_uint_t                     first;       /* ngx_prof_recorded_e */
    ngx_uint_t                     last;
    ngx_pid_t                      worker;      /* 0: all */
    ngx_prof_past_pt               gain;        /* entry 0: without a stack */
    void                          *data;

    /* what was found */
    uint64_t                       since;       /* ms: the begin of what is
                                                   kept, 0: nothing is */
    ngx_uint_t                     lost;        /* overwritten meanwhile */
    ngx_uint_t                     unrecorded;  /* slots without a recording */
    uint64_t                       without;     /* units without a stack */

    ngx_uint_t                     slots;       /* to read, of processes */

    /* the slot that is read */
    ngx_uint_t                     slot;
    ngx_prof_recorded_slot_t       rec;
    u_char                        *buf;         /* NULL: not yet */
    const u_char                  *p;           /* NULL: of the next slot */
    const u_char                  *end;
    u_char                         covered[NGX_PROF_PAST_PARTS];
};


/* a step: NGX_AGAIN, NGX_OK: all slots are read, or NGX_ERROR */
ngx_int_t ngx_prof_past_step(ngx_prof_past_t *past);

/*
 * The part of a gain that belongs to a range: as many whole counts as are
 * spread over that part of the interval, with their units.  Parts of ranges
 * that follow each other add up to the gain.
 */
void ngx_prof_past_cut(const ngx_prof_gain_t *gain,
    const ngx_prof_interval_t *interval, uint64_t from, uint64_t until,
    ngx_prof_gain_t *part);

/*
 * The next time, from *begin on, of which nothing was recorded by anybody; ms.
 * NGX_DECLINED: there is none.
 */
ngx_int_t ngx_prof_past_gap(const ngx_prof_past_t *past, uint64_t *begin,
    uint64_t *end);


#endif /* _NGX_PROF_PAST_H_INCLUDED_ */
