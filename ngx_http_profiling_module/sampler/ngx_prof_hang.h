
/* Pauses in progress, in other workers.  Any worker, normal context. */


#ifndef _NGX_PROF_HANG_H_INCLUDED_
#define _NGX_PROF_HANG_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/*
 * Reads what a worker is doing in a pass that is in progress for more than
 * `age` ns.  NGX_OK: its stack is known; NGX_AGAIN: not yet; NGX_DECLINED:
 * there is no such pass, and *duration is not set.
 */
ngx_int_t ngx_prof_hang_read(const ngx_prof_slot_t *slot, uint64_t age,
    ngx_prof_pause_seen_t *seen, uint64_t *duration);

/*
 * Any worker, normal context: sees to it that the slots of all others whose
 * pass is older than a second tell where they are, as of the latest second.
 * One that sleeps is read from outside now; one that burns CPU time answers
 * at its next tick.  The number of the latter.
 */
ngx_uint_t ngx_prof_hang_chase(void);

/*
 * Writes where a worker has been waiting in a call for more than a second,
 * using no CPU time; 0: it has not.
 */
ngx_uint_t ngx_prof_hang_waits(const ngx_prof_slot_t *slot, char *text,
    size_t size);


#endif /* _NGX_PROF_HANG_H_INCLUDED_ */
