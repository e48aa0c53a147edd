
/*
 * Forced collection: every worker gives free heap memory back to the system.
 * The asking worker writes its wish to the mailboxes of all, wakes them, and
 * answers when all have answered, or when the time is up.
 */


#ifndef _NGX_PROF_TRIM_VIEW_H_INCLUDED_
#define _NGX_PROF_TRIM_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* how long a worker has to answer, in ms */
#define NGX_PROF_TRIM_DEADLINE  1000


/*
 * Content handler's work: asks the workers, or one of them.  Returns
 * NGX_DONE; the answer is sent later.
 */
ngx_int_t ngx_prof_trim_request(ngx_http_request_t *r, ngx_pid_t worker);

/* when this worker is woken: answers the requests that are complete */
void ngx_prof_trim_check(void);


#endif /* _NGX_PROF_TRIM_VIEW_H_INCLUDED_ */
