
/*
 * Trims by request: every worker returns free heap memory to the system.  The
 * worker that was asked writes the request to all mailboxes, wakes the
 * workers, and answers when all have answered or the time is up.
 */


#ifndef _NGX_PROF_TRIM_VIEW_H_INCLUDED_
#define _NGX_PROF_TRIM_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* ms that a worker has to answer */
#define NGX_PROF_TRIM_DEADLINE  1000


/*
 * Content handler: asks all workers or one of them.  Returns NGX_DONE and
 * answers later.
 */
ngx_int_t ngx_prof_trim_request(ngx_http_request_t *r, ngx_pid_t worker);

/* when this worker is woken: answers requests that are complete */
void ngx_prof_trim_check(void);


#endif /* _NGX_PROF_TRIM_VIEW_H_INCLUDED_ */
