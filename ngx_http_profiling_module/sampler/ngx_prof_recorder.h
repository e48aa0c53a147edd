
/*
 * The recorder: keeps what the samplers of this worker count, interval by
 * interval, in its slot (ngx_prof_recording.h).
 *
 * Intervals end with ticks; where the loop does not run, a handler of the main
 * thread ends them.  An idle worker is not woken for it.
 */


#ifndef _NGX_PROF_RECORDER_H_INCLUDED_
#define _NGX_PROF_RECORDER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_recording.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"


/* worker, when it has its slot, before it is sampled */
void ngx_prof_recorder_init(void);

/* worker, at each tick, and when it exits */
void ngx_prof_recorder_tick(void);
void ngx_prof_recorder_finish(void);

/*
 * 1: the modules of all objects are known, so a function that has none now
 * will never have one
 */
void ngx_prof_recorder_learnt(ngx_uint_t all);

/* the rate that the recorder wants, in hertz of CPU time; 0: none */
ngx_uint_t ngx_prof_recorder_rate(void);

/*
 * Signal handler: counts a sample of n frames, innermost first; pcs has room
 * for one more.  now in ns, of CLOCK_MONOTONIC.
 */
void ngx_prof_recorder_sample(ngx_prof_path_t *path, uint64_t *pcs,
    ngx_uint_t n, uint32_t label, uint64_t count, uint64_t value,
    uint64_t now, ngx_uint_t main);

/* anywhere: entry i of a table (ngx_prof_recorded_e) of a slot has gained */
void ngx_prof_recorder_touch(const ngx_prof_slot_t *slot, ngx_uint_t table,
    ngx_uint_t i);


#endif /* _NGX_PROF_RECORDER_H_INCLUDED_ */
