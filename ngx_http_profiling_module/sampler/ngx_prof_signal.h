
/*
 * SIGPROF, which one handler takes for all samplers of the worker.  Timers on
 * the CPU clocks of its own threads send it, and nothing else does: a signal
 * to a thread that sleeps would break its call off.  A sampler registers what
 * the handler calls.
 */


#ifndef _NGX_PROF_SIGNAL_H_INCLUDED_
#define _NGX_PROF_SIGNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ucontext.h>


/* samplers at most */
#define NGX_PROF_SIGNALS  4


typedef struct {

    /* the timers whose values are addresses of this memory */
    const void  *timers;
    size_t       size;

    /* signal handler: one of these timers has expired; or NULL */
    void       (*expired)(const siginfo_t *info, const ucontext_t *uc);

    /* the same of the main thread: does what was asked for; or NULL */
    void       (*asked)(const ucontext_t *uc);
} ngx_prof_signal_t;


/*
 * Signal handler of the main thread, in a pass that takes long: does what
 * others have asked for in the zone, where the loop cannot.
 */
void ngx_prof_signal_asked(const ucontext_t *uc);


/*
 * Worker: installs the handler, unless SIGPROF is another's.  NGX_ERROR: it
 * could not, which is logged and marked in the slot.
 */
ngx_int_t ngx_prof_signal_init(ngx_cycle_t *cycle);

/* worker: the structure stays as it is from now on */
void ngx_prof_signal_register(const ngx_prof_signal_t *sampler);


#endif /* _NGX_PROF_SIGNAL_H_INCLUDED_ */
