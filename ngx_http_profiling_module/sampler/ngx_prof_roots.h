
/*
 * Which loaded objects the addresses of a stack of the heap belong to: stacks
 * outlive their worker, and may be named by another that has the same ones at
 * the same places.
 *
 * A set of objects is told by a hash.  The heap_root of a slot are those that
 * its owner has had: what was loaded when it was forked, which it shares with
 * all workers of that master, and the same with what it has loaded itself
 * (for names of users and hosts, by Lua), which lies elsewhere in others.
 * Worker, normal context; the sets are set by the main thread.
 */


#ifndef _NGX_PROF_ROOTS_H_INCLUDED_
#define _NGX_PROF_ROOTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/* when the slot is claimed, and when the list of objects has changed */
void ngx_prof_heap_root_set(ngx_prof_slot_t *slot);

/* the set for a stack of n frames, any thread */
uint64_t ngx_prof_heap_root(const uint64_t *pcs, ngx_uint_t n);


#endif /* _NGX_PROF_ROOTS_H_INCLUDED_ */
