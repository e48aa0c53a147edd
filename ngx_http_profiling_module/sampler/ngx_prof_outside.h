
/*
 * Where another worker sleeps, read from outside: a signal would break its
 * call off, and many calls do not restart by themselves.
 *
 * The hook of a call has noted its registers in the slot; of another call
 * /proc/<pid>/syscall has the stack pointer and the program counter.  The
 * stack is read through /proc/<pid>/mem and walked here.  The kernel allows
 * that to a process of the same user, unless Yama or a container forbids it:
 * then the function that the hook has noted is all that is known.
 *
 * Any worker, normal context.
 */


#ifndef _NGX_PROF_OUTSIDE_H_INCLUDED_
#define _NGX_PROF_OUTSIDE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"
#include "ngx_prof_wait.h"


typedef struct {
    uint64_t    pass;       /* its pass_start */
    uint64_t    begin;      /* ns, CLOCK_MONOTONIC: of the call, or the pass */
    ngx_uint_t  hooked;     /* of the call */
    uint32_t    label;
    ngx_uint_t  n;
    uint64_t    pcs[NGX_PROF_WAIT_FRAMES];  /* return addresses, room for a
                                               root */
} ngx_prof_outside_t;


/*
 * NGX_OK: it sleeps there; NGX_DECLINED: it does not sleep, or not any more,
 * or nothing is known of where.
 */
ngx_int_t ngx_prof_outside(const ngx_prof_slot_t *slot,
    ngx_prof_outside_t *o);


#endif /* _NGX_PROF_OUTSIDE_H_INCLUDED_ */
