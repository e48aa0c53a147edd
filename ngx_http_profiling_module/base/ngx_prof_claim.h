
/*
 * Who waits for what: a word of shared memory that one process claims, until
 * it gives it back or dies.  The word holds the owner's pid and when that one
 * was started, so that a pid which the system has given to another process
 * keeps no claim.  0: free.
 */


#ifndef _NGX_PROF_CLAIM_H_INCLUDED_
#define _NGX_PROF_CLAIM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* bits of a pid: PID_MAX_LIMIT of Linux; the start time is above them */
#define NGX_PROF_CLAIM_PID  22


/* NGX_BUSY: another process that lives, or this one, has it */
ngx_int_t ngx_prof_claim_take(uint64_t *claim);

/* by the owner */
void ngx_prof_claim_give(uint64_t *claim);

/* by anyone: frees a claim whose owner has died */
void ngx_prof_claim_reap(uint64_t *claim);


#endif /* _NGX_PROF_CLAIM_H_INCLUDED_ */
