
/*
 * A worker that dies of a fault: its handler of SIGSEGV, SIGBUS, SIGILL,
 * SIGFPE, SIGABRT and SIGSYS writes a record in the slot and goes out of the
 * way.  The fault happens again, or the signal is sent again, as if there were
 * no handler: the core, si_addr and the exit status are what they would be.
 *
 * The master installs it, so that a worker has it from its birth.  What was
 * installed before is called first; what another module installs later, in the
 * worker, is so called once the worker has its slot.
 */


#ifndef _NGX_PROF_CRASH_H_INCLUDED_
#define _NGX_PROF_CRASH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


/*
 * Master or single process, at each start and reload: installs the handler, or
 * takes it out.  cycle: for as long as it lives the zone is there.
 */
void ngx_prof_crash_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone,
    ngx_uint_t on);

/* worker, when it starts: comes before handlers that were installed since */
void ngx_prof_crash_init(ngx_log_t *log);

/*
 * A thread that begins: gives it a stack for the handler, unless it has one.
 * NULL: it was given none.  And the same thread, before it ends.
 */
void *ngx_prof_crash_stack(void);
void ngx_prof_crash_stack_free(void *stack);


#endif /* _NGX_PROF_CRASH_H_INCLUDED_ */
