
/*
 * A worker that dies of a fault: its handler of SIGSEGV, SIGBUS, SIGILL,
 * SIGFPE, SIGABRT and SIGSYS writes a record in the slot and steps aside: the
 * fault happens again, or the signal is sent again, as if there were
 * no handler: the core, si_addr and the exit status are what they would be.
 *
 * The master installs it, so that a worker has it from its birth.  What was
 * installed before is called first; so is, once the worker has its slot, what
 * another module has installed in the worker.
 */


#ifndef _NGX_PROF_CRASH_H_INCLUDED_
#define _NGX_PROF_CRASH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


/*
 * Master or single process, at each start and reload: installs the handler, or
 * removes it.  The zone is there as long as the cycle.
 */
void ngx_prof_crash_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone,
    ngx_uint_t on);

/* worker, when it starts: goes before handlers that were installed since */
void ngx_prof_crash_init(ngx_log_t *log);

/*
 * By a thread that begins: gives it a stack for the handler, unless it has one;
 * NULL: it was given none.  By the same thread before it ends: frees it.
 */
void *ngx_prof_crash_stack(void);
void ngx_prof_crash_stack_free(void *stack);


#endif /* _NGX_PROF_CRASH_H_INCLUDED_ */
