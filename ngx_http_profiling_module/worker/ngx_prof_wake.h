
/*
 * Waking workers: one eventfd a slot, made by the master before it forks and
 * kept over reloads, so that its number means the same in all processes.  A
 * worker polls its own by its event loop: an idle worker stays asleep until
 * somebody asks it for something.
 *
 * What is asked stands in the slot's mailbox, never in the eventfd: a wake-up
 * that is lost or comes twice does no harm.  A worker whose loop does not come
 * round looks there at a tick of its own timer, while it burns CPU time; one
 * that sleeps is left in peace (ngx_prof_outside.h).
 */


#ifndef _NGX_PROF_WAKE_H_INCLUDED_
#define _NGX_PROF_WAKE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"
#include "ngx_prof_zone.h"


/* master: makes the eventfds that are missing */
void ngx_prof_wake_open(ngx_prof_zone_t *zone, ngx_log_t *log);

/* worker: polls its own, and calls asked() when it is woken */
void ngx_prof_wake_init(ngx_cycle_t *cycle, void (*asked)(void));

/* worker: wakes the worker of a slot; NGX_ERROR: it cannot be reached */
ngx_int_t ngx_prof_wake(const ngx_prof_slot_t *slot);

/* worker: wakes all those that wait for an answer of another */
void ngx_prof_wake_awaiting(void);


#endif /* _NGX_PROF_WAKE_H_INCLUDED_ */
