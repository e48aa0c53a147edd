
/*
 * Sampled blocks of memory that are still allocated, by address.
 *
 * Only the thread that frees a block looks for its address, so an entry
 * changes hands in one atomic step, without locks.  The table is a worker's
 * private memory, touched as it is used.  Any thread; never calls an
 * allocator.
 */


#ifndef _NGX_PROF_LIVE_H_INCLUDED_
#define _NGX_PROF_LIVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_base.h"


/*
 * Filters: counts of live samples by bits of the address; a count that reaches
 * 255 stays there.  Every free() asks the quick filter, which takes the last
 * 16 bits of the address as they are, in one instruction.  Only addresses that
 * it stops are looked up in the finer one.
 */

#define NGX_PROF_FILTER_QUICK  (1 << 16)
#define NGX_PROF_FILTER        (1 << 18)

#define ngx_prof_heap_quick_filter_of(p)                                      \
    ((uint16_t) (uintptr_t) (p))
#define ngx_prof_heap_filter_of(p)                                            \
    ((uintptr_t) (p) >> 4 & (NGX_PROF_FILTER - 1))

#define ngx_prof_heap_live_may(p)                                             \
    (ngx_prof_heap_filter[ngx_prof_heap_filter_of(p)])


typedef struct {
    uintptr_t  address;         /* 0: free, 1: being filled */
    uint64_t   count;           /* as added to its tally */
    uint64_t   bytes;
    uint32_t   tally;
    uint32_t   unused;
} ngx_prof_heap_live_t;


extern u_char
    ngx_prof_heap_quick_filter[NGX_PROF_FILTER_QUICK]
    NGX_PROF_HIDDEN;
extern u_char  ngx_prof_heap_filter[NGX_PROF_FILTER]
    NGX_PROF_HIDDEN;


/* once per process; NGX_ERROR: no memory */
ngx_int_t ngx_prof_heap_live_init(void);

/* NGX_DECLINED: no room */
ngx_int_t ngx_prof_heap_live_insert(const ngx_prof_heap_live_t *live);

/* removes and returns the entry of an address; NGX_DECLINED: there is none */
ngx_int_t ngx_prof_heap_live_take(const void *p, ngx_prof_heap_live_t *live);


#endif /* _NGX_PROF_LIVE_H_INCLUDED_ */
