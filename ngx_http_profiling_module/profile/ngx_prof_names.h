
/*
 * Names of frames for answers: looked up by the encoder, which knows static
 * functions too, and remembered in the worker.  Worker, normal context.
 */


#ifndef _NGX_PROF_NAMES_H_INCLUDED_
#define _NGX_PROF_NAMES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_file.h"


/* frames that are remembered, a power of two */
#define NGX_PROF_NAMES      2048

/* frames that may be asked for at a time */
#define NGX_PROF_NAMES_MAX  1024


typedef void (*ngx_prof_names_pt)(void *data);


/*
 * Looks names up.  NGX_OK: all are known; NGX_AGAIN: done is called when they
 * are, unless the pool is destroyed before; NGX_ERROR: the encoder cannot be
 * asked.  What it does not know either has the name that frame_name() gives.
 */
ngx_int_t ngx_prof_names(ngx_pool_t *pool, ngx_log_t *log,
    const uint64_t *frames, ngx_uint_t n, ngx_prof_names_pt done, void *data);

/* whether a name is remembered; quick: exported ones are, from now on */
ngx_uint_t ngx_prof_names_known(uint64_t frame, ngx_uint_t quick);

/* the name of a frame, in memory that is kept until the next lookup */
const char *ngx_prof_names_get(uint64_t frame);

/*
 * A capture that asks for the names of addresses of this process; complete.
 * NULL: out of memory.
 */
ngx_prof_rawfile_t *ngx_prof_names_capture(ngx_pool_t *pool,
    const uint64_t *pcs, ngx_uint_t n);


#endif /* _NGX_PROF_NAMES_H_INCLUDED_ */
