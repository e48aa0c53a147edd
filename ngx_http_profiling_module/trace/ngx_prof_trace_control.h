
/*
 * The recorder of execution traces.
 *
 * While a trace of the zone runs, each worker writes what its event loop does
 * into a ring of its own, as a stream of events (ngx_prof_trace.h): never
 * blocking, what finds no room is counted.  While none runs, all that is left
 * of it is a load and a branch in each pass of the event loop.
 */


#ifndef _NGX_PROF_TRACE_CONTROL_H_INCLUDED_
#define _NGX_PROF_TRACE_CONTROL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


struct epoll_event;


/* worker, when it starts and when it is woken: begins to record, or ends */
void ngx_prof_trace_update(void);

/* worker: ends it, before the slot or the configuration goes */
void ngx_prof_trace_stop(void);

/*
 * Worker, in place of epoll_wait() while `polls` is set, and at its return
 * while it records.  Times in ns.
 */
int ngx_prof_trace_poll(uint64_t now, int ep, struct epoll_event *events,
    int n, int timeout, int (*wait)(int, struct epoll_event *, int, int));
void ngx_prof_trace_pass(uint64_t now, const struct epoll_event *event, int n);


#endif /* _NGX_PROF_TRACE_CONTROL_H_INCLUDED_ */
