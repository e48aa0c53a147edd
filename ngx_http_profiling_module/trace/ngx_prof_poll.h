
/*
 * Events that the kernel has reported, passed to the event loop a few at a
 * time.
 *
 * nginx recognizes an event whose connection was closed meanwhile by one bit,
 * which changes when the connection is reused.  That is enough for the events
 * of one call.  These events wait longer: when an event's turn comes its
 * connection may have been reused twice, and would take an earlier
 * connection's close for its own.  So each event is kept with the number that
 * nginx gave to its connection.
 */


#ifndef _NGX_PROF_POLL_H_INCLUDED_
#define _NGX_PROF_POLL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/epoll.h>


/* events that the kernel is asked for per call */
#define NGX_PROF_POLL_EVENTS  64


/* from epoll_wait(); data.ptr is what nginx set: a connection, and its bit */

typedef struct {
    int                 next;
    int                 n;
    struct epoll_event  event[NGX_PROF_POLL_EVENTS];
    ngx_atomic_uint_t   number[NGX_PROF_POLL_EVENTS];
    ngx_socket_t        fd[NGX_PROF_POLL_EVENTS];
} ngx_prof_poll_t;


/*
 * Main thread, when all events have been passed on: asks the kernel through
 * `wait`, as epoll_wait() does.  Returns what `wait` returns.
 */
int ngx_prof_poll_ask(ngx_prof_poll_t *poll, int ep, int timeout,
    int (*wait)(int, struct epoll_event *, int, int));

/*
 * Main thread: returns the next events, n at most, whose connections are still
 * those of the report. 0: none is left.
 */
int ngx_prof_poll_next(ngx_prof_poll_t *poll, struct epoll_event *events,
    int n);


#endif /* _NGX_PROF_POLL_H_INCLUDED_ */
