
/*
 * Trims: a worker returns free heap memory to the system when its mailbox asks
 * for it.
 */


#ifndef _NGX_PROF_TRIM_H_INCLUDED_
#define _NGX_PROF_TRIM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_ask.h"
#include "ngx_prof_slot.h"


/* ms, the least time between two trims by request, of all workers together */
#define NGX_PROF_TRIM_INTERVAL  1000


/* ms that a worker has to trim */
#define NGX_PROF_TRIM_DEADLINE  1000


/* a worker that was asked, and its answer */

typedef struct {
    ngx_prof_asked_t  asked;
    ngx_prof_trim_t   trim;
} ngx_prof_trim_worker_t;


/*
 * Asks one worker or (0) all to trim: an ask of ngx_prof_trim_worker_t, or
 * NULL: out of memory.  done is called once, later, unless the pool is
 * destroyed before.
 */
ngx_prof_ask_t *ngx_prof_trim_ask(ngx_pool_t *pool, ngx_log_t *log,
    ngx_pid_t worker, void (*done)(void *data), void *data);

/*
 * To be called before a trim is requested.  NGX_BUSY: the latest one was too
 * recent, and this one is not allowed.
 */
ngx_int_t ngx_prof_trim_reserve(void);

/* worker, when it is woken: trims if that was requested */
void ngx_prof_trim_answer(void);


#endif /* _NGX_PROF_TRIM_H_INCLUDED_ */
