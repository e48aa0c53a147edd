
/*
 * Trims: a worker gives free heap memory back to the system, when its mailbox
 * asks for it.
 */


#ifndef _NGX_PROF_TRIM_H_INCLUDED_
#define _NGX_PROF_TRIM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* forced collections of all workers together are at least so far apart, ms */
#define NGX_PROF_TRIM_INTERVAL  1000


/*
 * Whoever asks has to ask this first.  NGX_BUSY: the latest collection is
 * too near, and this one may not be.
 */
ngx_int_t ngx_prof_trim_reserve(void);

/* when this worker is woken: trims if that was asked for */
void ngx_prof_trim_answer(void);


#endif /* _NGX_PROF_TRIM_H_INCLUDED_ */
