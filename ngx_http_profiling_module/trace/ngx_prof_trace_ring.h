
/*
 * The rings of execution traces.  A worker's event loop, hooks and sampler
 * write its ring; the worker that answers the request reads it.
 *
 * The rings lie in memory of their own that the master maps before it forks;
 * the kernel provides pages as they are written. `head` and `tail` are
 * positions in a stream of events that never restarts.
 */


#ifndef _NGX_PROF_TRACE_RING_H_INCLUDED_
#define _NGX_PROF_TRACE_RING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_base.h"
#include "ngx_prof_zone.h"


/* moments of CPU samples that a worker keeps for one trace */
#define NGX_PROF_TRACE_MOMENTS  4096


typedef struct {
    uint64_t                      time;     /* ns; written last, 0: not yet */
    uint32_t                      goroutine;
    uint32_t                      node;     /* of the slot's stacks */
} ngx_prof_trace_moment_t;


typedef struct {

    /* by the owner of the slot */

    uint64_t                      seq;      /* the trace that the worker
                                               records */
    uint64_t                      start;    /* where its events begin */
    uint64_t                      head;     /* where the next event goes */
    uint64_t                      lost;     /* events, in this trace */
    uint64_t                      pad0[4];

    /* by the worker that answers */

    uint64_t                      tail;     /* the position up to which it
                                               has read */
    uint64_t                      pad1[7];

    /* by the owner's threads, atomically; may exceed the room */

    uint64_t                      moment_n;
    uint64_t                      pad2[7];

    ngx_prof_trace_moment_t
                                  moment[NGX_PROF_TRACE_MOMENTS];
} ngx_prof_trace_ring_t;


/* of this worker */

typedef struct {
    ngx_uint_t                    on;       /* it records */
    ngx_uint_t                    polls;    /* events pass through here */
    ngx_uint_t                    asked;    /* the kernel, for the latest */
    uint32_t                      goroutine;    /* that is running, 0: the
                                                   worker itself */
} ngx_prof_tracing_t;


/* the writer of this worker's ring */

typedef struct {
    ngx_prof_trace_ring_t  *ring;
    u_char                 *data;
    size_t                  size;
    uint64_t                seq;                /* 0: no trace was recorded */
    uint64_t                until;              /* ns */
    uint64_t                time;               /* of the latest event */
    uint64_t                head;
    size_t                  at;                 /* offset of head in the
                                                   data */
    size_t                  stop;               /* up to here an event has
                                                   room without further
                                                   checks */
    uint64_t                tail;               /* as last read */
    uint64_t                lost;               /* not yet reported */
    uint64_t                heap;               /* ns, when to read the heap
                                                   again */
} ngx_prof_recorder_t;


extern ngx_prof_tracing_t  ngx_prof_tracing;
extern ngx_prof_recorder_t  ngx_prof_recorder
    NGX_PROF_HIDDEN;


/* master: maps the rings, once for a zone */
void ngx_prof_trace_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);

/* writes an event with n arguments; NGX_DECLINED: no room, it is counted */
ngx_int_t ngx_prof_trace_put(ngx_uint_t type, uint64_t time, ngx_uint_t n,
    const uint64_t *args);

/* worker's main thread: a function of this name has blocked for some ns */
void ngx_prof_trace_blocked(const char *name, uint64_t duration);

/* any thread, signal handlers: adds a CPU sample, by the node of its stack */
void ngx_prof_trace_sample(uint64_t now, uint32_t node, ngx_uint_t main);

/* the ring of a slot, also for readers */

ngx_prof_trace_ring_t *ngx_prof_trace_ring(const ngx_prof_zone_t *zone,
    ngx_uint_t slot);
u_char *ngx_prof_trace_data(ngx_prof_trace_ring_t *ring);
size_t ngx_prof_trace_size(const ngx_prof_zone_t *zone);


#endif /* _NGX_PROF_TRACE_RING_H_INCLUDED_ */
