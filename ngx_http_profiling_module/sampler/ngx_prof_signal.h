
/*
 * SIGPROF, which one handler takes for all samplers of the worker.  Timers on
 * the CPU clocks of its own threads send it, and nothing else does: a signal
 * to a thread that sleeps would break its call off.  A sampler registers what
 * the handler calls.
 *
 * Any process of this user can send one that looks like a timer's.  So a
 * timer's value is the address of its entry with a secret of this worker.
 */


#ifndef _NGX_PROF_SIGNAL_H_INCLUDED_
#define _NGX_PROF_SIGNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ucontext.h>
#include "ngx_prof_slot.h"


/* samplers at most */
#define NGX_PROF_SIGNALS  4


typedef struct {

    /* n entries that have a timer */
    const void  *timers;
    size_t       size;                     /* of one, in bytes */
    ngx_uint_t   n;

    /* in the handler: one of these timers has expired; or NULL */
    void       (*expired)(const void *timer, const siginfo_t *info,
                     const ucontext_t *uc);

    /* the part that it counts for, as the handler says, see ngx_prof_meter.h */
    const ngx_prof_meter_e  *cost;

    /* likewise of the main thread: does what was asked for; or NULL */
    void       (*asked)(const ucontext_t *uc);
} ngx_prof_signal_t;


/*
 * Signal handler of the main thread, in a pass that takes long: does what
 * others have asked for in the zone, where the loop cannot.
 */
void ngx_prof_signal_asked(const ucontext_t *uc);


/* before workers are forked: what their secrets are made of */
void ngx_prof_signal_init_module(void);

/* what the timer of an entry is to send.  Any thread of a worker. */
void *ngx_prof_signal_value(const void *timer);

/*
 * Worker: installs the handler, unless another module has SIGPROF. NGX_ERROR:
 * it is not installed, which is logged and marked in the slot.
 */
ngx_int_t ngx_prof_signal_init(ngx_cycle_t *cycle);

/* worker: the structure must not change from now on */
void ngx_prof_signal_register(const ngx_prof_signal_t *sampler);

/*
 * Worker that releases its slot: this sampler is the only one that is called
 * from now on; NULL: none is
 */
void ngx_prof_signal_last(const ngx_prof_signal_t *sampler);


#endif /* _NGX_PROF_SIGNAL_H_INCLUDED_ */
