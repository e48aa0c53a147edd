
/*
 * What the module itself takes of a processor, by part, in ns.
 *
 * The processor's counter is read where a part begins and ends: some 40
 * instructions, where a sample has more than a thousand.  What they take beside
 * what they see is measured once and added.  Of parts that are shorter, samples
 * of the heap that are freed, one in some is measured, and a hook's own
 * instructions are measured once and counted by the call.  Parts within each
 * other are counted apart: a sample that interrupts an answer is not the
 * answer's.  Worker; any thread and signal handlers.
 */


#ifndef _NGX_PROF_METER_H_INCLUDED_
#define _NGX_PROF_METER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_clock.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"


typedef struct {
    uint64_t  start;            /* of ngx_prof_loop_ticks(), or ns of CPU
                                   time */
    uint64_t  inner;            /* ns that parts within others took so far */
} ngx_prof_meter_t;


extern uint64_t  ngx_prof_meter_inner
    NGX_PROF_HIDDEN;


/* worker, when it has a slot: counts there from now on; NULL: nowhere */
void ngx_prof_meter_init(ngx_prof_slot_t *slot);

/* adds to a part what was measured elsewhere */
void ngx_prof_meter_add(ngx_prof_meter_e part, uint64_t ns);

/* the same, by the main thread, of what no rate changes: hooks that count */
void ngx_prof_meter_add_hooks(ngx_prof_meter_e part, uint64_t ns);

/* ns of a part that add_hooks() has added since this worker has begun */
uint64_t ngx_prof_meter_hooks(ngx_prof_meter_e part);

/* ns of CPU time of this thread; of the clock, where that may not be asked */
uint64_t ngx_prof_meter_cpu(void);

/*
 * Ends what begin() has begun in the same thread.  times: how many such parts
 * it stands for; main: in the main thread.
 */
void ngx_prof_meter_end(const ngx_prof_meter_t *cost, ngx_prof_meter_e part,
    ngx_uint_t times, ngx_uint_t main);

/* the same for what may be put off the processor: begun by begin_long() */
void ngx_prof_meter_end_long(const ngx_prof_meter_t *cost,
    ngx_prof_meter_e part);
void ngx_prof_meter_begin_long(ngx_prof_meter_t *cost);


static ngx_inline void
ngx_prof_meter_begin(ngx_prof_meter_t *cost)
{
    cost->inner = ngx_prof_load(&ngx_prof_meter_inner);
    cost->start = ngx_prof_loop_ticks(ngx_prof_clock_counted());
}


#endif /* _NGX_PROF_METER_H_INCLUDED_ */
