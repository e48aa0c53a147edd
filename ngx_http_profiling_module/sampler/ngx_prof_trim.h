
/*
 * Trims: a worker returns free heap memory to the system when its mailbox asks
 * for it.
 */


#ifndef _NGX_PROF_TRIM_H_INCLUDED_
#define _NGX_PROF_TRIM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* ms, the least time between two trims by request, of all workers together */
#define NGX_PROF_TRIM_INTERVAL  1000


/*
 * To be called before a trim is requested.  NGX_BUSY: the latest one was too
 * recent, and this one is not allowed.
 */
ngx_int_t ngx_prof_trim_reserve(void);

/* worker, when it is woken: trims if that was requested */
void ngx_prof_trim_answer(void);


#endif /* _NGX_PROF_TRIM_H_INCLUDED_ */
