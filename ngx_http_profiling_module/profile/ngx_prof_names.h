
/*
 * Names of frames for answers: looked up by the encoder, which also knows
 * static functions, and cached in the worker.  Worker, normal context.
 */


#ifndef _NGX_PROF_NAMES_H_INCLUDED_
#define _NGX_PROF_NAMES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_file.h"


/* frames whose names are cached, a power of two */
#define NGX_PROF_NAMES      2048

/* frames per lookup at most */
#define NGX_PROF_NAMES_MAX  1024


typedef void (*ngx_prof_names_pt)(void *data);


/*
 * Looks up names.  NGX_OK: all are known; NGX_AGAIN: done is called once they
 * are, unless the pool is destroyed first; NGX_ERROR: the encoder cannot be
 * used.  A frame that the encoder cannot name has the name that frame_name()
 * gives.
 */
ngx_int_t ngx_prof_names(ngx_pool_t *pool, ngx_log_t *log,
    const uint64_t *frames, ngx_uint_t n, ngx_prof_names_pt done, void *data);

/*
 * is a name cached? quick: exported names are looked up, and count as cached
 */
ngx_uint_t ngx_prof_names_known(uint64_t frame, ngx_uint_t quick);

/* the name of a frame; valid until the next lookup */
const char *ngx_prof_names_get(uint64_t frame);

/*
 * A capture that asks for the names of addresses in this process, or with
 * NGX_PROF_RAW_RELATIVE of such as profiles have; rawfile_finish() ends it.
 * NULL: out of memory.
 */
ngx_prof_rawfile_t *ngx_prof_names_open(ngx_pool_t *pool, uint32_t flags);
void ngx_prof_names_add(ngx_prof_rawfile_t *f, const uint64_t *pcs,
    ngx_uint_t n);


#endif /* _NGX_PROF_NAMES_H_INCLUDED_ */
