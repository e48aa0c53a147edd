
/*
 * Forced collection: every worker gives free heap memory back to the system.
 * The asking worker writes its wish to the mailboxes of all, wakes them, and
 * answers when all have answered, or when the time is up.
 */


#ifndef _NGX_HTTP_PROFILING_GC_H_INCLUDED_
#define _NGX_HTTP_PROFILING_GC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_json.h"
#include "ngx_http_profiling_slot.h"


/* how long a worker has to answer, in ms */
#define NGX_HTTP_PROFILING_GC_DEADLINE  1000

/* forced collections of all workers together are at least so far apart, ms */
#define NGX_HTTP_PROFILING_GC_INTERVAL  1000


/* a worker that was asked */

typedef struct {
    ngx_http_profiling_slot_t  *slot;
    ngx_pid_t                   pid;
    uint64_t                    asked;
    ngx_uint_t                  reached;    /* it was woken */
    ngx_uint_t                  answered;
    ngx_http_profiling_trim_t   trim;       /* its answer */
} ngx_http_profiling_gc_worker_t;


/*
 * Whoever asks has to ask this first.  NGX_BUSY: the latest collection is
 * too near, and this one may not be.
 */
ngx_int_t ngx_http_profiling_gc_reserve(void);

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

/* the answer: of ngx_http_profiling_gc_worker_t, and ns since it was asked */
void ngx_http_profiling_gc_view(ngx_http_profiling_json_t *j,
    const ngx_array_t *workers, uint64_t duration);


#endif /* _NGX_HTTP_PROFILING_GC_H_INCLUDED_ */
