
/*
 * Blocking calls of the worker's main thread: interposed in all objects and
 * timed.  A call on a socket that does not block is told by a table of
 * descriptors and passed on, without a look at any clock.
 */


#ifndef _NGX_PROF_BLOCK_H_INCLUDED_
#define _NGX_PROF_BLOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_clock.h"
#include "ngx_prof_wait.h"


/* a call that takes less, in ns, did not wait */
#define NGX_PROF_BLOCK_MIN  10000


/* ns of all calls that have ended: what is in it is not an outer call's */
extern uint64_t  ngx_prof_block_told;

/* NGX_PROF_BLOCK_MIN in ticks; none while nothing is profiled */
extern uint64_t  ngx_prof_block_ticks;


/* in hooks: whether the call is timed, and what surrounds it */

#define ngx_prof_block_timed()                                                \
    ngx_prof_wait_main((uintptr_t) __builtin_frame_address(0))


#define ngx_prof_block_begin(told, start)                                     \
    told = ngx_prof_block_told;                                               \
    start = ngx_prof_counter_read()


#define ngx_prof_block_end(told, start, function)                             \
    start = ngx_prof_counter_read() - start;                                  \
                                                                              \
    if (start >= ngx_prof_block_ticks) {                                      \
        ngx_prof_block_ended(start, told, (const void *) function);           \
    }


/* a call in the main thread that took long has ended; errno is kept */
void ngx_prof_block_ended(uint64_t ticks, uint64_t told, const void *function);

/* worker, when its slot is claimed, behind wait_init() */
void ngx_prof_block_init(ngx_cycle_t *cycle);

/* the hook of accept4(): a socket that does not block */
void ngx_prof_block_socket(int fd);


#endif /* _NGX_PROF_BLOCK_H_INCLUDED_ */
