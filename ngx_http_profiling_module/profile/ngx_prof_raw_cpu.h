
/*
 * CPU samples in raw captures.  Worker, normal context.
 */


#ifndef _NGX_PROF_RAW_CPU_H_INCLUDED_
#define _NGX_PROF_RAW_CPU_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_file.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"


/*
 * creates a capture of a duration, in ns, that ends now; NULL: out of memory
 */
ngx_prof_rawfile_t *ngx_prof_rawfile_create(ngx_pool_t *pool,
    uint64_t duration);

/* begins a slot; the samples that follow are its owners' */
void ngx_prof_rawfile_slot(ngx_prof_rawfile_t *f, ngx_prof_slot_t *slot,
    const ngx_prof_slot_reading_t *reading);

/* writes tallies from .. to - 1 of the reading, at most CHUNK of them */
void ngx_prof_rawfile_samples(ngx_prof_rawfile_t *f, ngx_prof_slot_t *slot,
    const ngx_prof_stacks_t *stacks, const ngx_prof_slot_reading_t *reading,
    ngx_uint_t from, ngx_uint_t to);


#endif /* _NGX_PROF_RAW_CPU_H_INCLUDED_ */
