
/*
 * Passes of other workers' event loops that do not end.  Any worker, normal
 * context.
 */


#ifndef _NGX_PROF_HANG_H_INCLUDED_
#define _NGX_PROF_HANG_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/*
 * Any worker: reads what a worker does in a pass of more than `age` ns that
 * goes on.  NGX_OK: it is known where; NGX_AGAIN: it is not yet; NGX_DECLINED:
 * there is no such pass.  *duration is set unless that is returned.
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
 * Any worker, normal context: says of a worker that takes no CPU time, since
 * it waits in a call for more than a second, where; 0: it does not.
 */
ngx_uint_t ngx_prof_hang_waits(const ngx_prof_slot_t *slot, char *text,
    size_t size);


#endif /* _NGX_PROF_HANG_H_INCLUDED_ */
