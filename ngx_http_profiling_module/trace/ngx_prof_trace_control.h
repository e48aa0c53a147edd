
/*
 * The recorder of execution traces.
 *
 * While a trace of the zone is on, each worker records what its event loop
 * does in a ring of its own, as a stream of events (ngx_prof_trace.h).
 * Recording never blocks: events without room are counted.  While no trace is
 * on, all that remains is a load and a branch in each pass of the event loop.
 */


#ifndef _NGX_PROF_TRACE_CONTROL_H_INCLUDED_
#define _NGX_PROF_TRACE_CONTROL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_allocator.h"


struct epoll_event;


/* worker, when it starts and when it is woken: starts or stops recording */
void ngx_prof_trace_update(void);

/* worker: how a trace learns the heap's figures */
void ngx_prof_trace_heap_by(ngx_int_t (*size)(ngx_prof_heap_t *heap,
    uint64_t bound));

/* worker: stops recording, before the slot or the configuration goes */
void ngx_prof_trace_stop(void);

/*
 * Worker: poll() replaces epoll_wait() while `polls` is set, and pass()
 * follows its return while the worker records.  Times in ns.
 */
int ngx_prof_trace_poll(uint64_t now, int ep, struct epoll_event *events,
    int n, int timeout, int (*wait)(int, struct epoll_event *, int, int));
void ngx_prof_trace_pass(uint64_t now, const struct epoll_event *event, int n);


#endif /* _NGX_PROF_TRACE_CONTROL_H_INCLUDED_ */
