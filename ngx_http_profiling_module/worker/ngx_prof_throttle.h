
/*
 * profiling_budget: what the samplers may take of a processor.
 *
 * Each tick compares what they and their hooks took since the one before with
 * the budget.  Above it the rate of the costliest is halved, as often as brings
 * the sum below; once there is room for it, rates are doubled again one by one.
 * Sums stay right all the while: each sample has the weight of the rate that it
 * was taken at.  Counts that are exact are never touched, nor their hooks.
 */


#ifndef _NGX_PROF_THROTTLE_H_INCLUDED_
#define _NGX_PROF_THROTTLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/* how often the rate of a part is halved now.  Any thread, signal handlers. */
ngx_uint_t ngx_prof_throttle(ngx_prof_meter_e part);

/* worker, at each tick: clock in ns; writes to gauges what is in force */
void ngx_prof_throttle_tick(uint64_t clock, ngx_prof_gauges_t *gauges,
    ngx_log_t *log);

/*
 * How often parts would have to be halved so that the ns that each took come
 * to at most `most` together: the costliest first.  hooks: what of each stays,
 * whatever the rate.  throttle: as of now, and then.  Returns 1 if one was
 * halved.
 */
ngx_uint_t ngx_prof_throttle_lower(uint64_t *ns, const uint64_t *hooks,
    uint64_t most, uint64_t *throttle);


#endif /* _NGX_PROF_THROTTLE_H_INCLUDED_ */
