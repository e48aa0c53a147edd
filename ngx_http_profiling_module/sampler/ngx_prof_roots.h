
/*
 * Which loaded objects the addresses of a heap stack belong to.  Stacks
 * outlive their worker; another worker may name them if it has the same
 * objects at the same addresses.
 *
 * A set of objects is identified by a hash.  A slot's heap_root lists the sets
 * that its owner has had: what was loaded when it was forked, shared by all
 * workers of that master, and the same with what it has loaded itself since
 * (for names of users and hosts, or by Lua), which may lie elsewhere in other
 * workers.  Worker, normal context; only the main thread sets the sets.
 */


#ifndef _NGX_PROF_ROOTS_H_INCLUDED_
#define _NGX_PROF_ROOTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/* when the slot is claimed, and when the list of loaded objects changes */
void ngx_prof_heap_root_set(ngx_prof_slot_t *slot);

/*
 * the set that a stack needs; later: some of its frames are of objects that
 * were loaded after the fork.  Any thread.
 */
uint64_t ngx_prof_heap_root(ngx_uint_t later);


#endif /* _NGX_PROF_ROOTS_H_INCLUDED_ */
