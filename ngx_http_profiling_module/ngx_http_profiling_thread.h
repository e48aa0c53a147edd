
/*
 * The threads of this worker and their stacks: how much address space they
 * reserve and how much of it is resident.  Worker, normal context.
 *
 * Threads are found from outside, without a hook: /proc/self/task tells
 * them, /proc/self/task/<tid>/syscall where the stack pointer of a waiting
 * one stands, /proc/self/maps what is mapped there, mincore(2) what of that
 * is resident.
 */


#ifndef _NGX_HTTP_PROFILING_THREAD_H_INCLUDED_
#define _NGX_HTTP_PROFILING_THREAD_H_INCLUDED_


#include "ngx_http_profiling_module.h"


/* worker, when it starts */
void ngx_http_profiling_thread_init(void);

/*
 * Fills stack_inuse and stack_sys of g, or marks them unavailable.  Looks for
 * threads only if their number, g->threads, changed; measures the main stack
 * and one other stack a call.
 */
void ngx_http_profiling_thread_stacks(ngx_http_profiling_gauges_t *g);


#endif /* _NGX_HTTP_PROFILING_THREAD_H_INCLUDED_ */
