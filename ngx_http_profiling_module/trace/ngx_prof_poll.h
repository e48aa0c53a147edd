
/*
 * Events that the kernel has told of, handed to the event loop some at a time.
 *
 * nginx knows an event whose connection was closed meanwhile by one bit, which
 * changes when the connection is used anew.  That is enough for the events of
 * one call.  These wait longer: a connection may have been used twice anew
 * when its event's turn comes, and would take another's end for its own.  So
 * each is kept with the number that nginx gave to the connection.
 */


#ifndef _NGX_PROF_POLL_H_INCLUDED_
#define _NGX_PROF_POLL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/epoll.h>


/* events that the kernel is asked for at a time */
#define NGX_PROF_POLL_EVENTS  64


/* of epoll_wait(), data.ptr as nginx sets it: a connection, and its bit */

typedef struct {
    int                 next;
    int                 n;
    struct epoll_event  event[NGX_PROF_POLL_EVENTS];
    ngx_atomic_uint_t   number[NGX_PROF_POLL_EVENTS];
    ngx_socket_t        fd[NGX_PROF_POLL_EVENTS];
} ngx_prof_poll_t;


/*
 * Main thread, when all events have been handed out: asks the kernel as
 * epoll_wait() does, by `wait`.  What that returns.
 */
int ngx_prof_poll_ask(ngx_prof_poll_t *poll, int ep, int timeout,
    int (*wait)(int, struct epoll_event *, int, int));

/*
 * Main thread: the next events, n at most, whose connections are still those
 * that the kernel told of.  0: none is left.
 */
int ngx_prof_poll_next(ngx_prof_poll_t *poll, struct epoll_event *events,
    int n);


#endif /* _NGX_PROF_POLL_H_INCLUDED_ */
