
/*
 * Memory that workers share with the master since it forked them: it is there
 * once, and each worker tells its part.  The kernel's own account (Pss_Anon) is
 * read where that is cheap.  Elsewhere the master's memory at its fork is taken
 * to be shared still, which pages that workers have written to since are not.
 */


#ifndef _NGX_PROF_INHERITED_H_INCLUDED_
#define _NGX_PROF_INHERITED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/* master, before it forks; n: workers that will share its memory */
void ngx_prof_inherited_init_module(ngx_uint_t n);

/*
 * Worker, at each tick: takes what others count from g->anonymous, the
 * resident memory of the process, and sets g->inherited and its bit of
 * g->estimated.
 */
void ngx_prof_inherited(ngx_prof_gauges_t *g);

/* worker: this worker's part of bytes that all have in common */
uint64_t ngx_prof_inherited_part(uint64_t bytes);


#endif /* _NGX_PROF_INHERITED_H_INCLUDED_ */
