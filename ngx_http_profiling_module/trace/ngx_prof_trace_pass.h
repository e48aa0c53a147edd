
/*
 * The passes of the event loop during a trace, and the connection or request
 * that each belongs to.  Worker, normal context; times in ns.
 */


#ifndef _NGX_PROF_TRACE_PASS_H_INCLUDED_
#define _NGX_PROF_TRACE_PASS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


struct epoll_event;


/* pass(): epoll_wait() has returned; wait(): it is about to be called */
void ngx_prof_trace_requests_pass(uint64_t now,
    const struct epoll_event *event, int n);
void ngx_prof_trace_requests_wait(uint64_t now);


#endif /* _NGX_PROF_TRACE_PASS_H_INCLUDED_ */
