
/*
 * Marks between events: where the event loop goes from one event to the next.
 *
 * An event of a connection of ours is put behind each that the kernel reports.
 * nginx calls its handler between two others, which ends one slice and begins
 * the next; nginx's order of events is as it was.  Timers and posted events are
 * reached in the same way: a timer of ours behind the next one that is due, a
 * posted event of ours behind the next one.
 *
 * Tried as well: handing nginx one event a pass, which costs a whole pass for
 * each event; see docs/COSTS.md.
 *
 * Worker's main thread, normal context.
 */


#ifndef _NGX_PROF_MARK_H_INCLUDED_
#define _NGX_PROF_MARK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/epoll.h>


/* worker: before the first pass */
void ngx_prof_mark_init(ngx_cycle_t *cycle);

/* events to ask the kernel for, of n that have room: marks need some */
int ngx_prof_mark_room(int n);

/*
 * A pass begins, with rc events of the kernel, n of which would have room:
 * returns how many there are with the marks.  The loop waited from `then` to
 * `now`, ticks of the clock.
 */
int ngx_prof_mark_pass(struct epoll_event *events, int rc, int n,
    uint64_t then, uint64_t now);

/* a pass has ended */
void ngx_prof_mark_end(uint64_t now);


#endif /* _NGX_PROF_MARK_H_INCLUDED_ */
