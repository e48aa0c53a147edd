
/*
 * Pauses: passes of the event loop that take longer than
 * profiling_pause_threshold, and where that time went.
 *
 *     on the processor   a timer on the main thread's CPU clock, which ticks
 *                        only while that burns CPU time, finds the same pass
 *                        again and takes the stack
 *     in a call          the hooks of block.c tell calls that took long
 *     neither            counted, without a stack
 *
 * A pass that does not end is seen by other workers in the slot, see hang.h.
 * Worker's main thread, unless told otherwise.
 */


#ifndef _NGX_PROF_PAUSE_H_INCLUDED_
#define _NGX_PROF_PAUSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/* log lines a minute */
#define NGX_PROF_PAUSE_LINES  5


/* worker, when its slot is claimed: makes the timer */
void ngx_prof_pause_init(ngx_cycle_t *cycle);

/* after a single process has been reloaded */
void ngx_prof_pause_configure(void);

/*
 * At the end of a pass: busy is its length, and rest the part that is not yet
 * counted as a pause of known cause, in ns.
 */
void ngx_prof_pause_end(ngx_prof_slot_t *slot, uint64_t busy, uint64_t rest);

/* From the hooks: a call to `function` ends now, after d ns. */
void ngx_prof_pause_call(const void *function, uint64_t d);


#endif /* _NGX_PROF_PAUSE_H_INCLUDED_ */
