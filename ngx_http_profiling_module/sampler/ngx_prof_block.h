
/*
 * Blocking calls of the worker's main thread, interposed in all objects and
 * timed.  A table of descriptors tells which sockets do not block: calls on
 * those are passed on without reading a clock.
 */


#ifndef _NGX_PROF_BLOCK_H_INCLUDED_
#define _NGX_PROF_BLOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_clock.h"
#include "ngx_prof_context.h"
#include "ngx_prof_label.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_wait.h"
#include "ngx_prof_worker.h"


/* ns; a shorter call did not wait */
#define NGX_PROF_BLOCK_MIN  10000


/* ns of all calls that have ended, so that an outer call can leave them out */
extern uint64_t  ngx_prof_block_told;

/*
 * NGX_PROF_BLOCK_MIN in ticks of the clock; the maximum while nothing is
 * profiled
 */
extern uint64_t  ngx_prof_block_ticks;


/* calls that were noted, of which each hook's own cost is measured once */
extern uint64_t  ngx_prof_block_calls
    NGX_PROF_HIDDEN;


/* a call in the main thread that took long has ended; errno is kept */
void ngx_prof_block_ended(uint64_t ticks, uint64_t told,
    const void *function);


/*
 * The place + 1 of the request that has begun in this pass, if the pass has
 * one event: else it may not be the one that is served.
 */

static ngx_prof_always_inline uint64_t
ngx_prof_block_place(void)
{
    return (ngx_prof_dispatch.n == 1
            && ngx_prof_latest.start == ngx_prof_loop_pass_start())
           ? ngx_prof_latest.place : 0;
}


/* in hooks: whether the call is timed, and what surrounds it */

#define ngx_prof_block_timed()                                                \
    ngx_prof_wait_main((uintptr_t) __builtin_frame_address(0))


/* the slot's note of the call in progress; NULL: this process has none */
extern ngx_prof_call_t  *ngx_prof_block_note
    NGX_PROF_HIDDEN;


typedef struct {
    uint64_t          told;
    uint64_t          start;
    ngx_prof_call_t  *call;     /* noted by this hook, or NULL */
} ngx_prof_blocked_t;


static ngx_prof_always_inline void
ngx_prof_block_clock(ngx_prof_blocked_t *b)
{
    b->told = ngx_prof_block_told;
    b->start = ngx_prof_counter_read();
    b->call = NULL;
}


/*
 * The note of a call in the main thread: another worker that wants to know
 * where this one sleeps walks its stack from here on, without waking it.  The
 * outermost of nested hooks is the one that has been called.
 */

static ngx_prof_always_inline void
ngx_prof_block_begin(ngx_prof_blocked_t *b, const void *function)
{
    ngx_prof_call_t  *call;

    ngx_prof_block_clock(b);

    call = ngx_prof_block_note;

    if (call == NULL || call->start) {
        return;
    }

    ngx_prof_arch_here(call->pc, call->reg);

    call->function = (uintptr_t) function;
    call->place = ngx_prof_block_place();

    ngx_prof_store_release(&call->start, b->start);
    b->call = call;

    ngx_prof_add(&ngx_prof_block_calls, 1);
}


static ngx_prof_always_inline void
ngx_prof_block_leave(const ngx_prof_blocked_t *b)
{
    if (b->call) {
        ngx_prof_store_release(&b->call->start, 0);
    }
}


static ngx_prof_always_inline void
ngx_prof_block_end(const ngx_prof_blocked_t *b, const void *function)
{
    uint64_t  ticks;

    ngx_prof_block_leave(b);

    ticks = ngx_prof_counter_read() - b->start;

    if (ticks >= ngx_prof_block_ticks) {
        ngx_prof_block_ended(ticks, b->told, function);
    }
}


/* worker, when its slot is claimed, behind wait_init() */
void ngx_prof_block_init(ngx_cycle_t *cycle);

/* worker, at each tick: counts what the hooks themselves took */
void ngx_prof_block_tick(void);

/* the hook of accept4(): a socket that does not block */
void ngx_prof_block_socket(int fd);


#endif /* _NGX_PROF_BLOCK_H_INCLUDED_ */
