
/*
 * Locks that had to be waited for, by any thread of the worker.
 *
 *     pthread mutexes, rwlocks   are tried first, and timed if that fails
 *     nginx's mutexes in shared  sem_wait(), and sched_yield() where there
 *     memory, its rwlocks        are no semaphores
 *
 * nginx spins for some 10 us before it calls one of the latter: a lock that
 * was got by that is not seen, and the time is not in the wait.
 */


#ifndef _NGX_PROF_MUTEX_H_INCLUDED_
#define _NGX_PROF_MUTEX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


/* master: gives numbers to the names of the cycle's zones */
void ngx_prof_mutex_register(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/* worker, when its slot is claimed, behind wait_init() */
void ngx_prof_mutex_init(ngx_cycle_t *cycle);


#endif /* _NGX_PROF_MUTEX_H_INCLUDED_ */
