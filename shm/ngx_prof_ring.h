
/*
 * The history of a slot: one sample per tick.
 *
 * Ticks are numbered by the monotonic clock (its milliseconds divided by the
 * interval), which all processes of a machine share: the samples of all
 * workers line up and can be added.  Sample T is stored at T modulo n.  If a
 * worker misses a tick, an older sample remains there, as its number shows.
 * Written by the slot's owner only, read by any worker.
 */


#ifndef _NGX_PROF_RING_H_INCLUDED_
#define _NGX_PROF_RING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"


/*
 * 136 bytes: 1000 samples are 133 KiB.  Gauges are those of the worker at that
 * tick; counters are the slot's, all its owners' together.
 */
typedef struct {
    uint32_t  tick;             /* 0: none, or being written */
    uint32_t  tasks;            /* counter: tasks handed to thread pools */
    uint64_t  clock;            /* ns, CLOCK_MONOTONIC; 0: its worker had
                                   ended, it has counters alone */
    uint64_t  heap_alloc;       /* bytes handed out by the allocator */
    uint64_t  heap_sys;         /* bytes the allocator holds */
    uint64_t  total_alloc;      /* counter: bytes ever allocated */
    uint64_t  anonymous;        /* bytes, resident */
    uint64_t  pause_total;      /* counter: ns */
    uint64_t  requests;         /* counter */
    uint64_t  errors;           /* counter: status 500 and more */
    uint64_t  cpu;              /* counter: us, user and system */
    uint32_t  pauses;           /* counter */
    uint32_t  last_pause;       /* us */
    uint32_t  connections;      /* the unit of CONTRACT's goroutines */
    uint32_t  stacks;           /* KiB resident (low 16), MiB reserved */
    uint64_t  mallocs;          /* counters */
    uint64_t  frees;
    uint64_t  next_gc;          /* bytes, as in gauges */
    uint32_t  shared;           /* KiB resident */
    uint32_t  files;            /* KiB resident */
    uint64_t  unavailable;      /* NGX_PROF_NO_* */
} ngx_prof_sample_t;


/* stacks of a sample: resident bytes, rounded up to KiB, at most 64 MiB */
#define ngx_prof_sample_stacks(resident, reserved)                            \
    ((uint32_t) ngx_min(((resident) + 1023) >> 10, 0xffff)                    \
     | (uint32_t) ngx_min(((reserved) + 0xfffff) >> 20, 0xffff) << 16)

#define ngx_prof_sample_stack_inuse(s)                                        \
    ((uint64_t) ((s)->stacks & 0xffff) << 10)

#define ngx_prof_sample_stack_sys(s)                                          \
    ((uint64_t) ((s)->stacks >> 16) << 20)


/* by the owner: writes the sample of s->tick, which is never 0 */
void ngx_prof_ring_write(ngx_prof_sample_t *ring, ngx_uint_t n,
    const ngx_prof_sample_t *s);

/*
 * Copies the sample of a tick to s.  NGX_DECLINED: the ring does not have that
 * tick (not yet, no longer, missed, or being written now).
 */
ngx_int_t ngx_prof_ring_read(const ngx_prof_sample_t *ring, ngx_uint_t n,
    uint32_t tick, ngx_prof_sample_t *s);


#endif /* _NGX_PROF_RING_H_INCLUDED_ */
