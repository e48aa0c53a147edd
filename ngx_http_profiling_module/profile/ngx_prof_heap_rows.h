
/*
 * A heap profile in progress, and the part that writes a slot's tallies as
 * samples.  Internal to ngx_prof_heap_*.c.  Worker, normal context.
 */


#ifndef _NGX_PROF_HEAP_ROWS_H_INCLUDED_
#define _NGX_PROF_HEAP_ROWS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_cpu_profile.h"
#include "ngx_prof_job.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_slot.h"


/* tallies written in one step */
#define NGX_PROF_HEAP_CHUNK    64


typedef enum {
    NGX_PROF_OF_HEAP = 0,
    NGX_PROF_OF_ALLOCS,
    NGX_PROF_OF_THREADS
} ngx_prof_heap_kind_e;


typedef struct {
    ngx_uint_t                     kind;
    ngx_pid_t                      worker;      /* 0: all */
    ngx_uint_t                     text;        /* Go's debug=1 */
    ngx_uint_t                     trim;        /* 1: trim all allocators
                                                   first */
    ngx_msec_t                     delta;       /* 0: none */
} ngx_prof_heap_query_t;


typedef struct {
    ngx_prof_heap_query_t  query;
    ngx_pool_t            *pool;
    ngx_prof_capture_pt    done;
    void                  *data;

    ngx_uint_t             slot;                /* being read */
    ngx_uint_t             entry;               /* next one of its table */
    int64_t                sign;                /* -1: the first reading */
    uint64_t               start;               /* ns, of the first reading */
    uint64_t               deadline; /* ns, of trims */
    uint64_t              *asked;               /* of each slot */

    ngx_prof_rawfile_t    *raw;
    uint32_t               processes;
    uint32_t               bytes;               /* strings */
    uint32_t               ended;

    /* of the slot that is read */
    ngx_pid_t              pid;                 /* 0: its owner has ended */
    uint32_t               plain;               /* process without labels */
    uint32_t               labelled;
    uint64_t               roots[NGX_PROF_ROOTS];
    ngx_uint_t             nroots;

    ngx_prof_job_t         job;
} ngx_prof_heap_profile_t;


/* writes tallies from h->entry to last - 1, at most CHUNK of them */
void ngx_prof_heap_rows(ngx_prof_heap_profile_t *h, ngx_prof_slot_t *slot,
    ngx_uint_t last);


#endif /* _NGX_PROF_HEAP_ROWS_H_INCLUDED_ */
