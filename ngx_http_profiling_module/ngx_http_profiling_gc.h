
/*
 * Forced collection: every worker gives free heap memory back to the system.
 * The asking worker writes its wish to the mailboxes of all, wakes them, and
 * answers when all have answered, or when the time is up.
 */


#ifndef _NGX_HTTP_PROFILING_GC_H_INCLUDED_
#define _NGX_HTTP_PROFILING_GC_H_INCLUDED_


#include "ngx_http_profiling_module.h"


/* how long a worker has to answer, in ms */
#define NGX_HTTP_PROFILING_GC_DEADLINE  1000


/*
 * Content handler's work: asks the workers, or one of them.  Returns
 * NGX_DONE; the answer is sent later.
 */
ngx_int_t ngx_http_profiling_gc_request(ngx_http_request_t *r,
    ngx_pid_t worker);

/* when this worker is woken: trims if that was asked for */
void ngx_http_profiling_gc_answer(void);

/* when this worker is woken: answers the requests that are complete */
void ngx_http_profiling_gc_check(void);


#endif /* _NGX_HTTP_PROFILING_GC_H_INCLUDED_ */
