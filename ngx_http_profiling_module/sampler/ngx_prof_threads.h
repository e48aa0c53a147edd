
/*
 * Threads as they begin and end.
 *
 * pthread_create() is interposed to see threads from their start.  This
 * happens in the master, since nginx creates its thread pools before it calls
 * the module in the worker. pthread_sigmask() is interposed too: threads of
 * nginx's pools block all signals, and could never be sampled.
 */


#ifndef _NGX_PROF_THREADS_H_INCLUDED_
#define _NGX_PROF_THREADS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* master or single process: threads are seen from now on */
void ngx_prof_threads_init_module(ngx_log_t *log);

/* worker: registers its main thread; NGX_ERROR: it cannot be sampled */
ngx_int_t ngx_prof_threads_init(ngx_log_t *log);

/* worker, once its slot has a heap table: counts the threads it already has */
void ngx_prof_threads_made(void);


#endif /* _NGX_PROF_THREADS_H_INCLUDED_ */
