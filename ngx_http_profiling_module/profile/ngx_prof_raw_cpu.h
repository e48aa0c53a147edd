
/*
 * CPU samples in raw captures.  Worker, normal context.
 */


#ifndef _NGX_HTTP_PROFILING_RAWFILE_CPU_H_INCLUDED_
#define _NGX_HTTP_PROFILING_RAWFILE_CPU_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_file.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"


/* of the duration, in ns, that ends now; NULL: out of memory */
ngx_http_profiling_rawfile_t *ngx_http_profiling_rawfile_create(
    ngx_pool_t *pool, uint64_t duration);

/* a slot; the samples that follow are of its owners */
void ngx_http_profiling_rawfile_slot(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_reading_t *reading);

/* from .. to - 1 of the reading's tallies, at most CHUNK of them */
void ngx_http_profiling_rawfile_samples(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_stacks_t *stacks,
    const ngx_http_profiling_reading_t *reading, ngx_uint_t from,
    ngx_uint_t to);


#endif /* _NGX_HTTP_PROFILING_RAWFILE_CPU_H_INCLUDED_ */
