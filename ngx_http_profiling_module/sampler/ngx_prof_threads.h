
/*
 * Threads as they begin and end.
 *
 * Threads are seen from their start on, by interposing pthread_create(); this
 * is done in the master, since nginx makes its thread pools before modules of
 * ours are called in the worker.  pthread_sigmask() is interposed too: the
 * threads of nginx's pools block all signals, and would never be sampled.
 */


#ifndef _NGX_PROF_THREADS_H_INCLUDED_
#define _NGX_PROF_THREADS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* master or single process: from now on threads are seen */
void ngx_prof_threads_init_module(ngx_log_t *log);

/* worker: registers its main thread; NGX_ERROR: it cannot be sampled */
ngx_int_t ngx_prof_threads_init(ngx_log_t *log);

/* worker, once its slot has a table of the heap: counts the threads it has */
void ngx_prof_threads_made(void);


#endif /* _NGX_PROF_THREADS_H_INCLUDED_ */
