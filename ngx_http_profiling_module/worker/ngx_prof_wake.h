
/*
 * Waking workers through nginx's own channels: the socket by which the master
 * commands a worker, whose other end each worker has too.  A command that
 * nginx does not know does nothing but wake the event loop; the handler of the
 * channel is called through ours, which then looks what is asked.  So an idle
 * worker stays asleep, and no descriptor is needed.
 *
 * What is asked stands in the slot's mailbox, never in the channel: a wake-up
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


/* worker, when it starts: calls asked() when it is woken */
void ngx_prof_wake_init(ngx_cycle_t *cycle, void (*asked)(void));

/* worker: wakes the worker of a slot; NGX_ERROR: it cannot be reached */
ngx_int_t ngx_prof_wake(ngx_prof_slot_t *slot);

/* worker: wakes all those that wait for an answer of another */
void ngx_prof_wake_awaiting(void);


#endif /* _NGX_PROF_WAKE_H_INCLUDED_ */
