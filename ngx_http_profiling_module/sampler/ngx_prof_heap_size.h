
/*
 * The heap's figures, without a walk through a fragmented heap.
 *
 * glibc counts its free chunks one by one when it is asked, some 200 ns each.
 * It is asked only where that is known to be cheap: the heap is small, and each
 * call to free() since the latest answer added one free chunk at most.
 * Otherwise the figures follow from the latest answer, by what the heap's
 * sampler knows of blocks that were allocated and freed since.  Calls past the
 * hooks, as through LuaJIT's FFI, make the heap grow more than the hooks have
 * seen: then nothing is known until somebody asks.
 */


#ifndef _NGX_PROF_HEAP_SIZE_H_INCLUDED_
#define _NGX_PROF_HEAP_SIZE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_allocator.h"


/* master, before it forks: workers begin with its figures */
void ngx_prof_heap_size_init_module(void);

/*
 * Worker: the figures of now.  The allocator is asked if that takes less than
 * `bound` ns; 0: an older answer will do.  NGX_DECLINED: not known.
 */
ngx_int_t ngx_prof_heap_size(ngx_prof_heap_t *heap, uint64_t bound);

/* worker: asks the allocator, whatever it costs */
ngx_int_t ngx_prof_heap_size_ask(ngx_prof_heap_t *heap);

/* worker: the part of the figures that it inherited from the master */
const ngx_prof_heap_t *ngx_prof_heap_size_inherited(void);


#endif /* _NGX_PROF_HEAP_SIZE_H_INCLUDED_ */
