
/*
 * Who waits for what: a word of shared memory that one process claims, until
 * it gives it back or dies.  ngx_prof_record.h says what the word holds.
 */


#ifndef _NGX_PROF_CLAIM_H_INCLUDED_
#define _NGX_PROF_CLAIM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"


/* NGX_BUSY: another process that lives, or this one, has it */
ngx_int_t ngx_prof_claim_take(uint64_t *claim);

/* by the owner */
void ngx_prof_claim_give(uint64_t *claim);

/* by anyone: frees a claim whose owner has died */
void ngx_prof_claim_reap(uint64_t *claim);

/* this process, and whether the one that has claimed something lives */
uint64_t ngx_prof_claim_own(void);
ngx_uint_t ngx_prof_claim_alive(uint64_t claim);


#endif /* _NGX_PROF_CLAIM_H_INCLUDED_ */
