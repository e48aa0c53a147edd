
/*
 * The process's allocator: glibc's, or jemalloc or tcmalloc if one of them was
 * loaded first.  Worker, normal context.
 */


#ifndef _NGX_PROF_ALLOCATOR_H_INCLUDED_
#define _NGX_PROF_ALLOCATOR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    uint64_t  alloc;        /* bytes handed out */
    uint64_t  sys;          /* bytes held */
    uint64_t  resident;     /* of these in memory, by its account; 0:
                               unknown */
    uint64_t  next_gc;      /* alloc at which a trim would begin, 0: unknown */
    uint64_t  estimated;    /* 1: alloc goes by the heap's samples since the
                               allocator's latest answer */
} ngx_prof_heap_t;


/* ns that a tick, or a trace, may take to learn the heap's figures */
#define NGX_PROF_HEAP_BOUND  100000


/* determines which allocator the process uses; once */
void ngx_prof_allocator_init(void);

/* "glibc", "jemalloc", "tcmalloc", or "unknown" */
const char *ngx_prof_allocator_name(void);

/*
 * Reads the allocator's own figures.  NGX_DECLINED: it has none.  The cost
 * grows with the number of arenas and of free chunks: not for hot paths.
 */
ngx_int_t ngx_prof_allocator_read(ngx_prof_heap_t *heap);

/* whether reading walks through the heap */
ngx_uint_t ngx_prof_allocator_walks(void);

/* returns free memory to the system; NGX_DECLINED: it cannot */
ngx_int_t ngx_prof_allocator_trim(void);


#endif /* _NGX_PROF_ALLOCATOR_H_INCLUDED_ */
